package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// counted is a store that counts the records that it returns, and says when it
// has committed.
type counted struct {
	store.Store
	loaded, read atomic.Int64
	committed    chan struct{}
}

func count(db store.Store) *counted { return &counted{Store: db, committed: make(chan struct{}, 1)} }

func (s *counted) Commit(ctx context.Context, b *store.Batch) error {
	err := s.Store.Commit(ctx, b)
	select {
	case s.committed <- struct{}{}:
	default:
	}
	return err
}

func (s *counted) Load(ctx context.Context, ch causeway.ChannelID, window int) (store.Channel, error) {
	c, err := s.Store.Load(ctx, ch, window)
	s.loaded.Add(int64(len(c.State.Messages)))
	return c, err
}

func (s *counted) Log(ctx context.Context, ch causeway.ChannelID, q store.LogQuery) ([]store.Message, error) {
	page, err := s.Store.Log(ctx, ch, q)
	s.read.Add(int64(len(page)))
	return page, err
}

func (s *counted) Message(ctx context.Context, ch causeway.ChannelID, id causeway.MessageID) (store.Message, error) {
	s.read.Add(1)
	return s.Store.Message(ctx, ch, id)
}

func (s *counted) Events(ctx context.Context, ch causeway.ChannelID, after store.Cursor, limit int) ([]store.Event, error) {
	page, err := s.Store.Events(ctx, ch, after, limit)
	s.read.Add(int64(len(page)))
	return page, err
}

// chatter is somebody with a history.
type chatter struct {
	t     testing.TB
	db    *counted
	node  *causeway.Node
	ch    *causeway.Channel
	close func()
}

// historyConfig is that of a channel with the window that applications have.
func historyConfig(who causeway.ParticipantID) causeway.ChannelConfig {
	c := config(who)
	c.Profile.Window = 0
	return c
}

func newChatter(t testing.TB, who causeway.ParticipantID, db store.Store, network transport.Transport) *chatter {
	c := &chatter{t: t, db: count(db)}
	var err error
	c.node, err = causeway.Open(context.Background(), causeway.Options{Store: c.db, Transport: network, Seed: uint64(len(who))})
	check(t, err)
	c.close = func() { check(t, c.node.Close()) }
	c.ch, err = c.node.Join(context.Background(), historyConfig(who))
	check(t, err)
	return c
}

// openAlice does what an application does at its start.
func openAlice(t testing.TB, path string, network transport.Transport) *chatter {
	db, err := sqlite.Open(context.Background(), path)
	check(t, err)
	kept, err := store.OpenSQL(context.Background(), db, store.SQLOptions{})
	check(t, err)
	c := newChatter(t, alice, kept, network)
	c.close = func() {
		check(t, c.node.Close())
		check(t, db.Close())
	}
	return c
}

// say sends n messages at once: they share transactions.
func (c *chatter) say(from, n int) {
	var all sync.WaitGroup
	for i := from; i < from+n; i++ {
		all.Go(func() {
			if _, err := c.ch.Send(context.Background(), fmt.Appendf(nil, "this is message %d", i), causeway.SendOptions{}); err != nil {
				c.t.Error(err)
			}
		})
	}
	all.Wait()
}

// await waits until the log has n messages.
func (c *chatter) await(n int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		st, err := c.ch.Status(ctx)
		check(c.t, err)
		if st.Messages >= causeway.Position(n) {
			return
		}
		select {
		case <-c.db.committed:
		case <-ctx.Done():
			c.t.Fatalf("%d messages, waiting for %d", st.Messages, n)
		}
	}
}

func newLoopback(t testing.TB, names ...causeway.ParticipantID) (*loopback.Network, []*loopback.Endpoint) {
	network, err := loopback.New(loopback.Options{Seed: 1})
	check(t, err)
	var ends []*loopback.Endpoint
	for _, name := range names {
		end, err := network.Attach(string(name))
		check(t, err)
		ends = append(ends, end)
	}
	return network, ends
}

// makeHistory lets alice hear n messages of bob and of her own, through nodes
// and a network, and returns her file.
func makeHistory(t testing.TB, n int) string {
	began := time.Now()
	path := filepath.Join(t.TempDir(), "alice.db")
	network, ends := newLoopback(t, alice, "bob")
	defer network.Close()
	a := openAlice(t, path, ends[0])
	defer a.close()
	b := newChatter(t, "bob", store.NewMemory(), ends[1])
	defer b.close()
	const batch = 1000
	for sent := 0; sent < n; sent += batch {
		b.say(sent, batch-1)
		a.await(sent + batch - 1)
		a.say(sent+batch-1, 1)
		b.await(sent + batch)
	}
	info, err := os.Stat(path)
	check(t, err)
	t.Logf("%d messages of history, %d MB, in %v", n, info.Size()>>20, time.Since(began).Round(time.Millisecond))
	return path
}

