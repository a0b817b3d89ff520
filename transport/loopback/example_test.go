package loopback_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// Bob hears the first message, loses the second, and finds both in the store.
func Example() {
	network, err := loopback.New(loopback.Options{Seed: 1, Store: &loopback.StoreOptions{}})
	if err != nil {
		log.Fatal(err)
	}
	defer network.Close()
	alice, _ := network.Attach("alice")
	bob, _ := network.Attach("bob")

	heard := make(chan string, 10)
	const topic = transport.Topic("/tea/1/room/proto")
	cancel, _ := bob.Subscribe(topic, func(r transport.Received) { heard <- string(r.Payload) })
	defer cancel()

	ctx := context.Background()
	alice.Publish(ctx, transport.Envelope{Topic: topic, Payload: []byte("who wants tea?")})
	fmt.Println("bob hears:", <-heard)

	bob.SetLoss(1)
	hint, _ := alice.Publish(ctx, transport.Envelope{Topic: topic, Payload: []byte("anyone?")})
	found, _ := bob.Retrieve(ctx, topic, [][]byte{hint})
	fmt.Printf("bob retrieves: %s\n", found[0].Payload)

	page, _ := bob.Query(ctx, transport.Query{Topic: topic, To: time.Now().Add(time.Hour), Limit: 10})
	fmt.Println("the store has:", len(page.Messages))
	fmt.Println("lost:", network.Stats().Lost)
	// Output:
	// bob hears: who wants tea?
	// bob retrieves: anyone?
	// the store has: 2
	// lost: 1
}
