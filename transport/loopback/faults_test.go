//go:build go1.25

package loopback

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/transport"
)

const topic = transport.Topic("/test/1/loopback/proto")

// group is a network in a bubble whose members all listen to topic.
type group struct {
	*Network
	t  *testing.T
	at map[string]*Endpoint

	mu    sync.Mutex
	heard map[string][]string // what each has received, in order
}

// inBubble runs a test in virtual time with members a, b and c, and checks that
// the statistics add up in the end.
func inBubble(t *testing.T, o Options, test func(t *testing.T, g *group)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		g := &group{Network: n, t: t, at: map[string]*Endpoint{}, heard: map[string][]string{}}
		for _, name := range []string{"a", "b", "c"} {
			g.attach(name)
		}
		test(t, g)
		synctest.Wait()
		if s := n.Stats(); s.Handed+s.Duplicated != s.Blackholed+s.Offline+s.Partitioned+s.Filtered+s.Lost+s.Unheard+s.Delivered+s.InFlight {
			t.Errorf("copies are missing: %+v", s)
		}
	})
}

func (g *group) attach(name string) *Endpoint {
	g.t.Helper()
	e, err := g.Attach(name)
	must(g.t, err)
	_, err = e.Subscribe(topic, func(r transport.Received) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.heard[name] = append(g.heard[name], string(r.Payload))
	})
	must(g.t, err)
	g.at[name] = e
	return e
}

// say publishes and waits for all that happens without time passing.
func (g *group) say(from string, texts ...string) (hints [][]byte) {
	g.t.Helper()
	for _, text := range texts {
		hint, err := g.at[from].Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte(text)})
		if err != nil {
			g.t.Fatal(err)
		}
		hints = append(hints, hint)
	}
	synctest.Wait()
	return hints
}

// want checks what a member has heard since the last want.
func (g *group) want(who string, texts ...string) {
	g.t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if got := g.heard[who]; !slices.Equal(got, texts) {
		g.t.Errorf("%s heard %q, want %q", who, got, texts)
	}
	g.heard[who] = nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		options Options
		want    string
	}{
		{Options{Loss: 1.5}, "Loss is 1.5, must be from 0 to 1"},
		{Options{Loss: math.NaN()}, "Loss is NaN, must be from 0 to 1"},
		{Options{Duplicate: -0.1}, "Duplicate is -0.1, must be from 0 to 1"},
		{Options{MinDelay: -1}, "MinDelay is -1ns, must be at least 0s"},
		{Options{MinDelay: 2, MaxDelay: 1}, "MaxDelay is 1ns, must be at least 2ns"},
		{Options{MaxPayload: -1}, "MaxPayload is -1, must be at least 0"},
		{Options{Store: &StoreOptions{Lag: -1}}, "Store.Lag is -1ns, must be at least 0s"},
		{Options{Store: &StoreOptions{KeepCount: -1}}, "Store.KeepCount is -1, must be at least 0"},
		{Options{Store: &StoreOptions{KeepFor: -1}}, "Store.KeepFor is -1ns, must be at least 0s"},
		{Options{Store: &StoreOptions{Forget: 2}}, "Store.Forget is 2, must be from 0 to 1"},
		{Options{Store: &StoreOptions{FailEvery: -1}}, "Store.FailEvery is -1, must be at least 0"},
		{Options{Store: &StoreOptions{QueryDelay: -1}}, "Store.QueryDelay is -1ns, must be at least 0s"},
		{Options{Store: &StoreOptions{PageLimit: -1}}, "Store.PageLimit is -1, must be at least 0"},
	} {
		if _, err := New(tt.options); err == nil || err.Error() != "loopback: "+tt.want {
			t.Errorf("error is %v, want %s", err, tt.want)
		}
	}
	if _, err := New(Options{Loss: 2, Duplicate: 2}); err == nil || strings.Count(err.Error(), "must be") != 2 {
		t.Errorf("two fields are wrong: %v", err)
	}
}

