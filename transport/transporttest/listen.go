package transporttest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway/transport"
)

// freshTopic returns a topic that nothing was ever published on, of the form of
// a Waku content topic.
func freshTopic() transport.Topic {
	return transport.Topic("/causeway-test/1/" + strings.ToLower(rand.Text()) + "/proto")
}

// publish broadcasts texts, each in an envelope, and returns their hints.
func publish(t testing.TB, from transport.Transport, topic transport.Topic, texts ...string) (hints [][]byte) {
	t.Helper()
	for _, text := range texts {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		hint, err := from.Publish(ctx, transport.Envelope{Topic: topic, Payload: []byte(text)})
		cancel()
		if err != nil {
			t.Fatalf("Publish: %v", err)
		}
		hints = append(hints, hint)
	}
	return hints
}

// listener collects what one subscription receives.
type listener struct {
	cancel func() // ends it; at the latest at the end of the test

	mu    sync.Mutex
	heard []transport.Received
	news  chan struct{} // heard has grown
}

// listen subscribes.
func listen(t testing.TB, tr transport.Transport, topic transport.Topic) *listener {
	t.Helper()
	l := &listener{news: make(chan struct{}, 1)}
	l.cancel = subscribe(t, tr, topic, l.receive)
	return l
}

// subscribe subscribes until cancel or the end of the test.
func subscribe(t testing.TB, tr transport.Transport, topic transport.Topic, receive func(transport.Received)) (cancel func()) {
	t.Helper()
	cancel, err := tr.Subscribe(topic, receive)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	t.Cleanup(cancel)
	return cancel
}

func (l *listener) receive(r transport.Received) {
	l.mu.Lock()
	l.heard = append(l.heard, r)
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// all returns what was heard so far.
func (l *listener) all() []transport.Received { return l.after(0) }

// after returns what was heard so far without the first n.
func (l *listener) after(n int) []transport.Received {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard[n:])
}

// await returns what was heard as soon as all texts are in it.
func (l *listener) await(t testing.TB, texts ...string) []transport.Received {
	t.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	missing, seen := count(texts...), 0
	for {
		news := l.after(seen)
		seen += len(news)
		for _, r := range news {
			if text := string(r.Payload); missing[text] > 1 {
				missing[text]--
			} else {
				delete(missing, text)
			}
		}
		if len(missing) == 0 {
			return l.all()
		}
		select {
		case <-l.news:
		case <-timeout.C:
			t.Fatalf("not received after %v: %.200q", Patience, slices.Sorted(maps.Keys(missing)))
		}
	}
}

// wantExactly fails unless exactly these texts were heard by now, in any order.
func (l *listener) wantExactly(t testing.TB, texts ...string) {
	t.Helper()
	wantTexts(t, "received", l.all(), texts...)
}

func wantTexts(t testing.TB, what string, have []transport.Received, texts ...string) {
	t.Helper()
	got, want := map[string]int{}, count(texts...)
	for _, r := range have {
		got[string(r.Payload)]++
	}
	for _, text := range slices.Sorted(maps.Keys(want)) {
		if got[text] != want[text] {
			t.Errorf("%s %.40q %d times, want %d", what, text, got[text], want[text])
		}
		delete(got, text)
	}
	for _, text := range slices.Sorted(maps.Keys(got)) {
		t.Errorf("%s %.40q, which is not wanted", what, text)
	}
}

func count(texts ...string) map[string]int {
	n := map[string]int{}
	for _, text := range texts {
		n[text]++
	}
	return n
}

// fence publishes one more message and waits until all listeners have it: what
// was published before and would arrive wrongly has most likely arrived by then.
// It returns the text.
func fence(t testing.TB, from transport.Transport, topic transport.Topic, listeners ...*listener) (text string) {
	t.Helper()
	text = "fence " + rand.Text()
	publish(t, from, topic, text)
	for _, l := range listeners {
		l.await(t, text)
	}
	return text
}

// await waits until a channel is closed or has something.
func await[T any](t testing.TB, what string, c <-chan T) (x T) {
	t.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	select {
	case x = <-c:
		return x
	case <-timeout.C:
		t.Fatalf("%s: not after %v", what, Patience)
		return x
	}
}

// numbered returns n different texts in lexical order.
func numbered(prefix string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s %04d", prefix, i)
	}
	return texts
}

// same fails unless two members, or a member and a store, have the same message
// in every field.
func same(t testing.TB, what string, got, want transport.Received) {
	t.Helper()
	if got.Topic != want.Topic || !bytes.Equal(got.Payload, want.Payload) ||
		!bytes.Equal(got.Hint, want.Hint) || !bytes.Equal(got.Meta, want.Meta) || !got.Time.Equal(want.Time) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}
