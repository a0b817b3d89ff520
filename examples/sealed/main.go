// Command sealed lets two members talk in a channel that nobody else can read, where a
// receipt counts a person on that person's word alone.
package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log"
	"sync/atomic"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/seal"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

var roster = &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{"alice-laptop": "Alice", "bob-phone": "Bob"}}

func main() {
	ctx := context.Background()
	network, err := loopback.New(loopback.Options{})
	orDie(err)
	defer network.Close()
	var readable atomic.Bool
	network.SetFilter(func(_, _ string, e transport.Envelope) bool { // somebody listens
		if bytes.Contains(e.Payload, []byte("tea")) || bytes.Contains(e.Payload, []byte("alice")) {
			readable.Store(true)
		}
		return false
	})

	secret := make([]byte, seal.SecretSize) // all members have it
	rand.Read(secret)
	public, private := map[causeway.ParticipantID]ed25519.PublicKey{}, map[causeway.ParticipantID]ed25519.PrivateKey{}
	for who := range roster.Members {
		public[who], private[who], err = ed25519.GenerateKey(nil)
		orDie(err)
	}
	join := func(who causeway.ParticipantID) *causeway.Channel {
		end, err := network.Attach(string(who))
		orDie(err)
		node, err := causeway.Open(ctx, causeway.Options{Store: store.NewMemory(), Transport: end})
		orDie(err)
		sealer, err := sealerOf(who, secret, private[who], public)
		orDie(err)
		channel, err := node.Join(ctx, causeway.ChannelConfig{
			Channel: "tea", Participant: who, Roster: roster, Sealer: sealer, Secret: secret})
		orDie(err)
		return channel
	}
	alice, bob := join("alice-laptop"), join("bob-phone")
	receipt, err := alice.Send(ctx, []byte("tea is ready"), causeway.SendOptions{})
	orDie(err)
	now, err := receipt.Wait(ctx)
	orDie(err)
	message, err := bob.Message(ctx, receipt.ID())
	orDie(err)
	fmt.Printf("bob reads: %s\n", message.Content)
	fmt.Printf("others can read it: %v; the receipt is a claim: %v\n", readable.Load(), now.Claimed)
}

// sealerOf encrypts with what all members have, and signs with what only one has.
func sealerOf(who causeway.ParticipantID, secret []byte, own ed25519.PrivateKey,
	public map[causeway.ParticipantID]ed25519.PublicKey) (causeway.Sealer, error) {
	keys, err := seal.New(secret)
	if err != nil {
		return nil, err
	}
	return seal.NewSigned(who, own, func(who causeway.ParticipantID) (ed25519.PublicKey, bool) {
		key, ok := public[who]
		return key, ok
	}, keys)
}

func orDie(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
