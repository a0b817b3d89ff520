package faults

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/causeway-im/causeway"
	sdswire "github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// envelope is something that a member has published.
type envelope struct {
	sender    *member
	message   sdswire.Message
	payload   [sha256.Size]byte
	hint      []byte
	ephemeral bool
}

// tap is a transport that notes what is published.
type tap struct {
	*waku.Node
	post *post
	m    *member
}

// post has what all members have published.
type post struct {
	mu  sync.Mutex
	all []envelope
}

// over puts a tap over a member's network, which has stores to ask or has not.
func (p *post) over(m *member, stores bool) {
	m.over = func(n *waku.Node) transport.Transport {
		t := &tap{n, p, m}
		if !stores {
			return struct{ transport.Transport }{t}
		}
		return t
	}
}

// Publish implements transport.Transport.
func (t *tap) Publish(ctx context.Context, e transport.Envelope) ([]byte, error) {
	hint, err := t.Node.Publish(ctx, e)
	if err != nil {
		return hint, err
	}
	m, err := sdswire.Decode(e.Payload)
	if err != nil {
		t.m.g.t.Errorf("%s published %x: %v", t.m.name, e.Payload, err)
	}
	t.post.mu.Lock()
	t.post.all = append(t.post.all, envelope{t.m, m, sha256.Sum256(e.Payload), hint, e.Ephemeral})
	t.post.mu.Unlock()
	t.m.g.poke()
	return hint, nil
}

