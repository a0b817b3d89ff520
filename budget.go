package causeway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/internal/budget"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
)

// Quota is what a node may send in any window of time, over all its channels:
// networks that limit their users count per identity. The zero value sets no
// limit. Each hand-over to the transport counts, whatever it carries, as one packet,
// or as many as a transport.Divider makes of it; it may count up to a sixtieth of a
// window longer than Window.
//
// Own content has 70 % of it (resends at most 10 % of the quota), repairs 15 %,
// requests and acknowledgements 10 %, syncs 5 %. What one of them does not use, those
// after it may, except for half of its share. Content waits until there is room;
// ephemeral messages are dropped where there is none and from 90 % on; the rest
// waits up to 10 s. Channels take turns, those with the highest priority
// (SendOptions.Priority) first.
//
// What has left is kept in the store before it leaves, so the quota holds across
// restarts and crashes, as long as one node at a time has the store open and the
// clock is not set forward. It starts anew where a node without one has sent
// meanwhile, and a Window that is longer than before is right only after its
// first length.
type Quota struct {
	Packets int           // from 1
	Bytes   int64         // of payloads, from 4 MiB; 0 sets no limit
	Window  time.Duration // from 1 s to 366 days
}

// QuotaRLN is what Waku's RLN lets an identity send by default.
var QuotaRLN = Quota{Packets: 100, Window: 600 * time.Second}

// ErrQuota is why a packet was not sent: the quota was used up.
var ErrQuota = errors.New("quota is used up")

// BudgetLevel tells how near a node is to its quota: to all of it, or to what own
// content may use of it, whichever is nearer.
type BudgetLevel = budget.Level

// The levels. Each begins at the share named here and ends 10 points lower.
const (
	BudgetNormal = budget.LevelNormal
	BudgetNear   = budget.LevelNear // 80 %
	BudgetFull   = budget.LevelFull // 100 %: content has to wait
)

// Budget is what is used of a node's quota, at a moment.
type Budget struct {
	Quota Quota
	Level BudgetLevel
	// Used is what counts now, of all shares and of ephemeral messages.
	Used Count
	// Content has the resends, too, and Request the acknowledgements.
	Content, Repair, Request, Sync BudgetShare
	// Busy is set when at least half of the quota is used: a steward no longer
	// answers before others do.
	Busy bool
	// NextContent is when a message that is sent now should leave, if nothing else
	// does but the content that waits: at once unless it lies after Now.
	Now, NextContent time.Time
}

// BudgetShare is one share of a quota.
type BudgetShare struct {
	Used    Count // what counts now
	Share   Count // Bytes is 0 without a limit for bytes, as in Room
	Room    Count // what could leave now, what others lend included
	Waiting int   // packets
}

// Budget returns what is used of the quota; the zero value when there is none.
func (n *Node) Budget(ctx context.Context) (Budget, error) {
	var b Budget
	err := n.ask(ctx, func(l *loop) error {
		if l.budget != nil {
			b = l.budgetNow()
		}
		return nil
	})
	return b, err
}

func (l *loop) budgetNow() Budget {
	q := l.budget
	share := func(s budget.Share, classes ...Class) BudgetShare {
		st := q.Status(l.now, s)
		b := BudgetShare{Used: count(st.Used), Share: count(st.Of), Room: count(st.Room)}
		for _, c := range classes {
			b.Waiting += q.Waiting(c)
		}
		return b
	}
	b := Budget{Quota: l.n.opts.Quota, Level: q.Level(), Busy: l.busy, Now: timeOf(l.now), NextContent: timeOf(q.NextContent(l.now, 1)),
		Content: share(budget.Content, sds.ClassContent, sds.ClassResend), Repair: share(budget.Repair, sds.ClassRepair),
		Request: share(budget.Request, sds.ClassRequest, sds.ClassAck), Sync: share(budget.Sync, sds.ClassSync)}
	b.Used = count(l.used())
	return b
}

// used is what counts of all shares.
func (l *loop) used() (sum budget.Amount) {
	for s := range budget.Shares {
		sum = sum.Add(l.budget.Status(l.now, s).Used)
	}
	return sum
}

