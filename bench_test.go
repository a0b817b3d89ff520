package causeway_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport/loopback"
)

// A message from Send to its delivery at the other member, through both nodes,
// with that many messages of 256 bytes under way at once; and with a quota that is
// not reached.
func BenchmarkNode(b *testing.B) {
	for _, parallel := range []int{1, 64, -1, -64} {
		name, quota := fmt.Sprintf("senders=%d", max(parallel, -parallel)), causeway.Quota{}
		if parallel < 0 {
			parallel, quota = -parallel, causeway.Quota{Packets: 1 << 30, Window: 10 * time.Minute}
			name += "/quota"
		}
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			network, err := loopback.New(loopback.Options{Seed: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer network.Close()
			join := func(who causeway.ParticipantID) *causeway.Channel {
				end, err := network.Attach(string(who))
				if err != nil {
					b.Fatal(err)
				}
				n, err := causeway.Open(ctx, causeway.Options{Store: store.NewMemory(), Transport: end, Quota: quota})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { n.Close() })
				c, err := n.Join(ctx, causeway.ChannelConfig{Channel: "bench", Participant: who})
				if err != nil {
					b.Fatal(err)
				}
				return c
			}
			alice, bob := join("alice"), join("bob")
			content := make([]byte, 256)
			b.ReportAllocs()
			b.ResetTimer()
			tokens := make(chan struct{}, parallel)
			failed := make(chan error, b.N)
			for range b.N {
				tokens <- struct{}{}
				go func() {
					_, err := alice.Send(ctx, content, causeway.SendOptions{})
					<-tokens
					failed <- err
				}()
			}
			for range b.N {
				if err := <-failed; err != nil {
					b.Fatal(err)
				}
			}
			count := 0
			for e, err := range bob.Events(ctx, 0) {
				if err != nil {
					b.Fatal(err)
				}
				if e.Kind == causeway.EventDelivered {
					if count++; count == b.N {
						break
					}
				}
			}
		})
	}
}
