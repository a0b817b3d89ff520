package wire

import "google.golang.org/protobuf/encoding/protowire"

// Encode returns m as bytes.
func (m *Message) Encode() []byte {
	return m.Append(make([]byte, 0, m.Size()))
}

// Append appends m's bytes to dst: the fields that m's dialect has in ascending
// order, then m.Unknown as it is. It does not allocate if dst has room for
// Size bytes more. A message without a dialect is written as LIP.
func (m *Message) Append(dst []byte) []byte {
	l := layoutOf(m.Dialect)
	for _, s := range l.order {
		switch s.member {
		case senderID:
			dst = appendID(dst, s.number, m.SenderID, m.Explicit&FieldSenderID)
		case messageID:
			dst = appendID(dst, s.number, m.MessageID, m.Explicit&FieldMessageID)
		case channelID:
			dst = appendID(dst, s.number, m.ChannelID, m.Explicit&FieldChannelID)
		case lamport:
			if m.HasLamport {
				dst = protowire.AppendTag(dst, s.number, protowire.VarintType)
				dst = protowire.AppendVarint(dst, m.Lamport)
			}
		case causalHistory:
			dst = appendEntries(dst, l, s.member, m.CausalHistory)
		case repairRequest:
			dst = appendEntries(dst, l, s.member, m.RepairRequest)
		default:
			if b := m.bytes(s.member); b != nil {
				dst = appendBytes(dst, s.number, b)
			}
		}
	}
	return append(dst, m.Unknown...)
}

// Size returns the number of bytes that Append appends.
func (m *Message) Size() int {
	n := len(m.Unknown)
	l := layoutOf(m.Dialect)
	for _, s := range l.order {
		switch s.member {
		case senderID:
			n += sizeID(s.number, len(m.SenderID), m.Explicit&FieldSenderID)
		case messageID:
			n += sizeID(s.number, len(m.MessageID), m.Explicit&FieldMessageID)
		case channelID:
			n += sizeID(s.number, len(m.ChannelID), m.Explicit&FieldChannelID)
		case lamport:
			if m.HasLamport {
				n += protowire.SizeTag(s.number) + protowire.SizeVarint(m.Lamport)
			}
		case causalHistory:
			n += sizeEntries(l, s.member, m.CausalHistory)
		case repairRequest:
			n += sizeEntries(l, s.member, m.RepairRequest)
		default:
			if b := m.bytes(s.member); b != nil {
				n += protowire.SizeTag(s.number) + protowire.SizeBytes(len(b))
			}
		}
	}
	return n
}

// bytes returns one of the members that are byte slices.
func (m *Message) bytes(which member) []byte {
	switch which {
	case bloomFilter:
		return m.BloomFilter
	case content:
		return m.Content
	case extension:
		return m.Extension
	}
	return nil
}

func sizeID(n protowire.Number, length int, explicit Field) int {
	if length == 0 && explicit == 0 {
		return 0
	}
	return protowire.SizeTag(n) + protowire.SizeBytes(length)
}

func appendID[T ~string](dst []byte, n protowire.Number, id T, explicit Field) []byte {
	if id == "" && explicit == 0 {
		return dst
	}
	return appendString(dst, n, id)
}

func appendString[T ~string](dst []byte, n protowire.Number, v T) []byte {
	dst = protowire.AppendTag(dst, n, protowire.BytesType)
	return protowire.AppendString(dst, string(v))
}

func appendBytes(dst []byte, n protowire.Number, v []byte) []byte {
	dst = protowire.AppendTag(dst, n, protowire.BytesType)
	return protowire.AppendBytes(dst, v)
}
