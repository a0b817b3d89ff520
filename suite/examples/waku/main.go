// Command waku lets two members talk over Waku on this machine, through a relay that
// keeps messages for whoever was away: alice has written, and closed her laptop, when bob
// comes.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/suite/waku/storenode"
)

var roster = &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{"alice-laptop": "Alice", "bob-phone": "Bob"}}

// topic is a content topic of Waku.
const topic = "/tea/1/chat/proto"

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "causeway-waku")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	relay, err := waku.New(ctx, waku.Options{Store: func(ctx context.Context, h host.Host) (waku.Store, error) {
		db, err := sqlite.Open(ctx, filepath.Join(folder, "store.db"))
		if err != nil {
			return nil, err
		}
		return storenode.NewServer(ctx, h, db, storenode.ServerOptions{})
	}})
	if err != nil {
		return err
	}
	defer relay.Close()
	laptop, alice, err := join(ctx, "alice-laptop", relay.Addrs())
	if err != nil {
		return err
	}
	receipt, err := alice.Send(ctx, []byte("tea at five"), causeway.SendOptions{Want: causeway.Everyone})
	if err != nil {
		return err
	}
	now, err := receipt.WaitFor(ctx, causeway.Stored) // bob is not there, and the store has it
	if err != nil {
		return err
	}
	fmt.Printf("%v: seen by %d of %d\n", now.Level, now.Seen, now.Of)

	if err := laptop.Suspend(ctx); err != nil {
		return err
	}
	_, bob, err := join(ctx, "bob-phone", relay.Addrs())
	if err != nil {
		return err
	}
	for event, err := range bob.Events(ctx, 0) {
		if err != nil {
			return err
		}
		if event.Kind == causeway.EventDelivered {
			fmt.Printf("bob reads: %s (from the store: %v)\n", event.Message.Content, event.Message.Retrieved)
			break
		}
	}
	if err := laptop.Resume(ctx); err != nil {
		return err
	}
	now, err = receipt.Wait(ctx)
	fmt.Printf("%v: seen by %d of %d\n", now.Level, now.Seen, now.Of)
	return err
}

// join starts a node over Waku. It ends with the program; an application closes both.
func join(ctx context.Context, who causeway.ParticipantID, others []string) (*causeway.Node, *causeway.Channel, error) {
	network, err := waku.New(ctx, waku.Options{Peers: others, StoreNodes: others})
	if err != nil {
		return nil, nil, err
	}
	node, err := causeway.Open(ctx, causeway.Options{Store: store.NewMemory(), Transport: network.Transport()})
	if err != nil {
		return nil, nil, err
	}
	channel, err := node.Join(ctx, causeway.ChannelConfig{Channel: "tea", Participant: who, Roster: roster, Topic: topic})
	return node, channel, err
}
