package tests

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/waku-org/sds-go-bindings/sds"
)

// within fails if f takes longer than any machine needs: it hangs.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(ceiling):
		buf := make([]byte, 1<<16)
		t.Fatalf("%s hangs:\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// The hint provider is called while wrapping with no lock held: another call goes
// through meanwhile, and what it brings is named too, with a hint.
func TestHintProviderHoldsNoLock(t *testing.T) {
	a, _ := joined(t)
	b, _ := joined(t)
	wrap(t, a, "m1", "ch")
	meanwhile := wrap(t, b, "other", "ch")
	var asked []sds.MessageID
	a.RegisterCallbacks(sds.EventCallbacks{RetrievalHintProvider: func(id sds.MessageID) []byte {
		asked = append(asked, id)
		if len(asked) == 1 {
			within(t, "Unwrap beside Wrap", func() { unwrap(t, a, meanwhile, "other", "ch") })
		}
		return []byte("hint of " + id)
	}})
	m, err := wire.Decode(wrap(t, a, "m2", "ch"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(asked, []sds.MessageID{"m1", "other"}) {
		t.Errorf("asked for %q", asked)
	}
	var names []string
	for _, e := range m.CausalHistory {
		names = append(names, fmt.Sprintf("%s: %s", e.MessageID, e.RetrievalHint))
	}
	slices.Sort(names)
	wantIDs(t, "history", names, "m1: hint of m1", "other: hint of other")
}

// Others that come with every question end it: Wrap returns all the same.
func TestHintProviderIsNotAskedForEver(t *testing.T) {
	a, _ := joined(t)
	b, _ := joined(t)
	wrap(t, a, "m1", "ch")
	n := 0
	a.RegisterCallbacks(sds.EventCallbacks{RetrievalHintProvider: func(sds.MessageID) []byte {
		n++
		id := fmt.Sprint("b", n)
		unwrap(t, a, wrap(t, b, id, "ch"), id, "ch")
		return nil
	}})
	within(t, "Wrap", func() { wrap(t, a, "m2", "ch") })
	if n < 2 || n > 10 {
		t.Errorf("asked %d times", n)
	}
}

// All heads are asked for at every wrap, as nim-sds does, and a nil hint is none.
func TestHintProviderIsAskedForEach(t *testing.T) {
	a, _ := joined(t)
	asked := map[sds.MessageID]int{}
	a.RegisterCallbacks(sds.EventCallbacks{RetrievalHintProvider: func(id sds.MessageID) []byte { asked[id]++; return nil }})
	var packet []byte
	for i := range 15 {
		packet = wrap(t, a, fmt.Sprint("m", i), "ch")
	}
	m, err := wire.Decode(packet)
	if err != nil || len(m.CausalHistory) != 10 || m.CausalHistory[0].MessageID != "m4" || m.CausalHistory[9].RetrievalHint != nil {
		t.Errorf("history %v, %v", m.CausalHistory, err)
	}
	if asked["m0"] != 10 || asked["m4"] != 10 || asked["m13"] != 1 || asked["m14"] != 0 {
		t.Errorf("asked %v", asked)
	}
}

// Every callback may call every method.
func TestCallbacksCallBack(t *testing.T) {
	a, _ := joined(t)
	rm, heard := joined(t)
	n := 0
	again := func() {
		if n++; n > 20 {
			return
		}
		wrap(t, rm, fmt.Sprint("n", n), "ch")
		unwrap(t, rm, wrap(t, a, fmt.Sprint("x", n), "ch"), fmt.Sprint("x", n), "ch")
		if err := rm.MarkDependenciesMet([]sds.MessageID{"y"}, "ch"); err != nil {
			t.Error(err)
		}
		if err := rm.StartPeriodicTasks(); err != nil {
			t.Error(err)
		}
		rm.OnEvent(`{"eventType":"message_sent","messageId":"e","channelId":"ch"}`)
		if n%7 == 0 {
			if err := rm.Reset(); err != nil {
				t.Error(err)
			}
			wrap(t, rm, fmt.Sprint("r", n), "ch")
		}
	}
	rm.RegisterCallbacks(sds.EventCallbacks{
		OnMessageReady:        func(sds.MessageID, string) { again(); heard.note("ready") },
		OnMessageSent:         func(sds.MessageID, string) { again(); heard.note("sent") },
		OnMissingDependencies: func(sds.MessageID, []sds.HistoryEntry, string) { again(); heard.note("missing") },
		OnPeriodicSync:        func() { again(); heard.note("sync") },
		RetrievalHintProvider: func(sds.MessageID) []byte { return nil },
	})
	within(t, "callbacks that call back", func() {
		one := wrap(t, a, "m1", "ch")
		unwrap(t, rm, wrap(t, a, "m2", "ch"), "m2", "ch")
		unwrap(t, rm, one, "m1", "ch")
		heard.wait(t, "sync")
	})
	for _, line := range []string{"ready", "sent", "missing"} {
		heard.wait(t, line)
	}
}

// What a call inside a callback causes is reported after it, in order.
func TestNestedEventsComeAfter(t *testing.T) {
	a, _ := joined(t)
	rm, heard := joined(t)
	one, two := wrap(t, a, "m1", "ch"), wrap(t, a, "m2", "ch")
	callbacks := heard.callbacks()
	callbacks.OnMessageReady = func(id sds.MessageID, ch string) {
		heard.note("ready %s begins", id)
		if id == "m1" {
			unwrap(t, rm, two, "m2", "ch")
		}
		heard.note("ready %s ends", id)
	}
	rm.RegisterCallbacks(callbacks)
	unwrap(t, rm, one, "m1", "ch")
	heard.want(t, "ready m1 begins", "ready m1 ends", "ready m2 begins", "ready m2 ends")
}

// However many goroutines unwrap, ready events come in causal order, one at a
// time.
func TestReadyIsCausalAcrossGoroutines(t *testing.T) {
	a, _ := joined(t)
	rm, heard := joined(t)
	var busy atomic.Int32
	callbacks := heard.callbacks()
	callbacks.OnMessageReady = func(id sds.MessageID, ch string) {
		if busy.Add(1) != 1 {
			t.Error("two callbacks at a time")
		}
		heard.note("%s", id)
		runtime.Gosched()
		busy.Add(-1)
	}
	callbacks.OnMissingDependencies = nil
	rm.RegisterCallbacks(callbacks)
	const n = 200
	packets := make([][]byte, n)
	want := make([]string, n)
	for i := range packets {
		want[i] = fmt.Sprint("m", i)
		packets[i] = wrap(t, a, want[i], "ch")
	}
	var all sync.WaitGroup
	for g := range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range n / 8 { // each goroutine goes backwards through its share
				k := n - 1 - (i*8 + g)
				unwrap(t, rm, packets[k], want[k], "ch")
			}
		}()
	}
	within(t, "unwrapping", all.Wait)
	heard.wait(t, want[n-1])
	heard.want(t, want...)
}

// A callback may call Cleanup. It returns at once, and nothing is called after.
func TestCleanupInsideCallbacks(t *testing.T) {
	for _, kind := range []string{"ready", "sent", "missing", "sync", "hint", "outgoing"} {
		t.Run(kind, func(t *testing.T) {
			a, _ := joined(t)
			rm, heard := joined(t)
			clean := func(is string) {
				if is != kind {
					return
				}
				if err := rm.Cleanup(); err != nil {
					t.Error(err)
				}
				heard.note("cleaned")
			}
			rm.RegisterCallbacks(sds.EventCallbacks{
				OnMessageReady:        func(sds.MessageID, string) { clean("ready") },
				OnMessageSent:         func(sds.MessageID, string) { clean("sent") },
				OnMissingDependencies: func(sds.MessageID, []sds.HistoryEntry, string) { clean("missing") },
				OnPeriodicSync:        func() { clean("sync") },
				RetrievalHintProvider: func(sds.MessageID) []byte { clean("hint"); return nil },
			})
			rm.RegisterOutgoingCallback(func(sds.OutgoingMessage) { clean("outgoing") })
			within(t, "Cleanup in a callback", func() {
				if kind == "sync" {
					if err := rm.StartPeriodicTasks(); err != nil {
						t.Error(err)
					}
					heard.wait(t, "cleaned")
				} else {
					cleanupScript(t, rm, a)
				}
				if err := rm.Cleanup(); err != nil {
					t.Error(err)
				}
			})
			heard.want(t, "cleaned")
			if _, err := rm.UnwrapReceivedMessage([]byte("x")); !errors.Is(err, sds.ErrCleanedUp) {
				t.Error(err)
			}
		})
	}
}

// cleanupScript causes every kind of event; calls fail once Cleanup was called.
func cleanupScript(t *testing.T, rm, a *sds.ReliabilityManager) {
	send := func(id sds.MessageID, via, to *sds.ReliabilityManager) {
		b, err := via.WrapOutgoingMessage([]byte("x"), id, "ch")
		if err == nil {
			_, err = to.UnwrapReceivedMessage(b)
		}
		if err != nil && !errors.Is(err, sds.ErrCleanedUp) {
			t.Error(err)
		}
	}
	send("m1", rm, a)
	send("m2", a, rm)
	send("m3", rm, a)
	wrap(t, a, "lost", "ch")
	send("m4", a, rm)
	// It asks for m1, which is ours: we send it at once.
	ask := proto(1, "m5", 2, 7, 4, "ch", 5, "x", 7, "asker", 13, proto(1, "m1"))
	for _, packet := range [][]byte{ask, proto(1, "m6", 2, 7, 4, "ch", 5, "x")} {
		if _, err := rm.UnwrapReceivedMessage(packet); err != nil && !errors.Is(err, sds.ErrCleanedUp) {
			t.Error(err)
		}
	}
}

func TestCleanup(t *testing.T) {
	rm, heard := joined(t)
	wrap(t, rm, "m1", "ch")
	if err := rm.StartPeriodicTasks(); err != nil {
		t.Fatal(err)
	}
	heard.wait(t, "sync")
	heard.take()
	within(t, "Cleanup", func() {
		for range 3 {
			if err := rm.Cleanup(); err != nil {
				t.Error(err)
			}
		}
	})
	rm.OnEvent(`{"eventType":"periodic_sync"}`)
	rm.RegisterCallbacks(heard.callbacks())
	within(t, "a call after Cleanup", func() {
		_, wrapErr := rm.WrapOutgoingMessage([]byte("x"), "m", "ch")
		_, unwrapErr := rm.UnwrapReceivedMessage(proto(1, "m", 2, 7, 4, "ch", 5, "x"))
		for name, err := range map[string]error{
			"WrapOutgoingMessage": wrapErr, "UnwrapReceivedMessage": unwrapErr, "Reset": rm.Reset(),
			"MarkDependenciesMet": rm.MarkDependenciesMet([]sds.MessageID{"m"}, "ch"),
			"StartPeriodicTasks":  rm.StartPeriodicTasks(),
		} {
			if !errors.Is(err, sds.ErrCleanedUp) || !strings.HasPrefix(err.Error(), "error ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	heard.want(t)
}

// A callback that panics harms its caller alone.
func TestCallbackPanics(t *testing.T) {
	a, _ := joined(t)
	rm, heard := joined(t)
	panics := true
	callbacks := heard.callbacks()
	callbacks.OnMessageReady = func(id sds.MessageID, ch string) {
		heard.note("ready %s", id)
		if panics {
			panic("host")
		}
	}
	callbacks.RetrievalHintProvider = func(sds.MessageID) []byte {
		if panics {
			panic("host")
		}
		return nil
	}
	rm.RegisterCallbacks(callbacks)
	panicking := func(f func()) {
		defer func() {
			if recover() != "host" {
				t.Error("the panic did not reach the caller")
			}
		}()
		f()
	}
	panicking(func() { _, _ = rm.UnwrapReceivedMessage(wrap(t, a, "m1", "ch")) })
	panicking(func() { _, _ = rm.WrapOutgoingMessage([]byte("x"), "own", "ch") })
	panics = false
	within(t, "a call after a panic", func() {
		unwrap(t, rm, wrap(t, a, "m2", "ch"), "m2", "ch")
		wrap(t, rm, "own", "ch")
		if err := rm.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	heard.want(t, "ready m1", "ready m2")
}

// The events of libsds in JSON, as its C side hands them over.
func TestOnEvent(t *testing.T) {
	rm, heard := joined(t)
	for _, e := range []string{
		`{"eventType":"message_ready","messageId":"m1","channelId":"ch"}`,
		`{"eventType":"message_sent","messageId":"m2","channelId":"ch"}`,
		`{"eventType":"missing_dependencies","messageId":"m3","channelId":"ch","missingDeps":[{"messageId":"d","retrievalHint":"aGludA=="}]}`,
		`{"eventType":"periodic_sync"}`,
		`{"eventType":"repair_ready","channelId":"ch","message":"AQ=="}`, `{}`, `[]`, `no JSON`, ``,
	} {
		rm.OnEvent(e)
	}
	rm.OnCallbackError(3, "libsds failed")
	heard.want(t, "ready m1 ch", "sent m2 ch", "missing m3 [d] ch", "sync")
	if heard.hints["d"] != "hint" {
		t.Errorf("hint %q", heard.hints["d"])
	}
}

// Callbacks may be left out, and registered anew at any time.
func TestNoCallbacks(t *testing.T) {
	a, _ := joined(t)
	rm := open(t, sds.Options{})
	wrap(t, a, "m1", "ch")
	two := wrap(t, a, "m2", "ch")
	wantIDs(t, "missing", unwrap(t, rm, two, "m2", "ch"), "m1")
	heard := newRecorder()
	rm.RegisterCallbacks(heard.callbacks())
	unwrap(t, rm, wrap(t, a, "m3", "ch"), "m3", "ch")
	rm.RegisterCallbacks(sds.EventCallbacks{})
	unwrap(t, rm, wrap(t, a, "m4", "ch"), "m4", "ch")
	heard.want(t, "missing m3 [m1] ch")
}
