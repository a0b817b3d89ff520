//go:build go1.25

package causeway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// withStore is a network whose store takes half a second for each page.
func withStore() loopback.Options {
	return loopback.Options{Seed: 1, Loss: 0.05, MinDelay: 100 * time.Millisecond, MaxDelay: 300 * time.Millisecond,
		Store: &loopback.StoreOptions{QueryDelay: 500 * time.Millisecond}}
}

// absent takes member 2 away while the others write count messages.
func (g *group) absent(count int) (own *Receipt) {
	g.t.Helper()
	for i := range 6 {
		g.send(i%3, fmt.Sprintf("before %d", i), Everyone)
		time.Sleep(time.Second)
	}
	time.Sleep(time.Minute)
	g.ends[2].SetOnline(false)
	time.Sleep(time.Minute)
	for i := range count {
		g.send(i%2, fmt.Sprintf("missed %d", i), AtLeastOne)
		time.Sleep(100 * time.Millisecond)
	}
	return g.send(2, "mine", Everyone)
}

// until waits, in virtual time, and returns how long it took.
func until(t *testing.T, limit time.Duration, done func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !done() {
		if time.Since(begin) > limit {
			t.Fatalf("not within %v", limit)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(begin)
}

// spec R100: 10,000 missed messages are back within five minutes, from a store
// that takes half a second for each page.
func TestCatchUpTenThousand(t *testing.T) {
	missed := 10_000
	if os.Getenv("CAUSEWAY_NIGHTLY") == "" && raceEnabled {
		missed = 1000
	}
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, withStore())
		own := g.absent(missed)
		before := g.nodes[2].Metrics().Retrieved.Packets
		g.ends[2].SetOnline(true)
		took := until(t, 5*time.Minute, func() bool { return g.equal(missed + 7) })
		t.Log("caught up in", took)
		waitAll(t, []*Receipt{own}, SeenByAll)
		if n := g.nodes[2].Metrics().Retrieved.Packets - before; n < uint64(missed) || n > uint64(missed)+20 {
			t.Errorf("%d messages were fetched: that is not since the last complete time", n)
		}
	})
}

// outbound notes what a member publishes.
type outbound struct {
	mu   sync.Mutex
	seen []wire.Message
	at   []time.Time
}

func (o *outbound) filter(name string) loopback.Filter {
	return func(from, to string, e transport.Envelope) bool {
		if from == name && to == loopback.StoreName || from == name && e.Ephemeral && to == "member-0" {
			if m, err := wire.Decode(e.Payload); err == nil {
				o.mu.Lock()
				o.seen, o.at = append(o.seen, m), append(o.at, time.Now())
				o.mu.Unlock()
			}
		}
		return false
	}
}

// first returns the first content message after a moment, and when it left.
func (o *outbound) first(after time.Time) (m wire.Message, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.seen {
		if o.seen[i].Kind() == wire.Content && !o.at[i].Before(after) {
			return o.seen[i], o.at[i]
		}
	}
	return m, at
}

// spec R101: own messages leave after the catch-up. (Their causal history was
// fixed when they were written.)
func TestOwnMessagesWaitForCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, withStore())
		var out outbound
		g.network.SetFilter(out.filter("member-2"))
		g.absent(1000)
		back := time.Now()
		g.ends[2].SetOnline(true)
		synctest.Wait() // or else it does not know yet, and is not catching up
		var caught time.Time
		until(t, time.Minute, func() bool {
			m, _ := out.first(back) // before asking: it may leave at this very moment
			st, err := g.channels[2].Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if caught.IsZero() && !st.CatchingUp {
				caught = time.Now()
			}
			return m.MessageID != ""
		})
		if _, at := out.first(back); at.Sub(back) < 5*time.Second || caught.IsZero() {
			t.Errorf("own message left %v after coming back, the catch-up ended at %v", at.Sub(back), caught.Sub(back))
		}
	})
}

