package collector

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxLimiters is how many clients are remembered at a time.
const maxLimiters = 50_000

// limiters are token buckets by client. Those that are full again need not be
// remembered.
type limiters struct {
	rate  rate.Limit
	burst int

	mu  sync.Mutex
	all map[string]*rate.Limiter
}

func newLimiters(perSecond float64, burst int) *limiters {
	return &limiters{rate: rate.Limit(perSecond), burst: burst, all: map[string]*rate.Limiter{}}
}

// take takes n tokens of a client, and says how long to wait where there are not
// enough.
func (l *limiters) take(client string, n int, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.all[client]
	if one == nil {
		if len(l.all) >= maxLimiters {
			l.forget(now)
		}
		one = rate.NewLimiter(l.rate, l.burst)
		l.all[client] = one
	}
	r := one.ReserveN(now, min(n, l.burst))
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return wait
	}
	return 0
}

// forget drops those that are full, and if that is not enough all: an attacker with
// so many addresses gains no more than another burst.
func (l *limiters) forget(now time.Time) {
	for client, one := range l.all {
		if one.TokensAt(now) >= float64(l.burst) {
			delete(l.all, client)
		}
	}
	if len(l.all) >= maxLimiters {
		clear(l.all)
	}
}

// clientOf is the address of who asks: all of an IPv4 address, the network of an IPv6
// one. It is kept in memory, as long as it is limited, and nowhere else.
func clientOf(r *http.Request, trustProxy bool) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if trustProxy {
		list := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
		if last := strings.TrimSpace(list[len(list)-1]); last != "" {
			host = last
		}
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	address = address.Unmap().WithZone("")
	if address.Is6() {
		if network, err := address.Prefix(64); err == nil {
			return network.String()
		}
	}
	return address.String()
}

// gate lets some pass at the same time, and some more wait.
type gate struct {
	inside  chan struct{}
	waiting chan struct{}
}

func newGate(inside, waiting int) *gate {
	return &gate{make(chan struct{}, inside), make(chan struct{}, inside+waiting)}
}

// enter waits for a place, until done. It fails at once when too many wait.
func (g *gate) enter(done <-chan struct{}) bool {
	select {
	case g.waiting <- struct{}{}:
	default:
		return false
	}
	select {
	case g.inside <- struct{}{}:
		return true
	case <-done:
		<-g.waiting
		return false
	}
}

func (g *gate) leave() {
	<-g.inside
	<-g.waiting
}
