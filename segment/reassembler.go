package segment

import (
	"container/list"
	"fmt"
	"time"
)

// Reassembler makes payloads of segments, which may come in any order, repeatedly,
// and mixed with those of other payloads. It is not safe for concurrent use.
//
// Nothing is durable. A host that restarts adds again what it kept, and names with
// Remember what was complete.
type Reassembler struct {
	cfg    Config
	limits Limits
	codes  codes

	sets    map[name]*set
	order   list.List // of *set, the least recently updated first
	bytes   int
	senders map[string]usage
	memory  memory
	now     time.Time // the latest time that was given
}

// usage is what the sets of one sender take.
type usage struct{ bytes, sets int }

// NewReassembler returns an empty one. The error names each field that is out of
// its range.
func NewReassembler(cfg Config, limits Limits) (*Reassembler, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	if limits, err = limits.complete(cfg); err != nil {
		return nil, err
	}
	return &Reassembler{
		cfg:     cfg,
		limits:  limits,
		codes:   codes{format: cfg.Format},
		sets:    map[name]*set{},
		senders: map[string]usage{},
		memory:  newMemory(limits),
	}, nil
}

// Result is what became of a segment.
type Result struct {
	Key Key
	// Complete: this was the last segment that Payload needed. Payload is fresh
	// memory; Tags are those of the segments that it was made of, the data segments
	// in order and then those of parity. With ErrDuplicate, Tags has the one of the
	// segment that is held.
	Complete bool
	Payload  []byte
	Tags     []any
	// Held of Expected segments are there. Expected is the number of data segments,
	// any so many of all suffice; it is 0 as long as Status did not say it.
	Held, Expected int
	// Dropped are the sets that were given up on this occasion, perhaps the one that
	// the segment belongs to. Their payloads may come afresh.
	Dropped []Dropped
}

// Dropped is a set that was given up.
type Dropped struct {
	Set
	// Why wraps ErrExpired, ErrEvicted, ErrHashMismatch or ErrMalformed.
	Why error
}

// Set is an incomplete payload.
type Set struct {
	Sender string
	Key    Key
	// DataCount and ParityCount are 0 as long as Status did not say them.
	DataCount, ParityCount int
	Held                   int // segments, parity included
	Bytes                  int // what it counts in Limits
	// Updated is when the last new segment came.
	Updated time.Time
}

// Add takes a segment from a sender in. Only segments of one sender come together:
// a payload that two senders sent is complete twice. A sender that sends the same
// payload twice within Limits.MemoryLife is heard once, unless the host calls
// Forget between.
//
// An error says why the segment was discarded and wraps ErrInvalid, ErrOversized,
// ErrDuplicate, ErrCompleted, ErrCountMismatch or ErrCacheFull. Result.Dropped is
// set also then. The payload of the segment is copied.
func (r *Reassembler) Add(now time.Time, sender string, x Segment) (Result, error) {
	result := Result{Key: x.Key, Dropped: r.Expire(now)}
	if err := r.cfg.check(&x); err != nil {
		return result, err
	}
	id := name{sender, x.Key}
	if r.memory.knows(id) {
		return result, ErrCompleted
	}
	if most := uint64(r.limits.MaxSenderBytes); x.Length > most {
		return result, fmt.Errorf("%w: payload of %d bytes, MaxSenderBytes is %d", ErrOversized, x.Length, most)
	}
	s := r.sets[id]
	if s != nil {
		result.Held, result.Expected = len(s.segments), s.data
		if !s.agrees(&x, r.cfg.MaxSegments) {
			return result, fmt.Errorf("%w: %d data and %d parity, not %d and %d",
				ErrCountMismatch, x.DataCount, x.ParityCount, s.data, s.parity)
		}
		if h, ok := s.segments[place{x.Parity, x.Index}]; ok {
			result.Tags = []any{h.tag}
			return result, ErrDuplicate
		}
	}
	dropped, ok := r.makeRoom(id, len(x.Payload)+segmentOverhead)
	result.Dropped = append(result.Dropped, dropped...)
	if !ok {
		result.Held, result.Expected = 0, 0
		return result, ErrCacheFull
	}
	s = r.put(id, &x)
	result.Held, result.Expected = len(s.segments), s.data
	if s.ready() {
		r.finish(s, &result)
	}
	return result, nil
}

