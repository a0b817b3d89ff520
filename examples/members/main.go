// Command members lets somebody join a channel and somebody leave it: each message is
// counted against those who were members when it was sent.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

var people = map[causeway.ParticipantID]causeway.PersonID{
	"alice-laptop": "Alice", "alice-phone": "Alice", "bob-phone": "Bob", "carol-phone": "Carol"}

// rosterOf has the installations of these persons.
func rosterOf(persons ...causeway.PersonID) *causeway.Roster {
	r := &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{}}
	for installation, person := range people {
		for _, p := range persons {
			if p == person {
				r.Members[installation] = person
			}
		}
	}
	return r
}

func main() {
	ctx := context.Background()
	network, err := loopback.New(loopback.Options{})
	orDie(err)
	defer network.Close()
	join := func(who causeway.ParticipantID, roster *causeway.Roster, from time.Time) *causeway.Channel {
		end, err := network.Attach(string(who))
		orDie(err)
		node, err := causeway.Open(ctx, causeway.Options{Store: store.NewMemory(), Transport: end})
		orDie(err)
		config := causeway.ChannelConfig{Channel: "tea", Participant: who, Roster: roster}
		if !from.IsZero() {
			config.JoinPoint = uint64(from.UnixMilli()) // what is older is not missing
		}
		channel, err := node.Join(ctx, config)
		orDie(err)
		return channel
	}
	two, three, others := rosterOf("Alice", "Bob"), rosterOf("Alice", "Bob", "Carol"), rosterOf("Alice", "Carol")
	alice, bob := join("alice-laptop", two, time.Time{}), join("bob-phone", two, time.Time{})
	ask := func(text string) *causeway.Receipt {
		receipt, err := alice.Send(ctx, []byte(text), causeway.SendOptions{Want: causeway.Everyone})
		orDie(err)
		now, err := receipt.Wait(ctx)
		orDie(err)
		fmt.Printf("%s %d of %d: %v\n", text, now.Seen, now.Of, now.Persons)
		return receipt
	}
	first := ask("who wants tea?")

	carol := join("carol-phone", three, time.Now()) // Carol joins, and the others learn of it
	for _, channel := range []*causeway.Channel{alice, bob} {
		orDie(channel.SetRoster(ctx, three))
	}
	ask("still nobody?")

	for _, channel := range []*causeway.Channel{alice, carol} { // Bob is no member any more
		orDie(channel.SetRoster(ctx, others))
	}
	ask("anybody else?")

	now, err := first.Now(ctx)
	orDie(err)
	fmt.Printf("the first is %d of %d as before\n", now.Seen, now.Of)
}

func orDie(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
