package faults

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/suite/waku/wire"
)

// storeNode is a relay with a store, which nobody is a member of the group on.
type storeNode struct {
	waku   *waku.Node
	server *storenode.Server

	mu   sync.Mutex
	seen map[string]bool // hashes of what it was offered
}

// offered is what the relay of a store node feeds.
type offered struct {
	*storenode.Server
	s *storeNode
	g *group
}

func (o *offered) Keep(pubsubTopic string, m *wire.Message) {
	o.Server.Keep(pubsubTopic, m)
	hash := m.Hash(pubsubTopic)
	o.s.mu.Lock()
	o.s.seen[string(hash[:])] = true
	o.s.mu.Unlock()
	o.g.poke()
}

// saw tells whether the store was offered a message.
func (s *storeNode) saw(hint []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[string(hint)]
}

// openStore starts the store of a group that has not joined yet.
func openStore(g *group) *storeNode {
	g.t.Helper()
	db, err := sqlite.Open(g.t.Context(), filepath.Join(g.t.TempDir(), "store.db"))
	check(g.t, err)
	g.t.Cleanup(func() { db.Close() })
	s := &storeNode{seen: map[string]bool{}}
	s.waku, err = waku.New(g.t.Context(), waku.Options{Store: func(ctx context.Context, h host.Host) (waku.Store, error) {
		s.server, err = storenode.NewServer(ctx, h, db, storenode.ServerOptions{})
		return &offered{s.server, s, g}, err
	}})
	check(g.t, err)
	g.t.Cleanup(func() { s.waku.Close() })
	g.store, g.stores, g.extra = s, s.waku.Addrs(), 1
	g.peers = append(g.peers, g.stores...)
	return s
}

// account fails if something that the store was offered is in no counter: what is
// offered just now, or waits in its queue, is soon.
func (s *storeNode) account(g *group) {
	g.t.Helper()
	g.poll("counters of the store", func() bool {
		x := s.server.Stats()
		return x.Ephemeral+x.Invalid+x.Withheld+x.Overflown+x.Lost+x.Kept+x.Repeated == x.Offered
	}, func() string { return fmt.Sprintf("%+v", s.server.Stats()) })
}
