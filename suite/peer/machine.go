package peer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// machine is the participant. Its inputs say what time it is, in Unix
// milliseconds; emit takes its events.
type machine struct {
	cfg     Config
	emit    func(event any)
	lamport uint64
	now     int64
	clocks  clocks

	log     []*message // by place
	known   map[wire.MessageID]*message
	parked  []*message                    // in order of arrival
	waiting map[wire.MessageID][]*message // who waits for a message
	named   map[wire.MessageID]bool       // by a message of the log
	holes   map[wire.MessageID]*hole      // named and not here
	order   []*hole                       // the same, oldest first
	lost    map[wire.MessageID]bool       // holes that were given up
	syncs   map[syncKey]bool              // that were seen
	met     map[wire.MessageID]bool       // their ids: nim histories name them
	echoes  map[wire.MessageID]bool       // own ephemeral messages
	kept    map[wire.MessageID]*message   // own nim syncs, for repairs
	sighted map[wire.MessageID]int        // filters that had an own message

	outgoing []*message
	repair   repairs

	filter   *bloom.Filter    // js
	received []wire.MessageID // what the filter is made of
}

// message is one of the log, of the incoming or of the outgoing buffer.
type message struct {
	id      wire.MessageID
	sender  wire.ParticipantID
	lamport uint64
	hint    []byte
	payload []byte
	content []byte
	parents []wire.HistoryEntry
	foreign bool // of the other wire format
	logged  bool

	far      bool // in quarantine
	vouchers []wire.ParticipantID

	waits map[wire.MessageID]bool // what it waits for
	gaps  []wire.MessageID
}

func (m *message) place() sds.Place { return sds.Place{Lamport: m.lamport, ID: m.id} }

func (m *message) entry() wire.HistoryEntry {
	return wire.HistoryEntry{MessageID: m.id, RetrievalHint: m.hint, SenderID: m.sender}
}

// hole is a message that others named and that is not here.
type hole struct {
	entry wire.HistoryEntry
	since int64
}

// syncKey tells syncs apart: their ids alone are not unique.
type syncKey struct {
	id      wire.MessageID
	sender  wire.ParticipantID
	lamport uint64
}

func newMachine(cfg Config, now int64, emit func(any)) *machine {
	m := &machine{cfg: cfg, emit: emit,
		known: map[wire.MessageID]*message{}, waiting: map[wire.MessageID][]*message{}, named: map[wire.MessageID]bool{},
		holes: map[wire.MessageID]*hole{}, lost: map[wire.MessageID]bool{}, syncs: map[syncKey]bool{},
		met: map[wire.MessageID]bool{}, echoes: map[wire.MessageID]bool{}, kept: map[wire.MessageID]*message{},
		sighted: map[wire.MessageID]int{}, now: now, clocks: clocks{highest: map[wire.ParticipantID]uint64{}}}
	m.lamport = m.floor(now)
	m.repair.cfg = cfg
	return m
}

// floor is the least timestamp of a message at now.
func (m *machine) floor(now int64) uint64 {
	if m.cfg.Dialect == sds.Nim {
		now /= 1000
	}
	return uint64(now)
}

// tick returns the timestamp of the next message.
func (m *machine) tick(now int64) (uint64, error) {
	next := max(m.floor(now), m.lamport+1)
	if next >= sds.MaxLamport {
		return 0, errors.New("the clock is at its end")
	}
	return next, nil
}

func (m *machine) wire() wire.Dialect {
	if m.cfg.Dialect == sds.Nim {
		return wire.Nim
	}
	return wire.LIP
}

// enter gives a message its place in the log.
func (m *machine) enter(n *message) {
	i, _ := slices.BinarySearchFunc(m.log, n, func(a, b *message) int { return a.place().Compare(b.place()) })
	m.log = slices.Insert(m.log, i, n)
	n.logged = true
	if !n.foreign {
		for i := range n.parents {
			m.named[n.parents[i].MessageID] = true
		}
	}
	for _, w := range m.waiting[n.id] {
		delete(w.waits, n.id)
	}
	delete(m.waiting, n.id)
	delete(m.lost, n.id)
}

