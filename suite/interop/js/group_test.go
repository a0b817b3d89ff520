package js

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// The host of a process is that of js-waku's ReliableChannel: a sweep every 5 s,
// everything unacknowledged again every 30 s, a sync at a random moment within
// 30 s. (As deployed it answers no repair requests; the branch that does sweeps for
// them every 10 s.) A node needs nobody to tell it, and has no store here.
const sweepEvery, resendEvery, syncWithin = 5_000, 30_000, 30_000

// host calls a process when it is time.
type host struct {
	party
	sweep, resend, sync int64
}

// group is members and the network between them, which loses a share of what each
// member would receive. Time is virtual, in steps of 100 ms.
type group struct {
	t     *testing.T
	rand  *rand.Rand
	loss  float64
	now   int64
	hosts []*host
	// store has, if it is not nil, every content message under its hint; hosts of
	// processes fetch from it what a sweep finds missing, as js-waku's do.
	store map[string][]byte
	hints map[string][]byte // by payload
}

const stepTime = 100

func newGroup(t *testing.T, loss float64, members ...party) *group {
	g := &group{t: t, rand: rand.New(rand.NewPCG(5, 5)), loss: loss, now: begin}
	for _, m := range members {
		g.hosts = append(g.hosts, &host{m, begin + sweepEvery, begin + resendEvery, begin + g.rand.Int64N(syncWithin)})
	}
	return g
}

// broadcast is a packet on its way to everybody else, or, with to, to one member.
type broadcast struct {
	from, to *host
	payload  []byte
}

// call runs a command of a member, and carries what it broadcasts.
func (g *group) call(h *host, cmd string, args with) {
	g.t.Helper()
	queue := g.run(h, cmd, args)
	for len(queue) > 0 {
		b := queue[0]
		queue = queue[1:]
		for _, to := range g.hosts {
			if to == b.to || b.to == nil && to != b.from && g.rand.Float64() >= g.loss {
				queue = append(queue, g.run(to, "receive", with{"payload": b.payload, "retrievalHint": g.hints[string(b.payload)]})...)
			}
		}
	}
}

// run runs a command of a member, and returns what it broadcasts or fetches.
func (g *group) run(h *host, cmd string, args with) (queue []broadcast) {
	g.t.Helper()
	hint := fmt.Appendf(nil, "hint %d", len(g.store))
	if cmd == "send" && g.store != nil {
		args["retrievalHint"] = hint
	}
	h.at(g.now)
	events := h.do(cmd, args)
	for _, e := range append(every(events, "error"), every(events, "undecodable")...) {
		g.t.Fatalf("%s: %s: %s", h.name(), cmd, e.Message)
	}
	for _, e := range every(events, "out") {
		if e.Kind == "content" && g.store != nil {
			g.store[string(hint)], g.hints[string(e.Payload)] = e.Payload, hint
		}
		queue = append(queue, broadcast{from: h, payload: e.Payload})
	}
	if cmd != "sweep" {
		return queue
	}
	for _, e := range every(events, "missing") {
		for _, m := range e.Entries {
			if payload := g.store[string(m.RetrievalHint)]; payload != nil {
				queue = append(queue, broadcast{to: h, payload: payload})
			}
		}
	}
	return queue
}

// step lets 100 ms pass.
func (g *group) step() {
	g.t.Helper()
	g.now += stepTime
	for _, h := range g.hosts {
		if n, ok := h.party.(*node); ok {
			if at, ok := n.channel.Deadline(); ok && int64(at) <= g.now {
				g.call(h, "sweep", nil)
			}
			continue
		}
		if g.now >= h.sweep {
			h.sweep += sweepEvery
			again := g.now >= h.resend
			if again {
				h.resend += resendEvery
			}
			g.call(h, "sweep", with{"resend": again})
		}
		if g.now >= h.sync {
			h.sync = g.now + g.rand.Int64N(syncWithin)
			g.call(h, "sync", nil)
		}
	}
}

// converse has each member in turn write, count messages in all, one every 200 ms,
// and waits until all logs are the same and nobody waits for an acknowledgement.
func (g *group) converse(count int) {
	g.t.Helper()
	for i := range count {
		g.call(g.hosts[i%len(g.hosts)], "send", with{"content": []byte("message " + strconv.Itoa(i))})
		g.step()
		g.step()
	}
	written := g.now
	for !g.equal(count) {
		if g.now > written+3600*1000 {
			for _, h := range g.hosts {
				s := one(g.t, h.do("state", nil), "state")
				g.t.Logf("%s: %d messages, %d wait, %d not acknowledged", h.name(), len(s.History), len(s.Incoming), len(s.Outgoing))
			}
			g.t.Fatal("logs differ, or messages are not acknowledged, an hour later")
		}
		for range sweepEvery / stepTime {
			g.step()
		}
	}
	g.t.Logf("equal and acknowledged %d s after the last message", (g.now-written)/1000)
}

// equal tells whether all have the same log of count messages, in the same order,
// and every sender knows that somebody has its own.
func (g *group) equal(count int) bool {
	g.t.Helper()
	var first []string
	for i, h := range g.hosts {
		s := one(g.t, h.do("state", nil), "state")
		var log []string
		for _, m := range s.History {
			log = append(log, fmt.Sprint(m.Lamport, " ", m.ID, " ", m.SenderID))
		}
		if i == 0 {
			first = log
		}
		if len(log) != count || !slices.Equal(log, first) || len(s.Outgoing) > 0 {
			return false
		}
	}
	return true
}
