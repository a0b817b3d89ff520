package telemetry

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/causeway-im/causeway/telemetry/report"
)

// A row is an entry of the journal: events that became durable together, in the order
// of their numbers, the last of which is that of the entry. What leaves the device is
// package report's JSON; here it would cost more time than all the rest on the path of
// a message, and three times the room. A row is
//
//	rowVersion, claim, number of events, events
//
// and an event is a set of fields, its kind, its time since the one before it, and the
// fields that are in the set, in the order of the bits below. Numbers are varints,
// signed ones as in package binary. Versions before this one wrote rows of one event in
// JSON, which begins otherwise and is still read.

// rowVersion begins a row.
const rowVersion = 1

// maxRow is how many events a row has at most. A row is given up, and read, as a
// whole.
const maxRow = 50

// The fields of an event that may be left out, as bits.
const (
	firstText  = 0                    // texts
	firstWord  = firstText + numTexts // words
	firstInt   = firstWord + numWords // integers
	joinedBit  = firstInt + numInts
	bytesBit   = joinedBit + 1
	unknownBit = bytesBit + 1 // and all above
)

// What a text begins with: the sort that it is of, or literal and its length added.
const (
	aName    = 0 // a pseudonym: 16 bytes
	asBefore = 1 // the last one of this field in the row
	literal  = 2
)

// nameSize is how many bytes a pseudonym stands for, and nameText how many characters
// write it.
const (
	nameSize = 16
	nameText = 22
)

// words are what events say in one of a few words. Their codes are their places, from
// 1: the list only ever grows at the end. Any other word is written out, after 0.
var words = [...]string{
	"composed", "attempted", "handed", "refused", "stored", "acknowledged", "resent", "gaveUp", "received", "undecodable",
	"missing", "repaired", "lost", "presence", "membership", "traffic",
	"multicast", "control", "ephemeral", "direct",
	"relay", "filter", "store", "repair", "unknown",
	"online", "isolated", "offline", "suspended", "goodbye",
	"yes", "no",
	"tooLarge", "timeout", "closed", "failed", "tampered",
	"content", "resend", "request", "ack", "sync", "retrieved",
}

var wordCodes = func() map[string]byte {
	codes := make(map[string]byte, len(words))
	for i, w := range words {
		codes[w] = byte(i + 1)
	}
	return codes
}()

const (
	numTexts = 7
	numWords = 5
	numInts  = 5
)

func textsOf(e *report.Event) [numTexts]string {
	return [...]string{e.Community, e.Channel, e.Topic, e.Pubsub, e.Message, e.Member, e.Envelope}
}

func wordsOf(e *report.Event) [numWords]string {
	return [...]string{string(e.Class), string(e.Path), string(e.State), e.Answer, e.Code}
}

func intsOf(e *report.Event) [numInts]int64 {
	return [...]int64{e.Sent, int64(e.Size), int64(e.Audience), int64(e.Count), int64(e.Attempt)}
}

// appendRow adds a row of at least one and at most maxRow events to b. claim, if it is
// not 0, is a time before which everything is in rows up to this one.
func appendRow(b []byte, events []report.Event, claim int64) []byte {
	b = binary.AppendVarint(append(b, rowVersion), claim)
	b = binary.AppendUvarint(b, uint64(len(events)))
	var last [numTexts]string
	at := int64(0)
	for i := range events {
		b = appendEvent(b, &events[i], at, &last)
		at = events[i].At
	}
	return b
}

// appendEvent adds an event to b. at is the time of the one before it, and last are the
// last texts of the row.
func appendEvent(b []byte, e *report.Event, at int64, last *[numTexts]string) []byte {
	texts, words, ints, has := textsOf(e), wordsOf(e), intsOf(e), uint64(0)
	for i := range texts {
		if texts[i] != "" {
			has |= 1 << (firstText + i)
		}
	}
	for i := range words {
		if words[i] != "" {
			has |= 1 << (firstWord + i)
		}
	}
	for i := range ints {
		if ints[i] != 0 {
			has |= 1 << (firstInt + i)
		}
	}
	if e.Joined {
		has |= 1 << joinedBit
	}
	if len(e.Bytes) > 0 {
		has |= 1 << bytesBit
	}
	b = binary.AppendUvarint(b, has)
	b = appendWord(b, string(e.Kind))
	b = binary.AppendVarint(b, e.At-at)
	for i, s := range texts {
		switch {
		case s == "":
		case s == last[i]:
			b = append(b, asBefore)
		default:
			b, last[i] = appendText(b, s), s
		}
	}
	for _, s := range words {
		if s != "" {
			b = appendWord(b, s)
		}
	}
	for i, n := range ints {
		if i == 0 && n != 0 {
			b = binary.AppendVarint(b, n-e.At) // Sent is near
		} else if n != 0 {
			b = binary.AppendVarint(b, n)
		}
	}
	if len(e.Bytes) > 0 {
		b = binary.AppendUvarint(b, uint64(len(e.Bytes)))
		for _, class := range slices.Sorted(maps.Keys(e.Bytes)) {
			b = binary.AppendVarint(appendWord(b, class), e.Bytes[class])
		}
	}
	return b
}

