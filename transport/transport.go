// Package transport says what a node needs from a network: to broadcast bytes
// on a topic and to hear what others broadcast. A network may lose, repeat,
// delay and reorder; the protocol above copes. What it must not do is block or
// drop in silence.
//
// Package loopback is a network inside the process, with faults. Package
// transporttest is the suite that each transport has to pass.
package transport

import (
	"context"
	"errors"
	"time"
)

// Errors of a Transport. What is returned wraps one of them, or an error of the
// network below.
var (
	// ErrOffline: there is no connection that could carry the message.
	ErrOffline = errors.New("offline")
	// ErrTooLarge: the network does not carry messages of this size.
	ErrTooLarge = errors.New("message is too large")
	// ErrClosed: the transport was closed.
	ErrClosed = errors.New("transport is closed")
	// ErrUnavailable: a store did not answer, or refused for now.
	ErrUnavailable = errors.New("store is unavailable")
)

// Topic names what belongs together on the network: a Waku content topic.
type Topic string

// Envelope is something to broadcast.
type Envelope struct {
	Topic   Topic
	Payload []byte
	// Ephemeral asks stores not to keep it.
	Ephemeral bool
	// Meta travels beside the payload, for whoever must know before it opens what
	// this is; at most MaxMeta bytes.
	Meta []byte
}

// Received is something that was broadcast.
type Received struct {
	Topic   Topic
	Payload []byte
	// Hint retrieves it from a store of the network; nil if nothing can.
	Hint []byte
	// Meta is Envelope.Meta; nil when it is empty.
	Meta []byte
	// Time is when its sender says that it was sent.
	Time time.Time
}

// Transport is a network. All methods are safe for concurrent use.
type Transport interface {
	// Publish broadcasts an envelope and returns when the network has taken it,
	// with the hint that retrieves it from a store, if there is one. Each call
	// makes a fresh envelope: publishing the same payload twice reaches members
	// twice, even where a network drops what it has seen. nil means that at least
	// one peer was handed the bytes, not that anybody has received them. The
	// payload is not kept after the call and not changed. Own messages are not
	// received back. If ctx ends first, the error wraps ctx.Err(), and it is unknown
	// whether the envelope went out, unless ctx had ended before the call.
	Publish(ctx context.Context, e Envelope) (hint []byte, err error)

	// Subscribe calls receive with all that is broadcast on the topic from now on,
	// until cancel. receive returns at once and may be called concurrently; its
	// argument shares no memory with anything else. When cancel returns, receive
	// is not running and will not be called again: it must not be called from
	// within receive. It may be called again, also at the same time and after the
	// transport was closed, and each call waits as the first does. There may be
	// several subscriptions to one topic.
	Subscribe(topic Topic, receive func(Received)) (cancel func(), err error)

	// Watch calls changed with whether the network can be reached: once at once,
	// perhaps before Watch returns, and again at each change, one call at a time,
	// until cancel. changed returns at once. The rule of cancel is that of Subscribe.
	Watch(changed func(online bool)) (cancel func())
}

// Retriever is a Transport whose network has stores that keep what was
// broadcast, for a while and without a guarantee. What they return shares no
// memory with anything else. All methods are safe for concurrent use. An error
// wraps ctx.Err() if ctx ended first.
type Retriever interface {
	// Query returns a page of what stores have on a topic, newest page first and
	// within the page oldest first. An error that wraps ErrUnavailable is worth
	// another try later; a Limit out of range and a Cursor that no page had are
	// errors that are not. A page may have fewer messages than Limit, or none,
	// though more follow: only Page.Next tells.
	Query(ctx context.Context, q Query) (Page, error)

	// Retrieve returns what stores have of the hints, in any order; what they do
	// not have is left out. More than MaxHints at once are an error.
	Retrieve(ctx context.Context, topic Topic, hints [][]byte) ([]Received, error)
}

// Confirmer is a Transport that can ask whether stores have something. Errors
// and concurrency are as for a Retriever.
type Confirmer interface {
	// Stored returns, for each hint in the given order, whether a store has it. More
	// than MaxHints at once are an error.
	Stored(ctx context.Context, topic Topic, hints [][]byte) ([]bool, error)
}

// Divider is a Transport that makes several messages of one payload. A node counts
// them singly against its quota.
type Divider interface {
	// Messages returns how many messages a payload of so many bytes is, at least 1.
	// It returns at once.
	Messages(length int) int
}

// MaxHints is how many hints one call of Retrieve or Stored takes.
const MaxHints = 100

// MaxMeta is the most that Envelope.Meta may have, in bytes. More is an error that
// wraps ErrTooLarge.
const MaxMeta = 64

// MaxPage is the largest Query.Limit.
const MaxPage = 100

// Query asks for what was broadcast on a topic from From until before To.
type Query struct {
	Topic    Topic
	From, To time.Time
	// Cursor is Page.Next of the page before; nil asks for the newest page.
	Cursor []byte
	// Limit is how many messages a page has at most, from 1 to MaxPage.
	Limit int
}

// Page is one page of an answer.
type Page struct {
	Messages []Received
	// Next continues with older messages; nil when there are none.
	Next []byte
}
