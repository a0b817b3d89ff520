package wire

import (
	"bytes"
	"testing"
)

// TestUnknownOneRun: the usual case, unknown fields at the end, is not copied.
func TestUnknownOneRun(t *testing.T) {
	m := Message{Dialect: LIP, HasLamport: true, Unknown: bytes.Repeat([]byte{0x98, 0x06, 0x01}, 1000)}
	b := m.Encode()
	if n := testing.AllocsPerRun(100, func() {
		got, err := Decode(b)
		if err != nil || len(got.Unknown) != 3000 {
			t.Errorf("%d bytes, %v", len(got.Unknown), err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestUnknownManyRuns: what must be copied is copied once.
func TestUnknownManyRuns(t *testing.T) {
	b := bytes.Repeat([]byte{0x50, 0x01, 0x98, 0x06, 0x01}, 1000)
	if n := testing.AllocsPerRun(100, func() {
		got, err := Decode(b)
		if err != nil || len(got.Unknown) != 3000 {
			t.Errorf("%d bytes, %v", len(got.Unknown), err)
		}
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
