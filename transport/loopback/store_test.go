//go:build go1.25

package loopback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/transport"
)

// kept returns the payloads that queries find on topic, oldest first.
func (g *group) kept() (texts []string) {
	g.t.Helper()
	q := transport.Query{Topic: topic, To: time.Now().Add(time.Hour), Limit: transport.MaxPage}
	for {
		page, err := g.at["c"].Query(context.Background(), q)
		must(g.t, err)
		var older []string
		for _, m := range page.Messages {
			older = append(older, string(m.Payload))
		}
		texts = append(older, texts...)
		if page.Next == nil {
			return texts
		}
		q.Cursor = page.Next
	}
}

func (g *group) wantKept(texts ...string) {
	g.t.Helper()
	if got := g.kept(); !slices.Equal(got, texts) {
		g.t.Errorf("the store has %q, want %q", got, texts)
	}
}

func TestNoStore(t *testing.T) {
	inBubble(t, Options{}, func(t *testing.T, g *group) {
		if hint := g.say("a", "one")[0]; hint != nil {
			t.Errorf("hint %x", hint)
		}
		if _, err := g.at["a"].Retrieve(context.Background(), topic, nil); !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("Retrieve: %v", err)
		}
		must(t, g.SetStore(StoreOptions{}))
		if hint := g.say("a", "two")[0]; len(hint) != 32 {
			t.Errorf("hint %x", hint)
		}
		g.wantKept("two")
	})
}

// TestStoreHasLost: what receivers lose, the store has.
func TestStoreHasLost(t *testing.T) {
	inBubble(t, Options{Loss: 1, Store: &StoreOptions{}}, func(t *testing.T, g *group) {
		hints := g.say("a", "one", "one")
		g.want("b")
		g.wantKept("one", "one")
		if bytes.Equal(hints[0], hints[1]) {
			t.Error("two envelopes have one hint")
		}
		found, err := g.at["b"].Retrieve(context.Background(), topic, append(hints, hints...))
		if err != nil || len(found) != 2 {
			t.Errorf("retrieved %d, %v", len(found), err)
		}
		const other = transport.Topic("/test/1/other/proto")
		found, err = g.at["b"].Retrieve(context.Background(), other, hints)
		if err != nil || len(found) != 0 {
			t.Errorf("retrieved %d on another topic, %v", len(found), err)
		}
	})
}

func TestStoreDown(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{}}, func(t *testing.T, g *group) {
		g.say("a", "one")
		must(t, g.SetStore(StoreOptions{Down: true}))
		if hint := g.say("a", "two")[0]; hint == nil {
			t.Error("the sender can't know that the store is down")
		}
		if _, err := g.at["b"].Query(context.Background(), transport.Query{Limit: 1}); !errors.Is(err, transport.ErrUnavailable) {
			t.Errorf("Query: %v", err)
		}
		must(t, g.SetStore(StoreOptions{}))
		g.wantKept("one")
		if s := g.Stats(); s.Stored != 1 || s.Unstored != 1 || s.QueriesFailed != 1 || s.Queries != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestStoreLag(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{Lag: time.Second}}, func(t *testing.T, g *group) {
		hint := g.say("a", "one")
		time.Sleep(time.Second - 1)
		g.wantKept()
		if has, err := g.at["b"].Stored(context.Background(), topic, hint); err != nil || has[0] {
			t.Errorf("Stored: %v, %v", has, err)
		}
		time.Sleep(time.Nanosecond)
		g.wantKept("one")
		g.say("a", "two")
		must(t, g.SetStore(StoreOptions{}))
		g.wantKept("one", "two")
	})
}

func TestStoreForgets(t *testing.T) {
	const other = transport.Topic("/test/1/other/proto")
	inBubble(t, Options{Store: &StoreOptions{KeepCount: 3}}, func(t *testing.T, g *group) {
		hints := g.say("a", "1", "2", "3", "4")
		g.wantKept("2", "3", "4")
		_, err := g.at["a"].Publish(context.Background(), transport.Envelope{Topic: other})
		must(t, err)
		g.wantKept("3", "4")
		has, err := g.at["b"].Stored(context.Background(), topic, hints)
		if want := []bool{false, false, true, true}; err != nil || !slices.Equal(has, want) {
			t.Errorf("Stored: %v, %v", has, err)
		}
		must(t, g.SetStore(StoreOptions{KeepCount: 2}))
		g.wantKept("4")

		must(t, g.SetStore(StoreOptions{KeepFor: time.Minute}))
		time.Sleep(30 * time.Second)
		g.say("a", "5")
		time.Sleep(30*time.Second - 1)
		g.wantKept("4", "5")
		time.Sleep(time.Nanosecond)
		g.wantKept("5")
		time.Sleep(time.Minute)
		g.wantKept()
		if s := g.Stats(); s.Stored != 6 || s.Forgotten != 6 {
			t.Errorf("stored %d, forgotten %d", s.Stored, s.Forgotten)
		}
		if n := len(g.store.all) + len(g.store.topics) + len(g.store.hints); n != 0 {
			t.Errorf("an empty store holds %d things", n)
		}
	})
}

