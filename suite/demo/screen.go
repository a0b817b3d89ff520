package demo

import (
	"fmt"
	"io"
	"strings"
)

// Screen is a View that draws a block of lines on a terminal, always in the
// same place.
type Screen struct {
	w      io.Writer
	style  style
	size   func() (width, height int)
	lines  int // of the block that is there
	hidden bool
}

// NewScreen returns a view that draws on w, a terminal. size is asked before
// every picture. Close it in the end.
func NewScreen(w io.Writer, colour bool, size func() (width, height int)) *Screen {
	return &Screen{w: w, style: style(colour), size: size}
}

// The smallest terminal that a Screen fits on.
const (
	MinWidth  = 70
	MinHeight = otherLines + 4
)

// otherLines is how many lines of a block are not about members, and the one on
// which the cursor stands.
const otherLines = 10

// The terminal's words.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearLine  = "\x1b[K"
	clearBelow = "\x1b[J"
)

// Show draws s over what is there.
func (s *Screen) Show(status Status) error {
	width, height := s.size()
	block := s.block(&status, max(width, MinWidth), max(height, MinHeight))
	var b strings.Builder
	if !s.hidden {
		b.WriteString(hideCursor)
		s.hidden = true
	}
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", s.lines)
	}
	for _, line := range block {
		b.WriteString(line + clearLine + "\n")
	}
	b.WriteString(clearBelow)
	s.lines = len(block)
	_, err := io.WriteString(s.w, b.String())
	return err
}

// Close gives the cursor back. The last picture stays.
func (s *Screen) Close() error {
	if !s.hidden {
		return nil
	}
	s.hidden = false
	_, err := io.WriteString(s.w, showCursor+"\n")
	return err
}

func (s *Screen) block(status *Status, width, height int) []string {
	width-- // no terminal wraps before the last column
	lines := []string{
		s.style.paint(bold, fit(status.headline(), width)),
		s.style.paint(dim, fit(status.Said, width)),
		"",
		s.clock(status, width),
		"",
	}
	lines = append(lines, s.members(status, width, height-otherLines)...)
	return append(lines,
		"",
		fit(fmt.Sprintf("known by all %s of %s    handed over %s, lost %s (%s)", number(status.Known), number(status.Written),
			number(status.Handed), number(status.Lost), lostShare(status.Lost, status.Handed)), width),
		fit("packets  "+status.packets(), width),
	)
}

// clock is the line of the virtual time.
func (s *Screen) clock(status *Status, width int) string {
	text := fmt.Sprintf("%s of %s ", clock(status.Elapsed), clock(status.Length))
	if status.Elapsed > status.Length {
		text = fmt.Sprintf("%s, after the end ", clock(status.Elapsed))
	}
	bar := max(width-len(text), 0)
	done := bar
	if status.Length > 0 {
		done = min(bar, int(float64(bar)*float64(status.Elapsed)/float64(status.Length)))
	}
	return text + strings.Repeat("━", done) + s.style.paint(dim, strings.Repeat("─", bar-done))
}

func (s *Status) packets() string {
	var parts []string
	for _, c := range classes {
		parts = append(parts, fmt.Sprintf("%v %s", c, number(s.Packets[c])))
	}
	return strings.Join(parts, "  ")
}

// members are the lines of the members: as many as there is room for, those
// without a network and those who have least first to be kept.
func (s *Screen) members(status *Status, width, room int) []string {
	shown := status.choose(room)
	var lines []string
	for i := range status.Members {
		if shown[i] {
			lines = append(lines, s.member(status, i, width))
		}
	}
	if hidden := len(status.Members) - len(lines); hidden > 0 {
		lines = append(lines, s.style.paint(dim, fit(fmt.Sprintf("and %d others, who have as much or more", hidden), width)))
	}
	return lines
}

// choose returns which members to show in room lines.
func (s *Status) choose(room int) []bool {
	shown := make([]bool, len(s.Members))
	if len(s.Members) <= room {
		for i := range shown {
			shown[i] = true
		}
		return shown
	}
	for range room - 1 { // one line is for the others
		worst := -1
		for i, m := range s.Members {
			if !shown[i] && (worst < 0 || m.worse(&s.Members[worst])) {
				worst = i
			}
		}
		shown[worst] = true
	}
	return shown
}

func (m *MemberStatus) worse(o *MemberStatus) bool {
	if m.Cut != o.Cut {
		return m.Cut
	}
	if m.Online != o.Online {
		return !m.Online
	}
	return m.Has < o.Has
}

// member is the line of one member: a bar of what it has (full), of what was
// written besides (shaded), and of what is still to come (empty).
func (s *Screen) member(status *Status, i, width int) string {
	m := &status.Members[i]
	digits := len(number(status.Total))
	left := fmt.Sprintf("member %-2d ", i)
	right := fmt.Sprintf(" has %*s of %*s  gaps %-3d ", digits, number(m.Has), digits, number(status.Written), m.Gaps)
	mark := fmt.Sprintf("%-7s", m.mark())
	drafts := ""
	if m.Drafts > 0 {
		drafts = " " + plural(m.Drafts, "draft", "drafts")
	}
	draftRoom := max(len(drafts), len(" 99 drafts")) // so that the others' bars stay as they are
	bar := max(width-len(left)-len(right)-len(mark)-draftRoom, 0)
	has, written := 0, 0
	if status.Total > 0 {
		has, written = bar*m.Has/status.Total, bar*status.Written/status.Total
	}
	colour := green
	if !m.Online {
		mark, colour = s.style.paint(red, mark), red
	} else if m.Gaps > 0 {
		colour = yellow
	}
	return left + s.style.paint(colour, strings.Repeat("█", has)) + s.style.paint(dim, strings.Repeat("▒", written-has)) +
		strings.Repeat(" ", bar-written) + right + mark + drafts
}
