package classic

import (
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// Ready is what a Peer did.
type Ready struct {
	// Packets are to be broadcast, in this order.
	Packets []Packet
	// Arrivals is content of others that came for the first time, in the moment
	// of its arrival. (The deployed ones hand over every copy.)
	Arrivals []sds.Arrival
	// Deliveries are the messages that entered the log, own ones included, in the
	// order in which the application is told. Nim tells it of what waited before
	// it tells it of what that waited for; Position is the order of the log. It
	// also delivers syncs, with empty content.
	Deliveries []sds.Delivery
	// Missing are messages that were found missing for the first time.
	Missing []sds.MessageID
	// Acked is what the peer takes for acknowledgements of its own messages.
	Acked []Ack
	// GaveUp are own messages that were sent for the last time without an
	// acknowledgement (JS, which tells nobody).
	GaveUp []sds.MessageID
	// Lost are missing messages that were given up, and Dropped those that
	// depended on them and are never delivered (JS with LostAfter).
	Lost, Dropped []sds.MessageID
}

// Empty tells whether nothing was done.
func (r *Ready) Empty() bool {
	return len(r.Packets)+len(r.Arrivals)+len(r.Deliveries)+len(r.Missing)+len(r.Acked)+
		len(r.GaveUp)+len(r.Lost)+len(r.Dropped) == 0
}

func (r *Ready) reset() {
	r.Packets, r.Arrivals, r.Deliveries = reuse(r.Packets), reuse(r.Arrivals), reuse(r.Deliveries)
	r.Missing, r.Acked, r.GaveUp = reuse(r.Missing), reuse(r.Acked), reuse(r.GaveUp)
	r.Lost, r.Dropped = reuse(r.Lost), reuse(r.Dropped)
}

// reuse empties a slice and keeps its memory, but not what its elements point to.
func reuse[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// Packet is a message to broadcast.
type Packet struct {
	// Class tells what it is for: content, resend, repair, sync, or request for a
	// sync that asks for something. It is not on the wire.
	Class sds.Class
	ID    sds.MessageID
	// Prepared is the message, to be handed to ReceivePrepared of the other
	// deployed peers without encoding and decoding it.
	Prepared *Prepared
}

// Message returns the message, which must not be changed.
func (p Packet) Message() *wire.Message { return p.Prepared.message }

// Size returns the exact number of bytes of the message on the wire, without
// encoding it.
func (p Packet) Size() int { return p.Prepared.message.Size() }

// Bytes encodes the message.
func (p Packet) Bytes() []byte { return p.Prepared.message.Encode() }

// Proof is why a peer takes an own message for acknowledged.
type Proof uint8

const (
	// Possibly: it is in a filter, which is not enough. JS reports it for the
	// first filter.
	Possibly Proof = iota
	// Mentioned: somebody named it in a causal history.
	Mentioned
	// Filtered: it was found in as many filters as suffice: 2 for JS, which may
	// be of the same peer or even of the same message, 1 for Nim.
	Filtered
	// Exhausted: nobody acknowledged it, and the attempts are used up. Nim
	// reports the message as sent in the same words.
	Exhausted
)

// String returns the proof in lower case.
func (p Proof) String() string {
	names := [...]string{"possibly", "mentioned", "filtered", "exhausted"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// Ack is what a peer takes for an acknowledgement, and a possible one if Proof
// is Possibly.
type Ack struct {
	ID    sds.MessageID
	By    sds.ParticipantID // the sender of the message that did it; may be empty
	Proof Proof
}
