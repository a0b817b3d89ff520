package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	sdswire "github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// connectTimeout is how long a group has to come together.
const connectTimeout = time.Minute

// wakuNet is a network of Waku nodes on this machine: one for each member, of
// which the last is a light node, and a relay with a store.
type wakuNet struct {
	opts   Options
	rec    *recorder
	db     *sql.DB // of the store
	server *storenode.Server
	store  *waku.Node
	links  []*wakuLink

	ready                 atomic.Int64  // how many members are connected as they should be
	changed               chan struct{} // has room for one token: ready has changed
	handed, lost, unheard atomic.Int64
}

// wakuLink is the Waku node of a member.
type wakuLink struct {
	net    *wakuNet
	member int
	node   *waku.Node
	away   atomic.Bool
	ready  atomic.Bool

	mu     sync.Mutex
	chance *rand.Rand // decides what is lost
}

// newWakuNet starts the store node.
func newWakuNet(ctx context.Context, o Options, folder string, rec *recorder) (*wakuNet, error) {
	n := &wakuNet{opts: o, rec: rec, changed: make(chan struct{}, 1)}
	if err := n.openStore(ctx, filepath.Join(folder, "store.db")); err != nil {
		return nil, fmt.Errorf("store node: %w", errors.Join(err, n.close()))
	}
	return n, nil
}

func (n *wakuNet) openStore(ctx context.Context, file string) (err error) {
	if n.db, err = sqlite.Open(ctx, file); err != nil {
		return err
	}
	n.store, err = waku.New(ctx, waku.Options{Store: func(ctx context.Context, h host.Host) (waku.Store, error) {
		n.server, err = storenode.NewServer(ctx, h, n.db, storenode.ServerOptions{})
		return n.server, err
	}})
	return err
}

// services is how many service nodes the light node has, which is the last member:
// the first members.
const services = 2

func (n *wakuNet) isLight(member int) bool { return member == n.opts.Members-1 }

// attach starts the Waku node of the next member.
func (n *wakuNet) attach(ctx context.Context, member int) (link, error) {
	l := &wakuLink{net: n, member: member, chance: rand.New(rand.NewPCG(n.opts.Seed, uint64(member)))}
	o := waku.Options{StoreNodes: n.store.Addrs(), Lose: l.lose}
	if n.isLight(member) {
		o.Mode, o.ServiceNodes = waku.Light, n.addrs(0, 1)
	} else {
		relays := n.opts.Members - 1
		o.Peers = n.addrs(neighbours(member, relays, n.opts.Seed)...)
		o.ServeFilter, o.ServeLightpush = member < services, member < services
	}
	var err error
	if l.node, err = waku.New(ctx, o); err != nil {
		return l, err
	}
	n.links = append(n.links, l)
	l.node.WatchHealth(func(h waku.Health) { n.healthChanged(l, &h) }) // until it is closed
	return l, nil
}

// addrs returns where members listen.
func (n *wakuNet) addrs(members ...int) []string {
	var all []string
	for _, i := range members {
		all = append(all, n.links[i].node.Addrs()...)
	}
	return all
}

// maxNeighbours is how many others a relay is told of at most, besides the store
// node and its successor in the ring.
const maxNeighbours = 4

// neighbours returns which of those before it a relay is told of: a ring, and
// chords by chance.
func neighbours(relay, relays int, seed uint64) []int {
	if relay == 0 {
		return nil
	}
	told := []int{relay - 1}
	if relay == relays-1 && relay > 1 {
		told = append(told, 0)
	}
	for _, i := range rand.New(rand.NewPCG(seed, uint64(relay))).Perm(relay) {
		if len(told) < maxNeighbours && !slices.Contains(told, i) {
			told = append(told, i)
		}
	}
	return told
}

