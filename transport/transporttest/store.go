package transporttest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway/transport"
)

// stock publishes texts on a fresh topic, waits until the store has them, and
// returns them as a member received them, oldest first. It skips the test if
// there is no store.
func stock(t testing.TB, n Network, texts ...string) (r transport.Retriever, topic transport.Topic, have []transport.Received) {
	t.Helper()
	r, ok := n.C.(transport.Retriever)
	if !ok || n.NoStore {
		t.Skip("no Retriever")
	}
	topic = freshTopic()
	return r, topic, restock(t, n, r, topic, texts...)
}

// restock is stock on the same topic again; it returns the new ones.
func restock(t testing.TB, n Network, r transport.Retriever, topic transport.Topic, texts ...string) []transport.Received {
	t.Helper()
	b := listen(t, n.B, topic)
	publish(t, n.A, topic, texts...)
	have := b.await(t, texts...)
	b.cancel()
	slices.SortStableFunc(have, func(x, y transport.Received) int { return x.Time.Compare(y.Time) })
	eventually(t, "the store has it all", func() bool {
		q := around(topic, have, transport.MaxPage)
		q.From = q.From.Add(-time.Hour) // whether From is exact is for others to test
		page, err := r.Query(context.Background(), q)
		if err != nil && !errors.Is(err, transport.ErrUnavailable) {
			t.Fatalf("Query: %v", err)
		}
		return !slices.ContainsFunc(texts, func(text string) bool { return find(page.Messages, text).Payload == nil })
	})
	return have
}

// eventually asks until the answer is yes. A store gives no sign when it has
// something; so this is the one place where the suite asks again and again.
func eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for !yes() {
		select {
		case <-pause.C:
		case <-timeout.C:
			t.Fatalf("%s: not after %v", what, Patience)
		}
	}
}

// walk returns all messages of a query, oldest first, and fails if pages are too
// long or out of order.
func walk(t testing.TB, r transport.Retriever, q transport.Query) (all []transport.Received) {
	t.Helper()
	byTime := func(x, y transport.Received) int { return x.Time.Compare(y.Time) }
	for range 1000 {
		page, err := r.Query(context.Background(), q)
		if err != nil {
			t.Fatalf("Query: %v", err)
		}
		if len(page.Messages) > q.Limit {
			t.Errorf("a page has %d messages, at most %d were asked for", len(page.Messages), q.Limit)
		}
		if !slices.IsSortedFunc(page.Messages, byTime) {
			t.Error("a page is not sorted from oldest to newest")
		}
		if k := len(page.Messages); k > 0 && len(all) > 0 && page.Messages[k-1].Time.After(all[0].Time) {
			t.Error("a page is newer than the one before")
		}
		all = append(slices.Clone(page.Messages), all...)
		if page.Next == nil {
			return all
		}
		q.Cursor = page.Next
	}
	t.Fatal("a query has no end")
	return nil
}

// around returns a query for all that have holds, and what comes within an hour.
func around(topic transport.Topic, have []transport.Received, limit int) transport.Query {
	return transport.Query{Topic: topic, From: have[0].Time, To: have[0].Time.Add(time.Hour), Limit: limit}
}

// wantSame fails unless the store has exactly these, in every field.
func wantSame(t testing.TB, got, want []transport.Received) {
	t.Helper()
	texts := make([]string, len(want))
	for i, r := range want {
		texts[i] = string(r.Payload)
	}
	wantTexts(t, "the store returned", got, texts...)
	for _, r := range want {
		if found := find(got, string(r.Payload)); found.Payload != nil {
			same(t, "from the store", found, r)
		}
	}
}

func queryPages(t testing.TB, n Network) {
	r, topic, have := stock(t, n, numbered("message", 25)...)
	for _, limit := range []int{1, 10, 25, transport.MaxPage} {
		wantSame(t, walk(t, r, around(topic, have, limit)), have)
	}
	page, err := r.Query(context.Background(), around(topic, have, 1))
	if err != nil || len(page.Messages) == 0 {
		t.Fatalf("the first page: %v, %v", page, err)
	}
	if newest := have[len(have)-1].Time; !page.Messages[0].Time.Equal(newest) {
		t.Errorf("the first page is of %v, the newest message of %v", page.Messages[0].Time, newest)
	}
}

func queryWindow(t testing.TB, n Network) {
	r, topic, have := stock(t, n, numbered("message", 10)...)
	for _, window := range []struct{ from, to time.Time }{
		{have[3].Time, have[7].Time},
		{have[3].Time, have[7].Time.Add(1)},
		{have[3].Time.Add(1), have[7].Time},
		{have[0].Time, have[9].Time},
		{have[9].Time, have[9].Time.Add(1)},
		{have[4].Time, have[4].Time}, // empty
	} {
		var want []transport.Received
		for _, m := range have {
			if !m.Time.Before(window.from) && m.Time.Before(window.to) {
				want = append(want, m)
			}
		}
		q := transport.Query{Topic: topic, From: window.from, To: window.to, Limit: 3}
		wantSame(t, walk(t, r, q), want)
	}
}

func queryNothing(t testing.TB, n Network) {
	r, _, have := stock(t, n, "elsewhere")
	if got := walk(t, r, around(freshTopic(), have, 10)); len(got) > 0 {
		t.Errorf("a topic without messages has %d", len(got))
	}
}

