package causeway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/store"
)

// Progress says how far a large payload has come. Parts come in any order.
type Progress struct {
	Sender ParticipantID
	Hash   [segment.HashSize]byte // Keccak-256 of the payload
	Length uint64                 // of the payload, in bytes
	Held   int                    // parts that are here
	Of     int                    // any so many are enough
	// Dropped: too many payloads were incomplete at the same time. What it was that
	// came is in the log, and no payload is made of it.
	Dropped bool
}

const (
	// maxAssemblies bounds the payloads of a channel that are incomplete or were
	// complete not long ago. The sender with the most loses the one that has waited
	// longest: nobody pushes out what others send.
	maxAssemblies = 100
	// maxOwn bounds the own payloads whose receipts make events: the newest.
	maxOwn = 256
)

// assemblyName tells payloads apart. Parts of two senders never come together.
type assemblyName struct {
	sender ParticipantID
	key    segment.Key
}

// assembly is a payload whose parts come, or an own one that is being acknowledged.
// The parts themselves are in the store.
type assembly struct {
	name         assemblyName
	data, parity int
	parts        map[int]MessageID // parity after data
	own          bool
	id           MessageID // of the payload, once it is complete
	told         bool      // there was an EventArrived
	done         bool      // there was an EventDelivered
	position     Position
	lamport      uint64 // of the message that gave it its place; 0 until then
	slot         uint64 // where the store keeps it
	updated      uint64
	tally        *tally // of an own one
}

// assemblies are those of a channel.
type assemblies struct {
	byName  map[assemblyName][]*assembly // of others: each time that it was sent, oldest first
	byPart  map[MessageID]*assembly      // own ones
	slots   map[uint64]*assembly
	gone    []uint64    // slots that are free again
	news    []*assembly // that changed in this turn
	slot    uint64
	counter uint64
}

func (s *assemblies) init() {
	*s = assemblies{byName: map[assemblyName][]*assembly{}, byPart: map[MessageID]*assembly{}, slots: map[uint64]*assembly{}}
}

// own begins to follow an own payload.
func (s *assemblies) own(a *assembly, want Want) {
	s.track(a)
	a.tally.want = want
	s.keep(a)
	var oldest *assembly
	count := 0
	for _, b := range s.slots {
		if b.own {
			if count++; oldest == nil || b.slot < oldest.slot {
				oldest = b
			}
		}
	}
	if count > maxOwn {
		s.forget(oldest)
	}
}

// track has the receipts of the parts of an own payload added up.
func (s *assemblies) track(a *assembly) {
	a.tally = newTally(a)
	for _, id := range a.parts {
		s.byPart[id] = a
	}
}

func (s *assemblies) keep(a *assembly) {
	s.slot++
	a.slot = s.slot
	s.slots[a.slot] = a
	s.touch(a)
}

func (s *assemblies) touch(a *assembly) {
	s.counter++
	a.updated = s.counter
	if !slices.Contains(s.news, a) {
		s.news = append(s.news, a)
	}
}

// forget frees the slot of an assembly.
func (s *assemblies) forget(a *assembly) {
	s.free(a)
	s.news = slices.DeleteFunc(s.news, func(b *assembly) bool { return b == a })
}

// free is forget for one whose news are being told.
func (s *assemblies) free(a *assembly) {
	delete(s.slots, a.slot)
	s.gone = append(s.gone, a.slot)
	copies := slices.DeleteFunc(s.byName[a.name], func(b *assembly) bool { return b == a })
	if s.byName[a.name] = copies; len(copies) == 0 {
		delete(s.byName, a.name)
	}
	for _, id := range a.parts {
		if s.byPart[id] == a {
			delete(s.byPart, id)
		}
	}
}

