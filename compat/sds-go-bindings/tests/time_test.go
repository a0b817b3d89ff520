//go:build go1.25

package tests

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/waku-org/sds-go-bindings/sds"
)

// These run in virtual time.

func start(t *testing.T, rm *sds.ReliabilityManager) {
	t.Helper()
	if err := rm.StartPeriodicTasks(); err != nil {
		t.Fatal(err)
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	time.Sleep(d) // in a bubble: virtual
	synctest.Wait()
}

// nim-sds reports a message as sent when nobody acknowledged it for six minutes,
// and never sends anything again. Here it goes out again, as the same bytes, until
// the library gives up, and is never reported.
func TestGiveUpIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rm, heard := joined(t)
		rm.RegisterOutgoingCallback(heard.outgoing)
		start(t, rm)
		packet := wrap(t, rm, "m1", "ch")
		pass(time.Hour)
		lines := heard.take()
		if n := count(lines, "out resend m1 ch"); n < 4 || n > 10 {
			t.Errorf("resent %d times", n)
		}
		if count(lines, "sent") > 0 {
			t.Error("reported as sent although nobody has it")
		}
		for _, o := range heard.outs {
			if !bytes.Equal(o.Message, packet) {
				t.Error("a resend has other bytes")
			}
		}
		pass(24 * time.Hour)
		if lines := heard.take(); count(lines, "out") > 0 || count(lines, "sent") > 0 {
			t.Errorf("after giving up: %q", lines)
		}
		// Should somebody have it after all, that is reported.
		b, _ := joined(t)
		unwrap(t, b, packet, "m1", "ch")
		unwrap(t, rm, wrap(t, b, "m2", "ch"), "m2", "ch")
		heard.want(t, "sent m1 ch", "ready m2 ch")
	})
}

// network broadcasts what the library itself sends to all others, as a host would.
// It returns when what they do on starting, a sync, is done and forgotten.
func network(t *testing.T, members map[*sds.ReliabilityManager]*recorder) {
	for rm, heard := range members {
		rm.RegisterOutgoingCallback(func(o sds.OutgoingMessage) {
			heard.outgoing(o)
			for other := range members {
				if other != rm {
					if _, err := other.UnwrapReceivedMessage(o.Message); err != nil {
						t.Error(err)
					}
				}
			}
		})
		start(t, rm)
	}
	synctest.Wait()
	for _, heard := range members {
		heard.take()
	}
}

// A lost message is resent, and acknowledged although the other has nothing to say.
func TestResendAndAcknowledge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, heardA := joined(t)
		b, heardB := joined(t)
		network(t, map[*sds.ReliabilityManager]*recorder{a: heardA, b: heardB})
		wrap(t, a, "m1", "ch") // and the network loses it
		pass(3 * time.Minute)
		if lines := heardB.take(); count(lines, "ready m1 ch") != 1 || count(lines, "out acknowledgement") != 1 {
			t.Errorf("receiver: %q", lines)
		}
		lines := heardA.take()
		if count(lines, "sent m1 ch") != 1 || count(lines, "out resend m1 ch") == 0 {
			t.Errorf("sender: %q", lines)
		}
	})
}

// Who misses a message asks for it, and gets it from its author, or from somebody
// else who has it.
func TestRepair(t *testing.T) {
	for _, author := range []bool{true, false} {
		t.Run(fmt.Sprint("author=", author), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, heardA := joined(t)
				b, heardB := joined(t)
				c, heardC := joined(t)
				members := map[*sds.ReliabilityManager]*recorder{b: heardB, c: heardC}
				if author {
					members[a] = heardA
				}
				network(t, members)
				one := wrap(t, a, "m1", "ch")
				unwrap(t, c, one, "m1", "ch")
				two := wrap(t, a, "m2", "ch")
				unwrap(t, c, two, "m2", "ch")
				wantIDs(t, "missing", unwrap(t, b, two, "m2", "ch"), "m1")
				heardB.want(t, "missing m2 [m1] ch")
				pass(20 * time.Second) // less than it takes to give up waiting
				lines := heardB.take()
				var events []string
				for _, l := range lines {
					if !strings.HasPrefix(l, "out") && l != "sync" {
						events = append(events, l)
					}
				}
				wantIDs(t, "events", events, "ready m1 ch", "ready m2 ch")
				if count(append(heardA.take(), heardC.take()...), "out repair m1 ch") == 0 {
					t.Error("nobody repaired it")
				}
			})
		})
	}
}

// With nobody to send for it the library sends nothing, and time alone still
// releases what a lost message blocks.
func TestLostDependencyIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := joined(t)
		b, heard := joined(t)
		start(t, b)
		synctest.Wait()
		heard.want(t, "sync")
		one := wrap(t, a, "m1", "ch")
		unwrap(t, b, wrap(t, a, "m2", "ch"), "m2", "ch")
		unwrap(t, b, wrap(t, a, "m3", "ch"), "m3", "ch")
		heard.want(t, "missing m2 [m1] ch", "missing m3 [m1] ch")
		pass(29 * time.Second)
		heard.want(t)
		pass(2 * time.Second)
		lines := heard.take()
		var ready []string
		for _, l := range lines {
			if l != "sync" {
				ready = append(ready, l)
			}
		}
		wantIDs(t, "released", ready, "ready m2 ch", "ready m3 ch")
		unwrap(t, b, one, "m1", "ch") // late
		heard.want(t, "ready m1 ch")
	})
}

