package rest_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestChosenMessageIsLost: bob loses one message that is named beforehand by its
// payload, sees that it is missing, and gets it back.
func TestChosenMessageIsLost(t *testing.T) {
	alice, bob := pair(t)
	bob.follow("", "delivered", alice.send("m1"))
	bob.caughtUp() // or else the store has the lost one for him
	added := bob.do("POST", "/v1/faults/rules", map[string]any{"action": "drop", "on": []string{"receive"}, "payload": []byte("m2"), "next": 1}).want(201)
	alice.goOffline() // so that both leave together: a resend in between would come, and be no gap
	lost := alice.send("m2", "want", "everyone")
	third := alice.send("m3")
	alice.do("PUT", "/v1/faults/online", map[string]any{"online": true}).want(204)
	bob.until("it is lost", func() bool { return bob.do("GET", added.header.Get("Location"), nil).want(200).text("hit") == "1" })
	bob.do("GET", added.header.Get("Location"), nil).want(200).is(map[string]any{
		"number": 1, "rule.action": "drop", "rule.next": 1, "rule.on.0": "receive", "done": true, "last": lost, "matched": 1})
	missing, after := bob.follow("", "gap", lost, "missing")
	if missing.Gap.Sender != "alice" {
		t.Errorf("the gap is %+v", missing.Gap)
	}
	bob.do("GET", "/v1/channels/tea/gaps", nil).want(200)
	bob.follow(after, "gap", lost, "recovered")
	bob.follow("", "delivered", third)
	alice.do("GET", "/v1/channels/tea/messages/"+lost+"/receipt?level=everyone&wait=60s", nil).want(200).is(map[string]any{"level": "everyone"})
	bob.do("GET", "/v1/faults", nil).want(200).is(map[string]any{"stats.dropped": 1, "rules.0.hit": 1, "online": true, "clock": "0s"})
}

// TestGapIsListed: what can't be repaired stands in the list of gaps, and a store does
// not help whom it is kept from.
func TestGapIsListed(t *testing.T) {
	alice, bob := pair(t)
	bob.do("POST", "/v1/faults/rules", map[string]any{"action": "drop", "on": []string{"receive", "retrieve"}, "payload": []byte("m1")}).want(201)
	lost := alice.send("m1")
	next := alice.send("m2")
	bob.follow("", "gap", lost, "missing")
	bob.follow("", "arrived", next) // a sync may have told of the gap before
	bob.do("GET", "/v1/channels/tea/gaps?limit=1", nil).want(200).is(map[string]any{"gaps.0.id": lost, "gaps.0.state": "missing", "gaps.0.sender": "alice", "next": lost, "more": true})
	bob.do("GET", "/v1/channels/tea", nil).is(map[string]any{"missing": 1, "waiting": 1})
	if got := bob.do("GET", "/v1/channels/tea/gaps?after="+lost, nil).want(200).get("gaps").([]any); len(got) != 0 {
		t.Errorf("after the last one come %v", got)
	}
}

// TestRules: they are listed, named and ended.
func TestRules(t *testing.T) {
	_, bob := pair(t)
	whole := map[string]any{"action": "delay", "on": []string{"send"}, "topic": "tea", "message": "m", "sender": "bob", "kind": "content",
		"payload": []byte("p"), "hash": fmt.Sprintf("%064x", 7), "share": 0.5, "next": 3, "duration": "1.5s", "copies": 2}
	bob.do("POST", "/v1/faults/rules", whole).want(201)
	bob.do("POST", "/v1/faults/rules", map[string]any{"action": "duplicate"}).want(201)
	one := bob.do("GET", "/v1/faults/rules/1", nil).want(200)
	one.is(map[string]any{"rule.on.0": "send", "rule.topic": "tea", "rule.message": "m", "rule.sender": "bob", "rule.kind": "content", "rule.payload": "cA==",
		"rule.share": "0.5", "rule.next": 3, "rule.duration": "1.5s", "rule.copies": 2, "hit": 0, "rule.hash": fmt.Sprintf("%064x", 7)})
	bob.do("GET", "/v1/faults/rules", nil).want(200).is(map[string]any{"rules.1.number": 2, "rules.1.rule.action": "duplicate", "rules.1.rule.copies": 1})
	bob.do("DELETE", "/v1/faults/rules/1", nil).want(204)
	bob.do("DELETE", "/v1/faults/rules/1", nil).problem(404, "rule_unknown", "rule")
	bob.do("GET", "/v1/faults/rules/x", nil).problem(400, "bad_request", "rule")
	bob.do("DELETE", "/v1/faults", nil).want(204)
	if got := bob.do("GET", "/v1/faults/rules", nil).get("rules").([]any); len(got) != 0 {
		t.Errorf("after all was cleared: %v", got)
	}
}

