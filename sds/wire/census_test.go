package wire

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
)

// Short ids as they stand on the wire, in hex.
const (
	one  = "0100000000000000"
	two  = "0200000000000000"
	zero = "0000000000000000"
)

// spec R128: each part alone and all together, as they stand on the wire.
func TestCensusParts(t *testing.T) {
	for _, c := range []struct {
		name string
		x    Census
		hex  string
	}{
		{"nothing", Census{}, ""},
		{"an ask about itself", Census{Asks: true, Size: 80, Spread: 2000, Roster: 0x01020304, Seed: 1},
			"01" + "17" + "50" + "d00f" + "04030201" + zero + one},
		{"an ask about another", Census{Asks: true, Size: 1, Subject: 2}, "01" + "16" + "01" + "00" + "00000000" + two + zero},
		{"an ask of the largest numbers", Census{Asks: true, Size: math.MaxUint32, Spread: math.MaxUint32, Roster: math.MaxUint32,
			Subject: math.MaxUint64, Seed: math.MaxUint64}, "01" + "1e" + "ffffffff0f" + "ffffffff0f" + strings.Repeat("ff", 20)},
		{"a map", Census{Map: []byte{5, 0}}, "02" + "02" + "0500"},
		{"reports", Census{Reports: []uint64{2, 1}}, "03" + "10" + two + one},
		{"a map with its ask", Census{Asks: true, Size: 80, Spread: 2000, Map: bytes.Repeat([]byte{0xff}, MaxCensusMap)},
			"01" + "17" + "50" + "d00f" + "00000000" + zero + zero + "02" + "14" + strings.Repeat("ff", 20)},
		{"all", Census{Asks: true, Size: 3, Map: []byte{1}, Reports: []uint64{1}},
			"01" + "16" + "03" + "00" + "00000000" + zero + zero + "02" + "01" + "01" + "03" + "08" + one},
	} {
		b := unhex(t, c.hex)
		if got := c.x.Encode(); !bytes.Equal(got, b) {
			t.Errorf("%s: encoded %x, want %x", c.name, got, b)
		}
		if len(b) > MaxCensus {
			t.Errorf("%s: %d bytes, at most %d", c.name, len(b), MaxCensus)
		}
		got, ok := ParseCensus(b)
		if !ok || !reflect.DeepEqual(got, c.x) {
			t.Errorf("%s: parsed %+v, %v, want %+v", c.name, got, ok, c.x)
		}
	}
}

// spec R128: what can't be read says nothing; what is unknown is skipped; of a part
// that comes twice the last counts.
func TestCensusRefusals(t *testing.T) {
	ask := "01" + "16" + "03" + "00" + "00000000" + zero + zero
	for name, h := range map[string]string{
		"half a head":            "01",
		"a part that is cut off": "0305" + "01020304",
		"an ask that is empty":   "0100",
		"an ask of 21 bytes":     "01" + "15" + "03" + "00" + "00000000" + zero + zero[2:],
		"an ask of 23 bytes":     "01" + "17" + "03" + "00" + "00000000" + zero + zero + "00",
		"a size above 32 bits":   "01" + "1a" + "ffffffff1f" + "00" + "00000000" + zero + zero,
		"a size without end":     "01" + "1f" + strings.Repeat("ff", 11) + strings.Repeat("00", 20),
		"a map of 21 bytes":      "02" + "15" + strings.Repeat("00", 21),
		"reports of 9 bytes":     "03" + "09" + zero + "00",
		"6 reports":              "03" + "30" + strings.Repeat(zero, 6),
		"good, then bad":         ask + "03",
	} {
		if got, ok := ParseCensus(unhex(t, h)); ok || !reflect.DeepEqual(got, Census{}) {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
	for name, c := range map[string]struct {
		hex  string
		want Census
	}{
		"an unknown part":  {"0900" + "0903010203" + ask + "ff01aa", Census{Asks: true, Size: 3}},
		"two maps":         {"020101" + "02020203", Census{Map: []byte{2, 3}}},
		"two lists":        {"0310" + one + two + "0308" + two, Census{Reports: []uint64{2}}},
		"an empty map":     {"0200", Census{}},
		"no reports":       {"0300", Census{}},
		"two asks":         {ask + "01" + "16" + "04" + "00" + "00000000" + zero + zero, Census{Asks: true, Size: 4}},
		"a map, then none": {"020101" + "0200", Census{}},
	} {
		if got, ok := ParseCensus(unhex(t, c.hex)); !ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, ok, c.want)
		}
	}
}

// checkCensus checks what must be true of any input.
func checkCensus(t *testing.T, b []byte) {
	t.Helper()
	before := bytes.Clone(b)
	x, ok := ParseCensus(b)
	if !bytes.Equal(b, before) {
		t.Error("the input was modified")
	}
	if !ok {
		if !reflect.DeepEqual(x, Census{}) {
			t.Errorf("refused, and says %+v", x)
		}
		return
	}
	if len(x.Map) > MaxCensusMap || len(x.Reports) > MaxReports {
		t.Errorf("above its limits: %+v", x)
	}
	out := x.Encode()
	if len(out) > len(b) {
		t.Errorf("%d bytes became %d", len(b), len(out))
	}
	if again, ok := ParseCensus(out); !ok || !reflect.DeepEqual(again, x) {
		t.Errorf("encoded %x\nparses to %+v, %v\nwant      %+v", out, again, ok, x)
	}
}

func FuzzCensus(f *testing.F) {
	for _, x := range []Census{
		{}, {Asks: true, Size: 80, Spread: 2000, Roster: 1, Subject: 2, Seed: 3}, {Asks: true, Size: math.MaxUint32, Map: make([]byte, MaxCensusMap)},
		{Reports: []uint64{1, 2, 3, 4, 5}}, {Asks: true, Map: []byte{1}, Reports: []uint64{9}},
	} {
		f.Add(x.Encode())
	}
	f.Add([]byte{9, 0, 2, 0, 3, 0})
	f.Fuzz(checkCensus)
}
