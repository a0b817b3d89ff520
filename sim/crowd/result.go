package crowd

import (
	"maps"
	"slices"
)

// Result is what a run showed. All times are in milliseconds of virtual time.
// Only honest members count, as senders and as receivers, unless a field says
// otherwise.
type Result struct {
	Members  int    `json:"members"`
	Messages int    `json:"messages"` // content messages that were written
	Seed     uint64 `json:"seed"`
	Policy   Policy `json:"policy"`
	// VirtualSeconds is how long the run was in virtual time, WallSeconds how long it
	// took, and Receives how many packets reached members.
	VirtualSeconds float64 `json:"virtual_seconds"`
	WallSeconds    float64 `json:"wall_seconds"`
	Receives       int64   `json:"receives"`

	// Consistent tells whether all members that run our code, or the Policy's, and
	// were online for the last minute hold the same messages: whatever one of them
	// holds, all hold that had joined when it was written.
	Consistent bool `json:"consistent"`
	// Missed counts pairs of a message and a member that was there and online while
	// the first broadcast was on its way to it, and to which the network lost that
	// copy. MissedDetected is how many of them the member noticed: by a gap that named
	// the message, or by getting it otherwise. Broadcasts of a member that is cut off
	// reach the network only when it is back.
	Missed         int `json:"missed"`
	MissedDetected int `json:"missed_detected"`
	// Unrepaired counts missed pairs that the member did not hold at the end although
	// it was online for the last minute and another member online at the end held it.
	Unrepaired int `json:"unrepaired"`
	// FalseAcks counts members in receipts who did not have the message at that
	// moment. Who has had it and came back with empty state counts as having it.
	FalseAcks int `json:"false_acks"`

	// AckFirst is from writing a message to the first proof at its sender that
	// another member has it, AckWanted until what was wanted is reached.
	AckFirst  Distribution `json:"ack_first_ms"`
	AckWanted Distribution `json:"ack_wanted_ms"`
	// Detect is from the first broadcast to noticing, for missed pairs; Repair from
	// noticing to having the content, for those that were noticed before they had it
	// (the others are in RepairedUnnoticed).
	Detect Distribution `json:"detect_ms"`
	Repair Distribution `json:"repair_ms"`
	// Consistency is from the first broadcast to the delivery in causal order, for
	// each pair of a message and a member online at the broadcast. A member that went
	// away afterwards counts when it is back.
	Consistency Distribution `json:"consistency_ms"`

	Bytes    Bytes    `json:"bytes"`
	Verdicts Verdicts `json:"verdicts"`

	Copies Copies `json:"copies"`
	// RepairedUnnoticed counts missed pairs that were repaired before they were
	// noticed.
	RepairedUnnoticed int `json:"repaired_unnoticed"`
	// Undelivered counts pairs of a message and a member online at the end and at the
	// broadcast that has not delivered it in order.
	Undelivered int `json:"undelivered"`
	// Behind counts pairs of a message and a member online for the last minute that
	// does not hold it, whether it was there at the broadcast or away, although
	// another such member does. Consistent means that there are none.
	Behind int `json:"behind"`
	// SettledMs is how long after the last message and the last fault the last
	// delivery was.
	SettledMs float64 `json:"settled_ms"`
	// Refused counts packets that receivers refused, Unsent messages that could not be
	// written, Unheard broadcasts that were made while cut off, Unreadable ones that
	// could not be decoded.
	Refused    int64 `json:"refused"`
	Unsent     int64 `json:"unsent"`
	Unheard    int64 `json:"unheard"`
	Unreadable int64 `json:"unreadable"`
	// Incidents are messages that at least one member missed; RepairsPerIncident how
	// often such a message was broadcast as a repair, on average, and at most.
	Incidents          int     `json:"incidents"`
	RepairsPerIncident float64 `json:"repairs_per_incident"`
	RepairsMax         int     `json:"repairs_max"`
	// Fairness is the control bytes of the member that sent most, in multiples of the
	// mean.
	Fairness float64 `json:"fairness"`
	// ByKind has the same by kind of member, when there are several: receivers for
	// what is missed, senders for acknowledgements.
	ByKind map[Kind]KindResult `json:"by_kind,omitempty"`

	// Curves are for plots.
	Curves Curves `json:"-"`
}

