package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/suite/waku/wire"
)

// soakVar is the variable of the environment that makes the test binary one process
// of a soak: it holds a soakOrder.
const soakVar = "CAUSEWAY_FAULTS_SOAK"

// soakOrder is what a process of a soak is to be.
type soakOrder struct {
	Name causeway.ParticipantID // "" for the store node
	Path string                 // of its database

	Light, Serve            bool
	Key                     []byte
	Listen                  []string
	Peers, Services, Stores []string

	Paths map[causeway.ParticipantID]string // of the databases of all members
	After causeway.Cursor                   // the event that was told last
	Pause time.Duration
	Loss  float64
	Seed  uint64
}

// soakWord is what the test says to a process.
type soakWord struct {
	Quiet  bool `json:",omitempty"` // no words and no losses any more
	Sample bool `json:",omitempty"`
}

// soakLine is what a process says.
type soakLine struct {
	Up      bool               `json:",omitempty"` // it takes part
	Addrs   []string           `json:",omitempty"` // where
	Sent    causeway.MessageID `json:",omitempty"` // Send has returned
	Event   *soakEvent         `json:",omitempty"`
	Sample  *soakUse           `json:",omitempty"`
	Silent  bool               `json:",omitempty"` // its last Send has returned
	Settled *int               `json:",omitempty"` // so many own messages: all have them
	Error   string             `json:",omitempty"`
}

// soakEvent is an entry of the event log.
type soakEvent struct {
	Cursor    causeway.Cursor
	Kind      causeway.EventKind
	ID        causeway.MessageID
	Own       bool                `json:",omitempty"`
	Retrieved bool                `json:",omitempty"`
	Level     causeway.Level      `json:",omitempty"`
	Seen      int                 `json:",omitempty"`
	Persons   []causeway.PersonID `json:",omitempty"`
	Gap       causeway.GapState   `json:",omitempty"`
}

// soaked is a process of a soak.
type soaked struct {
	order soakOrder
	files files
	quiet chan struct{} // closed when nobody is to talk and nothing to be lost any more

	mu  sync.Mutex
	out *json.Encoder
}

func runSoaked(orders string) {
	p := &soaked{quiet: make(chan struct{}), out: json.NewEncoder(os.Stdout)}
	go p.listen()
	err := json.Unmarshal([]byte(orders), &p.order)
	if err == nil {
		err = p.run(context.Background())
	}
	p.Errorf("%v", err)
	os.Exit(1)
}

func (p *soaked) tell(x soakLine) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Encode(x)
}

// Errorf lets the referee complain.
func (p *soaked) Errorf(format string, args ...any) {
	p.tell(soakLine{Error: fmt.Sprintf(format, args...)})
}

// listen does what the test says, as long as there is a test.
func (p *soaked) listen() {
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var w soakWord
		if err := in.Decode(&w); err != nil {
			if !errors.Is(err, io.EOF) {
				p.Errorf("%v", err)
			}
			os.Exit(0) // nobody is left to kill us
		}
		if w.Quiet {
			close(p.quiet)
		}
		if w.Sample {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			p.tell(soakLine{Sample: &soakUse{Heap: m.HeapAlloc, Goroutines: runtime.NumGoroutine()}})
		}
	}
}

// connect starts the Waku node.
func (p *soaked) connect(ctx context.Context) (*waku.Node, error) {
	o := waku.Options{Key: p.order.Key, Listen: p.order.Listen, Peers: p.order.Peers, StoreNodes: p.order.Stores,
		ServeFilter: p.order.Serve, ServeLightpush: p.order.Serve}
	if p.order.Light {
		o.Mode, o.ServiceNodes = waku.Light, p.order.Services
	}
	if p.order.Name == "" {
		db, err := sqlite.Open(ctx, p.order.Path)
		if err != nil {
			return nil, err
		}
		o.Store = func(ctx context.Context, h host.Host) (waku.Store, error) {
			return storenode.NewServer(ctx, h, db, storenode.ServerOptions{})
		}
	} else {
		lose := lossy(p.order.Loss, p.order.Seed)
		o.Lose = func(m *wire.Message) bool { return !p.isQuiet() && lose(m) }
	}
	return waku.New(ctx, o)
}

func (p *soaked) isQuiet() bool {
	select {
	case <-p.quiet:
		return true
	default:
		return false
	}
}

func (p *soaked) run(ctx context.Context) (err error) {
	if p.files, err = openFiles(ctx, p.order.Paths); err != nil {
		return err
	}
	network, err := p.connect(ctx)
	if err != nil {
		return err
	}
	if p.order.Name == "" {
		p.tell(soakLine{Up: true, Addrs: network.Addrs()})
		select {}
	}
	node, err := causeway.Open(ctx, causeway.Options{Store: p.files[p.order.Name], Transport: network.Transport(),
		Seed: p.order.Seed, Observer: &referee{p, p.order.Name, p.files.holds}})
	if err != nil {
		return err
	}
	cfg := configFor(slices.Collect(maps.Keys(p.order.Paths)))
	cfg.Participant = p.order.Name
	channel, err := node.Join(ctx, cfg)
	if err != nil {
		return err
	}
	p.tell(soakLine{Up: true, Addrs: network.Addrs()})
	go p.live(ctx, channel)
	for e, err := range channel.Events(ctx, p.order.After) {
		if err != nil {
			return err
		}
		p.tell(soakLine{Event: eventOf(&e)})
	}
	return errors.New("the events have ended")
}

// live talks until it is to be quiet, and waits until all have what it said.
func (p *soaked) live(ctx context.Context, channel *causeway.Channel) {
	err := p.talk(ctx, channel)
	own := 0
	if err == nil {
		p.tell(soakLine{Silent: true})
		own, err = seenByAll(ctx, channel)
	}
	if err != nil {
		p.Errorf("%v", err)
		return
	}
	p.tell(soakLine{Settled: &own})
}

// talk says something from time to time, and now and then several things at once.
func (p *soaked) talk(ctx context.Context, channel *causeway.Channel) error {
	rng := rand.New(rand.NewPCG(p.order.Seed, 2))
	for n := 0; ; {
		pause := time.NewTimer(time.Duration(rng.ExpFloat64() * float64(p.order.Pause)))
		select {
		case <-p.quiet:
			pause.Stop()
			return nil
		case <-pause.C:
		}
		words := 1
		if rng.IntN(8) == 0 {
			words += 1 + rng.IntN(6)
		}
		for ; words > 0; words-- {
			n++
			content := append(fmt.Appendf(nil, "%s says %d with %d", p.order.Name, n, p.order.Seed), make([]byte, rng.IntN(500))...)
			r, err := channel.Send(ctx, content, causeway.SendOptions{Want: causeway.Everyone})
			if err != nil {
				return err
			}
			p.tell(soakLine{Sent: r.ID()})
		}
	}
}

func eventOf(e *causeway.Event) *soakEvent {
	x := &soakEvent{Cursor: e.Cursor, Kind: e.Kind, ID: e.ID}
	if m := e.Message; m != nil {
		x.Own, x.Retrieved = m.Own, m.Retrieved
	}
	if r := e.Receipt; r != nil {
		x.Level, x.Seen, x.Persons = r.Level, r.Seen, r.Persons
	}
	if g := e.Gap; g != nil {
		x.Gap = g.State
	}
	return x
}
