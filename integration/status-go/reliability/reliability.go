package reliability

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"go.uber.org/zap"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	library "github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/waku-org/sds-go-bindings/sds"
)

// Reliability is the layer between the application's messages and encryption. Make
// one with New. All methods are safe for concurrent use.
type Reliability struct {
	o Options

	life sync.Mutex // Start, Stop, Close and UpdateDescription, one at a time

	mu      sync.Mutex
	idle    *sync.Cond // no call is in progress
	calls   int
	manager *sds.ReliabilityManager // nil: unavailable
	table   *table                  // there from the first Start on
	online  bool
	paused  bool
	// rosters are those of all channels, for the next manager, and others how many
	// persons but us are in them.
	rosters     map[causeway.ChannelID]*causeway.Roster
	others      map[causeway.ChannelID]int
	communities map[community.ID]*following

	work   context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	fetch  fetches
	out    outbox
	missed recent // ids that were reported missing
}

// New checks the options. Nothing runs before Start.
func New(o Options) (*Reliability, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Reliability{o: o, rosters: map[causeway.ChannelID]*causeway.Roster{}, others: map[causeway.ChannelID]int{}, communities: map[community.ID]*following{}}
	r.idle = sync.NewCond(&r.mu)
	r.out.wake = make(chan struct{}, 1)
	return r, nil
}

// Start goes online. The first one, and the first after Close, opens the database and
// goes on from what is there. If it fails, nothing runs.
func (r *Reliability) Start() error {
	r.life.Lock()
	defer r.life.Unlock()
	if r.o.DataSync != nil && !r.Started() {
		if err := r.o.DataSync.Start(); err != nil {
			return fmt.Errorf("reliability: starting datasync: %w", err)
		}
	}
	if err := r.openManager(); err != nil {
		if r.o.DataSync != nil {
			r.o.DataSync.Stop()
		}
		return err
	}
	r.setOnline(true)
	r.reportDelivered()
	r.retryFetches()
	return nil
}

// Started tells whether we are online.
func (r *Reliability) Started() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.online
}

// Stop goes offline. All that is known stays: messages can be wrapped and unwrapped.
func (r *Reliability) Stop() {
	r.life.Lock()
	defer r.life.Unlock()
	r.stop()
}

func (r *Reliability) stop() {
	if r.o.DataSync != nil && r.Started() {
		r.o.DataSync.Stop()
	}
	r.setOnline(false)
}

func (r *Reliability) setOnline(online bool) {
	r.mu.Lock()
	r.online = online
	sending := r.online && !r.paused
	r.mu.Unlock()
	r.out.open(sending)
}

// SetPaused says that a mobile application is in the background: the library sends
// nothing by itself until it is back.
func (r *Reliability) SetPaused(paused bool) {
	r.mu.Lock()
	r.paused = paused
	sending := r.online && !r.paused
	r.mu.Unlock()
	r.out.open(sending)
	if r.o.DataSync != nil {
		r.o.DataSync.SetPaused(paused)
	}
}

// Close goes offline, waits for calls in progress and for what runs in the background,
// and lets the database go. Start begins again from there.
func (r *Reliability) Close() error {
	r.life.Lock()
	defer r.life.Unlock()
	r.stop()
	r.mu.Lock()
	manager := r.manager
	r.manager = nil // who calls from now on is refused: a callback, too
	if r.cancel != nil {
		r.cancel()
	}
	for r.calls > 0 {
		r.idle.Wait()
	}
	r.mu.Unlock()
	if manager == nil {
		return nil
	}
	err := manager.Cleanup()
	r.tasks.Wait()
	return err
}

// enter returns the manager for one call, which leave ends.
func (r *Reliability) enter() (*sds.ReliabilityManager, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.manager == nil {
		return nil, fmt.Errorf("reliability: %w", ErrSDSManagerUnavailable)
	}
	r.calls++
	return r.manager, nil
}

func (r *Reliability) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls--; r.calls == 0 {
		r.idle.Broadcast()
	}
}

// background runs f until it returns, unless nothing runs any more; Close waits for
// it.
func (r *Reliability) background(f func(ctx context.Context)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.manager == nil || r.work.Err() != nil {
		return false
	}
	ctx := r.work
	r.tasks.Add(1)
	go func() {
		defer r.tasks.Done()
		f(ctx)
	}()
	return true
}

// openManager makes the manager, unless there is one.
func (r *Reliability) openManager() error {
	r.mu.Lock()
	there := r.manager != nil
	r.mu.Unlock()
	if there {
		return nil
	}
	ctx := context.Background()
	kept, err := store.OpenSQL(ctx, r.o.DB, store.SQLOptions{Prefix: r.o.Prefix})
	if err != nil {
		return fmt.Errorf("reliability: %w", err)
	}
	messages, err := openTable(ctx, r.o.DB, r.o.Prefix, r.o.Now)
	if err != nil {
		return fmt.Errorf("reliability: %w", err)
	}
	manager, err := sds.NewReliabilityManagerWithOptions(r.o.Logger.Named("sds"), sds.Options{Store: kept, Now: r.o.Now,
		Participant: string(community.Participant(r.o.Person, r.o.Installation))})
	if err != nil {
		return fmt.Errorf("reliability: %w", err)
	}
	r.mu.Lock()
	r.table = messages
	rosters := maps.Clone(r.rosters)
	r.mu.Unlock()
	manager.RegisterCallbacks(sds.EventCallbacks{
		OnMessageReady:        func(sds.MessageID, string) {}, // the application shows at once, in the order of its own clock
		OnMessageSent:         r.messageSent,
		OnMissingDependencies: r.dependenciesMissing,
		RetrievalHintProvider: r.hint,
	})
	manager.RegisterReceiptCallback(func(m library.Receipt, channel string) { r.receiptMoved(manager, m, channel) })
	if r.o.Dispatch != nil {
		manager.RegisterOutgoingCallback(r.queueOutgoing)
	}
	for ch, roster := range rosters {
		err = errors.Join(err, manager.SetRoster(string(ch), roster))
	}
	if err = errors.Join(err, manager.StartPeriodicTasks()); err != nil {
		return errors.Join(fmt.Errorf("reliability: %w", err), manager.Cleanup())
	}
	r.mu.Lock()
	r.manager = manager
	r.work, r.cancel = context.WithCancel(context.Background())
	r.mu.Unlock()
	if r.o.Dispatch != nil {
		r.background(r.dispatchAll)
	}
	return nil
}

// messages is the table of messages.
func (r *Reliability) messages() *table {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table
}

func (r *Reliability) warn(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		r.o.Logger.Warn(what, zap.Error(err))
	}
}
