package segmented

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/transport"
)

// stream makes payloads of what one subscription receives. A payload that is
// published twice reaches it twice, however the segments of both copies mix. With
// parity that is not exact: nothing says which copy a segment is of.
type stream struct {
	topic     transport.Topic
	config    segment.Config
	mostSpare int

	mu sync.Mutex
	r  *segment.Reassembler
	// made has, of payloads that were completed last, what they were made of.
	made  map[segment.Key]made
	order []segment.Key // of made, the oldest first
	// spare are segments of a second copy of payloads that are incomplete.
	spare      []segment.Segment
	spareBytes int
}

// made is when the segments of a payload were published.
type made struct {
	data   map[int]time.Time
	latest time.Time
}

// maxMade bounds stream.made. Of a payload that is forgotten there, and not yet in
// the reassembler, another copy is not heard.
const maxMade = segment.DefaultMaxRemembered

func newStream(topic transport.Topic, o Options) (*stream, error) {
	r, err := segment.NewReassembler(o.Config, o.Limits)
	most := cmp.Or(o.Limits.MaxBytes, segment.DefaultMaxBytes)
	return &stream{topic: topic, config: o.Config, mostSpare: most, r: r, made: map[segment.Key]made{}}, err
}

// take returns what is complete now: what is no segment at once.
func (s *stream) take(r transport.Received) (whole []transport.Received, dropped []segment.Dropped) {
	x, err := segment.Decode(r.Payload, s.config)
	if err != nil {
		return []transport.Received{r}, nil
	}
	x.Tag = tag{r.Hint, r.Meta, r.Time, x.Parity, x.Index}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for next := []segment.Segment{x}; len(next) > 0; next = next[1:] {
		result := s.add(now, next[0])
		dropped = append(dropped, result.Dropped...)
		if result.Complete {
			s.note(result)
			whole = append(whole, received(s.topic, result))
			next = append(next, s.spares(result.Key)...)
		}
	}
	return whole, dropped
}

// add takes one segment in.
func (s *stream) add(now time.Time, x segment.Segment) segment.Result {
	result, err := s.r.Add(now, "", x)
	switch {
	case errors.Is(err, segment.ErrDuplicate) && !result.Tags[0].(tag).time.Equal(x.Tag.(tag).time):
		s.keepSpare(x)
	case errors.Is(err, segment.ErrCompleted) && s.isNewCopy(x):
		dropped := result.Dropped
		s.r.Forget("", x.Key)
		result, _ = s.r.Add(now, "", x)
		result.Dropped = append(dropped, result.Dropped...)
	}
	return result
}

// isNewCopy returns whether a segment of a payload that is complete shows that it
// was published again: it was not part of what the payload was made of. Of a data
// segment that parity stood in for, that is known if it is newer than the parity,
// which is published after all data.
func (s *stream) isNewCopy(x segment.Segment) bool {
	m, ok := s.made[x.Key]
	if !ok || x.Parity {
		return false
	}
	at := x.Tag.(tag).time
	if used, ok := m.data[x.Index]; ok {
		return !at.Equal(used)
	}
	return at.After(m.latest)
}

// note remembers what a payload was made of.
func (s *stream) note(result segment.Result) {
	m := made{data: map[int]time.Time{}}
	for _, t := range result.Tags {
		t := t.(tag)
		if !t.parity {
			m.data[t.index] = t.time
		}
		if t.time.After(m.latest) {
			m.latest = t.time
		}
	}
	if _, ok := s.made[result.Key]; !ok {
		s.order = append(s.order, result.Key)
	}
	s.made[result.Key] = m
	if len(s.order) > maxMade {
		delete(s.made, s.order[0])
		s.order = append(s.order[:0], s.order[1:]...)
	}
}

// keepSpare keeps a segment of a second copy; the oldest ones make room.
func (s *stream) keepSpare(x segment.Segment) {
	x.Payload = append([]byte(nil), x.Payload...) // what is around it may be large
	s.spare = append(s.spare, x)
	for s.spareBytes += segmentOverhead + len(x.Payload); s.spareBytes > s.mostSpare; s.spare = s.spare[1:] {
		s.spareBytes -= segmentOverhead + len(s.spare[0].Payload)
	}
}

// spares takes out what there is of a second copy.
func (s *stream) spares(key segment.Key) (found []segment.Segment) {
	s.spare = slices.DeleteFunc(s.spare, func(x segment.Segment) bool {
		if x.Key == key {
			found = append(found, x)
			s.spareBytes -= segmentOverhead + len(x.Payload)
		}
		return x.Key == key
	})
	return found
}

// tag is what is kept of the envelope of a segment.
type tag struct {
	hint   []byte
	meta   []byte
	time   time.Time
	parity bool
	index  int
}

// received makes a message of a payload that is complete.
func received(topic transport.Topic, result segment.Result) transport.Received {
	hints := make([][]byte, len(result.Tags))
	oldest := result.Tags[0].(tag).time
	for i, t := range result.Tags {
		hints[i] = t.(tag).hint
		if at := t.(tag).time; at.Before(oldest) {
			oldest = at
		}
	}
	return transport.Received{Topic: topic, Payload: result.Payload, Hint: joinHints(hints), Time: oldest, Meta: result.Tags[0].(tag).meta}
}
