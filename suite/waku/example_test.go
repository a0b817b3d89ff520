package waku_test

import (
	"context"
	"fmt"
	"log"

	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/transport"
)

// Two relays on this machine: one is told of the other.
func Example() {
	ctx := context.Background()
	alice, err := waku.New(ctx, waku.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close()
	bob, err := waku.New(ctx, waku.Options{Peers: alice.Addrs()})
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()

	const topic = "/example/1/chat/proto"
	heard := make(chan transport.Received, 1)
	cancel, err := bob.Subscribe(topic, func(r transport.Received) { heard <- r })
	if err != nil {
		log.Fatal(err)
	}
	defer cancel()

	online := make(chan struct{}, 1)
	defer alice.Watch(func(up bool) {
		if up {
			online <- struct{}{}
		}
	})()
	<-online
	hint, err := alice.Publish(ctx, transport.Envelope{Topic: topic, Payload: []byte("hello")})
	if err != nil {
		log.Fatal(err)
	}
	r := <-heard
	fmt.Printf("%s; known to stores by %d bytes, the same for both: %v\n", r.Payload, len(hint), string(hint) == string(r.Hint))
	// Output: hello; known to stores by 32 bytes, the same for both: true
}
