package reliability_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/integration/status-go/reliability"
	"github.com/causeway-im/causeway/telemetry"
)

// ledger notes what telemetry is told, a line each.
type ledger struct {
	mu    sync.Mutex
	lines []string
}

func (l *ledger) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// take returns the lines, with names in place of ids.
func (l *ledger) take(names map[string]string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.Join(l.lines, "\n")
	l.lines = nil
	for id, name := range names {
		text = strings.ReplaceAll(text, id, name)
	}
	return text
}

func (l *ledger) Composed(m telemetry.Message, size int) {
	l.add("composed %s %s %d", m.ID, m.Channel, size)
}
func (l *ledger) Attempted(m telemetry.Message)                    { l.add("attempted %s", m.ID) }
func (l *ledger) Handed(m telemetry.Message, _ string)             { l.add("handed %s", m.ID) }
func (l *ledger) Resent(m telemetry.Message, _ string)             { l.add("resent %s", m.ID) }
func (l *ledger) GaveUp(m telemetry.Message)                       { l.add("gave up %s", m.ID) }
func (l *ledger) Missing(m telemetry.Message, _ string)            { l.add("missing %s", m.ID) }
func (l *ledger) Repaired(m telemetry.Message, p reliability.Path) { l.add("repaired %s %s", m.ID, p) }
func (l *ledger) Acknowledged(m telemetry.Message, count, audience int) {
	l.add("acknowledged %s %d of %d", m.ID, count, audience)
}
func (l *ledger) Received(m telemetry.Message, a telemetry.Arrival) {
	l.add("received %s %d by %s, envelope %v", m.ID, a.Size, a.Path, a.Envelope != "")
}

// Telemetry hears what happens to a message, each thing once.
func TestTelemetry(t *testing.T) {
	n := newNetwork()
	with := func(l *ledger) func(*reliability.Options) {
		return func(o *reliability.Options) { o.Telemetry = l }
	}
	var one, two ledger
	alice, bob := newMember(t, n, "alice", with(&one)), newMember(t, n, "bob", with(&two))
	alice.describe(town(1, "alice", "bob", "olga"))
	n.lose(func(to *member, message, _ int) bool { return to == bob && message == 1 })
	names := map[string]string{wide: "wide"}
	for _, text := range []string{"lost", "next"} {
		names[string(community.SDSID(alice.payload(text)))] = text
	}
	names[string(community.SDSID(bob.payload("answer")))] = "answer"
	alice.send(1, "lost")
	alice.send(2, "next")
	bob.until("the lost one", func() bool { return len(bob.shown) == 2 })
	bob.send(3, "answer")
	for _, m := range n.members { // copies are no news
		check(t, m.FetchMessagesByHashes(t.Context(), hashesOf(n)))
	}
	check(t, bob.r.Close())
	want := "composed lost wide 11\nattempted lost\nhanded lost\ncomposed next wide 11\nattempted next\nhanded next\n" +
		"acknowledged next 1 of 2\nacknowledged lost 1 of 2\nreceived answer 11 by relay, envelope true"
	if got := one.take(names); got != want {
		t.Errorf("alice's:\n%s\nwant:\n%s", got, want)
	}
	got := two.take(names)
	for _, line := range []string{"received next 11 by relay, envelope true", "missing lost", "received lost 11 by relay, envelope true",
		"repaired lost relay", "composed answer wide 11", "handed answer"} {
		if strings.Count(got, line) != 1 {
			t.Errorf("bob's telemetry has %q %d times:\n%s", line, strings.Count(got, line), got)
		}
	}
}
