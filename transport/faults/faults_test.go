//go:build go1.25

package faults_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/faults"
	"github.com/causeway-im/causeway/transport/loopback"
)

const topic = transport.Topic("/test/1/faults/proto")

// pair is alice, who publishes, and bob, who listens; both have faults.
type pair struct {
	t                    *testing.T
	alice, bob           transport.Transport
	aliceFault, bobFault *faults.Faults

	mu    sync.Mutex
	heard []string
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, seed uint64, test func(p *pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network, err := loopback.New(loopback.Options{Store: &loopback.StoreOptions{}})
		must(t, err)
		defer network.Close()
		p := &pair{t: t}
		a, err := network.Attach("alice")
		must(t, err)
		b, err := network.Attach("bob")
		must(t, err)
		p.alice, p.aliceFault = faults.Wrap(a, faults.Options{Seed: seed})
		p.bob, p.bobFault = faults.Wrap(b, faults.Options{Seed: seed})
		defer p.aliceFault.Close()
		defer p.bobFault.Close()
		cancel, err := p.bob.Subscribe(topic, func(r transport.Received) {
			p.mu.Lock()
			defer p.mu.Unlock()
			text := string(r.Payload)
			if about, ok := faults.Describe(r.Topic, r.Payload); ok {
				text = string(about.Content)
			}
			p.heard = append(p.heard, text)
		})
		must(t, err)
		defer cancel()
		test(p)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// message is a plain SDS message: its content is also its id.
func message(sender, content string) []byte {
	m := wire.Message{Dialect: wire.LIP, SenderID: wire.ParticipantID(sender), MessageID: wire.MessageID("id of " + content),
		ChannelID: "c", Content: []byte(content)}
	m.Lamport, m.HasLamport = 1, true
	return m.Encode()
}

func (p *pair) say(payloads ...[]byte) (hints [][]byte) {
	p.t.Helper()
	for _, b := range payloads {
		hint, err := p.alice.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: b})
		must(p.t, err)
		hints = append(hints, hint)
		synctest.Wait()
	}
	return hints
}

// want checks what bob has heard since the last want.
func (p *pair) want(texts ...string) {
	p.t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.heard, texts) {
		p.t.Errorf("bob heard %q, want %q", p.heard, texts)
	}
	p.heard = nil
}

func (p *pair) add(f *faults.Faults, r faults.Rule) uint64 {
	p.t.Helper()
	s, err := f.Add(r)
	must(p.t, err)
	return s.Number
}

// TestConditions loses exactly what a rule is about, and counts it.
func TestConditions(t *testing.T) {
	sum := sha256.Sum256([]byte("sealed"))
	sync := (&wire.Message{Dialect: wire.LIP, SenderID: "eve", MessageID: "s", ChannelID: "c", Lamport: 1, HasLamport: true}).Encode()
	all := [][]byte{message("alice", "one"), message("eve", "two"), []byte("sealed"), sync}
	for _, tt := range []struct {
		name string
		rule faults.Rule
		want []string
		last string
	}{
		{"all", faults.Rule{}, nil, "s"},
		{"id", faults.Rule{ID: "id of two"}, []string{"one", "sealed", ""}, "id of two"},
		{"sender", faults.Rule{Sender: "alice"}, []string{"two", "sealed", ""}, "id of one"},
		{"sender and id", faults.Rule{Sender: "alice", ID: "id of two"}, []string{"one", "two", "sealed", ""}, ""},
		{"content", faults.Rule{Content: []byte("one")}, []string{"two", "sealed", ""}, "id of one"},
		{"kind", faults.Rule{Kind: wire.Sync}, []string{"one", "two", "sealed"}, "s"},
		{"hash", faults.Rule{Hash: sum[:]}, []string{"one", "two", ""}, ""},
		{"topic", faults.Rule{Topic: topic, Next: 2}, []string{"sealed", ""}, "id of two"},
		{"another topic", faults.Rule{Topic: "other"}, []string{"one", "two", "sealed", ""}, ""},
		{"next", faults.Rule{Next: 3}, []string{""}, ""},
		{"share", faults.Rule{Share: 1}, nil, "s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.rule.Action = faults.Drop
			for _, on := range []faults.Direction{faults.Send, faults.Receive} {
				inBubble(t, 1, func(p *pair) {
					side := map[faults.Direction]*faults.Faults{faults.Send: p.aliceFault, faults.Receive: p.bobFault}[on]
					tt.rule.On = on
					number := p.add(side, tt.rule)
					p.say(all...)
					p.want(tt.want...)
					s, ok := side.Rule(number)
					if lost := uint64(4 - len(tt.want)); !ok || s.Hit != lost || string(s.Last) != tt.last || side.Stats().Dropped != lost {
						t.Errorf("counted %+v, %+v; %d were lost", s, side.Stats(), lost)
					}
					if s.Done != (tt.rule.Next > 0) {
						t.Errorf("done: %v", s.Done)
					}
					if !side.Remove(number) || side.Remove(number) || len(side.Rules()) != 0 {
						t.Error("a rule is removed once")
					}
					p.say([]byte("after"))
					p.want("after")
				})
			}
		})
	}
}

