package storenode

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// Bounds on what queries cost a server.
const (
	// defaultPage is the messages of a page when a query has no limit, as
	// elsewhere.
	defaultPage = 20
	// pageBytes is when a page is full, whatever its limit: a page takes about
	// three times its size in memory.
	pageBytes = 4 << 20
	// maxQueries is how many queries read the database at once, maxStreams how
	// many are open, the waiting and slow ones included.
	maxQueries = 8
	maxStreams = 256
	// readTimeout, queryTimeout and writeTimeout bound the steps of an answer.
	readTimeout  = 10 * time.Second
	queryTimeout = 10 * time.Second
	writeTimeout = 30 * time.Second
)

// ServerOptions configure a Server. The zero value is a store that keeps all.
type ServerOptions struct {
	// Retention is how long messages are kept after they arrived; 0 is for ever.
	// It does not count from the time that a sender gave.
	Retention time.Duration
	// MaxMessages is how many messages are kept, those that arrived last; 0 is
	// without bound.
	MaxMessages int
	// MaxDrift is how far the time of a sender may be from the server's when a
	// message arrives; 0 is any. Deployed stores have 20 s.
	MaxDrift time.Duration
	// PageLimit is how many messages a page has at most, from 1 to 100. Default 100.
	PageLimit int
	// MaxWindow is how long the time between start and end of a query may be; 0 is
	// any. logos-delivery has a day.
	MaxWindow time.Duration
	// RateLimit is how many queries each peer may make per second, and as many at
	// once, at least one; 0 is any number. Others are answered 429.
	RateLimit float64
	// Log is where errors go. Default: nowhere.
	Log *slog.Logger

	now func() time.Time
}

func (o *ServerOptions) check() error {
	if o.PageLimit == 0 {
		o.PageLimit = wire.MaxStorePage
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	switch {
	case o.PageLimit < 1 || o.PageLimit > wire.MaxStorePage:
		return fmt.Errorf("PageLimit is %d, must be from 1 to %d", o.PageLimit, wire.MaxStorePage)
	case o.Retention < 0 || o.MaxMessages < 0 || o.MaxDrift < 0 || o.MaxWindow < 0 || o.RateLimit < 0:
		return errors.New("a limit is negative")
	}
	return nil
}

// Server is a Waku store. All methods are safe for concurrent use.
type Server struct {
	options ServerOptions
	host    host.Host
	archive archive
	keeper  *keeper
	limiter *limiter
	slots   chan struct{} // one for each query that reads the database

	faults    atomic.Pointer[Faults]
	questions atomic.Uint64 // what Faults.Every counts

	mu      sync.Mutex
	stats   ServerStats
	streams int
	closed  bool
	running sync.WaitGroup // streams; one joins only while closed is false

	ctx     context.Context // of all queries
	cancel  context.CancelFunc
	closing sync.Once
	err     error // of Close
}

// NewServer makes or opens the tables of a store in a SQLite database, see
// package sqlite, and answers queries on the host. The database belongs to the
// caller, who closes it after the server; the tables begin with "storenode_".
// The context limits the opening alone.
func NewServer(ctx context.Context, h host.Host, db *sql.DB, o ServerOptions) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("storenode: %w", err)
	}
	a, err := openArchive(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("storenode: %w", err)
	}
	s := &Server{
		options: o, host: h, archive: a,
		limiter: newLimiter(o.RateLimit, o.now()),
		slots:   make(chan struct{}, maxQueries),
	}
	s.faults.Store(&Faults{})
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if s.keeper, err = newKeeper(ctx, a, &s.options, s.count); err != nil {
		s.cancel()
		return nil, fmt.Errorf("storenode: %w", err)
	}
	h.SetStreamHandler(wire.StoreProtocol, s.handle)
	return s, nil
}

// Close stops answering, writes what is queued and returns when nothing runs any
// more. A query that is being answered is broken off. The error says that messages
// were lost. Further calls wait for the first and return the same.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.host.RemoveStreamHandler(wire.StoreProtocol)
		s.cancel()
		s.running.Wait()
		if err := s.keeper.close(); err != nil {
			s.err = fmt.Errorf("storenode: messages were lost: %w", err)
		}
	})
	return s.err
}

// Keep takes a message that was published on a pubsub topic. It never waits for
// the database: the message can be queried some 50 ms later, and then survives a
// crash. It is copied, without its Proof. Ephemeral messages are not kept, nor those that are not
// valid or come while the queue is full: 20,000 messages or 64 MiB. ServerStats
// has them all.
func (s *Server) Keep(pubsubTopic string, m *wire.Message) {
	s.count(func(st *ServerStats) { st.Offered++ })
	switch {
	case m.Ephemeral:
		s.count(func(st *ServerStats) { st.Ephemeral++ })
		return
	case !s.valid(pubsubTopic, m):
		s.count(func(st *ServerStats) { st.Invalid++ })
		return
	}
	k := kept{
		position:    position{m.Timestamp, m.Hash(pubsubTopic)},
		pubsubTopic: pubsubTopic, contentTopic: m.ContentTopic, at: s.options.now().UnixNano(),
	}
	if s.faults.Load().forgets(k.hash) {
		s.count(func(st *ServerStats) { st.Withheld++ })
		return
	}
	unproved := *m
	unproved.Proof = nil // as nwaku does: it proves nothing any more
	k.message = unproved.Marshal()
	if !s.keeper.push(k) {
		s.count(func(st *ServerStats) { st.Overflown++ })
	}
}

