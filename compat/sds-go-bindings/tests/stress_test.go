package tests

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/waku-org/sds-go-bindings/sds"
)

// What the stress file of the bindings does, which crashes libsds. Under -race,
// too: make test.

// 16 goroutines make and destroy 200 managers each.
func TestManyManagers(t *testing.T) {
	peer, _ := joined(t)
	packet := wrap(t, peer, "m1", "ch")
	var all sync.WaitGroup
	for g := range 16 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range 200 {
				rm, err := sds.NewReliabilityManager(zap.NewNop())
				if err != nil {
					t.Error(err)
					return
				}
				heard := newRecorder()
				rm.RegisterCallbacks(heard.callbacks())
				if i%4 == 0 {
					if err := rm.StartPeriodicTasks(); err != nil {
						t.Error(err)
					}
				}
				unwrap(t, rm, packet, "m1", "ch")
				wrap(t, rm, fmt.Sprint(g, "-", i), "ch")
				if err := rm.Cleanup(); err != nil {
					t.Error(err)
				}
				// Beside periodic tasks Cleanup may come before the callback.
				if n := count(heard.take(), "ready m1 ch"); n > 1 || n == 0 && i%4 != 0 {
					t.Error("a manager of its own heard nothing")
				}
			}
		}()
	}
	within(t, "3,200 managers", all.Wait)
}

// 8 managers, 400 operations each, by four goroutines each, with the collector
// running: everybody's messages arrive at everybody, and are acknowledged.
func TestConcurrentOperations(t *testing.T) {
	const managers, operations, workers = 8, 400, 4
	var all sync.WaitGroup
	var checks []func()
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	defer close(stop)
	for m := range managers {
		rm, heard := joined(t)
		peer, heardPeer := joined(t)
		start := func(rm *sds.ReliabilityManager) {
			if err := rm.StartPeriodicTasks(); err != nil {
				t.Error(err)
			}
		}
		start(rm)
		start(peer)
		for w := range workers {
			all.Add(1)
			go func() {
				defer all.Done()
				ch := fmt.Sprint("ch", w%2)
				for i := range operations / workers {
					id := fmt.Sprint(m, "-", w, "-", i)
					switch i % 4 {
					case 0:
						unwrap(t, peer, wrap(t, rm, id, ch), id, ch)
					case 1:
						unwrap(t, rm, wrap(t, peer, id, ch), id, ch)
					case 2:
						if err := rm.MarkDependenciesMet([]sds.MessageID{"x"}, ch); err != nil {
							t.Error(err)
						}
						rm.RegisterCallbacks(heard.callbacks())
					case 3:
						if _, err := rm.UnwrapReceivedMessage([]byte(id)); err == nil {
							t.Error("text is a message")
						}
					}
				}
			}()
		}
		checks = append(checks, func() {
			heardPeer.waitFor(t, "ready", operations/4)
			heard.waitFor(t, "ready", operations/4)
			heard.waitFor(t, "sent", operations/8) // the last ones may have no answer
		})
	}
	within(t, "3,200 operations", all.Wait)
	for _, check := range checks {
		check()
	}
}

// descriptors counts open files, where the system lists them.
func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}

// 1,000 times made, used and cleaned up: neither descriptors nor goroutines nor
// memory grow. (Each cycle of the bindings leaks six descriptors.)
func TestNothingLeaks(t *testing.T) {
	peer, _ := joined(t)
	packet := wrap(t, peer, "m1", "ch")
	cycle := func() {
		rm, heard := open(t, sds.Options{}), newRecorder()
		rm.RegisterCallbacks(heard.callbacks())
		rm.RegisterOutgoingCallback(heard.outgoing)
		if err := rm.StartPeriodicTasks(); err != nil {
			t.Fatal(err)
		}
		unwrap(t, rm, packet, "m1", "ch")
		for i := range 5 {
			wrap(t, rm, fmt.Sprint(i), "ch")
		}
		if err := rm.Cleanup(); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		cycle()
	}
	files, goroutines, bytes := descriptors(), runtime.NumGoroutine(), heap()
	for range 1000 {
		cycle()
	}
	if n := descriptors(); n > files {
		t.Errorf("%d descriptors, before %d", n, files)
	}
	// The last one may be on its last step when Cleanup returns.
	for end := time.Now().Add(ceiling); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, before %d", n, goroutines)
	}
	// A cleaned up manager that the test still holds takes some hundred bytes.
	if n := heap(); n > bytes+2<<20 {
		t.Errorf("%d bytes in use, before %d", n, bytes)
	}
}
