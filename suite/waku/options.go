package waku

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// Mode is how a node takes part in the network.
type Mode int

const (
	// Relay nodes carry the messages of their shards for each other.
	Relay Mode = iota
	// Light nodes publish and receive through service nodes, and carry nothing.
	Light
)

func (m Mode) String() string {
	if m == Light {
		return "light"
	}
	return "relay"
}

// Options configure a Node. The zero value is a relay on shard 32 of cluster 16,
// which listens on a free port of 127.0.0.1 and knows nobody.
type Options struct {
	Mode Mode

	// Listen are the multiaddrs to listen on. If nil, a relay listens on a free port
	// of 127.0.0.1 and a light node does not listen.
	Listen []string

	// Key is the private key, as NewKey returns it. The peer id is made from it.
	// If it is nil, it is read from KeyFile, which is written if it does not exist;
	// without that too, each Node has a new one.
	Key     []byte
	KeyFile string

	// Cluster is the network; 0 means DefaultCluster. Peers of another are
	// disconnected.
	Cluster uint16
	// Shards are those that a relay carries and on which topics may lie; nil means
	// DefaultShard alone.
	Shards []uint16
	// Shard returns on which of Shards a topic lies, the same for all members of
	// the network; nil means on the first. It is called concurrently.
	Shard func(transport.Topic) uint16

	// Peers are multiaddrs that end in /p2p/ and a peer id. They are dialled until
	// Close, whenever they are not connected.
	Peers []string
	// ServiceNodes are the same, for nodes with lightpush and filter. A light node
	// receives through two of them at a time and publishes through one, and takes
	// the next if it fails.
	ServiceNodes []string
	// StoreNodes are the same, for nodes with a store.
	StoreNodes []string

	// ServeLightpush and ServeFilter let a relay serve light nodes.
	ServeLightpush, ServeFilter bool
	// Limits are for those.
	Limits Limits
	// Store opens a store on the node's host, which the node then feeds with what
	// passes by and closes in the end; nil means none. See storenode.NewServer.
	Store func(context.Context, host.Host) (Store, error)

	// Redial is the pause after the first attempt to reach a configured peer that
	// failed. It doubles from failure to failure up to RedialMax; each pause is
	// between half and one and a half of that, so that the peers of a node that
	// restarts do not come all at once. Zero values mean 250 ms and 30 s. A service
	// node that fails otherwise is left alone for RedialMax at most, too.
	Redial, RedialMax time.Duration

	// MaxMessage bounds a whole message in bytes; 0 means wire.MaxMessage, which
	// is also the largest.
	MaxMessage int

	// Log gets what somebody who operates a node wants to know; nil discards it.
	Log *slog.Logger

	// Lose is a fault, for tests: a message for which it returns true does not
	// reach this node's subscriptions. All else goes on. It is called concurrently
	// and must not change the message.
	Lose func(m *wire.Message) bool

	// pace is for tests: how fast what happens again and again happens.
	pace pace
}

// The network of Status, and its shard for everything.
const (
	DefaultCluster = 16
	DefaultShard   = 32
)

// Store keeps what a relay hands to it, for others to ask for.
type Store interface {
	// Keep takes a message that was published on a pubsub topic. It returns at
	// once and does not change the message or what it refers to.
	Keep(pubsubTopic string, m *wire.Message)
	// Close ends the store. Keep is not called afterwards.
	Close() error
}

// Limits protect a node that serves light nodes. Zero values mean the defaults.
type Limits struct {
	// PushRate is how many lightpush requests a light node may make per second in
	// the long run, and PushBurst at once. More are refused, and the light node is
	// told.
	PushRate  float64 // 200
	PushBurst int     // 2,000
	// Subscribers is how many light nodes may subscribe, and Topics how many content
	// topics each.
	Subscribers int // 1,000
	Topics      int // 1,000
}

func (l Limits) withDefaults() Limits {
	set := func(to *int, value int) {
		if *to == 0 {
			*to = value
		}
	}
	if l.PushRate == 0 {
		l.PushRate = 200
	}
	set(&l.PushBurst, 2000)
	set(&l.Subscribers, 1000)
	set(&l.Topics, 1000)
	return l
}

// pace is how fast things happen that happen again and again.
type pace struct {
	heartbeat        time.Duration // of gossipsub
	stable           time.Duration // a connection that lasted this long was a good one
	ping             time.Duration // of filter subscriptions
	serviceRetry     time.Duration // the first pause after a service node failed; doubles
	request          time.Duration // for an answer of a peer
	pushClose        time.Duration // for a light node to close the stream of a push
	storeRest        time.Duration // a store that failed is left alone; 0: as storenode has it
	otherClusterTime time.Duration // a peer of another cluster is not talked to for so long
}

