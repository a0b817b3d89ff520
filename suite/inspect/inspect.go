// Package inspect takes one SDS packet apart and says everything that can be
// said about it without its channel: dialect, kind, fields, filter, extension,
// and, of a packet that cannot be read, what is wrong where. It is what the
// command "causeway inspect" prints.
package inspect

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// A Report describes one packet. Its JSON form is stable: members may be added,
// not renamed. Ids and channel names are shown with unprintable bytes escaped
// as in a Go string, binary values as lower-case hex.
type Report struct {
	Bytes   int    `json:"bytes"`
	Dialect string `json:"dialect,omitempty"` // "lip" or "nim"
	Kind    string `json:"kind,omitempty"`    // "content", "sync" or "ephemeral"

	// Content bytes are the user's; all others are control bytes.
	ContentBytes int `json:"content_bytes"`
	ControlBytes int `json:"control_bytes"`

	SenderID  string `json:"sender_id,omitempty"`
	MessageID string `json:"message_id,omitempty"`
	ChannelID string `json:"channel_id,omitempty"`
	// ID says what the message id proves: "verified" if it is made from the
	// message, "forged" if it should be and is not (peers refuse such a message),
	// "opaque" if its form promises nothing.
	ID string `json:"id,omitempty"`

	Lamport       *Lamport   `json:"lamport_timestamp,omitempty"`
	CausalHistory []Entry    `json:"causal_history,omitempty"`
	RepairRequest []Entry    `json:"repair_request,omitempty"`
	Bloom         *Bloom     `json:"bloom_filter,omitempty"`
	Content       *Content   `json:"content,omitempty"`
	Extension     *Extension `json:"extension,omitempty"`

	// Fields lists what is on the wire, in the order of the wire. Of a packet
	// that cannot be read it lists what comes before the damage.
	Fields []Field `json:"fields,omitempty"`
	// Notes say which deployed peers have trouble with the packet, and why.
	Notes []string `json:"notes,omitempty"`
	// Problem says why the packet cannot be read. nil: it can.
	Problem *Problem `json:"problem,omitempty"`

	packet []byte
}

// Lamport is a Lamport timestamp and the time that it stands for.
type Lamport struct {
	Value uint64 `json:"value"`
	Unit  string `json:"unit"`           // "ms" or "s"
	Time  string `json:"time,omitempty"` // RFC 3339, if the year has four digits
}

// Entry is one entry of a causal history or a repair request.
type Entry struct {
	MessageID string `json:"message_id"`
	SenderID  string `json:"sender_id,omitempty"`
	Hint      string `json:"retrieval_hint,omitempty"` // hex
	Plain     bool   `json:"plain,omitempty"`          // a bare id, as nim-sds wrote until 2026

	hint []byte
}

// Content is what the user sent.
type Content struct {
	Bytes int     `json:"bytes"`
	Text  *string `json:"text,omitempty"` // if it reads as text
	Hex   string  `json:"hex"`

	raw []byte
}

// Problem says what is wrong with a packet that cannot be read.
type Problem struct {
	Class   string `json:"class"` // "truncated", "wire_type", …: see classes
	Message string `json:"message"`
	Field   int    `json:"field,omitempty"`
	Name    string `json:"name,omitempty"`
	Offset  *int   `json:"offset,omitempty"`
	Limit   int    `json:"limit,omitempty"`
}

// maxSafe is the first Lamport timestamp that Causeway refuses.
const maxSafe = 1 << 53

