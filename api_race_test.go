//go:build go1.25

package causeway_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

// "All methods are safe for concurrent use." Every call either works or says
// why not with one of the documented errors; all that Send accepted is there
// afterwards, each at a position of its own.
func TestLifecycleConcurrently(t *testing.T) {
	w := newWorld(t, loopback.Options{}, "alice", "bob")
	bob := w.start("bob")
	alice := w.start("alice")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a ceiling: it takes 0.1 s
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	accepted := map[causeway.MessageID]bool{}
	var once sync.Once
	allowed := func(what string, err error) {
		for _, known := range []error{nil, causeway.ErrClosed, causeway.ErrJoined, causeway.ErrNotJoined} {
			if errors.Is(err, known) {
				return
			}
		}
		once.Do(func() { t.Errorf("%s: %v\n%s", what, err, stacks()) })
	}
	for worker := range 4 {
		wg.Go(func() {
			for i := range 50 {
				if ch := alice.node.Channel(tea); ch != nil {
					r, err := ch.Send(ctx, fmt.Appendf(nil, "%d of worker %d", i, worker), causeway.SendOptions{})
					allowed("Send", err)
					if err == nil {
						mu.Lock()
						accepted[r.ID()] = true
						mu.Unlock()
					}
				}
				_, err := alice.node.Status(ctx)
				allowed("Status", err)
				alice.node.Metrics()
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if ch := alice.node.Channel(tea); ch != nil {
				allowed("Leave", ch.Leave(ctx, false))
			}
			_, err := alice.node.Join(ctx, alice.config)
			allowed("Join", err)
		}
	})
	wg.Go(func() {
		for range 10 {
			allowed("Suspend", alice.node.Suspend(ctx))
			allowed("Resume", alice.node.Resume(ctx))
		}
	})
	wg.Wait()
	closeWhileSending(ctx, t, alice, accepted, allowed)
	checkAccepted(t, alice, accepted)
	if bob.node.Close() != nil {
		t.Error("Close")
	}
}

// closeWhileSending closes the node from two sides while others send.
func closeWhileSending(ctx context.Context, t *testing.T, m *member, accepted map[causeway.MessageID]bool, allowed func(string, error)) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	started := make(chan struct{}, 100)
	for worker := range 3 {
		wg.Go(func() {
			for i := 0; ; i++ {
				r, err := m.ch.Send(ctx, fmt.Appendf(nil, "late %d of %d", i, worker), causeway.SendOptions{})
				allowed("Send", err)
				if err == nil {
					mu.Lock()
					accepted[r.ID()] = true
					mu.Unlock()
				}
				select {
				case started <- struct{}{}:
				default:
				}
				if err != nil {
					return
				}
			}
		})
	}
	<-started
	for range 2 {
		wg.Go(func() { check(t, m.node.Close()) })
	}
	wg.Wait()
}

func checkAccepted(t *testing.T, m *member, accepted map[causeway.MessageID]bool) {
	t.Helper()
	m.options.Transport = nil
	m.open()
	positions := map[causeway.Position]bool{}
	var q causeway.Log
	for q.ByPosition = true; ; {
		page, _, err := m.ch.Messages(t.Context(), q)
		check(t, err)
		if len(page) == 0 {
			break
		}
		for _, message := range page {
			if positions[message.Position] {
				t.Errorf("position %d is there twice", message.Position)
			}
			positions[message.Position] = true
			delete(accepted, message.ID)
			q.AfterPosition = message.Position
		}
	}
	for id := range accepted {
		_, err := m.ch.Message(t.Context(), id)
		t.Errorf("%s was accepted and is not in the log: %v", id, err)
	}
}

// "It takes the store over": whichever of many nodes comes last stays.
func TestOpenConcurrently(t *testing.T) {
	memory := store.NewMemory()
	nodes := make([]*causeway.Node, 8)
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			node, err := causeway.Open(t.Context(), causeway.Options{Store: memory})
			if err != nil {
				t.Error(err)
				return
			}
			nodes[i] = node
			ch, err := node.Join(t.Context(), causeway.ChannelConfig{Channel: tea, Participant: "alice"})
			if err == nil {
				_, err = ch.Send(t.Context(), fmt.Appendf(nil, "node %d", i), causeway.SendOptions{})
			}
			if err != nil && !errors.Is(err, store.ErrFenced) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	alive := 0
	for _, node := range nodes {
		if node == nil {
			continue
		}
		ch, err := node.Join(t.Context(), causeway.ChannelConfig{Channel: "coffee", Participant: "alice"})
		if err == nil {
			_, err = ch.Send(t.Context(), []byte("who writes?"), causeway.SendOptions{})
		}
		if err == nil {
			alive++
		} else {
			checkIs(t, "fenced", err, store.ErrFenced, causeway.ErrClosed)
		}
		check(t, node.Close())
	}
	if alive != 1 {
		t.Errorf("%d nodes can write", alive)
	}
}
