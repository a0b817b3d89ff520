package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/causeway-im/causeway/suite/internal/numbers"
)

// lineEvery is the time between two lines, stillEvery while nothing changes.
const (
	lineEvery  = 5 * time.Second
	stillEvery = time.Minute
)

// Lines is a View that writes a line every few seconds while something changes,
// and one for each note.
type Lines struct {
	w       io.Writer
	started bool
	next    time.Duration
	noted   int
	last    string        // what stood behind the time
	joining time.Duration // when to say next how many are connected
	over    bool
}

// NewLines returns a view that writes to w.
func NewLines(w io.Writer) *Lines { return &Lines{w: w} }

// Show writes the notes that are new, and a line if it is time for one.
func (l *Lines) Show(s Status) error {
	var b strings.Builder
	if !l.started {
		l.started, l.next = true, lineEvery
		b.WriteString(s.headline() + "\n")
	}
	if s.Connecting {
		l.connecting(&b, &s)
		return l.write(&b)
	}
	for _, n := range s.Notes[l.noted:] {
		fmt.Fprintf(&b, "%s  %s\n", clock(n.At), n.Text)
	}
	l.noted = len(s.Notes)
	if over := s.over(); s.Elapsed >= l.next || over && !l.over {
		l.over = over
		if line := s.line(); line != l.last || s.Elapsed >= l.next+stillEvery-lineEvery {
			fmt.Fprintf(&b, "%s  %s\n", clock(s.Elapsed), line)
			l.last, l.next = line, (s.Elapsed/lineEvery+1)*lineEvery
		}
	}
	return l.write(&b)
}

// connecting says how many members are connected, once a second while that
// changes.
func (l *Lines) connecting(b *strings.Builder, s *Status) {
	if line := s.connecting(); line != l.last && s.Elapsed >= l.joining {
		b.WriteString(line + "\n")
		l.last, l.joining = line, s.Elapsed+time.Second
	}
}

func (l *Lines) write(b *strings.Builder) error {
	if b.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(l.w, b.String())
	return err
}

// connecting says how far the group has come together, "" if it is a network
// without connections.
func (s *Status) connecting() string {
	if s.Transport != Waku {
		return ""
	}
	return fmt.Sprintf("connecting: %d of %s …", s.Ready, numbers.Plural(len(s.Members), "member", "members"))
}

// line tells where the run stands.
func (s *Status) line() string {
	least := len(s.Messages)
	for _, m := range s.Members {
		least = min(least, m.Has)
	}
	digits := len(numbers.Number(s.Total))
	return fmt.Sprintf("%*s of %s written, %*s or more at every member, %*s reached all; misses: %s, open %s; lost %s",
		digits, numbers.Number(len(s.Messages)), numbers.Number(s.Total), digits, numbers.Number(least), digits, numbers.Number(s.Known),
		numbers.Number(s.Found), numbers.Number(s.open()), lostShare(s.Lost, s.Handed))
}

// open counts what members miss now, and know that they do.
func (s *Status) open() int {
	n := 0
	for _, m := range s.Members {
		n += m.Missing
	}
	return n
}

// over tells whether there is nothing left to find out.
func (s *Status) over() bool {
	return s.Known == s.Total && !slices.ContainsFunc(s.Members, func(m MemberStatus) bool { return m.Has < s.Total })
}

// headline says what is going on.
func (s *Status) headline() string {
	group := fmt.Sprintf("%d members", len(s.Members))
	if s.Transport == Waku {
		group += fmt.Sprintf(" over Waku (%d relays, 1 light, a store node)", len(s.Members)-1)
	}
	return fmt.Sprintf("%s, each loses %s of what it is handed; seed %d", group, numbers.Percent(s.Loss), s.Seed)
}

// mark says how a member is, "" if there is nothing to say.
func (m *MemberStatus) mark() string {
	var parts []string
	switch {
	case m.Cut:
		parts = append(parts, "cut off")
	case m.Away:
		parts = append(parts, "offline")
	case m.Behind > 0:
		return "back, lacks " + numbers.Number(m.Behind)
	}
	for _, what := range []struct {
		n    int
		text string
	}{{m.Unsent, "unsent"}, {m.Missing, "missing"}, {m.Waiting, "wait"}} {
		if what.n > 0 && len(parts) < 2 {
			parts = append(parts, numbers.Number(what.n)+" "+what.text)
		}
	}
	return strings.Join(parts, ", ")
}