func (p pace) withDefaults() pace {
	set := func(to *time.Duration, value time.Duration) {
		if *to == 0 {
			*to = value
		}
	}
	set(&p.heartbeat, time.Second)
	set(&p.stable, 5*time.Second)
	set(&p.ping, time.Minute)
	set(&p.serviceRetry, 2*time.Second)
	set(&p.request, 10*time.Second)
	set(&p.pushClose, 2*time.Second)
	set(&p.otherClusterTime, 10*time.Minute)
	return p
}

// check sets defaults and returns what is wrong with o.
func (o *Options) check() error {
	if o.Mode != Relay && o.Mode != Light {
		return fmt.Errorf("waku: mode %d is unknown", o.Mode)
	}
	if o.Mode == Light && (o.ServeFilter || o.ServeLightpush || o.Store != nil) {
		return errors.New("waku: a light node can't serve others")
	}
	if o.Listen == nil && o.Mode == Relay {
		o.Listen = []string{"/ip4/127.0.0.1/tcp/0"}
	}
	if o.Cluster == 0 {
		o.Cluster = DefaultCluster
	}
	if o.Shards == nil {
		o.Shards = []uint16{DefaultShard}
	}
	if len(o.Shards) == 0 || len(o.Shards) > wire.MaxShards {
		return fmt.Errorf("waku: %d shards; one to %d are possible", len(o.Shards), wire.MaxShards)
	}
	o.Shards = slices.Compact(slices.Sorted(slices.Values(o.Shards)))
	if o.MaxMessage == 0 {
		o.MaxMessage = wire.MaxMessage
	}
	if o.MaxMessage < 0 || o.MaxMessage > wire.MaxMessage {
		return fmt.Errorf("waku: MaxMessage is %d; at most %d are possible", o.MaxMessage, wire.MaxMessage)
	}
	if o.Redial == 0 {
		o.Redial = 250 * time.Millisecond
	}
	if o.RedialMax == 0 {
		o.RedialMax = max(30*time.Second, o.Redial)
	}
	if o.Redial < 0 || o.RedialMax < o.Redial {
		return fmt.Errorf("waku: Redial is %v and RedialMax is %v; they must be positive and rise", o.Redial, o.RedialMax)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Limits = o.Limits.withDefaults()
	o.pace = o.pace.withDefaults()
	return nil
}

// NewKey returns a new private key for Options.Key.
func NewKey() ([]byte, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	return crypto.MarshalPrivateKey(key)
}

// identity returns the private key that o asks for.
func (o *Options) identity() (crypto.PrivKey, error) {
	b := o.Key
	var err error
	if b == nil && o.KeyFile != "" {
		b, err = os.ReadFile(o.KeyFile)
	}
	fresh := b == nil && (err == nil || errors.Is(err, fs.ErrNotExist))
	if fresh {
		b, err = NewKey()
	}
	if err != nil {
		return nil, fmt.Errorf("waku: key: %w", err)
	}
	key, err := crypto.UnmarshalPrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("waku: key: %w", err)
	}
	if t := key.Type(); t != crypto.Ed25519 && t != crypto.Secp256k1 {
		return nil, fmt.Errorf("waku: key: type %v is neither Ed25519 nor secp256k1", t)
	}
	if fresh && o.KeyFile != "" {
		if err := os.WriteFile(o.KeyFile, b, 0o600); err != nil {
			return nil, fmt.Errorf("waku: key: %w", err)
		}
	}
	return key, nil
}

// parsePeers reads multiaddrs and joins those of the same peer.
func parsePeers(addrs []string) ([]peer.AddrInfo, error) {
	var all []ma.Multiaddr
	for _, s := range addrs {
		a, err := ma.NewMultiaddr(s)
		if err != nil {
			return nil, fmt.Errorf("waku: peer %q: %w", s, err)
		}
		all = append(all, a)
	}
	infos, err := peer.AddrInfosFromP2pAddrs(all...)
	if err != nil {
		return nil, fmt.Errorf("waku: peers: %w", err)
	}
	// In the order given: the library returns them in any.
	first := func(info peer.AddrInfo) int {
		return slices.IndexFunc(all, func(a ma.Multiaddr) bool {
			id, err := peer.IDFromP2PAddr(a)
			return err == nil && id == info.ID
		})
	}
	slices.SortFunc(infos, func(a, b peer.AddrInfo) int { return first(a) - first(b) })
	return infos, nil
}
