package storenode

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/causeway-im/causeway/transport"
)

// maxRequests bounds the requests of a client that are under way at once: an
// answer may have 16 MiB, and takes up to three times that while it is read.
const maxRequests = 8

// maxStores bounds Options.Stores.
const maxStores = 1000

// Options configure a Client.
type Options struct {
	// Stores are the store nodes, the preferred one first. Without any, all that
	// is asked is transport.ErrUnavailable.
	Stores []peer.AddrInfo
	// PubsubTopic returns the pubsub topic, a shard, that carries a content topic;
	// "" if there is none. It must be safe for concurrent use.
	PubsubTopic func(transport.Topic) string
	// Timeout is how long one store may take for one answer, the connection to it
	// included. Default 10 s.
	Timeout time.Duration
	// MinBackoff is how long a store is left alone after it did not answer, or
	// answered 429 or 503; it doubles with each time in a row, up to MaxBackoff.
	// Defaults 1 s and 1 min.
	MinBackoff, MaxBackoff time.Duration
	// Log is where failures of stores go. Default: nowhere.
	Log *slog.Logger

	now func() time.Time
}

func (o *Options) check() error {
	defaults := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	defaults(&o.Timeout, 10*time.Second)
	defaults(&o.MinBackoff, time.Second)
	defaults(&o.MaxBackoff, max(time.Minute, o.MinBackoff))
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	switch {
	case o.PubsubTopic == nil:
		return errors.New("no PubsubTopic")
	case len(o.Stores) > maxStores:
		return fmt.Errorf("%d stores, at most %d", len(o.Stores), maxStores)
	case o.Timeout < 0 || o.MinBackoff < 0 || o.MaxBackoff < o.MinBackoff:
		return errors.New("a duration is out of range")
	}
	for _, s := range o.Stores {
		if err := s.ID.Validate(); err != nil {
			return fmt.Errorf("a store: %w", err)
		}
	}
	return nil
}

// ParseStores turns multiaddrs that end in /p2p/… into Options.Stores.
func ParseStores(addresses ...string) ([]peer.AddrInfo, error) {
	stores := make([]peer.AddrInfo, len(addresses))
	for i, a := range addresses {
		info, err := peer.AddrInfoFromString(a)
		if err != nil {
			return nil, fmt.Errorf("storenode: store %q: %w", a, err)
		}
		stores[i] = *info
	}
	return stores, nil
}

// Client asks store nodes. It has no goroutines of its own and needs no Close. All
// methods are safe for concurrent use; at most 8 requests are under way at once,
// others wait.
//
// A store that can't be reached, does not answer in time, breaks the protocol or
// answers 429 or 5xx is left alone for a while, and the next one is asked. The
// error wraps transport.ErrUnavailable if no store answered and at least one may
// do so later, and a *StatusError for each store that said why. Stores that
// refuse a query (3xx, 4xx) are not left alone.
type Client struct {
	options Options
	host    host.Host
	stores  []*store
	slots   chan struct{}
	secret  [32]byte // of cursors

	mu    sync.Mutex
	stats Stats
}

var (
	_ transport.Retriever = (*Client)(nil)
	_ transport.Confirmer = (*Client)(nil)
)

// NewClient returns a client. The host belongs to the caller.
func NewClient(h host.Host, o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("storenode: %w", err)
	}
	c := &Client{options: o, host: h, slots: make(chan struct{}, maxRequests)}
	for i, info := range o.Stores {
		c.stores = append(c.stores, &store{index: i, info: info})
	}
	rand.Read(c.secret[:])
	return c, nil
}

// Connected tells the client that a new connection with a peer has come. If that
// is a store that is left alone because it gave no answer, it is asked again from
// now on: what was away is back. A store that has said that it is busy still rests.
func (c *Client) Connected(p peer.ID) {
	for _, s := range c.stores {
		if s.info.ID == p {
			s.reached()
		}
	}
}

// StatusError is a store's answer instead of messages.
type StatusError struct {
	Store       peer.ID
	Code        uint32
	Description string // in the words of the store
}

// Error returns code and description, and who says it.
func (e *StatusError) Error() string {
	return fmt.Sprintf("store %v answers %d %.200q", e.Store, e.Code, e.Description)
}

// temporary tells whether the store may answer later.
func (e *StatusError) temporary() bool { return e.Code == 0 || e.Code == 429 || e.Code >= 500 }

// Stats counts what a client has done.
type Stats struct {
	// Requests is how many were sent to stores or tried to. Each is in one of
	// those below, or its context ended.
	Requests int
	Answered int // with messages or hashes, or with none
	Limited  int // 429
	Failed   int // other answers that are no reason to give up: 5xx
	Refused  int // all other status codes
	TimedOut int // no answer within Options.Timeout
	Broken   int // no connection or stream, or an answer that breaks the protocol

	// PassedOver is how many times a store was not asked because it was left alone.
	PassedOver int
	// Failovers is how many requests were answered after another store had failed.
	Failovers int
	// Restarts is how many queries went on by time because a store did not take its
	// cursor.
	Restarts int

	// Bytes is what answers have in bytes.
	Bytes int
	// Messages is how many messages were accepted, and Present how many hashes were
	// said to be there.
	Messages, Present int

	// What stores returned and was dropped, by cause.
	Malformed int // no WakuMessage, or none where one was asked for
	Forged    int // has another hash than the store says
	OffTopic  int // of another pubsub or content topic
	Outside   int // of another time; nwaku on PostgreSQL has those at the very end
	Repeated  int // there before, as is normal after a fail-over or restart
	Unasked   int // a hash that was not asked for
}

// Stats returns what is counted since NewClient.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

func (c *Client) count(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.stats)
}