// put adds a segment that there is room for to its set, which it makes if there is
// none.
func (r *Reassembler) put(id name, x *Segment) *set {
	s := r.sets[id]
	if s == nil {
		s = &set{name: id, format: r.cfg.Format, segments: map[place]held{}}
		s.element = r.order.PushBack(s)
		r.sets[id] = s
		r.charge(s, setOverhead+len(id.sender), 1)
	}
	r.order.MoveToBack(s.element)
	s.updated = r.now
	s.put(x)
	r.charge(s, len(x.Payload)+segmentOverhead, 0)
	return s
}

// finish makes the payload of a set that may have enough.
func (r *Reassembler) finish(s *set, result *Result) {
	payload, done, err := s.assemble(&r.codes)
	if !done {
		return
	}
	r.remove(s)
	if err != nil {
		result.Dropped = append(result.Dropped, Dropped{s.info(), err})
		return
	}
	r.memory.add(r.now, s.name)
	result.Complete, result.Payload, result.Tags = true, payload, s.tags()
}

// charge accounts for what a set has grown by.
func (r *Reassembler) charge(s *set, bytes, sets int) {
	s.bytes += bytes
	r.bytes += bytes
	u := r.senders[s.sender]
	r.senders[s.sender] = usage{u.bytes + bytes, u.sets + sets}
}

// remove forgets a set.
func (r *Reassembler) remove(s *set) {
	delete(r.sets, s.name)
	r.order.Remove(s.element)
	r.bytes -= s.bytes
	u := r.senders[s.sender]
	u.bytes, u.sets = u.bytes-s.bytes, u.sets-1
	if r.senders[s.sender] = u; u.sets == 0 {
		delete(r.senders, s.sender)
	}
}

// Expire gives up the sets that got no new segment for Limits.Life. Add does it
// too; a host calls it at Deadline so as to learn of it, and to get memory back,
// while nothing comes.
func (r *Reassembler) Expire(now time.Time) (dropped []Dropped) {
	if now.After(r.now) { // a clock that was set back lets nothing live longer
		r.now = now
	}
	r.memory.expire(r.now)
	for r.order.Len() > 0 {
		s := r.order.Front().Value.(*set)
		if r.now.Before(s.updated.Add(r.limits.Life)) {
			break
		}
		r.remove(s)
		dropped = append(dropped, Dropped{s.info(), ErrExpired})
	}
	return dropped
}

// Deadline returns when the next set expires; the zero time if there is none.
func (r *Reassembler) Deadline() time.Time {
	if r.order.Len() == 0 {
		return time.Time{}
	}
	return r.order.Front().Value.(*set).updated.Add(r.limits.Life)
}

// Sets returns the incomplete payloads, the least recently updated first.
func (r *Reassembler) Sets() []Set {
	sets := make([]Set, 0, r.order.Len())
	for e := r.order.Front(); e != nil; e = e.Next() {
		sets = append(sets, e.Value.(*set).info())
	}
	return sets
}

// Bytes returns what all sets count in Limits.MaxBytes.
func (r *Reassembler) Bytes() int { return r.bytes }

// Remember notes that a payload of a sender is complete, as the host knows from
// before a restart. What is held of it is forgotten.
func (r *Reassembler) Remember(now time.Time, sender string, key Key) {
	r.Forget(sender, key)
	if now.After(r.now) {
		r.now = now
	}
	r.memory.add(r.now, name{sender, key})
}

// Forget lets a payload that was completed come again. What is held of it is
// forgotten too.
func (r *Reassembler) Forget(sender string, key Key) {
	id := name{sender, key}
	r.memory.remove(id)
	if s := r.sets[id]; s != nil {
		r.remove(s)
	}
}

func (s *set) info() Set {
	return Set{s.sender, s.key, s.data, s.parity, len(s.segments), s.bytes, s.updated}
}
