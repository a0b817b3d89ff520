// Package hub is a transport.Transport of some two hundred lines, as an example of one of
// your own: members connect to a server by TCP, and what one of them writes the server
// writes to all others. A packet is a line of JSON.
package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/causeway-im/causeway/transport"
)

const (
	// MaxPayload is the largest payload, in bytes.
	MaxPayload = 1 << 20
	maxWaiting = 10_000           // packets that wait for one slow receive
	redial     = time.Second      // the pause between attempts
	patience   = 10 * time.Second // for a write
)

// Transport is one member's connection to the server. It is safe for concurrent use.
type Transport struct {
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	writing sync.Mutex
	dropped atomic.Int64

	mu       sync.Mutex // not held while the host's code runs
	conn     net.Conn   // nil while there is none
	closed   bool
	hearers  map[*hearer]bool
	watchers map[*watcher]bool
}

var _ transport.Transport = (*Transport)(nil)

// Dial returns a transport that connects to a server, whenever it can be reached, until
// Close.
func Dial(address string) *Transport {
	ctx, stop := context.WithCancel(context.Background())
	t := &Transport{stop: stop, hearers: map[*hearer]bool{}, watchers: map[*watcher]bool{}}
	t.tasks.Add(1)
	go t.run(ctx, address)
	return t
}

func (t *Transport) run(ctx context.Context, address string) {
	defer t.tasks.Done()
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			cancel := context.AfterFunc(ctx, func() { conn.Close() })
			t.listen(conn)
			t.connected(nil)
			cancel()
			conn.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(redial):
		}
	}
}

// connected notes the connection, nil for none, and tells watchers.
func (t *Transport) connected(conn net.Conn) {
	t.mu.Lock()
	t.conn = conn
	watchers := keys(t.watchers)
	t.mu.Unlock()
	for _, w := range watchers {
		w.tell(t)
	}
}

// listen gives what comes to whoever subscribed to its topic. Only with the server's
// first line, which is empty, does the server know of us.
func (t *Transport) listen(conn net.Conn) {
	lines := json.NewDecoder(conn)
	for greeted := false; ; {
		var r transport.Received
		if lines.Decode(&r) != nil {
			return
		}
		if !greeted {
			greeted = true
			t.connected(conn)
			continue
		}
		t.mu.Lock()
		hearers := keys(t.hearers)
		t.mu.Unlock()
		for _, h := range hearers {
			if h.topic == r.Topic {
				own := r // the hearer may keep it and change it
				own.Payload, own.Meta = bytes.Clone(r.Payload), bytes.Clone(r.Meta)
				h.hear(t, own)
			}
		}
	}
}

// Publish implements transport.Transport. There is no hint, since nothing is kept.
func (t *Transport) Publish(ctx context.Context, e transport.Envelope) (hint []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(e.Payload) > MaxPayload || len(e.Meta) > transport.MaxMeta {
		return nil, fmt.Errorf("hub: %w", transport.ErrTooLarge)
	}
	line, err := json.Marshal(transport.Received{Topic: e.Topic, Payload: e.Payload, Meta: e.Meta, Time: time.Now()})
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	conn, closed := t.conn, t.closed
	t.mu.Unlock()
	switch {
	case closed:
		return nil, fmt.Errorf("hub: %w", transport.ErrClosed)
	case conn == nil:
		return nil, fmt.Errorf("hub: %w", transport.ErrOffline)
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	conn.SetWriteDeadline(time.Now().Add(patience))
	defer context.AfterFunc(ctx, func() { conn.SetWriteDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(append(line, '\n')); err != nil {
		conn.Close() // half a line may have left
		return nil, errors.Join(fmt.Errorf("hub: %w: %w", transport.ErrOffline, err), ctx.Err())
	}
	return nil, nil
}

// Subscribe implements transport.Transport.
func (t *Transport) Subscribe(topic transport.Topic, receive func(transport.Received)) (cancel func(), err error) {
	h := &hearer{topic: topic, receive: receive}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fmt.Errorf("hub: %w", transport.ErrClosed)
	}
	t.hearers[h] = true
	return func() {
		t.mu.Lock()
		delete(t.hearers, h)
		t.mu.Unlock()
		h.end()
	}, nil
}

// Watch implements transport.Transport.
func (t *Transport) Watch(changed func(online bool)) (cancel func()) {
	w := &watcher{changed: changed}
	t.mu.Lock()
	t.watchers[w] = true
	t.mu.Unlock()
	w.tell(t)
	return func() {
		t.mu.Lock()
		delete(t.watchers, w)
		t.mu.Unlock()
		w.end()
	}
}

// Dropped counts packets that were not received since a receive was too slow.
func (t *Transport) Dropped() int64 { return t.dropped.Load() }

// Close ends the transport, and returns when no callback runs any more.
func (t *Transport) Close() {
	t.mu.Lock()
	t.closed = true
	hearers := keys(t.hearers)
	t.mu.Unlock()
	t.stop()
	for _, h := range hearers {
		h.end()
	}
	t.tasks.Wait()
}

// hearer is a subscription. A receive that takes its time delays only itself.
type hearer struct {
	topic transport.Topic

	mu      sync.Mutex
	waiting []transport.Received
	busy    bool // somebody hands them over

	turn    sync.Mutex // held while receive runs, so that end waits for it
	receive func(transport.Received)
}

func (h *hearer) hear(t *Transport, r transport.Received) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) == maxWaiting {
		t.dropped.Add(1)
		return
	}
	h.waiting = append(h.waiting, r)
	if !h.busy {
		h.busy = true
		t.tasks.Add(1)
		go func() {
			defer t.tasks.Done()
			for h.next() {
			}
		}()
	}
}

// next hands over what has waited longest.
func (h *hearer) next() bool {
	h.mu.Lock()
	if len(h.waiting) == 0 {
		h.busy, h.waiting = false, nil
		h.mu.Unlock()
		return false
	}
	r := h.waiting[0]
	h.waiting = h.waiting[1:]
	h.mu.Unlock()
	h.turn.Lock()
	defer h.turn.Unlock()
	if h.receive != nil {
		h.receive(r)
	}
	return true
}

func (h *hearer) end() {
	h.turn.Lock()
	defer h.turn.Unlock()
	h.receive = nil
}

// watcher is told of changes, one at a time.
type watcher struct {
	mu      sync.Mutex // held while changed runs
	told    bool       // once at least
	online  bool       // what it was told last
	changed func(bool)
}

func (w *watcher) tell(t *Transport) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.mu.Lock()
	online := t.conn != nil
	t.mu.Unlock()
	if w.changed != nil && (!w.told || w.online != online) {
		w.told, w.online = true, online
		w.changed(online)
	}
}

func (w *watcher) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = nil
}

func keys[K comparable](set map[K]bool) (all []K) {
	for k := range set {
		all = append(all, k)
	}
	return all
}
