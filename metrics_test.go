//go:build go1.25

package causeway_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// clerk counts what a node does to its transport and its store.
type clerk struct {
	*loopback.Endpoint
	mu                       sync.Mutex
	sent, failed, retrieved  causeway.Count
	queries, unanswered      uint64
	commits, commitFailures  uint64
	failCommits, failPublish func() bool
	beforeCommit             func()
}

// watched puts a clerk between a member and its surroundings.
func watched(c *clerk) func(*member) {
	return func(m *member) {
		c.Endpoint, m.options.Transport = m.end, c
		f := &faulty{Store: m.options.Store}
		f.onCommit(c.commit)
		m.options.Store = f
	}
}

func (c *clerk) commit(_ *store.Batch, apply func() error) error {
	c.mu.Lock()
	before, fail := c.beforeCommit, c.failCommits
	c.mu.Unlock()
	if before != nil {
		before()
	}
	err := errDisk
	if fail == nil || !fail() {
		err = apply()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.commitFailures++
	} else {
		c.commits++
	}
	return err
}

func (c *clerk) Publish(ctx context.Context, e transport.Envelope) (hint []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err = errors.New("not now"); c.failPublish == nil || !c.failPublish() {
		hint, err = c.Endpoint.Publish(ctx, e)
	}
	count := &c.sent
	if err != nil {
		count = &c.failed
	}
	count.Packets++
	count.Bytes += uint64(len(e.Payload))
	return hint, err
}

// answered counts a query, and the packets that it brought.
func (c *clerk) answered(received []transport.Received, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queries++
	if err != nil {
		c.unanswered++
	}
	for _, r := range received {
		c.retrieved.Packets++
		c.retrieved.Bytes += uint64(len(r.Payload))
	}
}

func (c *clerk) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	page, err := c.Endpoint.Query(ctx, q)
	c.answered(page.Messages, err)
	return page, err
}

func (c *clerk) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
	received, err := c.Endpoint.Retrieve(ctx, topic, hints)
	c.answered(received, err)
	return received, err
}

func (c *clerk) Stored(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
	stored, err := c.Endpoint.Stored(ctx, topic, hints)
	c.answered(nil, err)
	return stored, err
}

// checkBooks compares a member's metrics with its clerk's and with its store. A
// packet or query that was on its way to the transport when the node was
// suspended counts as failed, and the clerk never saw it.
func (c *clerk) checkBooks(m *member) {
	t := m.w.t
	t.Helper()
	synctest.Wait()
	got := m.node.Metrics()
	var sent causeway.Count
	var failed uint64
	for class := range causeway.Classes {
		sent.Packets, sent.Bytes = sent.Packets+got.Sent[class].Packets, sent.Bytes+got.Sent[class].Bytes
		failed += got.Failed[class]
	}
	stats := m.end.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	if sent != c.sent || sent != (causeway.Count{Packets: uint64(stats.Published), Bytes: uint64(stats.PublishedBytes)}) || failed-c.failed.Packets > 8 {
		t.Errorf("sent %+v, failed %d; the transport took %+v and refused %+v: %+v", sent, failed, c.sent, c.failed, stats)
	}
	if got.Received != (causeway.Count{Packets: uint64(stats.Delivered), Bytes: uint64(stats.DeliveredBytes)}) || got.Retrieved != c.retrieved {
		t.Errorf("received %+v, retrieved %+v; delivered were %d of %d bytes, returned %+v", got.Received, got.Retrieved, stats.Delivered, stats.DeliveredBytes, c.retrieved)
	}
	if got.Queries-c.queries > 3 || got.Queries-got.QueryFailures != c.queries-c.unanswered || c.queries != uint64(stats.Queries) {
		t.Errorf("%d queries, %d failed; there were %d, %d failed", got.Queries, got.QueryFailures, c.queries, c.unanswered)
	}
	if got.Commits != c.commits || got.CommitFailures != c.commitFailures {
		t.Errorf("%d commits, %d failed; there were %d, %d failed", got.Commits, got.CommitFailures, c.commits, c.commitFailures)
	}
	var want causeway.Metrics
	for _, e := range m.events() {
		want.Events++
		switch {
		case e.Kind == causeway.EventDelivered:
			want.Messages++
			if e.Message.Own {
				want.Own++
			}
		case e.Kind != causeway.EventGap:
		case e.Gap.State == causeway.GapMissing:
			want.GapsFound++
		case e.Gap.State == causeway.GapRecovered:
			want.GapsRecovered++
		case e.Gap.State == causeway.GapLost:
			want.GapsLost++
		}
	}
	if got.Events != want.Events || got.Messages != want.Messages || got.Own != want.Own || got.GapsFound != want.GapsFound ||
		got.GapsRecovered != want.GapsRecovered || got.GapsLost != want.GapsLost {
		t.Errorf("metrics %+v, events tell %+v", got, want)
	}
}

