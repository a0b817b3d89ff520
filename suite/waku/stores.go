package waku

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/suite/waku/storenode"
	"github.com/causeway-im/causeway/transport"
)

var (
	_ transport.Transport = (*Node)(nil)
	_ transport.Retriever = (*Node)(nil)
	_ transport.Confirmer = (*Node)(nil)
)

// openStores prepares to ask the store nodes.
func (n *Node) openStores() error {
	var infos []peer.AddrInfo
	for _, k := range n.keepersInOrder {
		if n.roles[k.info.ID]&roleStore != 0 {
			infos = append(infos, k.info)
		}
	}
	var err error
	n.stores, err = storenode.NewClient(n.host, storenode.Options{
		Stores:     infos,
		Timeout:    n.opts.pace.request,
		MinBackoff: n.opts.pace.storeRest,
		Log:        n.opts.Log,
		PubsubTopic: func(topic transport.Topic) string {
			_, name, err := n.shardOf(topic)
			if err != nil {
				return ""
			}
			return name
		},
	})
	if err != nil {
		return fmt.Errorf("waku: store nodes: %w", err)
	}
	return nil
}

// Transport returns the node as a transport: with the methods of
// transport.Retriever and Confirmer if it was given StoreNodes, and without them
// if not. A causeway.Node that has nobody to ask should not try.
func (n *Node) Transport() transport.Transport {
	if len(n.opts.StoreNodes) > 0 {
		return n
	}
	return struct{ transport.Transport }{n}
}

// Query implements transport.Retriever.
func (n *Node) Query(ctx context.Context, q transport.Query) (page transport.Page, err error) {
	err = n.ask(ctx, func(ctx context.Context) error {
		page, err = n.stores.Query(ctx, q)
		return err
	})
	return page, err
}

// Retrieve implements transport.Retriever.
func (n *Node) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) (found []transport.Received, err error) {
	err = n.ask(ctx, func(ctx context.Context) error {
		found, err = n.stores.Retrieve(ctx, topic, hints)
		return err
	})
	return found, err
}

// Stored implements transport.Confirmer.
func (n *Node) Stored(ctx context.Context, topic transport.Topic, hints [][]byte) (has []bool, err error) {
	err = n.ask(ctx, func(ctx context.Context) error {
		has, err = n.stores.Stored(ctx, topic, hints)
		return err
	})
	return has, err
}

// ask runs a question to the stores, which Close ends.
func (n *Node) ask(ctx context.Context, question func(context.Context) error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	if n.ctx.Err() != nil {
		return transport.ErrClosed
	}
	err := question(inner)
	if err != nil && n.ctx.Err() != nil {
		return errors.Join(transport.ErrClosed, err)
	}
	return err
}

// StoreStats returns the counters of the questions to store nodes.
func (n *Node) StoreStats() storenode.Stats { return n.stores.Stats() }