// spec R101: a store that rests after a cut, or is only coming back, is waited for.
func TestOwnMessagesWaitForRestingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, withStore())
		var out outbound
		g.network.SetFilter(out.filter("member-2"))
		own := g.absent(300)
		if err := g.network.SetStore(loopback.StoreOptions{Down: true}); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		g.ends[2].SetOnline(true)
		time.Sleep(2500 * time.Millisecond)
		if n := g.nodes[2].Metrics().QueryFailures; n < 2 {
			t.Errorf("the store failed %d times", n)
		}
		if err := g.network.SetStore(*withStore().Store); err != nil {
			t.Fatal(err)
		}
		caught := until(t, time.Minute, func() bool {
			st, err := g.channels[2].Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return !st.CatchingUp
		}) + 2500*time.Millisecond
		waitAll(t, []*Receipt{own}, SeenByAll)
		if _, at := out.first(back); at.Sub(back) < caught-200*time.Millisecond {
			t.Errorf("left after %v, the catch-up ended after %v", at.Sub(back), caught)
		}
	})
}

// failing is a network whose store answers with an error, if there is one.
type failing struct {
	*loopback.Endpoint
	with atomic.Pointer[error]
}

func (f *failing) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	if err := f.with.Load(); err != nil {
		return transport.Page{}, *err
	}
	return f.Endpoint.Query(ctx, q)
}

// spec R101: a store that refuses the query is not waited for, nor is one that has
// never answered.
func TestOwnMessagesDoNotWaitForNothing(t *testing.T) {
	refusal := errors.New("bad request")
	for name, x := range map[string]struct {
		failure  error
		answered bool // before
		atLeast  time.Duration
	}{
		"refuses at once": {refusal, false, 0},
		"refuses":         {refusal, true, 0},
		"never answers":   {transport.ErrUnavailable, false, 0},
		"answers no more": {transport.ErrUnavailable, true, failBack},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, err := loopback.New(withStore())
				if err != nil {
					t.Fatal(err)
				}
				defer network.Close()
				end, err := network.Attach("member-0")
				if err != nil {
					t.Fatal(err)
				}
				f := &failing{Endpoint: end}
				if !x.answered {
					f.with.Store(&x.failure)
				}
				n, err := Open(t.Context(), Options{Store: store.NewMemory(), Transport: f})
				if err != nil {
					t.Fatal(err)
				}
				defer n.Close()
				c, err := n.Join(t.Context(), ChannelConfig{Channel: "tea", Participant: "member-0"})
				if err != nil {
					t.Fatal(err)
				}
				online := func() bool {
					st, err := c.Status(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					return st.Online
				}
				if x.answered {
					until(t, time.Minute, online)
					f.with.Store(&x.failure)
					end.SetOnline(false)
					until(t, time.Minute, func() bool { return !online() })
					end.SetOnline(true)
				}
				if took := until(t, time.Minute, online); took < x.atLeast || took > x.atLeast+time.Second {
					t.Errorf("may send after %v, want %v", took, x.atLeast)
				}
			})
		})
	}
}

// spec R101: but they do not wait long for a store that is slow or away.
func TestOwnMessagesDoNotWaitForEver(t *testing.T) {
	for name, o := range map[string]struct {
		store     loopback.StoreOptions
		from, too time.Duration
	}{
		"slow": {loopback.StoreOptions{QueryDelay: 25 * time.Second}, 29 * time.Second, 31 * time.Second},
		"away": {loopback.StoreOptions{Down: true}, failBack, failBack + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGroup(t, 3, withStore())
				var out outbound
				g.network.SetFilter(out.filter("member-2"))
				own := g.absent(300)
				if err := g.network.SetStore(o.store); err != nil {
					t.Fatal(err)
				}
				back := time.Now()
				g.ends[2].SetOnline(true)
				waitAll(t, []*Receipt{own}, SeenByAll)
				if _, at := out.first(back); at.Sub(back) < o.from || at.Sub(back) > o.too {
					t.Errorf("left after %v, want %v to %v", at.Sub(back), o.from, o.too)
				}
				until(t, time.Hour, func() bool { return g.equal(307) }) // from members
			})
		})
	}
}

