//go:build go1.25

package causeway_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

func speaking(p causeway.Profile) func(*member) {
	return func(m *member) { m.config.Profile = p }
}

// dialects notes in which dialect each sender writes.
type dialects struct {
	mu   sync.Mutex
	seen map[string]map[wire.Dialect]int
}

func (d *dialects) filter(from, _ string, e transport.Envelope) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[string]map[wire.Dialect]int{}
	}
	if d.seen[from] == nil {
		d.seen[from] = map[wire.Dialect]int{}
	}
	d.seen[from][decoded(e).Dialect]++
	return false
}

// only tells whether a sender wrote something, and nothing in another dialect.
func (d *dialects) only(from string, want wire.Dialect) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.seen[from]) == 1 && d.seen[from][want] > 0
}

// "All of them read every dialect; they differ in what they emit": a conversation
// converges in each, though a fifth of the copies is lost, and everybody knows it.
func TestProfilesConverge(t *testing.T) {
	for _, profile := range []causeway.Profile{causeway.ProfileJS, causeway.ProfileNim, causeway.ProfileLIP, causeway.ProfileStatusGo,
		causeway.ProfileLogosDelivery, causeway.ProfileLogosDelivery038} {
		t.Run(profile.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { converge(t, profile) })
		})
	}
}

func converge(t *testing.T, profile causeway.Profile) {
	w := newWorld(t, loopback.Options{Seed: 1, Loss: 0.2, MinDelay: 50 * time.Millisecond, MaxDelay: 500 * time.Millisecond}, "alice", "bob", "carol")
	var d dialects
	w.network.SetFilter(d.filter)
	all := []*member{w.start("alice", speaking(profile)), w.start("bob", speaking(profile)), w.start("carol", speaking(profile))}
	var ids []causeway.MessageID
	for i, text := range lines(60) {
		ids = append(ids, all[i%3].send(text, causeway.Everyone).ID())
		time.Sleep(700 * time.Millisecond)
		if i == 40 {
			all[0].restart()
		}
	}
	if profile.Dialect == sds.Nim { // spec R81: no syncs on timers, so what proves anything is what is said next
		for i, text := range []string{"good night", "good night!", "good night, both"} {
			time.Sleep(2 * time.Minute)
			check(t, w.network.SetLoss(0))
			all[i].send(text)
		}
	}
	until(t, time.Hour, "logs are equal", func() bool {
		return all[0].digest().Count >= 60 && all[0].digest() == all[1].digest() && all[0].digest() == all[2].digest()
	})
	for i, id := range ids {
		checkReceipt(t, waitFor(t, all[i%3].ch.Receipt(id), causeway.SeenByAll))
	}
	want := wire.LIP
	if profile.Dialect == sds.Nim {
		want = wire.Nim
	}
	for _, m := range all {
		equal(t, "by place", m.log(false), all[0].log(false))
		if who := string(m.ch.Participant()); !d.only(who, want) {
			t.Errorf("%s wrote %v, want %v alone", who, d.seen[who], want)
		}
		checkPositions(t, m)
	}
}

// spec R80: "In a JavaScript channel ids are hex SHA-256 of the content". So the
// same content twice has no id of its own, whenever it was said and by whomever.
func TestProfileJSRefusesTheSameTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		profile := causeway.ProfileJS
		profile.Window = 16
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice", speaking(profile)), w.start("bob", speaking(profile))
		texts := lines(60)
		for i, text := range texts {
			r := []*member{alice, bob}[i%2].send(text)
			hash := sha256.Sum256([]byte(text))
			if want := causeway.MessageID(hex.EncodeToString(hash[:])); r.ID() != want {
				t.Fatalf("id %s, want %s", r.ID(), want)
			}
			time.Sleep(time.Second)
		}
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() && bob.digest().Count == 60 })
		refused := func(when string) {
			t.Helper()
			for i, text := range texts { // every second of them is bob's
				r, err := alice.ch.Send(t.Context(), []byte(text), causeway.SendOptions{})
				if r != nil || err == nil {
					t.Fatalf("%s: message %d was accepted a second time", when, i)
				}
				checkIs(t, when, err, sds.ErrDuplicateContent)
			}
		}
		refused("at once")
		alice.restart()
		refused("after a restart")
		alice.suspend()
		refused("while suspended")
		alice.resume()
		waitFor(t, alice.send("something new"), causeway.SeenByAll)
		if alice.digest().Count != 61 || alice.digest() != bob.digest() {
			t.Errorf("%d messages", alice.digest().Count)
		}
		checkPositions(t, alice)
	})
}

