package bloom

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// After any ids a Sliding has the bytes of a new Filter over the newest of them.
func TestPropertySlidingIsAFilterOfTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 40).Draw(t, "capacity")
		rate := rapid.SampledFrom([]float64{0.5, 0.01, 1e-4}).Draw(t, "rate")
		// Few different ids, so that one is added again while it is held.
		ids := rapid.SliceOfN(rapid.SampledFrom(numbered("0x", 1, 60)), 0, 200).Draw(t, "ids")
		s, err := NewSliding(capacity, rate)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			s.Add(id)
			newest := ids[max(0, i+1-capacity) : i+1]
			f, err := New(Nim, s.Params())
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range newest {
				f.Add(id)
				if !s.Contains(id) {
					t.Fatalf("%s is lost", id)
				}
			}
			if s.Len() != len(newest) || !bytes.Equal(s.Append(nil), f.Append(nil)) {
				t.Fatalf("after %d ids: %d held, bytes differ from those of %q", i+1, s.Len(), newest)
			}
		}
	})
}

func TestSlidingLimits(t *testing.T) {
	for _, tt := range []struct {
		capacity int
		rate     float64
		want     error
	}{
		{0, 0.1, ErrSizing},
		{10, 1, ErrSizing},
		{6554, 0.001, ErrTooLarge}, // × 10 hashes = 65,540
		{MaxEncoded * 8, 0.5, ErrTooLarge},
	} {
		if _, err := NewSliding(tt.capacity, tt.rate); !errors.Is(err, tt.want) {
			t.Errorf("%d ids at %g: %v, want %v", tt.capacity, tt.rate, err, tt.want)
		}
	}
	if _, err := NewSliding(6553, 0.001); err != nil {
		t.Error(err)
	}
}

func BenchmarkSliding(b *testing.B) {
	s, err := NewSliding(256, 1e-4)
	if err != nil {
		b.Fatal(err)
	}
	ids := make([]string, 1024)
	for i := range ids {
		ids[i] = fmt.Sprintf("0x%064x", i)
		s.Add(ids[i])
	}
	b.ReportAllocs()
	for i := range b.N {
		s.Add(ids[i%len(ids)])
	}
}
