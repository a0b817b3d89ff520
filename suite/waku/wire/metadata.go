package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// MetadataProtocol is spoken when two nodes connect (66/WAKU2-METADATA).
const MetadataProtocol = "/vac/waku/metadata/1.0.0"

// Metadata is the request as well as the answer: each side tells its own.
type Metadata struct {
	Cluster uint32
	// HasCluster: the peer named a cluster at all.
	HasCluster bool
	Shards     []uint32
}

const (
	fieldCluster   = 1
	fieldOldShards = 2 // not packed; read when there is no fieldShards
	fieldShards    = 3 // packed
	fieldRPCID     = 1
	fieldRPCStatus = 10
	fieldRPCDesc   = 11
)

// Marshal returns m as bytes. The cluster is always written.
func (m *Metadata) Marshal() []byte {
	b := protowire.AppendTag(nil, fieldCluster, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(m.Cluster))
	var packed []byte
	for _, shard := range m.Shards {
		packed = protowire.AppendVarint(packed, uint64(shard))
	}
	return appendBytes(b, fieldShards, packed)
}

// UnmarshalMetadata reads metadata, with shards packed or not, in the present
// field or in that of old nodes.
func UnmarshalMetadata(b []byte) (Metadata, error) {
	var m Metadata
	var old []uint32
	err := eachField(b, func(f field) error {
		switch f.number {
		case fieldCluster:
			if f.typ == protowire.VarintType {
				m.Cluster, m.HasCluster = uint32(f.varint), true
			}
		case fieldShards:
			return appendShards(&m.Shards, f)
		case fieldOldShards:
			return appendShards(&old, f)
		}
		return nil
	})
	if len(m.Shards) == 0 {
		m.Shards = old
	}
	return m, err
}

// appendShards reads one element, or all of them packed.
func appendShards(to *[]uint32, f field) error {
	add := func(v uint64) error {
		if len(*to) >= MaxShards {
			return tooMuch("number of shards", len(*to)+1, MaxShards)
		}
		*to = append(*to, uint32(v))
		return nil
	}
	if f.typ == protowire.VarintType {
		return add(f.varint)
	}
	for b := f.bytes; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return malformed(n)
		}
		if err := add(v); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
