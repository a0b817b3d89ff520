package estimate

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance {
		t.Errorf("%s = %.6f, want %.6f ± %g", what, got, want, tolerance)
	}
}

// The examples of R. G. Newcombe, Two-sided confidence intervals for the single
// proportion, Statistics in Medicine 17 (1998) 857–872, table I.
func TestSingleProportionPublished(t *testing.T) {
	for _, c := range []struct {
		k, n          float64
		wilson, exact Interval
	}{
		{81, 263, Interval{0.2553, 0.3662}, Interval{0.2527, 0.3676}},
		{15, 148, Interval{0.0624, 0.1605}, Interval{0.0578, 0.1617}},
		{0, 20, Interval{0, 0.1611}, Interval{0, 0.1684}},
		{1, 29, Interval{0.0061, 0.1718}, Interval{0.0009, 0.1776}},
	} {
		w, e := Wilson(c.k/c.n, c.n, normal95), ClopperPearson(c.k, c.n, 0.95)
		near(t, "Wilson low", w.Low, c.wilson.Low, 5e-5)
		near(t, "Wilson high", w.High, c.wilson.High, 5e-5)
		near(t, "exact low", e.Low, c.exact.Low, 5e-5)
		near(t, "exact high", e.High, c.exact.High, 5e-5)
	}
}

// The examples of R. G. Newcombe, Interval estimation for the difference between
// independent proportions, Statistics in Medicine 17 (1998) 873–890, method 10.
func TestDifferencePublished(t *testing.T) {
	for _, c := range []struct{ a, m, b, n, low, high float64 }{
		{56, 70, 48, 80, 0.0524, 0.3339},
		{9, 10, 3, 10, 0.1705, 0.8090},
		{6, 7, 2, 7, 0.0582, 0.8062},
		{5, 56, 0, 29, -0.0381, 0.1926},
		{10, 10, 0, 10, 0.6075, 1.0000},
	} {
		p1, p2 := c.b/c.n, c.a/c.m
		d, low, high := Newcombe(p1, Wilson(p1, c.n, normal95), p2, Wilson(p2, c.m, normal95))
		near(t, "difference", d, p2-p1, 1e-12)
		near(t, "low", low, c.low, 5e-5)
		near(t, "high", high, c.high, 5e-5)
	}
}

// tail adds up the binomial distribution term by term.
func tail(k, n int, p float64) float64 {
	sum := 0.0
	for i := k; i <= n; i++ {
		c := 1.0
		for j := range i {
			c *= float64(n-j) / float64(j+1)
		}
		sum += c * math.Pow(p, float64(i)) * math.Pow(1-p, float64(n-i))
	}
	return sum
}

func TestBinomialTailAgainstSums(t *testing.T) {
	for _, n := range []int{1, 2, 7, 30, 60} {
		for k := 0; k <= n+1; k++ {
			for _, p := range []float64{0.001, 0.05, 0.3, 0.5, 0.97} {
				near(t, "tail", BinomialTail(k, n, p), tail(k, n, p), 1e-10)
			}
		}
	}
}

// An end of the exact interval is where the tail has 2.5 %.
func TestClopperPearsonAgainstSums(t *testing.T) {
	for _, n := range []int{1, 5, 29, 60} {
		for k := 0; k <= n; k++ {
			i := ClopperPearson(float64(k), float64(n), 0.95)
			if k > 0 {
				near(t, "tail at the low end", tail(k, n, i.Low), 0.025, 1e-9)
			}
			if k < n {
				near(t, "tail at the high end", 1-tail(k+1, n, i.High), 0.025, 1e-9)
			}
		}
	}
	// The rule of three.
	near(t, "0 of 1000, one-sided", ClopperPearson(0, 1000, 0.9).High*1000, 3, 0.01)
}

// Wilson's ends are where the score test is just significant.
func TestWilsonAgainstScoreTest(t *testing.T) {
	for _, c := range []struct{ p, n float64 }{{0.1, 17.5}, {0.99, 4000}, {0.5, 3}, {0, 12}, {1, 12}} {
		i := Wilson(c.p, c.n, normal95)
		for _, end := range []float64{i.Low, i.High} {
			if end > 0 && end < 1 {
				near(t, "score", math.Abs(c.p-end)/math.Sqrt(end*(1-end)/c.n), normal95, 1e-9)
			}
		}
	}
	if i := Wilson(0.5, 0, normal95); i != (Interval{0, 1}) {
		t.Errorf("without cases Wilson = %v, want everything", i)
	}
}

// Quantiles of the χ² distribution, from any table: 2.5 % above.
func TestGammaQuantilePublished(t *testing.T) {
	for df, want := range map[float64]float64{1: 5.024, 2: 7.378, 10: 20.483, 30: 46.979, 100: 129.561} {
		near(t, "χ²", gammaQuantile(0.975, df, 2*df), want, 5e-4)
	}
	if gammaQuantile(0.975, 0, 0) != 0 {
		t.Error("of nothing something is expected")
	}
}

// Quantiles of Student's distribution, from any table.
func TestStudentPublished(t *testing.T) {
	for df, want := range map[float64]float64{1: 12.706, 2: 4.303, 5: 2.571, 11: 2.201, 30: 2.042, 1000: 1.962} {
		near(t, "t", tQuantile(0.975, df), want, 5e-4)
	}
}

