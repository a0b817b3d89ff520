package town

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// patience is the ceiling of each wait.
const patience = 60 * time.Second

// nightly runs have 20 people.
var nightly = os.Getenv("CAUSEWAY_NIGHTLY") == "1"

var (
	seedFlag = flag.Uint64("seed", 0, "decides what is lost and when timers fire; 0: a new one")
	lossFlag = flag.Float64("loss", 0.05, "share of packets that each receiver of TestTown loses")
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// town is a community and the network that it lives on. Its methods are for the
// goroutine of the test, unless they say otherwise.
type town struct {
	t        testing.TB
	seed     uint64
	wide     bool                   // one channel for the whole community, as deployed
	now      *community.Description // the newest
	devices  []*device
	services []*waku.Node
	store    *waku.Node
	collect  collector
	clock    uint64
	news     chan struct{} // something happened
	loss     float64       // of what is said in chats, for each receiver, above gossip
	calm     atomic.Bool   // nothing is lost any more

	mu   sync.Mutex
	said map[causeway.MessageID]*said
	all  []*said // by time
}

// newTown starts the services and the store, and connects the devices.
func newTown(t testing.TB, p *plan, wide bool, loss float64) *town {
	w := &town{t: t, seed: *seedFlag, wide: wide, now: p.description, news: make(chan struct{}, 1), loss: loss, said: map[causeway.MessageID]*said{}}
	if w.seed == 0 {
		w.seed = rand.Uint64()
	}
	t.Logf("-seed %d", w.seed)
	var infrastructure []string
	for range 2 {
		n := w.relay(waku.Options{Peers: infrastructure, ServeFilter: true, ServeLightpush: true})
		w.services = append(w.services, n)
		infrastructure = append(infrastructure, n.Addrs()...)
	}
	w.openStore(infrastructure)
	for i, h := range p.homes {
		d := &device{w: w, home: h, options: w.network()}
		d.prepare(uint64(i + 1))
		d.options.StoreNodes = w.store.Addrs()
		d.options.Lose = d.loses
		if h.light {
			d.options.Mode, d.options.ServiceNodes = waku.Light, infrastructure
		} else {
			d.options.Peers = append(slices.Clone(infrastructure), w.neighbours()...)
		}
		w.devices = append(w.devices, d)
		d.connect()
	}
	t.Cleanup(w.close)
	for _, d := range w.devices {
		w.await(d.name()+": the network", d.connected)
	}
	for _, d := range w.devices {
		d.open()
	}
	return w
}

// close ends all devices, before the databases that referees read.
func (w *town) close() {
	for _, d := range w.devices {
		d.stop()
	}
}

// network is what all nodes have in common.
func (w *town) network() waku.Options {
	content, control := community.ContentShard, community.ControlShard
	chats := community.UniversalTopic(w.now.Community).Transport()
	return waku.Options{Cluster: content.Cluster, Shards: []uint16{control.Number, content.Number}, RedialMax: 2 * time.Second,
		Shard: func(topic transport.Topic) uint16 {
			if topic == chats {
				return content.Number
			}
			return control.Number
		}}
}

// relay starts a node of the network that nobody is at home at.
func (w *town) relay(o waku.Options) *waku.Node {
	w.t.Helper()
	base := w.network()
	o.Cluster, o.Shards, o.Shard, o.RedialMax = base.Cluster, base.Shards, base.Shard, base.RedialMax
	n, err := waku.New(w.t.Context(), o)
	check(w.t, err)
	w.t.Cleanup(func() { n.Close() })
	n.WatchHealth(func(waku.Health) { w.poke() })
	return n
}

func (w *town) openStore(peers []string) {
	w.t.Helper()
	db, err := sqlite.Open(w.t.Context(), filepath.Join(w.t.TempDir(), "store.db"))
	check(w.t, err)
	w.t.Cleanup(func() { db.Close() })
	w.store = w.relay(waku.Options{Peers: peers, Store: func(ctx context.Context, h host.Host) (waku.Store, error) {
		return storenode.NewServer(ctx, h, db, storenode.ServerOptions{})
	}})
}

// neighbours are the addresses of the newest relays: with the services and the store a
// new one has six peers or more.
func (w *town) neighbours() (addrs []string) {
	for _, d := range slices.Backward(w.devices) {
		if !d.light && len(addrs) < 4 {
			addrs = append(addrs, d.waku.Addrs()...)
		}
	}
	return addrs
}

// poke ends a wait, which looks again. It may be called from anywhere.
func (w *town) poke() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// await waits until ok, which is called after each event.
func (w *town) await(what string, ok func() bool) {
	w.t.Helper()
	ceiling := time.NewTimer(patience)
	defer ceiling.Stop()
	for !ok() {
		select {
		case <-w.news:
		case <-ceiling.C:
			w.report()
			w.t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// within returns a context that ends with the ceiling.
func (w *town) within() context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), patience)
	w.t.Cleanup(cancel)
	return ctx
}

// report prints how each device is.
func (w *town) report() {
	for _, d := range w.devices {
		if d.node == nil {
			w.t.Logf("%-10s is not there", d.name())
			continue
		}
		h, x := d.waku.Health(), d.node.Metrics()
		d.mu.Lock()
		w.t.Logf("%-10s online %v; delivered %v; received %d, from stores %d, not for us %d; gaps %d, recovered %d, lost %d; shards %+v", d.name(), h.Online,
			d.counts(), x.Received.Packets, x.Retrieved.Packets, x.NotForMe, x.GapsFound, x.GapsRecovered, x.GapsLost, h.Shards)
		d.mu.Unlock()
	}
}

// device returns where somebody is at home.
func (w *town) device(person causeway.PersonID, installation string) *device {
	w.t.Helper()
	for _, d := range w.devices {
		if d.person == person && d.installation == installation {
			return d
		}
	}
	w.t.Fatalf("%s has no %s", person, installation)
	return nil
}

// readers of a chat, as of the newest description.
func (w *town) readers(chat string) []causeway.PersonID {
	w.t.Helper()
	readers, err := w.now.Readers(chat)
	check(w.t, err)
	return readers
}

// readable are the chats that a person can read.
func (w *town) readable(d *community.Description, person causeway.PersonID) (chats []string) {
	for _, chat := range slices.Sorted(maps.Keys(d.Chats)) {
		if readers, err := d.Readers(chat); err == nil && slices.Contains(readers, person) {
			chats = append(chats, chat)
		}
	}
	return chats
}

// loses is waku.Options.Lose: a share of what is said in chats is lost, above gossip.
func (d *device) loses(m *wire.Message) bool {
	if m.ContentTopic != community.UniversalTopic(d.w.now.Community).String() {
		return false
	}
	if d.deaf.Load() {
		return true
	}
	d.chanceMu.Lock()
	defer d.chanceMu.Unlock()
	return !d.w.calm.Load() && d.chance.Float64() < d.w.loss
}

func (d *device) name() string { return fmt.Sprintf("%s/%s", d.person, d.installation) }