// arrived takes a part in. dropped is what had to make room.
func (s *assemblies) arrived(id MessageID, sender ParticipantID, x *segment.Segment) (a, dropped *assembly) {
	at := x.Index
	if x.Parity {
		at += x.DataCount
	}
	name := assemblyName{sender, x.Key}
	// Each time that a payload is sent has one of each part: whichever of them it
	// was, any make it.
	for _, b := range s.byName[name] {
		if b.parts[at] == id {
			return nil, nil
		}
		if a == nil && b.data == x.DataCount && b.parity == x.ParityCount && b.parts[at] == "" {
			a = b
		}
	}
	if a == nil {
		a = &assembly{name: name, data: x.DataCount, parity: x.ParityCount, parts: map[int]MessageID{}}
		if theirs := s.theirs(); len(theirs) >= maxAssemblies {
			dropped = s.evict(theirs)
		}
		s.byName[name] = append(s.byName[name], a)
		s.keep(a)
	}
	a.parts[at] = id
	if a.id == "" && len(a.parts) >= a.data {
		a.complete()
	}
	s.touch(a)
	return a, dropped
}

// theirs are the payloads of others.
func (s *assemblies) theirs() (all []*assembly) {
	for _, copies := range s.byName {
		all = append(all, copies...)
	}
	return all
}

// of returns the payload that a message is a part of.
func (s *assemblies) of(id MessageID, sender ParticipantID, x *segment.Segment) *assembly {
	if a := s.byPart[id]; a != nil {
		return a
	}
	at := x.Index
	if x.Parity {
		at += x.DataCount
	}
	for _, a := range s.byName[assemblyName{sender, x.Key}] {
		if a.parts[at] == id {
			return a
		}
	}
	return nil
}

// complete names a payload after its last data segment, or where that is not here
// after the first of parity.
func (a *assembly) complete() {
	for i := a.data - 1; a.id == ""; i++ {
		a.id = a.parts[i]
	}
}

// evict gives up the oldest payload of the sender that has the most.
func (s *assemblies) evict(all []*assembly) *assembly {
	count := map[ParticipantID]int{}
	for _, a := range all {
		if !a.done {
			count[a.name.sender]++
		}
	}
	victim := slices.MinFunc(all, func(a, b *assembly) int {
		if a.done != b.done { // what was delivered is only remembered
			if a.done {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(count[b.name.sender], count[a.name.sender]), cmp.Compare(a.updated, b.updated))
	})
	s.forget(victim)
	return victim
}

// record is how the store keeps an assembly.
func (a *assembly) record() []byte {
	r := payloadRecord{Sender: text(a.name.sender), Hash: a.name.key.Hash[:], Length: a.name.key.Length, Data: a.data, Parity: a.parity,
		Parts: map[int]text{}, Own: a.own, ID: text(a.id), Told: a.told, Position: a.position, Lamport: a.lamport}
	for i, id := range a.parts {
		r.Parts[i] = text(id)
	}
	b, err := json.Marshal(r)
	if err != nil { // strings, numbers and bytes alone
		panic(err)
	}
	return b
}

func assemblyOf(r *payloadRecord) (*assembly, error) {
	if len(r.Hash) != segment.HashSize || r.Data < 1 {
		return nil, store.ErrCorrupt
	}
	a := &assembly{name: assemblyName{ParticipantID(r.Sender), segment.Key{Hash: [segment.HashSize]byte(r.Hash), Length: r.Length}},
		data: r.Data, parity: r.Parity, parts: map[int]MessageID{}, own: r.Own, id: MessageID(r.ID),
		told: r.Told, position: r.Position, lamport: r.Lamport, done: r.ID != "" && r.Position > 0}
	for i, id := range r.Parts {
		a.parts[i] = MessageID(id)
	}
	return a, nil
}

func slotsKey(ch ChannelID) string { return store.ChannelKey(ch, "parts") }

func slotKey(ch ChannelID, slot uint64) string {
	return store.ChannelKey(ch, fmt.Sprint("part/", slot))
}

// readAssemblies loads what the store has.
func (s *session) readAssemblies(ctx context.Context) error {
	s.assemblies.init()
	db, ch := s.n.opts.Store, s.cfg.Channel
	var slots []uint64
	b, err := db.Value(ctx, slotsKey(ch))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, &slots)
	}
	for _, slot := range slots {
		var a *assembly
		r := &payloadRecord{}
		if err == nil {
			b, err = db.Value(ctx, slotKey(ch, slot))
		}
		if err == nil {
			err = json.Unmarshal(b, r)
		}
		if err == nil {
			a, err = assemblyOf(r)
		}
		if err != nil {
			break
		}
		s.assemblies.restore(a, slot)
		if a.own {
			err = s.readTally(ctx, a)
		}
	}
	if err != nil {
		return storeError(fmt.Errorf("payloads of %s: %w", ch, err))
	}
	return nil
}

