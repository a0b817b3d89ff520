package gowaku

import (
	"context"
	"fmt"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/waku"
)

var names = []causeway.ParticipantID{"alice's laptop", "bob's phone", "carol's tablet"}

// group lets three members talk whose only connection is one go-waku node: two are
// relays, the third is a light node.
func group(t *testing.T, ctx context.Context, c *child) (members []*causeway.Channel, nodes []*waku.Node) {
	t.Helper()
	nodes = []*waku.Node{open(t, waku.Options{Peers: c.Addrs}), open(t, waku.Options{Peers: c.Addrs}), light(t, c)}
	for _, n := range nodes[:2] {
		await(t, n, "a mesh", meshed(1))
		c.grafted(n)
	}
	roster := &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{
		names[0]: "alice", names[1]: "bob", names[2]: "carol",
	}}
	for i, n := range nodes {
		node, err := causeway.Open(ctx, causeway.Options{Store: store.NewMemory(), Transport: n.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		m, err := node.Join(ctx, causeway.ChannelConfig{Channel: "tea", Participant: names[i], Roster: roster, Topic: topic})
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, m)
	}
	return members, nodes
}

// TestConversation: 20 messages, each an answer to one that its writer has read.
// Each member learns that everybody has what it wrote, and all have the same log.
func TestConversation(t *testing.T) {
	need(t)
	const messages = 20
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	members, _ := group(t, ctx, launch(t, service))
	var receipts []*causeway.Receipt
	for i := range messages {
		r := send(t, ctx, members[i%3], fmt.Sprint("message ", i))
		receipts = append(receipts, r)
		delivered(t, ctx, members[(i+1)%3], r.ID())
	}
	agree(t, ctx, members, receipts)
}

// TestConversationKilled: the go-waku node between the members is killed, they write
// on, and it comes back with nothing in its memory.
func TestConversationKilled(t *testing.T) {
	need(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := launch(t, service)
	members, nodes := group(t, ctx, c)
	receipts := []*causeway.Receipt{send(t, ctx, members[0], "before")}
	delivered(t, ctx, members[1], receipts[0].ID())
	again := c.again()
	c.kill()
	for i, n := range nodes {
		await(t, n, "the end", func(h waku.Health) bool { return !h.Online })
		receipts = append(receipts, send(t, ctx, members[i], "meanwhile"))
	}
	launch(t, again)
	agree(t, ctx, members, receipts)
}

func send(t *testing.T, ctx context.Context, m *causeway.Channel, text string) *causeway.Receipt {
	t.Helper()
	r, err := m.Send(ctx, []byte(text), causeway.SendOptions{Want: causeway.Everyone})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// agree waits until all have seen all messages, and compares the logs.
func agree(t *testing.T, ctx context.Context, members []*causeway.Channel, receipts []*causeway.Receipt) {
	t.Helper()
	for i, r := range receipts {
		now, err := r.WaitFor(ctx, causeway.SeenByAll)
		if err != nil || now.Seen != len(members)-1 || now.Of != len(members)-1 {
			t.Errorf("message %d: %+v, %v", i, now, err)
		}
	}
	first, err := members[0].Digest(ctx)
	if err != nil || first.Count != uint64(len(receipts)) {
		t.Errorf("%+v, %v", first, err)
	}
	for _, m := range members[1:] {
		if d, err := m.Digest(ctx); err != nil || d != first {
			t.Errorf("%s has another log: %+v, %v", m.Participant(), d, err)
		}
	}
}

// delivered waits until a member has a message in its log.
func delivered(t *testing.T, ctx context.Context, m *causeway.Channel, id causeway.MessageID) {
	t.Helper()
	for e, err := range m.Events(ctx, 0) {
		if err != nil {
			t.Fatalf("%s waits for %s: %v", m.Participant(), id, err)
		}
		if e.Kind == causeway.EventDelivered && e.ID == id {
			return
		}
	}
}