func TestSettersReject(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *group) {
		for name, err := range map[string]error{
			"SetLoss":          g.SetLoss(2),
			"Endpoint.SetLoss": g.at["a"].SetLoss(-1),
			"SetDuplicate":     g.SetDuplicate(2),
			"SetDelay":         g.SetDelay(2, 1),
			"SetStore":         g.SetStore(StoreOptions{Forget: 2}),
			"Partition":        g.Partition([]string{"a"}, []string{"b", "a"}),
		} {
			if err == nil {
				t.Errorf("%s took what is out of range", name)
			}
		}
		g.say("a", "all as before")
		g.want("b", "all as before")
	})
}

func TestAttach(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *group) {
		for _, name := range []string{"", StoreName, "a"} {
			if _, err := g.Attach(name); err == nil {
				t.Errorf("%q could attach", name)
			}
		}
		g.at["c"].Close()
		g.at["c"].Close()
		g.say("a", "while c is away")
		if g.attach("c").Name() != "c" {
			t.Error("another name")
		}
		g.say("a", "when c is back")
		g.want("c", "when c is back")
		g.Close()
		g.Close()
		if _, err := g.Attach("d"); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Attach after Close: %v", err)
		}
	})
}

// run returns who heard what of 1,000 messages under faults, and the statistics.
func run(t *testing.T, seed uint64) (heard map[string][]string, s Stats) {
	o := Options{Seed: seed, Loss: 0.2, Duplicate: 0.1, MinDelay: 10 * time.Millisecond, MaxDelay: 2 * time.Second}
	inBubble(t, o, func(t *testing.T, g *group) {
		for i := range 1000 {
			g.say("a", fmt.Sprint(i))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		heard, s = g.heard, g.Stats()
	})
	return heard, s
}

func TestSeed(t *testing.T) {
	heard, s := run(t, 1)
	if s.Published != 1000 || s.Handed != 2000 || s.InFlight != 0 {
		t.Errorf("published %d, handed %d, in flight %d", s.Published, s.Handed, s.InFlight)
	}
	if share := float64(s.Lost) / 2000; share < 0.17 || share > 0.23 { // three sigma are 0.027
		t.Errorf("lost a share of %v, want about 0.2", share)
	}
	if share := float64(s.Duplicated) / 1600; share < 0.07 || share > 0.13 { // three sigma are 0.023
		t.Errorf("duplicated a share of %v, want about 0.1", share)
	}
	if s.Delivered != 2000-s.Lost+s.Duplicated || s.Delivered != len(heard["b"])+len(heard["c"]) {
		t.Errorf("delivered %d, lost %d, duplicated %d", s.Delivered, s.Lost, s.Duplicated)
	}
	if slices.Equal(heard["b"], heard["c"]) || slices.IsSorted(heard["b"]) {
		t.Error("receivers do not differ, or nothing was overtaken")
	}
	if again, s2 := run(t, 1); !reflect.DeepEqual(heard, again) || s != s2 {
		t.Error("the same seed gives another run")
	}
	if other, _ := run(t, 2); reflect.DeepEqual(heard, other) {
		t.Error("another seed gives the same run")
	}
}

// TestLossIndependent: what chance does to the n-th packet does not depend on
// other faults.
func TestLossIndependent(t *testing.T) {
	lost := func(disturb func(g *group)) (heard []string) {
		inBubble(t, Options{Seed: 7, Loss: 0.5}, func(t *testing.T, g *group) {
			disturb(g)
			g.say("a", make([]string, 50)...)
			disturb(g) // may set it right again
			g.heard["b"] = nil
			for i := range 50 {
				g.say("a", fmt.Sprint(i))
			}
			heard = g.heard["b"]
		})
		return heard
	}
	want := lost(func(*group) {})
	online := true
	if got := lost(func(g *group) { online = !online; g.at["b"].SetOnline(online) }); !slices.Equal(got, want) {
		t.Errorf("b lost others after it was offline: %q, %q", got, want)
	}
}

func TestDelay(t *testing.T) {
	inBubble(t, Options{MinDelay: time.Second, MaxDelay: time.Second}, func(t *testing.T, g *group) {
		g.say("a", "one")
		time.Sleep(time.Second - 1)
		g.want("b")
		if s := g.Stats(); s.InFlight != 2 {
			t.Errorf("%d in flight, want 2", s.InFlight)
		}
		time.Sleep(time.Nanosecond)
		g.want("b", "one")

		must(t, g.SetDelay(0, 0))
		g.at["b"].SetOnline(false)
		g.at["b"].SetOnline(true)
		g.say("a", "two", "three")
		g.want("b", "two", "three")

		must(t, g.SetDelay(time.Second, time.Second))
		g.say("a", "on its way")
		g.at["b"].SetOnline(false)
		g.at["c"].Close()
		time.Sleep(time.Second)
		g.want("b")
		if s := g.Stats(); s.Offline != 2 {
			t.Errorf("%d dropped at who went offline or closed, want 2", s.Offline)
		}
	})
}

func TestSetLoss(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *group) {
		must(t, g.at["b"].SetLoss(1))
		g.say("a", "one")
		g.want("b")
		g.want("c", "one")
		must(t, g.SetLoss(1))
		g.say("a", "two")
		g.want("c")
		must(t, g.SetLoss(0))
		must(t, g.SetDuplicate(1))
		g.say("a", "three")
		g.want("b", "three", "three")
		if s := g.at["b"].Stats(); s.Lost != 2 || s.Duplicated != 1 || s.Delivered != 2 {
			t.Errorf("b: %+v", s)
		}
	})
}

