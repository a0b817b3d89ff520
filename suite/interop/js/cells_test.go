package js

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// ifToJS is what a cell says where JavaScript receives and can't.
func ifToJS(instead string) func(*pair) string {
	return func(p *pair) string {
		if p.toJS() {
			return "✗ " + instead
		}
		return ""
	}
}

// delivered returns the ids that were delivered, in order.
func delivered(events []event) (ids []string) {
	for _, e := range every(events, "delivered") {
		ids = append(ids, e.ID)
	}
	return ids
}

// sweep lets what waits be delivered.
func sweep(who party) []event { return who.do("sweep", nil) }

func TestContent(t *testing.T) {
	each(t, options{}, nil, func(p *pair) {
		for _, text := range []string{"x", strings.Repeat("é\x00\xff\n", sds.MaxContent/5)} {
			p.pass(10)
			sent := say(p.t, p.from, text)
			sum := sha256.Sum256([]byte(text))
			if sent.ID != hex.EncodeToString(sum[:]) {
				p.t.Errorf("id %s is not that of the content", sent.ID)
			}
			e := one(p.t, hear(p.to, sent.Payload), "delivered")
			log := state(p.t, p.from).History
			want := log[len(log)-1]
			if e.ID != sent.ID || e.SenderID != "alice" || e.Lamport != want.Lamport || string(e.Content) != text {
				p.t.Errorf("delivered %s of %s at %s, %d bytes; sent %+v", e.ID, e.SenderID, e.Lamport, len(e.Content), want)
			}
			if h := state(p.t, p.to).History; h[len(h)-1] != want {
				p.t.Errorf("log of the receiver ends in %+v, want %+v", h[len(h)-1], want)
			}
		}
	})
}

func TestSync(t *testing.T) {
	each(t, options{}, nil, func(p *pair) {
		first := say(p.t, p.from, "heard")
		hear(p.to, first.Payload)
		p.pass(10)
		lost := say(p.t, p.from, "lost")
		p.pass(10)
		before := state(p.t, p.to)
		events := hear(p.to, one(p.t, p.from.do("sync", nil), "out").Payload)
		if e := one(p.t, events, "missing"); !slices.Equal(e.IDs, []string{lost.ID}) {
			p.t.Errorf("missing %v, want %s", e.IDs, lost.ID)
		}
		after := state(p.t, p.to)
		if len(delivered(events)) > 0 || len(after.History) != len(before.History) {
			p.t.Errorf("a sync was delivered: %v", names(events))
		}
		if got := delivered(hear(p.to, lost.Payload)); !slices.Equal(got, []string{lost.ID}) {
			p.t.Errorf("delivered %v", got)
		}
	})
}

func TestEphemeral(t *testing.T) {
	each(t, options{}, func(p *pair) string {
		if p.toJS() {
			return "✓ its host reads it: the channel has no event"
		}
		return ""
	}, func(p *pair) {
		out := one(p.t, p.from.do("ephemeral", with{"content": []byte("typing")}), "out")
		events := hear(p.to, out.Payload)
		if e := one(p.t, events, "ephemeral"); string(e.Content) != "typing" || e.SenderID != "alice" {
			p.t.Errorf("%+v", e)
		}
		for _, who := range []party{p.from, p.to} {
			if s := state(p.t, who); len(s.History)+len(s.Incoming)+len(s.Outgoing) > 0 {
				p.t.Errorf("%s keeps it: %+v", who.name(), s)
			}
		}
	})
}

func TestDuplicate(t *testing.T) {
	each(t, options{}, ifToJS("delivers it again"), func(p *pair) {
		payload := say(p.t, p.from, "once").Payload
		hear(p.to, payload)
		again := delivered(hear(p.to, payload))
		if (len(again) > 0) != p.toJS() {
			p.t.Errorf("a copy: delivered %v", again)
		}
		if s := state(p.t, p.to); len(s.History) != 1 {
			p.t.Errorf("%d messages in the log", len(s.History))
		}
	})
}

func TestMissing(t *testing.T) {
	each(t, options{}, nil, func(p *pair) {
		first := say(p.t, p.from, "first")
		p.pass(10)
		second := say(p.t, p.from, "second")
		events := hear(p.to, second.Payload)
		if e := one(p.t, events, "missing"); !slices.Equal(e.IDs, []string{first.ID}) || len(delivered(events)) > 0 {
			p.t.Errorf("missing %v, delivered %v", e.IDs, delivered(events))
		}
		if s := state(p.t, p.to); !slices.Equal(s.Incoming, []string{second.ID}) {
			p.t.Errorf("waiting: %v", s.Incoming)
		}
		events = append(hear(p.to, first.Payload), sweep(p.to)...)
		if got := delivered(events); !slices.Equal(got, []string{first.ID, second.ID}) {
			p.t.Errorf("delivered %v", got)
		}
	})
}