// KindResult is what members of one kind saw.
type KindResult struct {
	Members        int          `json:"members"`
	Consistent     bool         `json:"consistent"`
	Missed         int          `json:"missed"`
	MissedDetected int          `json:"missed_detected"`
	Unrepaired     int          `json:"unrepaired"`
	Undelivered    int          `json:"undelivered"`
	Behind         int          `json:"behind"`
	FalseAcks      int          `json:"false_acks"`
	AckFirst       Distribution `json:"ack_first_ms"`
	AckWanted      Distribution `json:"ack_wanted_ms"`
	Detect         Distribution `json:"detect_ms"`
	Repair         Distribution `json:"repair_ms"`
	Consistency    Distribution `json:"consistency_ms"`
}

// Copies says what became of the copies of all broadcasts, one for each other
// member: Broadcasts × (Members − 1) = Arrived + Lost + Away + Underway.
type Copies struct {
	Broadcasts int64 `json:"broadcasts"`
	Arrived    int64 `json:"arrived"`
	Lost       int64 `json:"lost"`     // by the network
	Away       int64 `json:"away"`     // came to a member that was offline or had not joined
	Underway   int64 `json:"underway"` // when the run ended
	Again      int64 `json:"again"`    // arrived a second time, beside these
}

func (c *Copies) add(d *Copies) {
	c.Arrived += d.Arrived
	c.Lost += d.Lost
	c.Away += d.Away
	c.Underway += d.Underway
	c.Again += d.Again
}

// Verdicts are about messages that want 90 % of the roster to have them. The
// verdict is the first yes or no of the sender's receipt; a receipt that has none
// 3 s (up to 32 members) or 11 s after the message was written is Undecided. The
// truth is the share of the roster, the sender excepted, that has the message at
// the moment of the verdict. From 95 % yes is right, up to 80 % no, between them
// anything, so that Undecided counts as wrong outside that zone. News takes time:
// what is right for the truth of 700 ms before is Right, too; RightAtOnce counts
// those that were right for the truth of that very moment. P95Ms is how long
// verdicts took.
type Verdicts struct {
	Asked       int     `json:"asked"`
	Right       int     `json:"right"`
	RightAtOnce int     `json:"right_at_once"`
	Undecided   int     `json:"undecided"`
	P95Ms       float64 `json:"p95_ms"`
}

// Curves are cumulative: which share of the cases took at most so long. Cases
// that never happened are what is missing to 1.
type Curves struct {
	Detect, Repair, AckFirst, AckWanted, Consistency Curve
}

// settled is how long a member must have been online at the end to be compared.
const settled = 60_000

// result sums up the run.
func (e *engine) result() *Result {
	r := &Result{Members: len(e.members), Messages: len(e.messages), Seed: e.sc.Seed, Policy: e.sc.Policy,
		VirtualSeconds: float64(e.plan.end) / 1000, Unheard: e.bytes.unheard, Unreadable: e.bytes.unreadable}
	kinds := map[Kind]*tally{}
	for _, sh := range e.shards {
		r.Copies.add(&sh.copies)
		r.Refused += sh.refused
		r.Unsent += sh.unsent
		for _, k := range slices.Sorted(maps.Keys(sh.tallies)) {
			if kinds[k] == nil {
				kinds[k] = &tally{}
			}
			kinds[k].merge(sh.tallies[k])
		}
	}
	r.Receives = r.Copies.Arrived + r.Copies.Again
	r.Copies.Broadcasts = int64(e.numbered)
	r.Copies.Underway += int64(len(e.fresh) * (len(e.members) - 1))
	ends := e.ends(kinds)
	total := &tally{}
	r.Consistent = true
	byKind := map[Kind]KindResult{}
	for _, k := range slices.Sorted(maps.Keys(ends)) {
		end, t := ends[k], kinds[k]
		total.merge(t)
		kr := end.KindResult
		kr.fill(t)
		byKind[k] = kr
		r.Unrepaired += kr.Unrepaired
		r.Undelivered += kr.Undelivered
		r.Behind += kr.Behind
		if k.ours() || e.sc.Policy == ClassicPolicy {
			r.Consistent = r.Consistent && kr.Consistent
		}
	}
	if len(byKind) > 1 {
		r.ByKind = byKind
	}
	r.fill(total)
	r.SettledMs = float64(max(total.lastDelivery-e.plan.quiet, 0))
	e.incidents(r)
	r.Bytes, r.Fairness = e.bytes.sum(e)
	return r
}

