package storenode

import (
	"errors"
	"slices"
	"testing"

	"github.com/causeway-im/causeway/suite/waku/wire"
	"github.com/causeway-im/causeway/transport"
)

func hintsOf(messages ...*wire.Message) (hints [][]byte) {
	for _, m := range messages {
		hints = append(hints, hashOf(m))
	}
	return hints
}

func sorted(got []transport.Received) []transport.Received {
	slices.SortFunc(got, func(x, y transport.Received) int { return x.Time.Compare(y.Time) })
	return got
}

func TestRetrieve(t *testing.T) {
	s, info := newServer(t, ServerOptions{PageLimit: 7}) // pages within one request, too
	messages := texts(100)
	keep(t, s, messages...)
	other := text(5, "on another topic")
	other.ContentTopic = "/other"
	keep(t, s, other)
	c := newClient(t, Options{}, info)
	unknown := text(1, "unknown")
	for name, tt := range map[string]struct {
		hints [][]byte
		want  []*wire.Message
	}{
		"all":      {hintsOf(messages...), messages},
		"one":      {hintsOf(messages[42]), messages[42:43]},
		"some":     {hintsOf(unknown, messages[1], messages[99]), []*wire.Message{messages[1], messages[99]}},
		"twice":    {hintsOf(messages[1], messages[1]), messages[1:2]},
		"unknown":  {hintsOf(unknown), nil},
		"no hash":  {[][]byte{{}, []byte("short"), make([]byte, 33)}, nil},
		"nothing":  {nil, nil},
		"off here": {hintsOf(other, messages[3]), messages[3:4]},
	} {
		got, err := c.Retrieve(within(t), topic, tt.hints)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantExactly(t, sorted(got), tt.want)
	}
	if _, err := c.Retrieve(within(t), topic, make([][]byte, transport.MaxHints+1)); err == nil {
		t.Error("no error with too many hints")
	}
}

func TestStored(t *testing.T) {
	s, info := newServer(t, ServerOptions{PageLimit: 7})
	messages := texts(60)
	keep(t, s, messages[:30]...)
	c := newClient(t, Options{}, info)
	has, err := c.Stored(within(t), topic, append(hintsOf(messages...), nil))
	if err != nil || len(has) != 61 {
		t.Fatalf("%d answers, %v", len(has), err)
	}
	for i, yes := range has {
		if yes != (i < 30) {
			t.Errorf("message %d is there: %v", i, yes)
		}
	}
	if st := c.Stats(); st.Present != 30 || st.Messages != 0 || st.Bytes > 30*40+1000 {
		t.Errorf("counted %+v", st)
	}
	if _, err := c.Stored(within(t), topic, make([][]byte, transport.MaxHints+1)); err == nil {
		t.Error("no error with too many hints")
	}
}

// TestLookupAsksOthers: what the first store does not have, another has.
func TestLookupAsksOthers(t *testing.T) {
	first, a := newServer(t, ServerOptions{})
	second, b := newServer(t, ServerOptions{})
	messages := texts(10)
	keep(t, first, messages[:6]...)
	keep(t, second, messages[4:]...)
	c := newClient(t, Options{}, a, b)
	got, err := c.Retrieve(within(t), topic, hintsOf(messages...))
	if err != nil {
		t.Fatal(err)
	}
	wantExactly(t, sorted(got), messages)
	has, err := c.Stored(within(t), topic, hintsOf(messages...))
	if err != nil || slices.Contains(has, false) {
		t.Errorf("stored: %v, %v", has, err)
	}
	first.SetFaults(within(t), Faults{Status: 503})
	got, err = c.Retrieve(within(t), topic, hintsOf(messages...))
	if err != nil {
		t.Fatal(err)
	}
	wantExactly(t, sorted(got), messages[4:])
	if _, err := c.Stored(within(t), topic, hintsOf(messages...)); err != nil {
		t.Errorf("the second store has answered, but: %v", err)
	}
	second.SetFaults(within(t), Faults{Absent: true})
	if _, err := c.Retrieve(within(t), topic, hintsOf(messages...)); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("retrieve without stores: error is %v", err)
	}
	if _, err := c.Stored(within(t), topic, hintsOf(messages...)); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("stored without stores: error is %v", err)
	}
}

// TestLookupOfLiar: a store that returns other messages for a hash is not
// believed, and the next one is asked.
func TestLookupOfLiar(t *testing.T) {
	messages := texts(3)
	liar := fakeStore(t, func(q wire.StoreQuery) *wire.StoreAnswer {
		a := &wire.StoreAnswer{Status: wire.StoreOK, Cursor: make([]byte, 32)} // and has no end
		a.Cursor[0] = q.RequestID[0]
		for _, h := range q.Hashes {
			a.Entries = append(a.Entries, wire.StoreEntry{Hash: h, Message: text(9, "forged").Marshal(), PubsubTopic: shard})
		}
		a.Entries[0] = entryOf(text(9, "true, but not asked for"))
		return a
	})
	honest, info := newServer(t, ServerOptions{})
	keep(t, honest, messages...)
	c := newClient(t, Options{}, liar, info)
	got, err := c.Retrieve(within(t), topic, hintsOf(messages...))
	if err != nil {
		t.Fatal(err)
	}
	wantExactly(t, got, messages)
	if st := c.Stats(); st.Forged == 0 || st.Unasked == 0 || st.Messages != 3 {
		t.Errorf("counted %+v", st)
	}
}
