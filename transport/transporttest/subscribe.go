package transporttest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/causeway-im/causeway/transport"
)

func twoSubscriptions(t testing.TB, n Network) {
	topic := freshTopic()
	one, two := listen(t, n.B, topic), listen(t, n.B, topic)
	publish(t, n.A, topic, "to both")
	one.await(t, "to both")
	two.await(t, "to both")
	last := fence(t, n.A, topic, one, two)
	one.wantExactly(t, "to both", last)
	two.wantExactly(t, "to both", last)

	one.cancel()
	after := fence(t, n.A, topic, two)
	one.wantExactly(t, "to both", last)
	two.wantExactly(t, "to both", last, after)
}

func cancelEnds(t testing.TB, n Network) {
	topic := freshTopic()
	b, c := listen(t, n.B, topic), listen(t, n.C, topic)
	first := fence(t, n.A, topic, b, c)
	publish(t, n.A, topic, numbered("perhaps", 100)...) // on its way when cancel comes
	b.cancel()
	heard := len(b.all())
	fence(t, n.A, topic, c)
	again := listen(t, n.B, topic)
	last := fence(t, n.A, topic, again, c)
	if late := len(b.all()) - heard; late > 0 {
		t.Errorf("receive was called %d times after cancel", late)
	}
	if len(again.all()) == 0 || find(again.all(), first).Payload != nil {
		t.Error("a new subscription receives what was published before it")
	}
	again.await(t, last)
}

func cancelWaits(t testing.TB, n Network) {
	topic, other := freshTopic(), freshTopic()
	entered, release := make(chan struct{}), make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	var once sync.Once
	var left atomic.Bool
	cancel := subscribe(t, n.B, topic, func(transport.Received) {
		once.Do(func() {
			close(entered)
			<-release
			left.Store(true)
		})
	})
	defer free() // before any cancel, which might wait for it
	b := listen(t, n.B, other)
	publish(t, n.A, topic, "slow")
	await(t, "receive", entered)

	early := make(chan bool, 2)
	for range cap(early) { // at the same time: each of them waits
		go func() {
			cancel()
			early <- !left.Load()
		}()
	}
	fence(t, n.A, other, b) // time enough for a cancel that does not wait
	free()
	for range cap(early) {
		if await(t, "cancel", early) {
			t.Error("cancel returned while receive was running")
		}
	}
}

func cancelAgain(t testing.TB, n Network) {
	topic := freshTopic()
	cancel, err := n.B.Subscribe(topic, func(transport.Received) {})
	if err != nil {
		t.Fatal(err)
	}
	unwatch := n.B.Watch(func(bool) {})
	returned := make(chan struct{}, 2)
	for range 2 {
		go func() {
			cancel()
			cancel()
			unwatch()
			unwatch()
			returned <- struct{}{}
		}()
	}
	await(t, "cancel", returned)
	await(t, "cancel by two goroutines", returned)
}

// slowReceive breaks the rule that receive returns at once: nobody else suffers.
func slowReceive(t testing.TB, n Network) {
	topic, other := freshTopic(), freshTopic()
	entered, release := make(chan struct{}), make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	var once sync.Once
	slow := &listener{news: make(chan struct{}, 1)}
	slow.cancel = subscribe(t, n.B, topic, func(r transport.Received) {
		once.Do(func() { close(entered) })
		<-release
		slow.receive(r)
	})
	defer free()
	neighbour, c := listen(t, n.B, other), listen(t, n.C, topic)
	texts := numbered("message", 200)
	publish(t, n.A, topic, texts...)
	await(t, "receive", entered)
	c.await(t, texts...)
	fence(t, n.A, other, neighbour)
	free()
	slow.await(t, texts...)
	last := fence(t, n.A, topic, slow)
	slow.wantExactly(t, append(texts, last)...)
}

func watchAtOnce(t testing.TB, n Network) {
	for range 2 { // two watchers
		states := make(chan bool, 10)
		t.Cleanup(n.B.Watch(func(online bool) { states <- online }))
		if !await(t, "changed", states) {
			t.Error("changed was called with false, though the network can be reached")
		}
	}
}

