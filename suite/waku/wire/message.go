package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed: bytes are not what they should be. All errors of reading wrap it.
var ErrMalformed = errors.New("malformed")

// Message is a WakuMessage (14/WAKU2-MESSAGE).
type Message struct {
	Payload      []byte
	ContentTopic string
	// Version tells how the payload is encrypted; 0 leaves it to the application.
	Version uint32
	// Timestamp is when the sender says that it was sent, in nanoseconds since 1970.
	Timestamp int64
	// Meta is at most MaxMeta bytes of the application.
	Meta []byte
	// Proof is the serialised rate limit proof, as it came.
	Proof []byte
	// Ephemeral asks stores not to keep it.
	Ephemeral bool
}

// Field numbers of WakuMessage.
const (
	fieldPayload      = 1
	fieldContentTopic = 2
	fieldVersion      = 3
	fieldTimestamp    = 10
	fieldMeta         = 11
	fieldProof        = 21
	fieldEphemeral    = 31
)

// Marshal returns m as bytes, in ascending order of fields and without those
// that are zero: equal messages have equal bytes.
func (m *Message) Marshal() []byte { return m.Append(nil) }

// Append appends m as bytes to b.
func (m *Message) Append(b []byte) []byte {
	b = appendBytes(b, fieldPayload, m.Payload)
	b = appendString(b, fieldContentTopic, m.ContentTopic)
	b = appendVarint(b, fieldVersion, uint64(m.Version))
	b = appendVarint(b, fieldTimestamp, protowire.EncodeZigZag(m.Timestamp))
	b = appendBytes(b, fieldMeta, m.Meta)
	b = appendBytes(b, fieldProof, m.Proof)
	return appendVarint(b, fieldEphemeral, protowire.EncodeBool(m.Ephemeral))
}

// Size returns the length of Marshal in bytes.
func (m *Message) Size() int {
	return sizeBytes(fieldPayload, len(m.Payload)) + sizeBytes(fieldContentTopic, len(m.ContentTopic)) +
		sizeVarint(fieldVersion, uint64(m.Version)) + sizeVarint(fieldTimestamp, protowire.EncodeZigZag(m.Timestamp)) +
		sizeBytes(fieldMeta, len(m.Meta)) + sizeBytes(fieldProof, len(m.Proof)) +
		sizeVarint(fieldEphemeral, protowire.EncodeBool(m.Ephemeral))
}

// UnmarshalMessage reads what Marshal or another implementation wrote.
func UnmarshalMessage(b []byte) (Message, error) {
	var m Message
	if len(b) > MaxMessage {
		return m, tooMuch("message", len(b), MaxMessage)
	}
	err := eachField(b, func(f field) error {
		switch f.key() {
		case key(fieldPayload, protowire.BytesType):
			m.Payload = f.bytes
		case key(fieldContentTopic, protowire.BytesType):
			return f.text(&m.ContentTopic, MaxTopic)
		case key(fieldVersion, protowire.VarintType):
			m.Version = uint32(f.varint)
		case key(fieldTimestamp, protowire.VarintType):
			m.Timestamp = protowire.DecodeZigZag(f.varint)
		case key(fieldMeta, protowire.BytesType):
			if len(f.bytes) > MaxMeta {
				return tooMuch("meta", len(f.bytes), MaxMeta)
			}
			m.Meta = f.bytes
		case key(fieldProof, protowire.BytesType):
			m.Proof = f.bytes
		case key(fieldEphemeral, protowire.VarintType):
			m.Ephemeral = f.varint != 0
		}
		return nil
	})
	return m, err
}

// Hash returns the deterministic message hash, by which stores know a message
// that was published on a pubsub topic. It does not cover Version, Proof and
// Ephemeral. Nor does it commit to the single fields: it hashes them one after
// the other without lengths, so that bytes may move between neighbours. A message
// without a timestamp is hashed with the timestamp 0, as go-waku and nwaku do.
func (m *Message) Hash(pubsubTopic string) [32]byte {
	h := sha256.New()
	h.Write([]byte(pubsubTopic))
	h.Write(m.Payload)
	h.Write([]byte(m.ContentTopic))
	h.Write(m.Meta)
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(m.Timestamp))
	h.Write(at[:])
	return [32]byte(h.Sum(nil))
}

