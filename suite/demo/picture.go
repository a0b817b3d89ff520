package demo

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/causeway-im/causeway/suite/internal/numbers"
)

// painter draws one picture.
type painter struct {
	*Status
	style
	width int
}

// roomy is the height from which a picture has empty lines.
const roomy = 22

// Picture returns the run as the lines of a terminal of that size, with the
// codes of colours if they are wanted. What is smaller than MinWidth and
// MinHeight is drawn as if it were not.
func (s *Status) Picture(width, height int, colour bool) []string {
	// No terminal wraps before the last column.
	p := &painter{Status: s, style: style(colour), width: max(width, MinWidth) - 1}
	height = max(height, MinHeight)
	gap := []string{""}
	if height < roomy {
		gap = nil
	}
	head := []string{p.paint(bold, fit(s.headline(), p.width)), p.progress(), p.note()}
	foot := p.totals()
	room := height - len(head) - len(foot) - 2*len(gap)
	members := p.members(max(room-minTalk, minMembers))
	lines := append(head, members...)
	if left := room - len(members); left >= 2 {
		lines = append(append(lines, gap...), p.talk(left)...)
	}
	return append(append(lines, gap...), foot...)
}

// How many lines the messages and the members are to have, with their titles; on
// a low terminal the messages have less.
const (
	minTalk    = 4
	minMembers = 5
)

// progress is the line of time and of the whole.
func (p *painter) progress() string {
	written, all := len(p.Messages), max(p.Total, 1)
	left := clock(p.Elapsed) + " "
	right := fmt.Sprintf(" %s of %s written, %s reached all", numbers.Number(written), numbers.Number(p.Total), numbers.Number(p.Known))
	bar := max(p.width-len(left)-len(right), 0)
	known := bar * p.Known / all
	begun := max(bar*written/all, known)
	return left + p.paint(green, strings.Repeat("━", known)) + p.paint(yellow, strings.Repeat("━", begun-known)) +
		p.paint(dim, strings.Repeat("─", bar-begun)) + right
}

// note is what happened last.
func (p *painter) note() string {
	if p.Connecting {
		return p.paint(yellow, fit(p.connecting(), p.width))
	}
	if len(p.Notes) == 0 {
		return ""
	}
	last := p.Notes[len(p.Notes)-1]
	return p.paint(yellow, fit(clock(last.At)+" "+last.Text, p.width))
}

// totals are the last lines: the long form if it fits.
func (p *painter) totals() []string {
	ack := func(d time.Duration) string {
		if d == 0 {
			return "–"
		}
		return short(d)
	}
	first, full := ack(p.FirstAck), ack(p.FullAck)
	lost := lostShare(p.Lost, p.Handed)
	repaired := numbers.Number(p.Closed) + " repaired"
	if p.Transport == Waku {
		repaired = fmt.Sprintf("repaired %s by members, %s by the store", numbers.Number(p.Closed-p.FromStore), numbers.Number(p.FromStore))
	}
	return []string{
		p.fitting(fmt.Sprintf("lost %s of %s packets (%s) · misses: %s found, %s, %s open", numbers.Number(p.Lost), numbers.Number(p.Handed), lost,
			numbers.Number(p.Found), repaired, numbers.Number(p.open())),
			fmt.Sprintf("lost %s · %s: %s, %s open", lost, numbers.Plural(p.Found, "miss", "misses"), repaired, numbers.Number(p.open())),
			fmt.Sprintf("lost %s · %s found, %s open", lost, numbers.Plural(p.Found, "miss", "misses"), numbers.Number(p.open()))),
		p.fitting(fmt.Sprintf("half of all messages: first acknowledged within %s, known to have reached all within %s", first, full),
			fmt.Sprintf("median: first acknowledgement %s, all %s", first, full)),
	}
}

// fitting returns the first form that fits; the last is cut if it must be.
func (p *painter) fitting(forms ...string) string {
	for _, form := range forms {
		if len([]rune(form)) <= p.width {
			return form
		}
	}
	return fit(forms[len(forms)-1], p.width)
}

// What a member has of one or several messages of the conversation.
const (
	cellNothing = iota // not written yet, or not sent
	cellMissing
	cellSome // of several
	cellHeld // all, and not all senders know it
	cellKnown
	cellUnsent // by this member
)

var cells = [...]struct{ char, colour string }{
	cellNothing: {"·", dim}, cellMissing: {"░", red}, cellSome: {"▒", yellow}, cellHeld: {"▓", yellow}, cellKnown: {"█", green},
	cellUnsent: {"▓", cyan},
}

// members are the lines of the members with a title: as many as there is room
// for, those without a network and those who have least first to be kept.
func (p *painter) members(room int) []string {
	shown := p.choose(room - 1)
	state := 21
	if p.width < 75 {
		state = 18
	}
	digits := len(numbers.Number(p.Total))
	bar := p.width - len("member ") - len(" ") - digits - len("  ") - state
	lines := []string{p.paint(dim, "member ") + p.legend(bar) + p.paint(dim, fmt.Sprintf(" %*s", digits, "has"))}
	for i := range p.Members {
		if !shown[i] {
			continue
		}
		m := &p.Members[i]
		colour := ""
		switch {
		case m.Cut || m.Away:
			colour = red
		case m.Behind > 0 || m.Missing > 0 || m.Waiting > 0:
			colour = yellow
		}
		line := p.paint(colour, fmt.Sprintf("%6d", i)) + " " + p.strip(i, bar) + fmt.Sprintf(" %*s", digits, numbers.Number(m.Has))
		switch mark := m.mark(); {
		case mark != "":
			line += "  " + p.paint(colour, fit(mark, state))
		case p.isLight(i):
			line += "  " + p.paint(dim, "light node")
		}
		lines = append(lines, line)
	}
	if hidden := len(p.Members) + 1 - len(lines); hidden > 0 {
		lines = append(lines, p.paint(dim, fit(fmt.Sprintf("       and %d others, who have as much or more", hidden), p.width)))
	}
	return lines
}

