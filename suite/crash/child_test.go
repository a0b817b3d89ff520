package crash

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
)

// orderVar is the variable of the environment that makes the test binary a
// child: it holds an order.
const orderVar = "CAUSEWAY_CRASH_ORDER"

// order is what a parent wants of a child.
type order struct {
	Path string
	Life int
	Seed uint64
	// After is the cursor up to which the application has dealt with events.
	After causeway.Cursor
	// Tight lets transactions spill into the WAL before they end: one connection,
	// with hardly a page of cache.
	Tight bool
	// Inside and Late are the numbers of commits in which and after which the
	// child stops and waits to be killed; from Refuse on the first one with an own
	// message fails; 0 is none.
	Inside, Late, Refuse int
	// Bug names a promise that the store breaks.
	Bug string
}

const (
	room  = causeway.ChannelID("room")
	alice = causeway.ParticipantID("alice") // the child
	// roundTrip is short: the network is a pipe.
	roundTrip = 50 * time.Millisecond
	// window is small, so that much of the log is below it.
	window = 500
	// talkers send at the same time, so that messages share commits.
	talkers = 2
)

var others = []causeway.ParticipantID{"bob", "carol", "dave"}

func config(who causeway.ParticipantID) causeway.ChannelConfig {
	r := &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{alice: "alice"}, Stewards: []causeway.PersonID{"bob"}}
	for _, o := range others {
		r.Members[o] = causeway.PersonID(o)
	}
	p := causeway.ProfileLIP
	p.RoundTrip, p.Window = roundTrip, window
	return causeway.ChannelConfig{Channel: room, Participant: who, Roster: r, Profile: p}
}

func TestMain(m *testing.M) {
	if o := os.Getenv(orderVar); o != "" {
		runChild(o)
		return
	}
	os.Exit(m.Run())
}

// child is a process that waits to be killed.
type child struct {
	order order
	out   *lines
	quiet atomic.Bool

	commits atomic.Int64
	refused bool // of the node's loop

	mu  sync.Mutex
	own []causeway.MessageID
}

// runChild runs until it is killed, or until its parent is gone.
func runChild(orders string) {
	c := &child{out: &lines{w: os.Stdout}}
	if err := json.Unmarshal([]byte(orders), &c.order); err != nil {
		panic(err)
	}
	if err := c.run(context.Background()); err != nil {
		c.out.tell(line{Kind: lineFailed, Error: err.Error()})
		os.Exit(1)
	}
}

func (c *child) run(ctx context.Context) error {
	net := newNetwork(c.out)
	go c.listen(net)
	db, err := sqlite.Open(ctx, c.order.Path)
	if err != nil {
		return err
	}
	if c.order.Tight {
		if err := tighten(ctx, db); err != nil {
			return err
		}
	}
	kept, err := store.OpenSQL(ctx, db, store.SQLOptions{})
	if err != nil {
		return err
	}
	if err := c.find(ctx, kept); err != nil {
		return err
	}
	node, err := causeway.Open(ctx, causeway.Options{Store: &watched{Store: withBug(c.order.Bug, kept), c: c},
		Transport: net, Observer: c, Seed: c.order.Seed})
	if err != nil {
		return err
	}
	ch, err := node.Join(ctx, config(alice))
	if err != nil {
		return err
	}
	c.out.tell(line{Kind: lineUp})
	for i := range talkers {
		go c.talk(ctx, ch, i)
	}
	rng := rand.New(rand.NewPCG(c.order.Seed, talkers))
	for e, err := range node.Events(ctx, c.order.After) {
		if err != nil {
			return err
		}
		c.event(&e)
		if rng.IntN(8) == 0 { // here, so that what it says is newer than all events that were reported
			c.lookBack(ctx, ch, rng)
		}
	}
	return errors.New("the events have ended")
}

func tighten(ctx context.Context, db *sql.DB) error {
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(ctx, `PRAGMA cache_size = 10`)
	return err
}

// listen hands on what the parent says.
func (c *child) listen(net *network) {
	in := bufio.NewReader(os.Stdin)
	for {
		x, err := readLine(in)
		if err != nil {
			os.Exit(0) // nobody is left to kill us
		}
		if x.Kind == lineQuiet {
			c.quiet.Store(true)
			continue
		}
		net.handle(x)
	}
}

// find reports what the life before has left.
func (c *child) find(ctx context.Context, db store.Store) error {
	_, newest, err := db.Cursors(ctx)
	if err != nil {
		return err
	}
	events, err := db.Events(ctx, room, c.order.After, 1000)
	if err != nil {
		return err
	}
	found := line{Kind: lineFound, Cursor: newest}
	for _, e := range events {
		found.Events = append(found.Events, eventName{e.Cursor, causeway.EventKind(e.Kind), e.ID})
	}
	c.out.tell(found)
	return nil
}

