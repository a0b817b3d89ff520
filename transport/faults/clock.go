package faults

import (
	"sync/atomic"
	"time"
)

// Clock is a clock that can be wrong: for Options.Clock of a node. The zero value
// is right. All methods are safe for concurrent use.
type Clock struct{ offset atomic.Int64 }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Offset()) }

// Offset returns how far the clock is ahead.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// SetOffset sets how far the clock is ahead, or behind if it is negative.
func (c *Clock) SetOffset(d time.Duration) { c.offset.Store(int64(d)) }
