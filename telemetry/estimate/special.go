package estimate

import "math"

// normalCDF is the probability of a standard normal number below x.
func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// solve finds where f, which rises from low to high, is 0, by Ridders' method: a
// false position on what is left of f when its curvature is taken out.
func solve(low, high float64, f func(float64) float64) float64 {
	below, above := f(low), f(high)
	if below >= 0 {
		return low
	}
	if above <= 0 {
		return high
	}
	for range 200 {
		middle := low + (high-low)/2
		if high-low <= 1e-12*math.Abs(middle) {
			break
		}
		at := f(middle)
		x := middle - (middle-low)*at/math.Sqrt(at*at-below*above)
		fx := f(x)
		for _, p := range [2]struct{ x, f float64 }{{middle, at}, {x, fx}} {
			switch {
			case p.f == 0:
				return p.x
			case p.f < 0 && p.x > low:
				low, below = p.x, p.f
			case p.f > 0 && p.x < high:
				high, above = p.x, p.f
			}
		}
	}
	return low + (high-low)/2
}

// tiny keeps continued fractions from dividing by 0; precise is where they stop.
const (
	tiny    = 1e-300
	precise = 1e-15
)

// fraction evaluates a continued fraction b₀ + a₁/(b₁ + a₂/(b₂ + …)) by the method of
// Lentz: term returns aᵢ and bᵢ.
func fraction(b0 float64, term func(i int) (a, b float64)) float64 {
	f := b0
	if f == 0 {
		f = tiny
	}
	c, d := f, 0.0
	for i := 1; i < 100_000; i++ {
		a, b := term(i)
		d = b + a*d
		if d == 0 {
			d = tiny
		}
		c = b + a/c
		if c == 0 {
			c = tiny
		}
		d = 1 / d
		step := c * d
		f *= step
		if math.Abs(step-1) < precise {
			break
		}
	}
	return f
}

func logGamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

// betaCDF is the probability that a number of the beta distribution (a, b) is below
// x: the regularised incomplete beta function.
func betaCDF(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - betaCDF(1-x, b, a) // where the fraction converges fast
	}
	front := math.Exp(logGamma(a+b)-logGamma(a)-logGamma(b)+a*math.Log(x)+b*math.Log1p(-x)) / a
	return front / fraction(1, func(i int) (float64, float64) {
		m := float64(i / 2)
		if i%2 == 0 {
			return m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)), 1
		}
		return -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)), 1
	})
}

func betaQuantile(q, a, b float64) float64 {
	return solve(0, 1, func(x float64) float64 { return betaCDF(x, a, b) - q })
}

// gammaCDF is the probability that a number of the gamma distribution with this
// shape and scale 1 is below x: the regularised incomplete gamma function.
func gammaCDF(x, shape float64) float64 {
	if x <= 0 {
		return 0
	}
	front := math.Exp(shape*math.Log(x) - x - logGamma(shape))
	if x >= shape+1 {
		return 1 - front/fraction(x+1-shape, func(i int) (float64, float64) {
			n := float64(i)
			return -n * (n - shape), x + 2*n + 1 - shape
		})
	}
	sum, term := 1/shape, 1/shape
	for n := shape + 1; term > sum*precise; n++ {
		term *= x / n
		sum += term
	}
	return front * sum
}

// gammaQuantile is the number that a gamma-distributed one with this mean and
// variance stays below with probability q.
func gammaQuantile(q, mean, variance float64) float64 {
	if mean <= 0 {
		return 0
	}
	if variance <= 0 {
		return mean
	}
	shape, scale := mean*mean/variance, variance/mean
	high := 1 + shape
	for gammaCDF(high, shape) < q {
		high *= 2
	}
	return scale * solve(0, high, func(x float64) float64 { return gammaCDF(x, shape) - q })
}

// tQuantile is that of Student's distribution, for q above one half.
func tQuantile(q, degrees float64) float64 {
	x := betaQuantile(2*(1-q), degrees/2, 0.5)
	return math.Sqrt(degrees * (1 - x) / x)
}