func TestOffline(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{}}, func(t *testing.T, g *group) {
		b := g.at["b"]
		var states []bool
		cancel := b.Watch(func(online bool) { states = append(states, online) })
		b.SetOnline(false)
		b.SetOnline(false)
		g.say("a", "missed")
		g.want("b")
		if _, err := b.Publish(context.Background(), transport.Envelope{Topic: topic}); !errors.Is(err, transport.ErrOffline) {
			t.Errorf("Publish: %v", err)
		}
		_, err := b.Stored(context.Background(), topic, nil)
		if !errors.Is(err, transport.ErrOffline) || !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("Stored: %v", err)
		}
		b.SetOnline(true)
		g.say("a", "back")
		g.want("b", "back")
		cancel()
		b.SetOnline(false)
		if want := []bool{true, false, true}; !slices.Equal(states, want) {
			t.Errorf("watched %v, want %v", states, want)
		}
		if s := g.Stats(); s.Offline != 1 {
			t.Errorf("%d dropped at who is offline, want 1", s.Offline)
		}
	})
}

func TestBlackhole(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{}}, func(t *testing.T, g *group) {
		b := g.at["b"]
		changes := 0
		defer b.Watch(func(bool) { changes++ })()
		b.SetBlackhole(true)
		hint := g.say("b", "into the void")
		g.say("a", "not to b")
		g.want("a")
		g.want("b")
		g.want("c", "not to b")

		start := time.Now()
		if _, err := b.Stored(context.Background(), topic, hint); !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("Stored: %v", err)
		}
		if waited := time.Since(start); waited != SilenceTimeout {
			t.Errorf("a query without an answer took %v", waited)
		}
		if has, err := g.at["a"].Stored(context.Background(), topic, hint); err != nil || has[0] {
			t.Errorf("the store has what vanished: %v, %v", has, err)
		}
		if changes != 1 {
			t.Errorf("the watcher was told %d times, want once", changes)
		}
		b.SetBlackhole(false)
		g.say("b", "again")
		g.want("c", "again")
		if s := g.Stats(); s.Blackholed != 3 || s.Unstored != 1 {
			t.Errorf("black-holed %d, not stored %d", s.Blackholed, s.Unstored)
		}
	})
}