// Ephemeral messages are in nobody's way: the same may be said again.
func TestProfileJSRepeatsEphemeral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice", speaking(causeway.ProfileJS)), w.start("bob", speaking(causeway.ProfileJS))
		time.Sleep(time.Minute)
		for range 2 {
			_, err := alice.ch.Send(t.Context(), []byte("typing"), causeway.SendOptions{Ephemeral: true})
			check(t, err)
			time.Sleep(time.Second)
		}
		waitFor(t, alice.send("typing"), causeway.SeenByAll)
		_, err := alice.ch.Send(t.Context(), []byte("typing"), causeway.SendOptions{Ephemeral: true})
		check(t, err)
		synctest.Wait()
		ephemeral := 0
		for _, e := range bob.events() {
			if e.Message != nil && e.Message.Ephemeral {
				ephemeral++
			}
		}
		if ephemeral != 3 {
			t.Errorf("bob has seen %d of 3", ephemeral)
		}
		equal(t, "bob's log", bob.log(true), []string{"typing"})
	})
}

// "ID is for ProfileNim alone, where ids are the application's business."
func TestProfileNimTakesIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		profile := causeway.ProfileNim
		profile.Window = 16
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice", speaking(profile)), w.start("bob", speaking(profile))
		var ids []causeway.MessageID
		say := func(m *member, id causeway.MessageID, text string) (*causeway.Receipt, error) {
			return m.ch.Send(t.Context(), []byte(text), causeway.SendOptions{ID: id, Want: causeway.Everyone})
		}
		var last *causeway.Receipt
		for i := range 60 {
			id := causeway.MessageID(fmt.Sprintf("0x%064x", i))
			var err error
			last, err = say([]*member{alice, bob}[i%2], id, "the same text")
			check(t, err)
			if last.ID() != id {
				t.Fatalf("id %s, want %s", last.ID(), id)
			}
			ids = append(ids, id)
			time.Sleep(time.Second)
		}
		waitFor(t, last, causeway.SeenByAll)
		for range 2 {
			for _, id := range ids {
				_, err := say(alice, id, "another text")
				checkIs(t, "the same id again", err, sds.ErrDuplicateContent)
			}
			alice.restart()
		}
		for what, id := range map[string]causeway.MessageID{"long": causeway.MessageID(strings.Repeat("x", wire.MaxID+1)),
			"ours": sds.NewMessageID(tea, "alice", 1, nil, []byte("x"))} {
			if r, err := say(alice, id, "never"); r != nil || err == nil {
				t.Errorf("an id that is %s was accepted", what)
			}
		}
		mine, err := say(alice, "", "with an id of its own making")
		check(t, err)
		waitFor(t, mine, causeway.SeenByAll)
		message, err := bob.ch.Message(t.Context(), ids[0])
		if err != nil || string(message.Content) != "the same text" || mine.ID() == "" {
			t.Errorf("%+v, %v", message, err)
		}
		until(t, time.Hour, "logs are equal", func() bool { return alice.digest() == bob.digest() && bob.digest().Count == 61 })
		for _, p := range []causeway.Profile{causeway.ProfileJS, causeway.ProfileLIP} {
			alice.config.Profile, alice.config.Channel = p, causeway.ChannelID("with "+p.Name)
			alice.open()
			if _, err := say(alice, "mine", "never"); err == nil {
				t.Errorf("%s: an ID was accepted", p.Name)
			}
		}
	})
}

