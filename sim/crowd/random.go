package crowd

import "math"

// mix is the finaliser of splitmix64: every bit of the result depends on every
// bit of x.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

const golden = 0x9e3779b97f4a7c15

// hash draws a number for a seed and two counters. The same arguments give the
// same number, whoever asks and when.
func hash(seed, a, b uint64) uint64 {
	return mix(mix(mix(seed+golden)+a*golden+1) + (b+1)*golden)
}

// unit maps a draw to [0, 1).
func unit(x uint64) float64 { return float64(x>>11) * 0x1p-53 }

// The independent purposes that numbers are drawn for.
const (
	forLoad = iota + 1
	forSender
	forWant
	forSkew
	forKind
	forNetwork
	forBranch
	forBranchLoss
	forBurst
	forService
	forServiceLoss
	forFault
	forChurn
	forHostile
)

// stream draws one number after another.
type stream struct{ state uint64 }

func newStream(seed uint64, a, b uint64) *stream { return &stream{hash(seed, a, b)} }

func (s *stream) next() uint64 {
	s.state += golden
	return mix(s.state)
}

func (s *stream) float() float64 { return unit(s.next()) }

// below draws a whole number from 0 to n-1.
func (s *stream) below(n int) int { return int(s.float() * float64(n)) }

// exponential draws a time with this mean.
func (s *stream) exponential(mean float64) float64 { return -mean * math.Log1p(-s.float()) }
