//go:build go1.25

package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// TestBubble runs each test of the suite in virtual time, over a network that
// reorders and whose store lags.
func TestBubble(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if failures := judge(t, c, nil); len(failures) > 0 {
				t.Errorf("%s", strings.Join(failures, "\n"))
			}
		})
	}
}

// judge runs a test of the suite in a bubble over transports that wrap changes,
// and returns why it failed.
func judge(t *testing.T, c testCase, wrap func(transport.Transport) transport.Transport) (failures []string) {
	synctest.Test(t, func(t *testing.T) {
		network, err := loopback.New(loopback.Options{MaxDelay: time.Second, Store: &loopback.StoreOptions{Lag: time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		inside := map[transport.Transport]*loopback.Endpoint{}
		attach := func(name string) transport.Transport {
			e, err := network.Attach(name)
			if err != nil {
				t.Fatal(err)
			}
			var tr transport.Transport = e
			if wrap != nil {
				tr = wrap(e)
			}
			inside[tr] = e
			return tr
		}
		verdict := &verdict{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer verdict.cleanUp()
			c.run(verdict, Network{
				A: attach("a"), B: attach("b"), C: attach("c"),
				MaxPayload: loopback.DefaultMaxPayload,
				SetOnline:  func(tr transport.Transport, online bool) { inside[tr].SetOnline(online) },
				Close:      func(tr transport.Transport) { inside[tr].Close() },
			})
		}()
		<-done
		time.Sleep(20 * Patience) // whoever hangs for a while
		network.Close()
		failures = verdict.failures
	})
	return failures
}

// verdict is a testing.TB that notes failures and does not fail.
type verdict struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (v *verdict) Error(args ...any)                 { v.note(fmt.Sprint(args...)) }
func (v *verdict) Errorf(format string, args ...any) { v.note(fmt.Sprintf(format, args...)) }
func (v *verdict) Cleanup(f func())                  { v.cleanups = append(v.cleanups, f) }

func (v *verdict) Fatal(args ...any) {
	v.Error(args...)
	runtime.Goexit()
}

func (v *verdict) Fatalf(format string, args ...any) {
	v.Errorf(format, args...)
	runtime.Goexit()
}

func (v *verdict) note(failure string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failures = append(v.failures, failure)
}

func (v *verdict) cleanUp() {
	for _, f := range slices.Backward(v.cleanups) {
		f()
	}
}

// breach is a transport that breaks a promise: what is not nil replaces a method.
type breach struct {
	*loopback.Endpoint
	publish   func(ctx context.Context, e transport.Envelope) ([]byte, error)
	subscribe func(topic transport.Topic, receive func(transport.Received)) (func(), error)
	watch     func(changed func(bool)) func()
	query     func(ctx context.Context, q transport.Query) (transport.Page, error)
	retrieve  func(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error)
	stored    func(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error)
}

func (b *breach) Publish(ctx context.Context, e transport.Envelope) ([]byte, error) {
	if b.publish != nil {
		return b.publish(ctx, e)
	}
	return b.Endpoint.Publish(ctx, e)
}

func (b *breach) Subscribe(topic transport.Topic, receive func(transport.Received)) (func(), error) {
	if b.subscribe != nil {
		return b.subscribe(topic, receive)
	}
	return b.Endpoint.Subscribe(topic, receive)
}

func (b *breach) Watch(changed func(bool)) func() {
	if b.watch != nil {
		return b.watch(changed)
	}
	return b.Endpoint.Watch(changed)
}

func (b *breach) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	if b.query != nil {
		return b.query(ctx, q)
	}
	return b.Endpoint.Query(ctx, q)
}

func (b *breach) Retrieve(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
	if b.retrieve != nil {
		return b.retrieve(ctx, topic, hints)
	}
	return b.Endpoint.Retrieve(ctx, topic, hints)
}

func (b *breach) Stored(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
	if b.stored != nil {
		return b.stored(ctx, topic, hints)
	}
	return b.Endpoint.Stored(ctx, topic, hints)
}

// TestBreaches: for each promise of the interfaces, a transport that breaks it
// fails the test that is there for it.
func TestBreaches(t *testing.T) {
	for _, tt := range breaches {
		t.Run(tt.name, func(t *testing.T) {
			i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == tt.caught })
			if i < 0 {
				t.Fatalf("the suite has no test %s", tt.caught)
			}
			failures := judge(t, cases[i], func(tr transport.Transport) transport.Transport {
				b := &breach{Endpoint: tr.(*loopback.Endpoint)}
				tt.commit(b)
				return b
			})
			if len(failures) == 0 {
				t.Errorf("passes %s", tt.caught)
			}
			if testing.Verbose() {
				t.Logf("%.200q", failures)
			}
		})
	}
}

