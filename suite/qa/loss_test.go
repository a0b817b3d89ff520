package qa

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// TestChosenLoss is RC10, and what nobody else shows: bob loses one message that is
// chosen beforehand, detects it, waits with what depends on it, and has it repaired by
// members, since there is no store. Alice learns that all have it.
func TestChosenLoss(t *testing.T) {
	g := newGroup(t, "alice bob carol")
	alice, bob := g[0], g[1]
	bob.reads(alice.send("m1"))
	rule := bob.lose("m2", 1)
	copies := bob.lose("m2", 0) // they may come before the next message does
	lost := alice.send("m2", "want", "everyone")
	bob.lost(rule)
	if got := bob.do("GET", rule, nil).want(200); got.text("last") != lost || got.get("done") != true {
		t.Errorf("%s", got.body)
	}
	third := alice.send("m3")
	bob.event("gap", lost, "missing")
	bob.event("arrived", third, "") // it came, and waits for the lost one
	bob.do("DELETE", copies, nil).want(204)
	bob.do("POST", tea+"/sync", nil).want(204) // what was asked for in vain is asked for at once
	bob.event("gap", lost, "recovered")
	bob.reads(third)
	alice.reached(lost)
	g.same(t)
	if got := strings.Join(bob.texts(), " "); got != "m1 m2 m3" {
		t.Errorf("bob reads %s", got)
	}
}

// TestUnrepairable: while no copy comes through, the gap stays open and listed; when
// one does, it closes.
func TestUnrepairable(t *testing.T) {
	g := newGroup(t, "alice bob")
	alice, bob := g[0], g[1]
	rule := bob.lose("m1", 0, "receive", "retrieve")
	lost := alice.send("m1", "want", "everyone")
	alice.send("m2")
	bob.event("gap", lost, "missing")
	if got := bob.do("GET", tea+"/gaps", nil).want(200); got.text("gaps.0.id") != lost || got.text("gaps.0.sender") != "alice" {
		t.Errorf("%s", got.body)
	}
	if got := alice.do("GET", messages+"/"+lost+"/receipt", nil).want(200); got.text("seen") != "0" {
		t.Errorf("nobody has it, and alice is told: %s", got.body)
	}
	bob.do("DELETE", rule, nil).want(204)
	bob.do("POST", tea+"/sync", nil).want(204) // what was asked for in vain is asked for at once
	bob.event("gap", lost, "recovered")
	alice.reached(lost)
}

// TestTailLoss: the last message is lost, and then all are silent. It is found all the
// same.
func TestTailLoss(t *testing.T) {
	g := newGroup(t, "alice bob carol")
	alice, bob := g[0], g[1]
	bob.reads(alice.send("m1"))
	rule := bob.lose("m2", 1)
	lost := alice.send("m2", "want", "everyone")
	bob.lost(rule)
	bob.reads(lost)
	alice.reached(lost)
}

// TestEverybodyDropped: the first copies of a message are lost by all. It is sent
// again, until somebody has it.
func TestEverybodyDropped(t *testing.T) {
	g := newGroup(t, "alice bob carol")
	alice := g[0]
	var rules []string
	for _, n := range g[1:] {
		rules = append(rules, n.lose("m1", 1))
	}
	id := alice.send("m1", "want", "everyone")
	for i, n := range g[1:] {
		n.lost(rules[i])
	}
	alice.reached(id)
	g.same(t)
	alice.until("that it was sent again is counted", func() bool { // a moment after it left
		sent := alice.do("GET", "/v1/traffic", nil)
		return sent.text("sent.resend.packets") != "0" || sent.text("sent.repair.packets") != "0"
	})
}

