package wire_test

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/causeway-im/causeway/suite/waku/wire"
)

func roundTrip[T any](t *testing.T, v T, marshal func(*T) []byte, unmarshal func([]byte) (T, error)) {
	t.Helper()
	got, err := unmarshal(marshal(&v))
	if err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("got %+v, %v; want %+v", got, err, v)
	}
}

func TestProtocolsRoundTrip(t *testing.T) {
	roundTrip(t, wire.Metadata{Cluster: 16, HasCluster: true, Shards: []uint32{32, 1023}}, (*wire.Metadata).Marshal, wire.UnmarshalMetadata)
	roundTrip(t, wire.Metadata{HasCluster: true}, (*wire.Metadata).Marshal, wire.UnmarshalMetadata)
	roundTrip(t, wire.PushRequest{RequestID: "1", PubsubTopic: "/p", Message: full}, (*wire.PushRequest).Marshal, wire.UnmarshalPushRequest)
	roundTrip(t, wire.PushResponse{RequestID: "1", Success: true, Info: "fine"}, (*wire.PushResponse).Marshal, wire.UnmarshalPushResponse)
	roundTrip(t, wire.PushResponse{}, (*wire.PushResponse).Marshal, wire.UnmarshalPushResponse)
	roundTrip(t, wire.FilterRequest{RequestID: "1", Type: wire.FilterSubscribe, PubsubTopic: "/p", ContentTopics: []string{"/a", "/b"}},
		(*wire.FilterRequest).Marshal, wire.UnmarshalFilterRequest)
	roundTrip(t, wire.FilterResponse{RequestID: "1", Status: wire.StatusNotFound, Desc: "who?"}, (*wire.FilterResponse).Marshal, wire.UnmarshalFilterResponse)
	roundTrip(t, wire.FilterPush{Message: full, PubsubTopic: "/p"}, (*wire.FilterPush).Marshal, wire.UnmarshalFilterPush)
}

// TestProtocolsBytes: field numbers of the specifications.
func TestProtocolsBytes(t *testing.T) {
	m := wire.Message{Payload: []byte{0xaa}}
	for _, tt := range []struct {
		name, want string
		got        []byte
	}{
		{"metadata", "0810" + "1a0120", (&wire.Metadata{Cluster: 16, Shards: []uint32{32}}).Marshal()},
		{"push request", "0a0131" + "1208" + "0a0170" + "12030a01aa", (&wire.PushRequest{RequestID: "1", PubsubTopic: "p", Message: m}).Marshal()},
		{"push response", "0a0131" + "1a05" + "0801" + "120169", (&wire.PushResponse{RequestID: "1", Success: true, Info: "i"}).Marshal()},
		{"filter request", "0a0131" + "1001" + "520170" + "5a0161" + "5a0162", (&wire.FilterRequest{RequestID: "1", Type: wire.FilterSubscribe, PubsubTopic: "p", ContentTopics: []string{"a", "b"}}).Marshal()},
		{"filter response", "0a0131" + "50c801" + "5a0164", (&wire.FilterResponse{RequestID: "1", Status: 200, Desc: "d"}).Marshal()},
		{"filter push", "0a030a01aa" + "120170", (&wire.FilterPush{Message: m, PubsubTopic: "p"}).Marshal()},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestMetadataOld: nodes write shards in two fields, packed and not.
func TestMetadataOld(t *testing.T) {
	for name, b := range map[string]string{
		"packed":            "08101a022021",
		"one by one":        "081018201821",
		"old, one by one":   "081010201021",
		"old, packed":       "081012022021",
		"old and new agree": "0810102010211a022021",
	} {
		raw, _ := hex.DecodeString(b)
		got, err := wire.UnmarshalMetadata(raw)
		if want := (wire.Metadata{Cluster: 16, HasCluster: true, Shards: []uint32{32, 33}}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if m, err := wire.UnmarshalMetadata(nil); err != nil || m.HasCluster {
		t.Errorf("nothing: %+v, %v", m, err)
	}
}

func TestProtocolsMalformed(t *testing.T) {
	bytesField := func(number protowire.Number, v string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), v)
	}
	many := wire.FilterRequest{ContentTopics: strings.Split(strings.Repeat("x ", wire.MaxContentTopics), " ")}
	many.ContentTopics[wire.MaxContentTopics] = "one more"
	shards := wire.Metadata{Shards: make([]uint32, wire.MaxShards+1)}
	is := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := wire.UnmarshalFilterRequest(many.Marshal())
	is("many topics", err)
	_, err = wire.UnmarshalMetadata(shards.Marshal())
	is("many shards", err)
	_, err = wire.UnmarshalMetadata(bytesField(3, "\xff"))
	is("cut shards", err)
	_, err = wire.UnmarshalPushRequest((&wire.PushResponse{Success: true}).Marshal())
	is("a response for a request", err)
	_, err = wire.UnmarshalPushResponse((&wire.PushRequest{}).Marshal())
	is("a request for a response", err)
	_, err = wire.UnmarshalPushRequest(bytesField(2, ""))
	is("no message to push", err)
	_, err = wire.UnmarshalFilterPush(nil)
	is("no message pushed", err)
	_, err = wire.UnmarshalFilterPush(bytesField(1, "\x0a\x05"))
	is("half a message", err)
	_, err = wire.UnmarshalFilterResponse(bytesField(1, strings.Repeat("x", wire.MaxText+1)))
	is("long request id", err)
}
