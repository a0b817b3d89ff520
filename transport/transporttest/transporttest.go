// Package transporttest is the suite that each transport.Transport has to pass.
// A transport runs it in a few lines:
//
//	func TestTransport(t *testing.T) {
//		transporttest.Run(t, func(t *testing.T) transporttest.Network {
//			... // start three, and stop them in t.Cleanup
//			return transporttest.Network{A: a, B: b, C: c}
//		})
//	}
//
// The suite runs over real sockets as well as in virtual time: it waits for
// events, never for time to pass, and gives up on an event after Patience; only
// stores, which give no sign, it asks again and again. What must not arrive it
// rules out by waiting for something that was sent later.
package transporttest

import (
	"testing"
	"time"

	"github.com/causeway-im/causeway/transport"
)

// Patience is how long the suite waits for anything.
const Patience = 60 * time.Second

// Network is three transports that are connected to each other, over a network
// that loses nothing.
type Network struct {
	// A, B and C can be reached, and a subscription of one of them has spread to
	// the others when Subscribe returns. If they are Retrievers or Confirmers, they
	// are asked as well; the store may have an envelope some time after Publish.
	A, B, C transport.Transport

	// NoStore: the network has no store, whatever the transports could ask of one.
	NoStore bool

	// MaxPayload is the largest payload in bytes; 0 skips what needs it.
	MaxPayload int

	// SetOnline cuts one of them off such that it knows, or connects it again, and
	// returns when the others can be reached; nil skips what needs it.
	SetOnline func(tr transport.Transport, online bool)

	// Close closes one of them; nil skips what needs it.
	Close func(tr transport.Transport)
}

// Run tests the transports that open returns. open is called once for all tests
// that leave a network as it was, and once for each of the others.
func Run(t *testing.T, open func(t *testing.T) Network) {
	shared := open(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := shared
			if c.fresh {
				n = open(t)
			}
			c.run(t, n)
		})
	}
}

// testCase is a test of one promise of the interfaces.
type testCase struct {
	name string
	run  func(t testing.TB, n Network)
	// fresh: it needs a network of its own, since it closes or cuts off a transport.
	fresh bool
}

var cases = []testCase{
	{name: "EachOtherMemberOnce", run: eachOtherMemberOnce},
	{name: "OwnNotReceived", run: ownNotReceived},
	{name: "SamePayloadTwice", run: samePayloadTwice},
	{name: "TopicsAreSeparate", run: topicsAreSeparate},
	{name: "PayloadNotAliased", run: payloadNotAliased},
	{name: "Meta", run: meta},
	{name: "TooLarge", run: tooLarge},
	{name: "PublishCancelled", run: publishCancelled},
	{name: "Burst", run: burst},
	{name: "Concurrent", run: concurrent},

	{name: "TwoSubscriptions", run: twoSubscriptions},
	{name: "CancelEnds", run: cancelEnds},
	{name: "CancelWaits", run: cancelWaits},
	{name: "CancelAgain", run: cancelAgain},
	{name: "SlowReceive", run: slowReceive},
	{name: "WatchAtOnce", run: watchAtOnce},
	{name: "Offline", run: offline, fresh: true},
	{name: "WatchCancelled", run: watchCancelled, fresh: true},
	{name: "Closed", run: closed, fresh: true},

	{name: "QueryPages", run: queryPages},
	{name: "QueryWindow", run: queryWindow},
	{name: "QueryNothing", run: queryNothing},
	{name: "QueryCursorStable", run: queryCursorStable},
	{name: "QueryRejects", run: queryRejects},
	{name: "QueryNotAliased", run: queryNotAliased},
	{name: "EphemeralNotKept", run: ephemeralNotKept},
	{name: "Retrieve", run: retrieve},
	{name: "Stored", run: stored},
	{name: "StoreCancelled", run: storeCancelled},
}
