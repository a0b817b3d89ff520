package crowd

import (
	"fmt"
	"slices"
	"sort"

	"github.com/causeway-im/causeway/sds"
)

// message is one that is followed, with the truth about who has it.
type message struct {
	index   int32
	id      sds.MessageID
	from    int
	kind    Kind // of its sender
	content int
	lamport uint64
	sent    int64 // when its sender wrote it
	left    int64 // when it was first broadcast, -1 before
	// has and logged are who got it and who delivered it in order, as bits by
	// member. Each shard writes its own words.
	has, logged []uint64
	holders     int     // others than the sender, at the beginning of the window
	got         []int64 // when they got it, of a message with a verdict

	acked, reached int64 // first acknowledgement, and what was wanted; never
	repairs        int   // broadcasts of it that were repairs
	deadline       int64 // of its verdict; 0 if nobody waits for one
	said           bool  // there was a verdict
}

// newMessage begins to follow the message with this number of plan.sends.
func newMessage(e *engine, number int, id sds.MessageID, m *member, at int64, content int) *message {
	words := e.words()
	bits := e.bits[2*words*number:][: 2*words : 2*words]
	w := &e.truth[number]
	*w = message{index: -1, id: id, from: m.index, kind: m.kind, content: content, sent: at, left: -1,
		has: bits[:words:words], logged: bits[words:], acked: never, reached: never}
	w.has[m.index/64] |= 1 << (m.index % 64)
	w.logged[m.index/64] |= 1 << (m.index % 64)
	return w
}

func has(set []uint64, i int) bool { return set[i/64]&(1<<(i%64)) != 0 }

func errorf(format string, args ...any) error { return fmt.Errorf("crowd: "+format, args...) }

// lost notes that the network lost a packet on its way to m.
func (sh *shard) lost(m *member, f *flight, time int64) {
	w := f.message
	if !f.first || !w.counts(m) || m.schedule.absent.meets(f.sent, f.sent+time+1) {
		return
	}
	if m.missing == nil {
		m.missing = map[int32]int64{}
	}
	m.missing[w.index] = -1
	sh.incidents[w.index] = true
	sh.tally(m.kind).missed++
}

// counts tells whether m is owed w: it was there when w was broadcast, has no
// part in lies, and did not write it.
func (w *message) counts(m *member) bool {
	return m.exists && m.kind.honest() && w.left >= m.joined && m.index != w.from
}

// rejoined forgets what a member missed before it came anew.
func (sh *shard) rejoined(m *member) {
	t := sh.tally(m.kind)
	t.missed -= len(m.missing)
	for _, noticed := range m.missing {
		if noticed >= 0 {
			t.detected--
		}
	}
	clear(m.missing)
}

// observe takes what a member tells.
func (sh *shard) observe(m *member, at int64, out *Outputs) {
	for i := range out.Arrivals {
		if w := sh.message(out.Arrivals[i].ID); w != nil {
			sh.arrived(m, at, w)
		}
	}
	for i := range out.Gaps {
		if g := &out.Gaps[i]; len(m.missing) > 0 && (g.State == sds.GapMissing || g.State == sds.GapSkipped) {
			sh.noticed(m, at, sh.message(g.ID))
		}
	}
	for i := range out.Losses { // those of a digest name nothing that we could look up
		if l := &out.Losses[i]; len(m.missing) > 0 && l.Sequence > 0 {
			sh.noticed(m, at, sh.e.sequence[sequenceKey{l.Sender, l.Sequence}])
		}
	}
	for i := range out.Deliveries {
		d := &out.Deliveries[i]
		if w := sh.message(d.ID); w != nil && !d.Own {
			sh.delivered(m, at, w)
		}
	}
	for i := range out.Receipts {
		if r := &out.Receipts[i]; m.kind.honest() {
			sh.receipt(m, at, r)
		}
	}
}

// arrived notes that m holds w.
func (sh *shard) arrived(m *member, at int64, w *message) {
	if has(w.has, m.index) {
		return
	}
	w.has[m.index/64] |= 1 << (m.index % 64)
	sh.held = append(sh.held, held{at, w, m.index})
	noticed, missed := m.missing[w.index]
	if !missed {
		return
	}
	delete(m.missing, w.index)
	t := sh.tally(m.kind)
	if noticed < 0 {
		t.detected++
		t.unnoticed++
		t.detect.add(at - w.left)
		return
	}
	t.repair.add(at - noticed)
}

// noticed notes that m knows that it lacks a message.
func (sh *shard) noticed(m *member, at int64, w *message) {
	if w == nil {
		return
	}
	if before, missed := m.missing[w.index]; missed && before < 0 {
		m.missing[w.index] = at
		t := sh.tally(m.kind)
		t.detected++
		t.detect.add(at - w.left)
	}
}

// delivered notes that w has its place in m's log.
func (sh *shard) delivered(m *member, at int64, w *message) {
	if has(w.logged, m.index) {
		return
	}
	w.logged[m.index/64] |= 1 << (m.index % 64)
	t := sh.tally(m.kind)
	t.lastDelivery = max(t.lastDelivery, at)
	if w.left >= 0 && w.counts(m) && m.present(w.left) {
		t.consistency.add(at - w.left)
	}
}

// present tells whether m was online, as far as it knew, at a time.
func (m *member) present(at int64) bool { return !m.schedule.absent.has(at) }

