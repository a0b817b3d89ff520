package causeway_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// The examples meet on a network inside the process, where a round trip takes no
// time. On a real one, leave Profile.RoundTrip alone.
var nearby = causeway.Profile{Name: "nearby", RoundTrip: 10 * time.Millisecond}

var tenants = &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{
	"alice's laptop": "Alice", "bob's phone": "Bob", "carol's phone": "Carol"}}

// enter opens a node on a store and joins the channel "house". Without a network
// the node is offline.
func enter(network *loopback.Network, who causeway.ParticipantID, db store.Store, change ...func(*causeway.Options, *causeway.ChannelConfig)) (*causeway.Node, *causeway.Channel) {
	o := causeway.Options{Store: db}
	c := causeway.ChannelConfig{Channel: "house", Participant: who, Roster: tenants, Profile: nearby}
	if network != nil {
		end, err := network.Attach(string(who))
		orDie(err)
		o.Transport = end
	}
	for _, f := range change {
		f(&o, &c)
	}
	node, err := causeway.Open(context.Background(), o)
	orDie(err)
	channel, err := node.Join(context.Background(), c)
	orDie(err)
	return node, channel
}

func orDie(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Three members open a node each and join a channel, and one of them learns that
// both others have her message.
func Example() {
	ctx := context.Background()
	network, err := loopback.New(loopback.Options{}) // or your own transport.Transport
	orDie(err)
	defer network.Close()
	channels := map[causeway.ParticipantID]*causeway.Channel{}
	for who := range tenants.Members {
		end, err := network.Attach(string(who))
		orDie(err)
		node, err := causeway.Open(ctx, causeway.Options{Store: store.NewMemory(), Transport: end}) // or store.OpenSQL
		orDie(err)
		defer node.Close()
		channels[who], err = node.Join(ctx, causeway.ChannelConfig{
			Channel: "house", Participant: who, Roster: tenants, Profile: nearby})
		orDie(err)
	}
	receipt, err := channels["alice's laptop"].Send(ctx, []byte("the boiler is broken"), causeway.SendOptions{Want: causeway.Everyone})
	orDie(err) // durable now
	now, err := receipt.Wait(ctx)
	orDie(err)
	fmt.Printf("%d of %d have it: %v\n", now.Seen, now.Of, now.Persons)
	message, err := channels["bob's phone"].Message(ctx, receipt.ID())
	orDie(err)
	fmt.Printf("bob reads: %s\n", message.Content)
	// Output:
	// 2 of 2 have it: [Bob Carol]
	// bob reads: the boiler is broken
}

// An application keeps the cursor of the last event that it has dealt with, best
// in the same place as what it made of the event. Going on from there it misses
// nothing and sees nothing twice.
func ExampleChannel_Events() {
	ctx := context.Background()
	network, err := loopback.New(loopback.Options{})
	orDie(err)
	defer network.Close()
	a, alice := enter(network, "alice's laptop", store.NewMemory())
	defer a.Close()
	b, bob := enter(network, "bob's phone", store.NewMemory())
	defer b.Close()

	var cursor causeway.Cursor // 0 is the beginning
	follow := func(until string) {
		for event, err := range bob.Events(ctx, cursor) { // waits for more
			orDie(err)
			if event.Kind == causeway.EventDelivered {
				fmt.Printf("%d. %s\n", event.Message.Position, event.Message.Content)
			}
			cursor = event.Cursor
			if event.Kind == causeway.EventDelivered && string(event.Message.Content) == until {
				return
			}
		}
	}
	for _, text := range []string{"who is in?", "I have cake"} {
		_, err := alice.Send(ctx, []byte(text), causeway.SendOptions{})
		orDie(err)
	}
	follow("I have cake")
	_, err = alice.Send(ctx, []byte("had"), causeway.SendOptions{}) // nobody follows now
	orDie(err)
	fmt.Println("a little later")
	follow("had")
	// Output:
	// 1. who is in?
	// 2. I have cake
	// a little later
	// 3. had
}

// The log in pages: from the oldest message on, as an export reads it, and the
// newest page first, as a screen does.
func ExampleChannel_Messages() {
	ctx := context.Background()
	node, alice := enter(nil, "alice's laptop", store.NewMemory())
	defer node.Close()
	for _, text := range []string{"one", "two", "three", "four", "five"} {
		_, err := alice.Send(ctx, []byte(text), causeway.SendOptions{})
		orDie(err)
	}
	show := func(page []causeway.Message) {
		var texts []string
		for _, m := range page {
			texts = append(texts, string(m.Content))
		}
		fmt.Println(texts)
	}
	for q := (causeway.Log{Limit: 2}); ; {
		page, more, err := alice.Messages(ctx, q)
		orDie(err)
		show(page)
		if !more {
			break
		}
		q.After = page[len(page)-1].Place()
	}
	newest, _, err := alice.Messages(ctx, causeway.Log{Limit: 3, Descending: true})
	orDie(err)
	show(newest)
	// Output:
	// [one two]
	// [three four]
	// [five]
	// [five four three]
}

// What Send accepted is not lost when the process ends: the next node on the
// store sends it, and its receipt can be had again by its id.
func ExampleOpen_restart() {
	ctx := context.Background()
	network, err := loopback.New(loopback.Options{})
	orDie(err)
	defer network.Close()
	bob, _ := enter(network, "bob's phone", store.NewMemory())
	defer bob.Close()

	db := store.NewMemory() // store.OpenSQL, for what shall survive the process
	node, channel := enter(nil, "alice's laptop", db)
	receipt, err := channel.Send(ctx, []byte("from the tunnel"), causeway.SendOptions{})
	orDie(err)
	id := receipt.ID()
	now, err := receipt.Now(ctx)
	orDie(err)
	fmt.Println(now.Level, now.Persons)
	orDie(node.Close())

	node, channel = enter(network, "alice's laptop", db)
	defer node.Close()
	now, err = channel.Receipt(id).Wait(ctx)
	orDie(err)
	fmt.Println(now.Level, now.Persons)
	// Output:
	// queued []
	// reached [Bob]
}

// box seals with a key that all members have. It does not tell who sealed
// something, so receipts say Claimed.
type box struct{ cipher.AEAD }

func (b box) Seal(ch causeway.ChannelID, message []byte) ([]byte, error) {
	nonce := make([]byte, b.NonceSize())
	rand.Read(nonce)
	return b.AEAD.Seal(nonce, nonce, message, []byte(ch)), nil
}

func (b box) Open(ch causeway.ChannelID, sealed []byte) (causeway.Opened, error) {
	if len(sealed) < b.NonceSize() {
		return causeway.Opened{}, errors.New("too short")
	}
	message, err := b.AEAD.Open(nil, sealed[:b.NonceSize()], sealed[b.NonceSize():], []byte(ch))
	return causeway.Opened{Message: message}, err
}

// A Sealer encrypts all that leaves: content, acknowledgements and requests.
func ExampleSealer() {
	ctx := context.Background()
	network, err := loopback.New(loopback.Options{})
	orDie(err)
	defer network.Close()
	var readable atomic.Bool
	network.SetFilter(func(_, _ string, e transport.Envelope) bool { // who listens on the network
		if bytes.Contains(e.Payload, []byte("key")) || bytes.Contains(e.Payload, []byte("alice")) {
			readable.Store(true)
		}
		return false
	})
	block, err := aes.NewCipher([]byte("sixteen byte key"))
	orDie(err)
	aead, err := cipher.NewGCM(block)
	orDie(err)
	sealed := func(_ *causeway.Options, c *causeway.ChannelConfig) { c.Sealer = box{aead} }
	a, alice := enter(network, "alice's laptop", store.NewMemory(), sealed)
	defer a.Close()
	b, bob := enter(network, "bob's phone", store.NewMemory(), sealed)
	defer b.Close()

	receipt, err := alice.Send(ctx, []byte("the key is under the mat"), causeway.SendOptions{})
	orDie(err)
	now, err := receipt.Wait(ctx)
	orDie(err)
	message, err := bob.Message(ctx, receipt.ID())
	orDie(err)
	fmt.Printf("bob reads: %s\n", message.Content)
	fmt.Println("others can read:", readable.Load(), "- claimed:", now.Claimed)
	// Output:
	// bob reads: the key is under the mat
	// others can read: false - claimed: true
}

// In the background a mobile application suspends its node. What it sends then is
// durable, and leaves when the node is resumed and has what it missed.
func ExampleNode_Suspend() {
	ctx := context.Background()
	network, err := loopback.New(loopback.Options{Store: &loopback.StoreOptions{}})
	orDie(err)
	defer network.Close()
	node, alice := enter(network, "alice's laptop", store.NewMemory())
	defer node.Close()
	b, bob := enter(network, "bob's phone", store.NewMemory())
	defer b.Close()

	orDie(node.Suspend(ctx))
	sent, err := bob.Send(ctx, []byte("are you there?"), causeway.SendOptions{})
	orDie(err)
	_, err = sent.WaitFor(ctx, causeway.Sent)
	orDie(err)
	reply, err := alice.Send(ctx, []byte("I am offline"), causeway.SendOptions{})
	orDie(err)
	status, err := node.Status(ctx)
	orDie(err)
	now, err := reply.Now(ctx)
	orDie(err)
	fmt.Println("suspended:", status.Suspended, now.Level)

	orDie(node.Resume(ctx))
	now, err = reply.Wait(ctx)
	orDie(err)
	fmt.Println("resumed:", now.Level, now.Persons)
	arrived, _, err := alice.Messages(ctx, causeway.Log{ByPosition: true})
	orDie(err)
	for _, m := range arrived {
		fmt.Printf("%d. %s\n", m.Position, m.Content)
	}
	// Output:
	// suspended: true queued
	// resumed: reached [Bob]
	// 1. I am offline
	// 2. are you there?
}

// WaitFor waits for one level, whatever was wanted; a context bounds it.
func ExampleReceipt_WaitFor() {
	ctx := context.Background()
	network, err := loopback.New(loopback.Options{})
	orDie(err)
	defer network.Close()
	a, alice := enter(network, "alice's laptop", store.NewMemory())
	defer a.Close()
	b, _ := enter(network, "bob's phone", store.NewMemory())
	defer b.Close()

	receipt, err := alice.Send(ctx, []byte("rent is due"), causeway.SendOptions{Want: causeway.Everyone})
	orDie(err)
	now, err := receipt.WaitFor(ctx, causeway.Seen)
	fmt.Println(now.Level, now.Persons, err)

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = receipt.WaitFor(short, causeway.SeenByAll) // carol is on holiday
	fmt.Println("by all:", !errors.Is(err, context.DeadlineExceeded))
	now, err = receipt.Now(ctx)
	fmt.Printf("%v by %d of %d: %v\n", now.Level, now.Seen, now.Of, err)
	// Output:
	// seen [Bob] <nil>
	// by all: false
	// seen by 1 of 2: <nil>
}

// ledger notes what was said in a journal of the node's store.
type ledger struct{}

func (ledger) Committing(tx store.Tx, events []causeway.Event) error {
	for _, e := range events {
		if e.Kind != causeway.EventDelivered {
			continue
		}
		entry := fmt.Sprintf("%s said %q", e.Message.Sender, e.Message.Content)
		if err := tx.Append("ledger", []byte(entry)); err != nil {
			return err // then the message does not exist either
		}
	}
	return nil
}

// An Observer writes in the transaction that makes a message durable: there is
// neither a message without its entry nor an entry without its message.
func ExampleObserver() {
	ctx := context.Background()
	db := store.NewMemory()
	node, alice := enter(nil, "alice's laptop", db, func(o *causeway.Options, _ *causeway.ChannelConfig) { o.Observer = ledger{} })
	defer node.Close()
	for _, text := range []string{"I paid the rent", "and the gas"} {
		_, err := alice.Send(ctx, []byte(text), causeway.SendOptions{})
		orDie(err)
	}
	entries, err := db.Journal(ctx, "ledger", 0, 100)
	orDie(err)
	for _, e := range entries {
		fmt.Printf("%d. %s\n", e.Seq, e.Data)
	}
	// Output:
	// 1. alice's laptop said "I paid the rent"
	// 2. alice's laptop said "and the gas"
}
