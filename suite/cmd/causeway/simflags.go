package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// rateFlag is a number of messages per second, written as 0.2 or as 1/5s.
type rateFlag float64

func (f *rateFlag) String() string { return strconv.FormatFloat(float64(*f), 'g', -1, 64) }
func (f *rateFlag) Type() string   { return "rate" }

func (f *rateFlag) Set(s string) error {
	messages, period, per := strings.Cut(s, "/")
	rate, err := strconv.ParseFloat(messages, 64)
	if per && err == nil {
		var d time.Duration
		if d, err = time.ParseDuration(period); err == nil {
			rate /= d.Seconds()
		}
	}
	if err != nil || !(rate >= 1e-6 && rate <= 100_000) {
		return errors.New("must be from 0.000001 to 100000 a second, or as 1/5s")
	}
	*f = rateFlag(rate)
	return nil
}

// durationFlag is a time above 0, written as 10m or 1h30m.
type durationFlag time.Duration

func (f *durationFlag) String() string {
	s := time.Duration(*f).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

func (f *durationFlag) Type() string { return "time" }

const maxDuration = 744 * time.Hour

func (f *durationFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second || d > maxDuration {
		return fmt.Errorf("must be from 1s to %vh, with its unit", maxDuration.Hours())
	}
	*f = durationFlag(d)
	return nil
}

// listFlag is several values of one kind, separated by commas.
type listFlag[T any] struct {
	values *[]T
	parse  func(string) (T, error)
	text   func(T) string
	kind   string
}

func (f *listFlag[T]) String() string {
	if f.values == nil {
		return ""
	}
	parts := make([]string, len(*f.values))
	for i, v := range *f.values {
		parts[i] = f.text(v)
	}
	return strings.Join(parts, ",")
}

func (f *listFlag[T]) Type() string { return f.kind }

func (f *listFlag[T]) Set(s string) error {
	var values []T
	for part := range strings.SplitSeq(s, ",") {
		v, err := f.parse(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		values = append(values, v)
	}
	*f.values = values
	return nil
}
