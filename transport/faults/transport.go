package faults

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/causeway-im/causeway/transport"
)

// faulty is a Transport with faults.
type faulty struct{ f *Faults }

// Publish implements transport.Transport.
func (t faulty) Publish(ctx context.Context, e transport.Envelope) (hint []byte, err error) {
	f := t.f
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("faults: publish: %w", err)
	}
	p := packet{topic: e.Topic, payload: e.Payload, describe: f.describe}
	f.mu.Lock()
	fate, err := f.judge(Send, &p)
	later := !fate.gone && (fate.delay > 0 || fate.reorder > 0)
	var free []*held
	if later {
		e.Payload = bytes.Clone(e.Payload)
		f.hold(Send, e.Topic, fate, func() { f.publishLate(e, 1+fate.copies) })
	} else if !fate.gone {
		free = f.overtaken(Send, e.Topic)
	}
	f.mu.Unlock()
	if err != nil || fate.gone || later {
		return nil, err
	}
	hint, err = f.inner.Publish(ctx, e)
	for range fate.copies {
		if err == nil {
			_, err := f.inner.Publish(ctx, e)
			f.failed(err)
		}
	}
	f.release(free)
	return hint, err
}

// publishLate publishes what was held.
func (f *Faults) publishLate(e transport.Envelope, times int) {
	for range times {
		_, err := f.inner.Publish(f.ctx, e)
		f.failed(err)
	}
}

// subscription makes sure that nothing is received after its end.
type subscription struct {
	mu      sync.RWMutex // held to read while receive runs
	ended   bool
	receive func(transport.Received)
}

func (s *subscription) deliver(r transport.Received, times int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range times {
		if s.ended {
			return
		}
		copied := r
		if i < times-1 {
			copied.Payload, copied.Hint = bytes.Clone(r.Payload), bytes.Clone(r.Hint)
		}
		s.receive(copied)
	}
}

// Messages implements transport.Divider, for an inner transport that is none, too.
func (t faulty) Messages(length int) int {
	if d, ok := t.f.inner.(transport.Divider); ok {
		return d.Messages(length)
	}
	return 1
}

// Subscribe implements transport.Transport.
func (t faulty) Subscribe(topic transport.Topic, receive func(transport.Received)) (cancel func(), err error) {
	if receive == nil {
		return nil, fmt.Errorf("faults: subscribe: receive is nil")
	}
	f := t.f
	s := &subscription{receive: receive}
	stop, err := f.inner.Subscribe(topic, func(r transport.Received) {
		p := packet{topic: r.Topic, payload: r.Payload, describe: f.describe}
		f.mu.Lock()
		fate, _ := f.judge(Receive, &p)
		var free []*held
		switch {
		case fate.gone:
		case fate.delay > 0 || fate.reorder > 0:
			f.hold(Receive, r.Topic, fate, func() { s.deliver(r, 1+fate.copies) })
			fate.gone = true
		default:
			free = f.overtaken(Receive, r.Topic)
		}
		f.mu.Unlock()
		if !fate.gone {
			s.deliver(r, 1+fate.copies)
		}
		f.release(free)
	})
	if err != nil {
		return nil, err
	}
	return func() {
		stop()
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
	}, nil
}

// watcher is told whether the network can be reached, by it and by us.
type watcher struct {
	f       *Faults
	changed func(bool)
	end     chan struct{} // closed by cancel
	done    chan struct{} // closed when changed will not be called again
	news    chan struct{} // has room for one token: states has grown

	mu     sync.Mutex
	ended  bool
	known  bool // the network has said something
	inner  bool // what it said last
	last   bool // the newest of states, told or not
	states []bool
}

// update notes a change, for run to tell.
func (w *watcher) update(inner *bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := !w.known
	if inner != nil {
		w.inner, w.known = *inner, true
	}
	online := w.inner && w.f.Online()
	if !w.known || !first && online == w.last {
		return
	}
	w.last = online
	w.states = append(w.states, online)
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *watcher) run() {
	defer close(w.done)
	for {
		select {
		case <-w.news:
		case <-w.end:
			return
		case <-w.f.ctx.Done():
			return
		}
		w.mu.Lock()
		states := w.states
		w.states = nil
		w.mu.Unlock()
		for _, online := range states {
			select {
			case <-w.end:
				return
			default:
				w.changed(online)
			}
		}
	}
}

// Watch implements transport.Transport.
func (t faulty) Watch(changed func(online bool)) (cancel func()) {
	f := t.f
	w := &watcher{f: f, changed: changed, end: make(chan struct{}), done: make(chan struct{}), news: make(chan struct{}, 1)}
	f.mu.Lock()
	f.watchers[w] = struct{}{}
	f.mu.Unlock()
	go w.run()
	stop := f.inner.Watch(func(online bool) { w.update(&online) })
	return func() {
		stop()
		f.mu.Lock()
		delete(f.watchers, w)
		f.mu.Unlock()
		w.mu.Lock()
		if !w.ended {
			w.ended = true
			close(w.end)
		}
		w.mu.Unlock()
		<-w.done
	}
}

// retrieving adds a Retriever.
type retrieving struct {
	f     *Faults
	inner transport.Retriever
}

// Query implements transport.Retriever.
func (t retrieving) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	if err := t.f.reachable(ctx); err != nil {
		return transport.Page{}, err
	}
	page, err := t.inner.Query(ctx, q)
	if err != nil {
		return page, err
	}
	page.Messages, err = t.f.sift(page.Messages)
	return page, err
}

// Retrieve implements transport.Retriever.
func (t retrieving) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
	if err := t.f.reachable(ctx); err != nil {
		return nil, err
	}
	found, err := t.inner.Retrieve(ctx, topic, hints)
	if err != nil {
		return found, err
	}
	return t.f.sift(found)
}

// confirming adds a Confirmer.
type confirming struct {
	f     *Faults
	inner transport.Confirmer
}

// Stored implements transport.Confirmer.
func (t confirming) Stored(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
	if err := t.f.reachable(ctx); err != nil {
		return nil, err
	}
	return t.inner.Stored(ctx, topic, hints)
}

// reachable returns an error while stores can't be asked.
func (f *Faults) reachable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	if !f.Online() {
		return errStoreOffline
	}
	return nil
}

// sift drops of what stores returned what is to be lost.
func (f *Faults) sift(found []transport.Received) ([]transport.Received, error) {
	kept := found[:0]
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.online {
		return nil, errStoreOffline
	}
	for _, r := range found {
		p := packet{topic: r.Topic, payload: r.Payload, describe: f.describe}
		if fate, _ := f.judge(Retrieve, &p); !fate.gone {
			kept = append(kept, r)
		}
	}
	return kept, nil
}
