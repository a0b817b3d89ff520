package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

func hashOf(b byte) (h [32]byte) {
	for i := range h {
		h[i] = b
	}
	return h
}

func timeOf(t int64) *int64 { return &t }

var storeQueries = []struct {
	name  string
	query StoreQuery
	bytes string
}{
	{"by topic and time", StoreQuery{
		RequestID: "id", IncludeData: true, PubsubTopic: "/p", ContentTopics: []string{"/a", "/b"},
		TimeStart: timeOf(0), TimeEnd: timeOf(1000), Cursor: []byte{7, 8}, Forward: true, Limit: 100,
	}, "0a026964" + "1001" + "52022f70" + "5a022f61" + "5a022f62" + "6000" + "68d00f" + "9a03020708" + "a00301" + "a80364"},
	{"presence", StoreQuery{RequestID: "id", Hashes: [][32]byte{hashOf(1), hashOf(2)}, Limit: 2},
		"0a026964" + "a20120" + strings.Repeat("01", 32) + "a20120" + strings.Repeat("02", 32) + "a80302"},
	{"nothing", StoreQuery{}, ""},
	{"before 1970", StoreQuery{RequestID: "i", TimeStart: timeOf(-1)}, "0a0169" + "6001"},
}

var storeAnswers = []struct {
	name   string
	answer StoreAnswer
	bytes  string
}{
	{"page", StoreAnswer{
		RequestID: "id", Status: StoreOK, Description: "OK", Cursor: []byte{9},
		Entries: []StoreEntry{{Hash: hashOf(3), Message: []byte{0x0a, 1, 'x'}, PubsubTopic: "/p"}, {Hash: hashOf(4)}},
	}, "0a026964" + "50c801" + "5a024f4b" +
		"a2012b" + "0a20" + strings.Repeat("03", 32) + "12030a0178" + "1a022f70" +
		"a20122" + "0a20" + strings.Repeat("04", 32) + "9a030109"},
	{"refusal", StoreAnswer{Status: StoreTooMany, Description: "no"}, "0a00" + "50ad03" + "5a026e6f"},
	{"nothing", StoreAnswer{}, "0a00" + "5000" + "5a00"},
}

func TestStoreGolden(t *testing.T) {
	for _, tt := range storeQueries {
		b := tt.query.Marshal()
		if got := hex.EncodeToString(b); got != tt.bytes {
			t.Errorf("query %s is %s, want %s", tt.name, got, tt.bytes)
		}
		if back, err := UnmarshalStoreQuery(b); err != nil || !reflect.DeepEqual(back, tt.query) {
			t.Errorf("query %s comes back as %+v, %v", tt.name, back, err)
		}
	}
	for _, tt := range storeAnswers {
		b := tt.answer.Marshal()
		if got := hex.EncodeToString(b); got != tt.bytes {
			t.Errorf("answer %s is %s, want %s", tt.name, got, tt.bytes)
		}
		if cap(b) != tt.answer.size() {
			t.Errorf("answer %s outgrew its size of %d", tt.name, tt.answer.size())
		}
		if back, err := UnmarshalStoreAnswer(b); err != nil || !reflect.DeepEqual(back, tt.answer) {
			t.Errorf("answer %s comes back as %+v, %v", tt.name, back, err)
		}
	}
}

