package segment

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

const countingHash = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// key returns the key with the hash of the vectors.
func key(t testing.TB, length uint64) Key {
	return Key{[HashSize]byte(unhex(t, countingHash)), length}
}

// TestVectors has the vectors of LIP-243 (facts of nim-segmentation v0.1.0), and
// for Status what its numbers of fields and its rules give.
func TestVectors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		format Format
		wire   string
		want   Segment
	}{
		{"data", LIP243, "0a20" + countingHash + "10f403 1801 2003 3a03aabbcc",
			Segment{Key: key(t, 500), Index: 1, DataCount: 3, Payload: unhex(t, "aabbcc")}},
		{"parity", LIP243, "0a20" + countingHash + "10f403 2003 2801 3001 3a021122",
			Segment{Key: key(t, 500), Parity: true, DataCount: 3, ParityCount: 1, Payload: unhex(t, "1122")}},
		{"minimal", LIP243, "0a20" + countingHash + "2001", Segment{Key: key(t, 0), DataCount: 1}},
		{"first of Status", Status, "0a20" + countingHash + "1803 2203aabbcc 38f403",
			Segment{Key: key(t, 500), DataCount: 3, Payload: unhex(t, "aabbcc")}},
		{"last of Status", Status, "0a20" + countingHash + "1002 1803 2203aabbcc 38f403",
			Segment{Key: key(t, 500), Index: 2, DataCount: 3, Payload: unhex(t, "aabbcc")}},
		{"parity of Status", Status, "0a20" + countingHash + "22021122 2801 3002 38f403",
			Segment{Key: key(t, 500), Parity: true, Index: 1, ParityCount: 2, Payload: unhex(t, "1122")}},
		{"old Status without a length", Status, "0a20" + countingHash + "1001 1802 2201aa",
			Segment{Key: key(t, 0), Index: 1, DataCount: 2, Payload: unhex(t, "aa")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Format: tt.format}
			want := unhex(t, tt.wire)
			if got := cfg.append(nil, &tt.want); !bytes.Equal(got, want) {
				t.Errorf("encoded %x\nwant    %x", got, want)
			}
			got, err := Decode(want, cfg)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("decoded %+v, %v\nwant    %+v", got, err, tt.want)
			}
		})
	}
}

func TestDecodeSkipsUnknownFields(t *testing.T) {
	unknown := "4001 4a0100 55 00000000 59 0000000000000000"
	wire := unhex(t, unknown+"0a20"+countingHash+unknown+"2001"+unknown)
	if s, err := Decode(wire, Config{}); err != nil || s.DataCount != 1 || s.Key != key(t, 0) {
		t.Errorf("%+v, %v", s, err)
	}
	wire = unhex(t, "0a20"+strings.Repeat("00", 32)+"2009 2001 0a20"+countingHash)
	if s, err := Decode(wire, Config{}); err != nil || s.DataCount != 1 || s.Key != key(t, 0) {
		t.Errorf("the last occurrence of a field must count: %+v, %v", s, err)
	}
}

func TestDecodeRejects(t *testing.T) {
	lip, status := Config{SegmentSize: 200, MaxSegments: 10}, Config{Format: Status, SegmentSize: 100, MaxSegments: 10}
	head := "0a20" + countingHash
	bigPayload := "3a" + hex.EncodeToString(protowire.AppendBytes(nil, make([]byte, 170)))
	for _, tt := range []struct {
		name string
		cfg  Config
		wire string
		want error
	}{
		{"nothing", lip, "", ErrNotSegment},
		{"text", lip, hex.EncodeToString([]byte("who wants tea?")), ErrNotSegment},
		{"no hash", lip, "2001", ErrNotSegment},
		{"short hash", lip, "0a1f" + countingHash[:62] + "2001", ErrNotSegment},
		{"long hash", lip, "0a21" + countingHash + "00 2001", ErrNotSegment},
		{"truncated", lip, head + "20", ErrNotSegment},
		{"truncated payload", lip, head + "2001 3a05 0000", ErrNotSegment},
		{"hash as a number", lip, "0801 2001", ErrNotSegment},
		{"length as bytes", lip, head + "120100 2001", ErrNotSegment},
		{"payload as a number", lip, head + "2001 3801", ErrNotSegment},
		{"group", lip, head + "2001 4b 4c", ErrNotSegment},
		{"field 0", lip, head + "0001", ErrNotSegment},
		{"a segment of Status", lip, head + "1803 2203aabbcc 38f403", ErrNotSegment},
		{"a segment of LIP-243", status, head + "10f403 1801 2003 3a03aabbcc", ErrNotSegment},
		{"SDS message with ids of 32 bytes", status, head + "1220" + countingHash + "1a0163", ErrNotSegment},

		{"no data count", lip, head + "3a0100", ErrInvalid},
		{"index too high", lip, head + "1803 2003", ErrInvalid},
		{"parity without parity", lip, head + "2003 3001", ErrInvalid},
		{"parity index too high", lip, head + "1801 2003 2801 3001", ErrInvalid},
		{"too many data", lip, head + "200b", ErrInvalid},
		{"too many together", lip, head + "2009 2802", ErrInvalid},
		{"count that wraps in 32 bits", lip, head + "20" + varint(1<<32+1), ErrInvalid},
		{"count that wraps in 64 bits", lip, head + "2001 28" + varint(math.MaxUint64), ErrInvalid},
		{"index that wraps", lip, head + "2001 18" + varint(1<<32), ErrInvalid},
		{"length beyond its segments", lip, head + "10" + varint(401) + "2002", ErrInvalid},
		{"length beyond all", lip, head + "10" + varint(math.MaxUint64) + "200a", ErrInvalid},
		{"too large", lip, head + "2001" + bigPayload, ErrOversized},

		{"status: a single segment", status, head + "1801 220100", ErrInvalid},
		{"status: index too high", status, head + "1002 1802 220100", ErrInvalid},
		{"status: no counts", status, head + "220100", ErrInvalid},
		{"status: parity index too high", status, head + "220100 2802 3002", ErrInvalid},
		{"status: parity without a payload", status, head + "3001", ErrInvalid},
		{"status: too many", status, head + "180b 220100", ErrInvalid},
		{"status: too much parity", status, head + "220100 300b", ErrInvalid},
		{"status: length beyond all", status, head + "220100 3001 38" + varint(1001), ErrInvalid},
		{"status: too large", status, head + "1802 22" + bigPayload[2:], ErrOversized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := Decode(unhex(t, tt.wire), tt.cfg); !errors.Is(err, tt.want) {
				t.Errorf("%+v, %v, want %v", s, err, tt.want)
			}
		})
	}
}

func varint(v uint64) string { return hex.EncodeToString(protowire.AppendVarint(nil, v)) }

// TestHeaderBound: the largest header that can be fits into what is set apart.
func TestHeaderBound(t *testing.T) {
	s := Segment{Key: key(t, math.MaxUint32), Parity: true, Index: MaxSegments - 1, DataCount: MaxSegments, ParityCount: MaxSegments}
	for _, f := range []Format{LIP243, Status} {
		s.Payload = make([]byte, MaxSegmentSize)
		if n := len(Config{Format: f}.append(nil, &s)) - len(s.Payload); n > headerSize {
			t.Errorf("%v: a header of %d bytes", f, n)
		}
	}
}
