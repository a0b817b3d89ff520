package storenode

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

const (
	// day is the longest window that logos-delivery takes, in ns.
	day = int64(24 * time.Hour)
	// maxTurns is how many requests one call of Query makes while nothing comes
	// back: days without messages, most of all.
	maxTurns = 8
	// maxEmpty is how many empty pages in a row a store may have, each with a
	// cursor to the next.
	maxEmpty = 100
)

// Query implements transport.Retriever. A query goes on at the store that had its
// first page, with that store's cursor. If that store fails or has lost its place,
// the query goes on by time: at the next store, or at the same. So pages may be
// missing what only the first store has, and nothing comes twice. A page may be
// empty though more follow, if a store takes only short windows.
//
// A cursor is of use to this client only, and for the same topic.
func (c *Client) Query(ctx context.Context, q transport.Query) (transport.Page, error) {
	page, err := c.query(ctx, q)
	if err != nil {
		return transport.Page{}, fmt.Errorf("storenode: query: %w", err)
	}
	return page, nil
}

func (c *Client) query(ctx context.Context, q transport.Query) (page transport.Page, err error) {
	if q.Limit < 1 || q.Limit > transport.MaxPage {
		return page, fmt.Errorf("a limit of %d, must be from 1 to %d", q.Limit, transport.MaxPage)
	}
	w := walk{client: c, topic: q.Topic, limit: q.Limit, from: nanoseconds(q.From), to: nanoseconds(q.To)}
	if w.pubsub, err = c.pubsub(q.Topic); err != nil {
		return page, err
	}
	if err := ctx.Err(); err != nil {
		return page, err
	}
	w.bookmark = bookmark{store: nowhere, place: position{time: w.to}}
	if q.Cursor != nil {
		if w.bookmark, err = c.readCursor(q.Topic, q.Cursor); err != nil {
			return page, err
		}
	}
	for turn := 0; turn < maxTurns && len(page.Messages) == 0 && !w.finished(); turn++ {
		messages, err := w.next(ctx)
		if err != nil {
			return transport.Page{}, err
		}
		for i := range messages {
			page.Messages = append(page.Messages, messages[i].received())
		}
	}
	c.count(func(s *Stats) { s.Messages += len(page.Messages) })
	if !w.finished() {
		page.Next = c.cursor(q.Topic, &w.bookmark)
	}
	return page, nil
}

// nanoseconds returns a time as Waku has it, which is after 1970.
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// bookmark is how far a query has come, from its newest messages to its oldest.
type bookmark struct {
	// place is that of the oldest message that was returned, or that no store was
	// asked for yet: what follows comes before it.
	place position
	// store has the rest of the window from start until before end behind its
	// cursor, if there is a cursor.
	store      int
	start, end int64
	cursor     []byte
	// empty is how many pages in a row had nothing.
	empty int
}

// nowhere is a bookmark's store when there is none.
const nowhere = -1

// walk is a query on its way.
type walk struct {
	client   *Client
	topic    transport.Topic
	pubsub   string
	limit    int
	from, to int64
	bookmark
}

func (w *walk) finished() bool {
	return w.cursor == nil && w.place.time <= w.from && w.place.hash == [32]byte{}
}

// next asks for one page, and moves on. The page may be empty.
func (w *walk) next(ctx context.Context) (messages []message, err error) {
	err = w.client.each(ctx, w.store, func(s *store) (bool, error) {
		b, answer, err := w.ask(ctx, s)
		if err != nil {
			return false, err
		}
		if messages, err = w.turn(b, &answer); err != nil {
			return false, err
		}
		return true, nil
	})
	return messages, err
}

// ask asks a store for the next page, in the way that this store understands, and
// returns the window that it was asked for.
func (w *walk) ask(ctx context.Context, s *store) (bookmark, wire.StoreAnswer, error) {
	if w.cursor != nil && w.store == s.index {
		answer, err := w.request(ctx, s, w.bookmark)
		if !isRefusal(err) {
			return w.bookmark, answer, err
		}
		// It has forgotten the message that its cursor names, it seems.
		w.client.count(func(st *Stats) { st.Restarts++ })
	}
	b := w.window(s)
	answer, err := w.request(ctx, s, b)
	if isRefusal(err) && b.end-b.start > day {
		short := b
		short.start = b.end - day
		var again error
		if answer, again = w.request(ctx, s, short); again == nil {
			s.setDaily()
			return short, answer, nil
		}
	}
	return b, answer, err
}

// window returns where the query goes on at a store without its cursor.
func (w *walk) window(s *store) bookmark {
	b := bookmark{store: s.index, place: w.place, start: w.from, end: w.place.time, empty: w.empty}
	if w.place.hash != [32]byte{} && b.end < math.MaxInt64 {
		b.end++ // there may be more of the same time
	}
	if s.isDaily() {
		b.start = max(b.start, b.end-day)
	}
	return b
}

func (w *walk) request(ctx context.Context, s *store, b bookmark) (wire.StoreAnswer, error) {
	return w.client.request(ctx, s, wire.StoreQuery{
		IncludeData: true, PubsubTopic: w.pubsub, ContentTopics: []string{string(w.topic)},
		TimeStart: &b.start, TimeEnd: &b.end, Cursor: b.cursor, Limit: uint64(w.limit),
	})
}

// turn takes the messages of a page and moves the bookmark behind them. b is
// where the page was asked for.
func (w *walk) turn(b bookmark, answer *wire.StoreAnswer) ([]message, error) {
	b.cursor = answer.Cursor
	if b.empty++; len(answer.Entries) > 0 {
		b.empty = 0
	}
	if b.cursor != nil && b.empty > maxEmpty {
		return nil, fmt.Errorf("%w: %d pages without messages", transport.ErrUnavailable, b.empty)
	}
	messages := w.pick(answer.Entries)
	switch {
	case b.cursor == nil: // the window is done
		b.place, b.empty = position{time: b.start}, 0
	case len(messages) > 0:
		b.place = messages[0].position
	}
	w.bookmark = b
	return messages, nil
}

// pick returns the messages of a page that belong to the query, from oldest to
// newest.
func (w *walk) pick(entries []wire.StoreEntry) []message {
	var messages []message
	outside, repeated := 0, 0
	for i := range entries {
		m := w.client.open(&entries[i], w.topic, w.pubsub)
		switch {
		case m == nil:
		case m.time < w.from || m.time >= w.to:
			outside++
		case m.compare(w.place) >= 0:
			repeated++
		default:
			messages = append(messages, *m)
		}
	}
	slices.SortFunc(messages, func(x, y message) int { return x.compare(y.position) })
	n := len(messages)
	messages = slices.CompactFunc(messages, func(x, y message) bool { return x.hash == y.hash })
	w.client.count(func(s *Stats) {
		s.Outside += outside
		s.Repeated += repeated + n - len(messages)
	})
	return messages
}

// isRefusal tells whether a store has refused a query for what it is.
func isRefusal(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && !status.temporary()
}