func TestStoreForgetsShare(t *testing.T) {
	inBubble(t, Options{Seed: 3, Store: &StoreOptions{Forget: 0.2}}, func(t *testing.T, g *group) {
		for i := range 1000 {
			g.say("a", fmt.Sprint(i))
		}
		some := g.kept()
		if len(some) < 760 || len(some) > 840 { // three sigma are 38
			t.Errorf("%d of 1000 are left, want about 800", len(some))
		}
		must(t, g.SetStore(StoreOptions{Forget: 0.5}))
		less := g.kept()
		if len(less) < 450 || len(less) > 550 {
			t.Errorf("%d of 1000 are left, want about 500", len(less))
		}
		must(t, g.SetStore(StoreOptions{}))
		g.wantKept(less...)
		g.say("a", "new")
		g.wantKept(append(less, "new")...)
		must(t, g.SetStore(StoreOptions{Forget: 1}))
		g.wantKept()
		if s := g.Stats(); s.Stored != 1001 || s.Forgotten != 1001 {
			t.Errorf("stored %d, forgotten %d", s.Stored, s.Forgotten)
		}
	})
}

func TestStoreFails(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{FailEvery: 3}}, func(t *testing.T, g *group) {
		for i := 1; i <= 9; i++ {
			_, err := g.at["b"].Stored(context.Background(), topic, nil)
			if (i%3 == 0) != errors.Is(err, transport.ErrUnavailable) {
				t.Errorf("query %d: %v", i, err)
			}
		}
		if s := g.at["b"].Stats(); s.Queries != 9 || s.QueriesFailed != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestStoreSlow(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{QueryDelay: time.Second}}, func(t *testing.T, g *group) {
		start := time.Now()
		g.wantKept()
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("a query took %v", waited)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second/2)
		defer cancel()
		start = time.Now()
		_, err := g.at["b"].Stored(ctx, topic, nil)
		if waited := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || waited != time.Second/2 {
			t.Errorf("after %v: %v", waited, err)
		}
		go func() {
			time.Sleep(time.Second / 4)
			g.at["b"].Close()
		}()
		if _, err := g.at["b"].Stored(context.Background(), topic, nil); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("closed meanwhile: %v", err)
		}
	})
}

func TestPageLimit(t *testing.T) {
	inBubble(t, Options{Store: &StoreOptions{PageLimit: 2}}, func(t *testing.T, g *group) {
		g.say("a", "1", "2", "3", "4", "5")
		page, err := g.at["b"].Query(context.Background(), transport.Query{Topic: topic, To: time.Now().Add(time.Hour), Limit: 4})
		if err != nil || len(page.Messages) != 2 || page.Next == nil {
			t.Errorf("%v, %v", page, err)
		}
		g.wantKept("1", "2", "3", "4", "5")
	})
}

func TestCursor(t *testing.T) {
	inBubble(t, Options{Seed: 1, Store: &StoreOptions{}}, func(t *testing.T, g *group) {
		g.say("a", "1", "2")
		b := g.at["b"]
		q := transport.Query{Topic: topic, To: time.Now().Add(time.Hour), Limit: 1}
		page, err := b.Query(context.Background(), q)
		must(t, err)

		stranger, err := New(Options{Seed: 2, Store: &StoreOptions{}})
		must(t, err)
		defer stranger.Close()
		there, err := stranger.Attach("b")
		must(t, err)
		changed := slices.Clone(page.Next)
		changed[7]++
		for name, ask := range map[string]func() error{
			"on another topic": func() error {
				_, err := b.Query(context.Background(), transport.Query{Topic: "other", To: q.To, Limit: 1, Cursor: page.Next})
				return err
			},
			"in another network": func() error {
				_, err := there.Query(context.Background(), transport.Query{Topic: topic, To: q.To, Limit: 1, Cursor: page.Next})
				return err
			},
			"changed": func() error {
				_, err := b.Query(context.Background(), transport.Query{Topic: topic, To: q.To, Limit: 1, Cursor: changed})
				return err
			},
			"empty": func() error {
				_, err := b.Query(context.Background(), transport.Query{Topic: topic, To: q.To, Limit: 1, Cursor: []byte{}})
				return err
			},
		} {
			if err := ask(); err == nil || errors.Is(err, transport.ErrUnavailable) {
				t.Errorf("a cursor %s: %v", name, err)
			}
		}

		// What the cursor points at may be forgotten, and the window may be another.
		must(t, g.SetStore(StoreOptions{KeepCount: 1}))
		q.Cursor = page.Next
		if page, err := b.Query(context.Background(), q); err != nil || len(page.Messages) != 0 || page.Next != nil {
			t.Errorf("%v, %v", page, err)
		}
		q.To = time.Now().Add(-time.Hour)
		if page, err := b.Query(context.Background(), q); err != nil || len(page.Messages) != 0 {
			t.Errorf("To before the cursor: %v, %v", page, err)
		}
	})
}
