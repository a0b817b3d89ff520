package node

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
)

// TestGapWatch: people hear of what is missing for a while, and several at once.
func TestGapWatch(t *testing.T) {
	var w gapWatch
	now := time.Unix(1000, 0)
	move := func(id, sender string, state causeway.GapState) {
		w.moved(&causeway.Gap{ID: causeway.MessageID(id), Sender: causeway.ParticipantID(sender), State: state, At: now})
	}
	expect := func(want ...string) {
		t.Helper()
		if got := w.due(now); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect()
	move("a", "bob", causeway.GapMissing)
	move("b", "bob", causeway.GapMissing)
	move("c", "", causeway.GapMissing)
	now = now.Add(grace / 2)
	expect()
	move("b", "bob", causeway.GapRecovered) // in time
	now = now.Add(grace)
	expect("missing 2 messages of bob, somebody")
	expect()
	move("a", "", causeway.GapRecovered)
	move("c", "eve\x1b", causeway.GapSkipped)
	expect("recovered a message of bob", "going on without a message of eve�, still asked for")
	move("c", "eve", causeway.GapLost)
	expect("lost a message of eve, no longer asked for")
	move("c", "eve", causeway.GapRecovered) // after all
	move("d", "eve", causeway.GapLost)      // never told to be missing
	expect("recovered a message of eve", "lost a message of eve, no longer asked for")
	for _, sender := range strings.Split("abcdef", "") {
		move("x"+sender, sender, causeway.GapMissing)
	}
	now = now.Add(grace)
	expect("missing 6 messages of a, b, c, 3 others")
}

func TestTexts(t *testing.T) {
	at := time.Now()
	clock := at.Local().Format("15:04:05")
	message := causeway.Message{Sender: "ann", Content: []byte("a\x1b[2J\nb"), Lamport: uint64(at.UnixMilli())}
	late := message
	late.Late, late.Content = true, []byte{0xff}
	receipt := func(level causeway.Level, seen, of int, undelivered bool, persons ...string) *receiptRecord {
		return &receiptRecord{head: headOf("receipt", at), Level: level.String(), Seen: seen, Of: of, Persons: persons, Undelivered: undelivered,
			about: strings.Repeat("long ", 20), news: seen > 0}
	}
	about := strings.Repeat("long ", 9) + "long…"
	for _, tt := range []struct {
		r    record
		want string
	}{
		{newMessage(at, &message, false), clock + " ann: a�[2J b"},
		{newMessage(at, &late, false), clock + " ann (late): (no text: 1 byte)"},
		{receipt(causeway.Sent, 0, 2, false), ""},
		{receipt(causeway.Seen, 1, 2, false, "bob"), clock + "   ✓ 1 of 2 (bob): " + about},
		{receipt(causeway.Reached, 2, 0, false, "bob", "eve"), clock + "   ✓ 2 (bob, eve): " + about},
		{receipt(causeway.SeenByAll, 2, 2, false, "eve"), clock + "   ✓✓ all 2: " + about},
		{receipt(causeway.Sent, 0, 2, true), clock + "   ! nobody is known to have: " + about},
		{&caughtUpRecord{headOf("caught_up", at), 0}, ""},
		{&caughtUpRecord{headOf("caught_up", at), 2}, clock + " -- caught up: 2 messages"},
		{&noticeRecord{headOf("error", at), "no"}, "! no"},
		{&networkRecord{headOf("network", at), false, 0, true}, clock + " -- offline: what you write waits"},
	} {
		if got := tt.r.text(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	old := head{At: "2020-01-02T03:04:05.000Z"}
	if got := old.clock(); !strings.HasPrefix(got, "2020-01-0") {
		t.Error(got)
	}
}

// TestKept says what a data folder remembers.
func TestKept(t *testing.T) {
	c := Config{Data: t.TempDir()}
	first, err := c.participant()
	if err != nil || !strings.HasPrefix(string(first), "guest-") {
		t.Fatal(first, err)
	}
	again := Config{Data: c.Data}
	if second, err := again.participant(); err != nil || second != first {
		t.Error(second, err)
	}
	if addr, kept, err := c.listen(); err != nil || kept || addr != anyPort {
		t.Error(addr, kept, err)
	}
	if err := c.keep(listenFile, "/ip4/127.0.0.1/tcp/4711"); err != nil {
		t.Fatal(err)
	}
	if addr, kept, err := c.listen(); err != nil || !kept || addr != "/ip4/127.0.0.1/tcp/4711" {
		t.Error(addr, kept, err)
	}
	for addr, want := range map[string]bool{"/ip4/127.0.0.1/tcp/1": false, "/ip6/::1/tcp/1": false, "/ip4/0.0.0.0/tcp/1": true, "/ip4/192.0.2.1/tcp/1": true} {
		if exposed(addr) != want {
			t.Errorf("%s: %v", addr, !want)
		}
	}
	for _, name := range []string{" a", "a\nb"} {
		bad := Config{Data: t.TempDir(), Name: name}
		if _, err := bad.participant(); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
}

// TestPortTaken: a node whose port somebody else has says so and takes another.
func TestPortTaken(t *testing.T) {
	folder := t.TempDir()
	c := Config{Data: filepath.Join(folder, "a"), Name: "ann", Channel: DefaultChannel}
	run := func(c Config) string {
		var b strings.Builder
		if err := Run(t.Context(), c, strings.NewReader(""), &b, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	run(c)
	addr, err := c.kept(listenFile)
	if err != nil {
		t.Fatal(err)
	}
	other := Config{Data: filepath.Join(folder, "b"), Name: "bob", Channel: DefaultChannel, Listen: addr}
	in, out := io.Pipe()
	started := make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- Run(t.Context(), other, in, writerFunc(func(b []byte) (int, error) {
			if strings.Contains(string(b), addr) {
				close(started)
			}
			return len(b), nil
		}), slog.New(slog.DiscardHandler))
	}()
	select {
	case <-started:
	case err := <-ended:
		t.Fatal(err)
	}
	if text := run(c); !strings.Contains(text, "can't listen where it was ("+addr+")") {
		t.Error(text)
	}
	out.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if now, _ := os.ReadFile(c.file(listenFile)); strings.TrimSpace(string(now)) == addr {
		t.Error("it keeps a port that is taken")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestBrokenOutput ends a node that can't tell anything.
func TestBrokenOutput(t *testing.T) {
	broken := errors.New("broken pipe")
	in, _ := io.Pipe()
	err := Run(t.Context(), Config{Data: t.TempDir(), Channel: DefaultChannel}, in,
		writerFunc(func([]byte) (int, error) { return 0, broken }), slog.New(slog.DiscardHandler))
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}
