package crowd

import (
	"context"
	"testing"
	"time"
)

// What issue after issue promises of a group, at a size that a test has time for.
// The same at 1,000 and 10,000 members is in docs/runs.md.

func play(t *testing.T, sc Scenario) *Result {
	t.Helper()
	r, err := Run(context.Background(), sc, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Branches of the mesh lose nearly a third of everything for two minutes: a minute
// after that ends all have all.
func TestCorrelatedLossEndsConsistent(t *testing.T) {
	sc := Scenario{Members: 200, Seed: 11, Tail: 3 * time.Minute}
	sc.Load.Rate, sc.Load.Duration = 0.5, 3*time.Minute
	sc.Network.Loss = 0.01
	sc.Faults = []Fault{{Kind: FaultLoss, From: time.Minute, Until: 3 * time.Minute, BranchLoss: 0.3}}
	r := play(t, sc)
	t.Logf("missed %d, settled after %.1f s, p99 in order %.1f s", r.Missed, r.SettledMs/1000, r.Consistency.P99/1000)
	if !r.Consistent || r.Unrepaired > 0 || r.FalseAcks > 0 || r.Missed < 1000 {
		t.Errorf("consistent %v, unrepaired %d, false acks %d, missed %d", r.Consistent, r.Unrepaired, r.FalseAcks, r.Missed)
	}
	if r.SettledMs > 60_000 {
		t.Errorf("settled %.1f s after the loss ended", r.SettledMs/1000)
	}
}

// A tenth of the members lie in all the ways that we know, and others check who
// says what: nobody is counted falsely, and the honest end consistent.
func TestHostileMembersGiveNoFalseAcknowledgement(t *testing.T) {
	sc := Scenario{Members: 60, Seed: 12, Authenticated: true}
	sc.Load.Rate, sc.Load.Duration, sc.Load.Asked, sc.Tail = 0.3, 90*time.Second, 0.2, time.Minute
	sc.Network.Loss = 0.05
	sc.Mix.Hostile, sc.Mix.AttackEvery = 0.1, 2*time.Second
	r := play(t, sc)
	t.Logf("%d messages, %d packets refused, control %d B, hostile %d B", r.Messages, r.Refused, r.Bytes.Control, r.Bytes.Hostile)
	if r.FalseAcks != 0 || !r.Consistent || r.Unrepaired != 0 || r.Refused == 0 || r.Bytes.Hostile == 0 {
		t.Errorf("%d false, consistent %v, unrepaired %d, refused %d", r.FalseAcks, r.Consistent, r.Unrepaired, r.Refused)
	}
	// Without the check the same lies are believed: it is what protects.
	sc.Authenticated, sc.Mix.Attacks, sc.Mix.AttackEvery = false, []Attack{AttackAcks}, 300*time.Millisecond
	if r = play(t, sc); r.FalseAcks == 0 {
		t.Errorf("nobody checks who says what, and no acknowledgement of %d liars' was believed", sc.Members/10)
	}
	t.Logf("without the authenticator: %d false", r.FalseAcks)
}

// In a group of which half run what is deployed, ours all end consistent, and the
// deployed fare no worse than among themselves.
func TestHalfDeployedGroup(t *testing.T) {
	sc := Scenario{Members: 24, Seed: 13, Dialect: "js", Tail: 6 * time.Minute}
	sc.Load.Rate, sc.Load.Duration = 0.2, 5*time.Minute
	sc.Network.Loss = 0.05
	mixed := sc
	mixed.Mix.Classic = 0.5
	r := play(t, mixed)
	alone := sc
	alone.Policy = ClassicPolicy
	was := play(t, alone)
	ours, theirs := r.ByKind[Ours], r.ByKind[Classic]
	t.Logf("ours %+v", ours)
	t.Logf("theirs %+v", theirs)
	t.Logf("among themselves: missed %d, unrepaired %d, undelivered %d, in order %+v", was.Missed, was.Unrepaired, was.Undelivered, was.Consistency)
	if !ours.Consistent || ours.Unrepaired > 0 || ours.Undelivered > 0 {
		t.Errorf("ours: consistent %v, unrepaired %d, undelivered %d", ours.Consistent, ours.Unrepaired, ours.Undelivered)
	}
	if r.FalseAcks > was.FalseAcks {
		t.Errorf("%d false acknowledgements, %d without us", r.FalseAcks, was.FalseAcks)
	}
	share := func(n, missed int) float64 { return float64(n) / float64(max(missed, 1)) }
	if share(theirs.Unrepaired, theirs.Missed) > share(was.Unrepaired, was.Missed) {
		t.Errorf("theirs: %d of %d unrepaired, among themselves %d of %d", theirs.Unrepaired, theirs.Missed, was.Unrepaired, was.Missed)
	}
	if theirs.Consistency.P95 > was.Consistency.P95 {
		t.Errorf("theirs: in order after %.0f ms at p95, among themselves %.0f ms", theirs.Consistency.P95, was.Consistency.P95)
	}
}
