package storenode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// hashesAtOnce is how many hashes one request has. Stores take 100; 50 messages
// of full size are 7.5 MB.
const hashesAtOnce = 50

// Retrieve implements transport.Retriever: hints are message hashes. What a store
// does not have, or not as it should be, the next one is asked for. What was found
// is returned even if stores failed; the error says that nothing was found and not
// all of it was asked for.
func (c *Client) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
	var found []transport.Received
	err := c.lookup(ctx, topic, hints, true, func(_ [32]byte, m *message) { found = append(found, m.received()) })
	c.count(func(s *Stats) { s.Messages += len(found) })
	if err != nil && (len(found) == 0 || ctx.Err() != nil) {
		return nil, fmt.Errorf("storenode: retrieve: %w", err)
	}
	return found, nil
}

// Stored implements transport.Confirmer: hints are message hashes. What a store
// does not have the next one is asked for. The error says that some hints were not
// found and not asked for.
func (c *Client) Stored(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
	present := map[string]bool{}
	err := c.lookup(ctx, topic, hints, false, func(h [32]byte, _ *message) { present[string(h[:])] = true })
	c.count(func(s *Stats) { s.Present += len(present) })
	if err != nil {
		return nil, fmt.Errorf("storenode: stored: %w", err)
	}
	has := make([]bool, len(hints))
	for i, h := range hints {
		has[i] = present[string(h)]
	}
	return has, nil
}

// lookup is a set of hashes that stores are asked for.
type lookup struct {
	client *Client
	topic  transport.Topic
	pubsub string
	data   bool
	// missing are the hashes that were not found, and whether a store said so.
	missing map[[32]byte]bool
	take    func([32]byte, *message)
}

// lookup asks stores until all is found, and calls take with each once.
func (c *Client) lookup(ctx context.Context, topic transport.Topic, hints [][]byte, data bool, take func([32]byte, *message)) error {
	if len(hints) > transport.MaxHints {
		return fmt.Errorf("%d hints, at most %d at once", len(hints), transport.MaxHints)
	}
	pubsub, err := c.pubsub(topic)
	if err != nil {
		return err
	}
	l := lookup{client: c, topic: topic, pubsub: pubsub, data: data, missing: map[[32]byte]bool{}, take: take}
	for _, h := range hints {
		if len(h) == 32 { // no store has others
			l.missing[[32]byte(h)] = false
		}
	}
	if len(l.missing) == 0 {
		return nil
	}
	err = c.each(ctx, -1, func(s *store) (enough bool, err error) {
		for chunk := range slices.Chunk(l.sorted(), hashesAtOnce) {
			if err := l.ask(ctx, s, chunk); err != nil {
				return false, err
			}
		}
		return len(l.missing) == 0, nil
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	for _, asked := range l.missing {
		if !asked {
			return err
		}
	}
	return nil
}

// sorted returns the missing hashes, in an order that repeats.
func (l *lookup) sorted() [][32]byte {
	var hashes [][32]byte
	for h := range l.missing {
		hashes = append(hashes, h)
	}
	slices.SortFunc(hashes, func(x, y [32]byte) int { return bytes.Compare(x[:], y[:]) })
	return hashes
}

// ask asks a store for hashes, page by page.
func (l *lookup) ask(ctx context.Context, s *store, hashes [][32]byte) error {
	q := wire.StoreQuery{IncludeData: l.data, Hashes: hashes, Limit: uint64(len(hashes))}
	for range hashes { // each page has one at least
		answer, err := l.client.request(ctx, s, q)
		if err != nil {
			return err
		}
		for i := range answer.Entries {
			l.found(&answer.Entries[i])
		}
		if q.Cursor = answer.Cursor; q.Cursor == nil {
			break
		}
	}
	for _, h := range hashes {
		if _, missing := l.missing[h]; missing {
			l.missing[h] = true
		}
	}
	return nil
}

func (l *lookup) found(e *wire.StoreEntry) {
	if _, missing := l.missing[e.Hash]; !missing {
		l.client.count(func(s *Stats) { s.Unasked++ })
		return
	}
	var m *message
	if l.data {
		if m = l.client.open(e, l.topic, l.pubsub); m == nil {
			return
		}
	}
	delete(l.missing, e.Hash)
	l.take(e.Hash, m)
}

// pubsub returns the pubsub topic of a content topic.
func (c *Client) pubsub(topic transport.Topic) (string, error) {
	pubsub := c.options.PubsubTopic(topic)
	if pubsub == "" || !validTopic(string(topic)) {
		return "", fmt.Errorf("no pubsub topic carries %q", topic)
	}
	return pubsub, nil
}

// message is what a store returned, and what it should be.
type message struct {
	position
	topic   transport.Topic
	payload []byte
	meta    []byte
}

// received copies the message out of the answer.
func (m *message) received() transport.Received {
	return transport.Received{
		Topic: m.topic, Payload: bytes.Clone(m.payload), Hint: bytes.Clone(m.hash[:]), Meta: bytes.Clone(m.meta), Time: time.Unix(0, m.time),
	}
}

// open reads a message that a store returned. It returns nil if that is not what
// its hash says, or is of another topic.
func (c *Client) open(e *wire.StoreEntry, topic transport.Topic, pubsub string) *message {
	m, err := wire.UnmarshalMessage(e.Message)
	if e.Message == nil {
		err = errors.New("no message")
	}
	if err != nil {
		c.count(func(s *Stats) { s.Malformed++ })
		return nil
	}
	// The hash does not tell where one field ends and the next begins, so that
	// topics have to be compared, too.
	if e.PubsubTopic != pubsub || m.ContentTopic != string(topic) {
		c.count(func(s *Stats) { s.OffTopic++ })
		return nil
	}
	if m.Hash(pubsub) != e.Hash {
		c.count(func(s *Stats) { s.Forged++ })
		return nil
	}
	return &message{position: position{m.Timestamp, e.Hash}, topic: topic, payload: m.Payload, meta: m.Meta}
}