// spec R102: nothing is heard and the transport says nothing. The store is asked
// after 30 s; then ever more rarely while it has nothing new.
func TestSilenceAsksTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, withStore())
		for i := range 3 {
			waitAll(t, []*Receipt{g.send(i, "hello", Everyone)}, SeenByAll)
		}
		g.network.SetFilter(func(_, to string, e transport.Envelope) bool { return to == "member-2" })
		g.send(0, "unheard", AtLeastOne)
		begin := time.Now()
		took := until(t, 35*time.Second, func() bool {
			m, _, err := g.channels[2].Messages(t.Context(), Log{})
			if err != nil {
				t.Fatal(err)
			}
			return len(m) == 4
		})
		if took < 25*time.Second {
			t.Errorf("after %v: by other means than the store", took)
		}
		g.network.SetFilter(func(_, to string, e transport.Envelope) bool { return to != loopback.StoreName })
		time.Sleep(time.Hour)
		if n := g.nodes[2].Metrics().Queries; n > 14 {
			t.Errorf("%d queries in an hour of silence", n)
		} else if n < 8 {
			t.Errorf("only %d queries in %v of silence", n, time.Since(begin))
		}
	})
}

// spec R103: a missing message is fetched by its hint, without anybody repairing
// it.
func TestMissingIsFetchedByHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := withStore()
		o.Loss = 0
		g := newGroup(t, 3, o)
		for i := range 3 {
			waitAll(t, []*Receipt{g.send(i, "hello", Everyone)}, SeenByAll)
		}
		repaired := false
		var lost string
		g.network.SetFilter(func(from, to string, e transport.Envelope) bool {
			m, err := wire.Decode(e.Payload)
			if err != nil || m.Kind() != wire.Content || to != "member-2" {
				return false
			}
			if string(m.Content) == "lost" {
				repaired = repaired || lost != ""
				lost = string(m.MessageID)
				return true
			}
			return false
		})
		g.send(0, "lost", AtLeastOne)
		time.Sleep(5 * time.Second)
		g.send(1, "names it", AtLeastOne)
		took := until(t, 4*time.Second, func() bool { return g.equal(5) })
		m, err := g.channels[2].Message(t.Context(), MessageID(lost))
		if err != nil || len(m.Hint) != 32 {
			t.Errorf("after %v: %+v, %v", took, m, err)
		}
		if repaired {
			t.Error("a member repaired it as well")
		}
	})
}

// spec R104: a store confirms own messages; that reaches nobody.
func TestStoreConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 2, withStore())
		g.ends[1].SetOnline(false)
		r := g.send(0, "anyone?", Everyone)
		now, err := r.WaitFor(t.Context(), Stored)
		if err != nil || now.Level != Stored || now.Seen != 0 {
			t.Fatalf("%+v, %v", now, err)
		}
		time.Sleep(time.Hour)
		m := g.nodes[0].Metrics()
		if m.Sent[2].Packets != 0 { // sds.ClassResend
			t.Errorf("%d resends of a message that a store has", m.Sent[2].Packets)
		}
	})
}

// spec R104: all envelopes of a message are asked about, not the newest ones alone;
// the hint is that of the envelope that a store has.
func TestStoreHasTheFirstEnvelope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := withStore()
		o.Loss = 0
		g := newGroup(t, 2, o, func(g *group) {
			g.options = func(_ int, o *Options) { // no catching up, which would find it, too
				o.Transport = struct {
					transport.Transport
					transport.Confirmer
				}{o.Transport, o.Transport.(transport.Confirmer)}
			}
		})
		waitAll(t, []*Receipt{g.send(0, "hello", Everyone)}, SeenByAll)
		g.ends[1].SetOnline(false)
		r := g.send(0, "anyone?", Everyone)
		time.Sleep(time.Second)
		m, err := g.channels[0].Message(t.Context(), r.ID())
		if err != nil {
			t.Fatal(err)
		}
		first := m.Hint
		if err := g.network.SetStore(loopback.StoreOptions{Down: true}); err != nil { // for questions, and for resends
			t.Fatal(err)
		}
		resent := func() uint64 { return g.nodes[0].Metrics().Sent[sds.ClassResend].Packets }
		until(t, time.Hour, func() bool { return resent() >= 6 })
		g.network.SetFilter(func(_, to string, _ transport.Envelope) bool { return to == loopback.StoreName })
		if err := g.network.SetStore(loopback.StoreOptions{}); err != nil {
			t.Fatal(err)
		}
		waitAll(t, []*Receipt{r}, Stored)
		if m, err = g.channels[0].Message(t.Context(), r.ID()); err != nil || len(first) == 0 || !bytes.Equal(m.Hint, first) {
			t.Errorf("the hint is %x, and the store has %x; %v", m.Hint, first, err)
		}
	})
}

