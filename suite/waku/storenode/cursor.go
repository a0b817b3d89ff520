package storenode

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/causeway-im/causeway/transport"
)

// A cursor is a bookmark and a proof that this client made it for the topic:
//
//	store 2 | empty 1 | start 8 | end 8 | place 8 + 32 | cursor of the store, 0 to 64 | proof 16
//
// All integers are big-endian; store is 1 + its index, or 0 for none.
const (
	cursorHead  = 2 + 1 + 8 + 8 + 8 + 32
	cursorProof = 16
)

var errBadCursor = errors.New("the cursor is none that this client gave for this topic")

func (c *Client) cursor(topic transport.Topic, b *bookmark) []byte {
	out := binary.BigEndian.AppendUint16(nil, uint16(b.store+1))
	out = append(out, byte(b.empty))
	out = binary.BigEndian.AppendUint64(out, uint64(b.start))
	out = binary.BigEndian.AppendUint64(out, uint64(b.end))
	out = binary.BigEndian.AppendUint64(out, uint64(b.place.time))
	out = append(out, b.place.hash[:]...)
	out = append(out, b.cursor...)
	return append(out, c.proof(topic, out)...)
}

func (c *Client) readCursor(topic transport.Topic, cursor []byte) (bookmark, error) {
	if len(cursor) < cursorHead+cursorProof {
		return bookmark{}, errBadCursor
	}
	body := cursor[:len(cursor)-cursorProof]
	if !hmac.Equal(cursor[len(body):], c.proof(topic, body)) {
		return bookmark{}, errBadCursor
	}
	b := bookmark{
		store: int(binary.BigEndian.Uint16(body)) - 1,
		empty: int(body[2]),
		start: int64(binary.BigEndian.Uint64(body[3:])),
		end:   int64(binary.BigEndian.Uint64(body[11:])),
		place: position{time: int64(binary.BigEndian.Uint64(body[19:]))},
	}
	copy(b.place.hash[:], body[27:])
	if rest := body[cursorHead:]; len(rest) > 0 {
		b.cursor = bytes.Clone(rest)
	}
	return b, nil
}

func (c *Client) proof(topic transport.Topic, body []byte) []byte {
	mac := hmac.New(sha256.New, c.secret[:])
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(topic))))
	mac.Write([]byte(topic))
	mac.Write(body)
	return mac.Sum(nil)[:cursorProof]
}
