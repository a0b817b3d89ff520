package main

import (
	"errors"
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
	if f.value == nil || *f.value == 0 { // not said yet
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

// checkMembers is called when the transport is known.
func checkMembers(members int, t demo.Transport) error {
	if least := t.MinMembers(); members < least {
		return fmt.Errorf(`invalid argument "%d" for "--members" flag: must be a whole number from %d to %d with --transport %s`,
			members, least, demo.MaxMembers, t)
	}
	return nil
}

// transportFlag is a demo.Transport.
type transportFlag demo.Transport

func (f *transportFlag) String() string { return string(*f) }
func (f *transportFlag) Type() string   { return "network" }

func (f *transportFlag) Set(s string) error {
	if t := demo.Transport(s); t != demo.Waku && t != demo.Loopback {
		return fmt.Errorf("must be %s or %s", demo.Waku, demo.Loopback)
	}
	*f = transportFlag(s)
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

// offlineFlag is the index of a member, demo.Talker or demo.Nobody.
type offlineFlag int

func (f *offlineFlag) String() string {
	switch *f {
	case demo.Talker:
		return "auto"
	case demo.Nobody:
		return "none"
	}
	return strconv.Itoa(int(*f))
}

func (f *offlineFlag) Type() string { return "member" }

func (f *offlineFlag) Set(s string) error {
	switch s {
	case "auto":
		*f = demo.Talker
		return nil
	case "none":
		*f = demo.Nobody
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n >= demo.MaxMembers {
		return errors.New("must be auto, none, or a member from 0 to members-1")
	}
	*f = offlineFlag(n)
	return nil
}

// check is called when the number of members is known.
func (f *offlineFlag) check(members int) error {
	if int(*f) >= members {
		return fmt.Errorf(`invalid argument "%d" for "--offline" flag: must be auto, none, or a member from 0 to %d`, *f, members-1)
	}
	return nil
}
