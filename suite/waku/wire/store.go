package wire

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// StoreProtocol is the protocol id of store queries, version 3 (13/WAKU2-STORE).
// A stream carries one StoreQuery and its StoreAnswer, each in a frame.
const StoreProtocol = "/vac/waku/store-query/3.0.0"

// Limits of store queries. Those on counts are what deployed stores accept.
const (
	// MaxStorePage bounds the messages of an answer.
	MaxStorePage = 100
	// MaxStoreHashes bounds the hashes of a query.
	MaxStoreHashes = 100
	// MaxStoreTopics bounds the content topics of a query.
	MaxStoreTopics = 10
	// MaxStoreQuery bounds a query in bytes.
	MaxStoreQuery = 64 << 10
	// MaxStoreAnswer bounds an answer in bytes: it holds a full page of messages of
	// MaxMessage.
	MaxStoreAnswer = 16 << 20
	// maxCursor bounds a cursor in bytes; all known ones are hashes.
	maxCursor = 64
)

// Status codes of a StoreAnswer.
const (
	StoreOK          = 200
	StoreBadRequest  = 400
	StoreTooMany     = 429
	StoreUnavailable = 503
)

// StoreQuery asks a store for messages: those of its Hashes, or else those that
// match all other criteria that are set. It is a StoreQueryRequest.
type StoreQuery struct {
	// RequestID is repeated in the answer. Stores refuse a query without.
	RequestID string
	// IncludeData asks for messages; without it the answer has hashes alone.
	IncludeData bool
	// PubsubTopic is not set if empty.
	PubsubTopic string
	// ContentTopics of which a message has one; at most MaxStoreTopics.
	ContentTopics []string
	// Timestamps from TimeStart until before TimeEnd, in nanoseconds since 1970.
	// nwaku on PostgreSQL includes TimeEnd, against the specification.
	TimeStart, TimeEnd *int64
	// Hashes of messages on any topic; at most MaxStoreHashes.
	Hashes [][32]byte
	// Cursor continues after the page that had it, in the direction of the query;
	// nil begins.
	Cursor []byte
	// Forward asks for the oldest page first, instead of the newest.
	Forward bool
	// Limit is how many messages a page may have; 0 leaves it to the store, which
	// then gives 20, also if there are more Hashes.
	Limit uint64
}

// StoreAnswer is a page of what a store has. It is a StoreQueryResponse.
type StoreAnswer struct {
	// RequestID is that of the query, or not: nwaku answers "N/A" or nothing to
	// what it refuses unread.
	RequestID string
	// Status is StoreOK, or says why there is no page. 0 means that it was missing.
	Status uint32
	// Description explains Status to people.
	Description string
	// Entries are sorted by timestamp and then by hash, whatever the direction.
	Entries []StoreEntry
	// Cursor continues the query; nil if nothing follows.
	Cursor []byte
}

// StoreEntry is a message of a store, a WakuMessageKeyValue. Message is still
// encoded, so that one that is malformed does not spoil the page; it and
// PubsubTopic are nil and empty if the query does not include data.
type StoreEntry struct {
	Hash        [32]byte
	Message     []byte
	PubsubTopic string
}

// Field numbers of store queries and answers.
const (
	fieldRequestID = 1
	fieldCursor    = 51

	fieldIncludeData   = 2
	fieldPubsubTopic   = 10
	fieldContentTopics = 11
	fieldTimeStart     = 12
	fieldTimeEnd       = 13
	fieldHashes        = 20
	fieldForward       = 52
	fieldLimit         = 53

	fieldStatus      = 10
	fieldDescription = 11
	fieldEntries     = 20

	fieldEntryHash    = 1
	fieldEntryMessage = 2
	fieldEntryTopic   = 3
)

// Marshal returns q as bytes.
func (q *StoreQuery) Marshal() []byte {
	b := appendString(nil, fieldRequestID, q.RequestID)
	b = appendVarint(b, fieldIncludeData, protowire.EncodeBool(q.IncludeData))
	b = appendString(b, fieldPubsubTopic, q.PubsubTopic)
	for _, topic := range q.ContentTopics {
		b = protowire.AppendString(protowire.AppendTag(b, fieldContentTopics, protowire.BytesType), topic)
	}
	b = appendTime(b, fieldTimeStart, q.TimeStart)
	b = appendTime(b, fieldTimeEnd, q.TimeEnd)
	for i := range q.Hashes {
		b = appendBytes(b, fieldHashes, q.Hashes[i][:])
	}
	b = appendBytes(b, fieldCursor, q.Cursor)
	b = appendVarint(b, fieldForward, protowire.EncodeBool(q.Forward))
	return appendVarint(b, fieldLimit, q.Limit)
}

// appendTime appends a time that is set, also if it is 0.
func appendTime(b []byte, number protowire.Number, at *int64) []byte {
	if at == nil {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), protowire.EncodeZigZag(*at))
}