var breaches = []struct {
	name, caught string
	commit       func(b *breach)
}{
	{"loses", "EachOtherMemberOnce", func(b *breach) { b.SetLoss(1) }},
	{"loses in a burst", "Burst", func(b *breach) {
		n := 0
		b.publish = func(ctx context.Context, e transport.Envelope) ([]byte, error) {
			if n++; n == 500 {
				return nil, nil
			}
			return b.Endpoint.Publish(ctx, e)
		}
	}},
	{"repeats", "EachOtherMemberOnce", func(b *breach) { b.onReceive(twice) }},
	{"time differs", "EachOtherMemberOnce", func(b *breach) {
		b.onReceive(func(receive func(transport.Received), r transport.Received) {
			if b.Name() == "c" {
				r.Time = time.Now()
			}
			receive(r)
		})
	}},
	{"another hint", "EachOtherMemberOnce", func(b *breach) {
		b.onReceive(func(receive func(transport.Received), r transport.Received) {
			r.Hint = bytes.Repeat([]byte{1}, 32)
			receive(r)
		})
	}},
	{"echo", "OwnNotReceived", func(b *breach) { b.echo() }},
	{"drops what it has seen", "SamePayloadTwice", func(b *breach) {
		seen := map[string]bool{}
		b.onReceive(func(receive func(transport.Received), r transport.Received) {
			if !seen[string(r.Payload)] {
				receive(r)
			}
			seen[string(r.Payload)] = true
		})
	}},
	{"one topic", "TopicsAreSeparate", func(b *breach) {
		b.publish = func(ctx context.Context, e transport.Envelope) ([]byte, error) {
			e.Topic = "all"
			return b.Endpoint.Publish(ctx, e)
		}
		b.subscribe = func(_ transport.Topic, receive func(transport.Received)) (func(), error) {
			return b.Endpoint.Subscribe("all", receive)
		}
	}},
	{"forgets meta", "Meta", func(b *breach) {
		b.publish = func(ctx context.Context, e transport.Envelope) ([]byte, error) {
			if len(e.Meta) <= transport.MaxMeta {
				e.Meta = nil
			}
			return b.Endpoint.Publish(ctx, e)
		}
	}},
	{"cuts meta", "Meta", func(b *breach) {
		b.publish = func(ctx context.Context, e transport.Envelope) ([]byte, error) {
			e.Meta = e.Meta[:min(len(e.Meta), transport.MaxMeta)]
			return b.Endpoint.Publish(ctx, e)
		}
	}},
	{"shares the payload", "PayloadNotAliased", func(b *breach) { b.share() }},
	{"too large is too polite", "TooLarge", func(b *breach) {
		b.publish = func(ctx context.Context, e transport.Envelope) ([]byte, error) {
			e.Payload = e.Payload[:min(len(e.Payload), loopback.DefaultMaxPayload)]
			return b.Endpoint.Publish(ctx, e)
		}
	}},
	{"ignores ctx", "PublishCancelled", func(b *breach) {
		b.publish = func(_ context.Context, e transport.Envelope) ([]byte, error) {
			return b.Endpoint.Publish(context.Background(), e)
		}
	}},
	{"one subscription", "TwoSubscriptions", func(b *breach) {
		var last func()
		b.subscribe = func(topic transport.Topic, receive func(transport.Received)) (func(), error) {
			if last != nil {
				last()
			}
			cancel, err := b.Endpoint.Subscribe(topic, receive)
			last = cancel
			return cancel, err
		}
	}},
	{"cancel does nothing", "CancelEnds", func(b *breach) {
		b.subscribe = func(topic transport.Topic, receive func(transport.Received)) (func(), error) {
			_, err := b.Endpoint.Subscribe(topic, receive)
			return func() {}, err
		}
	}},
	{"cancel does not wait", "CancelWaits", func(b *breach) {
		b.subscribe = func(topic transport.Topic, receive func(transport.Received)) (func(), error) {
			cancel, err := b.Endpoint.Subscribe(topic, receive)
			return func() { go cancel() }, err
		}
	}},
	{"only the first cancel waits", "CancelWaits", func(b *breach) {
		b.subscribe = func(topic transport.Topic, receive func(transport.Received)) (func(), error) {
			cancel, err := b.Endpoint.Subscribe(topic, receive)
			var mu sync.Mutex
			cancelled := false
			return func() {
				mu.Lock()
				first := !cancelled
				cancelled = true
				mu.Unlock()
				if first {
					cancel()
				}
			}, err
		}
	}},
	{"cancel hangs the second time", "CancelAgain", func(b *breach) {
		b.subscribe = func(topic transport.Topic, receive func(transport.Received)) (func(), error) {
			cancel, err := b.Endpoint.Subscribe(topic, receive)
			slots := make(chan struct{}, 1)
			return func() {
				ctx, stop := context.WithTimeout(context.Background(), 10*Patience) // a bubble must end
				defer stop()
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
				}
				cancel()
			}, err
		}
	}},
	{"one receive after the other", "SlowReceive", func(b *breach) {
		turn := make(chan struct{}, 1)
		b.onReceive(func(receive func(transport.Received), r transport.Received) {
			turn <- struct{}{} // not a Mutex: waiting for one keeps virtual time from passing
			defer func() { <-turn }()
			receive(r)
		})
	}},
	{"watches nothing at once", "WatchAtOnce", func(b *breach) {
		b.watch = func(changed func(bool)) func() {
			first := true
			return b.Endpoint.Watch(func(online bool) {
				if !first {
					changed(online)
				}
				first = false
			})
		}
	}},
	{"always online", "Offline", func(b *breach) {
		b.watch = func(changed func(bool)) func() {
			changed(true)
			return func() {}
		}
	}},
	{"does not know ErrOffline", "Offline", func(b *breach) {
		b.publish = func(ctx context.Context, e transport.Envelope) ([]byte, error) {
			hint, err := b.Endpoint.Publish(ctx, e)
			if errors.Is(err, transport.ErrOffline) {
				return nil, nil
			}
			return hint, err
		}
	}},
	{"cancel of a watcher does not wait", "WatchCancelled", func(b *breach) {
		b.watch = func(changed func(bool)) func() {
			cancel := b.Endpoint.Watch(changed)
			return func() { go cancel() }
		}
	}},
	{"cancel of a watcher does nothing", "WatchCancelled", func(b *breach) {
		b.watch = func(changed func(bool)) func() {
			b.Endpoint.Watch(changed)
			return func() {}
		}
	}},
	{"does not know ErrClosed", "Closed", func(b *breach) {
		b.stored = func(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
			return make([]bool, len(hints)), nil
		}
	}},
	{"pages too long", "QueryPages", func(b *breach) {
		b.onQuery(func(q *transport.Query) { q.Limit = min(q.Limit+1, transport.MaxPage) }, nil)
	}},
	{"pages backwards", "QueryPages", func(b *breach) {
		b.onQuery(nil, func(p *transport.Page) { slices.Reverse(p.Messages) })
	}},
	{"only one page", "QueryPages", func(b *breach) {
		b.onQuery(nil, func(p *transport.Page) { p.Next = nil })
	}},
	{"cuts times", "QueryPages", func(b *breach) {
		b.onQuery(nil, func(p *transport.Page) {
			for i := range p.Messages {
				p.Messages[i].Time = p.Messages[i].Time.Truncate(time.Second)
			}
		})
	}},
	{"includes To", "QueryWindow", func(b *breach) { b.onQuery(func(q *transport.Query) { q.To = q.To.Add(1) }, nil) }},
	{"excludes From", "QueryWindow", func(b *breach) { b.onQuery(func(q *transport.Query) { q.From = q.From.Add(1) }, nil) }},
	{"one store topic", "QueryNothing", func(b *breach) {
		b.publish = func(ctx context.Context, e transport.Envelope) ([]byte, error) {
			hint, err := b.Endpoint.Publish(ctx, e)
			e.Topic = "all"
			b.Endpoint.Publish(ctx, e)
			return hint, err
		}
		b.onQuery(func(q *transport.Query) { q.Topic = "all" }, nil)
	}},
	{"a cursor that counts from the newest", "QueryCursorStable", func(b *breach) { b.countingCursor() }},
	{"any limit", "QueryRejects", func(b *breach) {
		b.onQuery(func(q *transport.Query) { q.Limit = max(1, min(q.Limit, transport.MaxPage)) }, nil)
	}},
	{"any cursor", "QueryRejects", func(b *breach) {
		b.onQuery(func(q *transport.Query) {
			if len(q.Cursor) < 20 {
				q.Cursor = nil
			}
		}, nil)
	}},
	{"shares pages", "QueryNotAliased", func(b *breach) {
		pages := map[int]transport.Page{}
		b.query = func(ctx context.Context, q transport.Query) (transport.Page, error) {
			if p, ok := pages[q.Limit]; ok {
				return p, nil
			}
			p, err := b.Endpoint.Query(ctx, q)
			if len(p.Messages) > 0 {
				pages[q.Limit] = p
			}
			return p, err
		}
	}},
	{"keeps ephemeral", "EphemeralNotKept", func(b *breach) {
		b.publish = func(ctx context.Context, e transport.Envelope) ([]byte, error) {
			e.Ephemeral = false
			return b.Endpoint.Publish(ctx, e)
		}
	}},
	{"nothing is unknown", "Retrieve", func(b *breach) {
		b.retrieve = func(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
			got, err := b.Endpoint.Retrieve(ctx, topic, hints)
			return append(got, make([]transport.Received, len(hints)-len(got))...), err
		}
	}},
	{"as many hints as you like", "Retrieve", func(b *breach) {
		b.retrieve = func(ctx context.Context, topic transport.Topic, hints [][]byte) ([]transport.Received, error) {
			return b.Endpoint.Retrieve(ctx, topic, hints[:min(len(hints), transport.MaxHints)])
		}
	}},
	{"answers in another order", "Stored", func(b *breach) {
		b.stored = func(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
			has, err := b.Endpoint.Stored(ctx, topic, hints)
			slices.Reverse(has)
			return has, err
		}
	}},
	{"confirms all", "Stored", func(b *breach) {
		b.stored = func(ctx context.Context, topic transport.Topic, hints [][]byte) ([]bool, error) {
			has, err := b.Endpoint.Stored(ctx, topic, hints)
			for i := range has {
				has[i] = true
			}
			return has, err
		}
	}},
	{"queries ignore ctx", "StoreCancelled", func(b *breach) {
		b.query = func(_ context.Context, q transport.Query) (transport.Page, error) {
			return b.Endpoint.Query(context.Background(), q)
		}
	}},
}

