package wire

import "google.golang.org/protobuf/encoding/protowire"

// Dialect tells which of the two deployed numberings of SDS a message uses.
type Dialect uint8

const (
	// LIP is the numbering of LIP-109, which @waku/sds writes too.
	LIP Dialect = iota + 1
	// Nim is the numbering of nim-sds.
	Nim
)

// String returns "lip", "nim" or "unknown".
func (d Dialect) String() string {
	switch d {
	case LIP:
		return "lip"
	case Nim:
		return "nim"
	}
	return "unknown"
}

// member is a field of a Message, whatever its number.
type member uint8

const (
	noMember member = iota
	senderID
	messageID
	channelID
	lamport
	causalHistory
	bloomFilter
	repairRequest
	content
	extension
	memberCount
)

// set is a set of members.
type set uint16

func (s set) has(m member) bool { return s&(1<<m) != 0 }

// memberInfo is what both dialects agree on, by member. A limit of 0 means that
// the member has no limit of its own.
var memberInfo = [memberCount]struct {
	name  string
	typ   protowire.Type
	limit int
}{
	senderID:      {"sender_id", protowire.BytesType, MaxID},
	messageID:     {"message_id", protowire.BytesType, MaxID},
	channelID:     {"channel_id", protowire.BytesType, MaxID},
	lamport:       {"lamport_timestamp", protowire.VarintType, 0},
	causalHistory: {"causal_history", protowire.BytesType, 0},
	bloomFilter:   {"bloom_filter", protowire.BytesType, MaxBloomFilter},
	repairRequest: {"repair_request", protowire.BytesType, 0},
	content:       {"content", protowire.BytesType, 0},
	extension:     {"extension", protowire.BytesType, MaxExtension},
}

// slot is a field number and what stands there.
type slot struct {
	number protowire.Number
	member member
}

// layout is the numbering of one dialect. Reading, writing and error messages
// all go by it.
type layout struct {
	dialect  Dialect
	order    [memberCount - 1]slot // as written
	byNumber [maxNumber + 1]member
	byMember [memberCount]protowire.Number
}

// maxNumber is the highest field number that either dialect uses.
const maxNumber = 100

var (
	lipLayout = newLayout(LIP, [...]slot{
		{1, senderID}, {2, messageID}, {3, channelID}, {10, lamport}, {11, causalHistory},
		{12, bloomFilter}, {13, repairRequest}, {20, content}, {100, extension},
	})
	nimLayout = newLayout(Nim, [...]slot{
		{1, messageID}, {2, lamport}, {3, causalHistory}, {4, channelID}, {5, content},
		{6, bloomFilter}, {7, senderID}, {13, repairRequest}, {100, extension},
	})
)

func newLayout(d Dialect, order [memberCount - 1]slot) *layout {
	l := &layout{dialect: d, order: order}
	for _, s := range order {
		l.byNumber[s.number] = s.member
		l.byMember[s.member] = s.number
	}
	return l
}

// layoutOf returns d's layout, and LIP's for the zero Dialect.
func layoutOf(d Dialect) *layout {
	if d == Nim {
		return nimLayout
	}
	return lipLayout
}

// member returns what field number n holds, noMember if the dialect does not
// have it.
func (l *layout) member(n uint64) member {
	if n > maxNumber {
		return noMember
	}
	return l.byNumber[n]
}

// at completes e as an error about member m.
func (l *layout) at(m member, e *Error) *Error {
	e.Dialect = l.dialect
	if m != noMember {
		e.Field = int(l.byMember[m])
		e.Name = memberInfo[m].name
	}
	return e
}

// DetectDialect tells which dialect b is in. It reads no further than tags and
// lengths; that the message is sound can only be told by decoding it.
//
// The rule: a varint as field 2 is nim's Lamport timestamp; a length-delimited
// field 2 is LIP's message id. Without either (release/v0.4 reads messages
// without a timestamp, @waku/sds writes no empty id) the fields that only one
// dialect has decide: 10, 11, 12 or 20 for LIP, then 4, 5, 6 or 7 for nim. What
// has none of these is taken for LIP.
//
// The error is about bytes that are not protobuf at all, are empty or exceed
// MaxMessage or MaxFields.
func DetectDialect(b []byte) (Dialect, error) {
	o, e := survey(b)
	if e != nil {
		return 0, e
	}
	return o.dialect(), nil
}

// overview is what a first pass over a message finds out: its dialect, and how
// much memory its entries will take. Numbers above 63 do not matter here.
type overview struct {
	fields                 int
	varints, bytes, others uint64 // bit n: field n occurs with that wire type

	// The entries that fields 3 (nim), 11 (LIP) and 13 (both) hold.
	field3, field11, field13 entryCount
}

type entryCount struct{ entries, bytes int }

func (c *entryCount) add(n int) {
	c.entries++
	c.bytes += n
}

const (
	lipOnly = 1<<10 | 1<<11 | 1<<12 | 1<<20
	nimOnly = 1<<4 | 1<<5 | 1<<6 | 1<<7
)

// survey walks over b with the most tolerant scanner: what it refuses no
// decoder would accept.
func survey(b []byte) (overview, *Error) {
	var o overview
	if len(b) == 0 {
		return o, &Error{Offset: nowhere, Err: ErrEmpty, detail: "empty"}
	}
	if len(b) > MaxMessage {
		return o, sizeError(len(b), "bytes", MaxMessage)
	}
	s := scanner{b: b, anyNumber: true}
	var f rawField
	for s.more() {
		if e := s.next(&f); e != nil {
			l := layoutOf(o.dialect())
			return o, l.at(l.member(uint64(e.Field)), e)
		}
		if o.fields++; o.fields > MaxFields {
			e := sizeError(o.fields, "fields or more", MaxFields)
			e.Dialect, e.Offset = o.dialect(), f.start
			return o, e
		}
		o.note(&f)
	}
	return o, nil
}

func (o *overview) note(f *rawField) {
	if f.number > 63 {
		return
	}
	bit := uint64(1) << f.number
	switch f.typ {
	case protowire.VarintType:
		o.varints |= bit
	case protowire.BytesType:
		o.bytes |= bit
		switch f.number {
		case 3:
			o.field3.add(len(f.data))
		case 11:
			o.field11.add(len(f.data))
		case 13:
			o.field13.add(len(f.data))
		}
	default:
		o.others |= bit
	}
}

func (o *overview) dialect() Dialect {
	const field2 = 1 << 2
	all := o.varints | o.bytes | o.others
	switch {
	case o.varints&field2 != 0:
		return Nim
	case o.bytes&field2 != 0:
		return LIP
	case all&lipOnly != 0:
		return LIP
	case all&nimOnly != 0:
		return Nim
	}
	return LIP
}

// entries returns how many entries of causal history and repair request a
// message in dialect d has, and how many bytes they take together.
func (o *overview) entries(d Dialect) (history, repair, bytes int) {
	h := o.field11
	if d == Nim {
		h = o.field3
	}
	return h.entries, o.field13.entries, h.bytes + o.field13.bytes
}