// UnmarshalStoreQuery reads a query within the limits of this file.
func UnmarshalStoreQuery(b []byte) (StoreQuery, error) {
	var q StoreQuery
	if len(b) > MaxStoreQuery {
		return q, tooMuch("store query", len(b), MaxStoreQuery)
	}
	err := eachField(b, func(f field) error {
		switch f.key() {
		case key(fieldRequestID, protowire.BytesType):
			return f.text(&q.RequestID, MaxText)
		case key(fieldIncludeData, protowire.VarintType):
			q.IncludeData = f.varint != 0
		case key(fieldPubsubTopic, protowire.BytesType):
			return f.text(&q.PubsubTopic, MaxTopic)
		case key(fieldContentTopics, protowire.BytesType):
			if len(q.ContentTopics) == MaxStoreTopics {
				return tooMuch("content topics", MaxStoreTopics+1, MaxStoreTopics)
			}
			q.ContentTopics = append(q.ContentTopics, "")
			return f.text(&q.ContentTopics[len(q.ContentTopics)-1], MaxTopic)
		case key(fieldTimeStart, protowire.VarintType):
			q.TimeStart = f.time()
		case key(fieldTimeEnd, protowire.VarintType):
			q.TimeEnd = f.time()
		case key(fieldHashes, protowire.BytesType):
			if len(q.Hashes) == MaxStoreHashes {
				return tooMuch("message hashes", MaxStoreHashes+1, MaxStoreHashes)
			}
			q.Hashes = append(q.Hashes, [32]byte{})
			return f.hash(&q.Hashes[len(q.Hashes)-1])
		case key(fieldCursor, protowire.BytesType):
			return f.cursor(&q.Cursor)
		case key(fieldForward, protowire.VarintType):
			q.Forward = f.varint != 0
		case key(fieldLimit, protowire.VarintType):
			q.Limit = f.varint
		}
		return nil
	})
	return q, err
}

// Marshal returns a as bytes. The request id, status and description are there
// even if they are empty: nwaku wants them.
func (a *StoreAnswer) Marshal() []byte {
	b := make([]byte, 0, a.size())
	b = protowire.AppendString(protowire.AppendTag(b, fieldRequestID, protowire.BytesType), a.RequestID)
	b = protowire.AppendVarint(protowire.AppendTag(b, fieldStatus, protowire.VarintType), uint64(a.Status))
	b = protowire.AppendString(protowire.AppendTag(b, fieldDescription, protowire.BytesType), a.Description)
	for i := range a.Entries {
		e := &a.Entries[i]
		b = protowire.AppendTag(b, fieldEntries, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(e.size()))
		b = appendBytes(b, fieldEntryHash, e.Hash[:])
		if e.Message != nil {
			b = protowire.AppendBytes(protowire.AppendTag(b, fieldEntryMessage, protowire.BytesType), e.Message)
			b = protowire.AppendString(protowire.AppendTag(b, fieldEntryTopic, protowire.BytesType), e.PubsubTopic)
		}
	}
	return appendBytes(b, fieldCursor, a.Cursor)
}

// size is at least the length of Marshal.
func (a *StoreAnswer) size() int {
	n := 32 + len(a.RequestID) + len(a.Description) + len(a.Cursor)
	for i := range a.Entries {
		n += protowire.SizeTag(fieldEntries) + protowire.SizeBytes(a.Entries[i].size())
	}
	return n
}

func (e *StoreEntry) size() int {
	n := sizeBytes(fieldEntryHash, len(e.Hash))
	if e.Message != nil {
		n += protowire.SizeTag(fieldEntryMessage) + protowire.SizeBytes(len(e.Message)) +
			protowire.SizeTag(fieldEntryTopic) + protowire.SizeBytes(len(e.PubsubTopic))
	}
	return n
}

// UnmarshalStoreAnswer reads an answer within the limits of this file. A long
// description is cut off.
func UnmarshalStoreAnswer(b []byte) (StoreAnswer, error) {
	var a StoreAnswer
	if len(b) > MaxStoreAnswer {
		return a, tooMuch("store answer", len(b), MaxStoreAnswer)
	}
	err := eachField(b, func(f field) error {
		switch f.key() {
		case key(fieldRequestID, protowire.BytesType):
			return f.text(&a.RequestID, MaxText)
		case key(fieldStatus, protowire.VarintType):
			a.Status = uint32(f.varint)
		case key(fieldDescription, protowire.BytesType):
			a.Description = strings.ToValidUTF8(string(f.bytes[:min(len(f.bytes), MaxText)]), "")
		case key(fieldEntries, protowire.BytesType):
			if len(a.Entries) == MaxStorePage {
				return tooMuch("messages", MaxStorePage+1, MaxStorePage)
			}
			e, err := unmarshalEntry(f.bytes)
			a.Entries = append(a.Entries, e)
			return err
		case key(fieldCursor, protowire.BytesType):
			return f.cursor(&a.Cursor)
		}
		return nil
	})
	return a, err
}

func unmarshalEntry(b []byte) (StoreEntry, error) {
	var e StoreEntry
	hashed := false
	err := eachField(b, func(f field) error {
		switch f.key() {
		case key(fieldEntryHash, protowire.BytesType):
			hashed = true
			return f.hash(&e.Hash)
		case key(fieldEntryMessage, protowire.BytesType):
			e.Message = f.bytes
		case key(fieldEntryTopic, protowire.BytesType):
			return f.text(&e.PubsubTopic, MaxTopic)
		}
		return nil
	})
	if err == nil && !hashed {
		err = fmt.Errorf("%w: store entry without a hash", ErrMalformed)
	}
	return e, err
}

func (f *field) time() *int64 {
	at := protowire.DecodeZigZag(f.varint)
	return &at
}

func (f *field) hash(to *[32]byte) error {
	if len(f.bytes) != len(to) {
		return fmt.Errorf("%w: hash of %d bytes", ErrMalformed, len(f.bytes))
	}
	copy(to[:], f.bytes)
	return nil
}

// cursor reads a cursor; an empty one is none.
func (f *field) cursor(to *[]byte) error {
	if len(f.bytes) > maxCursor {
		return tooMuch("cursor", len(f.bytes), maxCursor)
	}
	*to = nil
	if len(f.bytes) > 0 {
		*to = f.bytes
	}
	return nil
}
