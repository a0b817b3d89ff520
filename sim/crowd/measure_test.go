package crowd

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// A witness writes down everything that goes in and out of every member, and
// computes all figures from that alone, as simply as can be: it knows nothing of
// the engine, of loss or of windows.
type witness struct {
	log []entry
}

// entry is one thing that happened.
type entry struct {
	at     int64 // virtual time, without skew
	member int
	sent   *sentEntry
	packet *Packet // received
	out    Outputs
}

type sentEntry struct {
	id      sds.MessageID
	content int
	want    sds.Want
}

// witnessed is a member with the witness looking on.
type witnessed struct {
	*ours
	w    *witness
	seat Seat
}

func (w *witness) seat(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
	o, err := openOurs(seat, sc, now)
	return &witnessed{o, w, seat}, err
}

func (m *witnessed) note(now sds.Time, e entry) {
	e.at, e.member = int64(now-start), m.seat.Index
	m.w.log = append(m.w.log, e)
}

func (m *witnessed) Send(now sds.Time, content []byte, want sds.Want) (sds.MessageID, error) {
	id, err := m.ours.Send(now, content, want)
	m.note(now, entry{sent: &sentEntry{id, len(content), want}})
	return id, err
}

func (m *witnessed) Receive(now sds.Time, p *Packet) error {
	m.note(now, entry{packet: p})
	return m.ours.Receive(now, p)
}

func (m *witnessed) Drain(now sds.Time, out *Outputs) bool {
	any := m.ours.Drain(now, out)
	if any {
		copied := Outputs{slices.Clone(out.Packets), slices.Clone(out.Arrivals), slices.Clone(out.Deliveries),
			slices.Clone(out.Receipts), slices.Clone(out.Gaps), slices.Clone(out.Losses)}
		for i := range copied.Receipts {
			copied.Receipts[i].Persons = slices.Clone(copied.Receipts[i].Persons)
		}
		m.note(now, entry{out: copied})
	}
	return any
}

// figures are what the witness computes.
type figures struct {
	messages, missed, detected, unnoticed, unrepaired, undelivered, falseAcks int
	firstAck, wantedAck, detect, repair, consistency                          []float64
	never                                                                     map[string]int
	content, control                                                          int64
	around                                                                    []float64
	consistent                                                                bool
	receives                                                                  int64
	asked, right, undecided                                                   int
}

