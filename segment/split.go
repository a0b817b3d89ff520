package segment

import (
	"errors"

	"golang.org/x/crypto/sha3"
)

// Hash returns the Keccak-256 of a payload, as Ethereum has it: not SHA3-256,
// which pads in another way.
func Hash(payload []byte) (sum [HashSize]byte) {
	h := sha3.NewLegacyKeccak256()
	h.Write(payload)
	h.Sum(sum[:0])
	return sum
}

// Split cuts a payload into encoded segments: the data segments in order, then the
// parity segments. It returns fresh memory. The error says which field of cfg is
// wrong, or wraps ErrOversized if the payload makes more than Config.MaxSegments.
//
// With Status, a payload that fits into one segment is returned as it is, unless
// it happens to read as a segment itself: a receiver would take it for one, so it
// is cut in two.
func Split(payload []byte, cfg Config) ([][]byte, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	chunk := cfg.chunk()
	data, parity, err := cfg.count(len(payload))
	if err != nil {
		return nil, err
	}
	if cfg.Format == Status && data == 1 {
		if _, err := cfg.decode(payload); err != nil {
			return [][]byte{append([]byte(nil), payload...)}, nil
		}
		if cfg.MaxSegments < 2 {
			return nil, errors.New("segment: the payload reads as a segment and must be cut in two, MaxSegments is 1")
		}
		data, chunk = 2, (len(payload)+1)/2
	}
	return cfg.cut(payload, chunk, data, parity)
}

// cut makes the segments.
func (c Config) cut(payload []byte, chunk, data, parity int) ([][]byte, error) {
	s := Segment{Key: Key{Hash(payload), uint64(len(payload))}, DataCount: data, ParityCount: parity}
	pieces := make([][]byte, data, data+parity)
	for i := range pieces {
		pieces[i] = payload[min(i*chunk, len(payload)):min((i+1)*chunk, len(payload))]
	}
	if parity > 0 {
		var err error
		if pieces, err = c.addParity(pieces, chunk, parity); err != nil {
			return nil, err
		}
	}
	parts := make([][]byte, len(pieces))
	for i, piece := range pieces {
		s.Index, s.Parity, s.Payload = i, i >= data, piece
		if s.Parity {
			s.Index -= data
		}
		parts[i] = c.append(make([]byte, 0, headerSize+len(piece)), &s)
	}
	return parts, nil
}

// addParity returns the pieces and behind them those of parity.
func (c Config) addParity(pieces [][]byte, chunk, parity int) ([][]byte, error) {
	data := len(pieces)
	code, err := newCode(c.Format, data, parity)
	if err != nil {
		return nil, err
	}
	shards := append(make([][]byte, 0, data+parity), pieces...)
	shards[data-1] = padded(pieces[data-1], chunk)
	room := make([]byte, parity*chunk)
	for i := range parity {
		shards = append(shards, room[i*chunk:(i+1)*chunk])
	}
	if err := code.encode(shards); err != nil {
		return nil, err
	}
	shards[data-1] = pieces[data-1] // at its true length
	return shards, nil
}

// padded returns a piece filled up with zeros.
func padded(piece []byte, size int) []byte {
	if len(piece) == size {
		return piece
	}
	shard := make([]byte, size)
	copy(shard, piece)
	return shard
}