func TestOrder(t *testing.T) {
	each(t, options{causalHistory: 1}, ifToJS("delivers it at once"), func(p *pair) {
		var sent []event
		var ids []string
		for _, text := range []string{"a", "b names a", "c names b"} {
			p.pass(10)
			sent = append(sent, say(p.t, p.from, text))
			ids = append(ids, sent[len(sent)-1].ID)
		}
		events := append(hear(p.to, sent[1].Payload), hear(p.to, sent[2].Payload)...)
		early := delivered(events)
		if p.toJS() {
			if !slices.Equal(early, ids[2:]) {
				p.t.Errorf("delivered %v", early)
			}
			return
		}
		all := delivered(append(hear(p.to, sent[0].Payload), sweep(p.to)...))
		if len(early) > 0 || !slices.Equal(all, ids) {
			p.t.Errorf("delivered %v, then %v", early, all)
		}
	})
}

func TestLost(t *testing.T) {
	each(t, options{lostAfter: 30_000}, ifToJS("drops what waits, for good"), func(p *pair) {
		first := say(p.t, p.from, "never comes")
		p.pass(10)
		second := say(p.t, p.from, "waits")
		hear(p.to, second.Payload)
		p.pass(30_001)
		events := sweep(p.to)
		if e := one(p.t, events, "lost"); !slices.Equal(e.IDs, []string{first.ID}) {
			p.t.Errorf("lost %v", e.IDs)
		}
		late := append(hear(p.to, first.Payload), hear(p.to, second.Payload)...)
		late = append(late, sweep(p.to)...)
		log := state(p.t, p.to).History
		if p.toJS() {
			if len(delivered(events)) > 0 || len(log) != 1 {
				p.t.Errorf("delivered %v; log %v", delivered(events), log)
			}
			return
		}
		e := one(p.t, events, "delivered")
		if e.ID != second.ID || !slices.Equal(e.Gaps, []string{first.ID}) || !slices.Equal(delivered(late), []string{first.ID}) {
			p.t.Errorf("delivered %+v, later %v", e, delivered(late))
		}
		if len(log) != 2 || log[0].ID != first.ID || log[1].ID != second.ID {
			p.t.Errorf("log %v", log)
		}
	})
}

// untilOut lets time pass until who broadcasts something that fits: by its timers,
// or when its host sweeps and has it send a sync.
func (p *pair) untilOut(who party, what string, fits func(*wire.Message) bool) event {
	p.t.Helper()
	for range 50 { // 250 s: the longest wait of @waku/sds is 120 s
		var events []event
		if _, ok := who.(*node); ok {
			for range 10 {
				p.pass(sweepEvery / 10)
				events = append(events, sweep(who)...)
			}
		} else {
			p.pass(sweepEvery)
			events = append(sweep(who), who.do("sync", nil)...)
		}
		for _, e := range every(events, "out") {
			m, err := wire.Decode(e.Payload)
			if err != nil {
				p.t.Fatal(err)
			}
			if fits(&m) {
				return e
			}
		}
	}
	p.t.Fatalf("%s: no %s", who.name(), what)
	return event{}
}

func asksFor(id string) func(*wire.Message) bool {
	return func(m *wire.Message) bool {
		return slices.ContainsFunc(m.RepairRequest, func(e wire.HistoryEntry) bool {
			return string(e.MessageID) == id && e.SenderID == "alice"
		})
	}
}

func is(id string) func(*wire.Message) bool {
	return func(m *wire.Message) bool { return string(m.MessageID) == id }
}

// answer returns what who repeats after it heard a request.
func (p *pair) answer(who party, request event, id string) event {
	p.t.Helper()
	for _, e := range every(hear(who, request.Payload), "out") {
		if e.ID == id {
			return e
		}
	}
	return p.untilOut(who, "answer", is(id))
}

