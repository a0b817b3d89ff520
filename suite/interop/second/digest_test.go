package second

import (
	"slices"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// TestDigest: carol's messages name nothing, so only their numbers show what is lost, and
// only digests bring it back. Whoever notices sends one, the other reads it and answers,
// or asks for what it lacks itself (spec R40, R42, R46, R48, R49).
func TestDigest(t *testing.T) {
	needNode(t)
	for _, tt := range []struct {
		name         string
		second, node int // the number that each does not hear; 0: none
	}{
		{name: "of the channel, which lacks one", node: 3},
		{name: "of the second, which lacks one", second: 3},
		{name: "of whoever is first, and both lack one", second: 2, node: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t, 0, startSecond(t, "alice", "lip"), startNode(t, "bob", sds.LIP))
			for i := range 8 {
				p.now += 100
				payload := numbered(uint64(i+1), p.now)
				for who, lacks := range map[string]int{"alice": tt.second, "bob": tt.node} {
					if i+1 != lacks {
						p.run(who, "receive", map[string]any{"payload": payload})
					}
				}
			}
			digests, wants := 0, 0
			p.see = func(m wire.Message) {
				x, err := wire.ParseExtension(m.Extension)
				if err != nil {
					t.Fatal(err)
				}
				if len(x.Digest) > 0 {
					digests++
				}
				if len(x.Want) > 0 {
					wants++
				}
			}
			for range 600 {
				if p.equal(8) {
					break
				}
				p.step()
			}
			t.Logf("equal after %d ms: %d digests, %d wants, %v", p.now-begin, digests, wants, p.kinds)
			if !p.equal(8) || digests == 0 || p.kinds["repair"] == 0 {
				t.Errorf("logs of %d and %d; %d digests; %v", len(stateOf(t, p.parties["alice"], p.now).History),
					len(stateOf(t, p.parties["bob"], p.now).History), digests, p.kinds)
			}
			if both := tt.second > 0 && tt.node > 0; both && wants == 0 {
				t.Error("nobody asked by short id")
			}
		})
	}
}

// numbered is carol's message with a number, which names nothing.
func numbered(sequence uint64, now int64) []byte {
	x := wire.Extension{Version: 1, Incarnation: 7, Sequence: sequence}
	m := wire.Message{Dialect: wire.LIP, SenderID: "carol", ChannelID: room, HasLamport: true, Lamport: uint64(now),
		Content: slices.Concat([]byte("no. "), []byte{byte('0' + sequence)}), Extension: x.Encode()}
	m.MessageID = sds.NewMessageID(m.ChannelID, m.SenderID, m.Lamport, nil, m.Content)
	return m.Encode()
}
