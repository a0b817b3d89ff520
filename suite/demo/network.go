package demo

import (
	"context"
	"time"

	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// network is what the members of a group talk over. counts may be called at any
// time; all else is for one goroutine.
type network interface {
	// attach connects the next member, in the order of their indices.
	attach(ctx context.Context, member int) (link, error)
	// connected waits until all members that were attached can hear each other.
	connected(ctx context.Context) error
	counts() counts
	close() error
}

// link is one member's connection.
type link interface {
	transport() transport.Transport
	// setOnline takes the network from the member, or gives it back. It knows.
	setOnline(online bool)
}

// counts are copies of packets for members.
type counts struct {
	handed  int // handed to a member who was online
	lost    int // of them lost
	unheard int // not handed, since the member was offline
}

// newNetwork makes the network without members. Its files are in the folder.
func newNetwork(ctx context.Context, o Options, folder string, rec *recorder) (network, error) {
	if o.Transport == Waku {
		return newWakuNet(ctx, o, folder, rec)
	}
	n, err := loopback.New(loopback.Options{Seed: o.Seed, Loss: o.Loss, MinDelay: minDelay, MaxDelay: maxDelay})
	if err != nil {
		return nil, err
	}
	return loopbackNet{n}, nil
}

// The delays of the loopback network.
const (
	minDelay = 40 * time.Millisecond
	maxDelay = 160 * time.Millisecond
)

type loopbackNet struct{ network *loopback.Network }

func (n loopbackNet) attach(_ context.Context, member int) (link, error) {
	end, err := n.network.Attach(string(participant(member)))
	return loopbackLink{end}, err
}

func (loopbackNet) connected(context.Context) error { return nil }

func (n loopbackNet) counts() counts {
	s := n.network.Stats()
	return counts{handed: s.Handed - s.Offline, lost: s.Lost, unheard: s.Offline}
}

func (n loopbackNet) close() error {
	n.network.Close()
	return nil
}

type loopbackLink struct{ end *loopback.Endpoint }

// transport returns the endpoint without the queries: this network has no store.
func (l loopbackLink) transport() transport.Transport { return struct{ transport.Transport }{l.end} }

func (l loopbackLink) setOnline(online bool) { l.end.SetOnline(online) }
