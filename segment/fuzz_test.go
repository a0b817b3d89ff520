package segment

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzDecode: any input is refused with a class, or decodes to a segment that is
// encoded and decoded to the same.
func FuzzDecode(f *testing.F) {
	for _, cfg := range []Config{withParity(tiny, 1), {Format: Status, SegmentSize: 64, ParityRate: 1}} {
		parts, err := Split(bytesOf(1, 150), cfg)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range parts {
			f.Add(part)
		}
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, cfg := range []Config{{}, {Format: Status}} {
			before := bytes.Clone(b)
			s, err := Decode(b, cfg)
			if !bytes.Equal(b, before) {
				t.Fatal("the input was modified")
			}
			if err != nil {
				if !errors.Is(err, ErrNotSegment) && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrOversized) {
					t.Fatalf("an error of no class: %v", err)
				}
				continue
			}
			out := cfg.append(nil, &s)
			again, err := Decode(out, cfg)
			if err != nil || again.Key != s.Key || again.Index != s.Index || again.Parity != s.Parity ||
				again.DataCount != s.DataCount || again.ParityCount != s.ParityCount || !bytes.Equal(again.Payload, s.Payload) {
				t.Fatalf("%+v became %+v, %v", s, again, err)
			}
		}
	})
}

// FuzzSplit compares Split, and what a reassembler makes of it, with the dumbest
// way to cut bytes.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("hello"), uint16(192), byte(0), false)
	f.Add(bytesOf(1, 1000), uint16(300), byte(32), true)
	f.Fuzz(func(t *testing.T, payload []byte, size uint16, rate byte, status bool) {
		cfg := Config{SegmentSize: int(size), ParityRate: float64(rate) / 255, MaxSegments: 300}
		chunk := (int(size) - 128) / 64 * 64
		if status {
			cfg.Format, chunk = Status, int(size)
		}
		parts, err := Split(payload, cfg)
		if err != nil {
			return
		}
		if cfg.SegmentSize == 0 {
			return // the default
		}
		if _, err := Decode(parts[0], cfg); errors.Is(err, ErrNotSegment) {
			if !status || len(parts) != 1 || !bytes.Equal(parts[0], payload) || len(payload) > chunk {
				t.Fatalf("%d parts, the first is no segment", len(parts))
			}
			return
		}
		var joined []byte
		for i, part := range parts {
			s, err := Decode(part, cfg)
			if err != nil {
				t.Fatalf("part %d: %v", i, err)
			}
			if s.Parity {
				if i < len(payload)/chunk {
					t.Fatalf("parity at %d", i)
				}
				continue
			}
			end := min(len(joined)+chunk, len(payload))
			if len(payload) > chunk && !bytes.Equal(s.Payload, payload[len(joined):end]) {
				t.Fatalf("part %d has other bytes", i)
			}
			joined = append(joined, s.Payload...)
		}
		if !bytes.Equal(joined, payload) {
			t.Fatal("the data segments are not the payload")
		}
	})
}

// FuzzReassemble reads the input as a sequence of segments, each after a byte that
// says which of two senders it comes from and one of its length in 4 bytes.
func FuzzReassemble(f *testing.F) {
	for _, cfg := range fuzzConfigs {
		parts, err := Split(bytesOf(1, 200), cfg)
		if err != nil {
			f.Fatal(err)
		}
		var input []byte
		for i, part := range parts {
			if i != 1 {
				part = append(part, make([]byte, -len(part)&3)...)[:len(part)+-len(part)&3]
				input = append(input, byte(i/2), byte(len(part)/4))
				input = append(input, part...)
			}
		}
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, cfg := range fuzzConfigs {
			r := newReassembler(t, cfg, Limits{MaxBytes: 8000, MaxSenderBytes: 5000, MaxSets: 5, MaxRemembered: 3})
			for rest := b; len(rest) > 2; {
				sender, n := string(rune('a'+rest[0]%2)), min(int(rest[1])*4, len(rest)-2)
				s, err := Decode(rest[2:2+n], cfg)
				rest = rest[2+n:]
				if err != nil {
					continue
				}
				result, err := r.Add(start, sender, s)
				if result.Complete && (err != nil || Hash(result.Payload) != s.Hash) {
					t.Fatalf("a payload with another hash, %v", err)
				}
				if result.Complete && cfg.Format == LIP243 && uint64(len(result.Payload)) != s.Length {
					t.Fatal("a payload of another length")
				}
				if r.Bytes() > 8000 || len(r.Sets()) > 5 {
					t.Fatalf("%d bytes, %d sets", r.Bytes(), len(r.Sets()))
				}
			}
		}
	})
}

var fuzzConfigs = []Config{withParity(tiny, 1), {Format: Status, SegmentSize: 64, ParityRate: 1}}
