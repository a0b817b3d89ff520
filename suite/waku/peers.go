package waku

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// keeper keeps the connection to one configured peer: nobody below does, and
// without it a node that has lost its peers once is alone for ever.
type keeper struct {
	n    *Node
	info peer.AddrInfo
	news chan struct{} // the connection may have come or gone
	now  chan struct{} // no more waiting

	mu      sync.Mutex
	lastErr error // of the newest attempt; nil if that worked
}

// role is what a peer was configured for.
type role int

const (
	rolePeer role = 1 << iota
	roleService
	roleStore
)

// addKeepers reads the addresses of all configured peers.
func (n *Node) addKeepers() error {
	n.keepers = map[peer.ID]*keeper{}
	n.roles = map[peer.ID]role{}
	for _, list := range []struct {
		role  role
		addrs []string
	}{{rolePeer, n.opts.Peers}, {roleService, n.opts.ServiceNodes}, {roleStore, n.opts.StoreNodes}} {
		infos, err := parsePeers(list.addrs)
		if err != nil {
			return err
		}
		for _, info := range infos {
			if info.ID == n.host.ID() {
				return fmt.Errorf("waku: the node itself is among its peers: %s", info.ID)
			}
			n.addKeeper(info, list.role)
		}
	}
	return nil
}

func (n *Node) addKeeper(info peer.AddrInfo, r role) {
	n.roles[info.ID] |= r
	n.host.ConnManager().Protect(info.ID, "configured")
	k := n.keepers[info.ID]
	if k == nil {
		k = &keeper{n: n, info: peer.AddrInfo{ID: info.ID}, news: make(chan struct{}, 1), now: make(chan struct{}, 1)}
		n.keepers[info.ID] = k
		n.keepersInOrder = append(n.keepersInOrder, k)
	}
	k.info.Addrs = append(k.info.Addrs, info.Addrs...)
}

// poke tells the keeper that the connection may have come or gone.
func (k *keeper) poke() { poke(k.news) }

// hurry ends a pause.
func (k *keeper) hurry() { poke(k.now) }

// poke signals on a channel with room for one signal.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run dials whenever the peer is not connected, until the node is closed. Pauses
// double from failure to failure; a connection that did not last is one.
func (k *keeper) run() {
	o := &k.n.opts
	failures := 0
	for k.n.ctx.Err() == nil {
		since := time.Now()
		if k.connected() || k.dial() {
			k.wait(k.connected)
			if time.Since(since) >= o.pace.stable {
				failures = 0
				continue
			}
			k.failed(errShort)
		}
		k.pause(pauseAfter(o.Redial, o.RedialMax, failures))
		failures++
	}
}

var errShort = errors.New("the connection did not last")

// pauseAfter returns how long to wait after so many failures: doubled each time
// up to a maximum, and between half and one and a half of that, so that peers of
// a node that restarts do not come all at once.
func pauseAfter(first, most time.Duration, failures int) time.Duration {
	d := most
	if failures < 30 && first<<failures < most {
		d = first << failures
	}
	return d/2 + rand.N(d)
}

func (k *keeper) connected() bool {
	return k.n.host.Network().Connectedness(k.info.ID) == network.Connected
}

// wait returns when still is false, or the node is closed.
func (k *keeper) wait(still func() bool) {
	for still() {
		select {
		case <-k.news:
		case <-k.n.ctx.Done():
			return
		}
	}
}

// pause waits, but no longer than until somebody hurries or the peer connects by
// itself. A peer that is kept out is left alone until it is no longer.
func (k *keeper) pause(d time.Duration) {
	if b := k.n.gate.banOf(k.info.ID); b.why != nil {
		d = max(d, time.Until(b.until))
	}
	if k.n.gate.isShut() {
		d = time.Hour // somebody hurries when it opens
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for !k.connected() {
		select {
		case <-timer.C:
			return
		case <-k.now:
			return
		case <-k.n.ctx.Done():
			return
		case <-k.news:
		}
	}
}

// dial tries once.
func (k *keeper) dial() bool {
	n := k.n
	if !n.gate.admits(k.info.ID) {
		return false
	}
	n.count.dials.Add(1)
	ctx, cancel := context.WithTimeout(n.ctx, n.opts.pace.request)
	defer cancel()
	n.swarm.Backoff().Clear(k.info.ID) // the library would not even try
	err := n.host.Connect(ctx, k.info)
	k.failed(err)
	if err != nil && n.ctx.Err() == nil {
		n.count.dialsFailed.Add(1)
		n.opts.Log.Debug("waku: can't connect", "peer", k.info.ID, "error", err)
	}
	return err == nil
}

// failed notes how the newest attempt went.
func (k *keeper) failed(err error) {
	k.mu.Lock()
	k.lastErr = err
	k.mu.Unlock()
	k.n.healthChanged()
}

// err returns why the peer is not connected, as far as known.
func (k *keeper) err() error {
	if why := k.n.gate.banOf(k.info.ID).why; why != nil {
		return why
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lastErr
}

// speaks tells whether a peer has a protocol, as far as it has said.
func (n *Node) speaks(p peer.ID, id protocol.ID) bool {
	known, err := n.host.Peerstore().SupportsProtocols(p, id)
	return err == nil && len(known) > 0
}

// isConnected tells whether there is a connection to a peer.
func (n *Node) isConnected(p peer.ID) bool {
	return n.host.Network().Connectedness(p) == network.Connected
}
