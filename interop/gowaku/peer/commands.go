package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	libp2p "github.com/libp2p/go-libp2p/core/peer"
	waku "github.com/waku-org/go-waku/waku/v2/protocol"
	"github.com/waku-org/go-waku/waku/v2/protocol/enr"
	"github.com/waku-org/go-waku/waku/v2/protocol/filter"
	"github.com/waku-org/go-waku/waku/v2/protocol/lightpush"
	"github.com/waku-org/go-waku/waku/v2/protocol/metadata"
	"github.com/waku-org/go-waku/waku/v2/protocol/pb"
	"github.com/waku-org/go-waku/waku/v2/protocol/relay"
	"github.com/waku-org/go-waku/waku/v2/protocol/store"
	"go.uber.org/zap"
)

type command func(p *peer, ctx context.Context, with json.RawMessage) (any, error)

// commands are what a peer can be told.
var commands = map[string]command{
	"start":       takes((*peer).start),
	"stop":        takes((*peer).stop),
	"connect":     running(connect),
	"join":        takes((*peer).join),
	"publish":     running(publish),
	"hash":        running(hash),
	"push":        running(push),
	"subscribe":   takes((*peer).subscribe),
	"unsubscribe": running(unsubscribe),
	"ping":        running(ping),
	"query":       running(query),
	"exists":      running(exists),
	"metadata":    running(askMetadata),
}

// takes makes a command of a method with arguments of some type.
func takes[A any](run func(p *peer, ctx context.Context, with A) (any, error)) command {
	return func(p *peer, ctx context.Context, with json.RawMessage) (any, error) {
		var a A
		if err := decode(with, &a); err != nil {
			return nil, err
		}
		return run(p, ctx, a)
	}
}

// running is the same for what needs a node.
func running[A any](run func(ctx context.Context, n *life, with A) (any, error)) command {
	return takes(func(p *peer, ctx context.Context, with A) (any, error) {
		n, err := p.current()
		if err != nil {
			return nil, err
		}
		return run(ctx, n, with)
	})
}

func connect(ctx context.Context, n *life, with struct{ Addr string }) (any, error) {
	return nil, n.DialPeer(ctx, with.Addr)
}

// join begins to relay a shard and to tell of its messages.
func (p *peer) join(ctx context.Context, with struct{ Topic string }) (any, error) {
	n, err := p.current()
	if err != nil {
		return nil, err
	}
	subs, err := n.Relay().Subscribe(ctx, waku.NewContentFilter(with.Topic), relay.WithCacheSize(4096))
	if err != nil {
		return nil, err
	}
	for _, s := range subs {
		go p.pass("relay", n.ctx.Done(), s.Ch)
	}
	return nil, nil
}

// addressed is a message on a shard, for Peer if it is pushed.
type addressed struct {
	Peer, Topic string
	Message     message
}

func publish(ctx context.Context, n *life, with addressed) (any, error) {
	h, err := n.Relay().Publish(ctx, with.Message.native(), relay.WithPubSubTopic(with.Topic))
	return h[:], err
}

func hash(_ context.Context, _ *life, with addressed) (any, error) {
	h := with.Message.native().Hash(with.Topic)
	return h[:], nil
}

func push(ctx context.Context, n *life, with addressed) (any, error) {
	id, err := libp2p.Decode(with.Peer)
	if err != nil {
		return nil, err
	}
	h, err := n.Lightpush().Publish(ctx, with.Message.native(), lightpush.WithPubSubTopic(with.Topic), lightpush.WithPeer(id))
	return h[:], err
}

// criteria are what a filter client wants of a service node.
type criteria struct {
	Peer, Topic   string
	ContentTopics []string
}

func (p *peer) subscribe(ctx context.Context, with criteria) (any, error) {
	n, err := p.current()
	if err != nil {
		return nil, err
	}
	id, err := libp2p.Decode(with.Peer)
	if err != nil {
		return nil, err
	}
	subs, err := n.FilterLightnode().Subscribe(ctx, waku.NewContentFilter(with.Topic, with.ContentTopics...), filter.WithPeer(id))
	if err != nil {
		return nil, err
	}
	for _, s := range subs {
		go p.pass("filter", n.ctx.Done(), s.C)
	}
	return nil, nil
}