// TestSwitches: offline, partition and clock are set, told, and do something.
func TestSwitches(t *testing.T) {
	alice, bob := pair(t)
	bob.do("PUT", "/v1/faults/online", map[string]any{"online": false}).want(204)
	bob.do("GET", "/v1/faults", nil).is(map[string]any{"online": false})
	bob.until("it knows", func() bool { return bob.do("GET", "/v1/channels/tea", nil).get("online") == false })
	bob.do("POST", "/v1/channels/tea/sync", nil).problem(409, "offline", "")
	missed := alice.send("while bob is away")
	bob.do("PUT", "/v1/faults/online", map[string]any{"online": true}).want(204)
	bob.follow("", "delivered", missed)

	bob.do("PUT", "/v1/faults/partition", map[string]any{"participants": []string{"alice"}}).want(204)
	bob.do("GET", "/v1/faults", nil).is(map[string]any{"partition.0": "alice"})
	cut := alice.send("not for bob")
	bob.until("it is lost", func() bool { return bob.do("GET", "/v1/faults", nil).text("stats.partitioned") != "0" })
	bob.do("PUT", "/v1/faults/partition", map[string]any{"participants": []string{}}).want(204)
	bob.do("POST", "/v1/channels/tea/sweep", nil).want(204)
	bob.follow("", "delivered", cut)

	bob.do("PUT", "/v1/faults/clock", map[string]any{"offset": "1h"}).want(204)
	bob.do("GET", "/v1/faults", nil).is(map[string]any{"clock": "1h0m0s"})
	ahead := bob.send("from the future")
	m := bob.do("GET", "/v1/channels/tea/messages/"+ahead, nil)
	var lamport int64
	fmt.Sscan(m.text("lamport"), &lamport)
	if soon := time.Now().Add(50 * time.Minute).UnixMilli(); lamport < soon {
		t.Errorf("lamport %d, want more than %d", lamport, soon)
	}
}

// TestForce: sync and resend put a packet on the wire at once.
func TestForce(t *testing.T) {
	alice, bob := pair(t)
	id := alice.send("one", "want", "everyone")
	alice.do("GET", "/v1/channels/tea/messages/"+id+"/receipt?level=everyone&wait=60s", nil).is(map[string]any{"level": "everyone"})
	sent := func(class string) string { return bob.do("GET", "/v1/traffic", nil).text("sent." + class + ".packets") }
	before := sent("sync")
	bob.do("POST", "/v1/channels/tea/sync", nil).want(204)
	bob.until("a sync leaves", func() bool { return sent("sync") != before })
	bob.do("POST", "/v1/channels/tea/messages/"+id+"/resend", nil).want(204)
	bob.until("it leaves", func() bool { return sent("repair") != "0" })
	bob.do("POST", "/v1/channels/tea/messages/nobody/resend", nil).problem(404, "message_unknown", "message")
	if list := bob.do("GET", "/v1/channels", nil).get("channels").([]any); !slices.ContainsFunc(list, func(v any) bool { return v.(map[string]any)["channel"] == "tea" }) {
		t.Error("tea is gone")
	}
}
