package bloom

import (
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// nim.json farmhash64.rolling_capacity10_err0.01, step by step: test1, test2, …
func TestRollingVectors(t *testing.T) {
	v := loadNim(t).Farm.Rolling
	if len(v) != 30 {
		t.Fatalf("%d steps, want 30", len(v))
	}
	r, err := NewRolling(10, 0.01)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range v {
		r.Add(numbered("test", i+1, i+1)[0])
		p := r.Params()
		if v.After != i+1 || r.Len() != v.Messages || r.ids[0] != v.First {
			t.Errorf("after %d: %d ids from %s, want %d from %s", i+1, r.Len(), r.ids[0], v.Messages, v.First)
		}
		if p.Capacity != v.Capacity || p.K != v.K || p.Bits != v.M {
			t.Errorf("after %d: %+v, want capacity %d, k %d, %d bits", i+1, p, v.Capacity, v.K, v.M)
		}
		b := r.Append(nil)
		if sum(b) != v.SHA256 || hex.EncodeToString(b) != v.Hex {
			t.Errorf("after %d: %x, want %s", i+1, b, v.Hex)
		}
	}
}

// With the defaults: the first roll at id 12,001, then every 4,001.
func TestRollingDefaults(t *testing.T) {
	r, err := NewRolling(0, 0)
	if err != nil || r.Params() != Default() {
		t.Fatalf("%+v, %v, want the defaults", r.Params(), err)
	}
	rolls := []int{}
	for i, id := range numbered("id", 1, 24_004) {
		before := r.Len()
		r.Add(id)
		if r.Len() < before {
			rolls = append(rolls, i+1)
			if r.Len() != 8000 || r.Params().Capacity != 12_000 || r.Params().Bits != 180_000 {
				t.Errorf("rolled at %d to %d ids, %+v", i+1, r.Len(), r.Params())
			}
			if !r.Contains(id) || !r.ContainsKey(Nim.Key(id)) || r.Contains("id1") {
				t.Errorf("rolled at %d: newest found %v, oldest found %v", i+1, r.Contains(id), r.Contains("id1"))
			}
		}
	}
	if !slices.Equal(rolls, []int{12_001, 16_002, 20_003, 24_004}) {
		t.Errorf("rolled at %v", rolls)
	}
	if n := len(r.Append(nil)); n != 22_520 {
		t.Errorf("%d bytes after rolling, want 22520", n)
	}
}

// nim-sds' test "periodic buffer sweep and bloom clean": a filter of capacity 2
// forgets id1 and keeps id3. Capacity 1 forgets everything at each roll.
func TestRollingTiny(t *testing.T) {
	two, err := NewRolling(2, 0.001)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"id1", "id2", "id3"} {
		two.Add(id)
	}
	if two.Contains("id1") || !two.Contains("id3") || two.Len() != 1 {
		t.Errorf("capacity 2: %d ids, id1 %v, id3 %v", two.Len(), two.Contains("id1"), two.Contains("id3"))
	}
	one, err := NewRolling(1, 0.001)
	if err != nil {
		t.Fatal(err)
	}
	one.Add("id1")
	one.Add("id2")
	if one.Contains("id1") || one.Contains("id2") || one.Len() != 0 {
		t.Errorf("capacity 1: %d ids", one.Len())
	}
}

func TestNewRollingDefaultsAndLimits(t *testing.T) {
	for _, c := range []struct {
		capacity int
		rate     float64
	}{{0, 0.001}, {-5, 0.001}, {10_000, 0}, {10_000, 1}, {10_000, -1}, {10_000, math.NaN()}} {
		r, err := NewRolling(c.capacity, c.rate)
		if err != nil || r.Params() != Default() {
			t.Errorf("NewRolling(%d, %g): %v, %v, want the defaults", c.capacity, c.rate, r, err)
		}
	}
	for _, c := range []struct {
		capacity int
		rate     float64
		want     error
	}{
		{math.MaxInt, 0.001, ErrTooLarge},
		{65_000, 0.001, ErrTooLarge}, // fits now, and not after the first roll
		{10, 1e-300, ErrHashes},
	} {
		if _, err := NewRolling(c.capacity, c.rate); !errors.Is(err, c.want) {
			t.Errorf("NewRolling(%d, %g): %v, want %v", c.capacity, c.rate, err, c.want)
		}
	}
}

// Against a model: the filter is always that of the ids it holds, and it holds
// the newest ones.
func TestRollingHoldsTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 40).Draw(t, "capacity")
		r, err := NewRolling(capacity, 0.01)
		if err != nil {
			t.Fatal(err)
		}
		all := rapid.SliceOfN(rapid.StringN(0, 3, -1), 0, 200).Draw(t, "ids")
		for i, id := range all {
			r.Add(id)
			held := all[i+1-r.Len() : i+1]
			f, err := New(Nim, r.Params())
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range held {
				f.Add(id)
			}
			if string(f.Append(nil)) != string(r.Append(nil)) {
				t.Fatalf("after %d ids the filter is not that of the newest %d", i+1, r.Len())
			}
			if r.Len() > r.max {
				t.Fatalf("holds %d ids, limit %d", r.Len(), r.max)
			}
		}
	})
}
