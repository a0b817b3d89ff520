package demo

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/causeway-im/causeway/sds"
)

// status is a moment of a group, one of whose members is cut off.
func status(members int) Status {
	s := Status{Seed: 9, Loss: 0.2, Elapsed: 41 * time.Minute, Length: 2 * time.Hour, Total: 1200, Written: 1100, Known: 950,
		Handed: 100_000, Lost: 19_900, Packets: map[sds.Class]int{sds.ClassContent: 1090, sds.ClassAck: 4321},
		Said: "member 3: \x1b]0;title\aहैलो " + strings.Repeat("long ", 50)}
	for i := range members {
		s.Members = append(s.Members, MemberStatus{Has: 1100 - i%7, Gaps: i % 7, Online: true})
	}
	s.Members[members/2] = MemberStatus{Has: 800, Drafts: 12, Cut: true}
	return s
}

var escapes = regexp.MustCompile("\x1b\\[[?0-9;]*[A-Za-z]")

// picture returns the lines of a picture without what is not seen.
func picture(t *testing.T, s Status, colour bool, width, height int) (lines []string, raw string) {
	t.Helper()
	var b bytes.Buffer
	screen := NewScreen(&b, colour, func() (int, int) { return width, height })
	if err := screen.Show(s); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(escapes.ReplaceAllString(b.String(), ""), "\n")
	return strings.Split(text, "\n"), b.String()
}

// TestScreenFits draws groups of all sizes on terminals of many: no line may
// wrap, no picture may scroll, and nobody who is cut off may be left out.
func TestScreenFits(t *testing.T) {
	for members := MinMembers; members <= MaxMembers; members++ {
		for _, size := range [][2]int{{MinWidth, MinHeight}, {80, 24}, {120, 40}, {300, 100}} {
			lines, _ := picture(t, status(members), true, size[0], size[1])
			if len(lines) >= size[1] {
				t.Errorf("%d members: %d lines on a terminal of %d", members, len(lines), size[1])
			}
			for _, line := range lines {
				if utf8.RuneCountInString(line) >= size[0] || strings.ContainsAny(line, "\x1b\a\t") {
					t.Errorf("%d members, width %d: %q", members, size[0], line)
				}
			}
			if text := strings.Join(lines, "\n"); !strings.Contains(text, "CUT OFF 12 drafts") {
				t.Errorf("%d members, %v: nobody is cut off in\n%s", members, size, text)
			}
		}
	}
}

func TestScreen(t *testing.T) {
	lines, raw := picture(t, status(3), false, 80, 24)
	for _, want := range []string{
		"3 members talk; each loses 20 % of what it is handed. Seed 9.",
		"0:41:00 of 2:00:00 ━━━", "member 0  ████", "has 1,100 of 1,100  gaps 0   ONLINE", "gaps 2   ONLINE",
		"█▒▒▒▒", "has   800 of 1,100  gaps 0   CUT OFF 12 drafts",
		"known by all 950 of 1,100    handed over 100,000, lost 19,900 (19.9 %)",
		"packets  content 1,090  resend 0  repair 0  request 0  ack 4,321  sync 0",
	} {
		if !strings.Contains(strings.Join(lines, "\n"), want) {
			t.Errorf("%q is missing in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	if regexp.MustCompile("\x1b\\[[0-9;]*m").MatchString(raw) {
		t.Error("colours were not wanted")
	}
	if _, raw := picture(t, status(3), true, 80, 24); !strings.Contains(raw, "\x1b[31mCUT OFF\x1b[0m") {
		t.Errorf("no red in %q", raw)
	}
	late := status(3)
	late.Elapsed = 3 * time.Hour
	if lines, _ := picture(t, late, false, 80, 24); !strings.Contains(lines[3], "3:00:00, after the end ━") {
		t.Errorf("the clock says %q", lines[3])
	}
}

// TestScreenRedraws goes back over the picture before, and gives the cursor back.
func TestScreenRedraws(t *testing.T) {
	var b bytes.Buffer
	screen := NewScreen(&b, false, func() (int, int) { return 80, 24 })
	if err := screen.Close(); err != nil || b.Len() > 0 {
		t.Errorf("%v, %q before the first picture", err, &b)
	}
	for range 2 {
		if err := screen.Show(status(8)); err != nil {
			t.Fatal(err)
		}
	}
	if err := screen.Close(); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if n := strings.Count(text, "\x1b[16A\r"); n != 1 {
		t.Errorf("went up 16 lines %d times in %q", n, text)
	}
	if !strings.HasPrefix(text, hideCursor) || !strings.HasSuffix(text, showCursor+"\n") || strings.Count(text, hideCursor) != 1 {
		t.Errorf("the cursor in %q", text)
	}
}

func TestLines(t *testing.T) {
	r, err := New(Options{Members: 8, Loss: 0.2, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Quiet(context.Background(), NewLines(&b)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 1+22+2 { // a headline, 22 times 5 minutes, and the cut's begin and end
		t.Errorf("%d lines:\n%s", len(lines), &b)
	}
	for _, want := range []string{"8 members talk; each loses 20 %", "\n0:05:00  written 5, had by each at least ",
		"\n0:37:10  written 78,", "gaps 0; member 0 is cut off\n0:40:00 ", "\n1:14:10  written 107,"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &b)
		}
	}
	s := status(8)
	for i := range 5 {
		s.Members[i].Online = false
	}
	if got := s.line(); !strings.HasSuffix(got, "; 5 members are offline") {
		t.Errorf("line %q", got)
	}
	if every := (&Lines{}).every(Status{Length: 16 * time.Hour}); every != 40*time.Minute {
		t.Errorf("a line every %v", every)
	}
}

// TestPictures counts how long a person would watch.
func TestPictures(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		r, err := New(Options{Members: 8, Loss: 0.2, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = r.Watch(context.Background(), viewFunc(func(Status) error { n++; return nil }), false)
		if wall := time.Duration(n) * time.Second / pictures; err != nil || wall < 8*time.Second || wall > 12*time.Second {
			t.Errorf("seed %d: %v, %d pictures take %v", seed, err, n, wall)
		}
	}
}