// grows fails if a number of the second is below that of the first.
func grows(t *testing.T, what string, before, after reflect.Value) {
	t.Helper()
	switch before.Kind() {
	case reflect.Struct:
		for i := range before.NumField() {
			grows(t, what+"."+before.Type().Field(i).Name, before.Field(i), after.Field(i))
		}
	case reflect.Array:
		for i := range before.Len() {
			grows(t, what, before.Index(i), after.Index(i))
		}
	default:
		if after.Uint() < before.Uint() {
			t.Errorf("%s fell from %d to %d", what, before.Uint(), after.Uint())
		}
	}
}

// "Metrics counts what a node did since it was opened. All numbers only grow."
// Transport and store fail now and then; members go, come back, and suspend.
func TestMetricsAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 5, Loss: 0.15, MaxDelay: 500 * time.Millisecond,
			Store: &loopback.StoreOptions{FailEvery: 5, QueryDelay: 200 * time.Millisecond, Forget: 0.2}}, "alice", "bob", "carol")
		rarely := func(seed uint64) func() bool {
			random := rand.New(rand.NewPCG(1, seed))
			return func() bool { return random.IntN(12) == 0 }
		}
		c := &clerk{failCommits: rarely(1), failPublish: rarely(2)}
		alice, bob, carol := w.start("alice", watched(c)), w.start("bob"), w.start("carol")
		var before causeway.Metrics
		look := func() {
			t.Helper()
			after := alice.node.Metrics()
			grows(t, "Metrics", reflect.ValueOf(before), reflect.ValueOf(after))
			before = after
		}
		for i, text := range lines(90) {
			m := []*member{alice, bob, carol}[i%3]
			if _, err := m.ch.Send(t.Context(), []byte(text), causeway.SendOptions{}); err != nil {
				checkIs(t, "Send", err, errDisk)
			}
			time.Sleep(time.Second)
			look()
			switch i % 30 {
			case 10:
				alice.end.SetOnline(false)
			case 15:
				alice.end.SetOnline(true)
			case 20:
				alice.suspend()
			case 25:
				alice.resume()
			}
		}
		time.Sleep(time.Hour)
		look()
		c.checkBooks(alice)
		if m := before; m.Retrieved.Packets == 0 || m.QueryFailures == 0 || m.CommitFailures == 0 || m.GapsRecovered == 0 || m.Own == 0 || m.Messages == m.Own {
			t.Errorf("the scenario says nothing: %+v", m)
		}
		if uint64(alice.digest().Count) != before.Messages {
			t.Errorf("%d messages are in the log, Metrics says %d", alice.digest().Count, before.Messages)
		}
		if m := before; m.Undecodable+m.NotForMe+m.Tampered+m.OtherChannel+m.Refused+m.DroppedQueue != 0 {
			t.Errorf("nothing was wrong with any packet: %+v", m)
		}
	})
}

// "Commits are transactions": those that only forget a channel too.
func TestMetricsOfLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		c := &clerk{}
		alice := w.start("alice", watched(c))
		w.start("bob")
		waitFor(t, alice.send("one"), causeway.SeenByAll)
		time.Sleep(time.Hour)
		check(t, alice.ch.Leave(t.Context(), true))
		synctest.Wait()
		if m := alice.node.Metrics(); m.Commits != c.commits || m.Own != 1 || m.Messages != 1 {
			t.Errorf("%d commits, there were %d; %+v", m.Commits, c.commits, m)
		}
	})
}