// onReceive replaces how receive is called.
func (b *breach) onReceive(call func(receive func(transport.Received), r transport.Received)) {
	b.subscribe = func(topic transport.Topic, receive func(transport.Received)) (func(), error) {
		return b.Endpoint.Subscribe(topic, func(r transport.Received) { call(receive, r) })
	}
}

func twice(receive func(transport.Received), r transport.Received) {
	receive(r)
	receive(r)
}

// echo lets the transport receive what it publishes.
func (b *breach) echo() {
	var mu sync.Mutex
	receivers := map[transport.Topic]func(transport.Received){}
	b.subscribe = func(topic transport.Topic, receive func(transport.Received)) (func(), error) {
		mu.Lock()
		receivers[topic] = receive
		mu.Unlock()
		return b.Endpoint.Subscribe(topic, receive)
	}
	b.publish = func(ctx context.Context, e transport.Envelope) ([]byte, error) {
		hint, err := b.Endpoint.Publish(ctx, e)
		mu.Lock()
		receive := receivers[e.Topic]
		mu.Unlock()
		if receive != nil {
			receive(transport.Received{Topic: e.Topic, Payload: e.Payload})
		}
		return hint, err
	}
}

// share gives all subscriptions to a topic the same bytes.
func (b *breach) share() {
	var mu sync.Mutex
	receivers := map[transport.Topic][]func(transport.Received){}
	b.subscribe = func(topic transport.Topic, receive func(transport.Received)) (func(), error) {
		mu.Lock()
		defer mu.Unlock()
		receivers[topic] = append(receivers[topic], receive)
		if len(receivers[topic]) > 1 {
			return func() {}, nil
		}
		return b.Endpoint.Subscribe(topic, func(r transport.Received) {
			mu.Lock()
			all := slices.Clone(receivers[topic])
			mu.Unlock()
			for _, receive := range all {
				receive(r)
			}
		})
	}
}

// onQuery changes what is asked or what is answered.
func (b *breach) onQuery(ask func(*transport.Query), answer func(*transport.Page)) {
	b.query = func(ctx context.Context, q transport.Query) (transport.Page, error) {
		if ask != nil {
			ask(&q)
		}
		p, err := b.Endpoint.Query(ctx, q)
		if answer != nil {
			answer(&p)
		}
		return p, err
	}
}

// countingCursor makes cursors that say how many newer messages there were.
func (b *breach) countingCursor() {
	b.query = func(ctx context.Context, q transport.Query) (transport.Page, error) {
		skip := 0
		if q.Cursor != nil {
			skip = int(q.Cursor[0])
		}
		all, err := b.Endpoint.Query(ctx, transport.Query{Topic: q.Topic, From: q.From, To: q.To, Limit: transport.MaxPage})
		if err != nil {
			return all, err
		}
		end := max(0, len(all.Messages)-skip)
		start := max(0, end-q.Limit)
		page := transport.Page{Messages: all.Messages[start:end]}
		if start > 0 {
			page.Next = []byte{byte(skip + q.Limit)}
		}
		return page, nil
	}
}
