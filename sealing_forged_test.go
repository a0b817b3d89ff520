//go:build go1.25

package causeway_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/seal"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// Where only content is sealed, everybody sees ids. Content under another key put under
// the id of a message must not make members take the message for one of others.
func TestForgedNotForMe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 5}, "alice", "bob")
		alice, bob := w.start("alice", keyed(t, 1, true)), w.start("bob", keyed(t, 1, true))
		inject := w.intruder()
		time.Sleep(time.Minute)
		var seen wire.Message
		w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
			if m := decoded(e); from == "alice" && len(m.Content) > 0 {
				seen = m
				return true
			}
			return false
		})
		alice.send("hello")
		synctest.Wait()
		others, err := seal.New(bytes.Repeat([]byte{9}, seal.SecretSize))
		check(t, err)
		seen.Content, err = others.Seal(tea, []byte("nothing"))
		check(t, err)
		inject(seen.Encode())
		w.network.SetFilter(nil)
		until(t, time.Hour, "bob has it", func() bool { return len(bob.log(true)) == 1 })
		if alice.digest() != bob.digest() {
			t.Error("the logs differ")
		}
	})
}

// Where ids prove nothing, what is under the id of a message is the word of whoever sent
// it: the message is looked for all the same when its sender names it.
func TestForgedOpaqueNotForMe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 5, Store: &loopback.StoreOptions{}}, "alice", "bob")
		nim := func(m *member) {
			m.config.Profile = causeway.ProfileNim
			keyed(t, 1, true)(m)
		}
		alice, bob := w.start("alice", nim), w.start("bob", nim)
		inject := w.intruder()
		time.Sleep(time.Minute)
		var seen wire.Message
		w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
			if m := decoded(e); from == "alice" && len(m.Content) > 0 {
				seen = m
				return true
			}
			return false
		})
		_, err := alice.ch.Send(t.Context(), []byte("hello"), causeway.SendOptions{ID: "chosen"})
		check(t, err)
		synctest.Wait()
		w.network.SetFilter(nil)
		others, err := seal.New(bytes.Repeat([]byte{9}, seal.SecretSize))
		check(t, err)
		seen.Content, err = others.Seal(tea, []byte("nothing"))
		check(t, err)
		inject(seen.Encode())
		alice.send("again")
		synctest.Wait()
		if n := bob.status().Skipped; n != 1 {
			t.Errorf("%d are looked for", n)
		}
	})
}

// Nor must a hint, of a packet that is another message.
func TestForgedHintNotForMe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 5, Store: &loopback.StoreOptions{}}, "alice", "bob", "carol")
		alice, bob := w.start("alice", keyed(t, 1, true)), w.start("bob", keyed(t, 1, true))
		time.Sleep(time.Minute)
		end, err := w.network.Attach("intruder")
		check(t, err)
		publish := func(m *wire.Message) []byte {
			hint, err := end.Publish(t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: m.Encode()})
			check(t, err)
			synctest.Wait()
			return hint
		}
		others, err := seal.New(bytes.Repeat([]byte{9}, seal.SecretSize))
		check(t, err)
		nothing, err := others.Seal(tea, []byte("nothing"))
		check(t, err)
		now := uint64(time.Now().UnixMilli())
		hint := publish(&wire.Message{Dialect: wire.LIP, SenderID: "carol", ChannelID: tea, Lamport: now, HasLamport: true, Content: nothing,
			MessageID: sds.NewMessageID(tea, "carol", now, nil, nothing)})
		w.network.SetFilter(func(from, to string, _ transport.Envelope) bool { return from == "alice" })
		r := alice.send("hello")
		synctest.Wait()
		publish(&wire.Message{Dialect: wire.LIP, SenderID: "carol", ChannelID: tea, Lamport: now, HasLamport: true, MessageID: "sync-1",
			CausalHistory: []wire.HistoryEntry{{MessageID: r.ID(), RetrievalHint: hint}}})
		time.Sleep(5 * time.Second)
		if n := bob.status().Missing; n != 1 {
			t.Errorf("%d are missing", n)
		}
		w.network.SetFilter(nil)
		until(t, time.Hour, "bob has it", func() bool { return len(bob.log(true)) == 1 })
	})
}

