package inspect

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// Bloom describes a bloom filter. Of an empty one only Container is given.
type Bloom struct {
	Bytes     int    `json:"bytes"`
	Container string `json:"container"` // "js" or "nim"
	K         int    `json:"k,omitempty"`
	M         int    `json:"m,omitempty"`
	// Capacity and ErrorRate are what the filter was sized for. A nim filter
	// says so itself; for a js filter they are those of every deployed peer.
	Capacity  uint64  `json:"capacity,omitempty"`
	ErrorRate float64 `json:"error_rate,omitempty"`

	BitsSet           int     `json:"bits_set"`
	Fill              float64 `json:"fill"` // share of the bits that are set
	EstimatedIDs      int     `json:"estimated_ids"`
	FalsePositiveRate float64 `json:"false_positive_rate"`

	Problem string `json:"problem,omitempty"` // why it cannot be read
}

// jsFilterBytes is the size of the filter of every deployed @waku/sds.
var jsFilterBytes = 8 * bloom.Default().Words()

func newBloom(d wire.Dialect, b []byte) *Bloom {
	out := &Bloom{Bytes: len(b), Container: bloom.JS.String()}
	if d == wire.Nim {
		out.Container = bloom.Nim.String()
	}
	if len(b) == 0 {
		return out
	}
	f, words, err := parseBloom(d, b)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	p := f.Params()
	out.K, out.M, out.Capacity, out.ErrorRate = p.K, p.Bits, p.Capacity, float64(p.PPM)/1e6
	for _, c := range words {
		out.BitsSet += bits.OnesCount8(c)
	}
	out.Fill = min(1, float64(out.BitsSet)/float64(p.Bits)) // the spare bits may be set too
	out.FalsePositiveRate = f.FalsePositiveRate()
	if out.Fill < 1 {
		out.EstimatedIDs = int(math.Round(-float64(p.Bits) / float64(p.K) * math.Log(1-out.Fill)))
	}
	return out
}

func parseBloom(d wire.Dialect, b []byte) (f *bloom.Filter, words []byte, err error) {
	if d == wire.Nim {
		f, err = bloom.ParseNim(b)
		return f, nimWords(b), err
	}
	f, err = bloom.ParseJS(b, bloom.Default())
	return f, b[:min(len(b), jsFilterBytes)], err
}

// nimWords returns the words of a container that ParseNim accepts.
func nimWords(b []byte) (words []byte) {
	for len(b) > 0 {
		tag, n := protowire.ConsumeVarint(b)
		size := protowire.ConsumeFieldValue(1, protowire.Type(tag&7), b[max(n, 0):])
		if n < 0 || size < 0 {
			return nil
		}
		if tag == 1<<3|uint64(protowire.BytesType) {
			words, _ = protowire.ConsumeBytes(b[n:])
		}
		b = b[n+size:]
	}
	return words[:len(words)&^7]
}

// Extension describes the value of field 100. Members that are absent are left
// out. Short ids, fingerprints and the like are 0x and hex digits.
type Extension struct {
	Bytes       int      `json:"bytes"`
	Version     uint32   `json:"version,omitempty"`
	Incarnation string   `json:"incarnation,omitempty"`
	Sequence    uint64   `json:"sequence,omitempty"`
	GroupSize   uint8    `json:"group_size_code,omitempty"`
	RoundTrip   uint8    `json:"round_trip_code,omitempty"`
	Fingerprint string   `json:"fingerprint,omitempty"`
	Base        uint64   `json:"base,omitempty"`
	Holes       []string `json:"holes,omitempty"`
	Want        []string `json:"want,omitempty"`
	Census      string   `json:"census,omitempty"`
	Digest      string   `json:"digest,omitempty"`
	AskAll      bool     `json:"ask_all,omitempty"`
	Ask         []string `json:"ask,omitempty"`
	Unknown     string   `json:"unknown,omitempty"`

	Problem *Problem `json:"problem,omitempty"` // why it cannot be read
}

func newExtension(b []byte) *Extension {
	out := &Extension{Bytes: len(b)}
	x, err := wire.ParseExtension(b)
	if err != nil {
		out.Problem = newProblem(err)
		return out
	}
	out.Version, out.Sequence, out.Base = x.Version, x.Sequence, x.Base
	out.GroupSize, out.RoundTrip = x.GroupSize, x.RoundTrip
	if x.Incarnation != 0 {
		out.Incarnation = fmt.Sprintf("0x%08x", x.Incarnation)
	}
	if x.HasFingerprint {
		out.Fingerprint = fmt.Sprintf("0x%016x", x.Fingerprint)
	}
	out.Holes, out.Want, out.Ask = shortIDs(x.Holes, 16), shortIDs(x.Want, 16), shortIDs(x.Ask, 8)
	out.AskAll = x.HasAsk && len(x.Ask) == 0
	out.Census, out.Digest = hex.EncodeToString(x.Census), hex.EncodeToString(x.Digest)
	out.Unknown = hex.EncodeToString(x.Unknown)
	return out
}

func shortIDs[T uint32 | uint64](ids []T, digits int) []string {
	var list []string
	for _, id := range ids {
		list = append(list, fmt.Sprintf("0x%0*x", digits, id))
	}
	return list
}
