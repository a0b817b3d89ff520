package crowd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/sim/classic"
)

// channelID is the channel that all crowds talk in: 32 bytes.
const channelID = sds.ChannelID("causeway-sim/1/general/channel/0")

// start is when virtual time begins: 2026-01-01T00:00:00Z.
const start = sds.Time(1_767_225_600_000)

// Progress tells how far a run is.
type Progress struct {
	Virtual, Total time.Duration
	Messages       int
	Receives       int64
}

// engine is a run in progress. Times in it are milliseconds since the beginning.
type engine struct {
	sc     *Scenario
	plan   *plan
	net    network
	roster *sds.Roster
	makers map[Kind]Constructor

	members  []member
	shards   []*shard
	wake     []int64 // when each member has something to do by itself
	flights  []*flight
	fresh    []*flight // not distributed yet
	spare    [][]uint32
	numbered uint64

	// The truth. It has its place from the beginning, so that what grows are members.
	truth    []message // by number of the send
	bits     []uint64  // of truth
	stored   map[sds.MessageID]stored
	byID     map[sds.MessageID]*message
	messages []*message
	sequence map[sequenceKey]*message
	verdicts []*message // wait for their deadline
	bytes    traffic

	deployed    bool // there are classic members
	now, window int64
	failed      atomic.Pointer[error]
}

// stored is the bytes of a message, for all who may have to send it again.
type stored struct {
	bytes  []byte
	author int
}

// sequenceKey is how a sender's numbers name a message.
type sequenceKey struct {
	sender   sds.ParticipantID
	sequence uint64
}

// flight is a broadcast on its way.
type flight struct {
	Packet
	number  uint64
	key     sds.MessageID
	from    int
	serial  uint32
	sent    int64
	message *message // that it carries, if that is followed
	// first is set for the first broadcast of a message.
	first bool
	// due is when it arrives at each member, in milliseconds since it was sent; 0 is
	// never.
	due []uint32
}

// never is a time that does not come.
const never = int64(1) << 60

// Run plays a scenario. progress, which may be nil, is called now and then. When
// ctx ends, Run returns its error.
func Run(ctx context.Context, sc Scenario, progress func(Progress)) (*Result, error) {
	began := time.Now()
	sc = sc.withDefaults()
	if err := sc.check(); err != nil {
		return nil, err
	}
	e, err := newEngine(&sc)
	if err != nil {
		return nil, err
	}
	told := int64(0)
	for e.now < e.plan.end {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("crowd: stopped after %v of virtual time: %w", time.Duration(e.now)*time.Millisecond, err)
		}
		if err := e.step(); err != nil {
			return nil, err
		}
		if progress != nil && e.now-told >= 1000 {
			told = e.now
			progress(e.progress())
		}
	}
	r := e.result()
	r.WallSeconds = time.Since(began).Seconds()
	return r, nil
}

func (e *engine) progress() Progress {
	p := Progress{Virtual: time.Duration(e.now) * time.Millisecond, Total: time.Duration(e.plan.end) * time.Millisecond,
		Messages: len(e.messages)}
	for _, sh := range e.shards {
		p.Receives += sh.copies.Arrived + sh.copies.Again
	}
	return p
}

func newEngine(sc *Scenario) (*engine, error) {
	e := &engine{sc: sc, plan: newPlan(sc), window: sc.Network.shortest(),
		members: make([]member, sc.Members), wake: make([]int64, sc.Members)}
	e.makeTruth()
	e.makers = map[Kind]Constructor{Ours: NewOurs, Light: NewOurs, Steward: NewOurs, Hostile: newLiar, Classic: newDeployed}
	for k, c := range sc.Kinds {
		e.makers[k] = c
	}
	e.deployed = slices.Contains(e.plan.kinds, Classic)
	e.net.init(sc, e.plan)
	e.bytes.init(e)
	if !sc.NoRoster {
		e.roster = newRoster(sc, e.plan)
	}
	e.makeShards()
	for i := range e.members {
		m := &e.members[i]
		m.index, m.id, m.kind = i, memberID(i), e.plan.kinds[i]
		m.schedule = &e.plan.members[i]
		m.deadline = never
		if sc.ClockSkew > 0 {
			m.skew = int64((2*unit(hash(sc.Seed, forSkew, uint64(i))) - 1) * ms(sc.ClockSkew))
		}
	}
	e.parallel(func(sh *shard) { sh.open() })
	return e, e.failure()
}

// makeTruth makes room for what is to be known about all messages.
func (e *engine) makeTruth() {
	n := len(e.plan.sends)
	e.truth = make([]message, n)
	e.bits = make([]uint64, 2*e.words()*n)
	e.messages = make([]*message, 0, n)
	e.stored = make(map[sds.MessageID]stored, n)
	e.byID = make(map[sds.MessageID]*message, n)
	e.sequence = make(map[sequenceKey]*message, n)
	e.bytes.around = make([]int, 0, n)
}

// words is how many a set of members takes.
func (e *engine) words() int { return (e.sc.Members + 63) / 64 }

func newRoster(sc *Scenario, p *plan) *sds.Roster {
	r := sds.Roster{Members: make(map[sds.ParticipantID]sds.PersonID, sc.Members)}
	for i := range sc.Members {
		id := memberID(i)
		r.Members[id] = sds.PersonID(id)
		if p.kinds[i] == Steward {
			r.Stewards = append(r.Stewards, sds.PersonID(id))
		}
	}
	return sds.ShareRoster(r)
}