func TestRepair(t *testing.T) {
	each(t, options{}, nil, func(p *pair) {
		first := say(p.t, p.from, "lost")
		p.pass(10)
		second := say(p.t, p.from, "next")
		hear(p.to, second.Payload)
		request := p.untilOut(p.to, "request", asksFor(first.ID))
		answer := p.answer(p.from, request, first.ID)
		if string(answer.Payload) != string(first.Payload) {
			p.t.Error("the answer is not the message as it was")
		}
		if got := delivered(append(hear(p.to, answer.Payload), sweep(p.to)...)); !slices.Equal(got, []string{first.ID, second.ID}) {
			p.t.Errorf("delivered %v", got)
		}
	})
}

// The author is gone; dave has its message and answers carol.
func TestRepairByOthers(t *testing.T) {
	each(t, options{}, nil, func(p *pair) {
		author := newPeer(p.t, "alice", options{})
		p.from, p.to = p.make("dave", p.fromJS()), p.make("carol", p.toJS())
		first := say(p.t, author, "alice says this and leaves")
		author.at(p.now + 10)
		second := say(p.t, author, "and this")
		p.pass(20)
		hear(p.from, first.Payload)
		hear(p.from, second.Payload)
		hear(p.to, second.Payload)
		request := p.untilOut(p.to, "request", asksFor(first.ID))
		answer := p.answer(p.from, request, first.ID)
		if got := delivered(append(hear(p.to, answer.Payload), sweep(p.to)...)); !slices.Equal(got, []string{first.ID, second.ID}) {
			p.t.Errorf("delivered %v", got)
		}
	})
}

func TestRepairAgain(t *testing.T) {
	each(t, options{}, ifToJS("asks once"), func(p *pair) {
		first := say(p.t, p.from, "lost")
		p.pass(10)
		hear(p.to, say(p.t, p.from, "next").Payload)
		p.untilOut(p.to, "request", asksFor(first.ID))
		if !p.toJS() {
			p.untilOut(p.to, "second request", asksFor(first.ID))
			return
		}
		for range 120 { // ten minutes
			p.pass(sweepEvery)
			for _, e := range every(append(sweep(p.to), p.to.do("sync", nil)...), "out") {
				if m, err := wire.Decode(e.Payload); err != nil || asksFor(first.ID)(&m) {
					p.t.Fatalf("asks again: %v %+v", err, m.RepairRequest)
				}
			}
		}
	})
}

func TestAckByHistory(t *testing.T) {
	each(t, options{}, nil, func(p *pair) {
		sent := say(p.t, p.from, "hello")
		hear(p.to, sent.Payload)
		p.pass(10)
		reply := say(p.t, p.to, "hi")
		if e := one(p.t, hear(p.from, reply.Payload), "acked"); e.ID != sent.ID {
			p.t.Errorf("acknowledged %s", e.ID)
		}
		if s := state(p.t, p.from); len(s.Outgoing) > 0 {
			p.t.Errorf("still waits for %v", s.Outgoing)
		}
	})
}

// The receiver's history has room for one message, its filter for all.
func TestAckByFilter(t *testing.T) {
	each(t, options{causalHistory: 1, filter: true}, func(p *pair) string {
		if p.column == nodeToJS {
			return `✓ "possibly": a filter may err, and is never counted`
		}
		return ""
	}, func(p *pair) {
		first := say(p.t, p.from, "one")
		p.pass(10)
		second := say(p.t, p.from, "two")
		hear(p.to, first.Payload)
		hear(p.to, second.Payload)
		var events []event
		for _, text := range []string{"three", "four", "five"} {
			p.pass(10)
			events = append(events, hear(p.from, say(p.t, p.to, text).Payload)...)
		}
		possibly := one(p.t, events, "possiblyAcked")
		if possibly.ID != first.ID || possibly.Count != 1 {
			p.t.Errorf("possibly %+v", possibly)
		}
		var acked []string
		for _, e := range every(events, "acked") {
			acked = append(acked, e.ID)
		}
		want := []string{second.ID, first.ID}
		if p.column == nodeToJS {
			want = want[:1]
		}
		if !slices.Equal(acked, want) {
			p.t.Errorf("acknowledged %v, want %v", acked, want)
		}
	})
}