func queryCursorStable(t testing.TB, n Network) {
	r, topic, have := stock(t, n, numbered("old", 10)...)
	q := around(topic, have, 4)
	first, err := r.Query(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if first.Next == nil || len(first.Messages) == 0 {
		t.Fatalf("a page of %d of 10 messages, next %x", len(first.Messages), first.Next)
	}
	added := restock(t, n, r, topic, numbered("new", 5)...)
	rest := q
	rest.Cursor = first.Next
	wantSame(t, append(walk(t, r, rest), first.Messages...), have)
	wantSame(t, walk(t, r, q), append(have, added...))
}

func queryRejects(t testing.TB, n Network) {
	r, topic, have := stock(t, n, "message")
	for _, limit := range []int{-1, 0, transport.MaxPage + 1} {
		if _, err := r.Query(context.Background(), around(topic, have, limit)); err == nil {
			t.Errorf("Limit %d: no error", limit)
		}
	}
	q := around(topic, have, 1)
	q.Cursor = []byte("not a cursor")
	if _, err := r.Query(context.Background(), q); err == nil {
		t.Error("no error with a cursor that no page had")
	}
}

func queryNotAliased(t testing.TB, n Network) {
	r, topic, have := stock(t, n, "message")
	scribble := func(messages []transport.Received) {
		for _, m := range messages {
			clear(m.Payload)
			clear(m.Hint)
		}
	}
	for range 2 {
		got := walk(t, r, around(topic, have, 10))
		wantSame(t, got, have)
		scribble(got)
		if have[0].Hint == nil {
			continue
		}
		got, err := r.Retrieve(context.Background(), topic, [][]byte{have[0].Hint})
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, got, have)
		scribble(got)
	}
}

func ephemeralNotKept(t testing.TB, n Network) {
	r, topic, have := stock(t, n, "before")
	b := listen(t, n.B, topic)
	hint, err := n.A.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte("gone"), Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	b.await(t, "gone")
	have = append(have, restock(t, n, r, topic, "after")...)
	wantSame(t, walk(t, r, around(topic, have, 10)), have)
	if hint == nil {
		return
	}
	if got, err := r.Retrieve(context.Background(), topic, [][]byte{hint}); err != nil || len(got) > 0 {
		t.Errorf("Retrieve of an ephemeral message: %v, %v", got, err)
	}
}

func retrieve(t testing.TB, n Network) {
	r, topic, have := stock(t, n, numbered("message", 5)...)
	if have[0].Hint == nil {
		t.Skip("no hints")
	}
	ctx := context.Background()
	unknown := bytes.Repeat([]byte{7}, len(have[0].Hint))
	for _, tt := range []struct {
		hints [][]byte
		want  []transport.Received
	}{
		{[][]byte{have[3].Hint}, have[3:4]},
		{[][]byte{have[4].Hint, unknown, have[1].Hint}, []transport.Received{have[1], have[4]}},
		{[][]byte{unknown}, nil},
		{nil, nil},
		{slices.Concat([][]byte{have[2].Hint}, many(unknown, transport.MaxHints-1)), have[2:3]},
	} {
		got, err := r.Retrieve(ctx, topic, tt.hints)
		if err != nil {
			t.Errorf("Retrieve of %d hints: %v", len(tt.hints), err)
		}
		wantSame(t, got, tt.want)
	}
	if _, err := r.Retrieve(ctx, topic, many(unknown, transport.MaxHints+1)); err == nil {
		t.Error("no error with more than MaxHints hints")
	}
}

// many returns n hints of the length of one.
func many(one []byte, n int) [][]byte {
	hints := make([][]byte, n)
	for i := range hints {
		hints[i] = bytes.Clone(one)
		hints[i][0] = byte(i)
	}
	return hints
}

func stored(t testing.TB, n Network) {
	s, ok := n.B.(transport.Confirmer)
	if !ok || n.NoStore {
		t.Skip("no Confirmer")
	}
	ctx := context.Background()
	topic := freshTopic()
	hints := publish(t, n.A, topic, "one", "two")
	if hints[0] == nil {
		t.Skip("no hints")
	}
	unknown := bytes.Repeat([]byte{7}, len(hints[0]))
	ask := [][]byte{unknown, hints[1], unknown, hints[0]}
	var has []bool
	eventually(t, "the store has both", func() bool {
		var err error
		if has, err = s.Stored(ctx, topic, ask); err != nil && !errors.Is(err, transport.ErrUnavailable) {
			t.Fatalf("Stored: %v", err)
		}
		return len(has) == 4 && has[1] && has[3]
	})
	if has[0] || has[2] {
		t.Errorf("an unknown hint is stored: %v", has)
	}
	if has, err := s.Stored(ctx, topic, nil); err != nil || len(has) > 0 {
		t.Errorf("Stored of nothing: %v, %v", has, err)
	}
	if has, err := s.Stored(ctx, topic, many(unknown, transport.MaxHints)); err != nil || len(has) != transport.MaxHints {
		t.Errorf("Stored of MaxHints hints: %d answers, %v", len(has), err)
	}
	if _, err := s.Stored(ctx, topic, many(unknown, transport.MaxHints+1)); err == nil {
		t.Error("no error with more than MaxHints hints")
	}
}

func storeCancelled(t testing.TB, n Network) {
	r, topic, have := stock(t, n, "message")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	want := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error is %v, want context.Canceled", what, err)
		}
	}
	_, err := r.Query(ctx, around(topic, have, 1))
	want("Query", err)
	hints := [][]byte{make([]byte, 32)}
	_, err = r.Retrieve(ctx, topic, hints)
	want("Retrieve", err)
	if s, ok := n.B.(transport.Confirmer); ok {
		_, err = s.Stored(ctx, topic, hints)
		want("Stored", err)
	}
}
