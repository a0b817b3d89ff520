//go:build go1.25

package causeway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

var errInjected = errors.New("injected fault")

// fault is what happens at a commit.
type fault int

const (
	refused    fault = iota // it fails, and nothing was written
	unreported              // it fails, and all was written
	killed                  // nothing was written, and the process is gone
	killedLate              // all was written, and the process is gone
	faults
)

func (f fault) String() string {
	return [...]string{"refused", "unreported", "killed", "killedLate"}[f]
}

// faultyStore has a fault at one of its commits. After a kill it is dead.
type faultyStore struct {
	store.Store
	mu      sync.Mutex
	at      int // the number of the commit
	fault   fault
	commits int
	dead    bool
}

func (s *faultyStore) Commit(ctx context.Context, b *store.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errInjected
	}
	s.commits++
	if s.commits != s.at {
		return s.Store.Commit(ctx, b)
	}
	s.dead = s.fault >= killed
	if s.fault == unreported || s.fault == killedLate {
		if err := s.Store.Commit(ctx, b); err != nil {
			return err
		}
	}
	return errInjected
}

func (s *faultyStore) Cursors(ctx context.Context) (Cursor, Cursor, error) {
	if s.isDead() {
		return 0, 0, errInjected
	}
	return s.Store.Cursors(ctx)
}

func (s *faultyStore) Load(ctx context.Context, ch ChannelID, window int) (store.Channel, error) {
	if s.isDead() {
		return store.Channel{}, errInjected
	}
	return s.Store.Load(ctx, ch, window)
}

func (s *faultyStore) isDead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// witness sees all that a member lets out, over all its lives.
type witness struct {
	mu        sync.Mutex
	db        store.Store
	problems  []string
	sequences map[[2]uint64]MessageID // incarnation and number
	positions map[Position]MessageID
	cursors   map[Cursor]string
}

func newWitness(db store.Store) *witness {
	return &witness{db: db, sequences: map[[2]uint64]MessageID{},
		positions: map[Position]MessageID{}, cursors: map[Cursor]string{}}
}

