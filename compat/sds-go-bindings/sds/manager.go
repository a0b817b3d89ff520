package sds

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/causeway-im/causeway/sds"
)

// ReliabilityManager keeps channels. Make one with NewReliabilityManager or
// NewReliabilityManagerWithOptions, and end it with Cleanup. There may be any
// number of them; they share nothing. All methods are safe for concurrent use,
// and on a nil manager all that return an error return one.
type ReliabilityManager struct {
	logger  *zap.Logger
	options Options
	epoch   uint64 // of the Store

	mu        sync.Mutex
	changed   *sync.Cond // something that somebody waits for: see enter and Cleanup
	open      bool
	calls     int // that have not returned
	channels  map[sds.ChannelID]*channel
	uses      uint64                     // counts uses of channels
	away      map[sds.ChannelID]struct{} // only in the Store, since it failed
	made      int                        // channels that only the network named,
	madeBytes int                        // and what they take
	kept      keptBytes
	trouble   trouble // of the Store

	callbacks EventCallbacks
	outgoing  func(OutgoingMessage)
	receipts  func(sds.Receipt, string)
	rosters   map[sds.ChannelID]*sds.Roster
	events    queue
	calling   bool // somebody calls callbacks

	tasks tasks
}

// NewReliabilityManager returns a manager without channels. The logger may be
// nil.
func NewReliabilityManager(logger *zap.Logger) (*ReliabilityManager, error) {
	return NewReliabilityManagerWithOptions(logger, Options{})
}

// NewReliabilityManagerWithOptions returns a manager with the channels that its
// Store has. It fails if an option is invalid or the Store can't be read.
func NewReliabilityManagerWithOptions(logger *zap.Logger, o Options) (*ReliabilityManager, error) {
	if logger == nil {
		logger = zap.NewNop()
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("error creating reliability manager: %w", err)
	}
	rm := &ReliabilityManager{logger: logger, options: o, open: true,
		channels: map[sds.ChannelID]*channel{}, away: map[sds.ChannelID]struct{}{}}
	rm.changed = sync.NewCond(&rm.mu)
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if err := rm.openStore(); err != nil {
		return nil, fmt.Errorf("error creating reliability manager: %w", err)
	}
	return rm, nil
}

// RegisterCallbacks replaces all callbacks.
func (rm *ReliabilityManager) RegisterCallbacks(callbacks EventCallbacks) {
	if rm == nil {
		return
	}
	rm.mu.Lock()
	defer rm.mu.Unlock()
	rm.callbacks = callbacks
}

// RegisterOutgoingCallback says who broadcasts what the library itself wants to
// send: resends, repairs and acknowledgements. It is called like the other
// callbacks. nil, as at first, means that nothing of that kind is sent.
//
// The bindings have no such callback, so their periodic tasks resend nothing.
func (rm *ReliabilityManager) RegisterOutgoingCallback(outgoing func(OutgoingMessage)) {
	if rm == nil {
		return
	}
	rm.mu.Lock()
	defer rm.mu.Unlock()
	rm.outgoing = outgoing
}

// Reset forgets all channels, in the Store too. Callbacks stay, and periodic
// tasks go on.
func (rm *ReliabilityManager) Reset() error {
	return rm.do("ResetReliabilityManager", func() error {
		ids := slices.Concat(slices.Sorted(maps.Keys(rm.channels)), slices.Sorted(maps.Keys(rm.away)))
		if err := rm.drop(ids...); err != nil {
			return fmt.Errorf("%s: %w", resetRequest, err)
		}
		clear(rm.channels)
		clear(rm.away)
		rm.made, rm.madeBytes, rm.kept = 0, 0, keptBytes{}
		return nil
	})
}

// Cleanup ends the manager: later calls return ErrCleanedUp, no callback is
// called any more, and what was in memory is gone. It returns when all calls have
// returned and the periodic tasks have ended; called from a callback, at once. A
// second Cleanup is as good as the first.
func (rm *ReliabilityManager) Cleanup() error {
	if rm == nil {
		return errEmptyManager
	}
	inside := insideCallback()
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if rm.open {
		rm.open = false
		rm.channels, rm.kept, rm.events = nil, keptBytes{}, queue{}
		rm.tasks.end()
		rm.changed.Broadcast()
	}
	for !inside && (rm.calls > 0 || rm.tasks.running) {
		rm.changed.Wait()
	}
	return nil
}

// do runs f under the lock, and then the callbacks that it caused.
func (rm *ReliabilityManager) do(name string, f func() error) error {
	if rm == nil {
		return errEmptyManager
	}
	err := rm.enter()
	if err == nil {
		defer rm.leave()
		err = rm.locked(f)
		rm.dispatch()
	}
	if err != nil {
		return fmt.Errorf("error %s: %w", name, err)
	}
	return nil
}

// enter counts a call, after waiting for room in the queue of events.
func (rm *ReliabilityManager) enter() error {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	for rm.open && rm.events.len() >= maxEvents && rm.calling && !insideCallback() {
		rm.changed.Wait()
	}
	if !rm.open {
		return ErrCleanedUp
	}
	rm.calls++
	return nil
}

func (rm *ReliabilityManager) leave() {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if rm.calls--; rm.calls == 0 {
		rm.changed.Broadcast()
	}
}

func (rm *ReliabilityManager) locked(f func() error) error {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if !rm.open {
		return ErrCleanedUp
	}
	return f()
}

// unlocked runs the host's code inside locked.
func (rm *ReliabilityManager) unlocked(f func()) {
	rm.mu.Unlock()
	defer rm.mu.Lock()
	runCallback(f)
}

// runCallback runs all code of the host, so that insideCallback finds it.
//
//go:noinline
func runCallback(f func()) { f() }

// insideCallback tells whether this goroutine is in a callback of a manager, this
// one or another. It walks the stack, so it is for rare moments.
func insideCallback() bool {
	pc := make([]uintptr, 64)
	for skip := 1; ; skip += len(pc) {
		n := runtime.Callers(skip, pc)
		frames := runtime.CallersFrames(pc[:n])
		for {
			frame, more := frames.Next()
			if strings.HasSuffix(frame.Function, "/sds.runCallback") {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(pc) {
			return false
		}
	}
}

// now is the time of the channels: a second ahead, because a nim-sds clock is
// max(now, clock) + 1 in seconds, and theirs max(now, clock + 1).
func (rm *ReliabilityManager) now() sds.Time {
	return sds.At(rm.options.Now()).Add(time.Second)
}
