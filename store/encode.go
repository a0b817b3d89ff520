package store

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/causeway-im/causeway/sds"
)

// Records are kept as blobs of a version byte and fields in a fixed order:
// integers as varints, bytes with their length before them. JSON would be longer
// and slower, would lose ids that are not UTF-8, and other readers would round
// integers above 2^53. What SQL selects or sorts by has columns of its own.
//
// A field that is added gets the next version, and the reader keeps reading the
// older ones.
const recordVersion = 1

// outgoingVersion is that of own messages, which have more fields since.
const outgoingVersion = 2

type encoder []byte

func newEncoder(size int) encoder { return append(make(encoder, 0, size), recordVersion) }

func (e *encoder) uint(v uint64) { *e = binary.AppendUvarint(*e, v) }
func (e *encoder) int(v int64)   { *e = binary.AppendVarint(*e, v) }

func (e *encoder) flags(flags ...bool) {
	var b byte
	for i, f := range flags {
		if f {
			b |= 1 << i
		}
	}
	*e = append(*e, b)
}

// bytes keeps nil and empty apart.
func (e *encoder) bytes(b []byte) {
	if b == nil {
		e.uint(0)
		return
	}
	e.uint(uint64(len(b)) + 1)
	*e = append(*e, b...)
}

func encodeString[T ~string](e *encoder, s T) {
	e.uint(uint64(len(s)))
	*e = append(*e, s...)
}

func encodeStrings[T ~string](e *encoder, list []T) {
	e.uint(uint64(len(list)))
	for _, s := range list {
		encodeString(e, s)
	}
}

// decoder reads what an encoder wrote. After the first thing that doesn't fit,
// all values are zero and ok says so.
type decoder struct {
	version byte
	b       []byte
	bad     bool
}

func newDecoder(b []byte) *decoder { return newDecoderTo(recordVersion, b) }

// newDecoderTo reads a record of a version up to newest.
func newDecoderTo(newest byte, b []byte) *decoder {
	if len(b) == 0 || b[0] == 0 || b[0] > newest {
		return &decoder{bad: true}
	}
	return &decoder{version: b[0], b: b[1:]}
}

// ok tells whether everything was read and nothing is left.
func (d *decoder) ok() bool { return !d.bad && len(d.b) == 0 }

func (d *decoder) fail() {
	d.b, d.bad = nil, true
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// take returns the next n bytes, which the caller may keep: blobs are copies.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) flags(flags ...*bool) {
	b := d.take(1)
	if b == nil || bits.Len8(b[0]) > len(flags) {
		d.fail()
		return
	}
	for i, f := range flags {
		*f = b[0]&(1<<i) != 0
	}
}

func (d *decoder) bytes() []byte {
	n := d.uint()
	if n == 0 {
		return nil
	}
	return d.take(n - 1)
}

func decodeString[T ~string](d *decoder) T { return T(d.take(d.uint())) }

func decodeStrings[T ~string](d *decoder) []T {
	n := d.uint()
	if n > uint64(len(d.b)) { // each takes a byte at least: no blob makes us allocate more
		d.fail()
	}
	if n == 0 || d.bad {
		return nil
	}
	list := make([]T, n)
	for i := range list {
		list[i] = decodeString[T](d)
	}
	return list
}

func encodeMeta(m *sds.Meta) []byte {
	e := newEncoder(128)
	e.uint(uint64(m.Incarnation))
	for _, v := range []uint64{m.Lamport, m.Sequence, m.Ordinal, uint64(m.Position), m.Base} {
		e.uint(v)
	}
	e.flags(m.BaseFixed)
	for _, w := range m.Sum.Words {
		e = binary.LittleEndian.AppendUint64(e, w)
	}
	for _, v := range []uint64{m.Sum.Count, m.Forgotten, m.ForgottenMax, m.Nonce} {
		e.uint(v)
	}
	encodeStrings(&e, m.Heads)
	return e
}

func decodeMeta(b []byte) (m sds.Meta, ok bool) {
	d := newDecoder(b)
	incarnation := d.uint()
	m.Incarnation = uint32(incarnation)
	m.Lamport, m.Sequence, m.Ordinal = d.uint(), d.uint(), d.uint()
	m.Position, m.Base = sds.Position(d.uint()), d.uint()
	d.flags(&m.BaseFixed)
	if words := d.take(8 * uint64(len(m.Sum.Words))); words != nil {
		for i := range m.Sum.Words {
			m.Sum.Words[i] = binary.LittleEndian.Uint64(words[8*i:])
		}
	}
	m.Sum.Count, m.Forgotten, m.ForgottenMax, m.Nonce = d.uint(), d.uint(), d.uint(), d.uint()
	m.Heads = decodeStrings[sds.MessageID](d)
	return m, d.ok() && incarnation <= math.MaxUint32
}

// encodeMessage leaves out what has columns: id, state, timestamp and position.
func encodeMessage(m *sds.MessageRecord) []byte {
	e := newEncoder(128 + 40*len(m.Parents))
	encodeString(&e, m.Sender)
	e = append(e, m.Leaf[:]...)
	e.uint(m.Reach)
	e.uint(m.Ordinal)
	e.flags(m.Foreign)
	e.bytes(m.Hint)
	encodeStrings(&e, m.Parents)
	return e
}