// storeSchema is the schema of the specification, as the protobuf library knows
// it: what is checked against it does not come from this package.
func storeSchema(t testing.TB) protoreflect.MessageDescriptors {
	type f = descriptorpb.FieldDescriptorProto
	field := func(name string, number int32, typ descriptorpb.FieldDescriptorProto_Type, kind string) *f {
		x := &f{Name: &name, JsonName: &name, Number: &number, Type: &typ}
		label := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
		if kind == "repeated" {
			label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED
		}
		x.Label = &label
		if typ == descriptorpb.FieldDescriptorProto_TYPE_MESSAGE {
			x.TypeName = proto.String(".waku." + map[int32]string{2: "WakuMessage", 20: "WakuMessageKeyValue"}[number])
		}
		return x
	}
	const (
		text  = descriptorpb.FieldDescriptorProto_TYPE_STRING
		raw   = descriptorpb.FieldDescriptorProto_TYPE_BYTES
		yes   = descriptorpb.FieldDescriptorProto_TYPE_BOOL
		sint  = descriptorpb.FieldDescriptorProto_TYPE_SINT64
		uint4 = descriptorpb.FieldDescriptorProto_TYPE_UINT32
		uint8 = descriptorpb.FieldDescriptorProto_TYPE_UINT64
		other = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	)
	message := func(name string, fields ...*f) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: &name, Field: fields}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("store.proto"), Package: proto.String("waku"), Syntax: proto.String("proto2"),
		MessageType: []*descriptorpb.DescriptorProto{
			message("WakuMessage", field("payload", 1, raw, "")),
			message("WakuMessageKeyValue", field("message_hash", 1, raw, ""), field("message", 2, other, ""),
				field("pubsub_topic", 3, text, "")),
			message("StoreQueryRequest", field("request_id", 1, text, ""), field("include_data", 2, yes, ""),
				field("pubsub_topic", 10, text, ""), field("content_topics", 11, text, "repeated"),
				field("time_start", 12, sint, ""), field("time_end", 13, sint, ""),
				field("message_hashes", 20, raw, "repeated"), field("pagination_cursor", 51, raw, ""),
				field("pagination_forward", 52, yes, ""), field("pagination_limit", 53, uint8, "")),
			message("StoreQueryResponse", field("request_id", 1, text, ""), field("status_code", 10, uint4, ""),
				field("status_desc", 11, text, ""), field("messages", 20, other, "repeated"),
				field("pagination_cursor", 51, raw, "")),
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages()
}

// TestStoreAgainstSchema: the protobuf library reads the same from our bytes and
// writes the same.
func TestStoreAgainstSchema(t *testing.T) {
	schema := storeSchema(t)
	check := func(typ protoreflect.Name, golden string, fields int) *dynamicpb.Message {
		b, _ := hex.DecodeString(golden)
		m := dynamicpb.NewMessage(schema.ByName(typ))
		if err := proto.Unmarshal(b, m); err != nil {
			t.Fatalf("%s %s: %v", typ, golden, err)
		}
		n := 0
		m.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool { n++; return true })
		if n != fields || len(m.GetUnknown()) > 0 {
			t.Errorf("%s %s has %d fields, want %d, and %x", typ, golden, n, fields, m.GetUnknown())
		}
		if back, err := (proto.MarshalOptions{Deterministic: true}).Marshal(m); err != nil || !bytes.Equal(back, b) {
			t.Errorf("%s %s is written as %x, %v", typ, golden, back, err)
		}
		return m
	}
	get := func(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(name))
	}
	q := check("StoreQueryRequest", storeQueries[0].bytes, 9)
	if get(q, "time_end").Int() != 1000 || get(q, "pagination_limit").Uint() != 100 || get(q, "content_topics").List().Len() != 2 {
		t.Errorf("the query reads %v", q)
	}
	check("StoreQueryRequest", storeQueries[1].bytes, 3)
	if got := get(check("StoreQueryRequest", storeQueries[3].bytes, 2), "time_start").Int(); got != -1 {
		t.Errorf("time_start is %d", got)
	}
	a := check("StoreQueryResponse", storeAnswers[0].bytes, 5)
	first := get(a, "messages").List().Get(0).Message()
	if get(a, "status_code").Uint() != 200 || get(first, "pubsub_topic").String() != "/p" || len(get(first, "message_hash").Bytes()) != 32 {
		t.Errorf("the answer reads %v", a)
	}
	check("StoreQueryResponse", storeAnswers[1].bytes, 3)
}