// envelopes returns the hashes of all envelopes of a message that stores should keep.
func (p *post) envelopes(id causeway.MessageID) (hints [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.all {
		if e.message.MessageID == id && !e.ephemeral {
			hints = append(hints, e.hint)
		}
	}
	return hints
}

// awaitEnvelopes waits until a message has so many envelopes, and the store has
// been offered all.
func (e *envelopeTest) awaitEnvelopes(id causeway.MessageID, count int) (hints [][]byte) {
	e.t.Helper()
	e.await("envelopes", func() bool {
		hints = e.envelopes(id)
		for _, h := range hints {
			if !e.store.saw(h) {
				return false
			}
		}
		return len(hints) >= count
	})
	return hints
}

// hint returns what a member says retrieves its message.
func (m *member) hint(id causeway.MessageID) []byte {
	m.g.t.Helper()
	msg, err := m.channel.Message(m.g.t.Context(), id)
	check(m.g.t, err)
	return msg.Hint
}

// envelopeTest is TestEnvelopes, by its parts.
type envelopeTest struct {
	*group
	t          *testing.T
	alice, bob *member
	deaf       atomic.Bool // bob hears nothing
	post
	// kept and forgotten are two messages of alice; the store forgot the first
	// envelope of the latter, which is lost.
	kept, forgotten causeway.MessageID
	hears           bool // bob has heard another one; guarded by post.mu, as these are
	lost            []byte
	earlier         causeway.Metrics // of alice's first life
}

// TestEnvelopes: what is sent again has a fresh envelope, which only stores keep
// that should. The hint of a message is the envelope that a store confirmed.
func TestEnvelopes(t *testing.T) {
	t.Parallel()
	e := &envelopeTest{group: newGroup(t, "alice", "bob"), t: t}
	openStore(e.group)
	e.alice, e.bob = e.members[0], e.members[1]
	onDisk(e.alice)
	e.bob.options.Lose = e.loses
	e.over(e.alice, true)
	e.over(e.bob, false) // or he would ask after 30 s of silence
	e.join()
	e.unheard()
	e.confirmed()
	e.nextLife()
	e.silence(e.members...)
	e.faults(storenode.Faults{})
	e.judge()
	e.tally()
	e.store.account(e.group)
}

// faults replaces the faults of the store, which then has all it was offered.
func (e *envelopeTest) faults(f storenode.Faults) {
	e.t.Helper()
	check(e.t, e.store.server.SetFaults(e.t.Context(), f))
	check(e.t, e.store.server.Flush(e.t.Context()))
}

// loses tells what bob does not hear: nothing at all while he is deaf, then nothing before
// alice's newest message, and never what only a repair is to bring him.
func (e *envelopeTest) loses(m *wire.Message) bool {
	if e.deaf.Load() {
		return true
	}
	x, err := sdswire.Decode(m.Payload)
	if err != nil || x.SenderID != e.alice.name {
		return false
	}
	e.post.mu.Lock()
	defer e.post.mu.Unlock()
	if e.kept == "" { // she has said nothing yet
		return false
	}
	if x.Kind() == sdswire.Content && !m.Ephemeral {
		if x.MessageID == e.kept || x.MessageID == e.forgotten {
			return true
		}
		e.hears = true
	}
	return !e.hears
}

// silence suspends members, and waits until the store has been offered all that they have
// published.
func (e *envelopeTest) silence(members ...*member) {
	e.t.Helper()
	for _, m := range members {
		check(e.t, m.node.Suspend(within(e.t)))
	}
	e.await("all envelopes at the store", func() bool {
		e.post.mu.Lock()
		defer e.post.mu.Unlock()
		return !slices.ContainsFunc(e.all, func(x envelope) bool { return slices.Contains(members, x.sender) && !e.store.saw(x.hint) })
	})
}

// unheard lets alice speak while nobody tells her that it came through: she sends
// again.
func (e *envelopeTest) unheard() {
	e.t.Helper()
	e.deaf.Store(true)
	e.faults(storenode.Faults{Status: 503})
	e.alice.say(2)
	e.post.mu.Lock()
	e.kept, e.forgotten = e.alice.sent[0], e.alice.sent[1]
	e.post.mu.Unlock()
	e.lost = e.awaitEnvelopes(e.forgotten, 1)[0]
	check(e.t, e.store.server.Forget(e.t.Context(), [32]byte(e.lost)))
	e.awaitEnvelopes(e.forgotten, 2)
	e.awaitEnvelopes(e.kept, 2)
	for _, id := range e.alice.sent {
		if now, err := e.alice.channel.Receipt(id).Now(e.t.Context()); err != nil || now.Level != causeway.Sent {
			e.t.Errorf("%s is at %v, though nobody has confirmed it; %v", id, now.Level, err)
		}
	}
}

// confirmed lets the store answer: each message is found by all of its envelopes
// that are there, and one of these is the hint.
func (e *envelopeTest) confirmed() {
	e.t.Helper()
	e.faults(storenode.Faults{})
	e.silence(e.alice) // so that the cut loses nothing that has left
	e.alice.waku.SetOnline(false)
	e.alice.await("absence", offline)
	e.alice.waku.SetOnline(true)
	check(e.t, e.alice.node.Resume(within(e.t))) // she asks at once
	e.alice.acknowledged(causeway.Stored)
	e.silence(e.alice)
	check(e.t, e.store.server.Flush(e.t.Context()))
	for _, id := range e.alice.sent {
		for _, h := range e.envelopes(id) {
			e.present(map[string]bool{string(h): !bytes.Equal(h, e.lost)})
		}
	}
	e.hinted()
}

// hinted fails if the hint of a message of alice is no envelope that the store has.
func (e *envelopeTest) hinted() {
	e.t.Helper()
	for _, id := range e.alice.sent {
		hint := e.alice.hint(id)
		if bytes.Equal(hint, e.lost) || !slices.ContainsFunc(e.envelopes(id), func(h []byte) bool { return bytes.Equal(h, hint) }) {
			e.t.Errorf("the hint %x of %s is of no envelope that the store has", hint, id)
		}
	}
}

// nextLife lets alice live again. Bob hears now, and alice repairs, since the store
// is silent.
func (e *envelopeTest) nextLife() {
	e.t.Helper()
	node := e.alice.node
	e.alice.stop()
	e.earlier = node.Metrics()
	e.faults(storenode.Faults{Status: 503})
	e.alice.start()
	e.hinted()
	e.deaf.Store(false)
	e.heal()
	e.bob.say(2)
	e.alice.say(1)
	e.settle()
	e.bob.named(e.forgotten, e.alice.hint(e.forgotten))
}

// named fails if a member has not heard of a gap with a hint.
func (m *member) named(id causeway.MessageID, hint []byte) {
	m.g.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, gap := range m.gaps {
		if gap.ID == id && bytes.Equal(gap.Hint, hint) {
			return
		}
	}
	m.g.t.Errorf("%s was not told that %x retrieves %s: %+v", m.name, hint, id, m.gaps)
}

// client returns somebody who has not asked the store before.
func (e *envelopeTest) client() *storenode.Client {
	e.t.Helper()
	stores, err := storenode.ParseStores(e.stores...)
	check(e.t, err)
	c, err := storenode.NewClient(e.bob.waku.Host(), storenode.Options{Stores: stores,
		PubsubTopic: func(transport.Topic) string { return "/waku/2/rs/16/32" }})
	check(e.t, err)
	return c
}

// present fails if the store does not have, or has, these envelopes as wanted.
func (e *envelopeTest) present(want map[string]bool) {
	e.t.Helper()
	c := e.client()
	for hint, wanted := range want {
		has, err := c.Stored(within(e.t), topic, [][]byte{[]byte(hint)})
		check(e.t, err)
		if has[0] != wanted {
			e.t.Errorf("the store has %x: %v", hint, has[0])
		}
		found, err := c.Retrieve(within(e.t), topic, [][]byte{[]byte(hint)})
		check(e.t, err)
		if (len(found) == 1) != wanted {
			e.t.Errorf("the store returns %d messages for %x", len(found), hint)
		}
	}
}

// judge checks all envelopes.
func (e *envelopeTest) judge() {
	t := e.t
	t.Helper()
	hashes := map[string]bool{}
	payloads := map[causeway.MessageID][sha256.Size]byte{}
	stored := map[string]bool{}
	for _, x := range e.all {
		m := &x.message
		if hashes[string(x.hint)] {
			t.Errorf("two envelopes have the hash %x", x.hint)
		}
		hashes[string(x.hint)] = true
		stored[string(x.hint)] = !x.ephemeral && !bytes.Equal(x.hint, e.lost)
		if m.Kind() != sdswire.Content && !x.ephemeral {
			t.Errorf("%s published a %v for stores to keep", x.sender.name, m.Kind())
		}
		if m.Kind() == sdswire.Content && m.SenderID != x.sender.name && !x.ephemeral {
			t.Errorf("%s published a message of %s for stores to keep", x.sender.name, m.SenderID)
		}
		if m.Kind() != sdswire.Content {
			continue
		}
		if was, known := payloads[m.MessageID]; known && was != x.payload {
			t.Errorf("%s was published with other bytes", m.MessageID)
		}
		payloads[m.MessageID] = x.payload
	}
	e.present(stored)
}

// tally compares the envelopes with what the members have counted.
func (e *envelopeTest) tally() {
	e.t.Helper()
	var want, got struct{ kept, ephemeral, repairs uint64 }
	for _, m := range e.members { // then all that has left is counted
		check(e.t, m.node.Close())
	}
	for _, x := range []causeway.Metrics{e.earlier, e.alice.node.Metrics(), e.bob.node.Metrics()} {
		want.kept += x.Sent[content].Packets + x.Sent[resend].Packets
		want.repairs += x.Sent[repair].Packets
		want.ephemeral += x.Sent[repair].Packets + x.Sent[request].Packets + x.Sent[ack].Packets + x.Sent[syncs].Packets
	}
	for _, x := range e.all {
		switch {
		case !x.ephemeral:
			got.kept++
		default:
			got.ephemeral++
			if x.message.Kind() == sdswire.Content {
				got.repairs++
			}
		}
	}
	if got != want {
		e.t.Errorf("envelopes: %+v, counted: %+v", got, want)
	}
	if got.kept < 7 || got.repairs == 0 {
		e.t.Errorf("too little happened: %+v", got)
	}
	e.t.Logf("envelopes: %+v", got)
}
