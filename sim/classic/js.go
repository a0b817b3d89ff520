package classic

import (
	"slices"
	"strconv"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/wire"
)

// The constants of @waku/sds 0.0.8 and of the reliable channel of its SDK.
const (
	jsBatch       = time.Second // from the first received message to a look at all that came
	jsSync        = 30 * time.Second
	jsRetry       = 30 * time.Second
	jsRetries     = 10
	jsSweep       = 5 * time.Second
	jsAnswerSweep = 10 * time.Second // of the SDK's development branch
	jsFilters     = 2                // filters with an id that acknowledge it
	jsBuffer      = 1000             // of requests, and of answers

	jsSyncIDs = 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 * 36 // the first of 11 digits
)

// js is @waku/sds with the timing of the reliable channel. The order of steps is
// that of the original: several of its peculiarities follow from it.
type js struct {
	*base
	lamport uint64

	// The log, in the order of (timestamp, id).
	log   []*Prepared
	byID  map[uint64]*Prepared
	names names // how the newest of the log are named

	// The filter of received and own ids, and its bytes until it changes.
	filter   *bloom.Filter
	snapshot *bloom.Filter
	bytes    []byte

	// inbox holds what came since the last look.
	inbox []*Prepared
	// available are the messages of the log and those that wait: what is not
	// missing. met are lists of parents that all are.
	available idSet
	met       [8]uint64
	nextMet   int
	waiting   []waiting
	// received are own messages and those that have waited. Only of them a copy is
	// recognised; a copy of one that was delivered at once is gone through again.
	received idSet

	outgoing []jsOutgoing
	retries  []jsRetrial // soonest first
	requests requests
	answers  answers

	processAt, syncAt sds.Time
	sweep, repair     interval
	sweptAt           sds.Time
}

// jsOutgoing is an own message that is not acknowledged.
type jsOutgoing struct {
	in       *Prepared
	possible int // filters that it was found in
}

// jsRetrial is content that is pushed again at a time, a number of times.
type jsRetrial struct {
	own  *Prepared
	at   sds.Time
	left int
}

// waiting is a message whose dependencies are missing.
type waiting struct {
	in      *Prepared
	missing []int // indices of parents; what is available stays so
	since   sds.Time
}

// names is the causal history of what is sent next.
type names struct {
	valid   bool
	entries []wire.HistoryEntry
	parents []uint64
	list    uint64
}

func newJS(b *base) (*js, error) {
	f, err := bloom.New(bloom.JS, bloom.Default())
	if err != nil {
		return nil, err
	}
	j := &js{base: b, lamport: uint64(max(0, b.now)), byID: map[uint64]*Prepared{}, filter: f,
		sweep: b.newInterval(jsSweep), repair: b.newInterval(jsAnswerSweep)}
	j.restartSync(1)
	return j, nil
}

// push is the SDK's send: what was received is looked at first. Retries begin
// whatever comes of it.
func (j *js) push(content []byte) sds.MessageID {
	j.process()
	own := j.send(content)
	j.stopRetries(own)
	j.retries = append(j.retries, jsRetrial{own, j.now.Add(jsRetry), jsRetries})
	return own.message.MessageID
}

// send sends content, or the same message again if it is not acknowledged yet.
func (j *js) send(content []byte) *Prepared {
	j.tickClock()
	id := sds.ContentID(content)
	f := fingerprint(string(id))
	i := slices.IndexFunc(j.outgoing, func(o jsOutgoing) bool { return o.in.fingerprint == f })
	class, own := sds.ClassResend, (*Prepared)(nil)
	if i >= 0 {
		own = j.outgoing[i].in
	} else {
		class, own = sds.ClassContent, j.message(id, content, j.requests.due(j.now))
		j.outgoing = append(j.outgoing, jsOutgoing{in: own})
	}
	j.emit(class, own)
	j.filter.AddKey(own.key)
	j.snapshot = nil
	if j.insert(own) {
		j.out.Deliveries = append(j.out.Deliveries, j.enter(own, true))
	}
	j.received.add(f)
	j.restartSync(1)
	return own
}

