package inspect

import (
	"encoding/hex"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/causeway-im/causeway/sds/wire"
)

// A Field is one protobuf field of the packet as it stands on the wire.
type Field struct {
	Offset int    `json:"offset"` // where its tag begins
	Bytes  int    `json:"bytes"`  // tag and length included
	Number uint64 `json:"number"`
	Name   string `json:"name"` // "unknown" if the dialect does not have it
	Type   string `json:"type"` // "varint", "bytes", "fixed32" or "fixed64"
	// Value is the number or the id; for an unknown field of bytes their hex.
	// What has a member of its own in the Report is not repeated here.
	Value string `json:"value,omitempty"`
	// Superseded marks a field that occurs again later: the last one counts.
	Superseded bool `json:"superseded,omitempty"`
}

// The fields of a message. ids are shown in the table of fields itself.
const (
	senderID      = "sender_id"
	messageID     = "message_id"
	channelID     = "channel_id"
	lamport       = "lamport_timestamp"
	causalHistory = "causal_history"
	repairRequest = "repair_request"
	bloomFilter   = "bloom_filter"
	content       = "content"
	extension     = "extension"
	unknown       = "unknown"
)

var numbering = map[wire.Dialect]map[uint64]string{
	wire.LIP: {
		1: senderID, 2: messageID, 3: channelID, 10: lamport, 11: causalHistory,
		12: bloomFilter, 13: repairRequest, 20: content, 100: extension,
	},
	wire.Nim: {
		1: messageID, 2: lamport, 3: causalHistory, 4: channelID, 5: content,
		6: bloomFilter, 7: senderID, 13: repairRequest, 100: extension,
	},
}

var typeNames = map[protowire.Type]string{
	protowire.VarintType:  "varint",
	protowire.Fixed64Type: "fixed64",
	protowire.BytesType:   "bytes",
	protowire.Fixed32Type: "fixed32",
}

// walk lists the fields of b. It stops at the first one that cannot be read and
// then returns false.
func walk(b []byte, d wire.Dialect) (fields []Field, ok bool) {
	last := map[string]int{}
	for offset := 0; offset < len(b); {
		f, ok := readField(b[offset:], d)
		if !ok {
			return fields, false
		}
		f.Offset = offset
		offset += f.Bytes
		if f.Name != unknown && f.Name != causalHistory && f.Name != repairRequest {
			if i, again := last[f.Name]; again {
				fields[i].Superseded = true
			}
			last[f.Name] = len(fields)
		}
		fields = append(fields, f)
	}
	return fields, true
}

// readField reads the field at the beginning of b. Field number 0, which
// protobuf forbids and nim-sds tolerates, is a field like others.
func readField(b []byte, d wire.Dialect) (Field, bool) {
	tag, n := protowire.ConsumeVarint(b)
	typ := protowire.Type(tag & 7)
	f := Field{Number: tag >> 3, Type: typeNames[typ], Name: unknown}
	if n < 0 || f.Type == "" {
		return f, false
	}
	size := protowire.ConsumeFieldValue(1, typ, b[n:])
	if size < 0 {
		return f, false
	}
	f.Bytes = n + size
	value := b[n:f.Bytes]

	want := protowire.BytesType
	name, known := numbering[d][f.Number]
	if name == lamport {
		want = protowire.VarintType
	}
	if known && typ == want {
		f.Name = name
	}
	switch f.Name {
	case causalHistory, repairRequest, bloomFilter, content, extension:
	case senderID, messageID, channelID:
		id, _ := protowire.ConsumeBytes(value)
		f.Value = escape(id)
	default:
		f.Value = formatValue(typ, value)
	}
	return f, true
}

func formatValue(typ protowire.Type, b []byte) string {
	switch typ {
	case protowire.VarintType:
		v, _ := protowire.ConsumeVarint(b)
		return strconv.FormatUint(v, 10)
	case protowire.Fixed32Type:
		v, _ := protowire.ConsumeFixed32(b)
		return strconv.FormatUint(uint64(v), 10)
	case protowire.Fixed64Type:
		v, _ := protowire.ConsumeFixed64(b)
		return strconv.FormatUint(v, 10)
	}
	v, _ := protowire.ConsumeBytes(b)
	return hex.EncodeToString(v)
}
