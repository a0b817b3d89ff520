// Package storetest is the suite that each store.Store has to pass:
//
//	func TestConformance(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) (store.Store, func() store.Store) { … })
//	}
//
// It tests what the comments of package store promise, one subtest for each
// promise, and compares random batches with a model that is too simple to be
// wrong.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

// Open returns an empty store, and a function that returns a store with the same
// content as if the process had started again. A store without durability
// returns itself. Open cleans up through t.
type Open func(t *testing.T) (s store.Store, reopen func() store.Store)

// Run runs the suite.
func Run(t *testing.T, open func(t *testing.T) (s store.Store, reopen func() store.Store)) {
	RunPromises(t, open)
	RunRandom(t, open)
}

// RunPromises runs the part with one subtest for each promise.
func RunPromises(t *testing.T, open func(t *testing.T) (s store.Store, reopen func() store.Store)) {
	for _, part := range [][]test{channelTests, receiptTests, listTests, atomicTests} {
		for _, tt := range part {
			t.Run(tt.name, func(t *testing.T) { tt.run(begin(t, t, open)) })
		}
	}
}

// RunRandom runs the part with random batches, for as many sequences as the flag
// -rapid.checks says.
func RunRandom(t *testing.T, open func(t *testing.T) (s store.Store, reopen func() store.Store)) {
	t.Run("Random", func(t *testing.T) { random(t, open) })
}

type test struct {
	name string
	run  func(*env)
}

// reporter is a *testing.T or a *rapid.T.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// env is a store under test, in an epoch of its own.
type env struct {
	reporter
	ctx   context.Context
	s     store.Store
	again func() store.Store
	epoch uint64
}

func begin(t *testing.T, r reporter, open Open) *env {
	t.Helper()
	s, again := open(t)
	e := &env{reporter: r, ctx: context.Background(), s: s, again: again}
	e.begin()
	return e
}

// begin begins an epoch.
func (e *env) begin() {
	e.Helper()
	var err error
	if e.epoch, err = e.s.Epoch(e.ctx); err != nil {
		e.Fatalf("Epoch: %v", err)
	}
}

// reopen starts the store again.
func (e *env) reopen() {
	e.Helper()
	e.s = e.again()
	e.begin()
}

// twice calls f before and after a new start.
func (e *env) twice(f func()) {
	e.Helper()
	f()
	e.reopen()
	f()
}

func (e *env) commit(b *store.Batch) {
	e.Helper()
	b.Epoch = e.epoch
	if err := e.s.Commit(e.ctx, b); err != nil {
		e.Fatalf("Commit: %v", err)
	}
}

// change commits one channel.
func (e *env) change(c store.ChannelBatch) {
	e.Helper()
	e.commit(&store.Batch{Channels: []store.ChannelBatch{c}})
}

// messages commits records of channel "c".
func (e *env) messages(records ...sds.MessageRecord) {
	e.Helper()
	e.change(store.ChannelBatch{Channel: "c", Changes: sds.Changes{Messages: records}})
}

// same fails unless got equals want, but for nil and empty slices.
func (e *env) same(what string, got, want any) {
	e.Helper()
	if d := difference(got, want); d != "" {
		e.Fatalf("%s: %s\n got %s\nwant %s", what, d, clip(got), clip(want))
	}
}

// is fails unless err wraps target.
func (e *env) is(what string, err, target error) {
	e.Helper()
	if !errors.Is(err, target) {
		e.Fatalf("%s: error %v, want %v", what, err, target)
	}
}

func clip(v any) string {
	s := fmt.Sprintf("%+v", v)
	if len(s) > 1500 {
		s = s[:1500] + "…"
	}
	return s
}

// must returns v, or ends the test.
func must[T any](v T, err error) func(e *env, what string) T {
	return func(e *env, what string) T {
		e.Helper()
		if err != nil {
			e.Fatalf("%s: %v", what, err)
		}
		return v
	}
}

func (e *env) load(ch sds.ChannelID, window int) store.Channel {
	e.Helper()
	return must(e.s.Load(e.ctx, ch, window))(e, "Load")
}

func (e *env) message(id sds.MessageID) store.Message {
	e.Helper()
	return must(e.s.Message(e.ctx, "c", id))(e, "Message")
}

func (e *env) receipt(id sds.MessageID) store.Receipt {
	e.Helper()
	return must(e.s.Receipt(e.ctx, "c", id))(e, "Receipt")
}

// log returns the ids of a page of channel "c".
func (e *env) log(q store.LogQuery) []sds.MessageID {
	e.Helper()
	return idsOf(must(e.s.Log(e.ctx, "c", q))(e, "Log"))
}

func idsOf(messages []store.Message) (ids []sds.MessageID) {
	for _, m := range messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// logged is a record of the log in which no field is zero.
func logged(id sds.MessageID, lamport uint64, position sds.Position) sds.MessageRecord {
	return sds.MessageRecord{ID: id, State: sds.StateLogged, Sender: "sender of " + sds.ParticipantID(id), Lamport: lamport,
		Position: position, Parents: []sds.MessageID{"parent of " + id, "\x00\xff"}, Leaf: sds.NewLeaf(id, nil, [32]byte{0xff}),
		Reach: 1<<64 - 1 - uint64(position), Ordinal: uint64(position), Foreign: position%2 == 0, Hint: []byte("hint of " + id)}
}

// inState is a record that is not of the log.
func inState(id sds.MessageID, s sds.MessageState) sds.MessageRecord {
	return sds.MessageRecord{ID: id, State: s, Sender: "bob", Lamport: 7, Parents: []sds.MessageID{"x"}, Hint: []byte{0}}
}

// weird are ids that a hostile peer may choose.
var weird = []sds.MessageID{"\x00", "\x00\x00", "a", "a\x00", "a\x00b", "a\x01", "\xff", "\xff\xfe", "\xc3\x28", "é", "'; --", "%", "_",
	sds.MessageID(long('m')), sds.MessageID(long(0)), sds.MessageID(long(0xff))}

// long is as long as an id may be.
func long(b byte) string {
	s := make([]byte, 512)
	for i := range s {
		s[i] = b
	}
	return string(s)
}