func (n *wakuNet) healthChanged(l *wakuLink, h *waku.Health) {
	now := l.connected(h)
	if was := l.ready.Swap(now); was == now {
		return
	}
	delta := int64(1)
	if !now {
		delta = -1
	}
	n.rec.connecting(int(n.ready.Add(delta)))
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// connected tells whether a member has all the connections that it was told of,
// and gets what the others say.
func (l *wakuLink) connected(h *waku.Health) bool {
	receiving := 0
	for _, p := range h.Peers {
		if p.Configured && !p.Connected {
			return false
		}
		if p.Receiving {
			receiving++
		}
	}
	if l.net.isLight(l.member) {
		return h.Online && receiving == services
	}
	return h.Online && h.Shards[0].Mesh > 0
}

func (n *wakuNet) connected(ctx context.Context) error {
	timeout := time.NewTimer(connectTimeout)
	defer timeout.Stop()
	for int(n.ready.Load()) < len(n.links) {
		select {
		case <-n.changed:
		case <-timeout.C:
			return n.unconnected()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// unconnected says who is not connected, and why.
func (n *wakuNet) unconnected() error {
	failed := []error{fmt.Errorf("only %d of %d members are connected after %s", n.ready.Load(), len(n.links), short(connectTimeout))}
	for _, l := range n.links {
		if l.ready.Load() {
			continue
		}
		for _, p := range l.node.Health().Peers {
			if p.Err != nil {
				failed = append(failed, fmt.Errorf("member %d: %w", l.member, p.Err))
			}
		}
	}
	return errors.Join(failed...)
}

func (n *wakuNet) counts() counts {
	return counts{handed: int(n.handed.Load()), lost: int(n.lost.Load()), unheard: int(n.unheard.Load())}
}

// close ends all nodes, all at once.
func (n *wakuNet) close() error {
	var work sync.WaitGroup
	for _, l := range n.links {
		work.Go(func() { l.node.Close() })
	}
	work.Wait()
	if n.store != nil {
		n.store.Close()
	}
	if n.db == nil {
		return nil
	}
	return n.db.Close()
}

func (l *wakuLink) transport() transport.Transport {
	return &tap{Node: l.node, link: l}
}

func (l *wakuLink) setOnline(online bool) {
	l.away.Store(!online)
	l.node.SetOnline(online)
}

// lose implements waku.Options.Lose.
func (l *wakuLink) lose(*wire.Message) bool {
	l.net.handed.Add(1)
	l.mu.Lock()
	lost := l.chance.Float64() < l.net.opts.Loss
	l.mu.Unlock()
	if lost {
		l.net.lost.Add(1)
	}
	return lost
}

// tap is a member's Waku node as a transport, and tells the recorder from where
// the member has what.
type tap struct {
	*waku.Node
	link *wakuLink
}

var (
	_ transport.Retriever = (*tap)(nil)
	_ transport.Confirmer = (*tap)(nil)
)

// Publish counts who does not hear it.
func (t *tap) Publish(ctx context.Context, e transport.Envelope) (hint []byte, err error) {
	if hint, err = t.Node.Publish(ctx, e); err == nil {
		for _, l := range t.link.net.links {
			if l != t.link && l.away.Load() {
				t.link.net.unheard.Add(1)
			}
		}
	}
	return hint, err
}

// Subscribe implements transport.Transport.
func (t *tap) Subscribe(topic transport.Topic, receive func(transport.Received)) (cancel func(), err error) {
	return t.Node.Subscribe(topic, func(r transport.Received) {
		t.heard(fromMember, r)
		receive(r)
	})
}

// Query implements transport.Retriever: a member catches up.
func (t *tap) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	page, err := t.Node.Query(ctx, q)
	t.heard(fromCatchUp, page.Messages...)
	return page, err
}

// Retrieve implements transport.Retriever: a member asks for what it misses.
func (t *tap) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
	found, err := t.Node.Retrieve(ctx, topic, hints)
	t.heard(fromHint, found...)
	return found, err
}

func (t *tap) heard(from source, received ...transport.Received) {
	for _, r := range received {
		if m, err := sdswire.Decode(r.Payload); err == nil && len(m.Content) > 0 {
			t.link.net.rec.heard(t.link.member, m.MessageID, from)
		}
	}
}
