package pace

import (
	"math"
	"math/bits"
	"time"
)

// The census of a large group (rule P10): about CensusSize members, drawn by a hash
// that everybody can compute, report whether they have a message.
const (
	// CensusSize is how many members are asked, on average. 80 tell 95 % from 80 %
	// in 98 of 100 cases.
	CensusSize = 80
	// CensusWait is how long after a message those asked report: repairs come first.
	CensusWait = 5 * time.Second
	// CensusSpread is the time over which they spread their reports.
	CensusSpread = 2 * time.Second
	// CensusAgain is the time over which those report that the asker did not hear,
	// once more.
	CensusAgain = 800 * time.Millisecond
	// CensusShared is how recent a census must be for a new ask to share it.
	CensusShared = 10 * time.Second

	// censusDelta is how far from what is wanted the two hypotheses of a verdict are.
	censusDelta = 0.15
	// normal95 is the two-sided 95 % quantile of the normal distribution.
	normal95 = 1.959963984540054
)

// CensusLimit returns the bound below which the hash of a member must be for it to
// report, so that about size of n do: all, if there are no more.
func CensusLimit(size, n int) uint64 {
	size, n = max(size, 1), members(n)
	if n <= size {
		return math.MaxUint64
	}
	limit, _ := bits.Div64(uint64(size), 0, uint64(n))
	return limit
}

// CensusEnough returns how many of sample members must be known to have a message
// for the verdict that a share of at least want of n has it. If everybody was
// asked it is that share. Otherwise it is where the shares p₁ = want + δ/2 and
// p₀ = want − δ, δ = min(1 − want, 0.15), are equally likely (Wald's likelihood
// ratio), so that errors on both sides are about as frequent:
//
//	k/sample ≥ ln((1−p₀)/(1−p₁)) / ln(p₁(1−p₀)/(p₀(1−p₁)))
//
// For 0.9 that is 0.89, between 0.95 and 0.8. A sample cannot show that all have
// it: then the result is above sample.
func CensusEnough(want float64, sample, n int) int {
	if sample >= n {
		return int(math.Ceil(want*float64(n) - 1e-9))
	}
	if want >= 1 {
		return sample + 1
	}
	delta := min(1-want, censusDelta)
	p1, p0 := want+delta/2, max(want-delta, want/2)
	share := math.Log((1-p0)/(1-p1)) / math.Log(p1*(1-p0)/(p0*(1-p1)))
	return int(math.Ceil(share*float64(sample) - 1e-9))
}

// ShareInterval returns the 95 % interval of the share of n members that have a
// message if heard of sample drawn at random do: Wilson's, with the correction for
// a finite group, so that it has no width when all were asked.
func ShareInterval(heard, sample, n int) (low, high float64) {
	if sample <= 0 {
		return 0, 1
	}
	share := float64(heard) / float64(sample)
	if sample >= n || n <= 1 {
		return share, share
	}
	z2 := normal95 * normal95 * float64(n-sample) / float64(n-1)
	size := float64(sample)
	middle := (share + z2/(2*size)) / (1 + z2/size)
	half := math.Sqrt(z2*(share*(1-share)/size+z2/(4*size*size))) / (1 + z2/size)
	return max(0, middle-half), min(1, middle+half)
}