func count(a budget.Amount) Count { return Count{uint64(a.Packets), uint64(a.Bytes)} }

// budgetKey is where the store keeps what counts.
const budgetKey = "causeway/budget"

// openBudget reads what has left in the last window.
func openBudget(ctx context.Context, o *Options, now sds.Time) (*budget.Queue[*outgoing], error) {
	if o.Quota == (Quota{}) {
		return nil, nil
	}
	record, err := o.Store.Value(ctx, budgetKey)
	if errors.Is(err, store.ErrNotFound) {
		record, err = nil, nil
	}
	if err != nil {
		return nil, storeError(err)
	}
	q, err := budget.Load[*outgoing](budget.Quota(o.Quota), record, now)
	if err != nil {
		return nil, storeError(fmt.Errorf("%w: %w", store.ErrCorrupt, err))
	}
	return q, nil
}

// allowance is what a turn may send under a quota.
type allowance struct {
	granted []*budget.Item[*outgoing]
	offered []*outgoing // in this turn
	dropped []*outgoing
	level   BudgetLevel
	values  map[string][]byte // what has to be durable before granted leaves
	events  []Event
}

func (a *allowance) empty() bool { return a == nil || len(a.granted)+len(a.events) == 0 }

// allow puts the packets of a turn in line and takes what may leave. It returns
// nil without a quota.
func (l *loop) allow(jobs []*job) *allowance {
	if l.budget == nil {
		return nil
	}
	a := &allowance{level: l.budget.Level()}
	for _, j := range jobs {
		out := j.out
		j.out = nil
		for i := range out {
			if out[i].failed != nil { // it could not be sealed
				j.out = append(j.out, out[i])
				continue
			}
			l.offer(a, &out[i])
		}
	}
	if l.online && !l.suspended {
		a.granted = l.budget.Grant(l.now)
		a.level = l.budget.NextLevel(l.now)
		l.setBusy(l.budget.Busy(l.now))
	}
	for _, it := range a.granted {
		it.Value.charge = it
	}
	for _, it := range l.budget.Expire(l.now) {
		a.dropped = append(a.dropped, it.Value)
	}
	if a.level != l.budget.Level() {
		a.events = []Event{{Kind: EventBudget, At: timeOf(l.now),
			Budget: &BudgetChange{Level: a.level, Used: int(l.used().Packets), Of: l.n.opts.Quota.Packets}}}
	}
	if !a.empty() || l.landed && len(jobs) > 0 {
		a.values = map[string][]byte{budgetKey: l.budget.Record(a.level)}
	}
	return a
}

// controlRoom is room for what a message has beside its content, sealed.
const controlRoom = 4 << 10

// passable says why content could never leave: the transport makes more messages of
// it than the quota has for content.
func (l *loop) passable(content []byte) error {
	divider, divides := l.n.opts.Transport.(transport.Divider)
	if l.budget == nil || !divides {
		return nil
	}
	n := int64(divider.Messages(len(content) + controlRoom))
	if l.budget.Possible(sds.ClassContent, budget.Amount{Packets: n}) {
		return nil
	}
	share := l.budget.Status(l.now, budget.Content).Of.Packets
	return fmt.Errorf("causeway: %w: %d bytes may be %d messages of the transport, the quota has %d for content", sds.ErrContentTooLarge, len(content), n, share)
}

// offer puts a packet in line.
func (l *loop) offer(a *allowance, o *outgoing) {
	it := budget.Item[*outgoing]{Class: o.class, Channel: o.s.cfg.Channel, ID: o.id, Bytes: int64(len(o.payload)), Priority: o.priority, Value: o}
	divider, divides := l.n.opts.Transport.(transport.Divider)
	if o.payload == nil && (divides || l.n.opts.Quota.Bytes > 0) && !l.measure(&it) {
		a.dropped = append(a.dropped, o)
		return
	}
	if divides {
		it.Packets = int64(divider.Messages(int(it.Bytes)))
	}
	if !l.budget.Offer(l.now, it) {
		a.dropped = append(a.dropped, o)
		return
	}
	a.offered = append(a.offered, o)
}

