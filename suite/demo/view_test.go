package demo

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

// status is a moment of a group, one of whose members is cut off.
func status(members int) Status {
	s := Status{Seed: 9, Loss: 0.2, Elapsed: 41 * time.Second, Length: time.Minute, Total: 1200, Known: 1000, Found: 345, Closed: 340,
		Handed: 100_000, Lost: 19_900, FirstAck: 340 * time.Millisecond, FullAck: 3120 * time.Millisecond,
		Notes: []Note{{20 * time.Second, "member 0 is odd"}, {30 * time.Second, "member 1 is cut off"}}}
	all := ^uint64(0) >> (64 - members)
	for i := range 1100 {
		m := MessageStatus{Sender: i % members, Text: "\x1b]0;title\aहैलो 日本 " + strings.Repeat("long ", 50), Held: all, Known: all &^ (1 << (i % members))}
		if i > 1000 {
			m.Held, m.Known = all&^(1<<(members/2)), 0
		}
		s.Messages = append(s.Messages, m)
	}
	for i := range members {
		s.Members = append(s.Members, MemberStatus{Has: 1100 - i%7, Missing: i % 7, Waiting: 3 * (i % 7)})
	}
	s.Members[members/2] = MemberStatus{Has: 800, Unsent: 12, Missing: 3, Away: true, Cut: true}
	return s
}

var escapes = regexp.MustCompile("\x1b\\[[?0-9;]*[A-Za-z]")

// width is how many columns a terminal needs for a line.
func width(line string) int {
	n := 0
	for _, c := range line {
		n += columns(c)
	}
	return n
}

// TestPictureFits draws groups of all sizes on terminals of many: no line may
// wrap, no picture may scroll, and nobody who is cut off may be left out.
func TestPictureFits(t *testing.T) {
	for members := MinMembers; members <= MaxMembers; members++ {
		s := status(members)
		if members%2 == 0 {
			s.Transport, s.FromStore = Waku, 123
		}
		for _, size := range [][2]int{{MinWidth, MinHeight}, {60, 20}, {80, 24}, {120, 40}, {300, 100}} {
			lines := s.Picture(size[0], size[1], true)
			text := escapes.ReplaceAllString(strings.Join(lines, "\n"), "")
			if len(lines) > size[1] {
				t.Errorf("%d members: %d lines on a terminal of %d", members, len(lines), size[1])
			}
			for line := range strings.Lines(text) {
				if width(strings.TrimSuffix(line, "\n")) >= size[0] || strings.ContainsAny(line, "\x1b\a\t") {
					t.Errorf("%d members, width %d: %d, %q", members, size[0], width(line), line)
				}
			}
			for _, want := range []string{"cut off, 12 unsent", "missing, ", "]0;title", "has", "lost 19.9 %"} {
				if !strings.Contains(text, want) && (members > 2 || want != "missing, ") && (size[0] < 80 || want != "lost 19.9 %") {
					t.Errorf("%d members, %v: %q is missing in\n%s", members, size, want, text)
				}
			}
		}
	}
}

// conversation is a small moment of which every sign is known.
func conversation() Status {
	return Status{Members: []MemberStatus{{Has: 3}, {Has: 4, Missing: 1}, {Has: 2, Away: true, Cut: true, Unsent: 1}}, Total: 5, Known: 1,
		Loss: 0.125, Seed: 3, Elapsed: 83 * time.Second, Length: time.Minute,
		Messages: []MessageStatus{
			{Sender: 0, Text: "first", Held: 0b111, Known: 0b110},
			{Sender: 1, Text: "second", Held: 0b011, Known: 0},
			{Sender: 2, Text: "third", Held: 0b100, Unsent: true},
			{Sender: 0, Text: "fourth", Held: 0b011, Known: 0b010},
		}}
}

func TestPicture(t *testing.T) {
	s := conversation()
	text := strings.Join(s.Picture(70, 24, false), "\n")
	for _, want := range []string{
		"3 members, each loses 12.5 % of what it is handed; seed 3\n",
		"1:23 ━", "─ 4 of 5 written, 1 reached all\n",
		" 0  first ", " –●● 2 of 2\n", " 1  second ", " ○–· 0 of 2\n", " 2  third ", " ··– unsent\n", " 0  fourth", " –●· 1 of 2\n",
		"4  1 missing\n", "2  cut off, 1 unsent\n", "012\n",
		"lost 0 of 0 packets (0.0 %) · misses: 0 found, 0 repaired, 1 open\nmedian: first acknowledgement –, all –",
	} {
		if !strings.Contains(text+"\n", want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("colours were not wanted")
	}
	if raw := strings.Join(s.Picture(70, 24, true), "\n"); !strings.Contains(raw, "\x1b[31mcut off, 1 unsent\x1b[0m") {
		t.Errorf("no red in %q", raw)
	}
}

// TestPictureOfWaku says who mends, and who is a light node.
func TestPictureOfWaku(t *testing.T) {
	s := conversation()
	s.Transport, s.Found, s.Closed, s.FromStore = Waku, 30, 29, 20
	s.Members[2] = MemberStatus{Has: 4}
	for width, want := range map[int][]string{
		120: {"3 members over Waku (2 relays, 1 light, a store node), each loses 12.5 % of what it is handed; seed 3\n",
			"light node\n", "lost 0 of 0 packets (0.0 %) · misses: 30 found, repaired 9 by members, 20 by the store, 1 open\n"},
		80: {"lost 0.0 % · 30 misses: repaired 9 by members, 20 by the store, 1 open\n"},
		50: {"lost 0.0 % · 30 misses found, 1 open\n"},
	} {
		text := strings.Join(s.Picture(width, 24, false), "\n")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%q is missing in\n%s", w, text)
			}
		}
	}
	s.Connecting, s.Ready = true, 2
	if text := strings.Join(s.Picture(100, 24, false), "\n"); !strings.Contains(text, "\nconnecting: 2 of 3 members …\n") {
		t.Error(text)
	}
}