func TestRestart(t *testing.T) {
	each(t, options{}, ifToJS("ignores its own message, and all that builds on it"), func(p *pair) {
		own := say(p.t, p.to, "before the restart")
		hear(p.from, own.Payload)
		p.pass(10)
		next := say(p.t, p.from, "an answer to it")
		p.to = p.make("bob", p.toJS())
		hear(p.to, next.Payload)
		request := p.untilOut(p.to, "request", func(m *wire.Message) bool {
			return slices.ContainsFunc(m.RepairRequest, func(e wire.HistoryEntry) bool { return string(e.MessageID) == own.ID })
		})
		answer := p.answer(p.from, request, own.ID)
		hear(p.to, answer.Payload)
		sweep(p.to)
		var log []string
		for _, m := range state(p.t, p.to).History {
			log = append(log, m.ID)
		}
		want := []string{own.ID, next.ID}
		if p.toJS() {
			want = nil
		}
		if !slices.Equal(log, want) {
			p.t.Errorf("log %v, want %v", log, want)
		}
	})
}

// crafted is a message of somebody else.
func crafted(text string, lamport uint64) *wire.Message {
	return &wire.Message{Dialect: wire.LIP, SenderID: "mallory", MessageID: sds.ContentID([]byte(text)), ChannelID: room,
		Lamport: lamport, HasLamport: true, Content: []byte(text)}
}

func TestBadFilter(t *testing.T) {
	each(t, options{}, ifToJS("loses it"), func(p *pair) {
		say(p.t, p.to, "something to look up")
		for _, filter := range [][]byte{{}, make([]byte, 100)} {
			m := crafted("filter of "+string(rune('a'+len(filter)%26)), begin)
			m.BloomFilter = filter
			events := hear(p.to, m.Encode())
			if got := len(delivered(events)); (got == 0) != p.toJS() {
				p.t.Errorf("a filter of %d bytes: %v", len(filter), names(events))
			}
		}
	})
}

func TestClock(t *testing.T) {
	each(t, options{}, ifToJS("adopts it"), func(p *pair) {
		hear(p.to, crafted("from the end of time", 1<<63).Encode())
		p.pass(10)
		m, err := wire.Decode(say(p.t, p.to, "what time is it?").Payload)
		if err != nil {
			p.t.Fatal(err)
		}
		if (m.Lamport > 1<<62) != p.toJS() {
			p.t.Errorf("the next message is at %d", m.Lamport)
		}
	})
}

// converse has members write at 20 % loss and fills the cells of columns. Without
// a node among three members, hosts need a store: @waku/sds asks once for what it
// misses, and its author is content with one acknowledgement.
func converse(t *testing.T, count int, columns []string, store bool, members ...party) {
	t.Parallel()
	mark := ""
	g := newGroup(t, 0.2, members...)
	if store {
		mark = "✓ with a store"
		g.store, g.hints = map[string][]byte{}, map[string][]byte{}
	}
	for _, c := range columns {
		proved(t, c, mark)
	}
	g.converse(count)
}

var ofNode, ofPeer = []string{nodeToJS, jsToNode}, []string{peerToJS, jsToPeer}

func TestLossy(t *testing.T) {
	need(t)
	t.Run("node", func(t *testing.T) {
		converse(t, 500, ofNode, false, ourNode(t, "alice", options{}), newJS(t, "bob", options{}))
	})
	t.Run("peer", func(t *testing.T) {
		converse(t, 500, ofPeer, false, newPeer(t, "alice", options{}), newJS(t, "bob", options{}))
	})
}

func TestThreeOneJS(t *testing.T) {
	need(t)
	t.Run("node", func(t *testing.T) {
		converse(t, 90, ofNode, false, ourNode(t, "alice", options{}), ourNode(t, "carol", options{}), newJS(t, "bob", options{}))
	})
	t.Run("peer", func(t *testing.T) {
		converse(t, 90, ofPeer, true, newPeer(t, "alice", options{}), newPeer(t, "carol", options{}), newJS(t, "bob", options{}))
	})
}

func TestThreeTwoJS(t *testing.T) {
	need(t)
	t.Run("node", func(t *testing.T) {
		converse(t, 90, ofNode, false, ourNode(t, "alice", options{}), newJS(t, "carol", options{}), newJS(t, "bob", options{}))
	})
	t.Run("peer", func(t *testing.T) {
		converse(t, 90, ofPeer, true, newPeer(t, "alice", options{}), newJS(t, "carol", options{}), newJS(t, "bob", options{}))
	})
}

func TestThreeKinds(t *testing.T) {
	need(t)
	t.Run("all", func(t *testing.T) {
		converse(t, 90, columns, false, ourNode(t, "alice", options{}), newPeer(t, "carol", options{}), newJS(t, "bob", options{}))
	})
}
