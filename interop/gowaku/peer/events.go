package main

import (
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	libp2p "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	waku "github.com/waku-org/go-waku/waku/v2/protocol"
	"github.com/waku-org/go-waku/waku/v2/protocol/pb"
	"google.golang.org/protobuf/proto"
)

// event is something that happened to the node.
type event struct {
	// Kind is "relay" and "filter" for a message that came that way, "connected",
	// "disconnected", "graft" and "prune" (of a mesh), and "reject": gossipsub
	// refused a message.
	Kind    string
	Peer    string   `json:",omitempty"`
	Topic   string   `json:",omitempty"` // the pubsub topic
	Reason  string   `json:",omitempty"` // of reject
	Message *message `json:",omitempty"`
}

// message is a WakuMessage.
type message struct {
	Payload      []byte
	ContentTopic string
	Version      uint32
	Timestamp    int64 // 0: none
	Meta         []byte
	Ephemeral    bool
	// Hash is what go-waku says it is.
	Hash []byte
}

// native returns m as go-waku has it.
func (m *message) native() *pb.WakuMessage {
	w := &pb.WakuMessage{Payload: m.Payload, ContentTopic: m.ContentTopic, Meta: m.Meta}
	if m.Version != 0 {
		w.Version = proto.Uint32(m.Version)
	}
	if m.Timestamp != 0 {
		w.Timestamp = proto.Int64(m.Timestamp)
	}
	if m.Ephemeral {
		w.Ephemeral = proto.Bool(true)
	}
	return w
}

// told returns what is told of a message that go-waku has.
func told(w *pb.WakuMessage, hash pb.MessageHash) *message {
	return &message{
		Payload: w.GetPayload(), ContentTopic: w.GetContentTopic(), Version: w.GetVersion(),
		Timestamp: w.GetTimestamp(), Meta: w.GetMeta(), Ephemeral: w.GetEphemeral(), Hash: hash[:],
	}
}

// pass tells of all messages on c, until the node closes it or ends.
func (p *peer) pass(kind string, done <-chan struct{}, c <-chan *waku.Envelope) {
	for {
		select {
		case e, ok := <-c:
			if !ok {
				return
			}
			p.out.put(line{Event: &event{Kind: kind, Topic: e.PubsubTopic(), Message: told(e.Message(), e.Hash())}})
		case <-done:
			return
		}
	}
}

// tracer tells of the mesh and of what gossipsub refuses.
type tracer struct{ out *output }

func (t *tracer) tell(e event) { t.out.put(line{Event: &e}) }

func (t *tracer) Graft(p libp2p.ID, topic string) {
	t.tell(event{Kind: "graft", Peer: p.String(), Topic: topic})
}

func (t *tracer) Prune(p libp2p.ID, topic string) {
	t.tell(event{Kind: "prune", Peer: p.String(), Topic: topic})
}

func (t *tracer) RejectMessage(m *pubsub.Message, reason string) {
	t.tell(event{Kind: "reject", Peer: m.ReceivedFrom.String(), Topic: m.GetTopic(), Reason: reason})
}

// What the tests do not ask for.
func (t *tracer) AddPeer(libp2p.ID, protocol.ID)       {}
func (t *tracer) RemovePeer(libp2p.ID)                 {}
func (t *tracer) Join(string)                          {}
func (t *tracer) Leave(string)                         {}
func (t *tracer) ValidateMessage(*pubsub.Message)      {}
func (t *tracer) DeliverMessage(*pubsub.Message)       {}
func (t *tracer) DuplicateMessage(*pubsub.Message)     {}
func (t *tracer) ThrottlePeer(libp2p.ID)               {}
func (t *tracer) RecvRPC(*pubsub.RPC)                  {}
func (t *tracer) SendRPC(*pubsub.RPC, libp2p.ID)       {}
func (t *tracer) DropRPC(*pubsub.RPC, libp2p.ID)       {}
func (t *tracer) UndeliverableMessage(*pubsub.Message) {}
