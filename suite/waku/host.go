package waku

import (
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
)

// Bounds on what others can make a node hold.
const (
	keepConns      = 160 // idle connections above are closed,
	maxConns       = 240 // when there are more than these
	connGrace      = 20 * time.Second
	limitConns     = 512
	limitPeerConns = 8
	limitStreams   = 16384
	// A filter push is a stream of its own, so that bursts need many.
	limitPeerStreams = 4096
	maxBanned        = 1024
)

// newHost puts a host together that speaks TCP, Noise and yamux and nothing else:
// no QUIC, no WebSocket, no NAT traversal, no relaying of connections. It does not
// listen yet.
func newHost(key crypto.PrivKey, g *gate) (host.Host, *swarm.Swarm, error) {
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	book, err := pstoremem.NewPeerstore()
	if err != nil {
		return nil, nil, err
	}
	if err := book.AddPrivKey(id, key); err != nil {
		return nil, nil, err
	}
	if err := book.AddPubKey(id, key.GetPublic()); err != nil {
		return nil, nil, err
	}
	limits, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits()), rcmgr.WithMetricsDisabled())
	if err != nil {
		return nil, nil, err
	}
	bus := eventbus.NewBus()
	sw, err := swarm.NewSwarm(id, book, bus, swarm.WithConnectionGater(g), swarm.WithResourceManager(limits))
	if err != nil {
		return nil, nil, err
	}
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	noise, err := noise.New(noise.ID, key, muxers)
	if err != nil {
		return nil, nil, err
	}
	up, err := upgrader.New([]sec.SecureTransport{noise}, muxers, nil, limits, g)
	if err != nil {
		return nil, nil, err
	}
	// Without port reuse a port that is taken is an error.
	tcp, err := tcp.NewTCPTransport(up, limits, nil, tcp.DisableReuseport())
	if err != nil {
		return nil, nil, err
	}
	if err := sw.AddTransport(tcp); err != nil {
		return nil, nil, err
	}
	// One for each node: the library's default is shared by all of a process.
	conns, err := connmgr.NewConnManager(keepConns, maxConns, connmgr.WithGracePeriod(connGrace))
	if err != nil {
		return nil, nil, err
	}
	h, err := basichost.NewHost(sw, &basichost.HostOpts{
		EventBus:    bus,
		UserAgent:   "causeway",
		ConnManager: conns,
		EnablePing:  true,
	})
	if err != nil {
		return nil, nil, err
	}
	return h, sw, nil
}

// limits returns how much of everything a node may use.
func limits() rcmgr.ConcreteLimitConfig {
	return rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{Conns: limitConns, Streams: limitStreams},
		PeerDefault: rcmgr.ResourceLimits{
			Conns: limitPeerConns, Streams: limitPeerStreams, StreamsInbound: limitPeerStreams, StreamsOutbound: limitPeerStreams,
		},
	}.Build(rcmgr.InfiniteLimits)
}

// start lets others in.
func start(h host.Host, sw *swarm.Swarm, listen []string) error {
	addrs := make([]ma.Multiaddr, len(listen))
	for i, s := range listen {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return fmt.Errorf("waku: listen on %q: %w", s, err)
		}
		addrs[i] = a
	}
	if err := sw.Listen(addrs...); err != nil {
		return fmt.Errorf("waku: listen: %w", err)
	}
	h.(*basichost.BasicHost).Start()
	return nil
}

// gate decides which connections there may be. Its zero value is open.
type gate struct {
	mu     sync.Mutex
	shut   bool
	banned map[peer.ID]ban
}

// ban keeps a peer out.
type ban struct {
	until time.Time
	why   error
}

// setShut closes the gate for everybody, or opens it.
func (g *gate) setShut(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
}

// isShut tells whether nobody gets through.
func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

// ban keeps a peer out, and tells whether it was let in before.
func (g *gate) ban(p peer.ID, b ban) (fresh bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Now().Before(g.banned[p].until) {
		return false
	}
	if g.banned == nil {
		g.banned = map[peer.ID]ban{}
	}
	for other := range g.banned {
		if len(g.banned) < maxBanned {
			break
		}
		delete(g.banned, other)
	}
	g.banned[p] = b
	return true
}

// banOf returns how a peer is kept out; the zero ban if it is not.
func (g *gate) banOf(p peer.ID) ban {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.banned[p]
	if !time.Now().Before(b.until) {
		delete(g.banned, p)
		return ban{}
	}
	return b
}

func (g *gate) admits(p peer.ID) bool { return !g.isShut() && g.banOf(p).why == nil }

func (g *gate) InterceptPeerDial(p peer.ID) bool                 { return g.admits(p) }
func (g *gate) InterceptAddrDial(p peer.ID, _ ma.Multiaddr) bool { return g.admits(p) }
func (g *gate) InterceptAccept(network.ConnMultiaddrs) bool      { return !g.isShut() }
func (g *gate) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	return g.admits(p)
}
func (g *gate) InterceptUpgraded(c network.Conn) (bool, control.DisconnectReason) {
	return g.admits(c.RemotePeer()), 0
}
