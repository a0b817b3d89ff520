// Command screen shows on bob's screen what alice writes: what an application makes of
// events, and what it shows of its own messages.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

var roster = &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{"alice-laptop": "Alice", "bob-phone": "Bob"}}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	network, err := loopback.New(loopback.Options{})
	if err != nil {
		return err
	}
	defer network.Close()
	alice, err := enter(ctx, network, "alice-laptop", nil)
	if err != nil {
		return err
	}
	bob, err := enter(ctx, network, "bob-phone", nil)
	if err != nil {
		return err
	}
	shown, done := make(chan causeway.MessageID, 1), make(chan error, 1)
	bob.shown = shown
	go func() { done <- bob.follow(ctx) }()

	receipt, err := alice.channel.Send(ctx, []byte("who wants tea?"), causeway.SendOptions{Want: causeway.Everyone})
	if err != nil {
		return err // it was not sent
	}
	now, err := receipt.Wait(ctx)
	if err != nil {
		return err // ctx ended; the message goes on all the same
	}
	select {
	case <-shown: // bob's node has the message before his screen shows it
	case err := <-done:
		return err
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		return err
	}
	fmt.Println(ticks(&now))
	return nil
}

// enter joins the channel over the network, with what wrap puts around that.
func enter(ctx context.Context, network *loopback.Network, who causeway.ParticipantID,
	wrap func(transport.Transport) transport.Transport) (*screen, error) {
	end, err := network.Attach(string(who))
	if err != nil {
		return nil, err
	}
	var carrier transport.Transport = end
	if wrap != nil {
		carrier = wrap(end)
	}
	kept := store.NewMemory()
	node, err := causeway.Open(ctx, causeway.Options{Store: kept, Transport: carrier})
	if err != nil {
		return nil, err
	}
	channel, err := node.Join(ctx, causeway.ChannelConfig{Channel: "tea", Participant: who, Roster: roster})
	if err != nil {
		return nil, err
	}
	return &screen{channel: channel, kept: kept, out: os.Stdout}, nil
}