const idLength = 20

// memberID is 20 characters.
func memberID(i int) sds.ParticipantID { return sds.ParticipantID(fmt.Sprintf("member-%013d", i)) }

// memberOf is the inverse of memberID, for persons. It returns -1 for others.
func memberOf(p sds.PersonID) int {
	if len(p) != idLength || p[:7] != "member-" {
		return -1
	}
	n := 0
	for _, c := range []byte(p[7:]) {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// makeShards cuts the members into parts. They do not depend on the number of
// workers. No word of a bit set has members of two shards.
func (e *engine) makeShards() {
	const parts = 32
	size := max((e.sc.Members/parts+63)/64*64, 64)
	for first := 0; first < e.sc.Members; first += size {
		e.shards = append(e.shards, newShard(e, first, min(first+size, e.sc.Members)))
	}
}

// parallel does some work for all shards on all workers. A panic is a failure.
func (e *engine) parallel(work func(*shard)) {
	workers := e.sc.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	loop := func() {
		defer func() {
			if r := recover(); r != nil {
				e.fail(fmt.Errorf("crowd: a member failed at %d ms: %v\n%s", e.now, r, debug.Stack()))
			}
		}()
		for i := next.Add(1) - 1; i < int64(len(e.shards)); i = next.Add(1) - 1 {
			work(e.shards[i])
		}
	}
	if workers = min(workers, len(e.shards)); workers == 1 {
		loop()
		return
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			loop()
		}()
	}
	wg.Wait()
}

func (e *engine) fail(err error) { e.failed.CompareAndSwap(nil, &err) }

func (e *engine) failure() error {
	if p := e.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// step plays one window.
func (e *engine) step() error {
	until := min(e.now+e.window, e.plan.end)
	for _, f := range e.fresh {
		f.due = e.array()
	}
	e.parallel(func(sh *shard) {
		sh.distribute(e.fresh)
		sh.play(e.now, until)
	})
	if err := e.failure(); err != nil {
		return err
	}
	e.flights = append(e.flights, e.fresh...)
	e.fresh = e.fresh[:0]
	e.account(until)
	e.collect()
	e.land(until)
	e.now = until
	if len(e.flights)+len(e.fresh) == 0 {
		e.skip()
	}
	return nil
}

// skip goes to the next moment at which anything happens.
func (e *engine) skip() {
	next := e.plan.end
	for _, at := range e.wake {
		next = min(next, at)
	}
	for _, m := range e.verdicts {
		next = min(next, m.deadline)
	}
	e.now = max(e.now, next)
}

// collect puts the broadcasts of a window in order and on their way.
func (e *engine) collect() {
	var list []*flight
	for _, sh := range e.shards {
		list = append(list, sh.broadcasts...)
		clear(sh.broadcasts)
		sh.broadcasts = sh.broadcasts[:0]
	}
	slices.SortFunc(list, func(a, b *flight) int {
		return cmp.Or(cmp.Compare(a.sent, b.sent), cmp.Compare(a.from, b.from), cmp.Compare(a.serial, b.serial))
	})
	for _, f := range list {
		if err := e.launch(f); err != nil {
			e.bytes.unreadable++
		}
	}
}

var errUnknown = errors.New("bytes that nobody has")

// launch prepares one broadcast for its receivers.
func (e *engine) launch(f *flight) error {
	author := f.from
	if f.Bytes == nil {
		s, ok := e.stored[f.key]
		if !ok {
			return errUnknown
		}
		f.Bytes, author = s.bytes, s.author
	}
	var err error
	if f.Message, err = wire.Decode(f.Bytes); err != nil {
		return err
	}
	if _, ok := e.stored[f.key]; !ok && f.Message.Kind() == wire.Content {
		e.stored[f.key] = stored{f.Bytes, f.from}
	}
	f.Incoming = sds.Prepare(f.Message)
	if e.deployed {
		f.Classic = classic.Prepare(&f.Message)
	}
	f.Author, f.Authenticated = memberID(author), e.sc.Authenticated
	f.message = e.byID[f.key]
	if e.members[f.from].schedule.outage.has(f.sent) {
		e.bytes.unheard++
		return nil // nobody hears it
	}
	f.number = e.numbered
	e.numbered++
	if m := f.message; m != nil && m.left < 0 && m.from == f.from {
		f.first = true
		m.left, m.lamport = f.sent, f.Message.Lamport
		if ext, err := wire.ParseExtension(f.Message.Extension); err == nil && ext.Sequence > 0 {
			e.sequence[sequenceKey{f.Author, ext.Sequence}] = m
		}
	}
	e.bytes.count(e, f)
	e.fresh = append(e.fresh, f)
	return nil
}

// array returns memory for the arrivals of a broadcast.
func (e *engine) array() []uint32 {
	if n := len(e.spare); n > 0 {
		a := e.spare[n-1]
		e.spare = e.spare[:n-1]
		return a
	}
	return make([]uint32, e.sc.Members)
}

// land forgets broadcasts that have arrived everywhere.
func (e *engine) land(until int64) {
	e.flights = slices.DeleteFunc(e.flights, func(f *flight) bool {
		if f.sent+e.net.longest >= until {
			return false
		}
		e.spare = append(e.spare, f.due)
		return true
	})
}
