//go:build go1.25

package reliability_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/integration/status-go/reliability"
	"github.com/waku-org/sds-go-bindings/sds"
)

var errStore = errors.New("no store answers")

// asks records when stores are asked.
type asks struct {
	*member
	begin time.Time
	at    []time.Duration
	fails int
}

func (a *asks) FetchMessagesByHashes(ctx context.Context, hashes []community.EnvelopeHash) error {
	a.mu.Lock()
	a.at = append(a.at, time.Since(a.begin))
	a.fails--
	failing := a.fails >= 0
	a.mu.Unlock()
	if failing {
		return errStore
	}
	return a.member.FetchMessagesByHashes(ctx, hashes)
}

func (a *asks) when() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return fmt.Sprint(a.at)
}

// missing makes bob miss alice's message, with a store that fails so many times.
func missing(t *testing.T, fails int) (alice, bob *member, a *asks) {
	n := newNetwork()
	a = &asks{fails: fails, begin: time.Now()}
	alice = newMember(t, n, "alice")
	bob = newMember(t, n, "bob", func(o *reliability.Options) { o.Fetcher = a })
	a.member = bob
	n.lose(func(to *member, message, _ int) bool { return to == bob && message == 1 })
	alice.send(1, "lost")
	alice.send(2, "names it")
	synctest.Wait()
	return alice, bob, a
}

// A fetch that fails is tried again after 5, 15 and 45 s, and then at the next Start.
func TestFetchDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, bob, a := missing(t, 3)
		time.Sleep(time.Hour)
		if a.when() != "[0s 5s 20s 1m5s]" || !slices.Contains(bob.shows(), "alice: lost") {
			t.Errorf("asked at %s, shown %q", a.when(), bob.shows())
		}
		finish(t, bob)
	})
	synctest.Test(t, func(t *testing.T) {
		_, bob, a := missing(t, 5)
		time.Sleep(time.Hour)
		if a.when() != "[0s 5s 20s 1m5s]" || len(bob.shows()) != 1 {
			t.Errorf("asked at %s, shown %q", a.when(), bob.shows())
		}
		bob.r.Stop()
		time.Sleep(time.Hour)
		check(t, bob.r.Start())
		time.Sleep(time.Minute)
		if a.when() != "[0s 5s 20s 1m5s 2h0m0s 2h0m5s]" || !slices.Contains(bob.shows(), "alice: lost") {
			t.Errorf("asked at %s, shown %q", a.when(), bob.shows())
		}
		finish(t, bob)
	})
}

// What comes meanwhile is not asked for again, and Close does not wait for pauses.
func TestFetchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, bob, a := missing(t, 1)
		time.Sleep(time.Second)
		check(t, bob.FetchMessagesByHashes(t.Context(), hashesOf(bob.net))) // it came by another way
		time.Sleep(time.Hour)
		if a.when() != "[0s]" || len(bob.shows()) != 2 {
			t.Errorf("asked at %s, shown %q", a.when(), bob.shows())
		}
		finish(t, bob)
	})
	synctest.Test(t, func(t *testing.T) {
		_, bob, a := missing(t, 9)
		begin := time.Now()
		check(t, bob.r.Close())
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("Close waited %v of virtual time", waited)
		}
		time.Sleep(time.Hour)
		if a.when() != "[0s]" {
			t.Errorf("asked at %s", a.when())
		}
		finish(t, bob)
	})
}

// finish ends all goroutines before the virtual time does.
func finish(t *testing.T, any *member) {
	for _, m := range any.net.members {
		check(t, m.r.Close())
		check(t, m.db.Close())
	}
}

// What nobody acknowledges is sent again by the library, with fresh envelopes that
// others learn of; not while offline and not while paused, but when that is over.
func TestSendsAgainWhenOnline(t *testing.T) {
	for what, pause := range map[string]func(r *reliability.Reliability) (resume func()){
		"offline": func(r *reliability.Reliability) func() { r.Stop(); return func() { check(t, r.Start()) } },
		"paused":  func(r *reliability.Reliability) func() { r.SetPaused(true); return func() { r.SetPaused(false) } },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork()
				var alice *member
				alice = newMember(t, n, "alice", sends(&alice))
				bob := newMember(t, n, "bob")
				n.lose(func(*member, int, int) bool { return true })
				resume := pause(alice.r)
				alice.send(1, "is anybody there")
				time.Sleep(10 * time.Minute)
				if len(alice.dispatched()) != 0 {
					t.Errorf("sent while %s: %v", what, alice.dispatched())
				}
				n.lose(nil)
				resume()
				synctest.Wait()
				if len(alice.dispatched()) != 1 || alice.dispatched()[0].Kind != sds.OutgoingResend || alice.dispatched()[0].ID != community.SDSID(alice.payload("is anybody there")) {
					t.Errorf("sent afterwards: %+v", alice.dispatched())
				}
				if len(bob.shows()) != 1 {
					t.Errorf("bob shows %q", bob.shows())
				}
				finish(t, alice)
			})
		})
	}
}

// What waits for acknowledgement goes out again after a restart, too.
func TestOutgoingSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		var alice *member
		alice = newMember(t, n, "alice", sends(&alice))
		bob := newMember(t, n, "bob")
		n.lose(func(*member, int, int) bool { return true })
		alice.send(1, "before the restart")
		alice.restart()
		n.lose(nil)
		time.Sleep(10 * time.Minute)
		if len(bob.shows()) != 1 {
			t.Errorf("bob shows %q, alice sent %v", bob.shows(), alice.dispatched())
		}
		bob.send(2, "has it")
		if fmt.Sprint(alice.reported()) != "[app before the restart]" {
			t.Errorf("delivered %q", alice.reported())
		}
		finish(t, alice)
	})
}
