// Package store keeps what a node must not forget: the state of its channels,
// the sealed bytes of their messages, receipts, gaps and the event log.
//
// Everything that one turn of a node's loop changes goes into one Batch, which
// is durable as a whole or not at all (rule P16). Two stores are here: Memory,
// and SQL over a *sql.DB that the host has opened, SQLite or SQLCipher. Package
// storetest is the suite that each store has to pass.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/causeway-im/causeway/sds"
)

// Errors of a Store. What is returned wraps one of them, or an error of the
// database below.
var (
	// ErrNotFound: the store has no such message, receipt or value.
	ErrNotFound = errors.New("not found")
	// ErrFenced: another node has opened the same store since. Nothing was written.
	ErrFenced = errors.New("the store was opened by another node")
	// ErrSchema: the tables were made by a newer version, or are not ours.
	ErrSchema = errors.New("unknown schema")
	// ErrCorrupt: a record can't be read.
	ErrCorrupt = errors.New("corrupt record")
)

// Store keeps channels. All methods are safe for concurrent use; Commit is
// called by one node at a time. What a method returns shares no memory with the
// store, and nothing that is handed in is kept or changed.
type Store interface {
	// Epoch begins a new epoch and returns its number. From then on, a Batch of
	// an older epoch is refused with ErrFenced: of two nodes on one store, the
	// older stops instead of giving a position twice.
	Epoch(ctx context.Context) (uint64, error)

	// Commit makes all of b durable, or nothing of it. After an error that is not
	// ErrFenced the caller doesn't know which, and reads what is there.
	Commit(ctx context.Context, b *Batch) error
	// Write calls f in a transaction of its own, with the rules of Batch.Inside, and
	// makes what f wrote durable, or nothing of it. After an error the caller
	// doesn't know which. It names no epoch: what journals and values are for is
	// the host's business, and so is who may write them.
	Write(ctx context.Context, f func(Tx) error) error

	// Channels lists the channels that were written to, by id.
	Channels(ctx context.Context) ([]sds.ChannelID, error)
	// Load returns what sds.Restore needs of a channel: of the log the newest
	// window messages by position and those that Meta.Heads or unfinished
	// outgoing records name, and every record that is not of the log; and the bytes
	// of what is parked. A channel that was never written has an empty State.
	Load(ctx context.Context, ch sds.ChannelID, window int) (Channel, error)
	// Lookup answers sds.Ready.Lookups: one answer for each id, in order.
	Lookup(ctx context.Context, ch sds.ChannelID, ids []sds.MessageID) ([]sds.Lookup, error)

	// Message returns one message, or ErrNotFound.
	Message(ctx context.Context, ch sds.ChannelID, id sds.MessageID) (Message, error)
	// Log returns a page of the log.
	Log(ctx context.Context, ch sds.ChannelID, q LogQuery) ([]Message, error)
	// Digest returns the number of messages of the log, and a hash over their ids
	// by place: equal logs have equal digests.
	Digest(ctx context.Context, ch sds.ChannelID) (Digest, error)
	// Receipt returns what is known about an own message, or ErrNotFound. It
	// outlives its tracking by the channel.
	Receipt(ctx context.Context, ch sds.ChannelID, id sds.MessageID) (Receipt, error)
	// Gaps returns the gaps with an id above after, by id, at most limit.
	Gaps(ctx context.Context, ch sds.ChannelID, after sds.MessageID, limit int) ([]Gap, error)

	// Events returns events above after, oldest first, at most limit; of one
	// channel, or of all when ch is empty.
	Events(ctx context.Context, ch sds.ChannelID, after Cursor, limit int) ([]Event, error)
	// Cursors returns the highest cursor that was forgotten and the highest that
	// was given, 0 when none.
	Cursors(ctx context.Context) (forgotten, newest Cursor, err error)

	// Value returns a small value, or ErrNotFound. Keys that begin with "causeway/"
	// are the node's, the others the host's.
	Value(ctx context.Context, key string) ([]byte, error)
	// Journal returns entries above after, oldest first, at most limit.
	Journal(ctx context.Context, name string, after uint64, limit int) ([]Entry, error)
}

// ChannelKey returns the key of a value that belongs to a channel: it is deleted with
// the channel.
func ChannelKey(ch sds.ChannelID, name string) string { return channelPrefix(ch) + name }

// channelPrefix begins the keys of a channel's values. No other channel's begin so.
func channelPrefix(ch sds.ChannelID) string { return fmt.Sprintf("causeway/of/%x/", string(ch)) }

// Batch is what one turn of a node's loop changes.
type Batch struct {
	Epoch    uint64 // as Store.Epoch returned it
	Channels []ChannelBatch
	// Events are appended. The node numbers them, ascending.
	Events []Event
	// Forget is the cursor up to which events are dropped; 0 drops none.
	Forget Cursor
	// Values are set by key; a nil value deletes its key.
	Values map[string][]byte
	// Inside, if set, is called when everything else is written, in the same
	// transaction. Its error fails the Batch. It must not call the Store.
	Inside func(Tx) error
}

