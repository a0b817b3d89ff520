package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
)

// nightly runs are long.
var nightly = os.Getenv("CAUSEWAY_NIGHTLY") == "1"

// seedOf returns the seed of a run, and says it.
func seedOf(t testing.TB) uint64 {
	seed := rand.Uint64N(1 << 32)
	if s := os.Getenv("CAUSEWAY_CRASH_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		check(t, err)
	}
	t.Logf("CAUSEWAY_CRASH_SEED=%d", seed)
	return seed
}

// spec R24 R38 R90: whenever a process is killed, nothing that was acknowledged
// or delivered is lost, nothing has left that is not durable, no position or
// number is given twice, and what is not acknowledged goes on.
func TestKill(t *testing.T) {
	kills := 150
	if nightly {
		kills = 5000
	}
	p := newParent(t, seedOf(t), "")
	for n := range kills {
		p.live(n, newPlan(p.seed, n), nil)
		p.report()
		if t.Failed() {
			t.Fatalf("in life %d", n)
		}
	}
	p.settle(kills)
	p.report()
	p.summarise()
}

// report hands the witness's complaints to the test.
func (p *parent) report() {
	for _, c := range p.witness.complaints {
		p.t.Errorf("%s: %s", c.rule, c.text)
	}
	p.witness.complaints = nil
}

// settle lets the last child live until everybody has everything, and knows.
func (p *parent) settle(number int) {
	began, progress, before, quiet := time.Now(), time.Now(), "", false
	p.live(number, lastPlan(p.seed, number), func(l *life) {
		if l.said > 0 && !quiet {
			quiet = true
			l.in.tell(line{Kind: lineQuiet})
		}
		now := fmt.Sprint(len(p.witness.pending), len(p.witness.places), p.unsettled(), p.witness.last) // each person that is counted is an event
		switch {
		case !l.up:
		case p.settled():
			l.kill()
		case now != before:
			before, progress = now, time.Now()
		case time.Since(progress) > patience:
			p.witness.complain(ruleLost, "no progress for %v: %s are left", patience, now)
			l.kill()
		}
	})
	p.t.Logf("settled in %v", time.Since(began).Round(time.Millisecond))
	p.audit(true)
	p.compareLogs()
}

// settled tells whether everybody has everything, and knows.
func (p *parent) settled() bool {
	if len(p.witness.pending) > 0 || p.unsettled() > 0 {
		return false
	}
	first, err := p.members[0].ch.Digest(p.t.Context())
	check(p.t, err)
	for _, m := range p.members[1:] {
		d, err := m.ch.Digest(p.t.Context())
		check(p.t, err)
		if d != first {
			return false
		}
	}
	return first.Count == uint64(len(p.witness.places))
}

// unsettled counts messages of the members that may not have reached all.
func (p *parent) unsettled() (n int) {
	for _, m := range p.members {
		m.mu.Lock()
		for len(m.sent) > 0 {
			now, err := m.sent[0].Now(p.t.Context())
			check(p.t, err)
			if now.Level < causeway.SeenByAll {
				break
			}
			m.sent = m.sent[1:]
		}
		n += len(m.sent)
		m.mu.Unlock()
	}
	return n
}

// compareLogs compares the logs of all.
func (p *parent) compareLogs() {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, p.path)
	check(p.t, err)
	defer db.Close()
	kept, err := store.OpenSQL(ctx, db, store.SQLOptions{})
	check(p.t, err)
	want, err := kept.Digest(ctx, room)
	check(p.t, err)
	p.witness.compare(string(alice), texts(p.t, kept))
	for _, m := range p.members {
		p.witness.compare(string(m.name), texts(p.t, m.db))
		if got, err := m.db.Digest(ctx, room); err != nil || got != want {
			p.t.Errorf("%s has another log: %d messages, not %d; %v", m.name, got.Count, want.Count, err)
		}
	}
}

// texts returns what the messages of a log say.
func texts(t testing.TB, db store.Store) (all []string) {
	q := store.LogQuery{ByPosition: true, Limit: 1000}
	for {
		page, err := db.Log(context.Background(), room, q)
		check(t, err)
		if len(page) == 0 {
			return all
		}
		for i := range page {
			m, err := wire.Decode(page[i].Sealed)
			check(t, err)
			all = append(all, textOf(m.Content))
		}
		q.AfterPosition = page[len(page)-1].Position
	}
}

// summarise prints what a run has hit, and fails if it hit nothing.
func (p *parent) summarise() {
	s, w := p.stats, p.witness
	total := 0
	for m, n := range s.kills {
		p.t.Logf("%5d kills %v", n, moment(m))
		total += n
		if n == 0 {
			p.t.Errorf("no kill %v", moment(m))
		}
	}
	p.t.Logf("%d kills in %v: %d lives were up, %d found a WAL, %d began offline", total,
		time.Since(s.began).Round(time.Millisecond), s.lives, s.recoveries, s.offline)
	p.t.Logf("%d transactions were in flight at a kill: %d were undone, %d were there", s.inFlight, w.undone, w.done)
	p.t.Logf("%d messages and %d ephemeral ones were sent, %d refused; %d are in the log, %d of them own", len(w.sent),
		w.ephemerals, w.refusals, len(w.places), len(w.own))
	p.t.Logf("%d packets, %d events, %d receipts, %d lines", w.packets, len(w.events), w.receipts, s.lines)
	for what, n := range map[string]int{"life was up": s.lives, "WAL was found": s.recoveries, "transaction was in flight": s.inFlight,
		"transaction was undone": w.undone, "transaction was there": w.done, "Send was refused": w.refusals,
		"receipt was asked for": w.receipts, "ephemeral message was sent": w.ephemerals} {
		if n == 0 {
			p.t.Errorf("no %s: the run says nothing", what)
		}
	}
	if len(w.sent) < total/2 {
		p.t.Errorf("%d messages in %d lives: the run says little", len(w.sent), total)
	}
}
