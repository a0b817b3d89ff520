package waku

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

// far is a way to a node that takes time: bytes wait for delay in each direction.
// Those to the node can be held back altogether.
type far struct {
	delay time.Duration
	addrs []string // of the node, by this way
	work  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	held  chan struct{} // closed: not held
}

func newFar(t testing.TB, to *Node, delay time.Duration) *far {
	t.Helper()
	addr, id, _ := strings.Cut(to.Addrs()[0], "/p2p/")
	target, err := ma.NewMultiaddr(addr)
	if err != nil {
		t.Fatal(err)
	}
	_, host, err := manet.DialArgs(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own, err := manet.FromNetAddr(l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	f := &far{delay: delay, addrs: []string{own.String() + "/p2p/" + id}, held: make(chan struct{})}
	close(f.held)
	f.work.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", host)
			if err != nil {
				near.Close()
				continue
			}
			f.mu.Lock()
			f.conns = append(f.conns, near, there)
			f.mu.Unlock()
			f.work.Go(func() { f.carry(near, there, true) })
			f.work.Go(func() { f.carry(there, near, false) })
		}
	})
	t.Cleanup(func() {
		f.release()
		l.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			c.Close()
		}
		f.mu.Unlock()
		f.work.Wait()
	})
	return f
}

// hold keeps all bytes to the node back, from now on until release.
func (f *far) hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = make(chan struct{})
}

func (f *far) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.held:
	default:
		close(f.held)
	}
}

func (f *far) gate() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held
}

// carry brings bytes from one connection to the other, each after the delay, any
// number on the way.
func (f *far) carry(from, to net.Conn, there bool) {
	type parcel struct {
		bytes []byte
		due   time.Time
	}
	way := make(chan parcel, 4096)
	f.work.Go(func() {
		defer to.Close()
		for p := range way {
			<-time.After(time.Until(p.due))
			if there {
				<-f.gate()
			}
			if _, err := to.Write(p.bytes); err != nil {
				from.Close()
				io.Copy(io.Discard, from)
			}
		}
	})
	defer close(way)
	for {
		b := make([]byte, 32<<10)
		n, err := from.Read(b)
		if n > 0 {
			way <- parcel{b[:n], time.Now().Add(f.delay)}
		}
		if err != nil {
			return
		}
	}
}

// farLight is a light node that has one service node, over a way.
func farLight(t *testing.T, delay time.Duration) (light, service *Node, way *far) {
	t.Helper()
	service = open(t, Options{ServeFilter: true, ServeLightpush: true})
	way = newFar(t, service, delay)
	light = open(t, Options{Mode: Light, ServiceNodes: way.addrs})
	await(t, light, "a service node", receiving(1))
	return light, service, way
}

// TestPushNeedsNoAnswer: a service node pushes without waiting for what a light
// node answers, up to a bound, and in order. In between not a byte comes back.
func TestPushNeedsNoAnswer(t *testing.T) {
	light, service, way := farLight(t, 0)
	got := listen(t, light)
	way.hold()
	for i := range 2 * pushStreams {
		publish(t, service, fmt.Sprint(i))
	}
	arrived := map[string]bool{}
	for range pushStreams {
		arrived[string(receive(t, fmt.Sprint("message ", len(arrived)), got).Payload)] = true
	}
	for i := range pushStreams {
		if !arrived[fmt.Sprint(i)] {
			t.Errorf("message %d was overtaken by a later one", i)
		}
	}
	if n := len(got); n > 0 {
		t.Errorf("%d messages more than may be on their way", n)
	}
	if s := service.Stats(); s.Served != 0 || s.Dropped.LightFailed != 0 {
		t.Errorf("%d messages are counted as pushed, though the light node said nothing; %d failed", s.Served, s.Dropped.LightFailed)
	}
	way.release()
	for range pushStreams {
		receive(t, "the rest", got)
	}
	noDrops(t, service)
}

// TestPushFarAway: a light node far away gets many messages in one round trip.
func TestPushFarAway(t *testing.T) {
	const messages = 640
	light, service, _ := farLight(t, 40*time.Millisecond)
	all := make(chan struct{})
	left := messages
	cancel, err := light.Subscribe(topic, func(transport.Received) {
		if left--; left == 0 {
			close(all)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	// None leaves before all are there: how fast they are published does not matter.
	service.filter.mu.Lock()
	member := service.filter.members[light.ID()]
	service.filter.mu.Unlock()
	for range pushStreams {
		member.open <- struct{}{}
	}
	for i := range messages {
		publish(t, service, fmt.Sprint(i))
	}
	for range pushStreams {
		<-member.open
	}
	var work sync.WaitGroup
	trips := 0
	work.Go(func() { // a ping is answered after a round trip, by the same way
		ping := (&wire.FilterRequest{RequestID: "1", Type: wire.FilterPing}).Marshal()
		for {
			select {
			case <-all:
				return
			default:
			}
			if _, err := light.call(context.Background(), service.ID(), wire.FilterSubscribeProtocol, ping); err != nil {
				t.Error(err)
				return
			}
			trips++
		}
	})
	receive(t, "the last message", all)
	work.Wait()
	t.Logf("%d messages in %d round trips", messages, trips)
	if 2*trips > messages { // one at a time would take as many trips
		t.Errorf("%d messages took %d round trips", messages, trips)
	}
	noDrops(t, service, light)
}

// until waits for what nothing tells.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// TestPushOutcome: what a light node resets was not pushed, and a light node that
// never closes a stream gets what comes after all the same.
func TestPushOutcome(t *testing.T) {
	const messages = 2 * pushStreams
	p := fast
	p.pushClose = time.Millisecond
	for name, x := range map[string]struct {
		then           func(network.Stream)
		pace           pace
		served, failed uint64
	}{
		"closes":       {func(s network.Stream) { s.Close() }, fast, messages, 0},
		"resets":       {func(s network.Stream) { s.Reset() }, fast, 0, messages},
		"never closes": {func(network.Stream) {}, p, messages, 0},
	} {
		t.Run(name, func(t *testing.T) {
			service := open(t, Options{ServeFilter: true, ServeLightpush: true, pace: x.pace})
			light := open(t, Options{Mode: Light, ServiceNodes: service.Addrs()})
			await(t, light, "a service node", receiving(1))
			listen(t, light)
			read := make(chan struct{}, messages)
			light.host.SetStreamHandler(wire.FilterPushProtocol, func(s network.Stream) {
				if _, err := wire.ReadFrame(bufio.NewReader(s), wire.MaxRequest); err == nil {
					read <- struct{}{}
				}
				x.then(s)
			})
			for i := range messages {
				publish(t, service, fmt.Sprint(i))
			}
			for i := range messages {
				receive(t, fmt.Sprint("message ", i), read)
			}
			until(t, "the outcome of all", func() bool {
				s := service.Stats()
				return s.Served+s.Dropped.LightFailed == messages
			})
			if s := service.Stats(); s.Served != x.served || s.Dropped.LightFailed != x.failed {
				t.Errorf("%d pushed, %d failed; want %d and %d", s.Served, s.Dropped.LightFailed, x.served, x.failed)
			}
		})
	}
}