// intruder publishes bytes on the topic of a channel.
func (w *world) intruder() func(payload []byte) {
	w.t.Helper()
	end, err := w.network.Attach("intruder")
	check(w.t, err)
	return func(payload []byte) {
		w.t.Helper()
		_, err := end.Publish(w.t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: payload})
		check(w.t, err)
		synctest.Wait()
	}
}

// genuine is a message that members accept, unless change spoils it.
func genuine(ch causeway.ChannelID, change ...func(*wire.Message)) []byte {
	now := uint64(time.Now().UnixMilli())
	m := wire.Message{Dialect: wire.LIP, SenderID: "bob", ChannelID: ch, Lamport: now, HasLamport: true, Content: []byte("hello"),
		MessageID: sds.NewMessageID(ch, "bob", now, nil, []byte("hello"))}
	for _, f := range change {
		f(&m)
	}
	return m.Encode()
}

// checkRefused lets an intruder say something, and checks that one number alone
// counts it, and nothing comes of it.
func checkRefused(m *member, what string, publish func(), counter func(*causeway.Metrics) *uint64) {
	t := m.w.t
	t.Helper()
	before, events := m.node.Metrics(), len(m.events())
	publish()
	after := m.node.Metrics()
	before.Commits, before.Events = after.Commits, after.Events // of EventTampered
	received := after.Received.Packets + after.Retrieved.Packets - before.Received.Packets - before.Retrieved.Packets
	*counter(&before) += received
	before.Received, before.Retrieved = after.Received, after.Retrieved
	if received == 0 || before != after {
		t.Errorf("%s, %d packets: metrics are %+v, want %+v", what, received, after, before)
	}
	for _, e := range m.events()[events:] {
		if e.Kind != causeway.EventTampered {
			t.Errorf("%s: event %+v", what, e)
		}
	}
}

// "Of the received and retrieved: not decodable, not openable by us, tampered
// with, for another channel, and refused by the protocol."
func TestMetricsOfRefusedPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{}}, "alice", "bob", "carol")
		alice, publish := w.start("alice"), w.intruder()
		time.Sleep(time.Minute + time.Second) // all that follows happens at one instant, when alice does nothing else
		undecodable := func(m *causeway.Metrics) *uint64 { return &m.Undecodable }
		other := func(m *causeway.Metrics) *uint64 { return &m.OtherChannel }
		refused := func(m *causeway.Metrics) *uint64 { return &m.Refused }
		bad := 0
		for what, c := range map[string]struct {
			payload []byte
			counter func(*causeway.Metrics) *uint64
		}{
			"garbage":         {[]byte("this is no SDS message at all"), undecodable},
			"cut off":         {genuine(tea)[:40], undecodable},
			"another channel": {genuine("coffee"), other},
			"no channel":      {genuine(tea, func(m *wire.Message) { m.ChannelID = "" }), other},
			"forged id":       {genuine(tea, func(m *wire.Message) { m.Content = []byte("hullo") }), refused},
			"no sender":       {genuine(tea, func(m *wire.Message) { m.SenderID = "" }), refused},
			"no id":           {genuine(tea, func(m *wire.Message) { m.MessageID = "" }), refused},
			"lamport":         {genuine(tea, func(m *wire.Message) { m.Lamport = 1 << 53 }), refused},
		} {
			checkRefused(alice, what, func() { publish(c.payload) }, c.counter)
			bad++
		}
		publish(genuine(tea))
		if alice.digest().Count != 1 {
			t.Error("what is not spoilt is not accepted: the test says nothing")
		}
		time.Sleep(time.Second)
		carol := w.start("carol") // gets all of it from the store
		synctest.Wait()
		m := carol.node.Metrics()
		if n := m.Undecodable + m.OtherChannel + m.Refused; n != uint64(bad) || m.Undecodable != 2 || m.OtherChannel != 2 || carol.digest().Count != 1 {
			t.Errorf("retrieved: %+v", m)
		}
	})
}

