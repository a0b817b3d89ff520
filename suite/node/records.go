package node

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/causeway-im/causeway"
)

// A record is something to tell: a line of JSON for programs, or text for people.
// Its JSON always has "event" and "at"; fields may be added, none are taken away.
type record interface {
	// text returns it for people, "" if it is not for them.
	text() string
}

// head begins each record.
type head struct {
	Event string `json:"event"`
	At    string `json:"at"` // RFC 3339, UTC, milliseconds
}

const stamp = "2006-01-02T15:04:05.000Z07:00"

func headOf(event string, at time.Time) head { return head{event, at.UTC().Format(stamp)} }

// clock returns when it was, without the date if that is today's.
func (h *head) clock() string {
	at, err := time.Parse(stamp, h.At)
	if err != nil {
		return h.At
	}
	return clock(at)
}

func clock(at time.Time) string {
	at = at.Local()
	if now := time.Now(); at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04:05")
	}
	return at.Format("2006-01-02 15:04:05")
}

// startedRecord is the first.
type startedRecord struct {
	head
	Participant string   `json:"participant"`
	Channel     string   `json:"channel"`
	Topic       string   `json:"topic"`
	Mode        string   `json:"mode"`
	Cluster     uint16   `json:"cluster"`
	Shard       uint16   `json:"shard"`
	Addresses   []string `json:"addresses"` // what others need
	Messages    uint64   `json:"messages"`  // in the log
	extra       []string // flags that others need besides
	served      []string // what others may use it for
}

func (r *startedRecord) text() string {
	var b strings.Builder
	b.WriteString(clean(r.Participant))
	if r.Channel != "" {
		fmt.Fprintf(&b, " in channel %s (%s)", clean(r.Channel), clean(r.Topic))
	}
	fmt.Fprintf(&b, ", %s on shard %d of cluster %d", r.Mode, r.Shard, r.Cluster)
	for i, a := range r.Addresses {
		if i == 0 {
			b.WriteString("\nothers join with:")
		}
		fmt.Fprintf(&b, "\n  causeway node --data DIR%s --peer %s", strings.Join(r.extra, ""), a)
		for _, flag := range r.served {
			fmt.Fprintf(&b, "\n  … %s %s", flag, a)
		}
	}
	if r.Channel == "" { // it has no use for messages
		return b.String() + "\nit is in the channels that are joined through the API; /quit stops it"
	}
	return b.String() + "\n/help lists commands; all else is a message"
}

// messageRecord is a message of the log.
type messageRecord struct {
	head
	ID       string `json:"id"`
	Sender   string `json:"sender"`
	Text     string `json:"text"`
	Data     []byte `json:"data,omitempty"` // if it is no text
	Lamport  uint64 `json:"lamport"`        // also about when it was sent, in milliseconds
	Position uint64 `json:"position"`       // in the order of arrival
	Own      bool   `json:"own"`
	Late     bool   `json:"late"`    // it belongs further up
	History  bool   `json:"history"` // it was there before
}

func newMessage(at time.Time, m *causeway.Message, history bool) *messageRecord {
	r := &messageRecord{head: headOf("message", at), ID: string(m.ID), Sender: string(m.Sender), Text: string(m.Content), Lamport: m.Lamport,
		Position: uint64(m.Position), Own: m.Own, Late: m.Late, History: history}
	if !utf8.Valid(m.Content) {
		r.Text, r.Data = "", m.Content
	}
	return r
}

func (r *messageRecord) text() string {
	late := ""
	if r.Late {
		late = " (late)"
	}
	text := clean(r.Text)
	if r.Data != nil {
		text = fmt.Sprintf("(no text: %s)", plural(len(r.Data), "byte", "bytes"))
	}
	return fmt.Sprintf("%s %s%s: %s", clock(time.UnixMilli(int64(r.Lamport))), clean(r.Sender), late, text)
}

