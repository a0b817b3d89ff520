package segment

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestConfigRejects(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string // "" is accepted
	}{
		{Config{}, ""},
		{Config{Format: Status}, ""},
		{Config{SegmentSize: 192}, ""},
		{Config{SegmentSize: 191}, "SegmentSize is 191, must be from 192 to 16777216"},
		{Config{SegmentSize: -1}, "SegmentSize"},
		{Config{SegmentSize: MaxSegmentSize}, ""},
		{Config{SegmentSize: MaxSegmentSize + 1}, "SegmentSize"},
		{Config{Format: Status, SegmentSize: 1}, ""},
		{Config{Format: Status, SegmentSize: -1}, "must be from 1 to"},
		{Config{ParityRate: 1}, ""},
		{Config{ParityRate: 1.01}, "ParityRate is 1.01, must be from 0 to 1"},
		{Config{ParityRate: -0.1}, "ParityRate"},
		{Config{ParityRate: math.NaN()}, "ParityRate is NaN"},
		{Config{MaxSegments: MaxSegments}, ""},
		{Config{MaxSegments: MaxSegments + 1}, "MaxSegments is 65537, must be from 1 to 65536"},
		{Config{MaxSegments: -1}, "MaxSegments"},
		{Config{Format: 2}, "Format is Format(2)"},
	} {
		_, _, err := Count(1, tt.cfg)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: error %v, want %q", tt.cfg, err, tt.want)
		}
		_, splitErr := Split([]byte("x"), tt.cfg)
		_, decodeErr := Decode(nil, tt.cfg)
		_, newErr := NewReassembler(tt.cfg, Limits{})
		if bad := tt.want != ""; (splitErr != nil) != bad || (newErr != nil) != bad || errors.Is(decodeErr, ErrNotSegment) == bad {
			t.Errorf("%+v: Split %v, NewReassembler %v, Decode %v", tt.cfg, splitErr, newErr, decodeErr)
		}
	}
	_, _, err := Count(1, Config{SegmentSize: 1, ParityRate: 2, MaxSegments: -3})
	for _, field := range []string{"SegmentSize", "ParityRate", "MaxSegments"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

func TestChunk(t *testing.T) {
	for size, want := range map[int]int{192: 64, 255: 64, 256: 128, 102400: 102272} {
		if got := (Config{SegmentSize: size}).chunk(); got != want {
			t.Errorf("chunk of SegmentSize %d is %d, want %d", size, got, want)
		}
	}
	if cfg := StatusConfig(153600); cfg != (Config{Format: Status, SegmentSize: 115200, ParityRate: 0.125}) {
		t.Errorf("StatusConfig: %+v", cfg)
	}
}

func TestParityCount(t *testing.T) {
	for data, want := range map[int][2]int{
		1: {1, 0}, 2: {1, 0}, 7: {1, 0}, 8: {1, 1}, 9: {2, 1}, 15: {2, 1}, 16: {2, 2}, 17: {3, 2},
		227: {29, 28}, 228: {29, 28}, 229: {29, 0},
	} {
		for f, want := range map[Format]int{LIP243: want[0], Status: want[1]} {
			cfg := Config{Format: f, ParityRate: 0.125, MaxSegments: 256}
			if got := cfg.parity(data); got != want {
				t.Errorf("%v: %d data segments get %d parity, want %d", f, data, got, want)
			}
		}
	}
	for data := range 300 {
		if got := (Config{ParityRate: 1}).parity(data); got != data {
			t.Errorf("%d data segments get %d parity at rate 1", data, got)
		}
	}
}

func TestCount(t *testing.T) {
	const chunk = 102272
	for _, tt := range []struct {
		length       int
		cfg          Config
		data, parity int
	}{
		{0, Config{}, 1, 0},
		{0, Config{ParityRate: 0.125}, 1, 1},
		{chunk, Config{}, 1, 0},
		{chunk + 1, Config{}, 2, 0},
		{256 * chunk, Config{}, 256, 0},
		{25_000_000, Config{}, 245, 0},
		{227 * chunk, Config{ParityRate: 0.125}, 227, 29},
		{100, Config{Format: Status, SegmentSize: 100, ParityRate: 1}, 1, 0},
		{101, Config{Format: Status, SegmentSize: 100, ParityRate: 1}, 2, 2},
		{300 * 100, Config{Format: Status, SegmentSize: 100, ParityRate: 1, MaxSegments: 300}, 300, 0},
	} {
		data, parity, err := Count(tt.length, tt.cfg)
		if err != nil || data != tt.data || parity != tt.parity {
			t.Errorf("%d bytes, %+v: %d + %d, %v, want %d + %d", tt.length, tt.cfg, data, parity, err, tt.data, tt.parity)
		}
	}
	for _, tt := range []struct {
		length int
		cfg    Config
	}{
		{-1, Config{}},
		{256*chunk + 1, Config{}},
		{227*chunk + 1, Config{ParityRate: 0.125}}, // the bound counts parity
		{math.MaxInt, Config{}},
		{math.MaxInt, Config{Format: Status}},
		{301, Config{Format: Status, SegmentSize: 100, MaxSegments: 3}},
	} {
		if _, _, err := Count(tt.length, tt.cfg); !errors.Is(err, ErrOversized) {
			t.Errorf("%d bytes, %+v: %v, want ErrOversized", tt.length, tt.cfg, err)
		}
	}
	_, err := Split(make([]byte, 65), Config{SegmentSize: 192, MaxSegments: 1})
	if !errors.Is(err, ErrOversized) || !strings.Contains(err.Error(), "MaxSegments is 1") {
		t.Errorf("Split: %v", err)
	}
}