// legend explains as many cells as there is room for.
func (p *painter) legend(width int) string {
	var b strings.Builder
	for _, item := range []struct {
		cell int
		text string
	}{{cellKnown, "has, its sender knows  "}, {cellHeld, "has  "}, {cellMissing, "misses  "}, {cellSome, "some  "}, {cellUnsent, "unsent"}} {
		n := 2 + len(item.text)
		if n > width {
			break
		}
		width -= n
		b.WriteString(p.paint(cells[item.cell].colour, cells[item.cell].char) + p.paint(dim, " "+item.text))
	}
	return b.String() + strings.Repeat(" ", width)
}

// strip draws what a member has of the whole conversation in width cells.
func (p *painter) strip(member, width int) string {
	var b strings.Builder
	for x := 0; x < width; {
		c, from := p.cell(member, x, width), x
		for x < width && p.cell(member, x, width) == c {
			x++
		}
		b.WriteString(p.paint(cells[c].colour, strings.Repeat(cells[c].char, x-from)))
	}
	return b.String()
}

// cell tells what a member has in the x-th of width parts of the conversation.
func (p *painter) cell(member, x, width int) int {
	from := x * p.Total / width
	to := min(max((x+1)*p.Total/width, from+1), len(p.Messages))
	sent, held, known, unsent := 0, 0, 0, 0
	bit := uint64(1) << member
	for ; from < to; from++ {
		switch m := &p.Messages[from]; {
		case m.Unsent && m.Sender == member:
			unsent++
		case m.Unsent: // nobody else can have it
		case m.Sender == member, m.Known&bit != 0:
			sent, held, known = sent+1, held+1, known+1
		case m.Held&bit != 0:
			sent, held = sent+1, held+1
		default:
			sent++
		}
	}
	switch {
	case unsent > sent:
		return cellUnsent
	case sent == 0:
		return cellNothing
	case known == sent:
		return cellKnown
	case held == sent:
		return cellHeld
	case held > 0:
		return cellSome
	}
	return cellMissing
}

// maxDots is up to how many members have a dot of their own.
const maxDots = 16

// talk shows the newest messages with a title, and how certain their senders are.
func (p *painter) talk(room int) []string {
	others := len(p.Members) - 1
	dots := min(len(p.Members), maxDots)
	count := 2*len(numbers.Number(others)) + len(" of ")
	text := p.width - len("member  ") - len("  ") - dots - len(" ") - count
	digits := strings.Repeat(" ", dots)
	if others < maxDots {
		digits = "0123456789012345"[:dots]
	}
	title := "who writes, and who has it: ● its sender knows, ○ not yet"
	if len([]rune(title)) > p.width-dots-count-3 {
		title = "● has it, ○ its sender does not know"
	}
	lines := []string{p.paint(dim, pad(title, len("member  ")+text+2)+digits)}
	for i := max(len(p.Messages)-(room-1), 0); i < len(p.Messages); i++ {
		m := &p.Messages[i]
		known := bits.OnesCount64(m.Known)
		certainty := fmt.Sprintf("%*d of %d", len(numbers.Number(others)), known, others)
		said := pad(m.Text, text)
		switch {
		case m.Unsent:
			said, certainty = p.paint(cyan, said), p.paint(cyan, fmt.Sprintf("%*s", count, "unsent"))
		case known == others:
			certainty = p.paint(green, certainty)
		}
		lines = append(lines, fmt.Sprintf("%6d  %s  %s %s", m.Sender, said, p.dots(m), certainty))
	}
	return lines
}

// dots show for each member whether it has a message (○), and whether the sender
// knows it (●); for many members, how many.
func (p *painter) dots(m *MessageStatus) string {
	var b strings.Builder
	if others := len(p.Members) - 1; others >= maxDots {
		known := maxDots * bits.OnesCount64(m.Known) / others
		held := max(maxDots*(bits.OnesCount64(m.Held)-1)/others, known)
		return p.paint(green, strings.Repeat("●", known)) + p.paint(yellow, strings.Repeat("○", held-known)) +
			p.paint(dim, strings.Repeat("·", maxDots-held))
	}
	for i := range p.Members {
		bit := uint64(1) << i
		switch {
		case i == m.Sender:
			b.WriteString(p.paint(dim, "–"))
		case m.Known&bit != 0:
			b.WriteString(p.paint(green, "●"))
		case m.Held&bit != 0:
			b.WriteString(p.paint(yellow, "○"))
		default:
			b.WriteString(p.paint(dim, "·"))
		}
	}
	return b.String()
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
	if m.Away != o.Away {
		return m.Away
	}
	return m.Has < o.Has
}
