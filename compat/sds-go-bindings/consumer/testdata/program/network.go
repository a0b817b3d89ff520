package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sync"
)

// key is what the members of the community share.
var key = sha256.Sum256([]byte("community"))

func seal(plain []byte) []byte {
	block, _ := aes.NewCipher(key[:])
	box, _ := cipher.NewGCM(block)
	nonce := make([]byte, box.NonceSize())
	rand.Read(nonce)
	return box.Seal(nonce, nonce, plain, nil)
}

func unseal(sealed []byte) ([]byte, error) {
	block, _ := aes.NewCipher(key[:])
	box, _ := cipher.NewGCM(block)
	n := min(len(sealed), box.NonceSize())
	return box.Open(nil, sealed[:n], sealed[n:], nil)
}

// A segment is message hash, index, count, data; the last one is the XOR of the
// others, so that any one may be lost.
const (
	segmentSize   = 100 << 10
	segmentHeader = sha256.Size + 8
)

func segments(message []byte) (parts [][]byte) {
	hash := sha256.Sum256(message)
	padded := binary.BigEndian.AppendUint32(nil, uint32(len(message)))
	padded = append(padded, message...)
	size := min(segmentSize, len(padded))
	count := (len(padded) + size - 1) / size
	padded = append(padded, make([]byte, count*size-len(padded))...)
	parity := make([]byte, size)
	part := func(i int, data []byte) []byte {
		b := slices.Clone(hash[:])
		b = binary.BigEndian.AppendUint32(b, uint32(i))
		b = binary.BigEndian.AppendUint32(b, uint32(count))
		return append(b, data...)
	}
	for i := range count {
		data := padded[i*size : (i+1)*size]
		for j := range data {
			parity[j] ^= data[j]
		}
		parts = append(parts, part(i, data))
	}
	return append(parts, part(count, parity))
}

// reassembler collects segments.
type reassembler struct {
	parts map[string]map[int][]byte
	done  map[string]bool
}

func (r *reassembler) add(segment []byte) (message []byte) {
	hash := string(segment[:sha256.Size])
	index := int(binary.BigEndian.Uint32(segment[sha256.Size:]))
	count := int(binary.BigEndian.Uint32(segment[sha256.Size+4:]))
	if r.done[hash] {
		return nil
	}
	if r.parts[hash] == nil {
		r.parts[hash] = map[int][]byte{}
	}
	have := r.parts[hash]
	have[index] = segment[segmentHeader:]
	if len(have) < count {
		return nil
	}
	var all []byte
	for i := range count {
		data := have[i]
		if data == nil { // what all others give together
			data = make([]byte, len(have[count]))
			for _, other := range have {
				for j := range other {
					data[j] ^= other[j]
				}
			}
		}
		all = append(all, data...)
	}
	message = all[4 : 4+binary.BigEndian.Uint32(all)]
	if sum := sha256.Sum256(message); !bytes.Equal(sum[:], []byte(hash)) {
		panic("segments do not fit together")
	}
	r.done[hash] = true
	delete(r.parts, hash)
	return message
}

// network broadcasts envelopes, keeps each in a store, and loses what it is told.
type network struct {
	mu      sync.Mutex
	store   map[string][]byte
	members []*member
	loses   func(to *member, message, segment int) bool
}

func (n *network) publish(from *member, message int, envelopes [][]byte) (hashes []string) {
	for i, e := range envelopes {
		sum := sha256.Sum256(e)
		hash := "0x" + hex.EncodeToString(sum[:])
		hashes = append(hashes, hash)
		n.mu.Lock()
		n.store[hash] = e
		n.mu.Unlock()
		for _, m := range n.members {
			if m != from && !n.loses(m, message, i) {
				m.receive(e)
			}
		}
	}
	return hashes
}

func (n *network) fetch(hash []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.store[string(hash)]
}