// TestSentIsLostInSilence: who publishes can't tell, and has no hint.
func TestSentIsLostInSilence(t *testing.T) {
	inBubble(t, 1, func(p *pair) {
		p.add(p.aliceFault, faults.Rule{Action: faults.Drop, On: faults.Send, Next: 1})
		hints := p.say([]byte("one"), []byte("two"))
		if hints[0] != nil || hints[1] == nil {
			t.Errorf("hints %x", hints)
		}
		p.want("two")
	})
}

func TestDelay(t *testing.T) {
	for _, send := range []bool{true, false} {
		inBubble(t, 1, func(p *pair) {
			side, on := p.bobFault, faults.Receive
			if send {
				side, on = p.aliceFault, faults.Send
			}
			p.add(side, faults.Rule{Action: faults.Delay, On: on, Delay: time.Minute, Next: 1})
			p.say([]byte("one"), []byte("two"))
			time.Sleep(time.Minute - 1)
			p.want("two")
			if s := side.Stats(); s.Held != 1 || s.Delayed != 1 {
				t.Errorf("%+v", s)
			}
			time.Sleep(time.Nanosecond)
			p.want("one")
			if s := side.Stats(); s.Held != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestDuplicate(t *testing.T) {
	inBubble(t, 1, func(p *pair) {
		p.add(p.bobFault, faults.Rule{Action: faults.Duplicate, On: faults.Receive, Next: 1})
		p.add(p.aliceFault, faults.Rule{Action: faults.Duplicate, On: faults.Send, Copies: 2, Next: 1})
		p.say([]byte("one"), []byte("two"))
		p.want("one", "one", "one", "one", "two")
		if a, b := p.aliceFault.Stats().Duplicated, p.bobFault.Stats().Duplicated; a != 2 || b != 1 {
			t.Errorf("counted %d and %d", a, b)
		}
	})
}

func TestReorder(t *testing.T) {
	for _, send := range []bool{true, false} {
		inBubble(t, 1, func(p *pair) {
			side, on := p.bobFault, faults.Receive
			if send {
				side, on = p.aliceFault, faults.Send
			}
			p.add(side, faults.Rule{Action: faults.Reorder, On: on, Next: 1})
			p.say([]byte("one"), []byte("two"), []byte("three"))
			p.want("two", "one", "three")
			p.add(side, faults.Rule{Action: faults.Reorder, On: on, Next: 1, Delay: time.Hour})
			p.say([]byte("alone"))
			p.want()
			time.Sleep(time.Hour)
			p.want("alone")
			if s := side.Stats(); s.Reordered != 2 || s.Held != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestPartition(t *testing.T) {
	inBubble(t, 1, func(p *pair) {
		p.bobFault.SetPartition([]wire.ParticipantID{"eve", "ann"})
		if got := p.bobFault.Partition(); !slices.Equal(got, []wire.ParticipantID{"ann", "eve"}) {
			t.Errorf("partition is %q", got)
		}
		p.say(message("eve", "one"), message("alice", "two"))
		p.want("two")
		if s := p.bobFault.Stats(); s.Partitioned != 1 {
			t.Errorf("%+v", s)
		}
		p.bobFault.SetPartition(nil)
		p.say(message("eve", "three"))
		p.want("three")
	})
}

func TestOffline(t *testing.T) {
	inBubble(t, 1, func(p *pair) {
		var states []bool
		cancel := p.bob.Watch(func(online bool) { states = append(states, online) })
		synctest.Wait()
		p.bobFault.SetOnline(false)
		p.bobFault.SetOnline(false)
		hint := p.say([]byte("missed"))[0]
		p.want()
		ctx := context.Background()
		if _, err := p.bob.Publish(ctx, transport.Envelope{Topic: topic}); !errors.Is(err, transport.ErrOffline) {
			t.Errorf("Publish: %v", err)
		}
		store := p.bob.(transport.Retriever)
		for what, err := range map[string]error{
			"Query":    second(store.Query(ctx, transport.Query{Topic: topic, To: time.Now().Add(time.Hour), Limit: 1})),
			"Retrieve": second(store.Retrieve(ctx, topic, [][]byte{hint})),
			"Stored":   second(p.bob.(transport.Confirmer).Stored(ctx, topic, [][]byte{hint})),
		} {
			if !errors.Is(err, transport.ErrOffline) || !errors.Is(err, transport.ErrUnavailable) {
				t.Errorf("%s: %v", what, err)
			}
		}
		p.bobFault.Clear()
		if found, err := store.Retrieve(ctx, topic, [][]byte{hint}); err != nil || len(found) != 1 {
			t.Errorf("afterwards the store has %v, %v", found, err)
		}
		p.say([]byte("back"))
		p.want("back")
		cancel()
		p.bobFault.SetOnline(false)
		if want := []bool{true, false, true}; !slices.Equal(states, want) {
			t.Errorf("watched %v, want %v", states, want)
		}
		if s := p.bobFault.Stats(); s.Offline != 2 || s.Retrieved != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestRetrieve: what a store has can be kept from a member, too.
func TestRetrieve(t *testing.T) {
	inBubble(t, 1, func(p *pair) {
		hints := p.say(message("alice", "one"), message("alice", "two"))
		p.add(p.bobFault, faults.Rule{Action: faults.Drop, On: faults.Retrieve, ID: "id of one"})
		found, err := p.bob.(transport.Retriever).Retrieve(context.Background(), topic, hints)
		must(t, err)
		page, err := p.bob.(transport.Retriever).Query(context.Background(),
			transport.Query{Topic: topic, To: time.Now().Add(time.Hour), Limit: 10})
		must(t, err)
		for _, list := range [][]transport.Received{found, page.Messages} {
			if len(list) != 1 || !strings.Contains(string(list[0].Payload), "two") {
				t.Errorf("found %q", list)
			}
		}
		p.want("one", "two")
	})
}

// TestChance: the same seed loses the same, another one something else.
func TestChance(t *testing.T) {
	run := func(seed uint64) (heard []string) {
		inBubble(t, seed, func(p *pair) {
			p.add(p.bobFault, faults.Rule{Action: faults.Drop, On: faults.Receive, Share: 0.3})
			for i := range 1000 {
				p.say([]byte(fmt.Sprint(i)))
			}
			heard = p.heard
			if n := p.bobFault.Stats().Dropped; n < 255 || n > 345 { // three sigma are 43
				t.Errorf("lost %d of 1000, want about 300", n)
			}
		})
		return heard
	}
	first := run(1)
	if !reflect.DeepEqual(first, run(1)) || reflect.DeepEqual(first, run(2)) {
		t.Error("the seed does not decide")
	}
}

// TestNothingAfterCancel: what is held is not received after the end.
func TestNothingAfterCancel(t *testing.T) {
	inBubble(t, 1, func(p *pair) {
		p.add(p.bobFault, faults.Rule{Action: faults.Delay, Delay: time.Second})
		heard := 0
		cancel, err := p.bob.Subscribe(topic, func(transport.Received) { heard++ })
		must(t, err)
		p.say([]byte("one"))
		cancel()
		time.Sleep(time.Second)
		p.want("one")
		if heard > 0 {
			t.Error("received after cancel")
		}
		p.say([]byte("two"))
		p.bobFault.Close()
		time.Sleep(time.Second)
		p.want()
		p.say([]byte("three"))
		p.want("three")
		if s := p.bobFault.Stats(); s.Overflow != 1 || s.Held != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestHeldIsBounded: a flood of delayed packets takes no more than so much memory.
func TestHeldIsBounded(t *testing.T) {
	inBubble(t, 1, func(p *pair) {
		p.add(p.aliceFault, faults.Rule{Action: faults.Delay, On: faults.Send, Delay: time.Hour})
		for range faults.MaxHeld + 5 {
			_, err := p.alice.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte("x")})
			must(t, err)
		}
		if s := p.aliceFault.Stats(); s.Held != faults.MaxHeld || s.Overflow != 5 {
			t.Errorf("%+v", s)
		}
		p.want("x", "x", "x", "x", "x")
	})
}

func TestBadRules(t *testing.T) {
	_, f := faults.Wrap(nil, faults.Options{})
	for want, r := range map[string]faults.Rule{
		"Action is 0":      {},
		"Action is 9":      {Action: 9},
		"On is 8":          {Action: faults.Drop, On: 8},
		"On has Retrieve":  {Action: faults.Duplicate, On: faults.Retrieve},
		"Share is 1.5":     {Action: faults.Drop, Share: 1.5},
		"Next is -1":       {Action: faults.Drop, Next: -1},
		"Delay is 2h0m0s":  {Action: faults.Delay, Delay: 2 * time.Hour},
		"Delay is 0":       {Action: faults.Delay},
		"Copies is 101":    {Action: faults.Duplicate, Copies: 101},
		"Hash has 2 bytes": {Action: faults.Drop, Hash: []byte("ab")},
	} {
		if _, err := f.Add(r); !errors.Is(err, faults.ErrRule) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	for range faults.MaxRules {
		_, err := f.Add(faults.Rule{Action: faults.Drop})
		must(t, err)
	}
	if _, err := f.Add(faults.Rule{Action: faults.Drop}); err == nil || !strings.Contains(err.Error(), "256") {
		t.Errorf("one too many: %v", err)
	}
	for _, a := range []faults.Action{faults.Drop, faults.Delay, faults.Duplicate, faults.Reorder} {
		if back, ok := faults.ParseAction(a.String()); !ok || back != a {
			t.Errorf("%v is read as %v", a, back)
		}
	}
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c faults.Clock
		for _, d := range []time.Duration{0, time.Hour, -time.Minute} {
			c.SetOffset(d)
			if got := time.Until(c.Now()); got != d || c.Offset() != d {
				t.Errorf("it is %v ahead, want %v", got, d)
			}
		}
	})
}
