//go:build go1.25

package telemetry_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

// life is a device over several runs: what happened to it, beside what it tells.
type life struct {
	t        *testing.T
	disk     *faulty
	c        *collector
	d        *telemetry.Telemetry
	epoch    uint64
	recorded map[string]int64 // by the methods: pseudonym of the message → when
	durable  map[string]bool  // in the transaction of a node
	undone   map[string]bool  // in one that took not place
	running  []report.Span
	n        int
	names    *report.Pseudonyms
}

func newLife(t *testing.T, at int, f fault) *life {
	l := &life{t: t, disk: &faulty{Store: store.NewMemory(), at: at, fault: f}, c: newCollector(t), names: names(t),
		recorded: map[string]int64{}, durable: map[string]bool{}, undone: map[string]bool{}}
	var err error
	l.epoch, err = l.disk.Epoch(t.Context())
	check(t, err)
	return l
}

// start begins a run; it returns false when the disk fails it.
func (l *life) start() bool {
	d, err := telemetry.New(context.Background(), options(l.disk, l.c))
	l.running = append(l.running, report.Span{From: time.Now().UnixMilli(), To: 1 << 62})
	if err != nil {
		l.end()
		return false
	}
	l.d = d
	check(l.t, d.Describe(tea()))
	d.Membership("tea", true, 10)
	d.Presence(report.Online)
	return true
}

// end is the end of the process, in order or not.
func (l *life) end() { l.running[len(l.running)-1].To = time.Now().UnixMilli() + 1 }

// step is half a second of somebody's life: something received, now and then
// something composed in a node's transaction. A process that is gone does nothing.
func (l *life) step() {
	l.n++
	if l.disk.isDead() {
		return
	}
	id := fmt.Sprintf("received %d", l.n)
	l.recorded[l.names.Message(id)] = time.Now().UnixMilli()
	l.d.Received(message(id), telemetry.Arrival{Author: "bob", Path: report.ByRelay, Size: 10})
	if l.n%3 == 0 {
		l.compose(fmt.Sprintf("composed %d", l.n))
	}
	time.Sleep(500 * time.Millisecond)
}

// compose is a node's transaction. The truth about it is read from the store below.
func (l *life) compose(id string) {
	e := causeway.Event{Channel: "tea", Kind: causeway.EventDelivered, ID: causeway.MessageID(id), At: time.Now(),
		Message: &causeway.Message{ID: causeway.MessageID(id), Sender: "alice", Own: true, Content: []byte("hi")}}
	b := &store.Batch{Epoch: l.epoch, Values: map[string][]byte{id: {1}},
		Inside: func(tx store.Tx) error { return l.d.Committing(tx, []causeway.Event{e}) }}
	l.disk.Commit(l.t.Context(), b)
	_, err := l.disk.Store.Value(l.t.Context(), id)
	if err == nil {
		l.durable[l.names.Message(id)] = true
	} else {
		l.undone[l.names.Message(id)] = true
	}
}

// Whatever write fails, in whichever way, with or without the process: "no event is
// lost, invented or renumbered", and the claim never says more than the journal has.
func TestEveryWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := 0
		for f := range faults {
			for at := 1; ; at += amount(1, 5) {
				l := newLife(t, at, f)
				if !l.tell() {
					break // there are no more writes
				}
				if t.Failed() {
					t.Fatalf("%v at write %d", f, at)
				}
				whole++
			}
		}
		if whole < amount(80, 16) {
			t.Errorf("%d faults", whole)
		}
	})
}

// tell lives a life and checks what the collector learns of it. It returns false
// when the fault did not come.
func (l *life) tell() bool {
	if l.start() {
		l.run(7)
		l.c.setAnswer(offline)
		l.run(6)
		l.rest()
		l.c.setAnswer(lossy(2)) // the first replies are lost
		l.run(6)
		l.rest()
		if l.disk.isDead() {
			l.d.Close(ended()) // what a killed process does not: it ends goroutines
			l.end()
		} else {
			l.d.Close(context.Background())
			l.end()
		}
	}
	reached := l.disk.writes >= l.disk.at
	l.disk.dead, l.disk.at = false, 0
	time.Sleep(time.Hour)
	l.c.setAnswer(nil)
	if !l.start() {
		l.t.Fatal("it does not start again")
	}
	l.run(3)
	l.rest()
	check(l.t, l.d.Close(context.Background()))
	l.end()
	l.verify()
	return reached
}

func (l *life) run(steps int) {
	for range steps {
		l.step()
	}
}

// rest is some time in which nothing happens.
func (l *life) rest() { time.Sleep(3 * time.Minute) }

// lossy loses the replies to the first requests.
func lossy(n int) func(*http.Request, report.Upload, func() report.Reply) (int, http.Header, any) {
	return func(_ *http.Request, _ report.Upload, take func() report.Reply) (int, http.Header, any) {
		reply := take()
		if n--; n >= 0 {
			return 0, nil, nil
		}
		return 200, nil, reply
	}
}

func (l *life) verify() {
	l.t.Helper()
	seen := map[string]int{}
	for _, e := range l.c.all() {
		switch e.Kind {
		case report.Composed:
			if !l.durable[e.Message] {
				l.t.Errorf("composed %s is invented", e.Message)
			}
		case report.Received:
			if l.recorded[e.Message] != e.At {
				l.t.Errorf("received %s at %d is invented, %d", e.Message, e.At, l.recorded[e.Message])
			}
		default:
			continue
		}
		if seen[e.Message]++; seen[e.Message] > 1 {
			l.t.Errorf("%v %s comes twice", e.Kind, e.Message)
		}
	}
	for m := range l.durable {
		if seen[m] == 0 {
			l.t.Errorf("composed %s is lost", m)
		}
	}
	covered := 0
	for m, at := range l.recorded {
		if l.c.covers(at) {
			covered++
			if seen[m] == 0 {
				l.t.Errorf("received %s at %d is not there, and the time is covered", m, at)
			}
		}
	}
	if covered < len(l.recorded)/2 {
		l.t.Errorf("%d of %d are covered", covered, len(l.recorded))
	}
	if len(l.c.now().dropped) > 0 {
		l.t.Errorf("dropped: %v", l.c.now().dropped)
	}
	l.within()
}

// within checks that the claim is within the time in which the process ran.
func (l *life) within() {
	l.t.Helper()
	for _, spans := range l.c.now().coverage {
		for _, s := range spans {
			ok := false
			for _, r := range l.running {
				ok = ok || r.From <= s.From && s.To <= r.To
			}
			if !ok {
				l.t.Errorf("it claims %v, and ran %v", s, l.running)
			}
		}
	}
}
