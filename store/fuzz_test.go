package store

import (
	"reflect"
	"testing"

	"github.com/causeway-im/causeway/sds"
)

// FuzzRecords reads whatever bytes as records: no panic, no memory beyond a multiple
// of the blob, and what is taken is written again to be read the same. Files are
// damaged by disks, and by whoever has them in hand.
func FuzzRecords(f *testing.F) {
	m, meta, o, g := filled[sds.MessageRecord](), filled[sds.Meta](), filled[sds.OutgoingRecord](), filled[Gap]()
	for _, b := range [][]byte{encodeMessage(&m), encodeMeta(&meta), encodeOutgoing(&o), encodeGap(&g), {1, 1, 200, 1}, {1, 0, 2, 1}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, b, func(b []byte) (r sds.MessageRecord, ok bool) { ok = decodeMessage(&r, b); return }, encodeMessage)
		again(t, b, decodeMeta, encodeMeta)
		again(t, b, func(b []byte) (r sds.OutgoingRecord, ok bool) { ok = decodeOutgoing(&r, b); return }, encodeOutgoing)
		again(t, b, func(b []byte) (r Gap, ok bool) { ok = decodeGap(&r, b); return }, encodeGap)
		if s := decodeSet(newDecoder(b), 1000); len(s) > 16 {
			t.Errorf("a set of %d words holds numbers up to 1,000", len(s))
		}
	})
}

// again checks that a record that can be read is the same when it is written and
// read once more.
func again[T any, E ~[]byte](t *testing.T, b []byte, decode func([]byte) (T, bool), encode func(*T) E) {
	first, ok := decode(b)
	if !ok {
		return
	}
	written := encode(&first)
	second, ok := decode(written)
	if !ok || !reflect.DeepEqual(first, second) && !reflect.DeepEqual(encode(&second), written) { // NaN differs from itself
		t.Errorf("%x reads as %+v, and written again as %+v, %v", b, first, second, ok)
	}
}