// A long history is not loaded at the start, and all of it is there.
func TestHistory(t *testing.T) {
	n := 12_000
	if nightly {
		n = 100_000
	}
	path := makeHistory(t, n)
	network, ends := newLoopback(t, alice, "carol")
	defer network.Close()
	heard := make(chan wire.Message, 1000)
	cancel, err := ends[1].Subscribe(transport.Topic(room), func(r transport.Received) {
		if m, err := wire.Decode(r.Payload); err == nil && m.Kind() == wire.Content {
			heard <- m
		}
	})
	check(t, err)
	defer cancel()
	a := openAlice(t, path, ends[0])
	defer a.close()
	a.await(n)
	before, err := a.ch.Status(t.Context())
	check(t, err)
	most := int64(sds.DefaultWindow + before.Unacknowledged + 10)
	if got := a.db.loaded.Load(); got < sds.DefaultWindow || got > most || before.Unacknowledged > n/1000 {
		t.Errorf("Join loaded %d messages of %d, with %d unacknowledged", got, n, before.Unacknowledged)
	}

	old, _, err := a.ch.Messages(t.Context(), causeway.Log{ByPosition: true, Limit: 10})
	check(t, err)
	carol := newCarol(t, a.db.Store, old[3].ID)
	carol.publish(ends[1], carol.asksFor(old[1].ID))
	if m := awaitContent(t, heard, old[1].ID); string(m.Content) != string(old[1].Content) {
		t.Errorf("the repair says %q, not %q", m.Content, old[1].Content)
	}
	carol.publish(ends[1], carol.says("what was that?"))
	a.await(n + 1)
	a.say(n+1, 1)
	a.await(n + 2)
	log, _, err := a.ch.Messages(t.Context(), causeway.Log{ByPosition: true, Descending: true, Limit: 2})
	check(t, err)
	if m := log[1]; string(m.Content) != "what was that?" || len(m.Parents) != 1 || m.Parents[0] != old[3].ID {
		t.Errorf("carol's message is %q, a child of %v", m.Content, m.Parents)
	}
	kept, err := a.db.Store.Message(t.Context(), room, old[1].ID)
	check(t, err)
	carol.publish(ends[1], kept.Sealed) // again, from the depths
	a.say(n+2, 1)
	a.await(n + 3)
	st, err := a.ch.Status(t.Context())
	check(t, err)
	if st.Messages != causeway.Position(n+3) || st.Missing != 0 || st.Waiting != 0 {
		t.Errorf("after all there is %+v", st)
	}
	// What is sent again, since nobody has acknowledged it, is read each time.
	read, x := a.db.read.Load(), a.node.Metrics()
	again := int64(x.Sent[sds.ClassResend].Packets + x.Failed[sds.ClassResend])
	if loaded := a.db.loaded.Load(); loaded > most || read > 100+again+int64(before.Unacknowledged) {
		t.Errorf("in all %d messages were loaded, and %d read, %d of them to send them again", loaded, read, again)
	}
}

// awaitContent waits until a message was broadcast.
func awaitContent(t testing.TB, heard <-chan wire.Message, id causeway.MessageID) wire.Message {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case m := <-heard:
			if m.MessageID == id {
				return m
			}
		case <-timeout:
			t.Fatalf("nobody has sent %s", id)
		}
	}
}

// carolCore is a participant who knows one old message alone.
type carolCore struct {
	t    testing.TB
	core *sds.Channel
}

func newCarol(t testing.TB, db store.Store, knows causeway.MessageID) *carolCore {
	m, err := db.Message(t.Context(), room, knows)
	check(t, err)
	m.Position = 1
	core, err := sds.Restore(sds.Config{Channel: room, Participant: "carol", Seed: 3}, sds.State{
		Meta:     sds.Meta{Incarnation: 1, Lamport: m.Lamport, Position: 1, BaseFixed: true, Heads: []sds.MessageID{knows}},
		Messages: map[sds.MessageID]sds.MessageRecord{knows: m.MessageRecord}}, nil, sds.At(time.Now()))
	check(t, err)
	return &carolCore{t, core}
}

// says returns a message whose parent is the old one.
func (c *carolCore) says(text string) []byte {
	_, err := c.core.Send(sds.At(time.Now()), []byte(text), sds.SendOptions{})
	check(c.t, err)
	defer c.core.Advance()
	for _, p := range c.core.Ready().Packets {
		if p.Class == sds.ClassContent {
			return p.Payload
		}
	}
	c.t.Fatal("no packet")
	return nil
}

// asksFor returns a sync message that asks for an old message.
func (c *carolCore) asksFor(id causeway.MessageID) []byte {
	m := wire.Message{Dialect: wire.LIP, SenderID: "carol", MessageID: "carol asks", ChannelID: room,
		Lamport: uint64(time.Now().UnixMilli()), HasLamport: true, RepairRequest: []wire.HistoryEntry{{MessageID: id}}}
	return m.Encode()
}

func (c *carolCore) publish(end *loopback.Endpoint, payload []byte) {
	_, err := end.Publish(c.t.Context(), transport.Envelope{Topic: transport.Topic(room), Payload: payload})
	check(c.t, err)
}

// BenchmarkOpen100k opens a file, a node on it and its channel, in turns with
// 1,000, with 10,000 (the window, which is loaded) and with 100,000 messages of
// history.
func BenchmarkOpen100k(b *testing.B) {
	sizes := []int{1000, 10_000, 100_000}
	var paths []string
	for _, n := range sizes {
		paths = append(paths, makeHistory(b, n))
	}
	spent := make([]time.Duration, len(sizes))
	for b.Loop() {
		for i, path := range paths {
			began := time.Now()
			c := openAlice(b, path, nil)
			spent[i] += time.Since(began)
			c.close()
		}
	}
	for i, n := range sizes {
		b.ReportMetric(float64(spent[i].Microseconds())/1000/float64(b.N), fmt.Sprintf("ms/open-%d", n))
	}
	b.ReportMetric(float64(spent[2])/float64(spent[0]), "x-1000")
	b.ReportMetric(float64(spent[2])/float64(spent[1]), "x-10000")
}
