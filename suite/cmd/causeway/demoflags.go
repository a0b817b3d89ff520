package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/causeway-im/causeway/suite/demo"
)

// The flags of the demo. Their errors say what is allowed; cobra says which
// flag it was.

// intFlag is a whole number with bounds.
type intFlag struct {
	value    *int
	min, max int
}

func (f *intFlag) String() string {
	if f.value == nil {
		return ""
	}
	return strconv.Itoa(*f.value)
}

func (f *intFlag) Type() string { return "number" }

func (f *intFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < f.min || n > f.max {
		return fmt.Errorf("must be a whole number from %d to %d", f.min, f.max)
	}
	*f.value = n
	return nil
}

// seedFlag is any 64-bit number.
type seedFlag uint64

func (f *seedFlag) String() string { return strconv.FormatUint(uint64(*f), 10) }
func (f *seedFlag) Type() string   { return "number" }

func (f *seedFlag) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return fmt.Errorf("must be a whole number from 0 to %d", uint64(1<<64-1))
	}
	*f = seedFlag(n)
	return nil
}

// lossFlag is a share, written as 0.2 or as 20%.
type lossFlag float64

func (f *lossFlag) String() string { return strconv.FormatFloat(float64(*f), 'g', -1, 64) }
func (f *lossFlag) Type() string   { return "share" }

func (f *lossFlag) Set(s string) error {
	digits, percent := strings.CutSuffix(s, "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= demo.MaxLoss) {
		return fmt.Errorf("must be from 0 to %v, or from 0%% to %v%%", demo.MaxLoss, 100*demo.MaxLoss)
	}
	*f = lossFlag(share)
	return nil
}
