package classic

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// The constants of nim-sds.
const (
	nimHistory     = 1000             // messages of the log that are kept
	nimCapacity    = 10_000           // of the filter
	nimRate        = 0.001            // its error rate
	nimResend      = 60 * time.Second // after which an attempt is counted
	nimAttempts    = 5
	nimSweep       = 60*time.Second + time.Millisecond // of the outgoing buffer, which takes its time
	nimRepairSweep = 5 * time.Second
	nimMaxLamport  = math.MaxInt64 // from here on the process ends
)

// nim is nim-sds master with a host that broadcasts what it is given.
type nim struct {
	*base
	lamport uint64
	sent    uint64 // own messages, for their ids

	history []*Prepared // in order of arrival
	byID    map[uint64]*Prepared
	filter  *bloom.Rolling
	waiting []waiting

	outgoing []nimOutgoing
	requests requests
	answers  answers

	sweep, repair interval
	sweptAt       sds.Time
}

// nimOutgoing is an own message that is not acknowledged.
type nimOutgoing struct {
	in       *Prepared
	at       sds.Time // when it was sent, or the last attempt counted
	attempts int
}

func newNim(b *base) (*nim, error) {
	f, err := bloom.NewRolling(nimCapacity, nimRate)
	if err != nil {
		return nil, err
	}
	return &nim{base: b, byID: map[uint64]*Prepared{}, filter: f,
		sweep: b.newInterval(nimSweep), repair: b.newInterval(nimRepairSweep)}, nil
}

// push sends content under an id of 66 characters, as hosts give it.
func (n *nim) push(content []byte) sds.MessageID {
	n.sent++
	var count [8]byte
	binary.BigEndian.PutUint64(count[:], n.sent^n.cfg.Seed<<32)
	sum := sha256.Sum256(slices.Concat([]byte(n.cfg.Participant), count[:], content))
	id := sds.MessageID("0x" + hex.EncodeToString(sum[:]))
	n.wrap(id, content)
	return id
}

// wrap sends content under an id.
func (n *nim) wrap(id sds.MessageID, content []byte) {
	n.tickClock(uint64(max(0, n.now/1000)))
	m := &wire.Message{Dialect: wire.Nim, SenderID: n.cfg.Participant, MessageID: id, ChannelID: n.cfg.Channel,
		Lamport: n.lamport, HasLamport: true, BloomFilter: n.filter.Append(nil), Content: content}
	m.RepairRequest = n.requests.due(n.now)
	n.requests.forget(func(q request) bool { return q.made })
	newest := n.history[max(0, len(n.history)-n.cfg.CausalHistory):]
	parents := make([]uint64, len(newest))
	for i, in := range newest {
		m.CausalHistory = append(m.CausalHistory, n.entry(in))
		parents[i] = in.fingerprint
	}
	own := prepare(m, bloom.Nim, parents, listFingerprint(parents))
	own.filter, _ = bloom.ParseNim(m.BloomFilter)
	n.emit(sds.ClassContent, own)
	n.outgoing = append(n.outgoing, nimOutgoing{in: own, at: n.now})
	n.filter.Add(string(id))
	n.out.Deliveries = append(n.out.Deliveries, n.enter(own, true))
	n.remember(own)
}

func (n *nim) tickClock(other uint64) { n.lamport = max(n.lamport, other) + 1 }

// remember puts a message at the end of the history, which forgets its oldest.
func (n *nim) remember(in *Prepared) {
	n.byID[in.fingerprint] = in
	n.history = append(n.history, in)
	if len(n.history) > nimHistory {
		delete(n.byID, n.history[0].fingerprint)
		n.history[0] = nil
		n.history = n.history[1:]
	}
}

// take is what happens to every message, a copy of an own one included.
func (n *nim) take(in *Prepared) {
	m := in.message
	if m.Dialect != wire.Nim || m.Lamport >= nimMaxLamport {
		return
	}
	n.requests.remove(in.fingerprint)
	n.answers.remove(in.fingerprint)
	if n.byID[in.fingerprint] != nil {
		return
	}
	n.arrive(in)
	n.filter.Add(string(m.MessageID))
	n.tickClock(m.Lamport)
	n.review(in)
	for i := range m.RepairRequest {
		n.asked(&m.RepairRequest[i])
	}
	// What waits counts as missing, and is asked for.
	var missing []int
	for i, f := range in.parents {
		if n.byID[f] == nil {
			missing = append(missing, i)
		}
	}
	if missing != nil {
		n.await(in, missing)
		return
	}
	n.deliver(in)
}

// review takes what a message says about our own ones: one mention or one filter
// is an acknowledgement.
func (n *nim) review(in *Prepared) {
	n.outgoing = slices.DeleteFunc(n.outgoing, func(o nimOutgoing) bool {
		switch {
		case slices.Contains(in.parents, o.in.fingerprint):
			n.acked(o.in, in, Mentioned)
		case in.filter != nil && in.filter.ContainsKey(o.in.key):
			n.acked(o.in, in, Filtered)
		default:
			return false
		}
		return true
	})
}

