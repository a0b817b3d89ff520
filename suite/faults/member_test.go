package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/internal/freeport"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/transport"
)

const (
	topic transport.Topic = "/causeway-faults/1/room/proto"

	content = sds.ClassContent
	resend  = sds.ClassResend
	repair  = sds.ClassRepair
	request = sds.ClassRequest
	ack     = sds.ClassAck
	syncs   = sds.ClassSync
)

// member is somebody with a node, who may live several times. Its methods are for
// the goroutine of the test.
type member struct {
	g       *group
	name    causeway.ParticipantID
	options waku.Options // from the first life on with its key and address
	path    string       // of the database, or ""
	over    func(*waku.Node) transport.Transport
	audit   store.Store // reads what db writes, in and between all lives

	db      store.Store
	closeDB func() error
	waku    *waku.Node
	node    *causeway.Node
	channel *causeway.Channel
	sent    []causeway.MessageID
	reader  sync.WaitGroup
	early   uint64 // packets that came while the channel was being joined: counted as DroppedStore

	mu        sync.Mutex
	cursor    causeway.Cursor
	delivered map[causeway.MessageID]bool
	gaps      []causeway.Gap
}

// openDB opens a second handle on a database, for as long as the test.
func openDB(t testing.TB, path string) store.Store {
	db, err := sqlite.Open(t.Context(), path)
	check(t, err)
	t.Cleanup(func() { db.Close() })
	s, err := store.OpenSQL(t.Context(), db, store.SQLOptions{})
	check(t, err)
	return s
}

// start begins a life, on the identity and the address of the one before.
func (m *member) start() {
	m.g.t.Helper()
	m.connect()
	m.open()
}

// connect starts the Waku node of a life.
func (m *member) connect() {
	t := m.g.t
	t.Helper()
	var err error
	if m.options.Key == nil {
		m.options.Key, err = waku.NewKey()
		check(t, err)
	}
	if m.options.Mode == waku.Relay && m.options.Listen == nil {
		m.options.Listen = []string{freeport.Multiaddr(t)} // for all lives
	}
	m.waku, err = waku.New(t.Context(), m.options)
	check(t, err)
	t.Cleanup(m.stop)
	m.waku.WatchHealth(func(waku.Health) { m.g.poke() })
}

// open starts the node of a life.
func (m *member) open() {
	t, ctx := m.g.t, m.g.t.Context()
	t.Helper()
	if m.path != "" {
		db, err := sqlite.Open(ctx, m.path)
		check(t, err)
		m.closeDB = db.Close
		m.db, err = store.OpenSQL(ctx, db, store.SQLOptions{})
		check(t, err)
	}
	network := m.waku.Transport()
	if m.over != nil {
		network = m.over(m.waku)
	}
	var err error
	m.node, err = causeway.Open(ctx, causeway.Options{Store: m.db, Transport: network, Observer: &referee{t, m.name, m.g.holds}})
	check(t, err)
	cfg := m.g.config
	cfg.Participant = m.name
	m.channel, err = m.node.Join(ctx, cfg)
	check(t, err)
	channel := m.channel
	m.reader.Go(func() { m.read(channel) })
}

// stop ends a life.
func (m *member) stop() {
	if m.node != nil {
		m.node.Close()
		m.reader.Wait()
	}
	if m.waku != nil {
		m.waku.Close()
	}
	if m.closeDB != nil {
		m.closeDB()
	}
	m.node, m.closeDB = nil, nil
}

// read follows the events until the node is closed, from where the life before has
// come to.
func (m *member) read(channel *causeway.Channel) {
	for e, err := range channel.Events(context.Background(), m.cursor) {
		if errors.Is(err, causeway.ErrClosed) {
			return
		}
		if err != nil {
			m.g.t.Errorf("%s: events: %v", m.name, err)
			return
		}
		m.take(&e)
		m.g.poke()
	}
}

func (m *member) take(e *causeway.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.Cursor != m.cursor+1 {
		m.g.t.Errorf("%s: after event %d comes %d", m.name, m.cursor, e.Cursor)
	}
	m.cursor = e.Cursor
	switch e.Kind {
	case causeway.EventDelivered:
		if m.delivered[e.ID] {
			m.g.t.Errorf("%s: %s was delivered twice", m.name, e.ID)
		}
		m.delivered[e.ID] = true
	case causeway.EventGap:
		m.gaps = append(m.gaps, *e.Gap)
	}
}

