package spec

import (
	"cmp"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

func slicesByName(cases []vector) {
	slices.SortFunc(cases, func(a, b vector) int { return cmp.Compare(a.Name, b.Name) })
}

// ownMessage is the second message of alice in the channel tea.
func ownMessage() *wire.Message {
	history := []wire.HistoryEntry{{MessageID: firstID(), SenderID: "alice"}}
	m := &wire.Message{Dialect: wire.LIP, SenderID: "alice", ChannelID: "tea", Lamport: 1_700_000_000_001, HasLamport: true,
		CausalHistory: history, Content: []byte("milk?")}
	m.MessageID = sds.NewMessageID("tea", "alice", m.Lamport, history, m.Content)
	e := wire.Extension{Version: sds.ExtensionVersion, Incarnation: 0x01020304, Sequence: 2, Fingerprint: 0x1122334455667788, HasFingerprint: true}
	m.Extension = e.Encode()
	return m
}

func firstID() wire.MessageID {
	return sds.NewMessageID("tea", "alice", 1_700_000_000_000, nil, []byte("tea?"))
}

// ownMessages are messages with our extension, and what readers must forgive.
func ownMessages(t *testing.T) []vector {
	m := ownMessage()
	cases := []vector{messageCase(t, "LIP: content", "", m.Encode(), "R2", "R6", "R10")}

	sync := *m
	sync.Content, sync.MessageID = nil, "y1"+m.MessageID[2:]
	sync.RepairRequest = []wire.HistoryEntry{{MessageID: firstID(), RetrievalHint: []byte{1, 2, 3}, SenderID: "alice"}}
	all := wire.Extension{Version: 1, Incarnation: 0xfffffffe, GroupSize: 33, RoundTrip: 81, Fingerprint: 0, HasFingerprint: true, Base: 5,
		Holes: []uint64{1, 1 << 63}, Want: []uint64{2}, Census: (&wire.Census{Reports: []uint64{7}}).Encode(), Digest: []byte{1, 2},
		Ask: []uint32{0x0a0b0c0d}, HasAsk: true, WantFrom: 5, WantTo: 900}
	sync.Extension = all.Encode()
	cases = append(cases, messageCase(t, "LIP: sync with every member of the extension", "", sync.Encode(), "R2", "R6"))

	everybody := *m
	e := wire.Extension{Version: 1, HasAsk: true}
	everybody.Extension = e.Encode()
	cases = append(cases, messageCase(t, "LIP: an empty ask is present", "", everybody.Encode(), "R2"))

	nim := *m
	nim.Dialect, nim.Lamport, nim.BloomFilter = wire.Nim, 1_700_000_000, []byte{}
	cases = append(cases, messageCase(t, "nim: content with an extension", "", nim.Encode(), "R1", "R2", "R81"))
	ack := nim
	ack.Content = []byte{}
	cases = append(cases, messageCase(t, "nim: ack-only message", "", ack.Encode(), "R6", "R81"))
	cases = append(cases, messageCase(t, "nim: bare ids in the history", "", []byte("\x0a\x02m3\x10\x01\x1a\x02m1\x1a\x02m2\x22\x03tea\x2a\x01x"), "R1", "R4"))

	cases = append(cases, messageCase(t, "LIP: unknown fields are kept", "", append(m.Encode(), "\x98\x06\x0a\xa2\x06\x02hi"...), "R2", "R3"))
	twice := append(m.Encode(), 0xa2, 0x01, 0x02, 'n', 'o')
	cases = append(cases, messageCase(t, "LIP: of a field that comes twice the last counts", "", twice, "R3"))

	for name, bad := range map[string][]byte{
		"cut off":                     e.Encode()[:1],
		"version of another type":     {0x0a, 0x00},
		"holes of 7 bytes":            protowire.AppendBytes([]byte{0x42}, make([]byte, 7)),
		"nine holes":                  protowire.AppendBytes([]byte{0x42}, make([]byte, 72)),
		"a census of 65 bytes":        protowire.AppendBytes([]byte{0x52}, make([]byte, 65)),
		"a digest above 2 KiB":        protowire.AppendBytes([]byte{0x5a}, make([]byte, 2049)),
		"a group size above one byte": {0x20, 0x80, 0x02},
	} {
		b := *m
		b.Extension = bad
		v := messageCase(t, "LIP: bad extension: "+name, "", b.Encode(), "R7")
		if v.Out["extension"] != "counts as absent" {
			t.Errorf("%s: extension %v", v.Name, v.Out["extension"])
		}
		cases = append(cases, v)
	}
	slicesByName(cases)
	return cases
}

// extensionOf is an extension as an object. Lists that are empty are absent, but for
// ask.
func extensionOf(e *wire.Extension) object {
	o := object{}
	set := func(name string, v uint64, text string) {
		if v != 0 {
			o[name] = text
		}
	}
	set("version", uint64(e.Version), decimal(uint64(e.Version)))
	set("incarnation", uint64(e.Incarnation), decimal(uint64(e.Incarnation)))
	set("sequence", e.Sequence, decimal(e.Sequence))
	set("groupSize", uint64(e.GroupSize), decimal(uint64(e.GroupSize)))
	set("roundTrip", uint64(e.RoundTrip), decimal(uint64(e.RoundTrip)))
	set("base", e.Base, decimal(e.Base))
	set("wantFrom", e.WantFrom, decimal(e.WantFrom))
	set("wantTo", e.WantTo, decimal(e.WantTo))
	if e.HasFingerprint {
		o["fingerprint"] = hex64(e.Fingerprint)
	}
	for name, list := range map[string][]uint64{"holes": e.Holes, "want": e.Want} {
		if len(list) > 0 {
			o[name] = hexList(list)
		}
	}
	if e.Census != nil {
		o["census"] = inHex(e.Census)
	}
	if e.Digest != nil {
		o["digest"] = inHex(e.Digest)
	}
	if e.HasAsk {
		ask := []string{}
		for _, a := range e.Ask {
			ask = append(ask, hex64(uint64(a))[8:])
		}
		o["ask"] = ask
	}
	return o
}

func hexList(list []uint64) []string {
	s := make([]string, len(list))
	for i, n := range list {
		s[i] = hex64(n)
	}
	return s
}

// spec R128: censusCases are the parts of a census, alone and together.
func censusCases(t *testing.T) (cases []vector) {
	ask := wire.Census{Asks: true, Size: 80, Spread: 2000, Roster: 0x0a0b0c0d, Seed: 0x1122334455667788}
	again := ask
	again.Subject, again.Map = 0x0102030405060708, []byte{0xfe, 0x01}
	for _, c := range []struct {
		name  string
		value wire.Census
	}{{"an ask about the message that it comes with", ask}, {"an ask once more, with a map", again}, {"two reports", wire.Census{Reports: []uint64{1, 1 << 63}}}} {
		b := c.value.Encode()
		if back, ok := wire.ParseCensus(b); !ok || !reflect.DeepEqual(back, c.value) {
			t.Errorf("%s: %x is read as %+v", c.name, b, back)
		}
		in := object{}
		if c.value.Asks {
			in = object{"size": c.value.Size, "spreadMs": c.value.Spread, "version": hex64(uint64(c.value.Roster))[8:],
				"subject": hex64(c.value.Subject), "seed": hex64(c.value.Seed)}
		}
		if c.value.Map != nil {
			in["map"] = inHex(c.value.Map)
		}
		if c.value.Reports != nil {
			in["reports"] = hexList(c.value.Reports)
		}
		cases = append(cases, vector{Name: "census: " + c.name, Requirements: need("R128"), In: in, Out: object{"hex": inHex(b)}})
	}
	for name, b := range map[string][]byte{"a part that is cut off": {1, 5, 80}, "a map of 21 bytes": append([]byte{2, 21}, make([]byte, 21)...), "half a report": {3, 4, 0, 0, 0, 0}} {
		if _, ok := wire.ParseCensus(b); ok {
			t.Errorf("%s: %x was read", name, b)
		}
		cases = append(cases, vector{Name: "census: refused: " + name, Requirements: need("R128"), In: object{"hex": inHex(b)}, Out: object{"refused": true}})
	}
	slicesByName(cases)
	return cases
}
