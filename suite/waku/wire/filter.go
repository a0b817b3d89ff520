package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// A light node subscribes at service nodes, which push to it what fits
// (12/WAKU2-FILTER).
const (
	FilterSubscribeProtocol = "/vac/waku/filter-subscribe/2.0.0-beta1"
	FilterPushProtocol      = "/vac/waku/filter-push/2.0.0-beta1"
)

// FilterType is what a FilterRequest asks for.
type FilterType uint32

// The requests. FilterPing asks whether the service node still knows the
// subscriber; the last two end some or all subscriptions.
const (
	FilterPing FilterType = iota
	FilterSubscribe
	FilterUnsubscribe
	FilterUnsubscribeAll
)

// Status codes of answers of service nodes, which are those of HTTP.
const (
	StatusOK          = 200
	StatusBadRequest  = 400
	StatusNotFound    = 404
	StatusTooMany     = 429
	StatusUnavailable = 503
)

// FilterRequest is a request about subscriptions.
type FilterRequest struct {
	RequestID     string
	Type          FilterType
	PubsubTopic   string
	ContentTopics []string
}

// FilterResponse is the answer.
type FilterResponse struct {
	RequestID string
	Status    uint32
	Desc      string
}

// FilterPush is a message for a subscriber.
type FilterPush struct {
	Message     Message
	PubsubTopic string
}

const (
	fieldFilterType          = 2
	fieldFilterTopic         = 10
	fieldFilterContentTopics = 11

	fieldFilterMessage   = 1
	fieldFilterPushTopic = 2
)

// Marshal returns r as bytes.
func (r *FilterRequest) Marshal() []byte {
	b := appendString(nil, fieldRPCID, r.RequestID)
	b = appendVarint(b, fieldFilterType, uint64(r.Type))
	b = appendString(b, fieldFilterTopic, r.PubsubTopic)
	for _, topic := range r.ContentTopics {
		b = protowire.AppendTag(b, fieldFilterContentTopics, protowire.BytesType)
		b = protowire.AppendString(b, topic)
	}
	return b
}

// UnmarshalFilterRequest reads a request.
func UnmarshalFilterRequest(b []byte) (FilterRequest, error) {
	var r FilterRequest
	err := eachField(b, func(f field) error {
		switch f.key() {
		case key(fieldRPCID, protowire.BytesType):
			return f.text(&r.RequestID, MaxText)
		case key(fieldFilterType, protowire.VarintType):
			r.Type = FilterType(f.varint)
		case key(fieldFilterTopic, protowire.BytesType):
			return f.text(&r.PubsubTopic, MaxTopic)
		case key(fieldFilterContentTopics, protowire.BytesType):
			if len(r.ContentTopics) >= MaxContentTopics {
				return tooMuch("number of content topics", len(r.ContentTopics)+1, MaxContentTopics)
			}
			var topic string
			if err := f.text(&topic, MaxTopic); err != nil {
				return err
			}
			r.ContentTopics = append(r.ContentTopics, topic)
		}
		return nil
	})
	return r, err
}

// Marshal returns r as bytes.
func (r *FilterResponse) Marshal() []byte {
	b := appendString(nil, fieldRPCID, r.RequestID)
	b = appendVarint(b, fieldRPCStatus, uint64(r.Status))
	return appendString(b, fieldRPCDesc, r.Desc)
}

// UnmarshalFilterResponse reads an answer.
func UnmarshalFilterResponse(b []byte) (FilterResponse, error) {
	var r FilterResponse
	err := eachField(b, func(f field) error {
		switch f.key() {
		case key(fieldRPCID, protowire.BytesType):
			return f.text(&r.RequestID, MaxText)
		case key(fieldRPCStatus, protowire.VarintType):
			r.Status = uint32(f.varint)
		case key(fieldRPCDesc, protowire.BytesType):
			return f.text(&r.Desc, MaxText)
		}
		return nil
	})
	return r, err
}

// Marshal returns p as bytes.
func (p *FilterPush) Marshal() []byte {
	b := appendMessage(nil, fieldFilterMessage, &p.Message)
	return appendString(b, fieldFilterPushTopic, p.PubsubTopic)
}

// UnmarshalFilterPush reads a push. One without a message is malformed.
func UnmarshalFilterPush(b []byte) (FilterPush, error) {
	var p FilterPush
	has := false
	err := eachField(b, func(f field) error {
		switch f.key() {
		case key(fieldFilterMessage, protowire.BytesType):
			has = true
			return f.message(&p.Message)
		case key(fieldFilterPushTopic, protowire.BytesType):
			return f.text(&p.PubsubTopic, MaxTopic)
		}
		return nil
	})
	if err == nil && !has {
		err = fmt.Errorf("%w: no message", ErrMalformed)
	}
	return p, err
}
