package wire

import "encoding/binary"

// Census is the value of Extension.Census: what a census of a large group needs
// (rule P10). Its parts may stand together; those that are zero are not written.
type Census struct {
	// Asks is set in a message that asks for reports: about Size members report on
	// Subject, spread over Spread milliseconds. A content message asks about itself
	// and leaves Subject 0. Seed is the message whose sample it is, 0 for Subject.
	Asks    bool
	Size    uint32
	Spread  uint32
	Roster  uint32 // version of the roster that the sample is drawn from
	Subject uint64 // short ids, as in Extension.Holes
	Seed    uint64

	// Map says who was heard: bit i for the member with the i-th lowest hash of the
	// sample of Subject. Only with Asks: those whose bit is 0 report once more.
	Map []byte

	// Reports are the subjects that the sender has.
	Reports []uint64
}

// The limits of a census, within MaxCensus bytes.
const (
	// MaxReports: one report names at most 5 messages.
	MaxReports = 5
	// MaxCensusMap holds a sample twice as large as usual.
	MaxCensusMap = 20
)

// A census is a sequence of parts, each a kind, a length and its body.
const (
	censusAsk     = 1 // size, spread (varints), roster (4 bytes), subject, seed (8 bytes each)
	censusMap     = 2
	censusReports = 3 // 8 bytes each
)

// Encode returns the census as bytes, nil if it says nothing.
func (c *Census) Encode() []byte {
	var b []byte
	if c.Asks {
		var body [2*binary.MaxVarintLen32 + 20]byte
		p := binary.AppendUvarint(body[:0], uint64(c.Size))
		p = binary.AppendUvarint(p, uint64(c.Spread))
		p = binary.LittleEndian.AppendUint32(p, c.Roster)
		p = binary.LittleEndian.AppendUint64(p, c.Subject)
		p = binary.LittleEndian.AppendUint64(p, c.Seed)
		b = append(append(b, censusAsk, byte(len(p))), p...)
	}
	if len(c.Map) > 0 {
		b = append(append(b, censusMap, byte(len(c.Map))), c.Map...)
	}
	if len(c.Reports) > 0 {
		b = append(b, censusReports, byte(8*len(c.Reports)))
		for _, r := range c.Reports {
			b = binary.LittleEndian.AppendUint64(b, r)
		}
	}
	return b
}

// ParseCensus reads a census. Parts of unknown kinds are skipped; it returns false
// if a part is cut off, malformed or above its limit. Map aliases b.
func ParseCensus(b []byte) (c Census, ok bool) {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return Census{}, false
		}
		kind, body := b[0], b[2:2+int(b[1])]
		b = b[2+len(body):]
		switch kind {
		case censusAsk:
			if !c.parseAsk(body) {
				return Census{}, false
			}
		case censusMap:
			if len(body) > MaxCensusMap {
				return Census{}, false
			}
			if c.Map = body; len(body) == 0 {
				c.Map = nil // as if it were absent
			}
		case censusReports:
			if len(body)%8 != 0 || len(body)/8 > MaxReports {
				return Census{}, false
			}
			c.Reports = unpack64(body)
		}
	}
	return c, true
}

func (c *Census) parseAsk(b []byte) bool {
	var numbers [2]uint32
	for i := range numbers {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<32-1 {
			return false
		}
		numbers[i], b = uint32(v), b[n:]
	}
	if len(b) != 20 {
		return false
	}
	c.Asks, c.Size, c.Spread = true, numbers[0], numbers[1]
	c.Roster = binary.LittleEndian.Uint32(b)
	c.Subject = binary.LittleEndian.Uint64(b[4:])
	c.Seed = binary.LittleEndian.Uint64(b[12:])
	return true
}
