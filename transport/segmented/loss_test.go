package segmented_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/causeway-im/causeway/segment"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
	"github.com/causeway-im/causeway/transport/segmented"
)

// TestLoss: over a network that loses and repeats envelopes, parity brings more
// payloads than come without, and the store has the others, by hint and by time.
func TestLoss(t *testing.T) {
	const seed, payloads = 7, 100
	t.Log("seed", seed)
	without := lossy(t, seed, payloads, segment.Config{SegmentSize: 192})
	with := lossy(t, seed, payloads, segment.Config{SegmentSize: 192, ParityRate: 0.5})
	t.Logf("of %d payloads %d came without parity, %d with", payloads, without, with)
	if without < 1 || without > payloads*8/10 || with < payloads*95/100 {
		t.Errorf("of %d payloads %d came without parity, %d with", payloads, without, with)
	}
}

// lossy returns how many of the payloads came live, and fails unless all others can
// be had from the store.
func lossy(t *testing.T, seed uint64, payloads int, cfg segment.Config) (live int) {
	network, err := loopback.New(loopback.Options{Seed: seed, Loss: 0.1, Duplicate: 0.1, Store: &loopback.StoreOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	attach := func(name string) transport.Transport {
		e, err := network.Attach(name)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := segmented.New(e, segmented.Options{Config: cfg})
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	const topic = transport.Topic("/test/1/loss/proto")
	a, b := attach("a"), attach("b")
	heard := make(chan string, 10*payloads)
	if _, err := b.Subscribe(topic, func(r transport.Received) { heard <- string(r.Payload) }); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	publish := func(payload []byte) []byte {
		hint, err := a.Publish(ctx, transport.Envelope{Topic: topic, Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		return hint
	}
	missing, texts := map[string][]byte{}, map[string]bool{} // the hint of each payload
	for i := range payloads {
		payload := bytes.Repeat([]byte(fmt.Sprint(i, " ")), 200)
		missing[string(payload)], texts[string(payload)] = publish(payload), true
	}
	if err := network.SetLoss(0); err != nil {
		t.Fatal(err)
	}
	publish([]byte("the end"))
	timeout := time.After(60 * time.Second)
	for text := ""; text != "the end"; {
		select {
		case text = <-heard:
			if text != "the end" && !texts[text] {
				t.Fatalf("nobody sent %.40q", text)
			}
			delete(missing, text)
		case <-timeout:
			t.Fatal("the last message did not come")
		}
	}
	live = payloads - len(missing)
	fromStore(t, b.(transport.Retriever), topic, missing, texts)
	return live
}

// fromStore asks for payloads by hint, and for all by time.
func fromStore(t *testing.T, store transport.Retriever, topic transport.Topic, missing map[string][]byte, texts map[string]bool) {
	t.Helper()
	for text, hint := range missing {
		got, err := store.Retrieve(context.Background(), topic, [][]byte{hint})
		if err != nil || len(got) != 1 || string(got[0].Payload) != text {
			t.Fatalf("retrieved %d payloads, %v", len(got), err)
		}
	}
	found := map[string]int{}
	q := transport.Query{Topic: topic, To: time.Now().Add(time.Hour), Limit: 7}
	for {
		page, err := store.Query(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			found[string(m.Payload)]++
		}
		if q.Cursor = page.Next; page.Next == nil {
			break
		}
	}
	for text := range texts {
		if found[text] != 1 {
			t.Errorf("the store returned a payload %d times", found[text])
		}
	}
}