func TestStoreMalformed(t *testing.T) {
	tag := func(number protowire.Number) []byte { return protowire.AppendTag(nil, number, protowire.BytesType) }
	of := func(number protowire.Number, v []byte) []byte { return protowire.AppendBytes(tag(number), v) }
	hash := bytes.Repeat([]byte{1}, 32)
	entry := of(fieldEntries, of(fieldEntryHash, hash))
	queries := map[string][]byte{
		"short hash":          of(fieldHashes, hash[1:]),
		"long hash":           of(fieldHashes, append(hash, 1)),
		"too many hashes":     bytes.Repeat(of(fieldHashes, hash), MaxStoreHashes+1),
		"too many topics":     bytes.Repeat(of(fieldContentTopics, []byte("x")), MaxStoreTopics+1),
		"long topic":          of(fieldContentTopics, make([]byte, MaxTopic+1)),
		"long request id":     of(fieldRequestID, make([]byte, MaxText+1)),
		"topic not UTF-8":     of(fieldPubsubTopic, []byte{0xff}),
		"long cursor":         of(fieldCursor, make([]byte, maxCursor+1)),
		"cut off":             of(fieldHashes, hash)[:20],
		"too large":           make([]byte, MaxStoreQuery+1),
		"length beyond sense": append(tag(fieldHashes), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
	}
	for name, b := range queries {
		if _, err := UnmarshalStoreQuery(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("query, %s: error is %v", name, err)
		}
	}
	answers := map[string][]byte{
		"entry without hash": of(fieldEntries, nil),
		"short hash":         of(fieldEntries, of(fieldEntryHash, hash[1:])),
		"too many entries":   bytes.Repeat(entry, MaxStorePage+1),
		"cut off":            entry[:len(entry)-1],
		"too large":          make([]byte, MaxStoreAnswer+1),
	}
	for name, b := range answers {
		if _, err := UnmarshalStoreAnswer(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("answer, %s: error is %v", name, err)
		}
	}
	if a, err := UnmarshalStoreAnswer(of(fieldDescription, bytes.Repeat([]byte("ä"), MaxText))); err != nil || len(a.Description) != MaxText {
		t.Errorf("a long description is %d bytes, %v", len(a.Description), err)
	}
	if q, err := UnmarshalStoreQuery(of(fieldCursor, nil)); err != nil || q.Cursor != nil {
		t.Errorf("an empty cursor is %v, %v", q.Cursor, err)
	}
	full := bytes.Repeat(of(fieldHashes, hash), MaxStoreHashes)
	if q, err := UnmarshalStoreQuery(full); err != nil || len(q.Hashes) != MaxStoreHashes {
		t.Errorf("%d hashes, %v", len(q.Hashes), err)
	}
}

func FuzzUnmarshalStoreQuery(f *testing.F) {
	for _, tt := range storeQueries {
		f.Add(tt.query.Marshal())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := UnmarshalStoreQuery(b)
		if err != nil {
			return
		}
		back, err := UnmarshalStoreQuery(q.Marshal())
		if err != nil || !reflect.DeepEqual(back, q) {
			t.Errorf("%+v comes back as %+v, %v", q, back, err)
		}
	})
}

func FuzzUnmarshalStoreAnswer(f *testing.F) {
	for _, tt := range storeAnswers {
		f.Add(tt.answer.Marshal())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := UnmarshalStoreAnswer(b)
		if err != nil {
			return
		}
		for i := range a.Entries {
			if e := &a.Entries[i]; e.Message == nil {
				e.PubsubTopic = "" // is not written alone
			} else if len(e.Message) == 0 {
				e.Message = []byte{}
			}
		}
		back, err := UnmarshalStoreAnswer(a.Marshal())
		for i := range back.Entries {
			if e := &back.Entries[i]; e.Message != nil && len(e.Message) == 0 {
				e.Message = []byte{}
			}
		}
		if err != nil || !reflect.DeepEqual(back, a) {
			t.Errorf("%+v comes back as %+v, %v", a, back, err)
		}
	})
}