// tickClock moves the clock as both content and syncs do.
func (j *js) tickClock() { j.lamport = max(j.lamport+1, uint64(max(0, j.now))) }

// message makes a message that carries everything: history, filter, requests.
func (j *js) message(id sds.MessageID, content []byte, requests []wire.HistoryEntry) *Prepared {
	n := j.history()
	if j.snapshot == nil {
		j.bytes = j.filter.Append(nil)
		j.snapshot, _ = bloom.ParseJS(j.bytes, bloom.Default())
	}
	in := prepare(&wire.Message{Dialect: wire.LIP, SenderID: j.cfg.Participant, MessageID: id, ChannelID: j.cfg.Channel,
		Lamport: j.lamport, HasLamport: true, CausalHistory: n.entries, RepairRequest: requests,
		BloomFilter: j.bytes, Content: content}, bloom.JS, n.parents, n.list)
	in.filter = j.snapshot
	return in
}

// history returns the newest of the log, oldest first.
func (j *js) history() *names {
	if j.names.valid {
		return &j.names
	}
	newest := j.log[max(0, len(j.log)-j.cfg.CausalHistory):]
	n := names{valid: true, entries: make([]wire.HistoryEntry, len(newest)), parents: make([]uint64, len(newest))}
	for i, in := range newest {
		n.entries[i], n.parents[i] = j.entry(in), in.fingerprint
	}
	n.list = listFingerprint(n.parents)
	j.names = n
	return &j.names
}

// sync sends a sync message, unless there is nothing to say. What was received
// and not looked at yet is looked at after it.
func (j *js) sync() {
	j.tickClock()
	requests := j.requests.due(j.now)
	if len(j.log) > 0 || len(requests) > 0 {
		class := sds.ClassSync
		if len(requests) > 0 {
			class = sds.ClassRequest
		}
		id := "sync-" + strconv.FormatUint(jsSyncIDs+j.rng.Uint64N(35*jsSyncIDs), 36)
		j.emit(class, j.message(sds.MessageID(id), nil, requests))
	}
	j.restartSync(2)
	j.process()
}

// restartSync draws the time of the next sync anew, however long the last one
// had to wait.
func (j *js) restartSync(factor float64) {
	j.syncAt = j.now.Add(max(time.Millisecond, j.uniform(time.Duration(float64(jsSync)*factor))))
}

// take keeps a message for the next look.
func (j *js) take(in *Prepared) {
	if in.message.Dialect == wire.Nim {
		return
	}
	if in.message.SenderID != j.cfg.Participant {
		j.arrive(in)
	}
	j.inbox = append(j.inbox, in)
	if j.processAt == 0 {
		j.processAt = j.now.Add(jsBatch)
	}
}

// process looks at what came.
func (j *js) process() {
	for i, in := range j.inbox {
		j.look(in)
		j.inbox[i] = nil
	}
	j.inbox = j.inbox[:0]
}

func (j *js) look(in *Prepared) {
	m := in.message
	isContent := in.kind == wire.Content
	switch {
	case isContent && j.received.has(in.fingerprint), m.SenderID == j.cfg.Participant:
		return
	case isContent:
		j.restartSync(0.5)
	case in.kind == wire.Sync:
		j.restartSync(1)
	default:
		return // ephemeral: the SDK handed it over when it came
	}
	j.requests.remove(in.fingerprint)
	j.answers.remove(in.fingerprint)
	for i := range m.RepairRequest {
		j.asked(&m.RepairRequest[i])
	}
	if !j.review(in) {
		return
	}
	if isContent {
		j.filter.AddKey(in.key)
		j.snapshot = nil
	}
	missing := j.missing(in)
	switch {
	case len(missing) > 0:
		j.await(in, missing)
	case isContent:
		j.deliver(in)
	}
}

// asked hears somebody's request: our own is deleted, and answered if we can.
func (j *js) asked(e *wire.HistoryEntry) {
	f := fingerprint(string(e.MessageID))
	j.requests.remove(f)
	in := j.byID[f]
	if in == nil || e.SenderID == "" || j.cfg.NoAnswers || j.answers.has(f) {
		return
	}
	self, sender, id := string(j.cfg.Participant), string(e.SenderID), string(e.MessageID)
	if pace.JSInGroup(self, sender, id, j.cfg.ResponseGroups) {
		j.answers.add(in, j.now.Add(pace.JSResponseDelay(self, sender, id, j.cfg.RepairMax)), jsBuffer)
	}
}