// compute goes through the log once for every question.
func (w *witness) compute(sc *Scenario, end int64, absent func(member int, from, to int64) bool) figures {
	// Members do not influence each other within a window, so the log is in order for
	// each of them only.
	slices.SortStableFunc(w.log, func(a, b entry) int { return int(a.at - b.at) })
	f := figures{consistent: true, never: map[string]int{}}
	bytes := map[sds.MessageID][]byte{}
	type messageFacts struct {
		from       int
		sent, left int64
		want       sds.Want
	}
	facts := map[sds.MessageID]*messageFacts{}
	var order []sds.MessageID
	for _, e := range w.log {
		if e.sent != nil {
			facts[e.sent.id] = &messageFacts{e.member, e.at, -1, e.sent.want}
			order = append(order, e.sent.id)
			f.messages++
		}
		if e.packet != nil {
			f.receives++
		}
	}
	for _, e := range w.log {
		for _, p := range e.out.Packets {
			payload := p.Payload
			if payload == nil {
				payload = bytes[p.ID]
			}
			f.control += int64(len(payload))
			m := facts[p.ID]
			if m == nil {
				continue
			}
			if bytes[p.ID] == nil {
				bytes[p.ID] = payload
			}
			if m.left < 0 {
				m.left = e.at
				decoded, _ := wire.Decode(payload)
				n := int64(len(decoded.Content))
				f.content += n
				f.control -= n
				f.around = append(f.around, float64(len(payload))-float64(n))
			}
		}
	}
	// first finds the first entry of a member for which is says so.
	first := func(member int, is func(*entry) bool) int64 {
		for i := range w.log {
			if e := &w.log[i]; e.member == member && is(e) {
				return e.at
			}
		}
		return -1
	}
	arrived := func(member int, id sds.MessageID) int64 {
		return first(member, func(e *entry) bool {
			return slices.ContainsFunc(e.out.Arrivals, func(a sds.Arrival) bool { return a.ID == id })
		})
	}
	logged := func(member int, id sds.MessageID) int64 {
		return first(member, func(e *entry) bool {
			return slices.ContainsFunc(e.out.Deliveries, func(d sds.Delivery) bool { return d.ID == id })
		})
	}
	receipt := func(member int, id sds.MessageID, is func(sds.Receipt) bool) int64 {
		return first(member, func(e *entry) bool {
			return slices.ContainsFunc(e.out.Receipts, func(r sds.Receipt) bool { return r.ID == id && is(r) })
		})
	}
	duration := func(list *[]float64, what string, from, to int64) {
		if to < 0 {
			f.never[what]++
			to = end
		}
		*list = append(*list, float64(to-from))
	}
	for _, id := range order {
		m := facts[id]
		duration(&f.firstAck, "first", m.sent, receipt(m.from, id, func(r sds.Receipt) bool { return r.Seen > 0 }))
		duration(&f.wantedAck, "wanted", m.sent, receipt(m.from, id, func(r sds.Receipt) bool { return r.Level >= sds.LevelReached }))
		anybody := false
		for i := range sc.Members {
			anybody = anybody || !absent(i, end-1, end) && (i == m.from || arrived(i, id) >= 0)
		}
		for i := range sc.Members {
			if i == m.from {
				continue
			}
			atEnd := !absent(i, end-1, end)
			steady := !absent(i, end-60_000, end)
			got, placed := arrived(i, id), logged(i, id)
			if steady && anybody && got < 0 {
				f.consistent = false
			}
			if !absent(i, m.left, m.left+1) {
				if placed >= 0 || atEnd {
					duration(&f.consistency, "consistency", m.left, placed)
				}
				if placed < 0 && atEnd {
					f.undelivered++
				}
			}
			firstCopy := first(i, func(e *entry) bool {
				return e.packet != nil && e.packet.Class == sds.ClassContent && e.packet.Message.MessageID == id
			})
			// Nobody was away for a part of a flight in the scenarios of these tests.
			if firstCopy >= 0 || absent(i, m.left, m.left+1000) {
				continue
			}
			f.missed++
			noticed := first(i, func(e *entry) bool {
				return slices.ContainsFunc(e.out.Gaps, func(g sds.Gap) bool {
					return g.ID == id && (g.State == sds.GapMissing || g.State == sds.GapSkipped)
				}) || slices.ContainsFunc(e.out.Losses, func(l sds.Loss) bool {
					return l.Sequence > 0 && l.Sender == memberID(m.from) && sequenceOf(bytes[id]) == l.Sequence
				})
			})
			switch {
			case noticed >= 0 && (got < 0 || noticed <= got):
				f.detected++
				duration(&f.detect, "detect", m.left, noticed)
				duration(&f.repair, "repair", noticed, got)
			case got >= 0:
				f.detected++
				f.unnoticed++
				duration(&f.detect, "detect", m.left, got)
			default:
				duration(&f.detect, "detect", m.left, -1)
			}
			if got < 0 && steady && anybody {
				f.unrepaired++
			}
		}
		if m.want.Kind == sds.WantFraction && m.sent+3000 < end { // its verdict is due
			f.judge(w, sc, id, m.from, m.sent, arrived)
		}
	}
	for _, e := range w.log {
		for _, r := range e.out.Receipts {
			for _, p := range r.Persons {
				i := memberOf(p)
				if at := arrived(i, r.ID); at < 0 || at > e.at {
					f.falseAcks++
				}
			}
		}
	}
	return f
}

func sequenceOf(payload []byte) uint64 {
	m, err := wire.Decode(payload)
	if err != nil {
		return 0
	}
	x, err := wire.ParseExtension(m.Extension)
	if err != nil {
		return 0
	}
	return x.Sequence
}

// judge compares the verdict on one message with who had it.
func (f *figures) judge(w *witness, sc *Scenario, id sds.MessageID, from int, sent int64, arrived func(int, sds.MessageID) int64) {
	said, at := sds.Undecided, sent+3000
search:
	for _, e := range w.log {
		for _, r := range e.out.Receipts {
			if e.member != from || r.ID != id || e.at > at {
				continue
			}
			if r.Level >= sds.LevelReached || r.Estimate.Verdict != sds.Undecided {
				at = e.at
				if said = r.Estimate.Verdict; r.Level >= sds.LevelReached {
					said = sds.Yes
				}
				break search
			}
		}
	}
	share := func(when int64) float64 {
		n := 0
		for i := range sc.Members {
			if got := arrived(i, id); i != from && got >= 0 && got <= when {
				n++
			}
		}
		return float64(n) / float64(sc.Members-1)
	}
	f.asked++
	if said == sds.Undecided {
		f.undecided++
	}
	for _, truth := range []float64{share(at), share(at - 700)} {
		if truth > .80 && truth < .95 || truth >= .95 && said == sds.Yes || truth <= .80 && said == sds.No {
			f.right++
			return
		}
	}
}