func (r *Result) fill(t *tally) {
	r.Missed, r.MissedDetected, r.RepairedUnnoticed = t.missed, t.detected, t.unnoticed
	r.FalseAcks = t.falseAcks
	r.AckFirst, r.AckWanted = t.ackFirst.distribution(), t.ackWanted.distribution()
	r.Detect, r.Repair = t.detect.distribution(), t.repair.distribution()
	r.Consistency = t.consistency.distribution()
	r.Verdicts = Verdicts{t.asked, t.right, t.rightAtOnce, t.undecided, t.verdict.distribution().P95}
	r.Curves = Curves{t.detect.curve(), t.repair.curve(), t.ackFirst.curve(), t.ackWanted.curve(), t.consistency.curve()}
}

func (r *KindResult) fill(t *tally) {
	r.Missed, r.MissedDetected, r.FalseAcks = t.missed, t.detected, t.falseAcks
	r.AckFirst, r.AckWanted = t.ackFirst.distribution(), t.ackWanted.distribution()
	r.Detect, r.Repair = t.detect.distribution(), t.repair.distribution()
	r.Consistency = t.consistency.distribution()
}

// ending is how things stand at the end for one kind.
type ending struct{ KindResult }

// ends looks at every message and member once more: what is open counts with the
// time that it had.
func (e *engine) ends(kinds map[Kind]*tally) map[Kind]*ending {
	ends := map[Kind]*ending{}
	steady := make([]bool, len(e.members)) // online for the last minute
	for i := range e.members {
		m := &e.members[i]
		if !m.kind.honest() {
			continue
		}
		if ends[m.kind] == nil {
			ends[m.kind] = &ending{KindResult{Consistent: true}}
		}
		if kinds[m.kind] == nil {
			kinds[m.kind] = &tally{}
		}
		ends[m.kind].Members++
		steady[i] = m.exists && m.joined <= e.plan.end-settled && !m.schedule.absent.meets(e.plan.end-settled, e.plan.end)
	}
	for _, w := range e.messages {
		e.endOf(w, kinds, ends, steady)
	}
	return ends
}

// endOf looks at one message.
func (e *engine) endOf(w *message, kinds map[Kind]*tally, ends map[Kind]*ending, steady []bool) {
	if t := kinds[w.kind]; t != nil && w.kind.honest() {
		if w.acked == never {
			t.ackFirst.addNever(e.plan.end - w.sent)
		}
		if w.reached == never {
			t.ackWanted.addNever(e.plan.end - w.sent)
		}
	}
	if w.left < 0 {
		return
	}
	held := false // by anybody who could give it
	for i := range e.members {
		held = held || has(w.has, i) && e.members[i].kind.honest() && e.members[i].exists && e.members[i].online
	}
	for i := range e.members {
		m := &e.members[i]
		if !w.counts(m) || !m.online {
			continue
		}
		t, end := kinds[m.kind], ends[m.kind]
		if noticed, missed := m.missing[w.index]; missed {
			if noticed >= 0 {
				t.repair.addNever(e.plan.end - noticed)
			} else {
				t.detect.addNever(e.plan.end - w.left)
			}
			if steady[i] && held {
				end.Unrepaired++
			}
		}
		if !has(w.has, i) && steady[i] && held {
			end.Consistent = false
			end.Behind++
		}
		if !has(w.logged, i) && m.present(w.left) {
			end.Undelivered++
			t.consistency.addNever(e.plan.end - w.left)
		}
	}
}

// incidents counts repairs.
func (e *engine) incidents(r *Result) {
	missed := make([]bool, len(e.messages))
	for _, sh := range e.shards {
		for index := range sh.incidents {
			missed[index] = true
		}
	}
	repairs := 0
	for i, w := range e.messages {
		if missed[i] {
			r.Incidents++
			repairs += w.repairs
			r.RepairsMax = max(r.RepairsMax, w.repairs)
		}
	}
	if r.Incidents > 0 {
		r.RepairsPerIncident = float64(repairs) / float64(r.Incidents)
	}
}
