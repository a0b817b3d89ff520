package pace

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	period = 4 * time.Second
	early  = period/2 + time.Second - 1 // just before ¾T
	late   = period/2 + time.Second     // ¾T
)

// storms and quiet apply that many rounds.
func storms(g GroupSize, n int) GroupSize {
	for range n {
		g = g.AfterRound(StormTransmissions+1, 0, period)
	}
	return g
}

func quiet(g GroupSize, n int) GroupSize {
	for range n {
		g = g.AfterRound(1, late, period)
	}
	return g
}

type groupSizeCase struct {
	name string
	g    GroupSize
	want int
}

var zero GroupSize

func heard(n int) GroupSize { return zero.WithHeard(n) }

func checkGroupSizes(t *testing.T, cases []groupSizeCase) {
	t.Helper()
	for _, c := range cases {
		if got := c.g.N(); got != c.want {
			t.Errorf("%s: N() = %d, want %d", c.name, got, c.want)
		}
	}
}

// Rule P7, line by line: heard and roster.
func TestGroupSizeKnown(t *testing.T) {
	checkGroupSizes(t, []groupSizeCase{
		{"start", zero, 64},
		{"nobody heard", heard(0), 64},
		{"less than nobody", heard(-1), 64},
		{"2 × heard, lower bound", heard(1), 16},
		{"2 × heard, at the lower bound", heard(8), 16},
		{"2 × heard", heard(9), 18},
		{"2 × heard", heard(100), 200},
		{"2 × heard, at the upper bound", heard(5000), 10_000},
		{"2 × heard, upper bound", heard(5001), 10_000},
		{"2 × heard, hostile", heard(math.MaxInt), 10_000},

		{"roster", heard(100).WithRoster(3), 3},
		{"roster of one", zero.WithRoster(1), 1},
		{"roster above MaxGroup", zero.WithRoster(50_000), 50_000},
		{"roster above MaxMembers", zero.WithRoster(math.MaxInt), MaxMembers},
		{"no roster any more", zero.WithRoster(7).WithRoster(0), 64},
		{"roster below zero", zero.WithRoster(-7), 64},
		{"roster beats rounds", storms(zero.WithRoster(7), 2), 7},
		{"roster beats claims", zero.WithRoster(7).WithClaims([]int{100, 100, 100}), 7},
	})
}

// Rule P7: what rounds teach.
func TestGroupSizeRounds(t *testing.T) {
	checkGroupSizes(t, []groupSizeCase{
		{"8 transmissions are no storm", zero.AfterRound(8, 0, period), 64},
		{"9 are", zero.AfterRound(9, 0, period), 256},
		{"two storms", storms(zero, 2), 1024},
		{"storms, upper bound", storms(zero, 50), 10_000},
		{"a storm multiplies what was heard", storms(heard(100), 1), 800},
		{"hearing more after a storm", storms(zero, 1).WithHeard(100), 800},

		{"two quiet rounds", quiet(zero, 2), 64},
		{"three quiet rounds", quiet(zero, 3), 32},
		{"five", quiet(zero, 5), 32},
		{"six", quiet(zero, 6), 16},
		{"quiet, lower bound", quiet(zero, 300), 16},
		{"not in a row", quiet(quiet(zero, 2).AfterRound(1, early, period), 2), 64},
		{"a storm between", quiet(storms(quiet(zero, 2), 1), 2), 256},
		{"no transmission at all is quiet", zero.AfterRound(0, 0, period).AfterRound(0, 0, period).AfterRound(0, 0, period), 32},
		{"a storm beats a late first", zero.AfterRound(9, late, period), 256},
		{"odd sizes are rounded up", quiet(heard(45), 6), 23},

		{"leaves the upper bound at once", quiet(storms(zero, 50), 3), 64 << 7},
		{"leaves the lower bound at once", storms(quiet(zero, 300), 1), 64},
		{"leaves it in steps of what was heard", storms(quiet(heard(100), 300), 1), 100},
		{"and reaches that again", storms(quiet(heard(100), 300), 2), 400},
		{"no correction from below is left when more are heard", quiet(zero, 6).WithHeard(8).WithHeard(100), 200},
	})
}

// Rule P7: what peers claim.
func TestGroupSizeClaims(t *testing.T) {
	checkGroupSizes(t, []groupSizeCase{
		{"two claims", zero.WithClaims([]int{200, 200}), 64},
		{"three claims", zero.WithClaims([]int{200, 100, 9000}), 200},
		{"the lower median of four", zero.WithClaims([]int{9000, 100, 9000, 200}), 200},
		{"half of six", zero.WithClaims([]int{1, 1, 100, 9000, 9000, 9000}), 100},
		{"claims never lower", zero.WithClaims([]int{2, 2, 2}), 64},
		{"never above 4 × own", zero.WithClaims([]int{9000, 9000, 9000}), 256},
		{"4 × own, own of 16", heard(1).WithClaims([]int{9000, 9000, 9000}), 64},
		{"4 × own, upper bound", heard(5000).WithClaims([]int{99_999, 99_999, 99_999}), 10_000},
		{"absent claims do not count", zero.WithClaims([]int{200, 0, -1, 200}), 64},
		{"claims gone", zero.WithClaims([]int{200, 200, 200}).WithClaims(nil), 64},
		{"hostile claims", zero.WithClaims([]int{math.MaxInt, math.MaxInt, math.MaxInt}), 256},
	})
}

// Claims do not echo.
func TestClaim(t *testing.T) {
	if g := zero.WithClaims([]int{200, 200, 200}); g.N() != 200 || g.Claim() != 64 {
		t.Errorf("N %d, Claim %d, want 200 and 64", g.N(), g.Claim())
	}
	if g := zero.WithRoster(5); g.Claim() != 5 {
		t.Errorf("Claim %d with a roster of 5", g.Claim())
	}
}

func TestClaimsAreNotChanged(t *testing.T) {
	in := []int{300, 0, 100, 200}
	GroupSize{}.WithClaims(in)
	if !slices.Equal(in, []int{300, 0, 100, 200}) {
		t.Errorf("the caller's claims became %v", in)
	}
}

// Whatever happens, the estimate stays within its bounds, a storm makes at
// least four times of it, and three quiet rounds at least half, unless at a bound.
func TestGroupSizeIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g GroupSize
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			before := g
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				g = g.WithHeard(rapid.Int().Draw(t, "heard"))
			case 1:
				g = g.WithClaims(rapid.SliceOfN(rapid.Int(), 0, 6).Draw(t, "claims"))
			case 2:
				spoke := rapid.IntRange(-1, 20).Draw(t, "spoke")
				first := time.Duration(rapid.Int64().Draw(t, "first"))
				g = g.AfterRound(spoke, first, time.Duration(rapid.Int64().Draw(t, "period")))
				want := min(4*before.Claim(), MaxGroup)
				if spoke > StormTransmissions && (g.Claim() < want || g.Claim() > 2*want) {
					t.Fatalf("a storm made %d of %d", g.Claim(), before.Claim())
				}
			}
			if n := g.N(); n < MinGroup || n > MaxGroup || n < g.Claim() || n > 4*g.Claim() {
				t.Fatalf("N %d, Claim %d", n, g.Claim())
			}
		}
		g.quiet = 0
		n, h := g.Claim(), quiet(g, QuietRounds).Claim()
		if h < (n+1)/2 || h > n || h == n && n > MinGroup {
			t.Fatalf("three quiet rounds made %d of %d", h, n)
		}
	})
}
