package simulate

import (
	"fmt"
	"math"
	"time"

	"github.com/causeway-im/causeway/suite/internal/numbers"
)

// part writes n and which share of all that is.
func part(n, all int) string {
	if all == 0 {
		return numbers.Number(n)
	}
	share := 100 * float64(n) / float64(all)
	if n < all && share >= 99.95 { // not all
		return fmt.Sprintf("%s  %.3f %%", numbers.Number(n), math.Floor(share*1000)/1000)
	}
	return fmt.Sprintf("%s  %.1f %%", numbers.Number(n), share)
}

// short writes milliseconds in at most seven characters.
func short(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// clock writes d as m:ss, or h:mm:ss.
func clock(d time.Duration) string {
	s := int(d / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// tickSize writes a round number of bytes for an axis.
func tickSize(bytes float64) string {
	switch {
	case bytes < 1e3:
		return fmt.Sprintf("%g B", bytes)
	case bytes < 1e6:
		return fmt.Sprintf("%g kB", bytes/1e3)
	case bytes < 1e9:
		return fmt.Sprintf("%g MB", bytes/1e6)
	}
	return fmt.Sprintf("%g GB", bytes/1e9)
}

// size writes bytes in at most eight characters.
func size(bytes float64) string {
	switch {
	case bytes < 10_000:
		return fmt.Sprintf("%.0f B", bytes)
	case bytes < 1e6:
		return fmt.Sprintf("%.1f kB", bytes/1e3)
	case bytes < 1e9:
		return fmt.Sprintf("%.1f MB", bytes/1e6)
	}
	return fmt.Sprintf("%.1f GB", bytes/1e9)
}