// talk sends until it is told to be quiet.
func (c *child) talk(ctx context.Context, ch *causeway.Channel, talker int) {
	rng := rand.New(rand.NewPCG(c.order.Seed, uint64(talker)))
	wants := []causeway.Want{causeway.AtLeastOne, causeway.Everyone, causeway.Fraction(0.5), causeway.Persons("carol"), causeway.Stewards}
	for n := 0; !c.quiet.Load(); n++ {
		text := fmt.Sprintf("life %d talker %d line %d", c.order.Life, talker, n)
		content := padded(text, rng)
		o := causeway.SendOptions{Want: wants[rng.IntN(len(wants))], Ephemeral: rng.IntN(8) == 0}
		r, err := ch.Send(ctx, content, o)
		switch {
		case err == nil:
			c.out.tell(line{Kind: lineSent, ID: r.ID(), Text: text, Ephemeral: o.Ephemeral})
		case errors.Is(err, causeway.ErrUncertain):
		case c.order.Refuse > 0 && errors.Is(err, causeway.ErrStore):
			c.out.tell(line{Kind: lineRefused, Text: text})
		default:
			c.out.tell(line{Kind: lineFailed, Error: err.Error()})
		}
		if err == nil && !o.Ephemeral {
			c.remember(r.ID())
		}
		pause := 8 * time.Millisecond
		if n > 5 { // a life that lasts is not to drown the others
			pause = 150 * time.Millisecond
		}
		time.Sleep(time.Duration(rng.Int64N(int64(pause))))
	}
}

// padded makes content of many sizes that begins with text.
func padded(text string, rng *rand.Rand) []byte {
	size := 0
	switch rng.IntN(20) {
	case 0:
		size = rng.IntN(20_000) // more than a page of the database
	case 1, 2, 3, 4:
		size = rng.IntN(1000)
	}
	return append([]byte(text+"\n"), make([]byte, size)...)
}

func (c *child) remember(id causeway.MessageID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.own = append(c.own, id); len(c.own) > 50 {
		c.own = c.own[1:]
	}
}

// lookBack reports the receipt of some own message of late.
func (c *child) lookBack(ctx context.Context, ch *causeway.Channel, rng *rand.Rand) {
	c.mu.Lock()
	if len(c.own) == 0 {
		c.mu.Unlock()
		return
	}
	id := c.own[rng.IntN(len(c.own))]
	c.mu.Unlock()
	now, err := ch.Receipt(id).Now(ctx)
	if err != nil {
		c.out.tell(line{Kind: lineFailed, Error: err.Error()})
		return
	}
	c.out.tell(line{Kind: lineReceipt, ID: id, Level: now.Level, Seen: now.Seen, Persons: now.Persons})
}

func (c *child) event(e *causeway.Event) {
	x := line{Kind: lineEvent, Cursor: e.Cursor, Event: e.Kind, ID: e.ID}
	if m := e.Message; m != nil {
		x.Position, x.Lamport, x.Own, x.Ephemeral, x.Text = m.Position, m.Lamport, m.Own, m.Ephemeral, textOf(m.Content)
		if m.Own && m.Position > 0 {
			c.remember(e.ID)
		}
	}
	if r := e.Receipt; r != nil {
		x.Level, x.Seen, x.Persons = r.Level, r.Seen, r.Persons
	}
	if g := e.Gap; g != nil {
		x.Gap = g.State
	}
	c.out.tell(x)
}

// hold stops the node's loop, in a transaction or after it, until the process is
// killed.
func (c *child) hold(committed bool) {
	c.out.tell(line{Kind: lineHeld, Committed: committed})
	select {}
}

var errRefused = errors.New("refused by the test")

// Committing implements causeway.Observer.
func (c *child) Committing(_ store.Tx, events []causeway.Event) error {
	number := int(c.commits.Load())
	x := line{Kind: lineCommitting, Serial: uint64(number)}
	for _, e := range events {
		x.Events = append(x.Events, eventName{e.Cursor, e.Kind, e.ID})
	}
	c.out.tell(x)
	if number == c.order.Inside {
		c.hold(false)
	}
	own := slices.ContainsFunc(events, func(e causeway.Event) bool { return e.Kind == causeway.EventDelivered && e.Message.Own })
	if c.order.Refuse > 0 && number >= c.order.Refuse && own && !c.refused {
		c.refused = true
		return errRefused
	}
	return nil
}

// watched is the child's store: it reports when commits end.
type watched struct {
	store.Store
	c *child
}

func (s *watched) Commit(ctx context.Context, b *store.Batch) error {
	number := int(s.c.commits.Add(1))
	err := s.Store.Commit(ctx, b)
	x := line{Kind: lineCommitted, Serial: uint64(number)}
	if err != nil {
		x.Error = err.Error()
	} else if number == s.c.order.Late {
		s.c.hold(true)
	}
	s.c.out.tell(x)
	return err
}
