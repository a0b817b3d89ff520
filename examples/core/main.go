// Command core lets two members talk through the state machine alone: alice's
// second message arrives first, and bob waits for the one that it depends on.
package main

import (
	"fmt"
	"log"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

func main() {
	now := sds.At(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	open := func(who sds.ParticipantID) *sds.Channel {
		c, err := sds.New(sds.Config{Channel: "tea", Participant: who}, now)
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	alice, bob := open("alice"), open("bob")
	first, _ := alice.Send(now, []byte("who wants tea?"), sds.SendOptions{})
	alice.Send(now, []byte("anyone?"), sds.SendOptions{})
	packets := handle("alice", alice)
	for _, p := range []sds.Packet{packets[1], packets[0]} { // overtaken on the way
		m, _ := wire.Decode(p.Payload)
		bob.Receive(now, m, sds.Origin{})
		handle("bob", bob)
	}
	bob.Send(now, []byte("me"), sds.SendOptions{}) // names what bob has
	reply, _ := wire.Decode(handle("bob", bob)[0].Payload)
	alice.Receive(now, reply, sds.Origin{})
	handle("alice", alice)
	receipt, _ := alice.Receipt(first)
	fmt.Println("alice knows who has her question:", receipt.Persons)
}

// handle is what a host does, without the storage.
func handle(who string, c *sds.Channel) []sds.Packet {
	r := c.Ready() // r.Changes would be written here, before anything leaves
	for _, d := range r.Deliveries {
		fmt.Printf("%s: %d. %s\n", who, d.Position, d.Content)
	}
	for _, gap := range r.Gaps {
		fmt.Printf("%s: a message of %s is %v\n", who, gap.Sender, gap.State)
	}
	c.Advance()
	return r.Packets
}