// TestLinesConnecting says once a second how many are connected.
func TestLinesConnecting(t *testing.T) {
	var b bytes.Buffer
	lines := NewLines(&b)
	s := Status{Transport: Waku, Connecting: true, Members: make([]MemberStatus, 4)}
	for i, ready := range []int{0, 1, 2, 2, 3, 3} {
		s.Ready, s.Elapsed = ready, time.Duration(i)*500*time.Millisecond
		if err := lines.Show(s); err != nil {
			t.Fatal(err)
		}
	}
	s.Connecting, s.Elapsed, s.Notes = false, 0, []Note{{0, "begun"}}
	if err := lines.Show(s); err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(b.String(), "0:00  0 of 0")
	want := s.headline() + "\nconnecting: 0 of 4 members …\nconnecting: 2 of 4 members …\nconnecting: 3 of 4 members …\n0:00  begun\n"
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

// TestStrip says how messages become cells, one for each or several in one.
func TestStrip(t *testing.T) {
	s := conversation()
	p := &painter{Status: &s}
	for _, tt := range []struct {
		member, width int
		want          string
	}{
		{0, 5, "█▓·█·"}, {1, 5, "██·█·"}, {2, 5, "█░▓░·"}, // each its own
		{0, 10, "██▓▓··██··"},
		{0, 2, "▓█"}, {2, 2, "▒░"}, {1, 1, "█"}, {2, 1, "▒"},
	} {
		if got := p.strip(tt.member, tt.width); got != tt.want {
			t.Errorf("member %d in %d cells: %q, want %q", tt.member, tt.width, got, tt.want)
		}
	}
}

// TestScreen opens a page of its own, redraws it, clears it when the terminal
// changes, and gives the terminal back.
func TestScreen(t *testing.T) {
	var b bytes.Buffer
	wide := 80
	screen := NewScreen(&b, false, func() (int, int) { return wide, 24 })
	if err := screen.Close(); err != nil || b.Len() > 0 {
		t.Errorf("%v, %q before the first picture", err, &b)
	}
	for _, wide = range []int{80, 80, 120} {
		if err := screen.Show(status(8)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := screen.Close(); err != nil {
			t.Fatal(err)
		}
	}
	text := b.String()
	if !strings.HasPrefix(text, openScreen) || !strings.HasSuffix(text, closeScreen) || strings.Count(text, openScreen) != 1 ||
		strings.Count(text, closeScreen) != 1 || strings.Count(text, home) != 3 || strings.Count(text, clearAll) != 2 {
		t.Errorf("%q", text)
	}
	if regexp.MustCompile("\x1b\\[[0-9;]*m").MatchString(text) {
		t.Error("colours were not wanted")
	}
	broken := NewScreen(badWriter{}, false, func() (int, int) { return 80, 24 })
	if err := broken.Show(status(2)); err == nil {
		t.Error("no error")
	}
}

type badWriter struct{}

func (badWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// TestLines writes a line every five seconds while something changes, once a
// minute otherwise, and the notes when they come.
func TestLines(t *testing.T) {
	var b bytes.Buffer
	lines := NewLines(&b)
	for second := range 140 {
		s := conversation()
		s.Elapsed = time.Duration(second) * time.Second
		if second < 12 {
			s.Found = second
		}
		if second >= 7 {
			s.Notes = []Note{{6500 * time.Millisecond, "member 2 is cut off"}}
		}
		if second >= 133 {
			s.Known = 5
			for i := range s.Members {
				s.Members[i].Has = 5
			}
		}
		if err := lines.Show(s); err != nil {
			t.Fatal(err)
		}
	}
	want := `3 members, each loses 12.5 % of what it is handed; seed 3
0:05  4 of 5 written, 2 or more at every member, 1 reached all; misses: 5, open 1; lost 0.0 %
0:06  member 2 is cut off
0:10  4 of 5 written, 2 or more at every member, 1 reached all; misses: 10, open 1; lost 0.0 %
0:15  4 of 5 written, 2 or more at every member, 1 reached all; misses: 0, open 1; lost 0.0 %
1:15  4 of 5 written, 2 or more at every member, 1 reached all; misses: 0, open 1; lost 0.0 %
2:13  4 of 5 written, 4 or more at every member, 5 reached all; misses: 0, open 1; lost 0.0 %
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	if err := NewLines(badWriter{}).Show(conversation()); err == nil {
		t.Error("no error")
	}
}