func unsubscribe(ctx context.Context, n *life, with criteria) (any, error) {
	id, err := libp2p.Decode(with.Peer)
	if err != nil {
		return nil, err
	}
	result, err := n.FilterLightnode().Unsubscribe(ctx, waku.NewContentFilter(with.Topic, with.ContentTopics...), filter.WithPeer(id))
	if err != nil {
		return nil, err
	}
	for _, e := range result.Errors() {
		err = errors.Join(err, e.Err)
	}
	return nil, err
}

func ping(ctx context.Context, n *life, with struct{ Peer string }) (any, error) {
	id, err := libp2p.Decode(with.Peer)
	if err != nil {
		return nil, err
	}
	return nil, n.FilterLightnode().Ping(ctx, id)
}

// question is a query to a store: by Hashes, or by the rest.
type question struct {
	Peer          string
	Hashes        [][]byte
	Topic         string
	ContentTopics []string
	From, To      int64 // nanoseconds; 0 is open
	Limit         uint64
	Backward      bool
	// Bare asks for hashes alone.
	Bare bool
}

// query returns all pages.
func query(ctx context.Context, n *life, with question) (any, error) {
	id, err := libp2p.Decode(with.Peer)
	if err != nil {
		return nil, err
	}
	options := []store.RequestOption{
		store.WithPeer(id), store.WithPaging(!with.Backward, with.Limit), store.IncludeData(!with.Bare),
	}
	var r store.Result
	if len(with.Hashes) > 0 {
		var hashes []pb.MessageHash
		for _, h := range with.Hashes {
			hashes = append(hashes, pb.ToMessageHash(h))
		}
		r, err = n.Store().QueryByHash(ctx, hashes, options...)
	} else {
		r, err = n.Store().Query(ctx, store.FilterCriteria{
			ContentFilter: waku.NewContentFilter(with.Topic, with.ContentTopics...),
			TimeStart:     unless0(with.From), TimeEnd: unless0(with.To),
		}, options...)
	}
	if err != nil {
		return nil, err
	}
	var pages [][]*message
	for !r.IsComplete() {
		var page []*message
		for _, m := range r.Messages() {
			page = append(page, told(m.GetMessage(), pb.ToMessageHash(m.GetMessageHash())))
		}
		pages = append(pages, page)
		if err := r.Next(ctx); err != nil {
			return nil, fmt.Errorf("page %d: %w", len(pages)+1, err)
		}
	}
	return pages, nil
}

// unless0 returns a pointer to x, or nil if it is 0.
func unless0(x int64) *int64 {
	if x == 0 {
		return nil
	}
	return &x
}

func exists(ctx context.Context, n *life, with struct {
	Peer string
	Hash []byte
}) (any, error) {
	id, err := libp2p.Decode(with.Peer)
	if err != nil {
		return nil, err
	}
	return n.Store().Exists(ctx, pb.ToMessageHash(with.Hash), store.WithPeer(id))
}

// belongs is what metadata say.
type belongs struct {
	Cluster uint32
	Shards  []uint32
}

// askMetadata asks a peer where it belongs. The node has asked already, when the
// peer connected, and keeps the answer for itself.
func askMetadata(ctx context.Context, n *life, with struct{ Peer string }) (any, error) {
	id, err := libp2p.Decode(with.Peer)
	if err != nil {
		return nil, err
	}
	local, err := enr.NewLocalnode(n.key)
	if err != nil {
		return nil, err
	}
	m := metadata.NewWakuMetadata(n.ClusterID(), local, zap.NewNop())
	m.SetHost(n.Host())
	answer, err := m.Request(ctx, id)
	if err != nil {
		return nil, err
	}
	return belongs{answer.GetClusterId(), answer.GetShards()}, nil
}
