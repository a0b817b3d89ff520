package segment

import (
	"errors"
	"fmt"
	"math"
)

// Format is how segments look on the wire.
type Format uint8

const (
	// LIP243 is the format of the newest LIP-243 and of nim-segmentation v0.1.0.
	LIP243 Format = iota
	// Status is the format of status-go.
	Status
)

// String returns the name of the format.
func (f Format) String() string {
	switch f {
	case LIP243:
		return "LIP243"
	case Status:
		return "Status"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

const (
	// DefaultSegmentSize is Config.SegmentSize unless it is set.
	DefaultSegmentSize = 102400
	// DefaultMaxSegments is Config.MaxSegments unless it is set.
	DefaultMaxSegments = 256

	// MaxSegmentSize is the largest Config.SegmentSize: no transport carries more.
	MaxSegmentSize = 16 << 20
	// MaxSegments is the largest Config.MaxSegments: what the Leopard code can do.
	MaxSegments = 65536

	// headerSize is what LIP-243 sets apart for all fields but the payload.
	headerSize = 128
	// shardUnit divides the shards of the Leopard code.
	shardUnit = 64
	// minLIPSize is room for a header and the smallest shard.
	minLIPSize = headerSize + shardUnit
	// maxStatusShards is what the code of Status can do: beyond there is no parity.
	maxStatusShards = 256
	// maxLength is what original_payload_length of LIP243 can say.
	maxLength = math.MaxUint32
)

// Config is how payloads are cut. All participants must have the same Format and
// MaxSegments, and none a smaller SegmentSize than the others write. The zero
// value is the default of LIP-243.
type Config struct {
	Format Format
	// SegmentSize is in bytes, from 192 (Status: 1) to MaxSegmentSize; 0 stands for
	// DefaultSegmentSize. In LIP243 it is the largest encoded segment, of which 128
	// bytes are set apart for the header; in Status the largest payload of a
	// segment, to which the header comes on top.
	SegmentSize int
	// ParityRate is how many parity segments there are for each data segment, from
	// 0 to 1: rounded up in LIP243, down in Status. Parity costs bandwidth always
	// and helps only where lost segments are not sent again; LIP-243 recommends 0
	// above a protocol that repairs.
	ParityRate float64
	// MaxSegments bounds data and parity segments of a payload together, from 1 to
	// MaxSegments; 0 stands for DefaultMaxSegments.
	MaxSegments int
}

// StatusConfig returns what status-go uses over a network whose messages have at
// most maxMessage bytes.
func StatusConfig(maxMessage int) Config {
	return Config{Format: Status, SegmentSize: maxMessage / 4 * 3, ParityRate: 0.125}
}

// complete returns the configuration with its defaults, or an error that names
// each field that is out of its range.
func (c Config) complete() (Config, error) {
	if c.SegmentSize == 0 {
		c.SegmentSize = DefaultSegmentSize
	}
	if c.MaxSegments == 0 {
		c.MaxSegments = DefaultMaxSegments
	}
	least := minLIPSize
	if c.Format == Status {
		least = 1
	}
	var errs []error
	if c.Format > Status {
		errs = append(errs, fmt.Errorf("segment: Format is %v, must be LIP243 or Status", c.Format))
	}
	errs = append(errs,
		within("SegmentSize", c.SegmentSize, least, MaxSegmentSize),
		within("MaxSegments", c.MaxSegments, 1, MaxSegments))
	if !(c.ParityRate >= 0 && c.ParityRate <= 1) { // NaN is neither
		errs = append(errs, fmt.Errorf("segment: ParityRate is %v, must be from 0 to 1", c.ParityRate))
	}
	return c, errors.Join(errs...)
}

func within(field string, value, least, most int) error {
	if value >= least && value <= most {
		return nil
	}
	return fmt.Errorf("segment: %s is %d, must be from %d to %d", field, value, least, most)
}

// chunk is how much of a payload a data segment carries, except the last.
func (c Config) chunk() int {
	if c.Format == Status {
		return c.SegmentSize
	}
	return (c.SegmentSize - headerSize) / shardUnit * shardUnit
}

// parity returns how many parity segments so many data segments get. It counts in
// millionths: a product of floats would round 8 × 0.125 up to 2 on some machines.
func (c Config) parity(data int) int {
	millionths := int64(data) * int64(math.Round(c.ParityRate*1e6))
	if c.Format == LIP243 {
		return min(int((millionths+999_999)/1e6), data)
	}
	if m := int(millionths / 1e6); data+m <= min(c.MaxSegments, maxStatusShards) {
		return m
	}
	return 0
}

// Count returns how many data and parity segments a payload of length bytes makes.
// The error says why it can't be cut. With Status, a payload that fits into one
// segment is one message without parity.
func Count(length int, cfg Config) (data, parity int, err error) {
	if cfg, err = cfg.complete(); err != nil {
		return 0, 0, err
	}
	return cfg.count(length)
}

func (c Config) count(length int) (data, parity int, err error) {
	if length < 0 || uint64(length) > maxLength {
		return 0, 0, fmt.Errorf("segment: payload of %d bytes, must be from 0 to %d: %w", length, uint32(maxLength), ErrOversized)
	}
	data = 1
	if length > 0 {
		data = (length-1)/c.chunk() + 1
	}
	parity = c.parity(data)
	if data+parity > c.MaxSegments {
		return 0, 0, fmt.Errorf("segment: payload of %d bytes makes %d data and %d parity segments, MaxSegments is %d: %w",
			length, data, parity, c.MaxSegments, ErrOversized)
	}
	if c.Format == Status && data == 1 {
		parity = 0
	}
	return data, parity, nil
}
