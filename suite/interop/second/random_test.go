package second

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// TestSameLog gives the second implementation and an sds.Channel the same messages of
// three others, among them late ones, copies, some that never come, some from far ahead
// and some of the other dialect. After each, both must have the same log, and when they
// write at last, name the same heads (spec R22, R23, R30, R31, R32, R33, R36, R65).
func TestSameLog(t *testing.T) {
	needNode(t)
	for name, dialect := range dialects {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				t.Parallel()
				sameLog(t, name, dialect, seed)
			})
		}
	}
}

func sameLog(t *testing.T, name string, dialect sds.Dialect, seed uint64) {
	second := startSecond(t, "alice", name, "--lost-timeout-ms", "30000")
	node := startNode(t, "alice", dialect)
	w := &writer{r: rand.New(rand.NewPCG(seed, 1)), dialect: dialect}
	now := int64(begin)
	for i := range 300 {
		now += int64(w.r.IntN(3)) * 1000
		payload, again := w.next(now, i)
		for _, p := range []party{second, node} {
			p.do(t, now, "sweep", nil)
			p.do(t, now, "receive", map[string]any{"payload": payload})
		}
		if again {
			continue // a channel looks at its quarantine when something new came
		}
		want, got := ids(stateOf(t, node, now)), ids(stateOf(t, second, now))
		if !slices.Equal(got, want) {
			t.Fatalf("after %d messages, at +%d: %s", i+1, now-begin, w.difference(got, want))
		}
	}
	if len(ids(stateOf(t, node, now))) < 100 {
		t.Error("too few have a place: this shows little")
	}
	if dialect != sds.LIP {
		return // what else JS and nim name depends on when what was heard
	}
	args := map[string]any{"content": []byte("what do we name?")}
	got, want := named(sent(t, second.do(t, now, "send", args))), named(sent(t, node.do(t, now, "send", args)))
	if !slices.Equal(got, want) {
		t.Errorf("it names other messages, after +%d: %s", now-begin, w.difference(got, want))
	}
}

func ids(state event) (all []string) {
	for _, h := range state.History {
		all = append(all, h.ID)
	}
	return all
}

func named(m wire.Message) (all []string) {
	for _, e := range m.CausalHistory {
		all = append(all, string(e.MessageID))
	}
	return all
}

func sent(t *testing.T, events []event) wire.Message {
	t.Helper()
	for _, e := range every(events, "out") {
		if m, err := wire.Decode(e.Payload); err == nil && m.Kind() == wire.Content && m.SenderID == "alice" {
			return m
		}
	}
	t.Fatal("nothing was sent")
	return wire.Message{}
}

// writer writes messages of bob, carol and dave.
type writer struct {
	r       *rand.Rand
	dialect sds.Dialect
	made    []wire.Message // all, also what was lost
	heard   [][]byte
	late    [][]byte
}

func (w *writer) unit(ms int64) int64 {
	if w.dialect == sds.Nim {
		return ms / 1000
	}
	return ms
}

// next is what arrives next: a copy, something late, or something new.
func (w *writer) next(now int64, i int) (payload []byte, again bool) {
	switch k := w.r.IntN(10); {
	case k == 0 && len(w.heard) > 0:
		return w.heard[w.r.IntN(len(w.heard))], true
	case k <= 2 && len(w.late) > 0:
		at := w.r.IntN(len(w.late))
		b := w.late[at]
		w.late = slices.Delete(w.late, at, at+1)
		w.heard = append(w.heard, b)
		return b, false
	}
	for {
		m := w.message(now, i+1000*len(w.made))
		w.made = append(w.made, m)
		b := m.Encode()
		switch w.r.IntN(8) {
		case 0: // it never comes
		case 1:
			w.late = append(w.late, b)
		default:
			w.heard = append(w.heard, b)
			return b, false
		}
	}
}

func (w *writer) message(now int64, n int) wire.Message {
	who := []wire.ParticipantID{"bob", "carol", "dave"}[w.r.IntN(3)]
	at := w.unit(now) + int64(w.r.IntN(40)) - 20
	m := wire.Message{Dialect: wire.LIP, SenderID: who, ChannelID: room, HasLamport: true}
	nim := w.dialect == sds.Nim
	if w.r.IntN(12) == 0 {
		nim = !nim
	}
	if nim {
		m.Dialect, m.BloomFilter = wire.Nim, []byte{}
	}
	foreign := nim != (w.dialect == sds.Nim)
	for range min(w.r.IntN(4), len(w.made)) {
		if foreign {
			break // what only such a message names is a head in one of them, if it came late
		}
		// Mostly somebody's newest messages.
		p := w.made[len(w.made)-1-min(w.r.IntN(len(w.made)), w.r.IntN(12))]
		if !slices.Contains(named(m), string(p.MessageID)) {
			m.CausalHistory = append(m.CausalHistory, wire.HistoryEntry{MessageID: p.MessageID, SenderID: p.SenderID})
			if w.r.IntN(2) == 0 {
				at = max(at, int64(p.Lamport)+1)
			}
		}
	}
	if w.r.IntN(15) == 0 {
		at += w.unit(int64(w.r.IntN(200_000)))
		if w.dialect == sds.Nim && w.r.IntN(2) == 0 {
			at += 5_000_000
		}
	}
	m.Lamport = uint64(at)
	m.Content = []byte("message " + strconv.Itoa(n))
	switch {
	case w.r.IntN(6) == 0:
		m.MessageID = wire.MessageID("opaque-" + strconv.Itoa(n))
	case w.dialect == sds.JS && m.Dialect == wire.LIP:
		m.MessageID = sds.ContentID(m.Content)
	default:
		m.MessageID = sds.NewMessageID(m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, m.Content)
	}
	if w.r.IntN(15) == 0 { // a sync
		m.MessageID, m.Content = wire.MessageID("sync-"+strconv.Itoa(n)), nil
		if nim {
			m.Content = []byte{}
		}
	}
	return m
}

// difference says what only one of two lists has, and what these messages are.
func (w *writer) difference(got, want []string) string {
	var b strings.Builder
	tell := func(who string, has, lacks []string) {
		for _, id := range has {
			if slices.Contains(lacks, id) {
				continue
			}
			fmt.Fprintf(&b, "\n%s has %s", who, id)
			for _, m := range w.made {
				if string(m.MessageID) == id || slices.Contains(named(m), id) {
					fmt.Fprintf(&b, "\n  %s of %s at %+d names %v (%s)", m.MessageID, m.SenderID, int64(m.Lamport)-w.unit(begin), named(m), m.Dialect)
				}
			}
		}
	}
	tell("it", got, want)
	tell("a channel", want, got)
	return b.String()
}
