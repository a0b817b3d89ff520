package tests

import (
	"bytes"
	"testing"

	"github.com/waku-org/sds-go-bindings/sds"
)

// FuzzUnwrap: whatever comes, Unwrap returns either an error that changed nothing
// or a whole result; a copy has nothing missing; and the manager goes on.
func FuzzUnwrap(f *testing.F) {
	v := loadVectors(f)
	for _, d := range v.Decode {
		f.Add(unhex(f, d.Wire), []byte{})
	}
	for _, s := range v.Sequences {
		f.Add(unhex(f, s.Wraps[0].Wire), unhex(f, s.Wraps[3].Wire))
	}
	f.Add([]byte("plain text"), proto(1, "m", 2, 7, 3, proto(1, "own"), 4, "ch", 5, "x", 13, proto(1, "own")))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		rm, err := sds.NewReliabilityManagerWithOptions(nil, sds.Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer rm.Cleanup()
		events := 0
		rm.RegisterCallbacks(sds.EventCallbacks{
			OnMessageReady:        func(sds.MessageID, string) { events++ },
			OnMessageSent:         func(sds.MessageID, string) { events++ },
			OnMissingDependencies: func(_ sds.MessageID, deps []sds.HistoryEntry, _ string) { events += len(deps) },
			RetrievalHintProvider: func(id sds.MessageID) []byte { return []byte(id) },
		})
		rm.RegisterOutgoingCallback(func(sds.OutgoingMessage) {})
		if _, err := rm.WrapOutgoingMessage([]byte("x"), "own", "ch"); err != nil {
			t.Fatal(err)
		}
		for _, packet := range [][]byte{first, second, first} {
			before, given := events, bytes.Clone(packet)
			u, err := rm.UnwrapReceivedMessage(packet)
			if !bytes.Equal(packet, given) {
				t.Fatal("the input was changed")
			}
			if err != nil {
				if u != nil || events != before {
					t.Fatalf("an error with %+v and %d events", u, events-before)
				}
				continue
			}
			if *u.Message == nil || *u.MissingDeps == nil || *u.ChannelId == "" {
				t.Fatalf("an incomplete result: %+v", u)
			}
			again, err := rm.UnwrapReceivedMessage(packet)
			if err != nil || !bytes.Equal(*again.Message, *u.Message) || len(*again.MissingDeps) != 0 {
				t.Fatalf("a copy gives %+v, %v", again, err)
			}
		}
		if _, err := rm.WrapOutgoingMessage([]byte("y"), "another", "ch"); err != nil {
			t.Fatal(err)
		}
	})
}
