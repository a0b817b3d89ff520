package storenode

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// balance fails unless all that was offered is accounted for.
func balance(t testing.TB, st ServerStats) {
	t.Helper()
	if sum := st.Ephemeral + st.Invalid + st.Withheld + st.Overflown + st.Lost + st.Kept + st.Repeated; sum != st.Offered {
		t.Errorf("of %d messages %d are accounted for: %+v", st.Offered, sum, st)
	}
}

func TestKeepBurst(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	want := texts(5000)
	s.keeper.writing.Lock() // the first commit takes its time
	for _, m := range want {
		s.Keep(shard, m)
	}
	s.keeper.writing.Unlock()
	if err := s.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	balance(t, st)
	if st.Kept != 5000 || st.Stored != 5000 || st.Commits > 20 {
		t.Errorf("counted %+v", st)
	}
	wantExactly(t, walkAll(t, newClient(t, Options{}, info), all(100)), want)
}

// TestKeepWritesSoon: without Flush, too.
func TestKeepWritesSoon(t *testing.T) {
	s, _ := newServer(t, ServerOptions{})
	s.Keep(shard, text(1, "x"))
	eventually(t, "it is written", func() bool { return s.Stats().Kept == 1 })
}

func TestKeepRefuses(t *testing.T) {
	now := time.Unix(0, epoch)
	s, info := newServer(t, ServerOptions{MaxDrift: 20 * time.Second, now: func() time.Time { return now }})
	change := func(f func(*wire.Message)) *wire.Message {
		m := text(0, "bad")
		f(m)
		return m
	}
	for _, m := range []*wire.Message{
		change(func(m *wire.Message) { m.Timestamp = 0 }),
		change(func(m *wire.Message) { m.Timestamp = -1 << 63 }),
		change(func(m *wire.Message) { m.Timestamp = 1<<63 - 1 }),
		change(func(m *wire.Message) { m.Timestamp -= int64(21 * time.Second) }),
		change(func(m *wire.Message) { m.Timestamp += int64(21 * time.Second) }),
		change(func(m *wire.Message) { m.ContentTopic = "" }),
		change(func(m *wire.Message) { m.ContentTopic = "\xff" }),
		change(func(m *wire.Message) { m.ContentTopic = strings.Repeat("x", wire.MaxTopic+1) }),
		change(func(m *wire.Message) { m.Payload = make([]byte, wire.MaxMessage) }),
		change(func(m *wire.Message) { m.Payload = nil }),
		change(func(m *wire.Message) { m.Meta = make([]byte, wire.MaxMeta+1) }),
	} {
		s.Keep(shard, m)
	}
	s.Keep("", text(0, "no shard"))
	s.Keep(shard, change(func(m *wire.Message) { m.Ephemeral = true }))
	good := text(1, "good")
	good.Proof = []byte("a proof")
	keep(t, s, good)
	good.Payload[0] = 'x' // it was copied
	wantExactly(t, walkAll(t, newClient(t, Options{}, info), all(10)), []*wire.Message{text(1, "good")})
	if a := ask(t, newHost(t), info, wire.StoreQuery{RequestID: "r", IncludeData: true}); string(a.Entries[0].Message) != string(text(1, "good").Marshal()) {
		t.Errorf("kept as %x", a.Entries[0].Message)
	}
	st := s.Stats()
	balance(t, st)
	if st.Invalid != 12 || st.Ephemeral != 1 || st.Kept != 1 {
		t.Errorf("counted %+v", st)
	}
}

func TestRetentionByCount(t *testing.T) {
	s, info := newServer(t, ServerOptions{MaxMessages: 10})
	c := newClient(t, Options{}, info)
	m := texts(40)
	keep(t, s, m[30:]...)
	keep(t, s, m[:4]...) // of older times, but they arrived last
	wantExactly(t, walkAll(t, c, all(3)), append(m[:4:4], m[34:]...))
	keep(t, s, m...)
	st := s.Stats()
	balance(t, st)
	if st.Stored != 10 || st.Expired != st.Kept-10 {
		t.Errorf("counted %+v", st)
	}
	if got := walkAll(t, c, all(3)); len(got) != 10 {
		t.Errorf("%d messages are left", len(got))
	}
}

func TestRetentionByAge(t *testing.T) {
	var now atomic.Int64
	now.Store(epoch)
	s, info := newServer(t, ServerOptions{Retention: time.Hour, now: func() time.Time { return time.Unix(0, now.Load()) }})
	c := newClient(t, Options{}, info)
	old, young := texts(expireAtOnce+500), text(int64(time.Minute), "young")
	old[0].Timestamp += int64(30 * time.Minute) // what a sender says does not matter
	keep(t, s, old...)
	now.Add(int64(time.Hour))
	keep(t, s, young)
	if st := s.Stats(); st.Expired != 0 {
		t.Errorf("%d expired after exactly the retention", st.Expired)
	}
	now.Add(1)
	if err := s.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Expired != len(old) || st.Stored != 1 {
		t.Errorf("counted %+v", st)
	}
	wantExactly(t, walkAll(t, c, all(10)), []*wire.Message{young})
}

