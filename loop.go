package causeway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/causeway-im/causeway/internal/budget"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// loop drives all channels of a node. One goroutine runs it, and nothing else
// touches it or its sessions: everything else posts inputs.
//
// A turn of it: take the inputs that wait, tick what is due, ask each channel
// that was touched what it wants done (sds.Ready), make all of it durable in one
// transaction, and only then let anything of it out. If the transaction fails,
// the channels go back to what the store has, as after a crash.
type loop struct {
	n        *Node
	now      sds.Time
	sessions map[ChannelID]*session
	touched  []*session
	after    []func() // runs at the end of the turn

	online    bool // the transport can send
	suspended bool

	cursor    Cursor // of the newest event
	forgotten Cursor

	budget *budget.Queue[*outgoing] // nil without a quota
	landed bool                     // since its record was written
	busy   bool                     // half of the quota is used

	broken error // why the last commit failed
	unsure bool  // whether it took place all the same
	fenced bool
}

const (
	// commitTimeout bounds one transaction. It is not bound to a caller's context:
	// inputs of many callers share it.
	commitTimeout = 30 * time.Second
	// A channel whose commit failed is left alone for a while, doubled each time.
	minPause = 20 * time.Millisecond
	maxPause = 5 * time.Second
	// maxSetBack is how far the clock may be set back without notice.
	maxSetBack = 10 * time.Second
	// never is after every deadline.
	never = sds.Time(1<<63 - 1)
)

