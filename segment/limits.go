package segment

import (
	"errors"
	"fmt"
	"time"
)

// Limits bound what a Reassembler keeps. The zero value stands for the defaults.
type Limits struct {
	// MaxBytes bounds all that is held, in bytes; 0 stands for DefaultMaxBytes.
	// Each segment counts 128 bytes more than its payload, each set 512 and its
	// sender's name. When it is full, the sender with the most gives way: of large
	// payloads that come at the same time and do not fit together, some must be sent
	// again, so it should be a multiple of the largest that is usual.
	MaxBytes int
	// MaxSenderBytes bounds what is held of one sender, and so the largest payload
	// that can come; 0 stands for MaxBytes.
	MaxSenderBytes int
	// MaxSets bounds the payloads that are incomplete at a time; 0 stands for
	// DefaultMaxSets.
	MaxSets int
	// Life is how long an incomplete set is kept after its last new segment; 0
	// stands for DefaultLife. It should be longer than a repair takes.
	Life time.Duration
	// MaxRemembered bounds the completed payloads that are known as such, and
	// MemoryLife is how long each is; 0 stands for DefaultMaxRemembered and
	// DefaultMemoryLife.
	MaxRemembered int
	MemoryLife    time.Duration
}

// The defaults of Limits.
const (
	DefaultMaxBytes      = 32 << 20
	DefaultMaxSets       = 100
	DefaultLife          = 5 * time.Minute
	DefaultMaxRemembered = 1024
	DefaultMemoryLife    = time.Hour
)

const (
	segmentOverhead = 128
	setOverhead     = 512

	maxSets       = 1 << 16
	maxRemembered = 1 << 20
)

// complete returns the limits with their defaults, or an error that names each
// field that is out of its range.
func (l Limits) complete(cfg Config) (Limits, error) {
	orDefault(&l.MaxBytes, DefaultMaxBytes)
	orDefault(&l.MaxSenderBytes, l.MaxBytes)
	orDefault(&l.MaxSets, DefaultMaxSets)
	orDefault(&l.MaxRemembered, DefaultMaxRemembered)
	orDefault(&l.Life, DefaultLife)
	orDefault(&l.MemoryLife, DefaultMemoryLife)
	const most = 1 << 30 // an int on any machine
	return l, errors.Join(
		within("MaxBytes", l.MaxBytes, cfg.SegmentSize+segmentOverhead+setOverhead, most),
		within("MaxSenderBytes", l.MaxSenderBytes, cfg.SegmentSize+segmentOverhead+setOverhead, most),
		within("MaxSets", l.MaxSets, 1, maxSets),
		within("MaxRemembered", l.MaxRemembered, 1, maxRemembered),
		positive("Life", l.Life),
		positive("MemoryLife", l.MemoryLife),
	)
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func positive(field string, d time.Duration) error {
	if d > 0 {
		return nil
	}
	return fmt.Errorf("segment: %s is %v, must be more than 0", field, d)
}
