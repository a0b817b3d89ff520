package segmented_test

import (
	"context"
	"fmt"
	"log"

	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
	"github.com/causeway-im/causeway/transport/segmented"
)

// Alice publishes more than the network carries in one message, as status-go does.
func Example() {
	network, err := loopback.New(loopback.Options{MaxPayload: 150 << 10})
	if err != nil {
		log.Fatal(err)
	}
	defer network.Close()
	join := func(name string) transport.Transport {
		endpoint, _ := network.Attach(name)
		t, err := segmented.New(endpoint, segmented.Options{Config: segment.StatusConfig(150 << 10)})
		if err != nil {
			log.Fatal(err)
		}
		return t
	}
	alice, bob := join("alice"), join("bob")

	heard := make(chan int)
	const topic = transport.Topic("/tea/1/room/proto")
	bob.Subscribe(topic, func(r transport.Received) { heard <- len(r.Payload) })
	alice.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: make([]byte, 1_000_000)})
	fmt.Println("bob hears", <-heard, "bytes in", network.Stats().Published, "envelopes")
	// Output:
	// bob hears 1000000 bytes in 10 envelopes
}
