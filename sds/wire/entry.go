package wire

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// HistoryEntry names a message in a causal history or a repair request. Members
// of an entry that this version does not know are read over and not kept.
type HistoryEntry struct {
	MessageID     MessageID
	RetrievalHint []byte // nil: absent
	SenderID      ParticipantID
	// HasSender is set when sender_id is written although it is empty.
	HasSender bool
	// Plain marks an entry as nim-sds wrote it until January 2026: the bare id
	// instead of a sub-message (causal history of the nim dialect only).
	Plain bool
}

// The fields of an entry: the same in both dialects.
const (
	entryMessageID     = 1
	entryRetrievalHint = 2
	entrySenderID      = 3
)

// entryInfo holds the names and limits of an entry's fields, all of which are
// length-delimited.
var entryInfo = [...]struct {
	name  string
	limit int
}{
	entryMessageID:     {"message_id", MaxID},
	entryRetrievalHint: {"retrieval_hint", MaxHint},
	entrySenderID:      {"sender_id", MaxID},
}

// entry reads one entry and appends it to list, which has room for it.
func (d *decoder) entry(m member, list *[]HistoryEntry, f *rawField) *Error {
	if d.rules.plainIDs && m == causalHistory && isPlainID(f.data) {
		*list = append(*list, HistoryEntry{MessageID: MessageID(f.data), Plain: true})
		return nil
	}
	e, err := d.readEntry(f.data)
	if err != nil {
		return d.entryError(m, len(*list), f, err)
	}
	*list = append(*list, e)
	return nil
}

// entryError completes an error that readEntry found in f, entry number i of
// member m.
func (d *decoder) entryError(m member, i int, f *rawField, err *Error) *Error {
	name := memberInfo[m].name + "[" + strconv.Itoa(i) + "]"
	if n := err.Field; n > 0 && n < len(entryInfo) {
		name += "." + entryInfo[n].name
	}
	if err.Offset == nowhere {
		err.Offset = f.start
	} else {
		err.Offset += f.end - len(f.data)
	}
	err = d.rules.layout.at(m, err)
	err.Name = name
	return err
}

// readEntry reads an entry. Field and Offset of its error are those within b.
func (d *decoder) readEntry(b []byte) (HistoryEntry, *Error) {
	var fields [len(entryInfo)][]byte
	s := d.rules.scanner(b)
	var f rawField
	for s.more() {
		if e := s.next(&f); e != nil {
			return HistoryEntry{}, e
		}
		if f.number == 0 || f.number >= uint64(len(entryInfo)) {
			continue
		}
		n := int(f.number)
		if f.typ != protowire.BytesType {
			if d.rules.skipWrongType {
				continue
			}
			e := wireTypeError(f.start, int(f.typ), int(protowire.BytesType))
			e.Field = n
			return HistoryEntry{}, e
		}
		if limit := entryInfo[n].limit; len(f.data) > limit {
			e := sizeError(len(f.data), "bytes", limit)
			e.Field, e.Offset = n, f.start
			return HistoryEntry{}, e
		}
		fields[n] = f.data
	}
	id, sender := fields[entryMessageID], fields[entrySenderID]
	if d.rules.needsEntryID && id == nil || !d.rules.emptyIDs && len(id) == 0 {
		e := missingError()
		e.Field = entryMessageID
		return HistoryEntry{}, e
	}
	return HistoryEntry{
		MessageID:     MessageID(id),
		RetrievalHint: fields[entryRetrievalHint],
		SenderID:      d.participant(sender),
		HasSender:     sender != nil && len(sender) == 0,
	}, nil
}

// isPlainID tells whether b can be the bare id that generation A of nim-sds
// wrote. No valid entry looks like it: that would contain the tag of a message
// id, 0x0a, which is not printable.
func isPlainID(b []byte) bool {
	if len(b) == 0 || len(b) > MaxPlainID {
		return false
	}
	for _, c := range b {
		if c < 0x21 || c > 0x7e {
			return false
		}
	}
	return true
}

// size returns the length of e as it is written in dialect d.
func (e *HistoryEntry) size(d Dialect) int {
	n := 0
	if d == Nim || e.MessageID != "" {
		n += 1 + protowire.SizeBytes(len(e.MessageID))
	}
	if e.RetrievalHint != nil {
		n += 1 + protowire.SizeBytes(len(e.RetrievalHint))
	}
	if e.HasSender || e.SenderID != "" {
		n += 1 + protowire.SizeBytes(len(e.SenderID))
	}
	return n
}

// append writes e without its tag and length. nim-sds demands a message id in
// every entry, so there it is written even if it is empty.
func (e *HistoryEntry) append(dst []byte, d Dialect) []byte {
	if d == Nim || e.MessageID != "" {
		dst = appendString(dst, entryMessageID, e.MessageID)
	}
	if e.RetrievalHint != nil {
		dst = appendBytes(dst, entryRetrievalHint, e.RetrievalHint)
	}
	if e.HasSender || e.SenderID != "" {
		dst = appendString(dst, entrySenderID, e.SenderID)
	}
	return dst
}

// plain tells whether e is written as a bare id: only in a causal history of
// the nim dialect.
func (e *HistoryEntry) plain(l *layout, m member) bool {
	return e.Plain && l.dialect == Nim && m == causalHistory
}

// sizeEntries returns what appendEntries writes.
func sizeEntries(l *layout, m member, list []HistoryEntry) int {
	n := len(list) * protowire.SizeTag(l.byMember[m])
	for i := range list {
		if e := &list[i]; e.plain(l, m) {
			n += protowire.SizeBytes(len(e.MessageID))
		} else {
			n += protowire.SizeBytes(e.size(l.dialect))
		}
	}
	return n
}

// appendEntries writes list as member m, one field per entry.
func appendEntries(dst []byte, l *layout, m member, list []HistoryEntry) []byte {
	number := l.byMember[m]
	for i := range list {
		e := &list[i]
		if e.plain(l, m) {
			dst = appendString(dst, number, e.MessageID)
			continue
		}
		dst = protowire.AppendTag(dst, number, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(e.size(l.dialect)))
		dst = e.append(dst, l.dialect)
	}
	return dst
}