func TestPartition(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{}}, func(t *testing.T, g *group) {
		g.attach("d")
		must(t, g.Partition([]string{"a", "b"}))
		hint := g.say("a", "to b")
		g.want("b", "to b")
		g.want("c")
		g.say("c", "to d")
		g.want("d", "to d")
		g.want("a")
		if has, err := g.at["c"].Stored(context.Background(), topic, hint); err != nil || !has[0] {
			t.Errorf("a store that no group names serves all: %v, %v", has, err)
		}

		must(t, g.Partition([]string{"a", StoreName}, []string{"b", "c"}))
		hint = g.say("b", "not stored")
		g.want("c", "not stored")
		if has, err := g.at["a"].Stored(context.Background(), topic, hint); err != nil || has[0] {
			t.Errorf("stored across the partition: %v, %v", has, err)
		}
		for _, who := range []string{"b", "d"} {
			if _, err := g.at[who].Stored(context.Background(), topic, hint); !errors.Is(err, transport.ErrUnavailable) {
				t.Errorf("%s reaches the store: %v", who, err)
			}
		}
		g.Heal()
		g.say("a", "to all")
		for _, who := range []string{"b", "c", "d"} {
			g.want(who, "to all")
		}
		if s := g.Stats(); s.Partitioned != 6 || s.Unstored != 1 {
			t.Errorf("partitioned %d, not stored %d", s.Partitioned, s.Unstored)
		}
	})
}

func TestFilter(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{}}, func(t *testing.T, g *group) {
		asked := map[string]int{}
		g.SetFilter(func(from, to string, e transport.Envelope) bool {
			asked[from+to]++
			g.Stats() // no lock is held
			return string(e.Payload) == "secret" && (to == "b" || to == StoreName)
		})
		g.say("a", "one")
		hint := g.say("a", "secret")
		g.want("b", "one")
		g.want("c", "one", "secret")
		if has, err := g.at["c"].Stored(context.Background(), topic, hint); err != nil || has[0] {
			t.Errorf("stored: %v, %v", has, err)
		}
		if want := map[string]int{"ab": 2, "ac": 2, "a" + StoreName: 2}; !reflect.DeepEqual(asked, want) {
			t.Errorf("asked %v, want %v", asked, want)
		}
		g.SetFilter(func(from, to string, e transport.Envelope) bool {
			g.at["a"].SetOnline(false)
			return false
		})
		if _, err := g.at["a"].Publish(context.Background(), transport.Envelope{Topic: topic}); !errors.Is(err, transport.ErrOffline) {
			t.Errorf("went offline during Publish: %v", err)
		}
		g.SetFilter(nil)
		if s := g.Stats(); s.Filtered != 1 || s.Unstored != 1 || s.Published != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestUnheard(t *testing.T) {
	inBubble(t, Options{MinDelay: time.Second, MaxDelay: time.Second}, func(t *testing.T, g *group) {
		const other = transport.Topic("/test/1/other/proto")
		b := g.at["b"]
		release := make(chan struct{})
		calls := 0
		cancel, err := b.Subscribe(other, func(transport.Received) { calls++; <-release })
		must(t, err)
		send := func() {
			_, err := g.at["a"].Publish(context.Background(), transport.Envelope{Topic: other, Payload: make([]byte, 10)})
			must(t, err)
		}
		for range 3 {
			send()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		send()
		go cancel() // one call is running, two wait
		synctest.Wait()
		close(release)
		synctest.Wait()
		late, err := b.Subscribe(other, func(transport.Received) { t.Error("published before") })
		must(t, err)
		time.Sleep(time.Second)
		synctest.Wait()
		late()
		if calls != 1 {
			t.Errorf("%d calls, want 1", calls)
		}
		want := Stats{Handed: 4, Delivered: 3, DeliveredBytes: 30, Discarded: 2, Unheard: 1}
		if s := b.Stats(); s != want {
			t.Errorf("%+v, want %+v", s, want)
		}
		if s := g.Stats(); s.Published != 4 || s.PublishedBytes != 40 {
			t.Errorf("%+v", s)
		}
	})
}

// TestReceivePublishes: callbacks are called without a lock.
func TestReceivePublishes(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{}}, func(t *testing.T, g *group) {
		b := g.at["b"]
		cancel, err := b.Subscribe(topic, func(r transport.Received) {
			if string(r.Payload) != "ping" {
				return
			}
			if _, err := b.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte("pong")}); err != nil {
				t.Error(err)
			}
			if has, err := b.Stored(context.Background(), topic, [][]byte{r.Hint}); err != nil || !has[0] {
				t.Error(has, err)
			}
			b.Watch(func(bool) { g.Stats() })()
		})
		must(t, err)
		g.say("a", "ping")
		g.want("a", "pong")
		cancel()
	})
}
