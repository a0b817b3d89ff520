// Package trace reads recorded group chats, so that a simulated group can have
// the conversation again.
//
// A trace is one JSON object a line:
//
//	{"t": 276.0, "event": "msg", "member": 2, "bytes": 4, "text": "hey."}
//	{"t": 277.5, "event": "leave", "member": 2}
//
// t is in seconds and never runs backwards; event is msg, join or leave; member
// is an index from 0; bytes is the length of the text in UTF-8. A message whose
// text was not recorded gets one of that length. Other fields are ignored, and
// so are empty lines.
package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/causeway-im/causeway/sds"
)

// Kind is what happens in an Event.
type Kind uint8

const (
	Message Kind = iota + 1 // a member says something
	Join                    // a member comes, or comes back
	Leave                   // a member goes offline
)

var kinds = map[string]Kind{"msg": Message, "join": Join, "leave": Leave}

// Event is one line of a trace.
type Event struct {
	At     time.Duration // from the beginning
	Kind   Kind
	Member int
	Text   string // of a Message
}

// Trace is a recorded conversation. Its events are in order of time.
type Trace struct {
	Events []Event
}

// Bounds of what is read: they keep a damaged file from asking for centuries
// of virtual time or for more memory than the messages themselves need.
const (
	MaxMember   = 1<<20 - 1
	MaxDuration = 366 * 24 * time.Hour
	// maxLine holds the largest content with every byte escaped.
	maxLine = 6*sds.MaxContent + 1024
)

// Read reads a trace. Its errors begin with name and the number of the line.
func Read(r io.Reader, name string) (*Trace, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	t := &Trace{}
	number := 0
	for lines.Scan() {
		number++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		e, err := parse(line)
		if err == nil && e.At < t.Duration() {
			err = fmt.Errorf("t is %v, before the event above it at %v", seconds(e.At), seconds(t.Duration()))
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		t.Events = append(t.Events, e)
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("the line has more than %d bytes", maxLine)
	}
	if err == nil && t.Messages() == 0 {
		err = errors.New("the trace has no messages")
	}
	if err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, number+1, err)
	}
	return t, nil
}

// record is a line as it is written. The pointers tell what is there.
type record struct {
	T      *float64 `json:"t"`
	Event  *string  `json:"event"`
	Member *int     `json:"member"`
	Bytes  *int     `json:"bytes"`
	Text   *string  `json:"text"`
}

func parse(line []byte) (Event, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return Event{}, explain(err)
	}
	switch {
	case r.T == nil:
		return Event{}, errors.New("t is missing")
	case *r.T < 0 || *r.T > MaxDuration.Seconds():
		return Event{}, fmt.Errorf("t is %v, must be from 0 to %s", *r.T, seconds(MaxDuration))
	case r.Event == nil:
		return Event{}, errors.New("event is missing")
	case r.Member == nil:
		return Event{}, errors.New("member is missing")
	case *r.Member < 0 || *r.Member > MaxMember:
		return Event{}, fmt.Errorf("member is %d, must be from 0 to %d", *r.Member, MaxMember)
	}
	// To the millisecond, which is what virtual time has.
	e := Event{At: time.Duration(math.Round(*r.T*1000)) * time.Millisecond, Kind: kinds[*r.Event], Member: *r.Member}
	var err error
	switch e.Kind {
	case 0:
		err = fmt.Errorf("event is %q, must be msg, join or leave", *r.Event)
	case Message:
		e.Text, err = r.text()
	}
	return e, err
}

// text returns what was said, or what may stand for it.
func (r *record) text() (string, error) {
	switch {
	case r.Bytes == nil && r.Text == nil:
		return "", errors.New("bytes is missing")
	case r.Bytes == nil:
		n := len(*r.Text)
		r.Bytes = &n
	case r.Text != nil && len(*r.Text) != *r.Bytes:
		return "", fmt.Errorf("bytes is %d, but text has %d", *r.Bytes, len(*r.Text))
	}
	if n := *r.Bytes; n < 1 || n > sds.MaxContent {
		return "", fmt.Errorf("bytes is %d, must be from 1 to %d", n, sds.MaxContent)
	}
	if r.Text != nil {
		return *r.Text, nil
	}
	return Filler(*r.Bytes), nil
}

// explain says in the words of this format what encoding/json found wrong.
func explain(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		if wrongType.Field == "" {
			return fmt.Errorf("not a JSON object: %s", wrongType.Value)
		}
		return fmt.Errorf("%s cannot be a %s", wrongType.Field, wrongType.Value)
	}
	return fmt.Errorf("not a JSON object: %w", err)
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// Filler returns text of n bytes.
func Filler(n int) string {
	const words = "the text of this message was not recorded but its length was and so here are as many bytes of it "
	return strings.Repeat(words, n/len(words)+1)[:n]
}

// Messages counts the messages.
func (t *Trace) Messages() int {
	n := 0
	for _, e := range t.Events {
		if e.Kind == Message {
			n++
		}
	}
	return n
}

// Members counts the members that have events.
func (t *Trace) Members() int {
	seen := map[int]bool{}
	for _, e := range t.Events {
		seen[e.Member] = true
	}
	return len(seen)
}

// Duration returns when the last event is.
func (t *Trace) Duration() time.Duration {
	if len(t.Events) == 0 {
		return 0
	}
	return t.Events[len(t.Events)-1].At
}
