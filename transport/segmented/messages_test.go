package segmented_test

import (
	"context"
	"testing"

	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/faults"
	"github.com/causeway-im/causeway/transport/loopback"
	"github.com/causeway-im/causeway/transport/segmented"
)

// A payload counts as what it makes, also behind faults.
func TestMessages(t *testing.T) {
	network, err := loopback.New(loopback.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	for name, cfg := range configs {
		e, err := network.Attach(name)
		if err != nil {
			t.Fatal(err)
		}
		inner := &counted{Endpoint: e}
		cut, err := segmented.New(inner, segmented.Options{Config: cfg})
		if err != nil {
			t.Fatal(err)
		}
		tr, _ := faults.Wrap(cut, faults.Options{})
		for _, length := range []int{1, 4, 5, 100, 192, 400, 1000} {
			inner.n = 0
			if _, err := tr.Publish(t.Context(), transport.Envelope{Topic: "c", Payload: make([]byte, length)}); err != nil {
				continue // too large
			}
			if n := tr.(transport.Divider).Messages(length); n != inner.n {
				t.Errorf("%s: %d bytes make %d messages, Messages says %d", name, length, inner.n, n)
			}
		}
	}
}

// counted counts what it publishes.
type counted struct {
	*loopback.Endpoint
	n int
}

func (c *counted) Publish(ctx context.Context, e transport.Envelope) ([]byte, error) {
	c.n++
	return c.Endpoint.Publish(ctx, e)
}
