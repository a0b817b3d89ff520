package estimate

import "math"

// Interval is a range of shares, from 0 to 1.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Has tells whether p is in the interval.
func (i Interval) Has(p float64) bool { return i.Low <= p && p <= i.High }

// Width is how much the interval leaves open.
func (i Interval) Width() float64 { return i.High - i.Low }

// confidence is the level of all intervals.
const confidence = 0.95

// normal95 is the two-sided 95 % quantile of the normal distribution.
const normal95 = 1.959963984540054

// Wilson returns the score interval of a share p that was seen in n independent
// cases, at z standard errors. n need not be whole: it may be an effective size.
// With no case nothing is known.
func Wilson(p, n, z float64) Interval {
	if n <= 0 {
		return Interval{0, 1}
	}
	if math.IsInf(n, 1) {
		return Interval{p, p}
	}
	z2 := z * z / n
	middle := (p + z2/2) / (1 + z2)
	half := z / (1 + z2) * math.Sqrt(p*(1-p)/n+z2/(4*n))
	i := Interval{max(0, middle-half), min(1, middle+half)}
	if p == 0 {
		i.Low = 0 // exactly
	}
	if p == 1 {
		i.High = 1
	}
	return i
}

// ClopperPearson returns the exact interval of a share of which k of n independent
// cases were seen, at a confidence level. Neither need be whole. With k = 0 its
// upper end is about 3/n for a one-sided 95 %, the rule of three.
func ClopperPearson(k, n, level float64) Interval {
	if n <= 0 {
		return Interval{0, 1}
	}
	if math.IsInf(n, 1) {
		return Interval{}
	}
	tail := (1 - level) / 2
	i := Interval{0, 1}
	if k > 0 {
		i.Low = betaQuantile(tail, k, n-k+1)
	}
	if k < n {
		i.High = betaQuantile(1-tail, k+1, n-k)
	}
	return i
}

// ImbensManski returns how many standard errors to go out from both bounds of a
// share that lies anywhere from low to high, so that the share is covered with
// 95 %: 1.96 where the bounds meet, 1.645 where they are far apart. se is the larger
// standard error of the two.
func ImbensManski(low, high, se float64) float64 {
	if se <= 0 {
		return normal95
	}
	gap := max(high-low, 0) / se
	return solve(1.6, 2, func(c float64) float64 {
		return normalCDF(c+gap) - normalCDF(-c) - confidence
	})
}

// Newcombe returns the interval of p2 − p1, two independent shares with their own
// intervals (the hybrid score method).
func Newcombe(p1 float64, i1 Interval, p2 float64, i2 Interval) (difference, low, high float64) {
	d := p2 - p1
	return d, d - math.Hypot(p2-i2.Low, i1.High-p1), d + math.Hypot(i2.High-p2, p1-i1.Low)
}

// BinomialTail is the probability of k or more of n, at p each.
func BinomialTail(k, n int, p float64) float64 {
	switch {
	case k <= 0:
		return 1
	case k > n:
		return 0
	}
	return betaCDF(p, float64(k), float64(n-k+1))
}
