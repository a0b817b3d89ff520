package wire_test

import (
	"errors"
	"fmt"

	"github.com/causeway-im/causeway/sds/wire"
)

// A message is written in the dialect of its channel and read in either.
func Example() {
	m := wire.Message{
		Dialect:    wire.LIP,
		SenderID:   "alice",
		MessageID:  "m2",
		ChannelID:  "chat",
		Lamport:    1700000000000,
		HasLamport: true,
		CausalHistory: []wire.HistoryEntry{
			{MessageID: "m1", SenderID: "bob"},
		},
		Content: []byte("hello"),
	}
	b := m.Encode()

	got, err := wire.Decode(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.Dialect, got.Kind(), got.SenderID, string(got.Content))
	// Output: lip content alice hello
}

// Errors say where and why, and which limit was exceeded.
func ExampleError() {
	_, err := wire.Decode([]byte("\x12\x01m\x1a\x01c\x52\x01\x01"))
	fmt.Println(err)

	var e *wire.Error
	if errors.As(err, &e) {
		fmt.Println(e.Name, errors.Is(err, wire.ErrWireType))
	}
	// Output:
	// wire: lip field 10 (lamport_timestamp) at byte 6: wire type 2, want 0
	// lamport_timestamp true
}
