package demo

import "github.com/causeway-im/causeway/suite/waku"

// Traffic is what Waku nodes have counted. All but the store's is about the
// members' nodes, all of them together.
type Traffic struct {
	Published  uint64 `json:"published"`  // messages that a peer has taken
	Failed     uint64 `json:"failed"`     // that nobody has
	Received   uint64 `json:"received"`   // messages of others, each once by each node
	Copies     uint64 `json:"copies"`     // that relays have written to connections
	Duplicates uint64 `json:"duplicates"` // that came to who had the message
	Served     uint64 `json:"served"`     // messages that service nodes gave to the light node
	Failovers  uint64 `json:"failovers"`  // of the light node, to another service node
	Dials      uint64 `json:"dials"`
	DialFailed uint64 `json:"dials_failed"`
	// Dropped are messages by reason, those that there were.
	Dropped map[string]uint64 `json:"dropped"`

	Stored   int64 `json:"stored"`         // messages that the store has
	Queries  int   `json:"store_queries"`  // that it has answered
	Answered int   `json:"store_messages"` // in its answers, with data or without
	Refused  int   `json:"store_refused"`  // queries that it has not answered
}

// traffic adds up what the nodes have counted.
func (n *wakuNet) traffic() *Traffic {
	t := &Traffic{Dropped: map[string]uint64{}}
	for _, l := range n.links {
		s := l.node.Stats()
		t.Published += s.Published
		t.Failed += s.PublishFailed
		t.Received += s.Received
		t.Copies += s.Taken
		t.Duplicates += s.Duplicates
		t.Served += s.Served
		t.Failovers += s.Failovers
		t.Dials += s.Dials
		t.DialFailed += s.DialsFailed
		t.drop(&s.Dropped)
	}
	s := n.server.Stats()
	t.Stored, t.Queries, t.Answered = s.Stored, s.Answered, s.Messages
	t.Refused = s.Limited + s.Refused + s.Failed + s.Resets
	return t
}

// reasons are the names of what is dropped, in the order of the table.
var reasons = []string{"loss", "peer gone", "peer slow", "light node gone", "light node slow", "receiver slow", "cancelled",
	"queue full", "malformed", "refused", "stranger"}

func (t *Traffic) drop(d *waku.Dropped) {
	for i, n := range []uint64{d.Lost, d.PeerGone, d.PeerQueue, d.LightFailed, d.LightQueue, d.Subscription, d.Cancelled,
		d.ValidationQueue + d.ShardQueue, d.Malformed + d.Invalid, d.PushRefused, d.Stranger} {
		if n > 0 {
			t.Dropped[reasons[i]] += n
		}
	}
}
