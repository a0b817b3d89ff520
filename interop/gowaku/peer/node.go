package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/waku-org/go-waku/waku/v2/node"
	"github.com/waku-org/go-waku/waku/v2/peermanager"
	"github.com/waku-org/go-waku/waku/v2/protocol/filter"
	"github.com/waku-org/go-waku/waku/v2/protocol/lightpush"
	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// options are what a node is started with.
type options struct {
	Key     string // hex; "" for a new one
	Port    int    // of 127.0.0.1; 0 for a free one
	Cluster uint16
	Shards  []uint16

	Relay    bool
	MinPeers int // fewer on the shard, and Publish fails
	// Strict keeps go-waku's own limits on requests and peers; otherwise there are
	// none.
	Strict     bool
	MaxMessage int // 0 is go-waku's own limit

	ServeLightpush, ServeFilter, FilterLight bool
}

// started is what a test needs to know of a node.
type started struct {
	ID    string
	Addrs []string
	Key   string
	Port  int
}

// peer is a go-waku node, or none yet.
type peer struct {
	out *output

	mu   sync.Mutex
	life *life // nil: not started
}

// life is a node from start to stop.
type life struct {
	*node.WakuNode
	ctx context.Context // of what belongs to the node
	end context.CancelFunc
	key *ecdsa.PrivateKey
}

var errNotStarted = errors.New("not started")

// current returns the running node.
func (p *peer) current() (*life, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life == nil {
		return nil, errNotStarted
	}
	return p.life, nil
}

func (p *peer) start(_ context.Context, o options) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life != nil {
		return nil, errors.New("started already")
	}
	key, err := identity(o.Key)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	n, err := p.node(ctx, key, &o)
	if err == nil {
		err = n.Start(ctx)
	}
	if err != nil {
		end()
		return nil, err
	}
	p.life = &life{n, ctx, end, key}
	s := started{ID: n.ID(), Key: hex.EncodeToString(crypto.FromECDSA(key))}
	for _, a := range n.ListenAddresses() {
		s.Addrs = append(s.Addrs, a.String())
	}
	for _, a := range n.Host().Network().ListenAddresses() {
		if port, err := a.ValueForProtocol(multiaddr.P_TCP); err == nil { // not of p2p-circuit
			s.Port, _ = strconv.Atoi(port)
		}
	}
	return s, nil
}

// identity reads a key, or makes one of "".
func identity(hex string) (*ecdsa.PrivateKey, error) {
	if hex == "" {
		return crypto.GenerateKey()
	}
	return crypto.HexToECDSA(hex)
}

// node makes a node. All that is not on loopback is off.
func (p *peer) node(ctx context.Context, key *ecdsa.PrivateKey, o *options) (*node.WakuNode, error) {
	conns, err := connmgr.NewConnManager(200, 300, connmgr.WithGracePeriod(0))
	if err != nil {
		return nil, err
	}
	perIP := 0 // unlimited
	if o.Strict {
		perIP = node.DefaultMaxConnectionsPerIP
	}
	list := []node.WakuNodeOption{
		node.WithPrivateKey(key),
		node.WithHostAddress(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: o.Port}),
		node.WithClusterID(o.Cluster),
		node.WithShards(o.Shards),
		node.WithMaxConnectionsPerIP(perIP),
		node.WithTopicHealthStatusChannel(p.health(ctx)),
		node.WithConnectionNotification(p.connections(ctx)),
		node.WithPrometheusRegisterer(prometheus.NewRegistry()),
		node.WithLogger(zap.NewNop()),
		node.WithWakuStoreRateLimit(rate.Inf),
		node.WithMaxMsgSize(o.MaxMessage),
		node.WithLibP2POptions(
			libp2p.Transport(tcp.NewTCPTransport),
			libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
			libp2p.ConnectionManager(conns),
			libp2p.DisableMetrics(),
		),
	}
	return node.New(append(list, p.protocols(o)...)...)
}

// protocols mounts what o wants.
func (p *peer) protocols(o *options) (list []node.WakuNodeOption) {
	if o.Relay {
		list = append(list, node.WithWakuRelayAndMinPeers(o.MinPeers,
			// The default of 32 overflows in bursts.
			pubsub.WithValidateQueueSize(4096), pubsub.WithRawTracer(&tracer{out: p.out})))
	}
	if o.ServeLightpush {
		var limit []lightpush.Option
		if !o.Strict {
			limit = append(limit, lightpush.WithRateLimiter(rate.Inf, 1))
		}
		list = append(list, node.WithLightPush(limit...))
	}
	if o.ServeFilter {
		limit := []filter.Option{filter.WithMaxSubscribers(1000)}
		if o.Strict {
			limit = nil
		} else {
			limit = append(limit, filter.WithFullNodeRateLimiter(rate.Inf, 1))
		}
		list = append(list, node.WithWakuFilterFullNode(limit...))
	}
	if o.FilterLight {
		list = append(list, node.WithWakuFilterLightNode())
	}
	return list
}

// health returns a channel that is always read: without one the node hangs as soon
// as a mesh changes.
func (p *peer) health(ctx context.Context) chan<- peermanager.TopicHealthStatus {
	c := make(chan peermanager.TopicHealthStatus, 16)
	go func() {
		for {
			select {
			case <-c:
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// connections returns a channel on which the node tells who comes and goes.
func (p *peer) connections(ctx context.Context) chan<- node.PeerConnection {
	c := make(chan node.PeerConnection, 1024)
	go func() {
		for {
			select {
			case n := <-c:
				kind := "disconnected"
				if n.Connected {
					kind = "connected"
				}
				p.out.put(line{Event: &event{Kind: kind, Peer: n.PeerID.String()}})
			case <-ctx.Done():
				return
			}
		}
	}()
	return c
}

// stopTime bounds Stop, which is known to hang.
const stopTime = 30 * time.Second

func (p *peer) stop(context.Context, struct{}) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.life
	if n == nil {
		return nil, errNotStarted
	}
	stopped := make(chan struct{})
	go func() {
		n.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(stopTime):
		return nil, errors.New("it does not stop")
	}
	n.end()
	p.life = nil
	return nil, nil
}