// Where packets are sealed as a whole, a hint is the word of the member that gives it.
// Who asked a store by it, and got what is sealed for others, takes the message all the
// same when it comes.
func TestLyingHintOfAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 5, Store: &loopback.StoreOptions{}}, "alice", "bob", "carol")
		alice, bob := w.start("alice", keyed(t, 1, false)), w.start("bob", keyed(t, 1, false))
		time.Sleep(time.Minute)
		end, err := w.network.Attach("carol")
		check(t, err)
		publish := func(key byte, message []byte) []byte {
			sealer, err := seal.New(bytes.Repeat([]byte{key}, seal.SecretSize))
			check(t, err)
			sealed, err := sealer.Seal(tea, message)
			check(t, err)
			hint, err := end.Publish(t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: sealed})
			check(t, err)
			synctest.Wait()
			return hint
		}
		hint := publish(9, []byte("nothing"))
		w.network.SetFilter(func(from, to string, _ transport.Envelope) bool { return from == "alice" })
		r := alice.send("hello", causeway.Everyone)
		synctest.Wait()
		now := uint64(time.Now().UnixMilli())
		lie := wire.Message{Dialect: wire.LIP, SenderID: "carol", ChannelID: tea, Lamport: now, HasLamport: true, MessageID: "sync-1",
			CausalHistory: []wire.HistoryEntry{{MessageID: r.ID(), RetrievalHint: hint}}}
		publish(1, lie.Encode())
		until(t, time.Minute, "bob was lied to", func() bool {
			return slices.ContainsFunc(bob.events(), func(e causeway.Event) bool { return e.Kind == causeway.EventGap && e.Gap.State == causeway.GapNotForMe })
		})
		w.network.SetFilter(nil)
		until(t, time.Hour, "bob has it", func() bool { return len(bob.log(true)) == 1 })
		if alice.digest() != bob.digest() {
			t.Error("the logs differ")
		}
	})
}

// The store is asked by another hint, too, when somebody gives one: who lied first does
// not keep the message away for as long as nobody repeats it.
func TestLyingHintThenAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 5, Store: &loopback.StoreOptions{}}, "alice", "bob", "carol")
		alice, bob := w.start("alice", keyed(t, 1, false)), w.start("bob", keyed(t, 1, false))
		time.Sleep(65 * time.Second) // a channel that is silent asks at full minutes
		end, err := w.network.Attach("carol")
		check(t, err)
		publish := func(key byte, message []byte) []byte {
			sealer, err := seal.New(bytes.Repeat([]byte{key}, seal.SecretSize))
			check(t, err)
			sealed, err := sealer.Seal(tea, message)
			check(t, err)
			hint, err := end.Publish(t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: sealed})
			check(t, err)
			synctest.Wait()
			return hint
		}
		w.network.SetFilter(func(from, to string, _ transport.Envelope) bool { return from == "alice" && to == "bob" })
		r := alice.send("hello", causeway.Everyone)
		synctest.Wait()
		kept, err := alice.ch.Message(t.Context(), r.ID())
		check(t, err)
		name := func(hint []byte) {
			m := wire.Message{Dialect: wire.LIP, SenderID: "carol", ChannelID: tea, Lamport: uint64(time.Now().UnixMilli()), HasLamport: true,
				MessageID: wire.MessageID("sync-" + hex.EncodeToString(hint[:4])), CausalHistory: []wire.HistoryEntry{{MessageID: r.ID(), RetrievalHint: hint}}}
			publish(1, m.Encode())
		}
		name(publish(9, []byte("nothing")))
		until(t, time.Minute, "bob was lied to", func() bool {
			return slices.ContainsFunc(bob.events(), func(e causeway.Event) bool { return e.Kind == causeway.EventGap && e.Gap.State == causeway.GapNotForMe })
		})
		name(kept.Hint)
		until(t, 5*time.Second, "bob has it", func() bool { return len(bob.log(true)) == 1 })
	})
}
