package second

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// A participant without timers is swept with each step, and syncs at random, every 20
// steps or so. Opposite a node, which resends, it also resends. Times are in ms.
const stepTime, resendTime = 500, 60_000

// pair is two participants and a network between them that loses packets.
type pair struct {
	t       *testing.T
	parties map[string]party
	rand    *rand.Rand
	loss    float64
	resends bool
	now     int64
	lost    int
	kinds   map[string]int             // what left, by kind
	named   map[string]map[string]bool // who → own messages that the other named in what arrived
	acked   map[string]map[string]bool // who → own messages that it says are acknowledged
	see     func(wire.Message)         // what arrives, if it is not nil
}

func newPair(t *testing.T, loss float64, alice, bob party) *pair {
	p := &pair{
		t: t, parties: map[string]party{"alice": alice, "bob": bob}, loss: loss, now: begin,
		rand: rand.New(rand.NewPCG(7, 7)), kinds: map[string]int{},
		named: map[string]map[string]bool{"alice": {}, "bob": {}},
		acked: map[string]map[string]bool{"alice": {}, "bob": {}},
	}
	return p
}

func other(who string) string {
	if who == "alice" {
		return "bob"
	}
	return "alice"
}

// run runs a command of a participant, and carries what it says.
func (p *pair) run(who, cmd string, args map[string]any) {
	p.t.Helper()
	events := p.parties[who].do(p.t, p.now, cmd, args)
	for _, e := range every(events, "acked") {
		p.acked[who][e.ID] = true
	}
	for _, e := range every(events, "out") {
		p.kinds[e.Kind]++
		if p.rand.Float64() < p.loss {
			p.lost++
			continue
		}
		p.note(other(who), e.Payload)
		p.run(other(who), "receive", map[string]any{"payload": e.Payload})
	}
}

// note remembers what a packet that arrives names of the receiver's own.
func (p *pair) note(receiver string, payload []byte) {
	p.t.Helper()
	m, err := wire.Decode(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.see != nil {
		p.see(m)
	}
	if string(m.SenderID) == receiver {
		return
	}
	for _, e := range m.CausalHistory {
		if string(e.SenderID) == receiver {
			p.named[receiver][string(e.MessageID)] = true
		}
	}
}

// step lets time pass: participants without timers are swept, and sync now and then.
func (p *pair) step() {
	p.t.Helper()
	p.now += stepTime
	for _, who := range []string{"alice", "bob"} {
		p.run(who, "sweep", map[string]any{"resend": p.resends && (p.now-begin)%resendTime == 0})
		if _, ok := p.parties[who].(*node); !ok && p.rand.IntN(20) == 0 {
			p.run(who, "sync", nil)
		}
	}
}

// equal says whether both have the same log of count messages, and nothing waits.
func (p *pair) equal(count int) bool {
	p.t.Helper()
	alice, bob := stateOf(p.t, p.parties["alice"], p.now), stateOf(p.t, p.parties["bob"], p.now)
	waiting := len(alice.Incoming) + len(bob.Incoming)
	return waiting == 0 && len(alice.History) == count && slices.Equal(alice.History, bob.History)
}

// converse has both write, count messages in all, while packets are lost, and waits until
// their logs are equal and done says so.
func (p *pair) converse(count int, done func() bool) {
	p.t.Helper()
	for i := range count {
		who := []string{"alice", "bob"}[p.rand.IntN(2)]
		p.run(who, "send", map[string]any{"content": fmt.Appendf(nil, "message %d of %s", i, who)})
		for range 8 {
			p.step()
		}
	}
	for range 3600_000 / stepTime {
		if p.equal(count) && done() {
			p.t.Logf("equal %d s after they began, %d packets lost, left: %v", (p.now-begin)/1000, p.lost, p.kinds)
			if p.lost == 0 || p.kinds["repair"] == 0 {
				p.t.Error("nothing was lost, or nothing was repaired: this shows nothing")
			}
			return
		}
		p.step()
	}
	for who, party := range p.parties {
		s := stateOf(p.t, party, p.now)
		p.t.Errorf("%s: %d in the log, %d wait, acknowledged %d", who, len(s.History), len(s.Incoming), len(p.acked[who]))
	}
	p.t.Fatal("logs differ an hour later")
}

var dialects = map[string]sds.Dialect{"lip": sds.LIP, "js": sds.JS, "nim": sds.Nim}

// TestDialogue has it speak with the machine of "causeway peer", each being alice once.
// Both must end with the same log, and each with the acknowledgements that what arrived
// proves: what the other named, and, as a peer makes no claims, nothing else (spec R50).
func TestDialogue(t *testing.T) {
	needNode(t)
	for _, name := range slices.Sorted(maps.Keys(dialects)) {
		for _, second := range []string{"alice", "bob"} {
			t.Run(name+", it is "+second, func(t *testing.T) {
				t.Parallel()
				parties := map[string]party{
					second:        startSecond(t, second, name, "--trust-names", "--t-min", strconv.Itoa(askFrom), "--t-max", strconv.Itoa(askUntil)),
					other(second): startPeer(t, other(second), dialects[name]),
				}
				p := newPair(t, 0.2, parties["alice"], parties["bob"])
				p.converse(60, func() bool { return len(p.acked["alice"]) > 5 && len(p.acked["bob"]) > 5 })
				for who := range p.parties {
					ours := maps.Clone(p.named[who])
					if who != second && name != "lip" {
						// Deployed peers, and so a peer, also count filters.
						for id := range p.acked[who] {
							ours[id] = true
						}
					}
					if !maps.Equal(ours, p.acked[who]) {
						t.Errorf("%s: %d messages were named, %d are acknowledged", who, len(ours), len(p.acked[who]))
					}
				}
			})
		}
	}
}

// TestNode has it speak with an sds.Channel: the logs end equal, and all messages of both
// are acknowledged, by mention or by fingerprint.
func TestNode(t *testing.T) {
	needNode(t)
	for _, name := range slices.Sorted(maps.Keys(dialects)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, 0.2, startSecond(t, "alice", name), startNode(t, "bob", dialects[name]))
			p.resends = true
			const count = 60
			p.converse(count, func() bool { return len(p.acked["alice"])+len(p.acked["bob"]) == count })
		})
	}
}