// field is one field of a protobuf message.
type field struct {
	number protowire.Number
	typ    protowire.Type
	varint uint64 // of VarintType
	bytes  []byte // of BytesType
}

// key is a field number with the wire type that it must have.
func key(number protowire.Number, typ protowire.Type) uint64 { return uint64(number)<<3 | uint64(typ) }

func (f *field) key() uint64 { return key(f.number, f.typ) }

// text copies a string field, which must be UTF-8.
func (f *field) text(to *string, limit int) error {
	if len(f.bytes) > limit {
		return tooMuch("text", len(f.bytes), limit)
	}
	if !utf8.Valid(f.bytes) {
		return fmt.Errorf("%w: text is not UTF-8", ErrMalformed)
	}
	*to = string(f.bytes)
	return nil
}

// message reads a WakuMessage within another message.
func (f *field) message(to *Message) error {
	m, err := UnmarshalMessage(f.bytes)
	*to = m
	return err
}

// eachField calls f with each field of a message; fields of other types than
// varint and bytes are skipped.
func eachField(b []byte, f func(field) error) error {
	for len(b) > 0 {
		number, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return malformed(n)
		}
		b = b[n:]
		x := field{number: number, typ: typ}
		switch typ {
		case protowire.VarintType:
			x.varint, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			x.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, typ, b)
		}
		if n < 0 {
			return malformed(n)
		}
		b = b[n:]
		if typ != protowire.VarintType && typ != protowire.BytesType {
			continue
		}
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// malformed turns a negative length of protowire into an error.
func malformed(n int) error { return fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n)) }

func tooMuch(what string, n, limit int) error {
	return fmt.Errorf("%w: %s of %d is above %d", ErrMalformed, what, n, limit)
}

// appendBytes, appendString and appendVarint append a field unless it is zero.
func appendBytes(b []byte, number protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), v)
}

func appendString(b []byte, number protowire.Number, v string) []byte {
	if v == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), v)
}

func appendVarint(b []byte, number protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), v)
}

// appendMessage appends a WakuMessage as a field, also an empty one.
func appendMessage(b []byte, number protowire.Number, m *Message) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	return m.Append(protowire.AppendVarint(b, uint64(m.Size())))
}

func sizeBytes(number protowire.Number, n int) int {
	if n == 0 {
		return 0
	}
	return protowire.SizeTag(number) + protowire.SizeBytes(n)
}

func sizeVarint(number protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(number) + protowire.SizeVarint(v)
}

// ErrInvalid: relays of the network refuse the message, and its sender after a
// few of the kind.
var ErrInvalid = errors.New("invalid message")

// Check tells what is wrong with a message that relays would not carry
// (14/WAKU2-MESSAGE): it needs a payload and a content topic in UTF-8.
func (m *Message) Check() error {
	switch {
	case len(m.Payload) == 0:
		return fmt.Errorf("waku: %w: no payload", ErrInvalid)
	case m.ContentTopic == "":
		return fmt.Errorf("waku: %w: no content topic", ErrInvalid)
	case len(m.ContentTopic) > MaxTopic:
		return fmt.Errorf("waku: %w: content topic of %d bytes, at most %d", ErrInvalid, len(m.ContentTopic), MaxTopic)
	case !utf8.ValidString(m.ContentTopic):
		return fmt.Errorf("waku: %w: content topic is not UTF-8", ErrInvalid)
	case len(m.Meta) > MaxMeta:
		return fmt.Errorf("waku: %w: meta of %d bytes, at most %d", ErrInvalid, len(m.Meta), MaxMeta)
	}
	return nil
}
