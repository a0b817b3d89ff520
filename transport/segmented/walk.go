package segmented

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/transport"
)

// walk is how far a reader of pages has come: segments whose payloads are not
// complete, and the payloads that were. It is never changed, since a cursor may be
// used again.
type walk struct {
	held  []segment.Segment
	bytes int // of held
	done  []segment.Key
}

// segmentOverhead is what a segment that is held takes beside its payload.
const segmentOverhead = 128

// maxDone bounds walk.done. What is forgotten there may be returned again.
const maxDone = segment.DefaultMaxRemembered

// take returns what is complete with a page, oldest first, and the walk behind it.
// Parity, which a reader of older and older pages meets first, counts only when no
// more data of its payload can come: so all readers get the same hint and time. last
// says that there are no older pages.
func (w walk) take(topic transport.Topic, page []transport.Received, last bool, o Options) (whole []transport.Received, next walk) {
	r, err := segment.NewReassembler(o.Config, o.Limits)
	if err != nil {
		return nil, w // not after New
	}
	var never time.Time
	for _, key := range w.done {
		r.Remember(never, "", key)
	}
	next.done = w.done
	var segments []segment.Segment
	for _, m := range page {
		x, err := segment.Decode(m.Payload, o.Config)
		if err != nil {
			whole = append(whole, m)
			continue
		}
		x.Payload = slices.Clone(x.Payload) // what is around it may be large
		x.Tag = tag{m.Hint, m.Meta, m.Time, x.Parity, x.Index}
		segments = append(segments, x)
	}
	segments = append(segments, w.held...)
	add := func(x segment.Segment) bool {
		result, err := r.Add(never, "", x)
		if result.Complete {
			whole = append(whole, received(topic, result))
			next.done = append(slices.Clip(next.done), x.Key)
		}
		return err == nil && !result.Complete
	}
	var accepted, parity []segment.Segment
	for _, x := range segments {
		if x.Parity {
			parity = append(parity, x)
		} else if add(x) {
			accepted = append(accepted, x)
		}
	}
	for _, x := range parity {
		due := last || len(page) > 0 && x.Tag.(tag).time.Sub(page[0].Time) > o.Spread
		if due && add(x) {
			accepted = append(accepted, x)
		} else if !due && !slices.Contains(next.done, x.Key) {
			next.hold(x, o)
		}
	}
	next.done = next.done[max(0, len(next.done)-maxDone):]
	open := map[segment.Key]bool{}
	for _, s := range r.Sets() {
		open[s.Key] = true
	}
	for _, x := range accepted {
		if open[x.Key] {
			next.hold(x, o)
		}
	}
	slices.SortStableFunc(whole, func(a, b transport.Received) int { return a.Time.Compare(b.Time) })
	return whole, next
}

// hold keeps a segment, if there is room.
func (w *walk) hold(x segment.Segment, o Options) {
	n := segmentOverhead + len(x.Payload)
	if w.bytes+n <= cmp.Or(o.Limits.MaxBytes, segment.DefaultMaxBytes) {
		w.held, w.bytes = append(w.held, x), w.bytes+n
	}
}

// walks remembers walks by the cursor that continues them.
type walks struct {
	mostBytes int

	mu     sync.Mutex
	bytes  int
	recent []kept // newest last
}

type kept struct {
	topic  transport.Topic
	cursor string
	walk   walk
}

// maxWalks bounds the walks that are remembered. A reader uses one cursor after the
// other and at most the last two again.
const maxWalks = 64

func newWalks(o Options) *walks {
	return &walks{mostBytes: cmp.Or(o.Limits.MaxBytes, segment.DefaultMaxBytes)}
}

// at returns the walk that a cursor continues. One that is forgotten goes on without
// what it held.
func (w *walks) at(topic transport.Topic, cursor []byte) walk {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.recent {
		if k.topic == topic && k.cursor == string(cursor) {
			return k.walk
		}
	}
	return walk{}
}

// keep remembers a walk; one that holds nothing and has returned nothing need not be.
func (w *walks) keep(topic transport.Topic, cursor []byte, at walk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recent = slices.DeleteFunc(w.recent, func(k kept) bool {
		same := k.topic == topic && k.cursor == string(cursor)
		if same {
			w.bytes -= k.walk.bytes
		}
		return same
	})
	if len(at.held) == 0 && len(at.done) == 0 {
		return
	}
	w.recent = append(w.recent, kept{topic, string(cursor), at})
	w.bytes += at.bytes
	for len(w.recent) > maxWalks || w.bytes > w.mostBytes && len(w.recent) > 1 {
		w.bytes -= w.recent[0].walk.bytes
		w.recent = append(w.recent[:0], w.recent[1:]...)
	}
}