// "Ephemeral messages ... take no place in the log and are neither acknowledged nor
// repaired", or Send refuses them: nim's numbering has none.
func TestProfileNimEphemeral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice", speaking(causeway.ProfileNim)), w.start("bob", speaking(causeway.ProfileNim))
		time.Sleep(time.Minute)
		_, err := alice.ch.Send(t.Context(), []byte("typing"), causeway.SendOptions{Ephemeral: true})
		time.Sleep(time.Hour)
		for _, m := range []*member{alice, bob} {
			if n := m.digest().Count; n != 0 {
				t.Errorf("Send says %v, and %s has %q in the log", err, m.ch.Participant(), m.log(true))
			}
		}
	})
}

// spec R1: "A receiver MUST read both dialects": members of several profiles in
// one channel have all that any of them says, each once and in the log. In a nim
// channel, where clocks count seconds, the milliseconds of the others are
// implausible: what they say is handed over, and has no place (spec R22, R35).
func TestProfilesMixed(t *testing.T) {
	for _, profiles := range [][]causeway.Profile{
		{causeway.ProfileLIP, causeway.ProfileJS, causeway.ProfileLIP},
		{causeway.ProfileLIP, causeway.ProfileNim, causeway.ProfileLIP},
		{causeway.ProfileNim, causeway.ProfileJS, causeway.ProfileNim},
		{causeway.ProfileLIP, causeway.ProfileJS, causeway.ProfileNim},
	} {
		name := fmt.Sprintf("%s, %s and %s", profiles[0].Name, profiles[1].Name, profiles[2].Name)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, loopback.Options{MaxDelay: 300 * time.Millisecond}, "alice", "bob", "carol")
				all := []*member{w.start("alice", speaking(profiles[0])), w.start("bob", speaking(profiles[1])), w.start("carol", speaking(profiles[2]))}
				texts := lines(60)
				for i, text := range texts {
					all[i%3].send(text)
					time.Sleep(2 * time.Second)
				}
				time.Sleep(time.Hour)
				for _, m := range all {
					checkHasAll(t, m, texts)
					checkPositions(t, m)
				}
			})
		})
	}
}

// checkHasAll checks that a member's events show each text once, in the log or, in
// a nim channel, in quarantine.
func checkHasAll(t *testing.T, m *member, texts []string) {
	t.Helper()
	delivered, shown := deliveries(m.events()), []string{}
	for _, e := range m.events() {
		switch {
		case e.Kind == causeway.EventDelivered:
			shown = append(shown, string(e.Message.Content))
		case e.Kind == causeway.EventArrived && !slices.Contains(delivered, string(e.Message.Content)):
			if shown = append(shown, string(e.Message.Content)); m.config.Profile.Dialect != sds.Nim || !e.Message.Quarantined {
				t.Errorf("%s never delivered %+v", m.ch.Participant(), e.Message)
			}
		}
	}
	if slices.Sort(shown); !slices.Equal(shown, texts) {
		t.Errorf("%s speaks %s and was shown %d of %d: %v", m.ch.Participant(), m.config.Profile.Name, len(shown), len(texts), shown)
	}
}

// spec R80 R81: what leaves is what deployed peers need.
func TestProfilesOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, profile := range []causeway.Profile{causeway.ProfileJS, causeway.ProfileNim} {
			w := newWorld(t, loopback.Options{}, "alice", "bob")
			var mu sync.Mutex
			var seen []wire.Message
			w.network.SetFilter(func(_, _ string, e transport.Envelope) bool {
				mu.Lock()
				defer mu.Unlock()
				again := decoded(e)
				if !bytes.Equal(again.Encode(), e.Payload) {
					t.Errorf("%s: not the same when encoded again", profile.Name)
				}
				seen = append(seen, decoded(e))
				return false
			})
			alice, bob := w.start("alice", speaking(profile)), w.start("bob", speaking(profile))
			for i := range 30 {
				[]*member{alice, bob}[i%2].send(fmt.Sprint("text ", i))
				time.Sleep(10 * time.Second)
			}
			mu.Lock()
			for _, m := range seen {
				switch {
				case profile.Dialect == sds.JS && len(m.BloomFilter) != 0 && len(m.BloomFilter) != 18752:
					t.Errorf("js: a filter of %d bytes", len(m.BloomFilter))
				case profile.Dialect == sds.JS && len(m.CausalHistory) > sds.MaxParentsJS, profile.Dialect == sds.Nim && len(m.CausalHistory) > sds.MaxParentsNim:
					t.Errorf("%s: %d parents", profile.Name, len(m.CausalHistory))
				case profile.Dialect == sds.Nim && (m.Content == nil || m.Lamport > uint64(time.Now().Unix())+60):
					t.Errorf("nim: %+v", m)
				}
			}
			mu.Unlock()
			if alice.digest() != bob.digest() || bob.digest().Count != 30 {
				t.Errorf("%s: %d and %d messages", profile.Name, alice.digest().Count, bob.digest().Count)
			}
			check(t, alice.node.Close())
			check(t, bob.node.Close())
		}
	})
}