func TestForget(t *testing.T) {
	s, info := newServer(t, ServerOptions{})
	c := newClient(t, Options{}, info)
	m := texts(400)
	keep(t, s, m[:200]...)
	f := Faults{Forget: 0.25, Seed: 7}
	if err := s.SetFaults(within(t), f); err != nil {
		t.Fatal(err)
	}
	keep(t, s, m[200:]...)
	var left []*wire.Message
	for _, x := range m {
		if !f.forgets(x.Hash(shard)) {
			left = append(left, x)
		}
	}
	if len(left) < 250 || len(left) > 350 {
		t.Errorf("%d of 400 messages are left", len(left))
	}
	wantExactly(t, walkAll(t, c, all(100)), left)
	if err := s.Forget(within(t), left[0].Hash(shard), m[0].Hash("elsewhere")); err != nil {
		t.Fatal(err)
	}
	wantExactly(t, walkAll(t, c, all(100)), left[1:])
	st := s.Stats()
	balance(t, st)
	if st.Withheld == 0 || st.Forgotten == 0 || int(st.Stored) != len(left)-1 {
		t.Errorf("counted %+v", st)
	}
	if err := s.SetFaults(within(t), Faults{Forget: 2}); err == nil {
		t.Error("a fraction of 2 passes")
	}
}

func TestLag(t *testing.T) {
	var now atomic.Int64
	now.Store(epoch)
	s, info := newServer(t, ServerOptions{now: func() time.Time { return time.Unix(0, now.Load()) }})
	c := newClient(t, Options{}, info)
	m := texts(2)
	keep(t, s, m[0])
	s.SetFaults(within(t), Faults{Lag: time.Second})
	now.Add(int64(time.Second))
	keep(t, s, m[1])
	wantExactly(t, walkAll(t, c, all(10)), m[:1])
	now.Add(int64(time.Second))
	wantExactly(t, walkAll(t, c, all(10)), m)
}

// TestWriteErrors: while the database can't be written messages wait, and when
// it never can be they are counted as lost.
func TestWriteErrors(t *testing.T) {
	db := openDB(t, filepath.Join(t.TempDir(), "store.db"))
	s := newServerOn(t, newHost(t), db, ServerOptions{})
	if _, err := db.Exec(`ALTER TABLE storenode_messages RENAME TO away`); err != nil {
		t.Fatal(err)
	}
	s.Keep(shard, text(1, "x"))
	if err := s.Flush(within(t)); err == nil {
		t.Error("Flush: no error without a table")
	}
	if _, err := db.Exec(`ALTER TABLE away RENAME TO storenode_messages`); err != nil {
		t.Fatal(err)
	}
	// An attempt that has failed may not have said so yet.
	eventually(t, "it is written", func() bool { return s.Flush(within(t)) == nil })
	st := s.Stats()
	balance(t, st)
	if st.Kept != 1 || st.WriteErrors == 0 {
		t.Errorf("counted %+v", st)
	}
	db.Close()
	s.Keep(shard, text(2, "y"))
	if err := s.Close(); err == nil {
		t.Error("Close: no error though a message is lost")
	}
	st = s.Stats()
	balance(t, st)
	if st.Lost != 1 {
		t.Errorf("counted %+v", st)
	}
}

// TestKeepOverflow: what does not fit the queue is counted, and Keep never waits.
func TestKeepOverflow(t *testing.T) {
	s, _ := newServer(t, ServerOptions{})
	s.keeper.writing.Lock() // the database takes its time
	big := make([]byte, wire.MaxMessage-100)
	for i := range maxQueuedBytes/len(big) + 10 {
		m := text(int64(i), "")
		m.Payload = big
		s.Keep(shard, m)
	}
	over := s.Stats().Overflown
	s.keeper.writing.Unlock()
	if over != 10 {
		t.Errorf("%d messages did not fit", over)
	}
	keep(t, s)
	balance(t, s.Stats())
	s.keeper.writing.Lock()
	for i := range maxQueued + 10 {
		s.Keep(shard, text(int64(i), fmt.Sprint(i)))
	}
	if n := s.Stats().Overflown - over; n != 10 {
		t.Errorf("%d small messages did not fit", n)
	}
	s.keeper.writing.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Flush(ctx) // returns whatever happens
}
