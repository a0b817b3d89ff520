package store

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/causeway-im/causeway/sds"
)

// fill sets every field, so that one that is not written shows.
func fill(v reflect.Value, n *uint64) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range 3 {
			fill(v.Index(i), n)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(fmt.Sprint("string ", *n, "\x00\xff"))
	case reflect.Float64:
		v.SetFloat(1 / float64(*n))
	case reflect.Int8:
		v.SetInt(-int64(*n % 100))
	case reflect.Int64:
		v.SetInt(-1<<62 - int64(*n))
	case reflect.Uint64:
		v.SetUint(math.MaxUint64 - *n)
	case reflect.Uint32:
		v.SetUint(1<<32 - *n)
	case reflect.Uint8:
		v.SetUint(255 - *n%50)
	default:
		panic(v.Kind())
	}
}

func filled[T any]() (v T) {
	var n uint64
	fill(reflect.ValueOf(&v).Elem(), &n)
	return v
}

// A record of version 1 is read: want 2 of "b", level 3, handed and claimed, sent
// at 5, sequence 6, draft "hi".
func TestOlderOutgoing(t *testing.T) {
	var r sds.OutgoingRecord
	old := []byte("\x01\x02\x00\x01\x01b\x03\x05\x0a\x06\x03hi")
	want := sds.OutgoingRecord{Want: sds.Persons("b"), Level: 3, Handed: true, Claimed: true, SentAt: 5, Sequence: 6, Draft: []byte("hi")}
	if !decodeOutgoing(&r, old) || !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v", r)
	}
	for _, version := range []byte{0, 3} {
		if old[0] = version; decodeOutgoing(&r, old) {
			t.Errorf("version %d was read", version)
		}
	}
}

// TestEveryFieldIsKept fails when a record of package sds gets a field that is
// not stored.
func TestEveryFieldIsKept(t *testing.T) {
	meta := filled[sds.Meta]()
	if got, ok := decodeMeta(encodeMeta(&meta)); !ok || !reflect.DeepEqual(got, meta) {
		t.Errorf("Meta: %v\n got %+v\nwant %+v", ok, got, meta)
	}
	m := filled[sds.MessageRecord]()
	gotMessage := sds.MessageRecord{ID: m.ID, State: m.State, Lamport: m.Lamport, Position: m.Position} // columns
	if !decodeMessage(&gotMessage, encodeMessage(&m)) || !reflect.DeepEqual(gotMessage, m) {
		t.Errorf("MessageRecord:\n got %+v\nwant %+v", gotMessage, m)
	}
	o := filled[sds.OutgoingRecord]()
	gotOutgoing := sds.OutgoingRecord{ID: o.ID, Done: o.Done, HasAudience: o.HasAudience, Members: o.Members, Stewards: o.Stewards}
	if !decodeOutgoing(&gotOutgoing, encodeOutgoing(&o)) || !reflect.DeepEqual(gotOutgoing, o) {
		t.Errorf("OutgoingRecord:\n got %+v\nwant %+v", gotOutgoing, o)
	}
	g := filled[Gap]()
	gotGap := Gap{Gap: sds.Gap{ID: g.ID}}
	if !decodeGap(&gotGap, encodeGap(&g)) || !reflect.DeepEqual(gotGap, g) {
		t.Errorf("Gap:\n got %+v\nwant %+v", gotGap, g)
	}
}