// has counts the messages that were delivered.
func (m *member) has() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.delivered)
}

// got tells whether a message was delivered.
func (m *member) got(id causeway.MessageID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.delivered[id]
}

// say sends so many messages.
func (m *member) say(count int) {
	m.g.t.Helper()
	for range count {
		m.send(fmt.Appendf(nil, "%s says %d", m.name, len(m.sent)))
	}
}

// send sends a message that everybody is to have.
func (m *member) send(content []byte) *causeway.Receipt {
	m.g.t.Helper()
	r, err := m.channel.Send(within(m.g.t), content, causeway.SendOptions{Want: causeway.Everyone})
	check(m.g.t, err)
	m.sent = append(m.sent, r.ID())
	return r
}

// acknowledged waits until all own messages have come to a level.
func (m *member) acknowledged(level causeway.Level) {
	m.g.t.Helper()
	ctx := within(m.g.t)
	for i, id := range m.sent {
		now, err := m.channel.Receipt(id).WaitFor(ctx, level)
		if err != nil {
			m.g.report()
			m.g.t.Fatalf("%s: message %d of %d (%s) is at %v, known of %v: %v", m.name, i+1, len(m.sent), id, now.Level, now.Persons, err)
		}
		if level == causeway.SeenByAll && (now.Seen != now.Of || now.Of != len(m.g.config.Roster.Members)-1) {
			m.g.t.Errorf("%s: %s was seen by %d of %d", m.name, id, now.Seen, now.Of)
		}
	}
}

// await waits until the health of the Waku node is as wanted.
func (m *member) await(what string, ok func(waku.Health) bool) {
	m.g.t.Helper()
	m.g.await(fmt.Sprintf("%s: %s", m.name, what), func() bool { return ok(m.waku.Health()) })
}

func offline(h waku.Health) bool { return !h.Online }

// holds tells whether a person has a message now.
func (g *group) holds(person causeway.PersonID, id causeway.MessageID) bool {
	for _, m := range slices.Concat(g.members, g.watched) {
		if causeway.PersonID(m.name) == person {
			return holds(m.audit, id)
		}
	}
	return false
}

func holds(s store.Store, id causeway.MessageID) bool {
	kept, err := s.Message(context.Background(), room, id)
	return err == nil && kept.Sealed != nil
}

// referee is a node's observer: no receipt may count a person who does not have
// the message.
type referee struct {
	t     interface{ Errorf(string, ...any) }
	name  causeway.ParticipantID
	holds func(causeway.PersonID, causeway.MessageID) bool
}

// Committing implements causeway.Observer.
func (r *referee) Committing(_ store.Tx, events []causeway.Event) error {
	for i := range events {
		if events[i].Receipt == nil {
			continue
		}
		for _, p := range events[i].Receipt.Persons {
			if !r.holds(p, events[i].ID) {
				r.t.Errorf("%s counts %s, who does not have %s", r.name, p, events[i].ID)
			}
		}
	}
	return nil
}

// complaints notes what a referee says.
type complaints []string

func (c *complaints) Errorf(format string, args ...any) {
	*c = append(*c, fmt.Sprintf(format, args...))
}

// TestReferee: a referee complains about a person who does not have what is counted,
// and about nobody else.
func TestReferee(t *testing.T) {
	t.Parallel()
	g := newGroup(t, "alice", "bob")
	g.join()
	alice, bob := g.members[0], g.members[1]
	id := alice.send([]byte("hello")).ID()
	g.settle()
	var said complaints
	r := &referee{&said, "alice", g.holds}
	receipt := func(id causeway.MessageID, persons ...causeway.PersonID) []causeway.Event {
		return []causeway.Event{{Kind: causeway.EventReceipt, ID: id, Receipt: &causeway.ReceiptNow{ID: id, Persons: persons}}}
	}
	check(t, r.Committing(nil, receipt(id, causeway.PersonID(bob.name))))
	if len(said) > 0 {
		t.Errorf("complaints without a reason: %q", said)
	}
	check(t, r.Committing(nil, receipt("nothing", causeway.PersonID(bob.name))))
	check(t, r.Committing(nil, receipt(id, "carol")))
	if len(said) != 2 {
		t.Errorf("complaints: %q", said)
	}
}