func (l *loop) run() {
	defer close(l.n.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !l.fenced {
		l.setTimer(timer)
		select {
		case <-l.n.quit:
			return
		case <-l.n.box.signal:
		case <-timer.C:
		}
		l.readClock()
		for _, input := range l.n.box.take() {
			input(l)
		}
		l.tick()
		for l.turn() {
		}
		after := l.after
		l.after = nil
		for _, f := range after {
			f()
		}
	}
}

// readClock takes the time. Time never runs backwards in a channel: it would
// stand still until a clock that was ahead is reached again. So when the clock
// was set back, channels are restored, as after a crash.
func (l *loop) readClock() {
	t := l.n.now()
	if t >= l.now.Add(-maxSetBack) {
		l.now = max(l.now, t)
		return
	}
	l.n.opts.Log.Warn("causeway: the clock was set back", "by", l.now.Sub(t))
	for l.turn() {
	}
	l.now = t
	for _, s := range l.sessions {
		s.core, s.failures, s.mutedUntil = nil, 0, 0
		s.stopWork()
		l.unqueue(s)
		l.revive(s)
	}
}

// afterwards runs f at the end of the turn: what inputs did is durable then, or
// has failed.
func (l *loop) afterwards(f func()) { l.after = append(l.after, f) }

func (l *loop) touch(s *session) {
	if !s.touched {
		s.touched = true
		l.touched = append(l.touched, s)
	}
}

// setTimer arms the timer for what is due next. While the node is suspended
// there is none.
func (l *loop) setTimer(timer *time.Timer) {
	timer.Stop()
	if l.suspended {
		return
	}
	at := l.budgetDeadline()
	for _, s := range l.sessions {
		at = min(at, s.deadline(l))
	}
	if at < never {
		timer.Reset(max(at.Sub(l.n.now()), 0))
	}
}

func (l *loop) tick() {
	if l.suspended {
		return
	}
	for _, s := range l.sessions {
		if s.pausing(l) {
			continue
		}
		if s.core == nil {
			l.revive(s)
			continue
		}
		if at, ok := s.core.Deadline(); ok && at <= l.now {
			s.core.Tick(l.now)
			l.touch(s)
		}
		if s.tamperedDue() <= l.now {
			l.touch(s)
		}
		s.fetchDue(l)
	}
}

// job is what one channel wants done in a turn.
type job struct {
	s      *session
	ready  sds.Ready
	batch  store.ChannelBatch
	events []Event
	values map[string][]byte
	out    []outgoing

	moved []MessageID // own payloads whose receipts did

	sync   syncState
	synced bool // sync is news
}

// turn commits what the touched channels want done, then does it. It tells
// whether there is more to do at once.
func (l *loop) turn() (again bool) {
	jobs := l.takeJobs()
	allowed := l.allow(jobs)
	if len(jobs) == 0 && allowed.empty() {
		l.drop(allowed)
		return len(l.touched) > 0
	}
	if err := l.commit(jobs, allowed); err != nil {
		l.unspend(allowed, err)
		l.fail(jobs, err)
		return len(l.touched) > 0
	}
	var moved []receiptKey
	for _, j := range jobs {
		j.s.failures = 0
		j.s.core.Advance()
		for _, r := range j.ready.Receipts {
			moved = append(moved, receiptKey{j.s.cfg.Channel, r.ID})
		}
		for _, id := range j.moved {
			moved = append(moved, receiptKey{j.s.cfg.Channel, id})
		}
	}
	l.n.news.moved(moved)
	for _, j := range jobs {
		l.act(j)
	}
	l.spend(allowed)
	return len(l.touched) > 0
}

// takeJobs asks the touched channels what they want done.
func (l *loop) takeJobs() (jobs []*job) {
	touched := l.touched
	l.touched = nil
	slices.SortFunc(touched, func(a, b *session) int {
		if a.cfg.Channel < b.cfg.Channel {
			return -1
		}
		return 1
	})
	for _, s := range touched {
		s.touched = false
		if s.core == nil {
			continue
		}
		j := &job{s: s, ready: s.core.Ready()}
		if j.ready.Empty() && !s.completed && !s.resync && len(s.hints) == 0 && s.tamperedDue() > l.now {
			s.settle(l, nil)
			continue
		}
		if err := j.prepare(l); err != nil {
			l.unseal(j, err)
			continue
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// commit makes everything of the jobs durable, in one transaction, with what they
// are charged for.
func (l *loop) commit(jobs []*job, allowed *allowance) error {
	b := &store.Batch{Epoch: l.n.epoch, Values: map[string][]byte{}}
	cursor := l.cursor
	var events []Event
	add := func(more []Event) {
		for i := range more {
			cursor++
			more[i].Cursor = cursor
			b.Events = append(b.Events, more[i].record())
		}
		events = append(events, more...)
	}
	for _, j := range jobs {
		b.Channels = append(b.Channels, j.batch)
		add(j.events)
		maps.Copy(b.Values, j.values)
	}
	if allowed != nil {
		add(allowed.events)
		maps.Copy(b.Values, allowed.values)
	}
	if keep := l.n.opts.KeepEvents; int(cursor-l.forgotten) > keep+keep/8+64 {
		b.Forget = cursor - Cursor(keep)
	}
	if o := l.n.opts.Observer; o != nil {
		b.Inside = func(tx store.Tx) error { return o.Committing(tx, events) }
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	err := l.n.opts.Store.Commit(ctx, b)
	l.n.metrics.add(func(m *Metrics) { m.committed(jobs, len(events), err) })
	l.broken, l.unsure = err, l.unsure || err != nil
	if err != nil {
		return err
	}
	l.cursor, l.forgotten = cursor, max(l.forgotten, b.Forget)
	return nil
}

// act does what was committed.
func (l *loop) act(j *job) {
	s := j.s
	s.settle(l, nil)
	if s.resync = false; j.synced {
		s.sync = j.sync
	}
	for _, g := range j.ready.Gaps {
		s.gapMoved(l, g)
	}
	for i := range j.ready.Changes.Messages {
		if m := &j.ready.Changes.Messages[i]; m.State == sds.StateGap && s.retriever() != nil {
			s.missing.add(l.now, m.ID, s.core.OtherHint(m.ID), fetchDelay)
		}
	}
	if len(j.ready.Lookups) > 0 {
		l.lookUp(s, j.ready.Lookups)
	}
	for _, o := range j.out {
		if o.failed != nil {
			l.handed(&o, nil, o.failed)
			continue
		}
		l.give(&o)
	}
}

// give hands a packet to its publisher.
func (l *loop) give(o *outgoing) {
	select {
	case l.n.out[o.s.queue] <- *o:
	default:
		l.n.metrics.add(func(m *Metrics) { m.Failed[o.class]++ })
		l.published(o, nil, errQueueFull)
	}
}

var errQueueFull = errors.New("too many packets wait for the transport")

// lookUp answers a channel's question about messages below its window.
func (l *loop) lookUp(s *session, ids []MessageID) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	answers, err := l.n.opts.Store.Lookup(ctx, s.cfg.Channel, ids)
	if err != nil { // the channel would wait for ever: it starts again
		l.fail([]*job{{s: s}}, err)
		return
	}
	s.core.Found(l.now, answers)
	l.touch(s)
}

// fail gives channels up, as a crash does: whatever was not committed did not
// happen. After a pause tick restores them from what the store has.
func (l *loop) fail(jobs []*job, err error) {
	l.n.opts.Log.Error("causeway: commit failed", "error", err)
	if errors.Is(err, store.ErrFenced) {
		l.fence(err)
		return
	}
	for _, j := range jobs {
		j.s.fail(l, err)
		j.s.settle(l, err)
	}
}

// unseal takes a channel back from content that could not be sealed. For a while
// it only listens.
func (l *loop) unseal(j *job, err error) {
	l.n.opts.Log.Error("causeway: can't seal", "channel", j.s.cfg.Channel, "error", err)
	j.s.fail(l, err)
	j.s.retryAt = l.now
	j.s.mute(l)
	l.revive(j.s)
	j.s.settle(l, err)
}

// revive restores a channel from the store.
func (l *loop) revive(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	err := l.rereadCursors(ctx)
	if err == nil {
		err = s.restore(ctx)
	}
	if err != nil {
		l.n.opts.Log.Error("causeway: channel can't be restored", "channel", s.cfg.Channel, "error", err)
		s.fail(l, err)
		return
	}
	s.begin(l)
}

// rereadCursors finds out whether events of a failed commit are there.
func (l *loop) rereadCursors(ctx context.Context) error {
	if !l.unsure {
		return nil
	}
	forgotten, newest, err := l.n.opts.Store.Cursors(ctx)
	if err != nil {
		return err
	}
	l.unsure = false
	l.cursor, l.forgotten = max(l.cursor, newest), max(l.forgotten, forgotten)
	return nil
}

// fence stops the node: another one has its store.
func (l *loop) fence(err error) {
	l.fenced = true
	l.n.mu.Lock()
	l.n.cause = err
	l.n.mu.Unlock()
	l.n.goTask(l.n.silence)
}

// receive gives a packet to its channel, and tells whether that took it: as
// something new, or as a copy.
func (l *loop) receive(in *incoming, path sds.Path) bool {
	s := l.sessions[in.c.cfg.Channel]
	if s == nil || s.Channel != in.c || s.core == nil || s.pausing(l) {
		l.n.metrics.add(func(m *Metrics) { m.DroppedStore++ })
		return false
	}
	if path == sds.Live {
		s.heard(l)
	}
	err := in.err
	if err == nil && in.message.ChannelID != s.cfg.Channel {
		l.n.metrics.add(func(m *Metrics) { m.OtherChannel++ })
		return false
	}
	if err == nil {
		in.origin.Path = path
		err = s.core.Receive(l.now, in.message, in.origin)
	}
	if in.message.MessageID != "" && errors.Is(err, ErrNotForMe) { // only the content is sealed: we know what it is, or what it says it is
		if trust := sds.VerifyID(&in.message); trust != sds.Forged {
			s.core.NotForMe(l.now, in.message.MessageID, unproved(trust, in.origin.Hint))
			l.touch(s)
		}
	}
	if err != nil {
		l.n.metrics.add(func(m *Metrics) { m.refused(err) })
		s.unopened(l, err)
		l.n.evidence.unusable(s.cfg.Channel, in.message.MessageID, err)
		l.n.opts.Log.Debug("causeway: packet refused", "channel", s.cfg.Channel, "error", err)
		return false
	}
	if in.message.Kind() == wire.Content {
		s.pending.add(in.message.MessageID, in.sealed, in.plain, path == sds.Stored)
	}
	l.touch(s)
	return true
}

// handed tells a channel what became of a packet.
func (l *loop) handed(o *outgoing, hint []byte, err error) {
	s := o.s
	l.n.evidence.published(o, hint, err)
	if s.core == nil || s.generation != o.generation {
		return
	}
	if err != nil {
		l.n.opts.Log.Debug("causeway: packet not sent", "channel", s.cfg.Channel, "class", o.class, "error", err)
	}
	s.core.Handed(l.now, o.serial, hint, err)
	if err == nil && (o.class == sds.ClassContent || o.class == sds.ClassResend) {
		if o.class == sds.ClassContent && hint != nil {
			s.hints = append(s.hints, store.Hint{ID: o.id, Hint: hint})
		}
		s.confirmLater(l, o.id, hint)
	}
	l.touch(s)
}

// setOnline says whether the transport can send.
func (l *loop) setOnline(online bool) {
	if l.online == online {
		return
	}
	l.online = online
	l.n.evidence.connection(l.online, l.suspended)
	for _, s := range l.sessions {
		s.connect(l)
	}
	l.idleBudget()
}

func (l *loop) suspend(suspended bool) {
	l.suspended = suspended
	if suspended {
		l.online = false // until the transport says otherwise
	}
	l.n.evidence.connection(l.online, l.suspended)
	for _, s := range l.sessions {
		s.connect(l)
	}
	l.idleBudget()
}

func (l *loop) join(s *session) error {
	l.sessions[s.cfg.Channel] = s
	l.n.setReady(s.Channel)
	l.n.evidence.joined(&s.cfg)
	s.begin(l)
	return nil
}

// part ends a session, when what it wanted done is done.
func (l *loop) part(s *session) {
	for l.turn() {
	}
	if l.sessions[s.cfg.Channel] == s {
		l.n.evidence.left(s.cfg.Channel)
	}
	delete(l.sessions, s.cfg.Channel)
	s.core = nil
	s.stopWork()
	l.unqueue(s)
	l.n.free(s.cfg.Channel) // only now may it be joined again
}