// TestRecordVersion1 keeps the bytes: databases with them exist.
func TestRecordVersion1(t *testing.T) {
	m := sds.MessageRecord{Sender: "bob", Parents: []sds.MessageID{"a", ""}, Leaf: sds.Leaf{0xee}, Reach: 300, Ordinal: 2, Foreign: true, Hint: []byte{7}}
	want := append(append([]byte{1, 3, 'b', 'o', 'b', 0xee}, make([]byte, 31)...), 0xac, 2, 2, 1, 2, 7, 2, 1, 'a', 0)
	if got := encodeMessage(&m); !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
	g := Gap{Gap: sds.Gap{State: sds.GapLost, Sender: "b"}, At: -2}
	if got, want := encodeGap(&g), []byte{1, 4, 1, 'b', 0, 3}; !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

// TestDamagedRecords: what is cut off or longer is refused, whatever else is
// damaged neither panics nor takes memory that the blob doesn't have.
func TestDamagedRecords(t *testing.T) {
	m, meta, o, g := filled[sds.MessageRecord](), filled[sds.Meta](), filled[sds.OutgoingRecord](), filled[Gap]()
	for name, c := range map[string]struct {
		blob   []byte
		decode func([]byte) bool
	}{
		"message":  {encodeMessage(&m), func(b []byte) bool { var r sds.MessageRecord; return decodeMessage(&r, b) }},
		"meta":     {encodeMeta(&meta), func(b []byte) bool { _, ok := decodeMeta(b); return ok }},
		"outgoing": {encodeOutgoing(&o), func(b []byte) bool { var r sds.OutgoingRecord; return decodeOutgoing(&r, b) }},
		"gap":      {encodeGap(&g), func(b []byte) bool { var r Gap; return decodeGap(&r, b) }},
	} {
		for n := range c.blob {
			if c.decode(c.blob[:n]) {
				t.Errorf("%s: %d of %d bytes were taken", name, n, len(c.blob))
			}
			for _, flip := range []byte{1, 0x80, 0xff} {
				damaged := bytes.Clone(c.blob)
				damaged[n] ^= flip
				c.decode(damaged)
			}
		}
		if c.decode(append(bytes.Clone(c.blob), 0)) {
			t.Errorf("%s: a byte too many was taken", name)
		}
	}
}

func TestNumberSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Uint32Range(1, 20_000).Draw(t, "limit")
		var s numberSet
		in := map[number]bool{}
		for _, n := range rapid.SliceOf(rapid.Uint32Range(0, limit-1)).Draw(t, "numbers") {
			s.add(number(n))
			in[number(n)] = true
		}
		e := newEncoder(0)
		s.encode(&e)
		d := newDecoder(e)
		got := decodeSet(d, number(limit))
		if !d.ok() {
			t.Fatal("can't be read")
		}
		count := 0
		got.each(func(n number) {
			count++
			if !in[n] || !got.has(n) {
				t.Fatalf("%d is in it", n)
			}
		})
		if count != len(in) {
			t.Fatalf("%d of %d", count, len(in))
		}
		if len(e) > 16+min(3*len(in), int(limit)/8+8) {
			t.Fatalf("%d bytes for %d of %d", len(e), len(in), limit)
		}
	})
}

// TestSetLimits: a number that no person has is never taken, in both forms.
func TestSetLimits(t *testing.T) {
	for _, members := range [][]number{{70}, {0, 70}, {1, 2, 3, 64, 65, 66, 67, 68, 69, 70}} {
		var s numberSet
		for _, n := range members {
			s.add(n)
		}
		e := newEncoder(0)
		s.encode(&e)
		var words encoder = append(newEncoder(0), byte(setBits), 2, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0)
		for _, b := range []encoder{e, words} {
			for limit, want := range map[number]bool{70: false, 71: true, 0: false, 1: false} {
				d := newDecoder(b)
				if decodeSet(d, limit); d.ok() != want {
					t.Errorf("%v with limit %d: %v", members, limit, d.ok())
				}
			}
		}
	}
	for _, bad := range [][]byte{{1, 0, 255, 255, 255, 255, 15, 1}, {1, 1, 200, 1}, {1, 2, 0}, {1, 0, 2, 1}, {1}, {}} {
		d := newDecoder(bad)
		if decodeSet(d, 1000); d.ok() {
			t.Errorf("%x was taken", bad)
		}
	}
}
