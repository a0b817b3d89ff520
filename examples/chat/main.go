// Command chat lets two members talk over a network that loses a fifth of what
// it is handed, and alice learn who has her question.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

func main() {
	ctx := context.Background()
	network, _ := loopback.New(loopback.Options{Seed: 3, Loss: 0.2}) // or your own transport.Transport
	roster := &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{"alice-laptop": "Alice", "bob-phone": "Bob"}}
	join := func(who causeway.ParticipantID) *causeway.Channel {
		endpoint, _ := network.Attach(string(who))
		node, err := causeway.Open(ctx, causeway.Options{Store: store.NewMemory(), Transport: endpoint}) // or store.OpenSQL
		if err != nil {
			log.Fatal(err)
		}
		channel, err := node.Join(ctx, causeway.ChannelConfig{Channel: "tea", Participant: who, Roster: roster})
		if err != nil {
			log.Fatal(err)
		}
		return channel
	}
	alice, bob := join("alice-laptop"), join("bob-phone")
	receipt, _ := alice.Send(ctx, []byte("who wants tea?"), causeway.SendOptions{Want: causeway.Everyone}) // durable now
	for event := range bob.Events(ctx, 0) {
		if event.Kind == causeway.EventDelivered {
			fmt.Printf("bob reads: %s\n", event.Message.Content)
			break
		}
	}
	now, _ := receipt.Wait(ctx)
	fmt.Printf("alice knows that %d of %d have it: %v\n", now.Seen, now.Of, now.Persons)
}
