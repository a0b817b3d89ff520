package waku

import (
	"context"
	"testing"

	"github.com/causeway-im/causeway/transport"
)

// Each operation is a message of 1 KiB, from Publish until it has been received.

func BenchmarkRelayLatency(b *testing.B) {
	nodes := relays(b, 2, nil)
	oneByOne(b, nodes[0], nodes[1])
}

func BenchmarkLightLatency(b *testing.B) {
	x, y := lightPair(b)
	oneByOne(b, x, y)
}

func BenchmarkRelayThroughput(b *testing.B) {
	nodes := relays(b, 2, nil)
	inParallel(b, nodes[0], nodes[1])
}

func BenchmarkLightThroughput(b *testing.B) {
	x, y := lightPair(b)
	inParallel(b, x, y)
}

func lightPair(b *testing.B) (x, y *Node) {
	_, addrs := services(b, func(_ int, o *Options) { o.Limits = Limits{PushRate: 1e9} })
	x = open(b, Options{Mode: Light, ServiceNodes: addrs})
	y = open(b, Options{Mode: Light, ServiceNodes: addrs})
	await(b, x, "service nodes", receiving(2))
	await(b, y, "service nodes", receiving(2))
	return x, y
}

func oneByOne(b *testing.B, from, to *Node) {
	got := listen(b, to)
	payload := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := from.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: payload}); err != nil {
			b.Fatal(err)
		}
		receive(b, "a message", got)
	}
}

func inParallel(b *testing.B, from, to *Node) {
	got := make(chan struct{}, b.N)
	cancel, err := to.Subscribe(topic, func(transport.Received) { got <- struct{}{} })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cancel)
	payload := make([]byte, 1024)
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := from.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: payload}); err != nil {
				b.Error(err)
			}
		}
	})
	for range b.N {
		receive(b, "a message", got)
	}
}