// asked hears somebody's request: our own is deleted, and answered if we can. A
// request that is repeated puts the answer off.
func (n *nim) asked(e *wire.HistoryEntry) {
	f := fingerprint(string(e.MessageID))
	n.requests.remove(f)
	in := n.byID[f]
	if in == nil || n.cfg.Participant == "" || e.SenderID == "" {
		return
	}
	self, sender, id := string(n.cfg.Participant), string(e.SenderID), string(e.MessageID)
	if pace.NimInGroup(self, sender, id, n.cfg.ResponseGroups) {
		n.answers.remove(f)
		n.answers.add(in, n.now.Add(pace.NimResponseDelay(self, sender, id, n.cfg.RepairMax)), 0)
	}
}

// await keeps a message until what is missing has come; a copy replaces it. It
// plans to ask for what is missing, if somebody can be answered.
func (n *nim) await(in *Prepared, missing []int) {
	n.notice(in, missing)
	w := waiting{in, missing, n.now}
	if i := n.waits(in.fingerprint); i >= 0 {
		n.waiting[i] = w
	} else {
		n.waiting = append(n.waiting, w)
	}
	if n.cfg.Participant == "" {
		return
	}
	for _, i := range missing {
		if f := in.parents[i]; !n.requests.has(f) {
			e := in.message.CausalHistory[i]
			at := n.now.Add(pace.NimRequestDelay(string(n.cfg.Participant), string(e.MessageID), n.cfg.RepairMin, n.cfg.RepairMax))
			n.requests.add(f, e, at, 0)
		}
	}
}

func (n *nim) waits(f uint64) int {
	return slices.IndexFunc(n.waiting, func(w waiting) bool { return w.in.fingerprint == f })
}

// deliver puts a message into the history and what waited for it after it. The
// application hears of the latter first.
func (n *nim) deliver(in *Prepared) {
	first := n.enter(in, false)
	n.remember(in)
	for ready := n.unblocked(in); len(ready) > 0; {
		next := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		n.out.Deliveries = append(n.out.Deliveries, n.enter(next, false))
		n.remember(next)
		ready = append(ready, n.unblocked(next)...)
	}
	n.out.Deliveries = append(n.out.Deliveries, first)
}

// unblocked takes a message off what others wait for, and returns those that wait
// for nothing any more.
func (n *nim) unblocked(in *Prepared) []*Prepared {
	var ready []*Prepared
	kept := n.waiting[:0]
	for _, w := range n.waiting {
		w.missing = slices.DeleteFunc(w.missing, func(i int) bool { return w.in.parents[i] == in.fingerprint })
		if len(w.missing) == 0 {
			ready = append(ready, w.in)
			continue
		}
		kept = append(kept, w)
	}
	clear(n.waiting[len(kept):])
	n.waiting = kept
	return ready
}

func (n *nim) deadline() sds.Time {
	var at sds.Time
	if len(n.outgoing) > 0 {
		at = n.sweep.from(max(n.outgoing[0].at, n.sweptAt+1))
	}
	if len(n.answers.list) > 0 {
		at = earliest(at, n.repair.from(n.answers.list[0].at))
	}
	if len(n.requests.list) > 0 {
		at = earliest(at, n.repair.from(n.requests.list[0].at.Add(n.cfg.RepairMax)+1))
	}
	return at
}

func (n *nim) tick() {
	if len(n.outgoing) > 0 && n.sweep.from(max(n.outgoing[0].at, n.sweptAt+1)) <= n.now {
		n.sweepOutgoing()
	}
	// Requests that nothing has carried for T_max are forgotten.
	n.requests.forget(func(q request) bool {
		return n.repair.from(q.at.Add(n.cfg.RepairMax)+1) <= n.now
	})
	if len(n.answers.list) > 0 && n.repair.from(n.answers.list[0].at) <= n.now {
		for _, a := range n.answers.due(n.now) {
			n.emit(sds.ClassRepair, a.in)
		}
	}
}

// sweepOutgoing counts an attempt to send again for every message that is older
// than a minute, without sending anything, and reports as sent what used up its
// attempts.
func (n *nim) sweepOutgoing() {
	n.sweptAt = n.now
	kept := n.outgoing[:0]
	for _, o := range n.outgoing {
		if n.now.Sub(o.at) > nimResend {
			if o.attempts == nimAttempts {
				n.acked(o.in, nil, Exhausted)
				continue
			}
			o.attempts++
			o.at = n.now
		}
		kept = append(kept, o)
	}
	clear(n.outgoing[len(kept):])
	n.outgoing = kept
}

func (n *nim) logged(f uint64) *Prepared { return n.byID[f] }

func (n *nim) sizes() Sizes {
	return Sizes{Log: len(n.history), Waiting: len(n.waiting), Outgoing: len(n.outgoing),
		Requests: len(n.requests.list), Answers: len(n.answers.list)}
}