// valid tells whether clients could read the message in an answer: one that has
// no payload, or text that is not UTF-8, spoils the whole page for go-waku.
func (s *Server) valid(pubsubTopic string, m *wire.Message) bool {
	drift := time.Duration(s.options.now().UnixNano() - m.Timestamp).Abs()
	return m.Timestamp > 0 && (s.options.MaxDrift == 0 || drift <= s.options.MaxDrift) &&
		validTopic(pubsubTopic) && validTopic(m.ContentTopic) && len(m.Payload) > 0 &&
		len(m.Meta) <= wire.MaxMeta && m.Size() <= wire.MaxMessage
}

func validTopic(t string) bool {
	return t != "" && len(t) <= wire.MaxTopic && utf8.ValidString(t)
}

// Flush returns when all messages of earlier calls of Keep can be queried and
// survive a crash, and what is too old or too much is gone. An error of the
// database is returned, though the server goes on trying.
func (s *Server) Flush(ctx context.Context) error {
	if err := s.keeper.flush(ctx); err != nil {
		return fmt.Errorf("storenode: flush: %w", err)
	}
	return nil
}

// handle answers one query.
func (s *Server) handle(stream network.Stream) {
	if !s.enter() {
		stream.Reset()
		return
	}
	defer s.leave()
	// Whoever hangs within a read or a write must not hold up Close.
	stop := context.AfterFunc(s.ctx, func() { stream.Reset() })
	defer stop()
	f := s.faults.Load()
	if f.Absent {
		s.count(func(st *ServerStats) { st.Resets++ })
		stream.Reset()
		return
	}
	stream.SetReadDeadline(time.Now().Add(readTimeout))
	b, err := wire.ReadFrame(bufio.NewReader(stream), wire.MaxStoreQuery)
	if err != nil && !errors.Is(err, wire.ErrFrameTooLarge) {
		s.count(func(st *ServerStats) { st.Resets++ })
		stream.Reset()
		return
	}
	answer := s.answer(stream, b, err, f)
	message := answer.Marshal()
	s.count(func(st *ServerStats) { st.answered(&answer, len(message)) })
	stream.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := wire.WriteFrame(stream, message); err != nil {
		s.count(func(st *ServerStats) { st.Resets++ })
		stream.Reset()
		return
	}
	stream.Close()
}

// enter admits a stream.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.streams >= maxStreams {
		s.stats.Resets++
		return false
	}
	s.streams++
	s.running.Add(1)
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	s.streams--
	s.mu.Unlock()
	s.running.Done()
}

// answer reads a query and returns what is to be said to it.
func (s *Server) answer(stream network.Stream, b []byte, readErr error, f *Faults) wire.StoreAnswer {
	q, err := wire.UnmarshalStoreQuery(b)
	refuse := func(status uint32, why string) wire.StoreAnswer {
		return wire.StoreAnswer{RequestID: q.RequestID, Status: status, Description: why}
	}
	if status := f.status(s.questions.Add(1)); status != 0 {
		return refuse(status, "fault")
	}
	if !s.limiter.allow(stream.Conn().RemotePeer(), s.options.now()) {
		return refuse(wire.StoreTooMany, "too many requests")
	}
	if err = errors.Join(readErr, err); err != nil {
		return refuse(wire.StoreBadRequest, err.Error())
	}
	if why := s.refusal(&q); why != "" {
		return refuse(wire.StoreBadRequest, why)
	}
	if !s.wait(f.Delay) {
		return refuse(wire.StoreUnavailable, "closing")
	}
	entries, cursor, err := s.page(&q, f.Lag)
	switch {
	case errors.Is(err, errNoCursor):
		return refuse(wire.StoreBadRequest, errNoCursor.Error())
	case err != nil:
		s.options.Log.Warn("storenode: query failed", "error", err)
		return refuse(wire.StoreUnavailable, "query failed")
	}
	return wire.StoreAnswer{RequestID: q.RequestID, Status: wire.StoreOK, Description: "OK", Entries: entries, Cursor: cursor}
}

// refusal says what is wrong with a query, if anything.
func (s *Server) refusal(q *wire.StoreQuery) string {
	switch {
	case q.RequestID == "":
		return "no request id"
	case len(q.Hashes) > 0 && (q.PubsubTopic != "" || len(q.ContentTopics) > 0 || q.TimeStart != nil || q.TimeEnd != nil):
		return "message hashes and other criteria in one query"
	case len(q.ContentTopics) > 0 && q.PubsubTopic == "":
		return "content topics without a pubsub topic"
	case slices.Contains(q.ContentTopics, ""):
		return "empty content topic"
	case q.TimeStart == nil || q.TimeEnd == nil:
		return ""
	case *q.TimeStart > *q.TimeEnd:
		return "time range ends before it starts"
	case s.options.MaxWindow > 0 && float64(*q.TimeEnd)-float64(*q.TimeStart) > float64(s.options.MaxWindow):
		return fmt.Sprintf("time range exceeds %v", s.options.MaxWindow)
	}
	return ""
}

// wait returns false if the server closes meanwhile.
func (s *Server) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// page reads the database, when it is this query's turn.
func (s *Server) page(q *wire.StoreQuery, lag time.Duration) ([]wire.StoreEntry, []byte, error) {
	ctx, cancel := context.WithTimeout(s.ctx, queryTimeout)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	c := criteria{query: q, limit: defaultPage, bytes: pageBytes, kept: math.MaxInt64}
	if q.Limit > 0 {
		c.limit = int(min(q.Limit, wire.MaxStorePage))
	}
	c.limit = min(c.limit, s.options.PageLimit)
	if lag > 0 {
		c.kept = s.options.now().Add(-lag).UnixNano()
	}
	return s.archive.page(ctx, c)
}