func appendWord(b []byte, s string) []byte {
	if code := wordCodes[s]; code > 0 {
		return append(b, code)
	}
	return appendText(append(b, 0), s)
}

func appendText(b []byte, s string) []byte {
	if len(s) == nameText {
		var name [nameSize]byte
		if n, err := pseudonym.Decode(name[:], []byte(s)); err == nil && n == nameSize {
			return append(append(b, aName), name[:]...)
		}
	}
	return append(binary.AppendUvarint(b, literal+uint64(len(s))), s...)
}

// pseudonym is how package report writes one. Strict: what is read is written the same.
var pseudonym = base64.RawURLEncoding.Strict()

// row is what an entry of the journal says.
type row struct {
	claim  int64
	events []report.Event // without Seq
}

var errRow = errors.New("not a row of the journal")

// readRow reads an entry. It takes no more memory than maxRow events and some times
// what data has.
func readRow(data []byte) (r row, err error) {
	if len(data) > 0 && data[0] == '{' {
		var old struct {
			report.Event
			Claim int64 `json:"claim"`
		}
		err := json.Unmarshal(data, &old)
		old.Seq = 0
		return row{claim: old.Claim, events: []report.Event{old.Event}}, err
	}
	d := reader{rest: data}
	n := d.head(&r)
	if d.bad {
		return row{}, errRow
	}
	r.events = make([]report.Event, n)
	for i := range r.events {
		d.event(&r.events[i])
	}
	if d.bad || len(d.rest) > 0 {
		return row{}, errRow
	}
	return r, nil
}

// eventsIn returns how many events an entry has; of one that can't be read, 1.
func eventsIn(data []byte) int {
	d := reader{rest: data}
	if n := d.head(&row{}); !d.bad {
		return n
	}
	return 1
}

// reader takes a row apart. When something is wrong it is bad, and what it returns from
// then on is nothing.
type reader struct {
	rest []byte
	bad  bool
	at   int64            // of the last event
	last [numTexts]string // the last texts
}

// head reads what is before the events, and returns how many there are.
func (d *reader) head(r *row) int {
	if len(d.rest) == 0 || d.rest[0] != rowVersion {
		d.bad = true
		return 0
	}
	d.rest = d.rest[1:]
	r.claim = d.int64()
	n := d.uint64()
	d.bad = d.bad || n < 1 || n > maxRow
	return int(n)
}

func (d *reader) event(e *report.Event) {
	has := d.uint64()
	d.bad = d.bad || has >= 1<<unknownBit
	e.Kind = report.Kind(d.word())
	d.at += d.int64()
	e.At = d.at
	texts := [...]*string{&e.Community, &e.Channel, &e.Topic, &e.Pubsub, &e.Message, &e.Member, &e.Envelope}
	for i := range texts {
		if has&(1<<(firstText+i)) != 0 {
			d.last[i] = d.text(d.last[i])
			*texts[i] = d.last[i]
		}
	}
	var words [numWords]string
	for i := range words {
		if has&(1<<(firstWord+i)) != 0 {
			words[i] = d.word()
		}
	}
	e.Class, e.Path, e.State, e.Answer, e.Code = report.Class(words[0]), report.Path(words[1]), report.State(words[2]), words[3], words[4]
	if has&(1<<firstInt) != 0 {
		e.Sent = e.At + d.int64()
	}
	ints := [...]*int{&e.Size, &e.Audience, &e.Count, &e.Attempt}
	for i := range ints {
		if has&(1<<(firstInt+1+i)) != 0 {
			*ints[i] = d.int()
		}
	}
	e.Joined = has&(1<<joinedBit) != 0
	if has&(1<<bytesBit) != 0 {
		e.Bytes = d.bytes()
	}
}

func (d *reader) bytes() map[string]int64 {
	n := d.uint64()
	if d.bad || n > uint64(len(d.rest)) { // each takes more than a byte
		d.bad = true
		return nil
	}
	m := map[string]int64{}
	for range n {
		if d.bad {
			return nil
		}
		class := d.word()
		m[class] = d.int64()
	}
	return m
}

func (d *reader) word() string {
	switch code := d.uint64(); {
	case d.bad:
		return ""
	case code == 0:
		return d.text("")
	case code <= uint64(len(words)):
		return words[code-1]
	}
	d.bad = true
	return ""
}

// text reads a text; last is the last one of this field.
func (d *reader) text(last string) string {
	switch n := d.uint64(); {
	case d.bad:
		return ""
	case n == aName:
		return pseudonym.EncodeToString(d.take(nameSize))
	case n == asBefore:
		return last
	default:
		return string(d.take(n - literal))
	}
}

func (d *reader) take(n uint64) (b []byte) {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	b, d.rest = d.rest[:n], d.rest[n:]
	return b
}

func (d *reader) uint64() uint64 {
	v, n := binary.Uvarint(d.rest)
	return advance(d, v, n)
}

func (d *reader) int64() int64 {
	v, n := binary.Varint(d.rest)
	return advance(d, v, n)
}

func (d *reader) int() int {
	v := d.int64()
	if int64(int(v)) != v {
		d.bad = true
	}
	return int(v)
}

// advance goes on after a number that took n bytes; none if there was no number.
func advance[T uint64 | int64](d *reader, v T, n int) T {
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}
