package bloom

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestDefault(t *testing.T) {
	p, err := Size(10_000, 0.001)
	if err != nil || p != Default() {
		t.Errorf("Size(10000, 0.001) = %+v, %v, want %+v", p, err, Default())
	}
	if got := Default().Words(); got != 2344 {
		t.Errorf("%d words, want 2344", got)
	}
}

// nim.json farmhash64.params
func TestNimParams(t *testing.T) {
	v := loadNim(t).Farm.Params
	if len(v) != 17 {
		t.Fatalf("%d vectors, want 17", len(v))
	}
	for _, v := range v {
		p, err := Size(v.Capacity, v.ErrorRate)
		if err != nil {
			t.Errorf("Size(%d, %g): %v", v.Capacity, v.ErrorRate, err)
			continue
		}
		want := Params{K: v.K, Bits: v.M, Capacity: uint64(v.Capacity), PPM: v.PPM}
		if p != want || p.Words() != v.Words {
			t.Errorf("Size(%d, %g) = %+v, %d words, want %+v, %d", v.Capacity, v.ErrorRate, p, p.Words(), want, v.Words)
		}
		f := filled(t, Nim, p, nil)
		b := f.Append(nil)
		if len(b) != v.Len || f.Len() != v.Len || sum(b) != v.SHA256 {
			t.Errorf("Size(%d, %g): empty filter has %d bytes (Len %d), want %d, or other bytes", v.Capacity, v.ErrorRate, len(b), f.Len(), v.Len)
		}
		r, err := NewRolling(v.Capacity, v.ErrorRate)
		if err != nil || r.min != v.Min || r.max != v.Max {
			t.Errorf("NewRolling(%d, %g): %d … %d (%v), want %d … %d", v.Capacity, v.ErrorRate, r.min, r.max, err, v.Min, v.Max)
		}
	}
}

// js.json bloomSizing
func TestJSSizing(t *testing.T) {
	v := loadJS(t).Sizing
	if len(v) != 8 {
		t.Fatalf("%d vectors, want 8", len(v))
	}
	for _, v := range v {
		p, err := Size(v.Capacity, v.ErrorRate)
		if err != nil || p.K != v.K || p.Bits != v.TotalBits || p.Words() != v.Words {
			t.Errorf("Size(%d, %g) = %+v, %v, want k %d, %d bits, %d words", v.Capacity, v.ErrorRate, p, err, v.K, v.TotalBits, v.Words)
			continue
		}
		if got := filled(t, JS, p, nil).Len(); got != v.Bytes {
			t.Errorf("Size(%d, %g): %d bytes, want %d", v.Capacity, v.ErrorRate, got, v.Bytes)
		}
	}
}

// test_bloom of nim-sds, "k/m bits specification"
func TestSizeWithK(t *testing.T) {
	for _, c := range []struct {
		k    int
		rate float64
		want int
	}{{2, 0.1, 6}, {7, 0.01, 10}, {7, 0.001, 16}, {4, 0.01, 11}} {
		p, err := SizeWithK(1, c.rate, c.k, 0)
		if err != nil || p.Bits != c.want || p.K != c.k {
			t.Errorf("k %d, rate %g: %+v, %v, want %d bits", c.k, c.rate, p, err, c.want)
		}
	}
	p, err := SizeWithK(10_000, 0.001, 4, 20)
	if err != nil || p.K != 4 || p.Bits != 200_000 {
		t.Errorf("k 4, 20 bits per id: %+v, %v", p, err)
	}
	for _, c := range []struct {
		name         string
		capacity     int
		rate         float64
		k, perID     int
		want         error
		wantContains string
	}{
		{"k above the table", 1, 0.01, 13, 0, ErrHashes, "13"},
		{"k zero", 1, 0.01, 0, 0, ErrHashes, "0"},
		{"not achievable", 1, 0.00001, 2, 0, ErrSizing, "32 bits"},
		{"k above the limit", 1, 0.01, 65, 8, ErrHashes, "65"},
		{"rate", 1, 0, 3, 8, ErrSizing, "error rate"},
	} {
		_, err := SizeWithK(c.capacity, c.rate, c.k, c.perID)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.wantContains) {
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.want, c.wantContains)
		}
	}
}

func TestSizeRefuses(t *testing.T) {
	for _, c := range []struct {
		capacity int
		rate     float64
		want     error
	}{
		{0, 0.01, ErrSizing},
		{-1, 0.01, ErrSizing},
		{math.MinInt, 0.01, ErrSizing},
		{10, 0, ErrSizing},
		{10, 1, ErrSizing},
		{10, -0.1, ErrSizing},
		{10, math.NaN(), ErrSizing},
		{10, math.Inf(1), ErrSizing},
		{10, 1e-300, ErrHashes},
		{10, math.SmallestNonzeroFloat64, ErrHashes},
		{1_000_000, 0.001, ErrTooLarge},
		{math.MaxInt, 0.001, ErrTooLarge},
		{69_905, 0.001, ErrTooLarge}, // the words fit, the container does not
	} {
		if p, err := Size(c.capacity, c.rate); !errors.Is(err, c.want) {
			t.Errorf("Size(%d, %g) = %+v, %v, want %v", c.capacity, c.rate, p, err, c.want)
		}
	}
	// The dearest rate whose k fits, and the largest capacity at the default one.
	for _, ok := range []struct {
		capacity int
		rate     float64
	}{{1, 0.999999}, {1, 1e-19}, {69_000, 0.001}} {
		if p, err := Size(ok.capacity, ok.rate); err != nil {
			t.Errorf("Size(%d, %g) = %+v, %v", ok.capacity, ok.rate, p, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		p    Params
		want error
	}{
		{Params{}, ErrHashes},
		{Params{K: -1, Bits: 64}, ErrHashes},
		{Params{K: 65, Bits: 64}, ErrHashes},
		{Params{K: 1}, ErrBits},
		{Params{K: 1, Bits: -64}, ErrBits},
		{Params{K: 1, Bits: math.MaxInt}, ErrTooLarge},
		{Params{K: 1, Bits: 8 * MaxEncoded}, ErrTooLarge},
		{Params{K: 1, Bits: 64, Capacity: 1 << 63}, ErrSizing},
	} {
		for _, kind := range []Kind{Nim, JS} {
			if _, err := New(kind, c.p); !errors.Is(err, c.want) {
				t.Errorf("New(%v, %+v): %v, want %v", kind, c.p, err, c.want)
			}
		}
	}
	if _, err := New(0, Default()); err == nil {
		t.Error("New(0) made a filter")
	}
}

// test_bloom of nim-sds, "string representation"
func TestParamsString(t *testing.T) {
	p, err := SizeWithK(1000, 0.01, 4, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1000", "4 hash", "1.0e-02"} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("%q lacks %q", p, want)
		}
	}
}
