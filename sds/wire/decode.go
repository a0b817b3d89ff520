package wire

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Decode reads one message, in whichever dialect it is (see DetectDialect); a
// nim message is read as AnyGeneration does.
//
// The byte slices of the message alias b: the caller must not modify b as long
// as the message is used. Strings are copies.
//
// Every error is an *Error.
func Decode(b []byte) (Message, error) {
	o, e := survey(b)
	if e != nil {
		return Message{}, e
	}
	if o.dialect() == Nim {
		return decode(b, &o, &rulesAny)
	}
	return decode(b, &o, &rulesLIP)
}

// decoder reads one message that survey has been over.
type decoder struct {
	rules *rules
	m     Message

	// The ids are kept as they stand in the input until the end, because only
	// the last occurrence is worth a copy. nil: absent.
	sender, message, channel []byte

	seen    set
	intern  [4]ParticipantID // the sender ids that were copied last, a ring
	interns int
	unknown unknownFields
}

func decode(b []byte, o *overview, r *rules) (Message, error) {
	d := decoder{rules: r}
	if e := d.reserve(o); e != nil {
		return Message{}, e
	}
	s := r.scanner(b)
	var f rawField
	for s.more() {
		if e := s.next(&f); e != nil {
			return Message{}, r.layout.at(r.layout.member(uint64(e.Field)), e)
		}
		m := r.layout.member(f.number)
		if m != noMember && f.typ != memberInfo[m].typ {
			if !r.skipWrongType {
				e := wireTypeError(f.start, int(f.typ), int(memberInfo[m].typ))
				return Message{}, r.layout.at(m, e)
			}
			m = noMember
		}
		if e := d.field(m, &f); e != nil {
			return Message{}, e
		}
	}
	if e := d.finish(b); e != nil {
		return Message{}, e
	}
	return d.m, nil
}

func (r *rules) scanner(b []byte) scanner {
	return scanner{b: b, minimal: r.minimalVarints, anyNumber: r.anyNumber}
}

// known tells whether field n of wire type typ is one that the dialect has.
func (r *rules) known(n uint64, typ protowire.Type) bool {
	m := r.layout.member(n)
	return m != noMember && typ == memberInfo[m].typ
}

// reserve takes the memory for the entries, once it is known that there are not
// too many of them.
func (d *decoder) reserve(o *overview) *Error {
	l := d.rules.layout
	history, repair, size := o.entries(l.dialect)
	var e *Error
	switch {
	case history+repair > MaxEntries:
		e = sizeError(history+repair, "entries", MaxEntries)
	case size > MaxEntryBytes:
		e = sizeError(size, "bytes of entries", MaxEntryBytes)
	}
	if e != nil {
		e = l.at(causalHistory, e)
		e.Name = "causal_history and repair_request"
		return e
	}
	if history > 0 {
		d.m.CausalHistory = make([]HistoryEntry, 0, history)
	}
	if repair > 0 {
		d.m.RepairRequest = make([]HistoryEntry, 0, repair)
	}
	return nil
}

// field takes one field, m being what it holds.
func (d *decoder) field(m member, f *rawField) *Error {
	if limit := memberInfo[m].limit; limit > 0 && len(f.data) > limit {
		e := sizeError(len(f.data), "bytes", limit)
		e.Offset = f.start
		return d.rules.layout.at(m, e)
	}
	d.seen |= 1 << m
	switch m {
	case senderID:
		d.sender = f.data
	case messageID:
		d.message = f.data
	case channelID:
		d.channel = f.data
	case lamport:
		d.m.Lamport = f.value
		d.m.HasLamport = true
	case causalHistory:
		return d.entry(m, &d.m.CausalHistory, f)
	case repairRequest:
		return d.entry(m, &d.m.RepairRequest, f)
	case bloomFilter:
		d.m.BloomFilter = f.data
	case content:
		d.m.Content = f.data
	case extension:
		d.m.Extension = f.data
	default:
		if e := d.unknown.add(f); e != nil {
			return d.rules.layout.at(noMember, e)
		}
	}
	return nil
}

// finish copies what was put off and checks what only a whole message shows.
func (d *decoder) finish(b []byte) *Error {
	l := d.rules.layout
	for _, s := range l.order {
		if d.rules.required.has(s.member) && !d.seen.has(s.member) {
			return l.at(s.member, missingError())
		}
	}
	if !d.rules.emptyIDs {
		if len(d.message) == 0 {
			return l.at(messageID, missingError())
		}
		if len(d.channel) == 0 {
			return l.at(channelID, missingError())
		}
	}
	if d.m.Lamport > d.rules.maxLamport {
		return l.at(lamport, &Error{
			Offset: nowhere,
			Err:    ErrMalformed,
			detail: strconv.FormatUint(d.m.Lamport, 10) + " is negative as an int64",
		})
	}
	m := &d.m
	m.Dialect = l.dialect
	if d.rules.needsKind && m.Kind() == 0 {
		return l.at(noMember, &Error{
			Offset: nowhere,
			Err:    ErrNoKind,
			detail: "neither lamport_timestamp nor content",
		})
	}
	m.SenderID = d.participant(d.sender)
	m.MessageID = MessageID(d.message)
	m.ChannelID = ChannelID(d.channel)
	m.Explicit = explicit(d.sender, FieldSenderID) |
		explicit(d.message, FieldMessageID) |
		explicit(d.channel, FieldChannelID)
	m.Unknown = d.unknown.gather(d.rules.scanner(b), d.rules.known)
	return nil
}

// explicit returns bit if an id was present without bytes.
func explicit(id []byte, bit Field) Field {
	if id != nil && len(id) == 0 {
		return bit
	}
	return 0
}

// participant copies an id, unless it is one of those that were copied last:
// the entries of a history name few senders.
func (d *decoder) participant(id []byte) ParticipantID {
	if len(id) == 0 {
		return ""
	}
	for _, known := range d.intern {
		if string(id) == string(known) {
			return known
		}
	}
	p := ParticipantID(id)
	d.intern[d.interns%len(d.intern)] = p
	d.interns++
	return p
}