// The same where messages are sealed.
func TestMetricsOfUnopenedPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, publish := w.start("alice", sealed()), w.intruder()
		time.Sleep(time.Minute + time.Second)
		bob := &gcm{who: "bob"}
		seal := func(s *gcm, message []byte) []byte {
			b, err := s.Seal(tea, message)
			check(t, err)
			return b
		}
		tampered := seal(bob, genuine(tea))
		tampered[len(tampered)-1] ^= 1
		counters := map[string]func(*causeway.Metrics) *uint64{
			"tampered":  func(m *causeway.Metrics) *uint64 { return &m.Tampered },
			"for me":    func(m *causeway.Metrics) *uint64 { return &m.NotForMe },
			"undecoded": func(m *causeway.Metrics) *uint64 { return &m.Undecodable },
			"channel":   func(m *causeway.Metrics) *uint64 { return &m.OtherChannel },
			"refused":   func(m *causeway.Metrics) *uint64 { return &m.Refused },
		}
		for what, c := range map[string]struct {
			payload []byte
			counter string
		}{
			"tampered":                {tampered, "tampered"},
			"not sealed":              {[]byte("hello"), "tampered"},
			"with a key of others":    {seal(&gcm{who: "bob", key: "moderators"}, genuine(tea)), "for me"},
			"garbage, sealed":         {seal(bob, []byte("this is no SDS message at all")), "undecoded"},
			"another channel, sealed": {seal(bob, genuine("coffee")), "channel"},
			"forged sender":           {seal(&gcm{who: "mallory"}, genuine(tea)), "refused"},
		} {
			checkRefused(alice, what, func() { publish(c.payload) }, counters[c.counter])
		}
		publish(seal(bob, genuine(tea)))
		if alice.digest().Count != 1 {
			t.Error("what is not spoilt is not accepted: the test says nothing")
		}
	})
}

// "DroppedQueue were dropped since they came faster than they could be opened";
// a flood while the store hangs ends there, and what comes after is heard.
func TestMetricsOfAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		c := &clerk{}
		alice, bob := w.start("alice", watched(c)), w.start("bob")
		waitFor(t, bob.send("before"), causeway.SeenByAll)
		time.Sleep(time.Hour)
		release := make(chan struct{})
		c.mu.Lock()
		c.beforeCommit = func() { <-release }
		c.mu.Unlock()
		flooder, err := w.network.Attach("flooder")
		check(t, err)
		bob.send("hangs")
		synctest.Wait()
		const flood = 12_000
		for range flood {
			_, err := flooder.Publish(t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: []byte("noise"), Ephemeral: true})
			check(t, err)
		}
		synctest.Wait()
		dropped := alice.node.Metrics().DroppedQueue
		close(release)
		synctest.Wait()
		if m := alice.node.Metrics(); dropped == 0 || dropped > flood || m.DroppedQueue != dropped || m.Undecodable != flood-dropped {
			t.Errorf("of %d packets %d were dropped and %d refused", flood, m.DroppedQueue, m.Undecodable)
		}
		waitFor(t, bob.send("after"), causeway.SeenByAll)
		until(t, time.Hour, "logs are equal", func() bool { return alice.digest() == bob.digest() })
		c.checkBooks(alice)
	})
}

// "DroppedStore since the store failed": what comes while a channel is given up.
func TestMetricsOfADeadStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		var f *faulty
		alice, publish := w.start("alice", withFaults(&f)), w.intruder()
		time.Sleep(time.Minute)
		f.setDown(true)
		publish(genuine(tea)) // its commit fails
		before := alice.node.Metrics()
		if before.CommitFailures == 0 || before.DroppedStore != 0 {
			t.Errorf("%+v", before)
		}
		publish(genuine(tea))
		publish([]byte("garbage"))
		if m := alice.node.Metrics(); m.DroppedStore != 2 || m.Received.Packets != 3 || m.Undecodable != 0 {
			t.Errorf("%+v", m)
		}
		f.setDown(false)
		time.Sleep(time.Minute)
		publish(genuine(tea))
		if m := alice.node.Metrics(); m.DroppedStore != 2 || m.Messages != 1 || alice.digest().Count != 1 {
			t.Errorf("%+v", m)
		}
	})
}
