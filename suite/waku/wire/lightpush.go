package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// LightpushProtocol publishes through a service node (19/WAKU2-LIGHTPUSH).
const LightpushProtocol = "/vac/waku/lightpush/2.0.0-beta1"

// PushRequest asks a service node to publish a message.
type PushRequest struct {
	RequestID   string
	PubsubTopic string
	Message     Message
}

// PushResponse is the answer: Success means that the service node has published
// the message, not that anybody has received it.
type PushResponse struct {
	RequestID string
	Success   bool
	Info      string
}

// Both directions travel in one message, a PushRpc.
const (
	fieldPushRequest  = 2
	fieldPushResponse = 3

	fieldPushTopic   = 1
	fieldPushMessage = 2

	fieldPushSuccess = 1
	fieldPushInfo    = 2
)

// Marshal returns r as bytes.
func (r *PushRequest) Marshal() []byte {
	inner := appendString(nil, fieldPushTopic, r.PubsubTopic)
	inner = appendMessage(inner, fieldPushMessage, &r.Message)
	b := appendString(nil, fieldRPCID, r.RequestID)
	b = protowire.AppendTag(b, fieldPushRequest, protowire.BytesType)
	return protowire.AppendBytes(b, inner)
}

// Marshal returns r as bytes.
func (r *PushResponse) Marshal() []byte {
	inner := appendVarint(nil, fieldPushSuccess, protowire.EncodeBool(r.Success))
	inner = appendString(inner, fieldPushInfo, r.Info)
	b := appendString(nil, fieldRPCID, r.RequestID)
	b = protowire.AppendTag(b, fieldPushResponse, protowire.BytesType)
	return protowire.AppendBytes(b, inner)
}

// UnmarshalPushRequest reads a request. One without a message is malformed.
func UnmarshalPushRequest(b []byte) (PushRequest, error) {
	var r PushRequest
	inner, err := pushPart(b, fieldPushRequest, &r.RequestID)
	if err != nil {
		return r, err
	}
	has := false
	err = eachField(inner, func(f field) error {
		switch f.key() {
		case key(fieldPushTopic, protowire.BytesType):
			return f.text(&r.PubsubTopic, MaxTopic)
		case key(fieldPushMessage, protowire.BytesType):
			has = true
			return f.message(&r.Message)
		}
		return nil
	})
	if err == nil && !has {
		err = fmt.Errorf("%w: no message", ErrMalformed)
	}
	return r, err
}

// UnmarshalPushResponse reads an answer.
func UnmarshalPushResponse(b []byte) (PushResponse, error) {
	var r PushResponse
	inner, err := pushPart(b, fieldPushResponse, &r.RequestID)
	if err != nil {
		return r, err
	}
	err = eachField(inner, func(f field) error {
		switch f.key() {
		case key(fieldPushSuccess, protowire.VarintType):
			r.Success = f.varint != 0
		case key(fieldPushInfo, protowire.BytesType):
			return f.text(&r.Info, MaxText)
		}
		return nil
	})
	return r, err
}

// pushPart returns one of the two parts of a PushRpc.
func pushPart(b []byte, number protowire.Number, id *string) (part []byte, err error) {
	has := false
	err = eachField(b, func(f field) error {
		switch f.key() {
		case key(fieldRPCID, protowire.BytesType):
			return f.text(id, MaxText)
		case key(number, protowire.BytesType):
			has, part = true, f.bytes
		}
		return nil
	})
	if err == nil && !has {
		err = fmt.Errorf("%w: not what was expected", ErrMalformed)
	}
	return part, err
}
