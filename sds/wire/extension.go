package wire

import (
	"encoding/binary"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Extension is what a Causeway peer says to other Causeway peers, in field 100
// of either dialect, which deployed decoders skip. No content depends on it.
//
// A member that is zero is not written, except as its Has-flag says; of a
// member that occurs twice the last occurrence counts. Sizes are bounded by
// MaxHoles, MaxAsk and so on.
//
// An Extension is not safe for concurrent use while somebody writes to it.
type Extension struct {
	Version     uint32 // 1
	Incarnation uint32 // 2: made with the sender's state
	Sequence    uint64 // 3: number of this content message; 0: none
	GroupSize   uint8  // 4: quantised; the pace package knows the code
	RoundTrip   uint8  // 5: quantised likewise

	// Fingerprint sums up what the sender delivered. It counts only if
	// HasFingerprint is set: 0 is a fingerprint too.
	Fingerprint    uint64 // 6
	HasFingerprint bool

	Base  uint64   // 7: the sender's join point
	Holes []uint64 // 8: short ids that the fingerprint lacks
	Want  []uint64 // 9: short ids that the sender asks for, of WantFrom ≤ Lamport timestamp < WantTo

	Census []byte // 10: opaque
	Digest []byte // 11: opaque

	// Ask names members who are to report. It counts only if HasAsk is set;
	// empty, it asks everybody.
	Ask    []uint32 // 12
	HasAsk bool

	WantFrom uint64 // 13
	WantTo   uint64 // 14

	// Unknown holds the members that this version does not know, tags included,
	// in their order of arrival. They are written again at the end.
	Unknown []byte
}

// The numbers of the members.
const (
	extVersion protowire.Number = iota + 1
	extIncarnation
	extSequence
	extGroupSize
	extRoundTrip
	extFingerprint
	extBase
	extHoles
	extWant
	extCensus
	extDigest
	extAsk
	extWantFrom
	extWantTo
	extCount
)

// extensionInfo holds what each member must look like. limit is the highest
// value of a varint and the greatest length of bytes; unit is the size of one
// element of a packed list.
var extensionInfo = [extCount]struct {
	name  string
	typ   protowire.Type
	limit uint64
	unit  int
}{
	extVersion:     {"version", protowire.VarintType, math.MaxUint32, 0},
	extIncarnation: {"incarnation", protowire.Fixed32Type, 0, 0},
	extSequence:    {"sequence", protowire.VarintType, math.MaxUint64, 0},
	extGroupSize:   {"group_size", protowire.VarintType, math.MaxUint8, 0},
	extRoundTrip:   {"round_trip", protowire.VarintType, math.MaxUint8, 0},
	extFingerprint: {"fingerprint", protowire.Fixed64Type, 0, 0},
	extBase:        {"base", protowire.VarintType, math.MaxUint64, 0},
	extHoles:       {"holes", protowire.BytesType, MaxHoles * 8, 8},
	extWant:        {"want", protowire.BytesType, MaxWant * 8, 8},
	extCensus:      {"census", protowire.BytesType, MaxCensus, 1},
	extDigest:      {"digest", protowire.BytesType, MaxDigest, 1},
	extAsk:         {"ask", protowire.BytesType, MaxAsk * 4, 4},
	extWantFrom:    {"want_from", protowire.VarintType, math.MaxUint64, 0},
	extWantTo:      {"want_to", protowire.VarintType, math.MaxUint64, 0},
}

// ParseExtension reads the value of field 100. Census, Digest and Unknown alias
// b. No bytes are an extension that says nothing. Every error is an *Error; an
// extension that cannot be read is no reason to refuse its message.
func ParseExtension(b []byte) (Extension, error) {
	if len(b) > MaxExtension {
		e := sizeError(len(b), "bytes", MaxExtension)
		e.inExtension = true
		return Extension{}, e
	}
	var p extensionParser
	s := scanner{b: b}
	var f rawField
	for s.more() {
		e := s.next(&f)
		if e == nil {
			e = p.member(&f)
		}
		if e != nil {
			e.inExtension = true
			if e.Field > 0 && e.Field < int(extCount) {
				e.Name = extensionInfo[e.Field].name
			}
			return Extension{}, e
		}
	}
	return p.finish(scanner{b: b}), nil
}

// extensionParser keeps lists as they stand in the input until the end, because
// only the last occurrence is worth a copy.
type extensionParser struct {
	x                Extension
	holes, want, ask []byte
	unknown          unknownFields
}

// member takes one member.
func (p *extensionParser) member(f *rawField) *Error {
	if f.number >= uint64(extCount) {
		return p.unknown.add(f)
	}
	if e := checkMember(f); e != nil {
		return e
	}
	x := &p.x
	switch protowire.Number(f.number) {
	case extVersion:
		x.Version = uint32(f.value)
	case extIncarnation:
		x.Incarnation = uint32(f.value)
	case extSequence:
		x.Sequence = f.value
	case extGroupSize:
		x.GroupSize = uint8(f.value)
	case extRoundTrip:
		x.RoundTrip = uint8(f.value)
	case extFingerprint:
		x.Fingerprint, x.HasFingerprint = f.value, true
	case extBase:
		x.Base = f.value
	case extHoles:
		p.holes = f.data
	case extWant:
		p.want = f.data
	case extCensus:
		x.Census = f.data
	case extDigest:
		x.Digest = f.data
	case extAsk:
		p.ask, x.HasAsk = f.data, true
	case extWantFrom:
		x.WantFrom = f.value
	case extWantTo:
		x.WantTo = f.value
	}
	return nil
}

// checkMember checks a member's wire type and size.
func checkMember(f *rawField) *Error {
	info := &extensionInfo[f.number]
	var e *Error
	switch {
	case f.typ != info.typ:
		e = wireTypeError(f.start, int(f.typ), int(info.typ))
	case f.typ == protowire.VarintType && f.value > info.limit:
		e = &Error{
			Limit:  int(min(info.limit, math.MaxInt)), // int may have 32 bits
			Err:    ErrTooLarge,
			detail: strconv.FormatUint(f.value, 10),
		}
	case f.typ == protowire.BytesType && uint64(len(f.data)) > info.limit:
		e = sizeError(len(f.data), "bytes", int(info.limit))
	case f.typ == protowire.BytesType && len(f.data)%info.unit != 0:
		e = &Error{
			Err:    ErrMalformed,
			detail: strconv.Itoa(len(f.data)) + " bytes, elements have " + strconv.Itoa(info.unit),
		}
	default:
		return nil
	}
	e.Field, e.Offset = int(f.number), f.start
	return e
}

// finish unpacks the lists. Members without bytes are absent, so that an
// extension equals what is read of its encoding.
func (p *extensionParser) finish(s scanner) Extension {
	x := p.x
	x.Holes = unpack64(p.holes)
	x.Want = unpack64(p.want)
	if len(p.ask) > 0 {
		x.Ask = make([]uint32, len(p.ask)/4)
		for i := range x.Ask {
			x.Ask[i] = binary.LittleEndian.Uint32(p.ask[4*i:])
		}
	}
	if len(x.Census) == 0 {
		x.Census = nil
	}
	if len(x.Digest) == 0 {
		x.Digest = nil
	}
	x.Unknown = p.unknown.gather(s, func(n uint64, _ protowire.Type) bool {
		return n < uint64(extCount)
	})
	return x
}

func unpack64(b []byte) []uint64 {
	if len(b) == 0 {
		return nil
	}
	list := make([]uint64, len(b)/8)
	for i := range list {
		list[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return list
}

// Encode returns e as bytes: the value of Message.Extension.
func (e *Extension) Encode() []byte {
	return e.Append(make([]byte, 0, e.Size()))
}

// Append appends e's bytes to dst, members in ascending order, then e.Unknown
// as it is. It does not allocate if dst has room for Size bytes more.
func (e *Extension) Append(dst []byte) []byte {
	dst = appendUint(dst, extVersion, uint64(e.Version))
	if e.Incarnation != 0 {
		dst = protowire.AppendTag(dst, extIncarnation, protowire.Fixed32Type)
		dst = protowire.AppendFixed32(dst, e.Incarnation)
	}
	dst = appendUint(dst, extSequence, e.Sequence)
	dst = appendUint(dst, extGroupSize, uint64(e.GroupSize))
	dst = appendUint(dst, extRoundTrip, uint64(e.RoundTrip))
	if e.HasFingerprint {
		dst = protowire.AppendTag(dst, extFingerprint, protowire.Fixed64Type)
		dst = protowire.AppendFixed64(dst, e.Fingerprint)
	}
	dst = appendUint(dst, extBase, e.Base)
	dst = appendList64(dst, extHoles, e.Holes)
	dst = appendList64(dst, extWant, e.Want)
	if len(e.Census) > 0 {
		dst = appendBytes(dst, extCensus, e.Census)
	}
	if len(e.Digest) > 0 {
		dst = appendBytes(dst, extDigest, e.Digest)
	}
	if e.HasAsk {
		dst = protowire.AppendTag(dst, extAsk, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(4*len(e.Ask)))
		for _, v := range e.Ask {
			dst = protowire.AppendFixed32(dst, v)
		}
	}
	dst = appendUint(dst, extWantFrom, e.WantFrom)
	dst = appendUint(dst, extWantTo, e.WantTo)
	return append(dst, e.Unknown...)
}

// Size returns the number of bytes that Append appends. All tags have one byte.
func (e *Extension) Size() int {
	n := len(e.Unknown)
	for _, v := range [...]uint64{
		uint64(e.Version), e.Sequence, uint64(e.GroupSize), uint64(e.RoundTrip), e.Base, e.WantFrom, e.WantTo,
	} {
		if v != 0 {
			n += 1 + protowire.SizeVarint(v)
		}
	}
	if e.Incarnation != 0 {
		n += 1 + protowire.SizeFixed32()
	}
	if e.HasFingerprint {
		n += 1 + protowire.SizeFixed64()
	}
	for _, size := range [...]int{
		8 * len(e.Holes), 8 * len(e.Want), len(e.Census), len(e.Digest),
	} {
		if size > 0 {
			n += 1 + protowire.SizeBytes(size)
		}
	}
	if e.HasAsk {
		n += 1 + protowire.SizeBytes(4*len(e.Ask))
	}
	return n
}

func appendUint(dst []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, n, protowire.VarintType)
	return protowire.AppendVarint(dst, v)
}

func appendList64(dst []byte, n protowire.Number, list []uint64) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, n, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(8*len(list)))
	for _, v := range list {
		dst = protowire.AppendFixed64(dst, v)
	}
	return dst
}
