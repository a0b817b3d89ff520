// Command parcel sends a picture that is too large for one message: it travels in
// parts, and is one message with one receipt.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

func main() {
	ctx := context.Background()
	network, err := loopback.New(loopback.Options{Seed: 1, Loss: 0.1})
	orDie(err)
	defer network.Close()
	join := func(who causeway.ParticipantID) *causeway.Channel {
		end, err := network.Attach(string(who))
		orDie(err)
		node, err := causeway.Open(ctx, causeway.Options{Store: store.NewMemory(), Transport: end})
		orDie(err)
		channel, err := node.Join(ctx, causeway.ChannelConfig{Channel: "tea", Participant: who})
		orDie(err)
		return channel
	}
	alice, bob := join("alice-laptop"), join("bob-phone")

	picture := bytes.Repeat([]byte("tea"), 300_000)
	receipt, err := alice.Send(ctx, picture, causeway.SendOptions{})
	orDie(err)
	for event, err := range bob.Events(ctx, 0) {
		orDie(err)
		if event.Kind == causeway.EventProgress {
			log.Printf("%d of %d parts", event.Progress.Held, event.Progress.Of) // a bar
		}
		if event.Kind == causeway.EventDelivered {
			fmt.Printf("bob has %d bytes, in %d parts\n", len(event.Message.Content), event.Message.Segments)
			break
		}
	}
	now, err := receipt.Wait(ctx)
	orDie(err)
	fmt.Printf("alice knows that %d has all of it\n", now.Seen)
}

func orDie(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
