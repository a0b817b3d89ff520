package wire_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// TestHashVectors: the vectors of 14/WAKU2-MESSAGE.
func TestHashVectors(t *testing.T) {
	const pubsub = "/waku/2/default-waku/proto"
	long := make([]byte, 64)
	for i := range long {
		long[i] = byte(i)
	}
	payload := []byte("\x01\x02\x03\x04TEST\x05\x06\x07\x08")
	tests := []struct {
		name          string
		payload, meta []byte
		want          string
	}{
		{"12 bytes of meta", payload, []byte("super-secret"), "64cce733fed134e83da02b02c6f689814872b1a0ac97ea56b76095c3c72bfe05"},
		{"64 bytes of meta", payload, long, "7158b6498753313368b9af8f6e0a0a05104f68f972981da42a43bc53fb0c1b27"},
		{"no meta", payload, nil, "a2554498b31f5bcdfcbf7fa58ad1c2d45f0254f3f8110a85588ec3cf10720fd8"},
		{"no payload", nil, []byte("super-secret"), "483ea950cb63f9b9d6926b262bb36194d3f40a0463ce8446228350bd44e96de4"},
	}
	for _, tt := range tests {
		m := wire.Message{
			Payload: tt.payload, ContentTopic: "/waku/2/default-content/proto",
			Meta: tt.meta, Timestamp: 0x175789bfa23f8400,
		}
		if got := m.Hash(pubsub); hex.EncodeToString(got[:]) != tt.want {
			t.Errorf("%s: %x, want %s", tt.name, got, tt.want)
		}
	}
}

// TestHashFormula: the same by the formula of the specification, and what the
// hash does not cover.
func TestHashFormula(t *testing.T) {
	m := wire.Message{Payload: []byte("payload"), ContentTopic: "/app/1/topic/proto", Meta: []byte{7}, Timestamp: -5}
	want := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("/waku/2/rs/16/32payload/app/1/topic/proto\x07"), ^uint64(4)))
	for _, change := range []func(){
		func() {}, func() { m.Version = 9 }, func() { m.Ephemeral = true }, func() { m.Proof = []byte("proof") },
	} {
		change()
		if got := m.Hash("/waku/2/rs/16/32"); got != want {
			t.Errorf("%+v: %x, want %x", m, got, want)
		}
	}
	if m.Hash("/waku/2/rs/16/33") == want {
		t.Error("the pubsub topic does not count")
	}
}

var full = wire.Message{
	Payload: []byte("payload"), ContentTopic: "/app/1/tøpic/proto", Version: 1 << 20, Timestamp: -1,
	Meta: bytes.Repeat([]byte{1}, wire.MaxMeta), Proof: []byte("proof"), Ephemeral: true,
}

func TestMessageRoundTrip(t *testing.T) {
	for _, m := range []wire.Message{{}, full, {Timestamp: 1<<63 - 1}, {Payload: make([]byte, 1<<17)}} {
		b := m.Marshal()
		if len(b) != m.Size() {
			t.Errorf("Size is %d, want %d", m.Size(), len(b))
		}
		got, err := wire.UnmarshalMessage(b)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, %v; want %+v", got, err, m)
		}
	}
}

// TestMessageBytes: field by field as 14/WAKU2-MESSAGE has them.
func TestMessageBytes(t *testing.T) {
	m := wire.Message{Payload: []byte{0xaa}, ContentTopic: "t", Version: 2, Timestamp: 3, Meta: []byte{0xbb}, Proof: []byte{0xcc}, Ephemeral: true}
	const want = "0a01aa" + "120174" + "1802" + "5006" + "5a01bb" + "aa0101cc" + "f80101"
	if got := hex.EncodeToString(m.Marshal()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMessageForeign(t *testing.T) {
	b := full.Marshal()
	b = protowire.AppendTag(b, 99, protowire.Fixed64Type) // unknown
	b = protowire.AppendFixed64(b, 5)
	b = protowire.AppendTag(b, 1, protowire.VarintType) // the payload is no number
	b = protowire.AppendVarint(b, 5)
	b = protowire.AppendTag(b, 98, protowire.BytesType)
	b = protowire.AppendString(b, "unknown")
	b = protowire.AppendTag(b, 2, protowire.BytesType) // the last counts
	b = protowire.AppendString(b, "/other")
	got, err := wire.UnmarshalMessage(b)
	want := full
	want.ContentTopic = "/other"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestMessageMalformed(t *testing.T) {
	field := func(number protowire.Number, v string) string {
		return string(protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), v))
	}
	for name, b := range map[string]string{
		"cut":             string(full.Marshal()[:20]),
		"length too long": "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
		"not UTF-8":       field(2, "\xff"),
		"long topic":      field(2, strings.Repeat("x", wire.MaxTopic+1)),
		"long meta":       field(11, strings.Repeat("x", wire.MaxMeta+1)),
		"long":            field(1, strings.Repeat("x", wire.MaxMessage)),
		"field 0":         "\x00\x00",
		"endless varint":  "\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	} {
		if m, err := wire.UnmarshalMessage([]byte(b)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	messages := []string{"", "one", strings.Repeat("x", 1000)}
	for _, m := range messages {
		if err := wire.WriteFrame(&b, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	whole := b.String()
	r := bufio.NewReader(iotest.OneByteReader(&b))
	for _, want := range messages {
		if got, err := wire.ReadFrame(r, 1000); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, err := wire.ReadFrame(r, 1000); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	for n := range len(whole) {
		r := bufio.NewReader(strings.NewReader(whole[:n]))
		var err error
		for err == nil {
			_, err = wire.ReadFrame(r, 1000)
		}
		if clean := n == 0 || n == 1 || n == 5; clean != (err == io.EOF) || !clean && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

func TestFrameTooLarge(t *testing.T) {
	for _, announced := range []uint64{11, 1 << 40, 1<<64 - 1} {
		b := binary.AppendUvarint(nil, announced)
		if _, err := wire.ReadFrame(bufio.NewReader(bytes.NewReader(b)), 10); !errors.Is(err, wire.ErrFrameTooLarge) {
			t.Errorf("%d bytes: %v", announced, err)
		}
	}
	if _, err := wire.ReadFrame(bufio.NewReader(strings.NewReader(strings.Repeat("\xff", 11))), 10); err == nil {
		t.Error("a length without end is read")
	}
}

// What relays refuse, with the field that is to blame.
func TestCheck(t *testing.T) {
	good := wire.Message{Payload: []byte("x"), ContentTopic: "/a/1/b/proto"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*wire.Message){
		"payload":            func(m *wire.Message) { m.Payload = nil },
		"no content topic":   func(m *wire.Message) { m.ContentTopic = "" },
		"topic of 1025":      func(m *wire.Message) { m.ContentTopic = strings.Repeat("x", wire.MaxTopic+1) },
		"topic is not UTF-8": func(m *wire.Message) { m.ContentTopic = "\xff" },
		"meta of 65":         func(m *wire.Message) { m.Meta = make([]byte, wire.MaxMeta+1) },
	} {
		m := good
		change(&m)
		if err := m.Check(); !errors.Is(err, wire.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
