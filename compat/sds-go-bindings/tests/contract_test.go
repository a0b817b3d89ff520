package tests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	causeway "github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/waku-org/sds-go-bindings/sds"
)

// proto writes a protobuf message: strings and byte slices as length-delimited
// fields, ints as varints.
func proto(fields ...any) []byte {
	var b []byte
	for i := 0; i < len(fields); i += 2 {
		tag := uint64(fields[i].(int)) << 3
		switch v := fields[i+1].(type) {
		case int:
			b = binary.AppendUvarint(binary.AppendUvarint(b, tag), uint64(v))
		case string:
			b = append(binary.AppendUvarint(binary.AppendUvarint(b, tag|2), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(binary.AppendUvarint(b, tag|2), uint64(len(v))), v...)
		}
	}
	return b
}

// status-go tries Unwrap on every payload and takes an error for "not SDS"
// (status.md §1.3): what is something else must be an error and leave nothing.
func TestOtherPayloadsAreErrors(t *testing.T) {
	long := bytes.Repeat([]byte{0xab}, 65)
	chat := proto(1, 1_700_000_000_000, 2, 1_700_000_000, 3, "hello", 4, "reply", 5, "ens", 6, "chat", 7, 1, 8, 1)
	for name, payload := range map[string][]byte{
		"nil":                      nil,
		"empty":                    {},
		"one zero":                 {0},
		"zeros":                    make([]byte, 64),
		"plain text":               []byte("hello, this is no SDS message"),
		"long text":                []byte(strings.Repeat("The quick brown fox jumps over the lazy dog. ", 200)),
		"JSON":                     []byte(`{"messageId":"0x1","channelId":"ch","content":"x"}`),
		"the blob of status-go":    {0x0a, 0x2a, 0x08, 0x01},
		"application metadata":     proto(1, long, 2, chat, 3, 1),
		"metadata without type":    proto(1, long, 2, chat),
		"chat message":             chat,
		"datasync payload":         proto(5001, []byte("ack"), 5004, proto(1, "group", 2, 7, 3, "body")),
		"protocol message":         proto(1, []byte("x"), 2, []byte("y"), 3, []byte("z")),
		"in LIP numbers, by guess": proto(1, "sender", 2, "id", 3, "channel", 10, 7, 20, "content"),
		"LIP sync by guess":        proto(1, "sender", 2, "id", 3, "channel", 10, 7),
		"without id":               proto(2, 7, 4, "channel", 5, "content"),
		"without timestamp":        proto(1, "id", 4, "channel", 5, "content"),
		"without channel":          proto(1, "id", 2, 7, 5, "content"),
		"without content":          proto(1, "id", 2, 7, 4, "channel"),
		"timestamp as bytes":       proto(1, "id", 2, "7", 4, "channel", 5, "content"),
		"id as varint":             proto(1, 7, 2, 7, 4, "channel", 5, "content"),
		"channel as varint":        proto(1, "id", 2, 7, 4, 7, 5, "content"),
		"content as varint":        proto(1, "id", 2, 7, 4, "channel", 5, 7),
		"empty channel":            proto(1, "id", 2, 7, 4, "", 5, "content"),
		"bad history entry":        proto(1, "id", 2, 7, 3, proto(2, "hint"), 4, "channel", 5, "content"),
		"cut off":                  proto(1, "id", 2, 7, 4, "channel", 5, "content")[:12],
		"group":                    append(proto(1, "id", 2, 7, 4, "channel", 5, "content"), 0xa3, 0x06),
		"timestamp 2^53":           proto(1, "id", 2, 1<<53, 4, "channel", 5, "content"),
		"timestamp 2^63":           proto(1, "id", 2, -1<<63, 4, "channel", 5, "content"),
		"content above 1 MiB":      proto(1, "id", 2, 7, 4, "channel", 5, make([]byte, 1<<20+1)),
		"id of 513 bytes":          proto(1, strings.Repeat("x", 513), 2, 7, 4, "channel", 5, "content"),
	} {
		t.Run(name, func(t *testing.T) {
			rm, heard := joined(t)
			u, err := rm.UnwrapReceivedMessage(payload)
			if u != nil || !errors.Is(err, sds.ErrDeserialization) {
				t.Fatalf("got %v, %v", u, err)
			}
			const text = "error UnwrapReceivedMessage: error processing UNWRAP_MESSAGE request: reDeserializationError"
			if !strings.HasPrefix(err.Error(), text) {
				t.Errorf("error %q", err)
			}
			heard.want(t)
			if err := rm.MarkDependenciesMet([]sds.MessageID{"x"}, "channel"); !errors.Is(err, sds.ErrInvalidArgument) {
				t.Errorf("a refused message made a channel: %v", err)
			}
		})
	}
}

// The same fields are a message once they are all there: the cases above are
// refused for what they lack.
func TestSmallestMessage(t *testing.T) {
	rm, heard := joined(t)
	wantIDs(t, "missing", unwrap(t, rm, proto(1, "id", 2, 7, 4, "channel", 5, "content of id"), "id", "channel"))
	heard.want(t, "ready id channel")
}

func TestErrorTexts(t *testing.T) {
	rm, _ := joined(t)
	long := strings.Repeat("x", 513)
	for _, tt := range []struct {
		name string
		call func() error
		text string
		is   error
	}{
		{"empty content", func() error { _, err := rm.WrapOutgoingMessage(nil, "m", "ch"); return err },
			"error WrapOutgoingMessage: error processing WRAP_MESSAGE request: reInvalidArgument", sds.ErrInvalidArgument},
		{"too large", func() error { _, err := rm.WrapOutgoingMessage(make([]byte, 1<<20+1), "m", "ch"); return err },
			"error WrapOutgoingMessage: error processing WRAP_MESSAGE request: reMessageTooLarge", sds.ErrMessageTooLarge},
		{"no channel", func() error { _, err := rm.WrapOutgoingMessage([]byte("x"), "m", ""); return err },
			"error WrapOutgoingMessage: libsds error: channel ID is empty string", sds.ErrInvalidArgument},
		{"long id", func() error { _, err := rm.WrapOutgoingMessage([]byte("x"), sds.MessageID(long), "ch"); return err },
			"error WrapOutgoingMessage: error processing WRAP_MESSAGE request: reInvalidArgument: the message id has 513 bytes, limit 512", sds.ErrInvalidArgument},
		{"long channel", func() error { _, err := rm.WrapOutgoingMessage([]byte("x"), "m", long); return err },
			"error WrapOutgoingMessage: error processing WRAP_MESSAGE request: reInvalidArgument: the channel id has 513 bytes, limit 512", sds.ErrInvalidArgument},
		{"unknown channel", func() error { return rm.MarkDependenciesMet([]sds.MessageID{"m"}, "nowhere") },
			"error MarkDependenciesMet: error processing MARK_DEPENDENCIES_MET request: reInvalidArgument", sds.ErrInvalidArgument},
		{"participant", func() error {
			_, err := sds.NewReliabilityManagerWithOptions(nil, sds.Options{Participant: long})
			return err
		}, "error creating reliability manager: reInvalidArgument", sds.ErrInvalidArgument},
	} {
		err := tt.call()
		if err == nil || !strings.HasPrefix(err.Error(), tt.text) || !errors.Is(err, tt.is) {
			t.Errorf("%s: %v, want %q…", tt.name, err, tt.text)
		}
	}
	if err := rm.MarkDependenciesMet(nil, "nowhere"); err != nil {
		t.Errorf("an empty list is not a no-op: %v", err)
	}
}

func TestLargestMessage(t *testing.T) {
	a, _ := joined(t)
	b, _ := joined(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	packet, err := a.WrapOutgoingMessage(content, "m", "ch")
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.UnwrapReceivedMessage(packet)
	if err != nil || !bytes.Equal(*u.Message, content) {
		t.Error("exactly 1 MiB did not come through", err)
	}
}

func TestNilManager(t *testing.T) {
	var rm *sds.ReliabilityManager
	rm.RegisterCallbacks(sds.EventCallbacks{})
	rm.RegisterOutgoingCallback(nil)
	rm.OnEvent("{}")
	rm.OnCallbackError(1, "x")
	_, wrapErr := rm.WrapOutgoingMessage([]byte("x"), "m", "ch")
	_, unwrapErr := rm.UnwrapReceivedMessage([]byte("x"))
	for name, err := range map[string]error{
		"WrapOutgoingMessage": wrapErr, "UnwrapReceivedMessage": unwrapErr,
		"MarkDependenciesMet": rm.MarkDependenciesMet([]sds.MessageID{"m"}, "ch"),
		"StartPeriodicTasks":  rm.StartPeriodicTasks(), "Reset": rm.Reset(), "Cleanup": rm.Cleanup(),
	} {
		if err == nil || err.Error() != "empty reliability manager" {
			t.Errorf("%s: %v", name, err)
		}
	}
	var zero sds.ReliabilityManager
	if _, err := zero.UnwrapReceivedMessage([]byte("x")); !errors.Is(err, sds.ErrCleanedUp) {
		t.Errorf("a manager that nobody made: %v", err)
	}
	if err := zero.Cleanup(); err != nil {
		t.Error(err)
	}
}

// Content comes at once although dependencies are missing, and a copy has none.
func TestContentAtOnce(t *testing.T) {
	a, _ := joined(t)
	b, heard := joined(t)
	one, two := wrap(t, a, "m1", "ch"), wrap(t, a, "m2", "ch")
	wantIDs(t, "missing", unwrap(t, b, two, "m2", "ch"), "m1")
	wantIDs(t, "missing of a copy that waits", unwrap(t, b, two, "m2", "ch"))
	heard.want(t, "missing m2 [m1] ch")
	wantIDs(t, "missing", unwrap(t, b, one, "m1", "ch"))
	heard.want(t, "ready m1 ch", "ready m2 ch")
	for range 3 {
		wantIDs(t, "missing of a copy", unwrap(t, b, two, "m2", "ch"))
	}
	heard.want(t)
}

// An echo of our own message acknowledges nothing.
func TestOwnEcho(t *testing.T) {
	rm, heard := joined(t)
	one, two := wrap(t, rm, "m1", "ch"), wrap(t, rm, "m2", "ch")
	unwrap(t, rm, one, "m1", "ch")
	unwrap(t, rm, two, "m2", "ch") // it names m1
	heard.want(t)
}

// What a caller does with its own and with returned bytes changes nothing.
func TestNothingIsShared(t *testing.T) {
	a, _ := joined(t)
	b, heard := joined(t)
	b.RegisterOutgoingCallback(heard.outgoing)
	content := []byte("content of m1")
	one, err := a.WrapOutgoingMessage(content, "m1", "ch")
	if err != nil {
		t.Fatal(err)
	}
	copyOfOne := bytes.Clone(one)
	clear(content)
	clear(one)
	again, err := a.WrapOutgoingMessage([]byte("content of m1"), "m1", "ch")
	if err != nil || !bytes.Equal(again, copyOfOne) {
		t.Error("the message changed with what Wrap returned", err)
	}
	two := wrap(t, a, "m2", "ch")
	u, err := b.UnwrapReceivedMessage(two)
	if err != nil {
		t.Fatal(err)
	}
	clear(two)
	if string(*u.Message) != "content of m2" || (*u.MissingDeps)[0].MessageID != "m1" {
		t.Error("the result changed with the bytes that were unwrapped")
	}
	clear(*u.Message)
	(*u.MissingDeps)[0].MessageID = "x"
	unwrap(t, b, copyOfOne, "m1", "ch")
	heard.want(t, "missing m2 [m1] ch", "ready m1 ch", "ready m2 ch")
}

// The same id again is the same message (nim-sds would give one that depends on
// itself); the same content in another channel is another message.
func TestWrapAgain(t *testing.T) {
	a, _ := joined(t)
	b, heard := joined(t)
	one := wrap(t, a, "m1", "ch")
	wrap(t, a, "m2", "ch")
	if again := wrap(t, a, "m1", "ch"); !bytes.Equal(again, one) {
		t.Error("the same message has other bytes")
	}
	if other := wrap(t, a, "m1", "other"); bytes.Equal(other, one) {
		t.Error("the same bytes in another channel")
	}
	wantIDs(t, "missing", unwrap(t, b, one, "m1", "ch"))
	heard.want(t, "ready m1 ch")

	// Without the old bytes it still is a message that does not depend on itself.
	c, heardC := joined(t)
	unwrap(t, c, one, "m1", "ch")
	heardC.take()
	again := wrap(t, c, "m1", "ch")
	m, err := wire.Decode(again)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.CausalHistory {
		if e.MessageID == "m1" {
			t.Error("it depends on itself")
		}
	}
	d, heardD := joined(t)
	unwrap(t, d, again, "m1", "ch")
	heardD.want(t, "ready m1 ch")
}

// After a restart without a store others name what we wrote before. The host may
// send that again.
func TestWrapWhatOthersNamed(t *testing.T) {
	a, _ := joined(t)
	b, _ := joined(t)
	unwrap(t, b, wrap(t, a, "m1", "ch"), "m1", "ch")
	fresh, heard := joined(t)
	wantIDs(t, "missing", unwrap(t, fresh, wrap(t, b, "m2", "ch"), "m2", "ch"), "m1")
	wrap(t, fresh, "m1", "ch")
	heard.want(t, "missing m2 [m1] ch", "ready m2 ch")
}

// An empty message id is allowed, as with nim-sds: on the way out the message
// gets one, on the way in nobody can refer to it.
func TestEmptyMessageID(t *testing.T) {
	a, _ := joined(t)
	b, _ := joined(t)
	packet, err := a.WrapOutgoingMessage([]byte("content of "), "", "ch")
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.GenerationD.Decode(packet)
	if err != nil || m.MessageID == "" {
		t.Errorf("message %+v, %v", m, err)
	}
	unwrap(t, b, packet, "", "ch")
	for range 2 {
		wantIDs(t, "missing", unwrap(t, b, proto(1, "", 2, 7, 3, proto(1, "x"), 4, "ch", 5, "content of "), "", "ch"))
	}
}

// Ids are bytes to us, but for one form, which proves its message or is refused
// by Wrap. A message with such an id and other content is still content.
func TestIDsAreOpaque(t *testing.T) {
	a, _ := joined(t)
	b, heard := joined(t)
	var ready []string
	for _, id := range []string{"x", "\xff\xfe\x00", strings.Repeat("i", 512), strings.Repeat("ab", 32), "→"} {
		unwrap(t, b, wrap(t, a, id, "ch"), id, "ch")
		ready = append(ready, "ready "+id+" ch")
	}
	heard.want(t, ready...)
	own := "c1" + strings.Repeat("A", 27)
	if _, err := a.WrapOutgoingMessage([]byte("x"), sds.MessageID(own), "ch"); !errors.Is(err, sds.ErrInvalidArgument) {
		t.Errorf("Wrap with an id of our own form: %v", err)
	}
	wantIDs(t, "missing", unwrap(t, b, proto(1, own, 2, 7, 4, "ch", 5, "content of "+own), own, "ch"))
	heard.want(t)
}

// MarkDependenciesMet ends the wait; the message is not reported missing again,
// and is processed should it come.
func TestMarkDependenciesMet(t *testing.T) {
	a, _ := joined(t)
	b, heard := joined(t)
	one, two, three := wrap(t, a, "m1", "ch"), wrap(t, a, "m2", "ch"), wrap(t, a, "m3", "ch")
	unwrap(t, b, two, "m2", "ch")
	heard.want(t, "missing m2 [m1] ch")
	if err := b.MarkDependenciesMet([]sds.MessageID{"m1", "unheard of"}, "ch"); err != nil {
		t.Fatal(err)
	}
	heard.want(t, "ready m2 ch")
	wantIDs(t, "missing", unwrap(t, b, three, "m3", "ch"))
	heard.want(t, "ready m3 ch")
	wantIDs(t, "missing", unwrap(t, b, one, "m1", "ch"))
	heard.want(t, "ready m1 ch")

	// Before anybody names it.
	c, heardC := joined(t)
	unwrap(t, c, wrap(t, a, "other", "ch2"), "other", "ch2")
	if err := c.MarkDependenciesMet([]sds.MessageID{"m1"}, "ch2"); err != nil {
		t.Fatal(err)
	}
	wantIDs(t, "missing", unwrap(t, c, proto(1, "m9", 2, 7, 3, proto(1, "m1"), 4, "ch2", 5, "content of m9"), "m9", "ch2"))
	heardC.want(t, "ready other ch2", "ready m9 ch2")
}

// Reset forgets: nothing is a duplicate any more, and callbacks stay.
func TestReset(t *testing.T) {
	a, _ := joined(t)
	b, heard := joined(t)
	one := wrap(t, a, "m1", "ch")
	unwrap(t, b, one, "m1", "ch")
	if err := b.Reset(); err != nil {
		t.Fatal(err)
	}
	if err := b.MarkDependenciesMet([]sds.MessageID{"m1"}, "ch"); !errors.Is(err, sds.ErrInvalidArgument) {
		t.Errorf("the channel is still there: %v", err)
	}
	unwrap(t, b, one, "m1", "ch")
	heard.want(t, "ready m1 ch", "ready m1 ch")
}

// A message without content, as our acknowledgements are, shows what is missing.
func TestMessageWithoutContent(t *testing.T) {
	rm, heard := joined(t)
	packet := proto(1, "y", 2, 7, 3, proto(1, "m1", 2, "hint"), 4, "ch", 5, "")
	u, err := rm.UnwrapReceivedMessage(packet)
	if err != nil {
		t.Fatal(err)
	}
	if u.Message == nil || *u.Message == nil || len(*u.Message) != 0 || len(*u.MissingDeps) != 1 ||
		string((*u.MissingDeps)[0].RetrievalHint) != "hint" {
		t.Errorf("unwrapped %+v", u)
	}
	heard.want(t, "missing y [m1] ch")
}

// Foreign-dialect messages are read and counted, and never named (rule P2). Their
// clock is in milliseconds: such a one is content, but takes no place in a log in
// seconds until two others name it.
func TestForeignDialect(t *testing.T) {
	rm, heard := joined(t)
	lip := wire.Message{Dialect: wire.LIP, SenderID: "js", ChannelID: "ch", Lamport: 1_700_000_000, HasLamport: true,
		Content: []byte("content of js")}
	lip.MessageID = causeway.ContentID(lip.Content)
	wantIDs(t, "missing", unwrap(t, rm, lip.Encode(), "js", "ch"))
	heard.want(t, fmt.Sprintf("ready %s ch", lip.MessageID))
	wantIDs(t, "missing of a copy", unwrap(t, rm, lip.Encode(), "js", "ch"))
	heard.want(t)
	m, err := wire.Decode(wrap(t, rm, "m1", "ch"))
	if err != nil || len(m.CausalHistory) != 0 {
		t.Errorf("names %v, %v", m.CausalHistory, err)
	}
	reply := lip
	reply.Content, reply.Lamport = []byte("content of reply"), lip.Lamport+1
	reply.CausalHistory = []wire.HistoryEntry{{MessageID: "m1"}, {MessageID: lip.MessageID}}
	reply.MessageID = causeway.ContentID(reply.Content)
	unwrap(t, rm, reply.Encode(), "reply", "ch") // it names ours, so it has ours
	heard.want(t, "sent m1 ch", fmt.Sprintf("ready %s ch", reply.MessageID))
	ahead := lip
	ahead.Content, ahead.Lamport = []byte("content of ahead"), 1_700_000_000_000
	ahead.MessageID = causeway.ContentID(ahead.Content)
	wantIDs(t, "missing", unwrap(t, rm, ahead.Encode(), "ahead", "ch"))
	heard.want(t)
}
