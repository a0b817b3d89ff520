package store

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
)

// history writes a channel of n messages of 256 bytes, 100 for each Commit.
func history(tb testing.TB, s store.Store, n int) {
	tb.Helper()
	ctx := context.Background()
	epoch, err := s.Epoch(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	meta := sds.Meta{Incarnation: 1}
	for i := 0; i < n; {
		b := store.ChannelBatch{Channel: "c"}
		for range min(100, n-i) {
			i++
			m := record(i)
			b.Changes.Messages = append(b.Changes.Messages, m)
			b.Sealed = append(b.Sealed, store.Sealed{ID: m.ID, Bytes: make([]byte, 700)})
			meta.Position, meta.Lamport, meta.Heads = m.Position, m.Lamport, []sds.MessageID{m.ID}
			meta.Sum.Add(m.Leaf)
		}
		b.Changes.Meta = &meta
		if err := s.Commit(ctx, &store.Batch{Epoch: epoch, Channels: []store.ChannelBatch{b}}); err != nil {
			tb.Fatal(err)
		}
	}
}

// record is message i of a channel, with ids as long as deployed ones.
func record(i int) sds.MessageRecord {
	id := func(i int) sds.MessageID { return sds.MessageID(fmt.Sprintf("0x%064x", i*7919)) }
	m := sds.MessageRecord{ID: id(i), State: sds.StateLogged, Sender: sds.ParticipantID(fmt.Sprintf("participant-%08d", i%500)),
		Lamport: uint64(1_700_000_000_000 + i), Position: sds.Position(i), Hint: make([]byte, 32)}
	for p := max(1, i-3); p < i; p++ {
		m.Parents = append(m.Parents, id(p))
	}
	m.Leaf = sds.NewLeaf(m.ID, m.Parents, [32]byte{})
	return m
}

func BenchmarkLoad(b *testing.B) {
	ctx := context.Background()
	s := openStore(b, openFast(b, filepath.Join(b.TempDir(), "store.db")))
	history(b, s, 100_000)
	load := func(b *testing.B) store.Channel {
		c, err := s.Load(ctx, "c", 10_000)
		if err != nil || len(c.State.Messages) != 10_000 {
			b.Fatal(len(c.State.Messages), err)
		}
		return c
	}
	b.Run("window=10000/history=100000", func(b *testing.B) {
		for b.Loop() {
			load(b)
		}
	})
	b.Run("window=10000/history=100000/with Restore", func(b *testing.B) {
		for b.Loop() {
			_, err := sds.Restore(sds.Config{Channel: "c", Participant: "me"}, load(b).State,
				func(sds.MessageID) (wire.Message, error) { return wire.Message{}, nil }, 1_800_000_000_000)
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Log page of 50", func(b *testing.B) {
		for b.Loop() {
			q := store.LogQuery{Descending: true, Limit: 50}
			if page, err := s.Log(ctx, "c", q); len(page) != 50 || err != nil {
				b.Fatal(len(page), err)
			}
		}
	})
	b.Run("Message", func(b *testing.B) {
		id := record(50_000).ID
		for b.Loop() {
			if _, err := s.Message(ctx, "c", id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Lookup of 1", func(b *testing.B) {
		id := record(50_000).ID
		for b.Loop() {
			if _, err := s.Lookup(ctx, "c", []sds.MessageID{id}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Digest of 100000", func(b *testing.B) {
		for b.Loop() {
			if d, err := s.Digest(ctx, "c"); d.Count != 100_000 || err != nil {
				b.Fatal(d.Count, err)
			}
		}
	})
}

// BenchmarkCommit writes what a received message changes: its record, its bytes,
// Meta, an event, and an acknowledgement of an own message. With 10,000 persons
// the own message's record is written too, at another level.
func BenchmarkCommit(b *testing.B) {
	for _, persons := range []int{0, 32, 10_000} {
		for _, durable := range []bool{false, true} {
			b.Run(fmt.Sprintf("persons=%d/durable=%v", persons, durable), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "store.db")
				db := openFast(b, path)
				if durable {
					db.Close()
					var err error
					if db, err = sqlite.Open(context.Background(), path); err != nil {
						b.Fatal(err)
					}
					defer db.Close()
				}
				benchmarkCommit(b, openStore(b, db), persons)
			})
		}
	}
}

func benchmarkCommit(b *testing.B, s store.Store, persons int) {
	ctx := context.Background()
	history(b, s, 10_000)
	epoch, err := s.Epoch(ctx)
	if err != nil {
		b.Fatal(err)
	}
	own := sds.OutgoingRecord{ID: record(1).ID, HasAudience: persons > 0}
	for i := range persons {
		own.Members = append(own.Members, sds.PersonID(fmt.Sprintf("person-%060d", i)))
	}
	i, meta := 10_000, sds.Meta{}
	for b.Loop() {
		i++
		m := record(i)
		meta.Position, meta.Heads = m.Position, []sds.MessageID{m.ID}
		own.Level = sds.Level(i % 5)
		c := store.ChannelBatch{Channel: "c", Changes: sds.Changes{Meta: &meta, Messages: []sds.MessageRecord{m}},
			Sealed: []store.Sealed{{ID: m.ID, Bytes: make([]byte, 700)}}}
		if persons > 0 {
			c.Changes.Outgoing = []sds.OutgoingRecord{own}
			c.Changes.Seen = []sds.SeenRecord{{ID: own.ID, Person: own.Members[i%persons]}}
		}
		err := s.Commit(ctx, &store.Batch{Epoch: epoch, Channels: []store.ChannelBatch{c},
			Events: []store.Event{{Cursor: store.Cursor(i), Channel: "c", ID: m.ID, Data: make([]byte, 40)}}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReceipt reads the receipt of a message to 10,000 persons.
func BenchmarkReceipt(b *testing.B) {
	ctx := context.Background()
	s := openStore(b, openFast(b, filepath.Join(b.TempDir(), "store.db")))
	epoch, _ := s.Epoch(ctx)
	own := sds.OutgoingRecord{ID: "a", HasAudience: true}
	c := store.ChannelBatch{Channel: "c"}
	for i := range 10_000 {
		own.Members = append(own.Members, sds.PersonID(fmt.Sprintf("person-%060d", i)))
		c.Changes.Seen = append(c.Changes.Seen, sds.SeenRecord{ID: "a", Person: own.Members[i]})
	}
	c.Changes.Outgoing = []sds.OutgoingRecord{own}
	if err := s.Commit(ctx, &store.Batch{Epoch: epoch, Channels: []store.ChannelBatch{c}}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r, err := s.Receipt(ctx, "c", "a"); len(r.Persons) != 10_000 || err != nil {
			b.Fatal(len(r.Persons), err)
		}
	}
}
