package wire

import (
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// The properties: any message of either dialect, and any extension, is read
// from its encoding exactly as it was.

func TestPropertyMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t, rapid.SampledFrom([]Dialect{LIP, Nim}).Draw(t, "dialect"))
		b := m.Encode()
		if m.Size() != len(b) {
			t.Fatalf("Size() = %d, encoded %d bytes", m.Size(), len(b))
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Fatalf("%x\ndecoded %+v\nwant    %+v", b, got, m)
		}
	})
}

func TestPropertyExtension(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawExtension(t)
		b := x.Encode()
		if x.Size() != len(b) {
			t.Fatalf("Size() = %d, encoded %d bytes", x.Size(), len(b))
		}
		got, err := ParseExtension(b)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if !reflect.DeepEqual(got, x) {
			t.Fatalf("%x\nparsed %+v\nwant   %+v", b, got, x)
		}
	})
}

func drawMessage(t *rapid.T, d Dialect) Message {
	m := Message{
		Dialect:       d,
		SenderID:      ParticipantID(drawID(t, "sender")),
		MessageID:     MessageID(drawID(t, "message")),
		ChannelID:     ChannelID(drawID(t, "channel")),
		CausalHistory: drawEntries(t, d, "history"),
		RepairRequest: drawEntries(t, d, "repair"),
		BloomFilter:   drawBytes(t, 64, "bloom"),
		Content:       drawBytes(t, 512, "content"),
		Extension:     drawBytes(t, 64, "extension"),
		Unknown:       drawUnknown(t, d),
	}
	m.HasLamport = rapid.Bool().Draw(t, "has lamport")
	if d == LIP && len(m.Content) == 0 || d == Nim {
		m.HasLamport = true // else it is of no kind, or taken for LIP
	}
	if m.HasLamport {
		m.Lamport = drawUint(t, "lamport", math.MaxUint64)
	}
	empty := rapid.SampledFrom([]Field{
		0, FieldSenderID, FieldMessageID | FieldChannelID, FieldSenderID | FieldMessageID | FieldChannelID,
	}).Draw(t, "explicit")
	if d == Nim {
		empty |= FieldMessageID | FieldChannelID // must be present
	}
	if m.SenderID == "" {
		m.Explicit |= empty & FieldSenderID
	}
	if m.MessageID == "" {
		m.Explicit |= empty & FieldMessageID
	}
	if m.ChannelID == "" {
		m.Explicit |= empty & FieldChannelID
	}
	for i := range m.CausalHistory {
		e := &m.CausalHistory[i]
		if d == Nim && isPlainID([]byte(e.MessageID)) && rapid.Bool().Draw(t, "plain") {
			*e = HistoryEntry{MessageID: e.MessageID, Plain: true}
		}
	}
	return m
}

func drawEntries(t *rapid.T, d Dialect, label string) []HistoryEntry {
	n := rapid.IntRange(0, 6).Draw(t, label)
	var list []HistoryEntry
	for range n {
		e := HistoryEntry{
			MessageID:     MessageID(drawID(t, "entry id")),
			RetrievalHint: drawBytes(t, 40, "hint"),
			SenderID:      ParticipantID(drawID(t, "entry sender")),
		}
		if e.SenderID == "" {
			e.HasSender = rapid.Bool().Draw(t, "has sender")
		}
		list = append(list, e)
	}
	return list
}

// drawID draws any bytes: ids need not be UTF-8.
func drawID(t *rapid.T, label string) string {
	return string(rapid.OneOf(
		rapid.Just([]byte(nil)),
		rapid.SliceOfN(rapid.ByteRange('0', 'z'), 1, 66),
		rapid.SliceOfN(rapid.Byte(), 1, 200),
	).Draw(t, label))
}

// drawBytes draws nil, nothing or something.
func drawBytes(t *rapid.T, most int, label string) []byte {
	if rapid.Bool().Draw(t, label+" is nil") {
		return nil
	}
	b := rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, label)
	if b == nil {
		b = []byte{}
	}
	return b
}

func drawUint(t *rapid.T, label string, most uint64) uint64 {
	bits := rapid.IntRange(0, 63).Draw(t, label+" bits")
	return rapid.Uint64().Draw(t, label) >> bits & most
}

// drawUnknown draws fields that dialect d does not have. In nim that includes
// known numbers with another wire type.
func drawUnknown(t *rapid.T, d Dialect) []byte {
	numbers := []protowire.Number{8, 9, 14, 15, 19, 21, 99, 101, 2000, protowire.MaxValidNumber}
	if d == LIP {
		numbers = append(numbers, 4, 5, 6, 7)
	} else {
		numbers = append(numbers, 10, 11, 12, 20)
	}
	var b []byte
	for range rapid.IntRange(0, 4).Draw(t, "unknown") {
		n := rapid.SampledFrom(numbers).Draw(t, "number")
		switch rapid.IntRange(0, 4).Draw(t, "type") {
		case 0:
			b = protowire.AppendTag(b, n, protowire.VarintType)
			b = protowire.AppendVarint(b, drawUint(t, "varint", math.MaxUint64))
		case 1:
			b = protowire.AppendTag(b, n, protowire.Fixed64Type)
			b = protowire.AppendFixed64(b, rapid.Uint64().Draw(t, "fixed64"))
		case 2:
			b = appendBytes(b, n, drawBytes(t, 20, "bytes"))
		case 3:
			b = protowire.AppendTag(b, n, protowire.Fixed32Type)
			b = protowire.AppendFixed32(b, rapid.Uint32().Draw(t, "fixed32"))
		case 4:
			if d == Nim {
				known := rapid.SampledFrom([]protowire.Number{1, 3, 4, 5, 6, 7, 13, 100}).Draw(t, "known")
				b = protowire.AppendTag(b, known, protowire.VarintType)
				b = protowire.AppendVarint(b, 1)
			}
		}
	}
	return b
}

func drawExtension(t *rapid.T) Extension {
	x := Extension{
		Version:        uint32(drawUint(t, "version", math.MaxUint32)),
		Incarnation:    uint32(drawUint(t, "incarnation", math.MaxUint32)),
		Sequence:       drawUint(t, "sequence", math.MaxUint64),
		GroupSize:      uint8(drawUint(t, "group size", math.MaxUint8)),
		RoundTrip:      uint8(drawUint(t, "round trip", math.MaxUint8)),
		HasFingerprint: rapid.Bool().Draw(t, "has fingerprint"),
		Base:           drawUint(t, "base", math.MaxUint64),
		Census:         nilIfEmpty(drawBytes(t, MaxCensus, "census")),
		Digest:         nilIfEmpty(drawBytes(t, 300, "digest")),
		HasAsk:         rapid.Bool().Draw(t, "has ask"),
	}
	if x.HasFingerprint {
		x.Fingerprint = drawUint(t, "fingerprint", math.MaxUint64)
	}
	for range rapid.IntRange(0, MaxHoles).Draw(t, "holes") {
		x.Holes = append(x.Holes, rapid.Uint64().Draw(t, "hole"))
	}
	for range rapid.IntRange(0, MaxWant).Draw(t, "wanted") {
		x.Want = append(x.Want, rapid.Uint64().Draw(t, "want"))
	}
	if x.HasAsk {
		for range rapid.IntRange(0, MaxAsk).Draw(t, "asked") {
			x.Ask = append(x.Ask, rapid.Uint32().Draw(t, "ask"))
		}
	}
	if rapid.Bool().Draw(t, "has unknown") {
		x.Unknown = appendBytes(nil, extCount+3, drawBytes(t, 20, "unknown"))
	}
	return x
}
