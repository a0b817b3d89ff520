package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Lines is a View that writes a line every few minutes of virtual time.
type Lines struct {
	w       io.Writer
	started bool
	next    time.Duration
	cut     bool
}

// NewLines returns a view that writes to w.
func NewLines(w io.Writer) *Lines { return &Lines{w: w} }

// Show writes a line if it is time for one, or if the member that is cut off
// went or came back.
func (l *Lines) Show(s Status) error {
	if !l.started {
		l.started, l.next = true, l.every(s)
		if _, err := fmt.Fprintln(l.w, s.headline()); err != nil {
			return err
		}
	}
	cut := slices.ContainsFunc(s.Members, func(m MemberStatus) bool { return m.Cut })
	if s.Elapsed < l.next && cut == l.cut {
		return nil
	}
	l.cut = cut
	l.next = (s.Elapsed/l.every(s) + 1) * l.every(s)
	_, err := fmt.Fprintln(l.w, s.line())
	return err
}

// line tells where the run stands, and who is not there.
func (s *Status) line() string {
	least, gaps := s.Written, 0
	var away []string
	for i, m := range s.Members {
		least = min(least, m.Has)
		gaps += m.Gaps
		if !m.Online {
			away = append(away, fmt.Sprintf("; member %d is %s", i, strings.ToLower(m.mark())))
		}
	}
	if n := len(away); n > 3 {
		away = []string{fmt.Sprintf("; %d members are offline", n)}
	}
	return fmt.Sprintf("%s  written %s, had by each at least %s, known by all %s, gaps %d%s", clock(s.Elapsed),
		number(s.Written), number(least), number(s.Known), gaps, strings.Join(away, ""))
}

// every is the time between two lines: 5 minutes, or a twenty-fourth of a long
// conversation.
func (l *Lines) every(s Status) time.Duration {
	return max(5*time.Minute, (s.Length / 24).Truncate(time.Minute))
}

// headline says what is going on.
func (s *Status) headline() string {
	return fmt.Sprintf("%d members talk; each loses %s of what it is handed. Seed %d.", len(s.Members), percent(s.Loss), s.Seed)
}

// mark says whether a member has a network.
func (m *MemberStatus) mark() string {
	switch {
	case m.Cut:
		return "CUT OFF"
	case !m.Online:
		return "OFFLINE"
	}
	return "ONLINE"
}