// measure finds out how much a packet is whose bytes the store has.
func (l *loop) measure(it *budget.Item[*outgoing]) bool {
	db := l.n.opts.Store
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	m, err := db.Message(ctx, it.Channel, it.ID)
	it.Bytes = int64(len(m.Sealed))
	return err == nil
}

// spend lets go of what a turn may send, when it is durable.
func (l *loop) spend(a *allowance) {
	if a == nil {
		return
	}
	l.budget.SetLevel(a.level)
	l.landed = l.landed && a.values == nil
	for _, it := range a.granted {
		l.give(it.Value)
	}
	for _, o := range a.offered {
		if o.charge == nil {
			if o.class == sds.ClassContent {
				o.payload = nil // the store has it now
			}
			l.n.metrics.add(func(m *Metrics) { m.Deferred[o.class]++ })
		}
	}
	l.drop(a)
}

// unspend takes the grants of a turn back that could not be made durable.
func (l *loop) unspend(a *allowance, err error) {
	if a == nil {
		return
	}
	for _, it := range a.granted {
		l.n.metrics.add(func(m *Metrics) { m.Failed[it.Value.class]++ })
		l.published(it.Value, nil, err)
	}
	l.drop(a)
}

// drop reports what there was no budget for.
func (l *loop) drop(a *allowance) {
	if a == nil {
		return
	}
	for _, o := range a.dropped {
		l.n.metrics.add(func(m *Metrics) { m.Dropped[o.class]++ })
		l.handed(o, nil, fmt.Errorf("causeway: %w", ErrQuota))
	}
}

// published notes what became of a packet. If the transport was asked, it counts,
// whatever the answer was, unless that says that nothing left.
func (l *loop) published(o *outgoing, hint []byte, err error) {
	if o.charge != nil && o.left {
		l.budget.Landed(l.now, o.charge)
		l.landed = true
	} else if o.charge != nil {
		l.budget.GivenBack(o.charge)
		l.landed = true
	}
	l.handed(o, hint, err)
}

// unqueue forgets what waits of a channel.
func (l *loop) unqueue(s *session) {
	if l.budget != nil {
		l.budget.Remove(s.cfg.Channel)
	}
}

// waits tells whether content waits for the quota, so that withdraw can undo it.
func (l *loop) waits(s *session, id MessageID) bool {
	return l.budget != nil && l.budget.Waits(s.cfg.Channel, id)
}

// withdraw drops content that waits.
func (l *loop) withdraw(s *session, id MessageID) {
	if l.budget != nil {
		l.budget.Withdraw(s.cfg.Channel, id)
	}
}

// waiting counts what waits for the quota.
func (l *loop) waiting() (count int) {
	if l.budget != nil {
		for c := range Classes {
			count += l.budget.Waiting(Class(c))
		}
	}
	return count
}

// idleBudget drops what can't wait for the connection.
func (l *loop) idleBudget() {
	if l.budget == nil || l.online && !l.suspended {
		return
	}
	a := &allowance{}
	for _, it := range l.budget.DropOthers() {
		a.dropped = append(a.dropped, it.Value)
	}
	l.drop(a)
}

// budgetDeadline returns when the budget has something to do.
func (l *loop) budgetDeadline() sds.Time {
	if l.budget != nil && l.online && !l.suspended {
		if at, ok := l.budget.Deadline(l.now); ok {
			return at
		}
	}
	return never
}

// busier is who wants to know that half of the quota is used: a channel's state
// machine, which then answers no earlier than others.
type busier interface {
	SetBusy(now sds.Time, busy bool)
}

func (l *loop) setBusy(busy bool) {
	if busy == l.busy {
		return
	}
	l.busy = busy
	for _, s := range l.sessions {
		s.tellBusy(l)
	}
}

// tellBusy passes on whether half of the quota is used.
func (s *session) tellBusy(l *loop) {
	if s.busier != nil && s.core != nil {
		s.busier.SetBusy(l.now, l.busy)
		l.touch(s)
	}
}
