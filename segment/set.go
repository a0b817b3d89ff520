package segment

import (
	"container/list"
	"fmt"
	"time"
)

// name tells payloads apart. The sender is part of it: segments of two senders
// never come together.
type name struct {
	sender string
	key    Key
}

// place is where a segment belongs in its set.
type place struct {
	parity bool
	index  int
}

// held is a segment of an incomplete set.
type held struct {
	payload []byte
	tag     any
}

// set holds the segments of one incomplete payload. It grows with what was
// received, never with what a segment claims.
type set struct {
	name
	format       Format
	data, parity int // in Status 0 as long as they are not known
	segments     map[place]held
	heldData     int
	bytes        int // what it counts in Limits
	updated      time.Time
	element      *list.Element // its place in Reassembler.order
}

// agrees returns whether a segment says the same numbers of segments as the set.
func (s *set) agrees(x *Segment, maxSegments int) bool {
	if s.format == LIP243 {
		return s.data == x.DataCount && s.parity == x.ParityCount
	}
	data, parity := max(s.data, x.DataCount), max(s.parity, x.ParityCount)
	return (s.data == 0 || x.DataCount == 0 || s.data == x.DataCount) &&
		(s.parity == 0 || x.ParityCount == 0 || s.parity == x.ParityCount) &&
		data+parity <= maxSegments
}

// put takes a segment in. The payload is copied: what it points into may be much
// larger.
func (s *set) put(x *Segment) {
	s.data, s.parity = max(s.data, x.DataCount), max(s.parity, x.ParityCount)
	s.segments[place{x.Parity, x.Index}] = held{append([]byte(nil), x.Payload...), x.Tag}
	if !x.Parity {
		s.heldData++
	}
}

// ready returns whether there may be enough to make the payload of.
func (s *set) ready() bool { return s.data > 0 && len(s.segments) >= s.data }

// knowsLength returns whether the length in the key is what the sender says: a
// Status peer may not say any.
func (s *set) knowsLength() bool { return s.format == LIP243 || s.key.Length > 0 }

// assemble makes the payload of a set that is ready. done is false if that needs
// another segment; the error is ErrMalformed or ErrHashMismatch.
func (s *set) assemble(codes *codes) (payload []byte, done bool, err error) {
	if s.heldData == s.data {
		payload, err = s.join()
	} else if payload, err = s.reconstruct(codes); payload == nil && err == nil {
		return nil, false, nil
	}
	if err == nil && Hash(payload) != s.key.Hash {
		err = ErrHashMismatch
	}
	return payload, true, err
}

// join puts the data segments together.
func (s *set) join() ([]byte, error) {
	total := 0
	for i := range s.data {
		total += len(s.segments[place{false, i}].payload)
	}
	if s.knowsLength() && uint64(total) != s.key.Length {
		return nil, fmt.Errorf("%w: %d bytes, the segments claim %d", ErrMalformed, total, s.key.Length)
	}
	payload := make([]byte, 0, total)
	for i := range s.data {
		payload = append(payload, s.segments[place{false, i}].payload...)
	}
	return payload, nil
}

// reconstruct computes the payload with the help of parity. nil means that it
// can't be done without more data segments.
func (s *set) reconstruct(codes *codes) ([]byte, error) {
	shard, err := s.shardSize()
	if err != nil {
		return nil, err
	}
	if s.format == LIP243 && shard%shardUnit != 0 {
		return nil, nil
	}
	length, known, err := s.length(shard)
	if err != nil || !known {
		return nil, err
	}
	code, err := codes.get(s.data, s.parity)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	shards := make([][]byte, s.data+s.parity)
	for at, h := range s.segments {
		if at.parity {
			shards[s.data+at.index] = h.payload
		} else {
			shards[at.index] = padded(h.payload, shard)
		}
	}
	if err := code.recover(shards); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	payload := make([]byte, 0, s.data*shard)
	for _, piece := range shards[:s.data] {
		payload = append(payload, piece...)
	}
	return payload[:length], nil
}

// shardSize returns the length that all segments have but the last data segment.
func (s *set) shardSize() (int, error) {
	size := -1
	for at, h := range s.segments {
		if !at.parity && at.index == s.data-1 {
			continue
		}
		if size >= 0 && len(h.payload) != size {
			return 0, fmt.Errorf("%w: segments of %d and of %d bytes", ErrMalformed, size, len(h.payload))
		}
		size = len(h.payload)
	}
	if size < 1 { // there is parity, or else no data would be missing
		return 0, fmt.Errorf("%w: segments without a payload", ErrMalformed)
	}
	return size, nil
}

// length returns the length of the payload, if it is known, once it has proved
// possible.
func (s *set) length(shard int) (length int, known bool, err error) {
	before := (s.data - 1) * shard // the data segments but the last
	last, hasLast := s.segments[place{false, s.data - 1}]
	if !s.knowsLength() {
		return before + len(last.payload), hasLast, nil
	}
	if s.key.Length > uint64(before+shard) || s.key.Length <= uint64(before) && s.key.Length > 0 {
		return 0, false, fmt.Errorf("%w: %d bytes in %d segments of %d", ErrMalformed, s.key.Length, s.data, shard)
	}
	length = int(s.key.Length)
	if hasLast && len(last.payload) != length-before || length < before {
		return 0, false, fmt.Errorf("%w: the last segment has %d bytes", ErrMalformed, len(last.payload))
	}
	return length, true, nil
}

// tags returns the tags of what the payload was made of: data segments in order,
// and if some are missing, parity segments.
func (s *set) tags() []any {
	tags := make([]any, 0, len(s.segments))
	add := func(parity bool, count int) {
		for i := range count {
			if h, ok := s.segments[place{parity, i}]; ok {
				tags = append(tags, h.tag)
			}
		}
	}
	add(false, s.data)
	if s.heldData < s.data {
		add(true, s.parity)
	}
	return tags
}
