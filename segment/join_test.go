package segment

import (
	"bytes"
	"errors"
	"testing"
)

func TestJoin(t *testing.T) {
	cfg := Config{SegmentSize: 192, ParityRate: 0.5}
	payload := bytes.Repeat([]byte("causeway "), 60)
	parts, err := Split(payload, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var all []Segment
	for _, p := range parts {
		s, err := Decode(p, cfg)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	data := all[0].DataCount
	for name, some := range map[string][]Segment{
		"all": all, "data": all[:data], "the end": all[len(all)-data:], "one twice": append([]Segment{all[1]}, all...),
	} {
		if got, err := Join(some, cfg); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	changed := append([]Segment(nil), all...)
	changed[0].Payload = append([]byte{1}, changed[0].Payload[1:]...)
	other := append([]Segment(nil), all...)
	other[2].Length++
	for name, c := range map[string]struct {
		some []Segment
		want error
	}{
		"none": {nil, ErrInvalid}, "too few": {all[:data-1], ErrInvalid}, "tampered": {changed, ErrHashMismatch},
		"of another": {other, ErrCountMismatch}, "invalid": {[]Segment{{}}, ErrInvalid},
	} {
		if got, err := Join(c.some, cfg); !errors.Is(err, c.want) || err == nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}