func (w *witness) problem(format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// packet checks what leaves: content only after it is durable, numbers and clock
// never again.
func (w *witness) packet(payload []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, err := wire.Decode(payload)
	if err != nil {
		w.problem("undecodable: %v", err)
		return
	}
	if m.Kind() != wire.Content || m.SenderID != "member-0" {
		return
	}
	if kept, err := w.db.Message(context.Background(), room, m.MessageID); err != nil || string(kept.Sealed) != string(payload) {
		w.problem("%s left before it was durable: %v", m.MessageID, err)
	}
	e, err := wire.ParseExtension(m.Extension)
	if err != nil {
		w.problem("extension: %v", err)
	}
	key := [2]uint64{uint64(e.Incarnation), e.Sequence}
	if id, used := w.sequences[key]; used && id != m.MessageID {
		w.problem("sequence number %d was given twice", e.Sequence)
	}
	w.sequences[key] = m.MessageID
}

// event checks that no cursor or position changes its meaning.
func (w *witness) event(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what := fmt.Sprint(e.Kind, e.ID)
	if known, ok := w.cursors[e.Cursor]; ok && known != what {
		w.problem("event %d was %s and is %s", e.Cursor, known, what)
	}
	w.cursors[e.Cursor] = what
	if e.Kind != EventDelivered {
		return
	}
	if id, ok := w.positions[e.Message.Position]; ok && id != e.ID {
		w.problem("position %d was given to %s and %s", e.Message.Position, id, e.ID)
	}
	w.positions[e.Message.Position] = e.ID
}

// read gives all events from the beginning to the witness, as an application
// would see them.
func (w *witness) read(t *testing.T, n *Node) {
	var after Cursor
	var clock uint64
	for {
		page, err := n.ReadEvents(t.Context(), after, 1000)
		if err != nil {
			w.problem("events: %v", err)
			return
		}
		if len(page) == 0 {
			return
		}
		for _, e := range page {
			w.event(e)
			after = e.Cursor
			if e.Kind != EventDelivered || !e.Message.Own {
				continue
			}
			if e.Message.Lamport <= clock {
				w.problem("the clock ran back from %d to %d", clock, e.Message.Lamport)
			}
			clock = e.Message.Lamport
		}
	}
}

// spec R24 R38 R90: whichever commit fails, and however, nothing that was
// acknowledged or delivered is lost, nothing leaves that is not durable, no
// number is given twice, and what is not acknowledged goes on.
func TestEveryCommitFails(t *testing.T) {
	commits := crashAt(t, 0, refused)
	if commits < 30 {
		t.Fatalf("only %d commits: the scenario says nothing", commits)
	}
	for f := range faults {
		t.Run(f.String(), func(t *testing.T) {
			for at := 1; at <= commits; at++ {
				crashAt(t, at, f)
				if t.Failed() {
					t.Fatalf("at commit %d", at)
				}
			}
		})
	}
}

// crashAt plays a conversation of three in which one member has a fault at a
// commit, and returns how many commits there were.
func crashAt(t *testing.T, at int, f fault) (commits int) {
	synctest.Test(t, func(t *testing.T) {
		memory := store.NewMemory()
		db := &faultyStore{Store: memory, at: at, fault: f}
		w := newWitness(memory)
		g := newGroup(t, 3, loopback.Options{Seed: 7, Loss: 0.2, MinDelay: 50 * time.Millisecond, MaxDelay: 150 * time.Millisecond},
			func(g *group) {
				g.network.SetFilter(func(from, to string, e transport.Envelope) bool {
					if from == "member-0" && to == "member-1" {
						w.packet(e.Payload)
					}
					return false
				})
				g.options = func(i int, o *Options) {
					if i == 0 {
						o.Store = db
					}
				}
			})
		sent, failed := map[string]*Receipt{}, map[string]bool{}
		for i := range 15 {
			text := fmt.Sprintf("message %d", i)
			r, err := g.channels[i%3].Send(t.Context(), []byte(text), SendOptions{Want: Everyone})
			switch {
			case err == nil:
				sent[text] = r
			case !errors.Is(err, ErrUncertain):
				failed[text] = true
			}
			time.Sleep(time.Second)
			g.reviveIfDead(db, memory, w, sent)
		}
		deadline := time.Now().Add(10 * time.Minute)
		for !g.settled(sent) && time.Now().Before(deadline) {
			time.Sleep(time.Second)
			g.reviveIfDead(db, memory, w, sent)
		}
		w.read(t, g.nodes[0])
		g.checkTexts(sent, failed)
		for _, p := range w.problems {
			t.Error(p)
		}
		if t.Failed() {
			t.Log("at commit", at)
		}
		commits = db.commits
	})
	return commits
}

// reviveIfDead starts the killed member again on what its store has.
func (g *group) reviveIfDead(db *faultyStore, memory store.Store, w *witness, sent map[string]*Receipt) {
	if !db.isDead() || g.options == nil {
		return
	}
	g.nodes[0].Close()
	g.stores[0], g.options = memory, nil
	g.open(0)
	w.read(g.t, g.nodes[0])
	for text, r := range sent {
		if r.c.Participant() == "member-0" {
			sent[text] = g.channels[0].Receipt(r.ID())
		}
	}
}

// settled tells whether all logs are equal and every message has reached all.
func (g *group) settled(sent map[string]*Receipt) bool {
	for _, r := range sent {
		if now, err := r.Now(g.t.Context()); err != nil || now.Level != SeenByAll {
			return false
		}
	}
	first, _ := g.channels[0].Digest(g.t.Context())
	return g.equal(int(first.Count))
}

// checkTexts compares the logs with what the application knows.
func (g *group) checkTexts(sent map[string]*Receipt, failed map[string]bool) {
	for text, r := range sent {
		if now, err := r.Now(g.t.Context()); err != nil || now.Level != SeenByAll {
			g.t.Errorf("%q is not known to have reached all: %+v %v", text, now, err)
		}
	}
	for i, c := range g.channels {
		log, _, err := c.Messages(g.t.Context(), Log{Limit: 1000})
		if err != nil {
			g.t.Fatal(err)
		}
		count := map[string]int{}
		for _, m := range log {
			count[string(m.Content)]++
		}
		for text := range sent {
			if count[text] != 1 {
				g.t.Errorf("member %d has %q %d times", i, text, count[text])
			}
		}
		for text := range failed {
			if count[text] != 0 {
				g.t.Errorf("member %d has %q, whose Send failed", i, text)
			}
		}
	}
}