// receiptRecord tells who has an own message.
type receiptRecord struct {
	head
	ID          string   `json:"id"`
	Level       string   `json:"level"` // queued, sent, stored, seen, reached or everyone
	Seen        int      `json:"seen"`  // persons that are known to have it
	Of          int      `json:"of"`    // of how many; 0 without a roster
	Persons     []string `json:"persons"`
	Undelivered bool     `json:"undelivered"` // nobody is known to have it although it had the time
	about       string
	news        bool // for people
}

func (r *receiptRecord) text() string {
	about := fit(clean(r.about), 50)
	switch {
	case r.Undelivered:
		return fmt.Sprintf("%s   ! nobody is known to have: %s", r.clock(), about)
	case !r.news:
		return ""
	case r.Level == causeway.SeenByAll.String():
		return fmt.Sprintf("%s   ✓✓ all %d: %s", r.clock(), max(r.Of, r.Seen), about)
	case r.Of == 0:
		return fmt.Sprintf("%s   ✓ %d (%s): %s", r.clock(), r.Seen, clean(strings.Join(r.Persons, ", ")), about)
	}
	return fmt.Sprintf("%s   ✓ %d of %d (%s): %s", r.clock(), r.Seen, r.Of, clean(strings.Join(r.Persons, ", ")), about)
}

// gapRecord tells about a message that is or was missing.
type gapRecord struct {
	head
	ID     string `json:"id"`
	State  string `json:"state"`  // missing, skipped, recovered, lost, not-for-me or below-join
	Sender string `json:"sender"` // "" if nobody said
}

func (*gapRecord) text() string { return "" } // people get a noticeRecord for several

// gapsRecord lists what is missing.
type gapsRecord struct {
	head
	Gaps []*gapRecord `json:"gaps"`
}

func (r *gapsRecord) text() string {
	if len(r.Gaps) == 0 {
		return "nothing is missing"
	}
	var b strings.Builder
	for i, g := range r.Gaps {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s %s: a message of %s, %s", g.clock(), g.State, someone(g.Sender), clean(g.ID))
	}
	return b.String()
}

func someone(sender string) string {
	if sender == "" {
		return "somebody"
	}
	return clean(sender)
}

// networkRecord tells whether the network can be reached.
type networkRecord struct {
	head
	Online bool `json:"online"`
	Peers  int  `json:"peers"` // that are connected
	news   bool // for people
}

func (r *networkRecord) text() string {
	switch {
	case !r.news:
		return ""
	case !r.Online:
		return r.clock() + " -- offline: what you write waits"
	}
	return fmt.Sprintf("%s -- online, %s", r.clock(), plural(r.Peers, "peer", "peers"))
}

// caughtUpRecord comes when a store has told what was said in the node's absence.
type caughtUpRecord struct {
	head
	Messages uint64 `json:"messages"` // of others, that came since it was away
}

func (r *caughtUpRecord) text() string {
	if r.Messages == 0 {
		return ""
	}
	return fmt.Sprintf("%s -- caught up: %s", r.clock(), plural(int(r.Messages), "message", "messages"))
}

// noticeRecord is a remark. An error is one about something that was not done.
type noticeRecord struct {
	head
	Text string `json:"text"`
}

func (r *noticeRecord) text() string {
	if r.Event == "error" {
		return "! " + clean(r.Text)
	}
	return r.clock() + " -- " + clean(r.Text)
}

// stoppedRecord is the last.
type stoppedRecord struct {
	head
	Unsent int `json:"unsent"` // messages of this run that wait for the next start
}

func (r *stoppedRecord) text() string {
	if r.Unsent == 0 {
		return "stopped"
	}
	return fmt.Sprintf("stopped; %s not sent yet and will be after the next start", plural(r.Unsent, "message is", "messages are"))
}

// clean replaces what a terminal might obey.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' {
			return ' '
		}
		if !unicode.IsPrint(c) {
			return '�'
		}
		return c
	}, s)
}

// fit shortens a text to so many characters.
func fit(s string, length int) string {
	if r := []rune(s); len(r) > length {
		return string(r[:length-1]) + "…"
	}
	return s
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