// Without periodic tasks nothing happens by itself; the next call does what is due.
func TestNothingByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		a, _ := joined(t)
		b, heard := joined(t)
		b.RegisterOutgoingCallback(heard.outgoing)
		wrap(t, a, "m1", "ch")
		unwrap(t, b, wrap(t, a, "m2", "ch"), "m2", "ch")
		if n := runtime.NumGoroutine(); n > before { // one of a test before may end meanwhile
			t.Errorf("%d goroutines, before %d", n, before)
		}
		pass(time.Hour)
		heard.want(t, "missing m2 [m1] ch")
		unwrap(t, b, proto(1, "m9", 2, 7, 4, "ch", 5, "content of m9"), "m9", "ch")
		if lines := heard.take(); count(lines, "ready m2 ch") != 1 || count(lines, "ready m9 ch") != 1 {
			t.Errorf("callbacks %q", lines)
		}
	})
}

// One OnPeriodicSync at once and one every 30 seconds, however often the tasks
// were started; none after Cleanup.
func TestPeriodicSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rm, heard := joined(t)
		for range 3 {
			start(t, rm)
		}
		synctest.Wait()
		heard.want(t, "sync")
		pass(10 * time.Minute)
		if n := count(heard.take(), "sync"); n != 20 {
			t.Errorf("%d syncs in 10 minutes, want 20", n)
		}
		if err := rm.Reset(); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		heard.want(t, "sync", "sync")
		if err := rm.Cleanup(); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		heard.want(t)
	})
}

// Cleanup waits for calls in flight: for the hint provider that one of them is in,
// and for a callback.
func TestCleanupWaits(t *testing.T) {
	for _, in := range []string{"hint", "ready", "sync"} {
		t.Run(in, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := joined(t)
				rm, heard := joined(t)
				wrap(t, rm, "m0", "ch")
				entered, release := make(chan struct{}, 1), make(chan struct{})
				block := func(is string) {
					if is == in {
						entered <- struct{}{}
						<-release
					}
				}
				rm.RegisterCallbacks(sds.EventCallbacks{
					OnMessageReady:        func(sds.MessageID, string) { block("ready") },
					OnPeriodicSync:        func() { block("sync") },
					RetrievalHintProvider: func(sds.MessageID) []byte { block("hint"); return nil },
				})
				var callErr error
				go func() {
					switch in {
					case "hint":
						_, callErr = rm.WrapOutgoingMessage([]byte("x"), "m1", "ch")
					case "ready":
						_, callErr = rm.UnwrapReceivedMessage(wrap(t, a, "a1", "ch"))
					case "sync":
						callErr = rm.StartPeriodicTasks()
					}
					heard.note("call returned")
				}()
				<-entered
				for range 2 {
					go func() {
						if err := rm.Cleanup(); err != nil {
							t.Error(err)
						}
						heard.note("cleaned")
					}()
				}
				synctest.Wait()
				if lines := heard.take(); count(lines, "cleaned") > 0 {
					t.Fatalf("Cleanup returned before the call: %q", lines)
				}
				if _, err := rm.UnwrapReceivedMessage([]byte("x")); err == nil { // does not hang
					t.Error("a call after Cleanup began went through")
				}
				close(release)
				synctest.Wait()
				if lines := heard.take(); count(lines, "cleaned") != 2 {
					t.Errorf("after the call returned: %q", lines)
				}
				if in == "hint" && callErr == nil {
					t.Error("Wrap went on although the manager is gone")
				}
			})
		})
	}
}

// A callback that blocks holds up callbacks, not calls, until very many wait.
func TestSlowCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rm, heard := joined(t)
		release := make(chan struct{})
		n := 0
		rm.RegisterCallbacks(sds.EventCallbacks{OnMessageReady: func(sds.MessageID, string) { <-release; n++ }})
		send := func(i int) {
			if _, err := rm.UnwrapReceivedMessage(proto(1, fmt.Sprint(i), 2, 7, 4, "ch", 5, "x")); err != nil {
				t.Error(err)
			}
		}
		go send(0)
		synctest.Wait()
		const many = 16384
		for i := range many {
			send(1 + i)
		}
		go func() { send(many + 1); heard.note("through") }()
		synctest.Wait()
		heard.want(t)
		close(release)
		synctest.Wait()
		heard.want(t, "through")
		if n != many+2 {
			t.Errorf("%d callbacks, want %d", n, many+2)
		}
	})
}

// The clock is nim's: seconds, max(now, clock) + 1.
func TestLamport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rm, _ := joined(t)
		lamport := func(id string) uint64 {
			m, err := wire.Decode(wrap(t, rm, id, "ch"))
			if err != nil {
				t.Fatal(err)
			}
			return m.Lamport
		}
		now := uint64(time.Now().Unix())
		for i := range uint64(5) {
			if got := lamport(fmt.Sprint("m", i)); got != now+1+i {
				t.Errorf("message %d has %d, want %d", i, got, now+1+i)
			}
		}
		pass(time.Minute)
		if got := lamport("later"); got != now+61 {
			t.Errorf("after a minute %d, want %d", got, now+61)
		}
		unwrap(t, rm, proto(1, "x", 2, int(now+500), 4, "ch", 5, "content of x"), "x", "ch")
		if got := lamport("after"); got != now+501 {
			t.Errorf("after a message of %d: %d", now+500, got)
		}
	})
}