// review takes what a message says about our own ones. It returns false for a
// filter that is too short, which ends the work on the message half-way.
func (j *js) review(in *Prepared) bool {
	j.outgoing = slices.DeleteFunc(j.outgoing, func(o jsOutgoing) bool {
		if !slices.Contains(in.parents, o.in.fingerprint) {
			return false
		}
		j.acknowledged(o.in, in, Mentioned)
		return true
	})
	if in.badFilter {
		return false
	}
	if in.filter == nil || len(j.outgoing) == 0 {
		return true
	}
	kept := j.outgoing[:0]
	for _, o := range j.outgoing {
		switch {
		case !in.filter.ContainsKey(o.in.key):
		case o.possible+1 < jsFilters:
			o.possible++
			j.acked(o.in, in, Possibly)
		default:
			j.acknowledged(o.in, in, Filtered)
			continue
		}
		kept = append(kept, o)
	}
	clear(j.outgoing[len(kept):])
	j.outgoing = kept
	return true
}

func (j *js) acknowledged(own, by *Prepared, proof Proof) {
	j.acked(own, by, proof)
	j.stopRetries(own)
}

func (j *js) stopRetries(own *Prepared) {
	j.retries = slices.DeleteFunc(j.retries, func(r jsRetrial) bool { return r.own.fingerprint == own.fingerprint })
}

// missing returns the indices of the parents that are neither in the log nor
// waiting themselves.
func (j *js) missing(in *Prepared) []int {
	if slices.Contains(j.met[:], in.list) {
		return nil
	}
	var missing []int
	for i, f := range in.parents {
		if !j.available.has(f) {
			missing = append(missing, i)
		}
	}
	if missing == nil {
		j.met[j.nextMet%len(j.met)] = in.list
		j.nextMet++
	}
	return missing
}

// await keeps a message until what is missing has come, and plans to ask for it.
// A sync waits too, to no effect when its time comes, so it is not kept.
func (j *js) await(in *Prepared, missing []int) {
	j.notice(in, missing)
	if in.kind == wire.Content {
		j.waiting = append(j.waiting, waiting{in, missing, j.now})
		j.available.add(in.fingerprint)
		j.received.add(in.fingerprint)
	}
	for _, i := range missing {
		if f := in.parents[i]; !j.requests.has(f) {
			e := in.message.CausalHistory[i]
			at := j.now.Add(pace.JSRequestDelay(string(j.cfg.Participant), string(e.MessageID), j.cfg.RepairMin, j.cfg.RepairMax))
			j.requests.add(f, e, at, jsBuffer)
		}
	}
}

// deliver puts a message of others into the log.
func (j *js) deliver(in *Prepared) {
	j.lamport = max(j.lamport, in.message.Lamport)
	if j.insert(in) {
		j.out.Deliveries = append(j.out.Deliveries, j.enter(in, false))
	}
}

// insert puts a message at its place in the log. It returns false if there is
// one with its id.
func (j *js) insert(in *Prepared) bool {
	if j.byID[in.fingerprint] != nil {
		return false
	}
	j.byID[in.fingerprint] = in
	j.available.add(in.fingerprint)
	i := len(j.log)
	for i > 0 && place(j.log[i-1]).Compare(place(in)) > 0 {
		i--
	}
	j.log = slices.Insert(j.log, i, in)
	j.names.valid = false
	return true
}

func place(in *Prepared) sds.Place {
	return sds.Place{Lamport: in.message.Lamport, ID: in.message.MessageID}
}

func (j *js) logged(f uint64) *Prepared { return j.byID[f] }

func (j *js) sizes() Sizes {
	return Sizes{Log: len(j.log), Waiting: len(j.waiting), Outgoing: len(j.outgoing),
		Requests: len(j.requests.list), Answers: len(j.answers.list)}
}