// TestFrontier shows that each accepts what the other claims by fingerprint (spec R52, R53):
// three messages, one sync or message that names the last alone, and all three are
// acknowledged.
func TestFrontier(t *testing.T) {
	needNode(t)
	three := func(p *pair, who string) {
		for i := range 3 {
			p.now += stepTime
			p.run(who, "send", map[string]any{"content": fmt.Appendf(nil, "%d of %s", i, who)})
		}
	}
	check := func(t *testing.T, p *pair, who string) {
		t.Helper()
		if len(p.named[who]) != 1 || len(p.acked[who]) != 3 {
			t.Errorf("%s: %d messages were named, want 1; %d are acknowledged, want 3", who, len(p.named[who]), len(p.acked[who]))
		}
	}
	t.Run("sync of the second", func(t *testing.T) {
		p := newPair(t, 0, startSecond(t, "alice", "lip"), startNode(t, "bob", sds.LIP))
		three(p, "bob")
		p.run("alice", "sync", nil)
		check(t, p, "bob")
	})
	t.Run("content of the second", func(t *testing.T) {
		p := newPair(t, 0, startSecond(t, "alice", "lip"), startNode(t, "bob", sds.LIP))
		three(p, "bob")
		p.run("alice", "send", map[string]any{"content": []byte("yes")})
		check(t, p, "bob")
	})
	t.Run("content of the node", func(t *testing.T) {
		p := newPair(t, 0, startSecond(t, "alice", "lip"), startNode(t, "bob", sds.LIP))
		three(p, "alice")
		p.run("bob", "send", map[string]any{"content": []byte("yes")})
		check(t, p, "alice")
	})
	t.Run("sync of the node", func(t *testing.T) {
		p := newPair(t, 0, startSecond(t, "alice", "lip"), startNode(t, "bob", sds.LIP))
		three(p, "alice")
		for range 60 {
			p.now += stepTime
			p.run("bob", "sweep", nil)
		}
		check(t, p, "alice")
	})
}
