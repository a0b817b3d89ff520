//go:build go1.25

package causeway_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

var errEvidence = errors.New("the evidence can't be written")

// witness writes each event to a journal, within the transaction.
type witness struct {
	mu    sync.Mutex
	fails error
	times int // it failed since it was told to
}

func (o *witness) setFails(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fails, o.times = err, 0
}

func (o *witness) asked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.times
}

func (o *witness) Committing(tx store.Tx, events []causeway.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range events {
		if err := tx.Append("evidence", witnessed(e)); err != nil {
			return err
		}
	}
	if o.times++; o.times > 10_000 { // tried again and again without a pause
		return nil
	}
	return o.fails
}

// witnessed is what two sights of one event have in common.
func witnessed(e causeway.Event) []byte {
	line := fmt.Appendf(nil, "%d %s %d %v %s", e.Cursor, e.Channel, e.At.UnixMilli(), e.Kind, e.ID)
	switch {
	case e.Message != nil:
		m := e.Message
		line = fmt.Appendf(line, " message %s %s %d %d %q %v %v", m.ID, m.Sender, m.Lamport, m.Position, m.Content, m.Own, m.Late)
	case e.Receipt != nil:
		r := e.Receipt
		line = fmt.Appendf(line, " receipt %v %d/%d %v %v", r.Level, r.Seen, r.Of, r.Persons, r.Undelivered)
	case e.Gap != nil:
		line = fmt.Appendf(line, " gap %v %s", e.Gap.State, e.Gap.Sender)
	}
	return line
}

// checkJournal compares the journal with the event log.
func checkJournal(t *testing.T, m *member) {
	t.Helper()
	var journal [][]byte
	for after := uint64(0); ; {
		page, err := m.options.Store.Journal(t.Context(), "evidence", after, 100)
		check(t, err)
		if len(page) == 0 {
			break
		}
		for _, entry := range page {
			after = entry.Seq
			journal = append(journal, entry.Data)
		}
	}
	events := m.events()
	for i := range max(len(events), len(journal)) {
		var event, entry []byte
		if i < len(events) {
			event = witnessed(events[i])
		}
		if i < len(journal) {
			entry = journal[i]
		}
		if !bytes.Equal(event, entry) {
			t.Fatalf("entry %d of the journal (of %d) is\n%s\nand event %d (of %d) is\n%s", i, len(journal), entry, i, len(events), event)
		}
	}
	if len(events) == 0 {
		t.Error("no events")
	}
}

// "Committing is called inside the transaction that makes events durable": what
// it writes becomes durable "with them or not at all".
func TestObserverSeesEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 2, Loss: 0.2, MaxDelay: 300 * time.Millisecond}, "alice", "bob", "carol")
		observed := func(m *member) { m.options.Observer = &witness{} }
		all := []*member{w.start("alice", observed), w.start("bob", observed), w.start("carol", observed)}
		var last *causeway.Receipt
		for i, text := range lines(30) {
			last = all[i%3].send(text, causeway.Everyone)
			time.Sleep(time.Second)
			if i == 15 {
				all[1].restart()
			}
		}
		waitFor(t, last, causeway.SeenByAll)
		for _, m := range all {
			checkJournal(t, m)
		}
	})
}

// The same while a fifth of the commits fails, half of those after they were
// applied.
func TestObserverUnderFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 2, MaxDelay: 300 * time.Millisecond}, "alice", "bob")
		var faults [2]*faulty
		var all []*member
		for i, name := range []string{"alice", "bob"} {
			m := w.start(name, withFaults(&faults[i]), func(m *member) { m.options.Observer = &witness{} })
			random := rand.New(rand.NewPCG(1, uint64(i)))
			faults[i].onCommit(func(_ *store.Batch, apply func() error) error {
				switch random.IntN(10) {
				case 0:
					return errDisk
				case 1:
					return errors.Join(apply(), errDisk)
				}
				return apply()
			})
			all = append(all, m)
		}
		accepted := 0
		for i, text := range lines(60) {
			_, err := all[i%2].ch.Send(t.Context(), []byte(text), causeway.SendOptions{Want: causeway.Everyone})
			if err == nil {
				accepted++
			} else {
				checkIs(t, "Send", err, causeway.ErrStore, errDisk)
			}
			time.Sleep(time.Second)
		}
		faults[0].onCommit(nil)
		faults[1].onCommit(nil)
		until(t, time.Hour, "logs are equal", func() bool { return all[0].digest() == all[1].digest() })
		if n := int(all[0].digest().Count); n != accepted {
			t.Errorf("%d messages were accepted, %d are there", accepted, n)
		}
		for _, m := range all {
			checkJournal(t, m)
			if metrics := m.node.Metrics(); metrics.CommitFailures == 0 {
				t.Error("no commit failed")
			}
		}
	})
}

// "An error undoes the whole transaction, and with it the messages".
func TestObserverRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		o := &witness{}
		alice, bob := w.start("alice", func(m *member) { m.options.Observer = o }), w.start("bob")
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		time.Sleep(time.Hour)
		o.setFails(errEvidence)
		published, before := alice.end.Stats().Published, len(alice.events())
		_, err := alice.ch.Send(t.Context(), []byte("never"), causeway.SendOptions{})
		checkIs(t, "Send", err, errEvidence)
		synctest.Wait()
		if n := alice.end.Stats().Published; n != published || len(alice.events()) != before {
			t.Errorf("%d packets and %d events of what was refused", n-published, len(alice.events())-before)
		}
		bob.send("to alice")
		time.Sleep(time.Minute)
		if n := o.asked(); n > 1000 {
			t.Errorf("asked %d times within a minute", n)
		}
		equal(t, "alice's log", alice.log(true), []string{"before"})
		o.setFails(nil)
		until(t, time.Hour, "it is made good", func() bool { return alice.digest() == bob.digest() })
		waitFor(t, alice.send("after"), causeway.SeenByAll)
		equal(t, "alice's log", alice.log(true), []string{"before", "to alice", "after"})
		equal(t, "bob's log", bob.log(true), []string{"before", "to alice", "after"})
		checkJournal(t, alice)
	})
}