// receipt takes what a sender believes.
func (sh *shard) receipt(m *member, at int64, r *sds.Receipt) {
	w := sh.message(r.ID)
	if w == nil || w.from != m.index {
		return
	}
	t := sh.tally(m.kind)
	if w.acked == never && (r.Seen > 0 || r.Level >= sds.LevelSeen) {
		w.acked = at
		t.ackFirst.add(at - w.sent)
	}
	if w.reached == never && r.Level >= sds.LevelReached {
		w.reached = at
		t.ackWanted.add(at - w.sent)
	}
	said := r.Estimate.Verdict
	if r.Level >= sds.LevelReached {
		said = sds.Yes
	}
	if w.deadline == 0 || w.said {
		said = sds.Undecided
	}
	w.said = w.said || said != sds.Undecided
	if len(r.Persons) > 0 || said != sds.Undecided {
		sh.seen = append(sh.seen, seen{at, w, slices.Clone(r.Persons), said})
	}
}

// account compares what was said in a window with the truth.
func (e *engine) account(until int64) {
	for _, sh := range e.shards {
		for _, s := range sh.seen {
			e.audit(sh, s)
		}
	}
	e.judge(until)
	for _, sh := range e.shards {
		for _, h := range sh.held {
			h.message.holders++
			if h.message.deadline > 0 {
				h.message.got = append(h.message.got, h.at)
			}
		}
		clear(sh.held)
		clear(sh.seen)
		sh.held, sh.seen = sh.held[:0], sh.seen[:0]
	}
	e.register()
}

// audit looks for members that a receipt counts and that do not have the message.
func (e *engine) audit(sh *shard, s seen) {
	for _, person := range s.persons {
		i := memberOf(person)
		if i < 0 || i >= len(e.members) || !e.members[i].kind.honest() {
			continue
		}
		if !e.hadBy(s.message, i, s.at) {
			sh.tally(s.message.kind).falseAcks++
		}
	}
}

// hadBy tells whether a member had a message at a time of this window.
func (e *engine) hadBy(w *message, i int, at int64) bool {
	if !has(w.has, i) {
		return false
	}
	list := e.shardOf(i).held
	first := sort.Search(len(list), func(k int) bool { return list[k].member >= i })
	for _, h := range list[first:] {
		if h.member != i {
			break
		}
		if h.message == w && h.at > at {
			return false
		}
	}
	return true
}

func (e *engine) shardOf(i int) *shard { return e.shards[i/(e.shards[0].last-e.shards[0].first)] }

// holdersAt counts who had a message at a time of this window, the sender
// excepted.
func (e *engine) holdersAt(w *message, at int64) int {
	n := w.holders
	for _, sh := range e.shards {
		for _, h := range sh.held {
			if h.message == w && h.at <= at {
				n++
			}
		}
	}
	return n
}

// register numbers the messages that were written in a window.
func (e *engine) register() {
	var list []*message
	for _, sh := range e.shards {
		list = append(list, sh.written...)
		clear(sh.written)
		clear(sh.mine)
		sh.written = sh.written[:0]
	}
	slices.SortStableFunc(list, func(a, b *message) int {
		if a.sent != b.sent {
			return int(a.sent - b.sent)
		}
		return a.from - b.from
	})
	for _, w := range list {
		if e.byID[w.id] != nil { // a text that was said before, where that is an id
			e.shards[0].unsent++
			continue
		}
		w.index = int32(len(e.messages))
		e.messages = append(e.messages, w)
		e.byID[w.id] = w
		if w.deadline > 0 {
			e.verdicts = append(e.verdicts, w)
		}
	}
}

// The question that messages with wantVerdict ask.
const verdictShare = 0.9

// verdictTime is how long a sender may take for its verdict, in milliseconds.
func (e *engine) verdictTime() int64 {
	if e.sc.Members <= 32 {
		return 3000
	}
	return 11_000
}

// judge compares verdicts with the truth at their moment.
func (e *engine) judge(until int64) {
	for _, sh := range e.shards {
		for _, s := range sh.seen {
			if w := s.message; s.verdict != sds.Undecided && s.at <= w.deadline {
				e.verdict(w, s.at, s.verdict)
				w.deadline = 0
			}
		}
	}
	e.verdicts = slices.DeleteFunc(e.verdicts, func(w *message) bool {
		if w.deadline > 0 && w.deadline < until {
			e.verdict(w, w.deadline, sds.Undecided)
			w.deadline = 0
		}
		return w.deadline == 0
	})
}

// verdictLag is how old the youngest news may be that a verdict can rest on, in
// milliseconds: one way through the network.
const verdictLag = 700

// verdict notes one.
func (e *engine) verdict(w *message, at int64, said sds.Verdict) {
	t := e.shards[0].tally(w.kind)
	t.asked++
	now := e.holdersAt(w, at)
	before := now
	for _, sh := range e.shards {
		for _, h := range sh.held {
			if h.message == w && h.at <= at && h.at > at-verdictLag {
				before--
			}
		}
	}
	for _, got := range w.got {
		if got > at-verdictLag {
			before--
		}
	}
	others := float64(len(e.members) - 1)
	switch {
	case rightVerdict(said, float64(now)/others):
		t.right++
		t.rightAtOnce++
	case rightVerdict(said, float64(before)/others):
		t.right++
	}
	if said == sds.Undecided {
		t.undecided++
	}
	t.verdict.add(at - w.sent)
}

func rightVerdict(said sds.Verdict, truth float64) bool {
	return truth > 0.80 && truth < 0.95 || said == sds.Yes && truth >= 0.95 || said == sds.No && truth <= 0.80
}
