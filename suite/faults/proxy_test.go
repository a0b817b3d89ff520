package faults

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/event"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/causeway-im/causeway/suite/waku"
)

// cut is what a proxy does to its connections.
type cut int

const (
	open cut = iota
	// hole: bytes wait, and new connections too, as when packets get lost and TCP
	// repeats them.
	hole
	// reset: connections are reset, old ones and new ones.
	reset
)

// proxy is the way to one address.
type proxy struct {
	listener net.Listener
	target   string
	addrs    []string // of the node behind, by this way

	mu     sync.Mutex
	change sync.Cond
	mode   cut
	closed bool
	conns  map[*net.TCPConn]struct{}
	work   sync.WaitGroup
}

// newProxy opens a way to a node.
func newProxy(t testing.TB, to *waku.Node) *proxy {
	t.Helper()
	full := to.Addrs()[0]
	addr, id, _ := strings.Cut(full, "/p2p/")
	target, err := ma.NewMultiaddr(addr)
	check(t, err)
	_, host, err := manet.DialArgs(target)
	check(t, err)
	p := proxyTo(t, host)
	own, err := manet.FromNetAddr(p.listener.Addr())
	check(t, err)
	p.addrs = []string{own.String() + "/p2p/" + id}
	return p
}

// proxyTo opens a way to an address.
func proxyTo(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	p := &proxy{listener: l, target: target, conns: map[*net.TCPConn]struct{}{}}
	p.change.L = &p.mu
	p.work.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// set cuts, or ends a cut.
func (p *proxy) set(mode cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
	if mode == reset {
		p.resetAll()
	}
	p.change.Broadcast()
}

func (p *proxy) resetAll() {
	for c := range p.conns {
		c.SetLinger(0)
		c.Close()
	}
	clear(p.conns)
}

func (p *proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.listener.Close()
	p.resetAll()
	p.change.Broadcast()
	p.mu.Unlock()
	p.work.Wait()
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.connect(c.(*net.TCPConn)) })
	}
}

// keep notes a connection, or resets it.
func (p *proxy) keep(c *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == reset || p.closed {
		c.SetLinger(0)
		c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

// passable waits while there is a hole; it tells whether bytes may go on.
func (p *proxy) passable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.mode == hole && !p.closed {
		p.change.Wait()
	}
	return p.mode == open && !p.closed
}

func (p *proxy) connect(near *net.TCPConn) {
	if !p.keep(near) || !p.passable() {
		near.Close()
		return
	}
	c, err := net.Dial("tcp", p.target)
	if err != nil {
		near.Close()
		return
	}
	far := c.(*net.TCPConn)
	if !p.keep(far) {
		near.Close()
		return
	}
	p.work.Go(func() { p.forward(near, far) })
	p.forward(far, near)
}

// forward carries bytes until either end closes. When it does, so does the other.
func (p *proxy) forward(from, to *net.TCPConn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if !p.passable() {
			break
		}
		if _, e := to.Write(b[:n]); e != nil || err != nil {
			break
		}
	}
	from.Close()
	to.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, from)
	delete(p.conns, to)
}

// onlyBy makes a node forget the addresses that its peers tell it: it must dial
// them by the proxies that it was given.
func onlyBy(t testing.TB, n *waku.Node) {
	events, err := n.Host().EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted))
	check(t, err)
	var work sync.WaitGroup
	work.Go(func() {
		for e := range events.Out() {
			n.Host().Peerstore().ClearAddrs(e.(event.EvtPeerIdentificationCompleted).Peer)
		}
	})
	t.Cleanup(func() { events.Close(); work.Wait() })
}

// TestProxy: a hole delays, a reset ends, and both end.
func TestProxy(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer echo.Close()
	p := proxyTo(t, echo.Addr().String())
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c)
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.listener.Addr().String())
		check(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	b := make([]byte, 2)
	c := dial()
	p.set(hole)
	_, err = c.Write([]byte("hi"))
	check(t, err)
	p.set(open)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hi" {
		t.Errorf("after a hole: %q, %v", b, err)
	}
	p.set(reset)
	if _, err := io.ReadFull(c, b); err == nil {
		t.Error("a connection survives a reset")
	}
	if c, err := net.Dial("tcp", p.listener.Addr().String()); err == nil {
		if _, err := io.ReadFull(c, b); err == nil {
			t.Error("a new connection survives a reset")
		}
		c.Close()
	}
	p.set(open)
	c = dial()
	_, err = c.Write([]byte("ho"))
	check(t, err)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "ho" {
		t.Errorf("after a reset: %q, %v", b, err)
	}
}
