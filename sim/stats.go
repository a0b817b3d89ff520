package sim

import (
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// Stats are the figures of a run.
type Stats struct {
	Messages  int // content messages sent
	Handed    int // packets handed to members
	Lost      int // of them lost
	Missed    int // (message, member) pairs whose first copy was lost and noticed
	Repaired  int // of them held in the end
	Packets   map[sds.Class]int
	Bytes     map[sds.Class]int // of whole packets, once per broadcast
	Content   int               // bytes of content, once per message
	Detect    []time.Duration   // from Send to the first notice of a missing message
	Repair    []time.Duration   // from notice to having it
	FirstAck  []time.Duration   // from Send to the first acknowledgement at the sender
	FullAck   []time.Duration   // from Send to everybody's
	Delivered []time.Duration   // from Send to the log of each other member

	tracks map[sds.MessageID]*track
	order  []*track
}

// track follows one message.
type track struct {
	id       sds.MessageID
	sender   int
	sent     sds.Time
	first    bool
	full     bool
	seen     int
	noticed  map[int]sds.Time
	received map[int]bool
}

func (s *Stats) init() {
	s.Packets, s.Bytes = map[sds.Class]int{}, map[sds.Class]int{}
	s.tracks = map[sds.MessageID]*track{}
}

func (s *Stats) sent(g *Group, m *Member, id sds.MessageID, content int) {
	s.Messages++
	s.Content += content
	t := &track{id: id, sender: m.Index, sent: g.now, noticed: map[int]sds.Time{}, received: map[int]bool{}}
	s.tracks[id] = t
	s.order = append(s.order, t)
}

func (s *Stats) packet(c sds.Class, n int, payload []byte) {
	s.Packets[c]++
	s.Bytes[c] += n
}

func (s *Stats) ready(g *Group, m *Member, r sds.Ready) {
	for _, a := range r.Arrivals {
		if t := s.tracks[a.ID]; t != nil && a.Kind == wire.Content {
			t.received[m.Index] = true
			if at, ok := t.noticed[m.Index]; ok {
				s.Repaired++
				s.Repair = append(s.Repair, g.now.Sub(at))
			}
		}
	}
	for _, gap := range r.Gaps {
		t := s.tracks[gap.ID]
		if t == nil || gap.State != sds.GapMissing {
			continue
		}
		if _, ok := t.noticed[m.Index]; !ok && !t.received[m.Index] {
			t.noticed[m.Index] = g.now
			s.Missed++
			s.Detect = append(s.Detect, g.now.Sub(t.sent))
		}
	}
	for _, d := range r.Deliveries {
		if t := s.tracks[d.ID]; t != nil && !d.Own {
			s.Delivered = append(s.Delivered, g.now.Sub(t.sent))
		}
	}
	for _, receipt := range r.Receipts {
		t := s.tracks[receipt.ID]
		if t == nil {
			continue
		}
		t.seen = receipt.Seen
		if !t.first && receipt.Seen > 0 {
			t.first = true
			s.FirstAck = append(s.FirstAck, g.now.Sub(t.sent))
		}
		if !t.full && receipt.Level == sds.LevelEveryone {
			t.full = true
			s.FullAck = append(s.FullAck, g.now.Sub(t.sent))
		}
	}
}

// Acknowledged counts messages that their senders know everybody has.
func (s *Stats) Acknowledged() int { return len(s.FullAck) }

// Control returns the bytes of everything but content, over all packets.
func (s *Stats) Control() int {
	total := -s.Content
	for _, n := range s.Bytes {
		total += n
	}
	return total
}

// Percentile returns the p-th percentile (0 … 100) of d, or 0 if d is empty.
func Percentile(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(len(sorted)-1, int(p/100*float64(len(sorted))))]
}