// TestRestartAtEachStep: sender and receiver crash after each step of a message's way,
// and it arrives and is acknowledged all the same.
func TestRestartAtEachStep(t *testing.T) {
	g := newGroup(t, "alice bob carol")
	alice, bob := g[0], g[1]
	bob.do("PUT", "/v1/faults/online", map[string]any{"online": false}).want(204)
	alice.do("PUT", "/v1/faults/online", map[string]any{"online": false}).want(204)
	alice.until("it knows", func() bool { return alice.do("GET", "/health", nil).get("online") == false })
	id := alice.send("m1", "want", "everyone")
	alice.restart() // before it left; the fault is gone with the process
	g[2].reads(id)
	alice.restart() // after somebody has it
	bob.restart()   // before it has it
	bob.reads(id)
	bob.restart() // after it has it
	alice.online()
	alice.reached(id)
	receipt := alice.do("GET", messages+"/"+id+"/receipt", nil).want(200)
	if receipt.text("seen") != "2" || receipt.text("of") != "2" || receipt.text("persons.0") != "BOB" || receipt.text("transitions.0.level") != "queued" {
		t.Errorf("%s", receipt.body)
	}
	alice.restart() // after all have it
	if again := alice.do("GET", messages+"/"+id+"/receipt", nil).want(200); again.text("level") != "everyone" {
		t.Errorf("%s", again.body)
	}
	g.same(t)
}

// TestPartition: two sides that do not hear each other agree when they do again.
func TestPartition(t *testing.T) {
	g := newGroup(t, "alice bob carol dave")
	cut := func(n *node, names ...string) {
		n.do("PUT", "/v1/faults/partition", map[string]any{"participants": append([]string{}, names...)}).want(204)
	}
	for i, n := range g {
		if i < 2 {
			cut(n, "carol", "dave")
		} else {
			cut(n, "alice", "bob")
		}
	}
	left, right := g[0].send("left", "want", "everyone"), g[2].send("right", "want", "everyone")
	g[1].reads(left)
	g[3].reads(right)
	g[0].do("GET", messages+"/"+right, nil).problem(404, "message_unknown")
	for _, n := range g {
		cut(n)
	}
	g[0].reached(left)
	g[2].reached(right)
	g.same(t)
}

// amount reads a number from the environment, which makes a quick test whole.
func amount(t *testing.T, variable string, quick, full int) int {
	t.Helper()
	if text := os.Getenv(variable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%s is %q", variable, text)
		}
		return n
	}
	if os.Getenv("CAUSEWAY_QA") != "" {
		return full
	}
	return quick
}

// TestAbsence: one member is away while many messages pass, and has them all when it is
// back: with a store that one of the others keeps.
func TestAbsence(t *testing.T) {
	count, members := amount(t, "CAUSEWAY_QA_MESSAGES", 300, 10_000), amount(t, "CAUSEWAY_QA_MEMBERS", 3, 10)
	folder := t.TempDir()
	g := newPeers(t, folder, "m0", "--serve-store")
	var names []string
	for i := 1; i < members; i++ {
		names = append(names, fmt.Sprint("m", i))
	}
	g = append(g, newPeers(t, folder, strings.Join(names, " "), "--peer", g[0].addr, "--store-node", g[0].addr)...)
	g.join(t)
	away := g[len(g)-1]
	away.do("PUT", "/v1/faults/online", map[string]any{"online": false}).want(204)
	away.until("it knows", func() bool { return away.do("GET", "/health", nil).get("online") == false })
	var writers sync.WaitGroup
	for i, n := range g[:len(g)-1] {
		writers.Go(func() {
			for j := i; j < count; j += len(g) - 1 {
				n.send(fmt.Sprintf("%06d", j))
			}
		})
	}
	writers.Wait()
	if got := away.do("GET", tea, nil).want(200).text("messages"); got != "0" {
		t.Errorf("while it was away it heard %s messages", got)
	}
	away.do("PUT", "/v1/faults/online", map[string]any{"online": true}).want(204)
	g.same(t)
	if got := len(away.texts()); got != count {
		t.Errorf("it has %d messages of %d", got, count)
	}
	last := g[0].send("the last", "want", "everyone")
	g[0].reached(last)
}