// spec R104: who writes all the time asks about several messages at once.
func TestStoreIsAskedAboutSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := withStore()
		o.Loss = 0
		g := newGroup(t, 2, o)
		waitAll(t, []*Receipt{g.send(0, "hello", Everyone)}, SeenByAll)
		g.ends[1].SetOnline(false) // so that nothing but the store answers
		time.Sleep(10 * time.Second)
		before := g.nodes[0].Metrics().Queries
		const count = 60
		var receipts []*Receipt
		for i := range count {
			receipts = append(receipts, g.send(0, fmt.Sprintf("message %d", i), AtLeastOne))
			time.Sleep(time.Second)
		}
		time.Sleep(6 * time.Second)
		for _, r := range receipts {
			if now, err := r.Now(t.Context()); err != nil || now.Level != Stored {
				t.Errorf("%+v, %v", now, err)
			}
		}
		if n := g.nodes[0].Metrics().Queries - before; n < 5 || n > count/3+3 {
			t.Errorf("%d questions about %d messages", n, count)
		}
		// More than fit into one question: the next one follows at once.
		before = g.nodes[0].Metrics().Queries
		receipts = nil
		for i := range 250 {
			receipts = append(receipts, g.send(0, fmt.Sprintf("burst %d", i), AtLeastOne))
		}
		waitAll(t, receipts, Stored)
		if n := g.nodes[0].Metrics().Queries - before; n < 3 || n > 4 {
			t.Errorf("%d questions about %d messages", n, len(receipts))
		}
	})
}

// A store that fails now and then, forgets, and lags: the group still ends
// consistent.
func TestUnreliableStore(t *testing.T) {
	for name, o := range map[string]loopback.StoreOptions{
		"fails":   {FailEvery: 2},
		"forgets": {Forget: 0.3},
		"lags":    {Lag: 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				options := withStore()
				options.Store = &o
				g := newGroup(t, 3, options)
				own := g.absent(500)
				g.ends[2].SetOnline(true)
				t.Log("consistent after", until(t, 10*time.Minute, func() bool { return g.equal(507) }))
				waitAll(t, []*Receipt{own}, SeenByAll)
			})
		})
	}
}

// spec R100: what is asked for begins where the absence began.
func TestMissingAloneIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t, 3, withStore())
		g.absent(100)
		g.ends[2].SetOnline(true)
		until(t, time.Minute, func() bool { return g.equal(107) })
		time.Sleep(time.Minute)
		for i := range 20 {
			g.send(i%2, fmt.Sprintf("heard %d", i), AtLeastOne)
			time.Sleep(10 * time.Second)
		}
		before := g.nodes[2].Metrics().Retrieved.Packets
		g.ends[2].SetOnline(false)
		time.Sleep(time.Second)
		g.ends[2].SetOnline(true)
		time.Sleep(time.Minute)
		if n := g.nodes[2].Metrics().Retrieved.Packets - before; n == 0 || n > 30 {
			t.Errorf("%d of 127 messages were fetched after a second away", n)
		}
	})
}

// spec R93: stores keep content and resends, and nothing else.
func TestStoreKeepsContentAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := withStore()
		o.Loss = 0.2
		g := newGroup(t, 3, o)
		for i := range 30 {
			g.send(i%3, fmt.Sprintf("message %d", i), Everyone)
			time.Sleep(time.Second)
		}
		until(t, 10*time.Minute, func() bool { return g.equal(30) })
		time.Sleep(time.Minute)
		var content, repairs uint64
		for _, n := range g.nodes {
			m := n.Metrics()
			content += m.Sent[sds.ClassContent].Packets + m.Sent[sds.ClassResend].Packets
			repairs += m.Sent[sds.ClassRepair].Packets
		}
		if kept := uint64(g.network.Stats().Stored); kept != content || repairs == 0 {
			t.Errorf("%d envelopes are kept of %d with content; %d repairs", kept, content, repairs)
		}
	})
}