// ChannelBatch is what changes in one channel. Each channel is at most once in
// a Batch.
type ChannelBatch struct {
	Channel sds.ChannelID
	// Drop forgets the channel and all that belongs to it, events and values
	// (ChannelKey) included, before the rest is written.
	Drop    bool
	Changes sds.Changes
	// Sealed are the bytes of messages as they are on the wire. The first bytes of
	// an id stay.
	Sealed []Sealed
	// Transitions are added; the first of an id and level stays.
	Transitions []Transition
	// Gaps replace those of the same id. GapRecovered and GapBelowJoin delete.
	Gaps []Gap
	// Hints are set in the records of messages; one without a record is passed
	// over.
	Hints []Hint
	// CompleteTo is set if it is not 0.
	CompleteTo sds.Time
}

// Hint retrieves a message from a store of the network: sds.MessageRecord.Hint.
type Hint struct {
	ID   sds.MessageID
	Hint []byte
}

// Sealed is a message as its sender sealed it.
type Sealed struct {
	ID    sds.MessageID
	Bytes []byte
	// Plain is the SDS message inside, where the bytes can't be read as one: a
	// seal with forward secrecy opens only once, and never for its own author.
	Plain []byte
}

// Transition says when an own message reached a level.
type Transition struct {
	ID    sds.MessageID
	Level sds.Level
	At    sds.Time
}

// Gap is a message that is or was missing.
type Gap struct {
	sds.Gap
	At sds.Time // when its state changed
}

// Channel is what a store has of a channel.
type Channel struct {
	State sds.State
	// Parked are the messages of State that are sds.StateParked, with their bytes,
	// by id.
	Parked []Message
	// CompleteTo is the time up to which nothing of the channel is known to be
	// missing from the transport's store; 0 when nothing is known.
	CompleteTo sds.Time
}

// Message is a message with its bytes.
type Message struct {
	sds.MessageRecord
	// Sealed is nil when the store has no bytes: of a gap, or an own message that
	// no packet was made for yet, whose content is Draft.
	Sealed []byte
	Plain  []byte // as it was in Sealed.Plain
	Draft  []byte
}

// LogQuery selects a page of the log. With ByPosition it is in the order of
// arrival, above AfterPosition or, descending, below it. Otherwise it is by
// place, above After or, descending, below it. The zero value of After or
// AfterPosition is the beginning or, descending, the end.
type LogQuery struct {
	ByPosition    bool
	AfterPosition sds.Position
	After         sds.Place
	Descending    bool
	Limit         int // at least 1
	// NoBytes leaves Sealed, Plain and Draft out.
	NoBytes bool
}

// Digest is what two logs are compared by.
type Digest struct {
	Count uint64
	// Hash is SHA-256 over the ids by place, each with its length before it
	// (8 bytes, little-endian).
	Hash [32]byte
}

// Receipt is what is known about an own message.
type Receipt struct {
	Outgoing    sds.OutgoingRecord
	Persons     []sds.PersonID // who is proved to have it, sorted
	Transitions []Transition   // by level
}

// Cursor numbers the events of a store from 1, over all channels. None is ever
// given twice.
type Cursor uint64

// Event is one entry of the event log. Its data is the node's business.
type Event struct {
	Cursor  Cursor
	Channel sds.ChannelID
	At      sds.Time
	Kind    uint8
	ID      sds.MessageID
	Data    []byte
}

// Entry is one entry of a journal.
type Entry struct {
	// Seq is its number, from 1, in the order of Append; a hole is what was forgotten,
	// or belongs to the entry above it (AppendMany).
	Seq  uint64
	Data []byte
}

// MaxMany is the most that one entry stands for.
const MaxMany = 1 << 16

// Tx writes inside a Commit or a Write. It is valid until their function
// returns, and for one goroutine at a time.
type Tx interface {
	// Append adds an entry to a journal of that name.
	Append(journal string, data []byte) error
	// AppendMany adds one entry that stands for n things, 1 to MaxMany: it takes n
	// numbers, and has the highest of them. One entry of many costs far less than
	// many, and can only be forgotten as a whole.
	AppendMany(journal string, n int, data []byte) error
	// Forget deletes the entries from first to last of a journal. Their numbers are
	// not given again.
	Forget(journal string, first, last uint64) error
	// Value returns a small value of the host as the transaction left it, or
	// ErrNotFound.
	Value(key string) ([]byte, error)
	// Set sets a value as Batch.Values does; nil deletes it.
	Set(key string, value []byte) error
	// SQL returns the transaction below, or nil when there is no database: a host
	// writes its own tables through it.
	SQL() *sql.Tx
}