func offline(t testing.TB, n Network) {
	if n.SetOnline == nil {
		t.Skip("no SetOnline")
	}
	topic := freshTopic()
	b, c := listen(t, n.B, topic), listen(t, n.C, topic)
	states := make(chan bool, 10)
	t.Cleanup(n.B.Watch(func(online bool) { states <- online }))
	want := func(online bool) {
		t.Helper()
		if got := await(t, "changed", states); got != online {
			t.Fatalf("changed was called with %v, want %v", got, online)
		}
	}
	want(true)
	n.SetOnline(n.B, false)
	want(false)
	if _, err := n.B.Publish(context.Background(), transport.Envelope{Topic: topic, Payload: []byte("unheard")}); !errors.Is(err, transport.ErrOffline) {
		t.Errorf("Publish: error is %v, want ErrOffline", err)
	}
	fence(t, n.A, topic, c)
	n.SetOnline(n.B, true)
	want(true)
	fence(t, n.A, topic, b, c)
	fence(t, n.B, topic, c)
	if len(states) > 0 {
		t.Errorf("changed was called again without a change, with %v", <-states)
	}
}

func watchCancelled(t testing.TB, n Network) {
	if n.SetOnline == nil {
		t.Skip("no SetOnline")
	}
	entered, release := make(chan struct{}), make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	var calls atomic.Int32
	var left atomic.Bool
	cancel := n.B.Watch(func(online bool) {
		if calls.Add(1) == 2 {
			close(entered)
			<-release
			left.Store(true)
		}
	})
	t.Cleanup(cancel)
	defer free()
	witness := make(chan bool, 10)
	t.Cleanup(n.B.Watch(func(online bool) { witness <- online }))
	await(t, "the first call", witness)
	n.SetOnline(n.B, false)
	await(t, "the second call", entered)
	await(t, "the witness", witness) // now: a change that is over when it is told of need not be told
	early := make(chan bool, 1)
	go func() {
		cancel()
		early <- !left.Load()
	}()
	n.SetOnline(n.B, true) // a change between cancel and its end, or before
	await(t, "the witness", witness)
	topic := freshTopic()
	c := listen(t, n.C, topic)
	fence(t, n.A, topic, c) // time enough for a cancel that does not wait
	free()
	if await(t, "cancel", early) {
		t.Error("cancel returned while changed was running")
	}
	before := calls.Load()
	n.SetOnline(n.B, false)
	await(t, "the witness", witness)
	fence(t, n.A, topic, c)
	if calls.Load() != before {
		t.Error("changed was called after cancel")
	}
}

func closed(t testing.TB, n Network) {
	if n.Close == nil {
		t.Skip("no Close")
	}
	topic := freshTopic()
	b, c := listen(t, n.B, topic), listen(t, n.C, topic)
	fence(t, n.A, topic, b, c)
	n.Close(n.B)
	heard := len(b.all())
	wantClosed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, transport.ErrClosed) {
			t.Errorf("%s: error is %v, want ErrClosed", what, err)
		}
	}
	ctx := context.Background()
	_, err := n.B.Publish(ctx, transport.Envelope{Topic: topic, Payload: []byte("x")})
	wantClosed("Publish", err)
	_, err = n.B.Subscribe(topic, func(transport.Received) {})
	wantClosed("Subscribe", err)
	if r, ok := n.B.(transport.Retriever); ok {
		_, err = r.Query(ctx, transport.Query{Topic: topic, Limit: 1})
		wantClosed("Query", err)
		_, err = r.Retrieve(ctx, topic, [][]byte{make([]byte, 32)})
		wantClosed("Retrieve", err)
	}
	if s, ok := n.B.(transport.Confirmer); ok {
		_, err = s.Stored(ctx, topic, [][]byte{make([]byte, 32)})
		wantClosed("Stored", err)
	}
	fence(t, n.A, topic, c)
	if len(b.all()) != heard {
		t.Error("receive was called after Close")
	}
	returned := make(chan struct{})
	go func() {
		b.cancel()
		n.B.Watch(func(bool) {})()
		close(returned)
	}()
	await(t, "cancel after Close", returned)
}