// What logos-delivery needs: its marker beside the message, nim-sds's numbering, and
// from v0.39 on each payload in a segment. What has another marker, or none, is not
// opened.
func TestLogosDelivery(t *testing.T) {
	for _, profile := range []causeway.Profile{causeway.ProfileLogosDelivery, causeway.ProfileLogosDelivery038} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{Seed: 1}, "alice", "bob", "eve")
			var envelopes []transport.Envelope
			w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
				if from == "alice" && to == "bob" {
					envelopes = append(envelopes, e)
				}
				return false
			})
			alice, bob, eve := w.start("alice", speaking(profile)), w.start("bob", speaking(profile)), w.start("eve", speaking(causeway.ProfileNim))
			alice.send("hello")
			synctest.Wait()
			m := decoded(envelopes[0])
			wrapped := "hello"
			if profile.Segments == causeway.SegmentsAll { // the vector of the segment's format
				wrapped = "\x0a\x20\x1c\x8a\xff\x95\x06\x85\xc2\xed\x4b\xc3\x17\x4f\x34\x72\x28\x7b\x56\xd9\x51\x7b\x9c\x94\x81\x27\x31" +
					"\x9a\x09\xa7\xa3\x6d\xea\xc8\x10\x05\x20\x01\x3a\x05hello"
			}
			if string(envelopes[0].Meta) != "RELIABLE-CHANNEL-API/1" || m.Dialect != wire.Nim || string(m.Content) != wrapped {
				t.Errorf("%s: meta %q, dialect %v, content %q", profile.Name, envelopes[0].Meta, m.Dialect, m.Content)
			}
			equal(t, "bob's log", bob.log(true), []string{"hello"})
			eve.send("unmarked")
			synctest.Wait()
			end, err := w.network.Attach("mallory")
			check(t, err)
			for _, mark := range []string{"", "RELIABLE-CHANNEL-API/2", "RELIABLE-CHANNEL-API/1 "} {
				before := bob.node.Metrics()
				_, err = end.Publish(t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: []byte("x"), Meta: []byte(mark)})
				check(t, err)
				synctest.Wait()
				if after := bob.node.Metrics(); after.Unmarked != before.Unmarked+1 || after.Undecodable != before.Undecodable {
					t.Errorf("%s: marker %q: %+v", profile.Name, mark, after)
				}
			}
			time.Sleep(time.Minute)
			equal(t, "bob's log", bob.log(true), []string{"hello"})
		})
	}
}

func TestProfileRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1}, "alice")
		alice := w.start("alice")
		for name, p := range map[string]causeway.Profile{
			"Segments": {Segments: 3}, "SegmentSize": {SegmentSize: 100}, "ParityRate": {ParityRate: 2}, "Marker": {Marker: strings.Repeat("x", 65)},
		} {
			cfg := alice.config
			cfg.Channel, cfg.Profile = causeway.ChannelID(name), p
			if _, err := alice.node.Join(t.Context(), cfg); !errors.Is(err, causeway.ErrOptions) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: error %v", name, err)
			}
		}
	})
}