func decodeMessage(m *sds.MessageRecord, b []byte) (ok bool) {
	d := newDecoder(b)
	m.Sender = decodeString[sds.ParticipantID](d)
	copy(m.Leaf[:], d.take(uint64(len(m.Leaf))))
	m.Reach, m.Ordinal = d.uint(), d.uint()
	d.flags(&m.Foreign)
	m.Hint = d.bytes()
	m.Parents = decodeStrings[sds.MessageID](d)
	return d.ok()
}

// encodeOutgoing leaves out id, Done and the audience.
func encodeOutgoing(r *sds.OutgoingRecord) []byte {
	e := append(make(encoder, 0, 64+len(r.Draft)), outgoingVersion)
	e.uint(uint64(r.Want.Kind))
	e.uint(math.Float64bits(r.Want.Fraction))
	encodeStrings(&e, r.Want.Persons)
	e.uint(uint64(r.Level))
	e.flags(r.Handed, r.Stored, r.Claimed, r.Undelivered, r.Part)
	e.int(int64(r.SentAt))
	e.uint(r.Sequence)
	e.bytes(r.Draft)
	encodeString(&e, r.Subject)
	encodeString(&e, r.Superseded)
	e.int(int64(r.Priority))
	return e
}

func decodeOutgoing(r *sds.OutgoingRecord, b []byte) (ok bool) {
	d := newDecoderTo(outgoingVersion, b)
	kind := d.uint()
	r.Want = sds.Want{Kind: sds.WantKind(kind), Fraction: math.Float64frombits(d.uint()), Persons: decodeStrings[sds.PersonID](d)}
	level := d.uint()
	r.Level = sds.Level(level)
	d.flags(&r.Handed, &r.Stored, &r.Claimed, &r.Undelivered, &r.Part)
	r.SentAt, r.Sequence = sds.Time(d.int()), d.uint()
	r.Draft = d.bytes()
	if d.version < outgoingVersion {
		return d.ok() && max(kind, level) <= math.MaxUint8
	}
	r.Subject, r.Superseded = decodeString[string](d), decodeString[sds.MessageID](d)
	priority := d.int()
	r.Priority = sds.Priority(priority)
	return d.ok() && max(kind, level) <= math.MaxUint8 && int64(r.Priority) == priority
}

// encodeGap leaves out the id.
func encodeGap(g *Gap) []byte {
	e := newEncoder(64 + len(g.Hint))
	e.uint(uint64(g.State))
	encodeString(&e, g.Sender)
	e.bytes(g.Hint)
	e.int(int64(g.At))
	return e
}

func decodeGap(g *Gap, b []byte) (ok bool) {
	d := newDecoder(b)
	state := d.uint()
	g.State = sds.GapState(state)
	g.Sender = decodeString[sds.ParticipantID](d)
	g.Hint = d.bytes()
	g.At = sds.Time(d.int())
	return d.ok() && state <= math.MaxUint8
}

// number is what a channel calls a person in its tables: from 0, dense.
type number uint32

// numberSet is a set of persons by number.
type numberSet []uint64

func (s *numberSet) add(n number) {
	for len(*s) <= int(n/64) {
		*s = append(*s, 0)
	}
	(*s)[n/64] |= 1 << (n % 64)
}

func (s numberSet) has(n number) bool {
	return int(n/64) < len(s) && s[n/64]&(1<<(n%64)) != 0
}

// each calls f for every member, ascending.
func (s numberSet) each(f func(number)) {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			f(number(64*i + bits.TrailingZeros64(w)))
		}
	}
}

// The two forms of a set. The shorter is written: of 10,000 persons all take
// 1,250 bytes, and one person with a high number takes three.
const (
	setGaps uint64 = iota // differences of ascending numbers
	setBits               // words, little-endian
)

func (s numberSet) encode(e *encoder) {
	var gaps encoder
	var count uint64
	last := number(0)
	s.each(func(n number) {
		gaps.uint(uint64(n - last))
		last = n
		count++
	})
	if len(gaps) <= 8*len(s) {
		e.uint(setGaps)
		e.uint(count)
		*e = append(*e, gaps...)
		return
	}
	e.uint(setBits)
	e.uint(uint64(len(s)))
	for _, w := range s {
		*e = binary.LittleEndian.AppendUint64(*e, w)
	}
}

// decodeSet reads a set of numbers below limit.
func decodeSet(d *decoder, limit number) numberSet {
	var s numberSet
	form, n := d.uint(), d.uint()
	switch {
	case form == setGaps && n <= uint64(len(d.b)):
		for last := uint64(0); n > 0 && !d.bad; n-- {
			if last += d.uint(); last >= uint64(limit) {
				d.fail()
				return nil
			}
			s.add(number(last))
		}
	case form == setBits && n <= uint64(len(d.b))/8:
		words := d.take(8 * n)
		for i := range n {
			s = append(s, binary.LittleEndian.Uint64(words[8*i:]))
		}
		if k := len(s); k > 0 && 64*uint64(k)-uint64(bits.LeadingZeros64(s[k-1])) > uint64(limit) {
			d.fail()
			return nil
		}
	default:
		d.fail()
	}
	return s
}