// deliver gives n its place and hands it over.
func (m *machine) deliver(n *message) {
	m.lamport = max(m.lamport, n.lamport)
	m.enter(n)
	l := lamport(n.lamport)
	m.emit(messageEvent{"delivered", n.id, n.sender, &l, n.content, n.gaps})
}

// settle delivers what no longer waits for anything, in the order of the log.
func (m *machine) settle() {
	for {
		var next *message
		for _, n := range m.parked {
			if n.far = n.far && !m.plausible(n); n.far {
				continue
			}
			if len(n.waits) == 0 && (next == nil || n.place().Compare(next.place()) < 0) {
				next = n
			}
		}
		if next == nil {
			if next = m.knot(); next == nil {
				return
			}
			for id := range next.waits {
				next.gaps = append(next.gaps, id)
			}
			slices.Sort(next.gaps)
		}
		m.parked = slices.DeleteFunc(m.parked, func(n *message) bool { return n == next })
		m.deliver(next)
	}
}

// knot returns a message to deliver first if messages wait for each other in a
// circle and for nothing else: @waku/sds makes such circles, when a user repeats
// a text. It is the first of them in the log.
func (m *machine) knot() *message {
	free := map[*message]bool{} // waits for a hole, if only through others
	for changed := true; changed; {
		changed = false
		for _, n := range m.parked {
			if free[n] {
				continue
			}
			if n.far { // waits for its time
				free[n], changed = true, true
				continue
			}
			for id := range n.waits {
				if m.holes[id] != nil || free[m.known[id]] {
					free[n], changed = true, true
					break
				}
			}
		}
	}
	var first *message
	for _, n := range m.parked {
		if !free[n] && (first == nil || n.place().Compare(first.place()) < 0) {
			first = n
		}
	}
	return first
}

// open notes that others named a message that is not here.
func (m *machine) open(e wire.HistoryEntry, now int64) {
	if h := m.holes[e.MessageID]; h != nil {
		learn(&h.entry, e)
		return
	}
	h := &hole{entry: e, since: now}
	m.holes[e.MessageID] = h
	m.order = append(m.order, h)
}

// close notes that it is here, or is waited for no more.
func (m *machine) close(id wire.MessageID) {
	if m.holes[id] == nil {
		return
	}
	delete(m.holes, id)
	m.order = slices.DeleteFunc(m.order, func(h *hole) bool { return h.entry.MessageID == id })
}

// missing returns the entries of a history that are not here at all, and those
// that are not in the log and hence to be waited for. A message does not wait for
// itself, and for the newest maxBlocking at most (spec R39).
func (m *machine) missing(w *wire.Message) (missing []wire.HistoryEntry, waits map[wire.MessageID]bool, gaps []wire.MessageID) {
	waits = map[wire.MessageID]bool{}
	for _, e := range w.CausalHistory {
		n := m.known[e.MessageID]
		switch {
		case e.MessageID == w.MessageID || waits[e.MessageID], m.met[e.MessageID], n != nil && n.logged:
		case n != nil:
			waits[e.MessageID] = true
		case m.lost[e.MessageID]:
			gaps = append(gaps, e.MessageID)
		default:
			waits[e.MessageID] = true
			missing = append(missing, e)
		}
	}
	for i := 0; len(waits) > maxBlocking; i++ {
		if id := w.CausalHistory[i].MessageID; waits[id] {
			delete(waits, id)
			gaps = append(gaps, id)
		}
	}
	return missing, waits, gaps
}

// maxBlocking is for how many others a message waits.
const maxBlocking = 32

func (m *machine) state() {
	e := stateEvent{Event: "state", Lamport: lamport(m.lamport), History: make([]logged, len(m.log)),
		Incoming: idsOf(m.parked), Outgoing: idsOf(m.outgoing)}
	for i, n := range m.log {
		e.History[i] = logged{n.id, n.sender, lamport(n.lamport)}
	}
	m.emit(e)
}

func idsOf(messages []*message) []wire.MessageID {
	ids := make([]wire.MessageID, len(messages))
	for i, n := range messages {
		ids[i] = n.id
	}
	return ids
}

func checkHint(hint []byte) error {
	if len(hint) > wire.MaxHint {
		return fmt.Errorf("retrievalHint has %d bytes, limit %d", len(hint), wire.MaxHint)
	}
	return nil
}
