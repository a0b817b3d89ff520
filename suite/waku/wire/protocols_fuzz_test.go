package wire_test

import (
	"bufio"
	"bytes"
	"reflect"
	"testing"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

// stable checks that what was read can be written and is read again as the same.
func stable[T any](t *testing.T, b []byte, unmarshal func([]byte) (T, error), marshal func(*T) []byte) {
	v, err := unmarshal(b)
	if err != nil {
		return
	}
	again, err := unmarshal(marshal(&v))
	if err != nil || !bytes.Equal(marshal(&again), marshal(&v)) {
		t.Errorf("%+v is read again as %+v, %v", v, again, err)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(full.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		stable(t, b, wire.UnmarshalMessage, (*wire.Message).Marshal)
		if m, err := wire.UnmarshalMessage(b); err == nil {
			if m.Size() != len(m.Marshal()) {
				t.Errorf("Size is %d, want %d", m.Size(), len(m.Marshal()))
			}
			m.Hash("/p")
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte("\x08\x10\x1a\x02\x20\x21"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wire.UnmarshalMetadata(b)
		if err != nil {
			return
		}
		again, err := wire.UnmarshalMetadata(m.Marshal())
		if m.HasCluster = true; err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v is read again as %+v, %v", m, again, err)
		}
	})
}

func FuzzLightpush(f *testing.F) {
	f.Add((&wire.PushRequest{RequestID: "1", PubsubTopic: "/p", Message: full}).Marshal())
	f.Add((&wire.PushResponse{RequestID: "1", Success: true, Info: "i"}).Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		stable(t, b, wire.UnmarshalPushRequest, (*wire.PushRequest).Marshal)
		stable(t, b, wire.UnmarshalPushResponse, (*wire.PushResponse).Marshal)
	})
}

func FuzzFilter(f *testing.F) {
	f.Add((&wire.FilterRequest{RequestID: "1", Type: 1, PubsubTopic: "/p", ContentTopics: []string{"/a"}}).Marshal())
	f.Add((&wire.FilterResponse{RequestID: "1", Status: 200}).Marshal())
	f.Add((&wire.FilterPush{PubsubTopic: "/p", Message: full}).Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		stable(t, b, wire.UnmarshalFilterRequest, (*wire.FilterRequest).Marshal)
		stable(t, b, wire.UnmarshalFilterResponse, (*wire.FilterResponse).Marshal)
		stable(t, b, wire.UnmarshalFilterPush, (*wire.FilterPush).Marshal)
	})
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x03one\x00\x02tw"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			m, err := wire.ReadFrame(r, 1<<20)
			if err != nil {
				return
			}
			if len(m) > len(b) {
				t.Errorf("a message of %d bytes out of %d", len(m), len(b))
			}
		}
	})
}
