// Package sds is the protocol of one participant in one channel, as a pure state
// machine: SDS (LIP-109) on the wire, with acknowledgements that are proved,
// losses that are found and repairs that come.
//
// A Channel does no I/O, reads no clock, starts no goroutine and draws no
// randomness of its own. Messages, moments and the host's answers go in; a Ready
// comes out. The same state, the same inputs and the same seed give the same
// outputs, byte for byte, which is why the simulator, the transcripts in
// testdata and the crash tests can exist.
//
// # The loop
//
// The caller has five duties, in this order:
//
//	for {
//		select {
//		case packet := <-network:
//			m, err := wire.Decode(packet) // decoding is outside, once per packet
//			if err == nil {
//				err = ch.Receive(now(), m, sds.Origin{})
//			}
//		case text := <-user:
//			id, err := ch.Send(now(), text, sds.SendOptions{Want: sds.Everyone})
//		case <-timerAt(ch.Deadline()):
//			ch.Tick(now())
//		}
//		r := ch.Ready()
//		// 1. Make r.Changes durable, with the bytes of new packets and of received
//		//    content under their message id, in one transaction. If that fails,
//		//    nothing of r may leave: call Ready again later, it offers the same.
//		// 2. Tell the application: r.Arrivals, r.Deliveries, r.Receipts, r.Gaps.
//		ch.Advance()
//		// 3. Broadcast r.Packets, each in a fresh envelope; a packet without Payload
//		//    is the bytes stored under its id. Report each with Handed.
//		// 4. Answer r.Lookups with Found.
//		// 5. Say when the network goes and comes back with SetOnline.
//	}
//
// After a restart, Restore takes the State that the changes add up to.
//
// # How a message travels
//
// Send (send.go) names the heads of the log as causal history, makes the id from
// the message itself (id.go), puts the message into the own log and starts to
// follow its acknowledgements (receipt.go). Receive (receive.go) checks the
// message, takes the evidence in its causal history, hands its content over as
// an Arrival, and either delivers it or parks it (incoming.go) until what it
// depends on has come. What is missing is asked for, given up in time, and takes
// its place when it comes late (holes.go); others ask us (repair.go). A quiet
// channel is kept consistent by sync messages (sync.go). Who has what is proved
// by mentions and frontiers (frontier.go, fingerprint.go).
//
// # What is guaranteed
//
// A Receipt counts a person only if it is proved that one of that person's
// installations holds the message: by naming it, or by a fingerprint over
// everything that it delivered. A filter of a legacy peer is never more than
// "possibly". Delivery is causal: what a message depends on comes first, or is
// listed in Delivery.Gaps. All logs are equal, by place, once everybody has
// everything. No position is given twice. Every buffer has a bound in limits.go.
//
// The requirements are numbered in spec/, and the tests cite them.
package sds
