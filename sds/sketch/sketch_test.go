package sketch

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

const testTo = 1_700_000_600_000 // Lamport timestamps of the LIP dialect are milliseconds

// names returns n ids that no other prefix gives.
func names(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return ids
}

// sketchOf returns the sketch of a set in a range that depends on seed, so that
// each seed is another key.
func sketchOf(t testing.TB, seed uint64, m int, sets ...[]string) *Sketch {
	t.Helper()
	s, err := New([]byte("secret"), seed, testTo, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Concat(sets...) {
		s.Add(id)
	}
	return s
}

func digestOf(t testing.TB, s *Sketch, m int) Digest {
	t.Helper()
	d, err := s.Digest(m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func shorts(key Key, ids ...string) []uint64 {
	var out []uint64
	for _, id := range ids {
		out = append(out, key.ShortID(id))
	}
	slices.Sort(out)
	return out
}

// Adding and removing in any order is the same as encoding what is left.
func TestAddRemove(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		m := []int{16, 24, 32, 64}[round%4]
		ids, gone := names("kept", rnd.IntN(300)), names("gone", rnd.IntN(300))
		steps := make([]func(*Sketch), 0, len(ids)+len(gone))
		for _, id := range slices.Concat(ids, gone) {
			steps = append(steps, func(s *Sketch) {
				if got, want := s.Add(id), s.key.ShortID(id); got != want {
					t.Fatalf("Add(%q) = %x, want %x", id, got, want)
				}
			})
		}
		s := sketchOf(t, uint64(round), m)
		for _, i := range rnd.Perm(len(steps)) {
			steps[i](s)
		}
		for _, i := range rnd.Perm(len(gone)) {
			s.Remove(gone[i])
		}
		want, err := Encode([]byte("secret"), uint64(round), testTo, ids, m)
		if err != nil {
			t.Fatal(err)
		}
		if got := digestOf(t, s, m); got.Messages != len(ids) || s.Len() != len(ids) || !slices.Equal(got.Symbols, want.Symbols) {
			t.Fatalf("round %d: %d messages, want %d; symbols %v, want %v", round, got.Messages, len(ids), got.Symbols, want.Symbols)
		}
	}
}

// The symbols of a shorter digest begin those of a longer one.
func TestPrefix(t *testing.T) {
	s := sketchOf(t, 5, MaxSymbols, names("a", 500))
	all := digestOf(t, s, MaxSymbols)
	for m := MinSymbols; m <= MaxSymbols; m++ {
		if got := digestOf(t, s, m); !slices.Equal(got.Symbols, all.Symbols[:m]) {
			t.Fatalf("%d symbols: %v, want %v", m, got.Symbols, all.Symbols[:m])
		}
		if got := digestOf(t, sketchOf(t, 5, m, names("a", 500)), m); !slices.Equal(got.Symbols, all.Symbols[:m]) {
			t.Fatalf("a sketch of %d symbols: %v, want %v", m, got.Symbols, all.Symbols[:m])
		}
	}
}

// A digest is a copy: the sketch goes on without changing it.
func TestDigestIsACopy(t *testing.T) {
	s := sketchOf(t, 5, 16, names("a", 50))
	d := digestOf(t, s, 16)
	before := slices.Clone(d.Symbols)
	s.Add("another")
	if !slices.Equal(d.Symbols, before) {
		t.Error("Add has changed a digest")
	}
}

// Rule P9: short ids depend on the secret and on both ends of the range, and on
// where one ends and the next begins. So do checks and places, which must not
// follow from the short id.
func TestKeyDependsOn(t *testing.T) {
	base := NewKey([]byte("secret"), 10, 20)
	if base != NewKey([]byte("secret"), 10, 20) {
		t.Fatal("two keys of the same channel and range")
	}
	for name, other := range map[string]Key{
		"secret":  NewKey([]byte("secreT"), 10, 20),
		"longer":  NewKey([]byte("secret\x00"), 10, 20),
		"shifted": NewKey([]byte("secret\x00\x00\x00\x00\x00\x00\x00\x0a"), 20, 0),
		"none":    NewKey(nil, 10, 20),
		"from":    NewKey([]byte("secret"), 11, 20),
		"to":      NewKey([]byte("secret"), 10, 21),
		"swapped": NewKey([]byte("secret"), 20, 10),
	} {
		if other.ShortID("m") == base.ShortID("m") {
			t.Errorf("%s: the same short id", name)
		}
		if other.hash(1) == base.hash(1) {
			t.Errorf("%s: the same hash", name)
		}
	}
	if base.ShortID("m") == base.ShortID("n") || base.ShortID("") == base.ShortID("\x00") {
		t.Error("two ids with one short id")
	}
	if base.hash(1) == base.hash(2) || base.id == base.check {
		t.Error("checks do not depend on the short id, or use its key")
	}
}

// Sets of other channels do not decode, however small.
func TestAnotherSecret(t *testing.T) {
	d, err := Encode([]byte("other"), 7, testTo, names("a", 3), 32)
	if err != nil {
		t.Fatal(err)
	}
	onlyTheirs, onlyOurs, complete := sketchOf(t, 7, 32).Decode(d)
	if len(onlyTheirs)+len(onlyOurs) > 0 || complete {
		t.Errorf("%x, %x, %v", onlyTheirs, onlyOurs, complete)
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		from, to uint64
		m        int
		ids      int
		field    string
	}{
		{0, 1, 16, 0, ""},
		{0, 1, 64, 0, ""},
		{MaxTo - 1, MaxTo, 32, 0, ""},
		{0, MaxTo, 32, MaxMessages, ""},
		{0, 1, 32, MaxMessages + 1, "messages"},
		{0, 1, 15, 0, "symbols"},
		{0, 1, 65, 0, "symbols"},
		{0, 1, 0, 0, "symbols"},
		{0, 1, -1, 0, "symbols"},
		{0, 1, math.MaxInt, 0, "symbols"},
		{0, 1, math.MinInt, 0, "symbols"},
		{0, 0, 32, 0, "to"},
		{5, 5, 32, 0, "to"},
		{6, 5, 32, 0, "to"},
		{0, MaxTo + 1, 32, 0, "to"},
		{0, math.MaxUint64, 32, 0, "to"},
		{MaxTo, MaxTo + 1, 32, 0, "from"},
		{math.MaxUint64, 1, 32, 0, "from"},
	} {
		_, err := Encode(nil, c.from, c.to, names("a", c.ids), c.m)
		var e *Error
		switch {
		case c.field == "" && err != nil:
			t.Errorf("%+v: %v", c, err)
		case c.field != "" && (!errors.As(err, &e) || e.Field != c.field || !errors.Is(err, ErrLimit)):
			t.Errorf("%+v: error %v", c, err)
		}
	}
}

func TestDigestLimits(t *testing.T) {
	full := sketchOf(t, 1, 32, names("a", MaxMessages))
	digestOf(t, full, 32)
	full.Add("one more")
	less := sketchOf(t, 1, 32)
	less.Remove("never added")
	for _, c := range []struct {
		name  string
		s     *Sketch
		m     int
		field string
	}{
		{"too many messages", full, 32, "messages"},
		{"fewer than none", less, 32, "messages"},
		{"more symbols than there are", sketchOf(t, 1, 32), 33, "symbols"},
		{"too few symbols", sketchOf(t, 1, 32), 15, "symbols"},
		{"the zero sketch", &Sketch{}, 16, "symbols"},
	} {
		_, err := c.s.Digest(c.m)
		var e *Error
		if !errors.As(err, &e) || e.Field != c.field || !errors.Is(err, ErrLimit) {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
	var zero Sketch
	zero.Add("a")
	zero.Remove("a")
	if a, b, complete := zero.Decode(Digest{}); a != nil || b != nil || complete {
		t.Errorf("the zero sketch decodes: %x, %x, %v", a, b, complete)
	}
}

// Add and Remove allocate nothing.
func TestAddAllocatesNothing(t *testing.T) {
	s := sketchOf(t, 1, 32)
	if n := testing.AllocsPerRun(100, func() { s.Add("some id"); s.Remove("some id") }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