// The Poisson distribution is the sum of its terms, and its tail a gamma
// distribution.
func TestGammaCDFAgainstPoisson(t *testing.T) {
	for _, mean := range []float64{0.1, 1, 5, 40} {
		sum, term := 0.0, math.Exp(-mean)
		for k := range 60 {
			sum += term
			term *= mean / float64(k+1)
			near(t, "P(N ≤ k)", 1-gammaCDF(mean, float64(k+1)), sum, 1e-12)
		}
	}
}

func TestImbensManski(t *testing.T) {
	near(t, "no gap", ImbensManski(0.5, 0.5, 0.01), 1.959964, 1e-5)
	near(t, "wide gap", ImbensManski(0.2, 0.9, 0.01), 1.644854, 1e-5)
	// Between, a share anywhere from low to high is covered with at least 95 %.
	const low, high, se = 0.50, 0.51, 0.01
	c := ImbensManski(low, high, se)
	for p := low; p <= high; p += 0.001 {
		if covered := normalCDF((high+c*se-p)/se) - normalCDF((low-c*se-p)/se); covered < 0.9499 {
			t.Errorf("a share of %.3f is covered with %.4f", p, covered)
		}
	}
	if c < 1.645 || c > 1.96 {
		t.Errorf("c = %v", c)
	}
}

// E. J. Freireich and others (1963): weeks of remission with 6-MP, + is censored.
func TestKaplanMeierPublished(t *testing.T) {
	happened := map[int64]float64{6: 3, 7: 1, 10: 1, 13: 1, 16: 1, 22: 1, 23: 1}
	censored := map[int64]float64{6: 1, 9: 1, 10: 1, 11: 1, 17: 1, 19: 1, 20: 1, 25: 1, 32: 2, 34: 1, 35: 1}
	var steps []Step
	for at := int64(0); at <= 40; at++ {
		steps = append(steps, Step{at, happened[at], censored[at]})
	}
	curve := KaplanMeier(steps, 1)
	for at, want := range map[int64]struct{ waiting, se float64 }{
		6: {0.8571, 0.0764}, 7: {0.8067, 0.0869}, 10: {0.7529, 0.0963}, 13: {0.6902, 0.1068},
		16: {0.6275, 0.1141}, 22: {0.5378, 0.1282}, 23: {0.4482, 0.1346},
	} {
		s := 1 - shareAt(curve, at)
		near(t, "waiting", s, want.waiting, 5e-5)
		var p Point
		for _, q := range curve {
			if q.At == at {
				p = q
			}
		}
		// Greenwood's error on the scale log(−log S) is se/(S |log S|).
		half := 1.959964 * want.se / (want.waiting * math.Abs(math.Log(want.waiting)))
		near(t, "low", p.Low, 1-math.Pow(want.waiting, math.Exp(-half)), 2e-3)
		near(t, "high", p.High, 1-math.Pow(want.waiting, math.Exp(half)), 2e-3)
	}
	if at, ok := quantile(curve, 0.5); !ok || at != 23 {
		t.Errorf("median %d, %v, want 23", at, ok)
	}
}

// Without censoring the curve is the share that has happened, and with it the
// redistribution of those who left to those who stayed (Efron).
func TestKaplanMeierAgainstRedistribution(t *testing.T) {
	draws := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 1 + draws.IntN(40)
		type subject struct {
			at   int64
			seen bool
		}
		var list []subject
		steps := make([]Step, 30)
		for range n {
			s := subject{draws.Int64N(30), draws.IntN(3) > 0}
			list = append(list, s)
			steps[s.at].At = s.at
			if s.seen {
				steps[s.at].Happened++
			} else {
				steps[s.at].Censored++
			}
		}
		for i := range steps {
			steps[i].At = int64(i)
		}
		curve := KaplanMeier(steps, 1)
		mass := make([]float64, n)
		for i := range mass {
			mass[i] = 1 / float64(n)
		}
		sum := 0.0
		for at := int64(0); at < 30; at++ {
			for i, s := range list {
				if s.at == at && s.seen {
					sum += mass[i]
					mass[i] = 0
				}
			}
			for i, s := range list {
				if s.at != at || s.seen {
					continue
				}
				later := 0
				for _, o := range list {
					if o.at > at {
						later++
					}
				}
				for k, o := range list {
					if o.at > at {
						mass[k] += mass[i] / float64(later)
					}
				}
				mass[i] = 0
			}
			near(t, "share", shareAt(curve, at), sum, 1e-9)
		}
	}
}

// The example of an estimate of turtles in many textbooks: 10 marked, 15 caught, 5 of
// them marked.
func TestChapmanPublished(t *testing.T) {
	near(t, "Chapman", Chapman(10, 15, 5), 28.33, 0.01)
	near(t, "Chao", Chao(20, 0, 5), 20, 0)
	near(t, "Chao", Chao(20, 6, 4), 20+6*5/10.0, 1e-12)
}

// Chapman's estimate has no bias if the samples are large enough to overlap for sure.
func TestChapmanUnbiased(t *testing.T) {
	draws := rand.New(rand.NewPCG(3, 4))
	const truth, runs = 60, 4000
	sum := 0.0
	for range runs {
		perm := draws.Perm(truth)
		ab := 0
		for _, i := range perm[:40] {
			if i < 30 {
				ab++
			}
		}
		sum += Chapman(30, 40, ab)
	}
	near(t, "mean", sum/runs, truth, 0.5)
}

func TestCellsToTell(t *testing.T) {
	// 99.0 % against 99.5 %: about 4,700 in each arm.
	near(t, "cells", CellsToTell(0.990, 0.995), 4670, 30)
}