func (s *assemblies) restore(a *assembly, slot uint64) {
	a.slot = slot
	s.slot = max(s.slot, slot)
	s.slots[slot] = a
	s.counter++
	a.updated = s.counter
	if !a.own {
		s.byName[a.name] = append(s.byName[a.name], a)
		return
	}
	s.track(a)
}

// part notes that a message which arrived is a part of a payload.
func (j *job) part(l *loop, id MessageID, sender ParticipantID, x *segment.Segment) {
	a, dropped := j.s.assemblies.arrived(id, sender, x)
	if dropped != nil && !dropped.done {
		j.progress(l, dropped, true)
	}
	if a != nil && len(a.parts) <= a.data {
		j.progress(l, a, false)
	}
}

func (j *job) progress(l *loop, a *assembly, dropped bool) {
	j.add(l, Event{Kind: EventProgress, Progress: &Progress{Sender: a.name.sender, Hash: a.name.key.Hash, Length: a.name.key.Length,
		Held: len(a.parts), Of: a.data, Dropped: dropped}})
}

// placed notes that a part took its place in the log. The last data segment gives
// its own to the payload: all others are before it. If it was given up, parity does.
func (j *job) placed(l *loop, d *sds.Delivery, x *segment.Segment) {
	s := &j.s.assemblies
	a := s.of(d.ID, d.Sender, x)
	if a == nil || a.position > 0 || !x.Parity && x.Index < a.data-1 {
		return
	}
	a.position, a.lamport = d.Position, d.Lamport
	s.touch(a)
	j.payload(l, a)
}

// payload tells of a payload that is complete: that it arrived, or that it took its
// place.
func (j *job) payload(l *loop, a *assembly) {
	if a.id == "" || a.done || a.told && a.position == 0 {
		return
	}
	m := &Message{ID: a.id, Sender: a.name.sender, Lamport: a.lamport, Position: a.position, Own: a.name.sender == j.s.cfg.Participant,
		Segments: a.data + a.parity, Waited: a.told}
	e := Event{Kind: EventArrived, ID: a.id, Message: m}
	if a.done = a.position > 0; a.done {
		e.Kind = EventDelivered
	}
	if a.done && a.own {
		j.batch.Transitions = append(j.batch.Transitions, store.Transition{ID: a.id, Level: Queued, At: l.now})
	}
	a.told = true
	j.add(l, e)
}

// keepPayloads tells of payloads that became complete and writes what changed.
func (j *job) keepPayloads(l *loop) {
	s, ch := &j.s.assemblies, j.s.cfg.Channel
	if len(s.news) == 0 { // what is gone made room for one of them
		return
	}
	for _, a := range s.news {
		j.payload(l, a)
		if a.told {
			j.set(payloadKey(ch, a.id), a.record())
		}
		if a.done && a.own && a.tally.final() {
			s.free(a)
		}
		if s.slots[a.slot] == a {
			j.set(slotKey(ch, a.slot), a.record())
		}
	}
	for _, slot := range s.gone {
		j.set(slotKey(ch, slot), nil)
	}
	list, err := json.Marshal(slices.Sorted(maps.Keys(s.slots)))
	if err != nil { // numbers
		panic(err)
	}
	j.set(slotsKey(ch), list)
	s.news, s.gone = nil, nil
}
