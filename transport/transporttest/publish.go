package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/causeway-im/causeway/transport"
)

func eachOtherMemberOnce(t testing.TB, n Network) {
	topic := freshTopic()
	b, c := listen(t, n.B, topic), listen(t, n.C, topic)
	hint := publish(t, n.A, topic, "hello")[0]
	b.await(t, "hello")
	c.await(t, "hello")
	last := fence(t, n.A, topic, b, c)
	b.wantExactly(t, "hello", last)
	c.wantExactly(t, "hello", last)

	first := find(b.all(), "hello")
	same(t, "the other receiver", find(c.all(), "hello"), first)
	if first.Topic != topic {
		t.Errorf("Topic is %q, want %q", first.Topic, topic)
	}
	if first.Time.IsZero() {
		t.Error("Time is not set")
	}
	if !bytes.Equal(first.Hint, hint) {
		t.Errorf("Hint is %x at the receiver, %x at the sender", first.Hint, hint)
	}
}

func find(heard []transport.Received, text string) transport.Received {
	i := slices.IndexFunc(heard, func(r transport.Received) bool { return string(r.Payload) == text })
	if i < 0 {
		return transport.Received{}
	}
	return heard[i]
}

// meta: what travels beside the payload comes as it was, also from a store, and has
// a limit.
func meta(t testing.TB, n Network) {
	topic := freshTopic()
	b := listen(t, n.B, topic)
	for _, m := range [][]byte{nil, {}, []byte("\x00mark\xff"), bytes.Repeat([]byte("m"), transport.MaxMeta)} {
		text := fmt.Sprintf("with %x", m)
		hint, err := n.A.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte(text), Meta: m})
		if err != nil {
			t.Fatal(err)
		}
		b.await(t, text)
		if got := find(b.all(), text).Meta; !bytes.Equal(got, m) || len(m) == 0 && got != nil {
			t.Errorf("meta %q, want %q", got, m)
		}
		if r, ok := n.A.(transport.Retriever); ok && hint != nil {
			if got, err := r.Retrieve(context.Background(), topic, [][]byte{hint}); err == nil && len(got) == 1 && !bytes.Equal(got[0].Meta, m) {
				t.Errorf("retrieved %+v", got)
			}
		}
	}
	_, err := n.A.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte("x"), Meta: make([]byte, transport.MaxMeta+1)})
	if !errors.Is(err, transport.ErrTooLarge) {
		t.Errorf("error of a large meta is %v, want ErrTooLarge", err)
	}
}

func ownNotReceived(t testing.TB, n Network) {
	topic := freshTopic()
	a, b := listen(t, n.A, topic), listen(t, n.B, topic)
	publish(t, n.A, topic, "mine")
	b.await(t, "mine")
	last := fence(t, n.B, topic, a)
	a.wantExactly(t, last)
}

func samePayloadTwice(t testing.TB, n Network) {
	topic := freshTopic()
	b := listen(t, n.B, topic)
	hints := publish(t, n.A, topic, "again", "again")
	b.await(t, "again", "again")
	last := fence(t, n.A, topic, b)
	b.wantExactly(t, "again", "again", last)
	if hints[0] != nil && bytes.Equal(hints[0], hints[1]) {
		t.Error("two envelopes have the same hint")
	}
}

func topicsAreSeparate(t testing.TB, n Network) {
	one, two := freshTopic(), freshTopic()
	b1, b2, c2 := listen(t, n.B, one), listen(t, n.B, two), listen(t, n.C, two)
	publish(t, n.A, one, "on one")
	publish(t, n.A, two, "on two")
	b1.await(t, "on one")
	b2.await(t, "on two")
	c2.await(t, "on two")
	last1, last2 := fence(t, n.A, one, b1), fence(t, n.A, two, b2, c2)
	b1.wantExactly(t, "on one", last1)
	b2.wantExactly(t, "on two", last2)
	c2.wantExactly(t, "on two", last2)
}

func payloadNotAliased(t testing.TB, n Network) {
	topic := freshTopic()
	scribbled := make(chan struct{}, 1)
	subscribe(t, n.B, topic, func(r transport.Received) {
		clear(r.Payload)
		clear(r.Hint)
		scribbled <- struct{}{}
	})
	a, b, c := listen(t, n.A, topic), listen(t, n.B, topic), listen(t, n.C, topic)
	payload := []byte("original")
	hint, err := n.A.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: payload})
	if err != nil {
		t.Fatal(err)
	}
	if string(payload) != "original" {
		t.Errorf("Publish changed its payload to %q", payload)
	}
	clear(payload)
	want := bytes.Clone(hint)
	clear(hint)
	await(t, "a receive that writes over its argument", scribbled)
	for _, l := range []*listener{b, c} {
		if got := l.await(t, "original"); !bytes.Equal(got[0].Hint, want) {
			t.Errorf("Hint is %x, want %x", got[0].Hint, want)
		}
	}
	a.wantExactly(t)
}

func tooLarge(t testing.TB, n Network) {
	if n.MaxPayload == 0 {
		t.Skip("no MaxPayload")
	}
	topic := freshTopic()
	b := listen(t, n.B, topic)
	payload := bytes.Repeat([]byte("x"), n.MaxPayload+1)
	_, err := n.A.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: payload})
	if !errors.Is(err, transport.ErrTooLarge) {
		t.Errorf("error is %v, want ErrTooLarge", err)
	}
	largest := string(payload[1:])
	publish(t, n.A, topic, largest)
	last := fence(t, n.A, topic, b)
	b.await(t, largest)
	b.wantExactly(t, largest, last)
}

func publishCancelled(t testing.TB, n Network) {
	topic := freshTopic()
	b := listen(t, n.B, topic)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := n.A.Publish(ctx, transport.Envelope{Topic: topic, Payload: []byte("late")}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	last := fence(t, n.A, topic, b)
	b.wantExactly(t, last)
}

// burst publishes far more at once than a relay's queue holds.
func burst(t testing.TB, n Network) {
	topic := freshTopic()
	b, c := listen(t, n.B, topic), listen(t, n.C, topic)
	texts := numbered("burst", 1000)
	publish(t, n.A, topic, texts...)
	b.await(t, texts...)
	c.await(t, texts...)
	last := fence(t, n.A, topic, b, c)
	b.wantExactly(t, append(texts, last)...)
	c.wantExactly(t, append(texts, last)...)
}

// concurrent does all at the same time, for the race detector and for deadlocks.
func concurrent(t testing.TB, n Network) {
	topic := freshTopic()
	b := listen(t, n.B, topic)
	const each = 20
	var want []string
	var work sync.WaitGroup
	errs := make(chan error, 100)
	for i, tr := range []transport.Transport{n.A, n.C, n.A, n.C} {
		texts := numbered(fmt.Sprint("from ", i), each)
		want = append(want, texts...)
		work.Add(2)
		go func() {
			defer work.Done()
			for _, text := range texts {
				_, err := tr.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte(text)})
				errs <- err
			}
		}()
		go func() {
			defer work.Done()
			for range each / 4 {
				cancel, err := tr.Subscribe(topic, func(transport.Received) {})
				errs <- err
				unwatch := tr.Watch(func(bool) {})
				if err == nil {
					cancel()
				}
				unwatch()
			}
		}()
	}
	go func() {
		work.Wait()
		close(errs)
	}()
	for range 4 * (each + each/4) {
		if err := await(t, "all calls", errs); err != nil {
			t.Error(err)
		}
	}
	await(t, "all goroutines", errs)
	b.await(t, want...)
	last := fence(t, n.A, topic, b)
	b.wantExactly(t, append(want, last)...)
}
