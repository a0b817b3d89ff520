//go:build go1.25

package causeway_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
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

// What somebody who can write to the transport, or a member that lies, does to a
// whole node. What it does to the protocol alone is in sds/hostile_test.go.

func keyOf(who causeway.ParticipantID) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(who))
	return ed25519.NewKeyFromSeed(seed[:])
}

func signer(t *testing.T, who causeway.ParticipantID, around causeway.Sealer) *seal.Signed {
	t.Helper()
	known := func(who causeway.ParticipantID) (ed25519.PublicKey, bool) {
		return keyOf(who).Public().(ed25519.PublicKey), who == "alice" || who == "bob" || who == "mallory"
	}
	s, err := seal.NewSigned(who, keyOf(who), known, around)
	check(t, err)
	return s
}

// signs makes a member sign, around messages or around content.
func signs(content bool) func(*member) {
	return func(m *member) {
		m.config.Sealer, m.config.Profile.SealContent = signer(m.w.t, m.config.Participant, nil), content
	}
}

// naming is a sync that somebody says is of a sender, and that names a message.
func naming(sender causeway.ParticipantID, lamport uint64, id causeway.MessageID) []byte {
	m := wire.Message{Dialect: wire.LIP, SenderID: sender, ChannelID: tea, Lamport: lamport, HasLamport: true,
		CausalHistory: []wire.HistoryEntry{{MessageID: id}}, MessageID: causeway.MessageID(fmt.Sprint("sync-", sender, lamport))}
	return m.Encode()
}

// With signatures a member that lies lies about itself alone. Without, everybody's
// word is taken, and receipts say so.
func TestSignedAcknowledgements(t *testing.T) {
	for _, signed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{}, "alice", "bob", "mallory")
			var how []func(*member)
			if signed {
				how = append(how, signs(false))
			}
			alice := w.start("alice", how...) // alone: nobody has what she says
			inject := w.intruder()
			receipt := alice.send("hello")
			synctest.Wait()
			now := uint64(time.Now().UnixMilli())
			lie, confession := naming("bob", now, receipt.ID()), naming("mallory", now, receipt.ID())
			if signed { // she has her own key only
				mallory := signer(t, "mallory", nil)
				var err error
				lie, err = mallory.Seal(tea, lie)
				check(t, err)
				confession, err = mallory.Seal(tea, confession)
				check(t, err)
			}
			inject(lie)
			inject(confession)
			r, err := receipt.Now(t.Context())
			check(t, err)
			want := 2
			if signed {
				want = 1
			}
			if r.Seen != want || r.Claimed == signed {
				t.Errorf("signed %v: seen by %v, claimed %v", signed, r.Persons, r.Claimed)
			}
			if m := alice.node.Metrics(); (m.Refused == 1) != signed {
				t.Errorf("signed %v: %d refused", signed, m.Refused)
			}
		})
	}
}

// Signed content proves nothing about the message around it: put into another, which
// names what it likes, it makes no receipt more than a claim. Under another name it is
// refused.
func TestRewrappedContentClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, inject := w.start("alice", signs(true)), w.intruder()
		receipt := alice.send("hello")
		synctest.Wait()
		content, err := signer(t, "bob", nil).Seal(tea, []byte("bob said this once"))
		check(t, err)
		rewrapped := func(sender causeway.ParticipantID) []byte {
			history := []wire.HistoryEntry{{MessageID: receipt.ID()}}
			now := uint64(time.Now().UnixMilli())
			m := wire.Message{Dialect: wire.LIP, SenderID: sender, ChannelID: tea, Lamport: now, HasLamport: true, Content: content,
				CausalHistory: history, MessageID: sds.NewMessageID(tea, sender, now, history, content)}
			return m.Encode()
		}
		inject(rewrapped("mallory"))
		if m := alice.node.Metrics(); m.Refused != 1 || alice.digest().Count != 1 {
			t.Errorf("under another name: %d refused, %d messages", m.Refused, alice.digest().Count)
		}
		inject(rewrapped("bob"))
		r, err := receipt.Now(t.Context())
		check(t, err)
		if r.Seen != 1 || !r.Claimed {
			t.Errorf("seen by %d, claimed %v", r.Seen, r.Claimed)
		}
	})
}

// Bytes of a real conversation, each played again a hundred times: logs, receipts
// and what is sent stay as they would be.
func TestReplayedPackets(t *testing.T) {
	for _, replay := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, loopback.Options{Seed: 4}, "alice", "bob")
			alice, bob := w.start("alice", signs(false)), w.start("bob", signs(false))
			var heard [][]byte // by eve, who sits on the line
			w.network.SetFilter(func(from, to string, e transport.Envelope) bool {
				if to == "alice" || from == "alice" {
					heard = append(heard, bytes.Clone(e.Payload))
				}
				return false
			})
			waitFor(t, alice.send("one"), causeway.SeenByAll)
			waitFor(t, bob.send("two"), causeway.SeenByAll)
			time.Sleep(time.Minute)
			synctest.Wait()
			before := alice.node.Metrics()
			digest := alice.digest()
			packets := heard
			w.network.SetFilter(nil)
			inject := w.intruder()
			if len(packets) < 3 {
				t.Fatalf("%d packets heard", len(packets))
			}
			for range 100 {
				for _, p := range packets {
					if replay {
						inject(p)
					}
				}
				time.Sleep(time.Second)
			}
			synctest.Wait()
			after := alice.node.Metrics()
			sent := uint64(0)
			for i := range after.Sent {
				sent += after.Sent[i].Packets - before.Sent[i].Packets
			}
			if alice.digest() != digest || len(alice.log(true)) != 2 || sent > 60 {
				t.Errorf("replay %v: log %v, %d packets sent", replay, alice.log(true), sent)
			}
		})
	}
}

// What a store has under the id of an own message is no word that it has the message:
// anybody can put something there. Else it would not be sent again.
func TestForgedCopyInStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Store: &loopback.StoreOptions{Down: true}}, "alice", "bob")
		alice, inject := w.start("alice"), w.intruder()
		time.Sleep(10 * time.Second) // she waits for the store no longer
		receipt := alice.send("hello")
		synctest.Wait()
		check(t, w.network.SetStore(loopback.StoreOptions{}))
		inject(genuine(tea, func(m *wire.Message) { m.SenderID, m.MessageID, m.Content = "alice", receipt.ID(), []byte("bye") }))
		alice.restart()
		synctest.Wait()
		if now := alice.now(alice.ch.Receipt(receipt.ID())); now.Level > causeway.Sent {
			t.Errorf("a copy with other content makes it %v", now.Level)
		}
		until(t, time.Minute, "what she sends again is in the store", func() bool {
			return alice.now(alice.ch.Receipt(receipt.ID())).Level == causeway.Stored
		})
	})
}