// distributionOf sums up a list.
func distributionOf(list []float64, never int) Distribution {
	d := Distribution{Count: len(list), Never: never}
	if len(list) == 0 {
		return d
	}
	slices.Sort(list)
	at := func(p float64) float64 { return list[max(int(math.Ceil(p*float64(len(list))-1e-9)), 1)-1] }
	d.P50, d.P90, d.P95, d.P99, d.Max = at(.5), at(.9), at(.95), at(.99), list[len(list)-1]
	return d
}

func TestFiguresAreThoseOfAWitness(t *testing.T) {
	minute := time.Minute
	scenarios := map[string]Scenario{
		"plain": {Members: 6, Network: Network{Loss: 0.25}, Load: Load{Rate: 0.3, Duration: minute}},
		"asked": {Members: 12, Network: Network{Loss: 0.1}, Load: Load{Rate: 0.3, Duration: minute, Asked: 0.6}},
		"absent": {Members: 20, Network: Network{Loss: 0.1}, Load: Load{Rate: 0.5, Duration: minute, Asked: 0.5},
			Faults: []Fault{{Kind: FaultOffline, Members: []int{1, 2, 3, 4, 5}}}},
		"cut off for good": {Members: 7, Network: Network{Loss: 0.1}, Load: Load{Rate: 0.3, Duration: minute},
			Faults: []Fault{{Kind: FaultCut, Members: []int{3}}}},
		"nobody is heard": {Members: 3, Network: Network{Loss: 0.99}, Load: Load{Rate: 0.2, Duration: minute}},
		"short":           {Members: 6, Network: Network{Loss: 0.5}, Load: Load{Rate: 1, Duration: minute, Asked: 0.5}, Tail: time.Second},
	}
	covered := map[string]bool{}
	for name, sc := range scenarios {
		t.Run(name, func(t *testing.T) {
			sc.Seed = 5
			sc.Workers = 1
			w := &witness{}
			sc.Kinds = map[Kind]Constructor{Ours: w.seat}
			r := run(t, sc)
			full := sc.withDefaults()
			p := newPlan(&full)
			f := w.compute(&full, p.end, func(i int, from, to int64) bool { return p.members[i].absent.meets(from, to) })
			compare(t, r, &f)
			for what, is := range map[string]bool{"missed": f.missed > 0, "undetected": f.detected < f.missed,
				"unnoticed": f.unnoticed > 0, "unrepaired": f.unrepaired > 0, "undelivered": f.undelivered > 0,
				"inconsistent": !f.consistent, "consistent": f.consistent, "right": f.right > 0,
				"never acknowledged": f.never["first"] > 0, "never repaired": f.never["repair"] > 0} {
				covered[what] = covered[what] || is
			}
		})
	}
	for what, is := range covered {
		if !is {
			t.Errorf("no scenario has anything %s", what)
		}
	}
}

func compare(t *testing.T, r *Result, f *figures) {
	t.Helper()
	same := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: the run says %v, the witness %v", what, got, want)
		}
	}
	same("messages", r.Messages, f.messages)
	same("receives", r.Receives, f.receives)
	same("missed", r.Missed, f.missed)
	same("missed_detected", r.MissedDetected, f.detected)
	same("repaired_unnoticed", r.RepairedUnnoticed, f.unnoticed)
	same("unrepaired", r.Unrepaired, f.unrepaired)
	same("undelivered", r.Undelivered, f.undelivered)
	same("false_acks", r.FalseAcks, f.falseAcks)
	same("consistent", r.Consistent, f.consistent)
	same("ack_first_ms", r.AckFirst, distributionOf(f.firstAck, f.never["first"]))
	same("ack_wanted_ms", r.AckWanted, distributionOf(f.wantedAck, f.never["wanted"]))
	same("detect_ms", r.Detect, distributionOf(f.detect, f.never["detect"]))
	same("repair_ms", r.Repair, distributionOf(f.repair, f.never["repair"]))
	same("consistency_ms", r.Consistency, distributionOf(f.consistency, f.never["consistency"]))
	same("content", r.Bytes.Content, f.content)
	same("control", r.Bytes.Control, f.control)
	if f.messages > 0 {
		same("control_per_message_group", r.Bytes.ControlPerMessageGroup, float64(f.control)/float64(f.messages))
		around := distributionOf(f.around, 0)
		same("control_in_message_p50", r.Bytes.ControlInMessageP50, around.P50)
		same("control_in_message_p99", r.Bytes.ControlInMessageP99, around.P99)
	}
	same("asked", r.Verdicts.Asked, f.asked)
	same("right", r.Verdicts.Right, f.right)
	same("undecided", r.Verdicts.Undecided, f.undecided)
}