// Inspect takes a packet apart. It does not modify or keep it, except that the
// report points into it.
func Inspect(packet []byte) *Report {
	r := &Report{Bytes: len(packet), packet: packet}
	m, err := wire.Decode(packet)
	if err != nil {
		r.Problem = newProblem(err)
		d := dialectOf(err)
		if d != 0 {
			r.Dialect = d.String()
		}
		r.Fields, _ = walk(packet, d)
		return r
	}
	r.Dialect, r.Kind = m.Dialect.String(), m.Kind().String()
	r.ContentBytes = len(m.Content)
	r.ControlBytes = len(packet) - len(m.Content)
	r.SenderID, r.MessageID, r.ChannelID = escape(m.SenderID), escape(m.MessageID), escape(m.ChannelID)
	r.ID = verdicts[sds.VerifyID(&m)]
	if m.HasLamport {
		r.Lamport = newLamport(m.Dialect, m.Lamport)
	}
	r.CausalHistory, r.RepairRequest = entries(m.CausalHistory), entries(m.RepairRequest)
	if m.BloomFilter != nil {
		r.Bloom = newBloom(m.Dialect, m.BloomFilter)
	}
	if m.Content != nil {
		r.Content = newContent(m.Content)
	}
	if m.Extension != nil {
		r.Extension = newExtension(m.Extension)
	}
	r.Fields, _ = walk(packet, m.Dialect)
	r.Notes = notes(packet, &m)
	return r
}

var verdicts = map[sds.Trust]string{sds.Opaque: "opaque", sds.Verified: "verified", sds.Forged: "forged"}

func newLamport(d wire.Dialect, v uint64) *Lamport {
	l := &Lamport{Value: v, Unit: "ms"}
	perSecond := uint64(1000)
	if d == wire.Nim {
		l.Unit, perSecond = "s", 1
	}
	const year10000 = 253402300800
	if v < year10000*perSecond {
		t := time.Unix(int64(v/perSecond), int64(v%perSecond*(1e9/perSecond)))
		l.Time = t.UTC().Format(time.RFC3339Nano)
	}
	return l
}

func entries(list []wire.HistoryEntry) []Entry {
	var out []Entry
	for _, e := range list {
		out = append(out, Entry{
			MessageID: escape(e.MessageID), SenderID: escape(e.SenderID), Plain: e.Plain,
			Hint: hex.EncodeToString(e.RetrievalHint), hint: e.RetrievalHint,
		})
	}
	return out
}

func newContent(b []byte) *Content {
	c := &Content{Bytes: len(b), Hex: hex.EncodeToString(b), raw: b}
	if isText(b) {
		s := string(b)
		c.Text = &s
	}
	return c
}

// notes tells which deployed peers cannot read a packet that Causeway can.
func notes(packet []byte, m *wire.Message) []string {
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if m.Lamport >= maxSafe {
		add("Causeway refuses Lamport timestamps from 2^53 up")
	}
	switch m.Dialect {
	case wire.LIP:
		if n := len(m.BloomFilter); m.BloomFilter != nil && n < jsFilterBytes {
			add("@waku/sds loses this message: its bloom filter has %d bytes, fewer than %d", n, jsFilterBytes)
		}
	case wire.Nim:
		if _, err := wire.GenerationC.Decode(packet); err != nil {
			add("nim-sds master does not read this message: %v", err)
		}
		if _, err := wire.GenerationD.Decode(packet); err != nil {
			add("nim-sds release/v0.4 does not read this message: %v", err)
		}
	}
	return list
}

var classes = []struct {
	err  error
	name string
}{
	{wire.ErrEmpty, "empty"},
	{wire.ErrTruncated, "truncated"},
	{wire.ErrWireType, "wire_type"},
	{wire.ErrTooLarge, "too_large"},
	{wire.ErrMissingField, "missing_field"},
	{wire.ErrNoKind, "no_kind"},
	{wire.ErrVarint, "varint"},
	{wire.ErrMalformed, "malformed"},
}

func newProblem(err error) *Problem {
	p := &Problem{Class: "other", Message: err.Error()}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			p.Class = c.name
		}
	}
	if e := (*wire.Error)(nil); errors.As(err, &e) {
		p.Field, p.Name, p.Limit = e.Field, e.Name, e.Limit
		if e.Offset >= 0 {
			p.Offset = &e.Offset
		}
	}
	return p
}

// dialectOf returns the dialect that Decode tried, 0 if it came to none.
func dialectOf(err error) wire.Dialect {
	if e := (*wire.Error)(nil); errors.As(err, &e) {
		return e.Dialect
	}
	return 0
}
