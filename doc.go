// Package causeway is reliable group chat over a network that loses messages: a
// sender can prove who has a message, and a member knows what it misses and gets
// it. It speaks SDS (LIP-109) with every peer that exists. docs/guide.md is a tutorial.
//
// # The first channel
//
// A Node is made of a Store, which keeps what must not be forgotten, and a
// Transport, which is the network:
//
//	node, err := causeway.Open(ctx, causeway.Options{Store: db, Transport: network})
//	defer node.Close()
//
//	channel, err := node.Join(ctx, causeway.ChannelConfig{
//		Channel:     "tea",
//		Participant: "alice's laptop", // this installation, not the person
//		Roster:      roster,           // who belongs to the channel
//	})
//
// Send returns when the message is durable, not when it has been received. That
// is what the Receipt is for:
//
//	receipt, err := channel.Send(ctx, []byte("who wants tea?"), causeway.SendOptions{Want: causeway.Everyone})
//	now, err := receipt.Wait(ctx) // now.Seen of now.Of persons have it: now.Persons
//
// What happens is in the event log, which is durable too. An application keeps
// the cursor of the last event that it has dealt with, and misses none:
//
//	for event, err := range channel.Events(ctx, cursor) {
//		if err != nil {
//			return err
//		}
//		switch event.Kind {
//		case causeway.EventDelivered: // event.Message is next in causal order
//		case causeway.EventArrived: // it came, and waits for something, or never gets a place
//		case causeway.EventReceipt: // more persons have event.ID
//		case causeway.EventGap: // event.ID is missing, was recovered, or was given up
//		case causeway.EventSync: // something is missing, or all is here again
//		case causeway.EventProgress: // a part of a large payload came
//		}
//		cursor = event.Cursor
//	}
//
// The log is also there in pages (Channel.Messages), in the order that all
// members agree on or in the order of arrival.
//
// # What a message may be
//
// Content may have up to 26 MB: what is too large for one message travels as several
// and is one all the same, with one id, one place in the log and one Receipt
// (payload.go). SendOptions say how far it has to come (Want), whether it is only for
// who is there now (Ephemeral), what older message it takes the place of (Replace),
// and how urgent it is where a quota makes messages wait (Priority, Options.Quota).
//
// A Profile says how a channel speaks: ProfileLIP among themselves, the others with
// @waku/sds, Status and logos-delivery. A Sealer encrypts; package seal has one for
// members that share a secret.
//
// # The way of a message
//
// Send posts an input to the node's loop (loop.go), which gives it to the
// channel's state machine (package sds). What that wants done is sealed
// (session.go), made durable in one transaction with everything else of the turn
// (package store), and only then handed to the transport (queue.go). What comes
// from the transport is opened and decoded outside the loop (queue.go) and enters
// by the same turn. After an absence the network's stores are asked for what was
// missed (catchup.go, fetch.go). Events and receipts are read from the store
// (events.go, receipt.go): no consumer can hold up the loop.
//
// # What is guaranteed
//
// Nothing that Send accepted, that was delivered or that a receipt counted is
// lost in a crash; no position, cursor or sequence number is given twice; what
// was not acknowledged goes on after a restart. When a transaction fails, nothing
// of its turn leaves, and the channels go back to what the store has. Of two
// nodes on one store the older stops.
//
// No lock is held while the code of the host runs, be it a Sealer, an Observer
// or the body of an iterator. Sealer.Seal and Observer.Committing are
// called by the loop, so they must not wait for the node.
package causeway
