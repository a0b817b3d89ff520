package demo

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sim"
	"github.com/causeway-im/causeway/sim/trace"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// play runs a demo to its end.
func play(t *testing.T, o Options) *Run {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Quiet(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	return r
}

func asJSON(t *testing.T, r *Run) string {
	t.Helper()
	var b bytes.Buffer
	res := r.Result()
	if err := res.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// parse makes a trace of lines such as "12 0 msg hello".
func parse(t *testing.T, lines string) *trace.Trace {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(lines) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 4)
		b.WriteString(`{"t": ` + f[0] + `, "member": ` + f[1] + `, "event": "` + f[2] + `"`)
		if len(f) == 4 {
			b.WriteString(`, "text": "` + f[3] + `"`)
		}
		b.WriteString("}\n")
	}
	tr, err := trace.Read(strings.NewReader(b.String()), "test")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

const smallTalk = `0 0 msg Is anybody there?
	20 1 msg Yes.
	40 2 msg I am, too.
	100 1 msg Where is 0?
	140 0 msg I am cut off.
	290 2 msg There you are.`

func small(t *testing.T) Options {
	return Options{Members: 3, Loss: 0.2, Seed: 7, Trace: parse(t, smallTalk)}
}

// TestGolden compares a small run, byte for byte. A change of the protocol
// changes it: go test ./suite/demo -run Golden -rewrite, and read the difference.
func TestGolden(t *testing.T) {
	const name = "testdata/small.json"
	got := asJSON(t, play(t, small(t)))
	if *rewrite {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the run differs from %s (written anew with -rewrite):\n%s", name, got)
	}
}

// TestSameSeed runs the whole conversation twice, once with nobody watching and
// once drawn: the steps make no difference.
func TestSameSeed(t *testing.T) {
	o := Options{Members: 8, Loss: 0.2, Seed: 3}
	quiet := asJSON(t, play(t, o))
	watched, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	screen := NewScreen(io.Discard, true, func() (int, int) { return 80, 24 })
	if err := watched.Watch(context.Background(), screen, false); err != nil {
		t.Fatal(err)
	}
	if got := asJSON(t, watched); got != quiet {
		t.Errorf("watched:\n%s\nnot watched:\n%s", got, quiet)
	}
	o.Seed = 4
	if other := asJSON(t, play(t, o)); other == quiet {
		t.Error("another seed gives the same run")
	}
}

// TestSeeds demands of many runs what the command promises with exit code 0.
func TestSeeds(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 3
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		res := play(t, Options{Members: 8, Loss: 0.2, Seed: seed}).Result()
		if !res.OK || !res.Consistent || res.Acknowledged != 195 || len(res.Violations) > 0 || len(res.Failures) > 0 {
			t.Errorf("seed %d: %q", seed, res.Failures)
		}
		if res.Messages != 195 || res.Cut.Drafts == 0 || res.Cut.CaughtUp == nil {
			t.Errorf("seed %d: %d messages, %+v", seed, res.Messages, res.Cut)
		}
	}
}

// TestKeepCut has a member that never comes back.
func TestKeepCut(t *testing.T) {
	o := small(t)
	o.KeepCut = true
	r := play(t, o)
	res := r.Result()
	if res.OK || res.Consistent || res.Acknowledged >= res.Messages || len(res.Failures) != 2 || res.Cut.CaughtUp != nil {
		t.Errorf("%+v", res)
	}
	if r.Elapsed() != r.Limit() || r.Limit() != 290*time.Second+patience {
		t.Errorf("it ended at %v", r.Elapsed())
	}
	for i, want := range []string{"the logs differ: member 0 has ", " of 6 messages are not known to have reached all"} {
		if !strings.Contains(res.Failures[i], want) {
			t.Errorf("failure %q, want %q", res.Failures[i], want)
		}
	}
	var b bytes.Buffer
	if err := res.WriteTable(&b, false); err != nil || !strings.Contains(b.String(), "FAILED: the logs differ") {
		t.Errorf("%v, table:\n%s", err, &b)
	}
}

// TestViolation fails a run in which a promise was broken, and one that is not
// at its end.
func TestViolation(t *testing.T) {
	r := play(t, small(t))
	r.group.Check.Violations = []string{"at 3s: member 1 counts itself"}
	if res := r.Result(); res.OK || !strings.Contains(res.Failures[0], "1 violations of the protocol's promises, the first at 3s") {
		t.Errorf("%q", res.Failures)
	}
	r.done = false
	if res := r.Result(); !strings.Contains(res.Failures[0], "before its end") {
		t.Errorf("%q", res.Failures)
	}
}

func TestStopped(t *testing.T) {
	r, err := New(small(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopAt := viewFunc(func(s Status) error {
		if s.Elapsed >= time.Minute {
			cancel()
		}
		return nil
	})
	if err := r.Watch(ctx, stopAt, true); !errors.Is(err, context.Canceled) || r.Elapsed() > 2*time.Minute {
		t.Errorf("%v at %v", err, r.Elapsed())
	}
	broken := errors.New("broken pipe")
	if err := r.Quiet(context.Background(), viewFunc(func(Status) error { return broken })); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type viewFunc func(Status) error

func (f viewFunc) Show(s Status) error { return f(s) }

// TestCut says when which member is without a network, and what it has then.
func TestCut(t *testing.T) {
	tr := parse(t, `0 0 msg a
		10 4 msg b
		31 4 msg c
		32 3 leave
		40 1 msg d
		50 3 msg e
		52 1 join
		70 0 leave
		80 2 msg f
		90 2 msg g`)
	r, err := New(Options{Members: 3, Seed: 1, Trace: tr})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at     time.Duration
		online string
		drafts int
	}{
		{29, "yes yes yes", 0},
		{30, "yes cut yes", 0}, // members 4 and 1 are the same, and talk most from 30 to 60
		{31, "yes cut yes", 1},
		{32, "no cut yes", 1}, // and so are 3 and 0
		{40, "no cut yes", 2},
		{50, "no cut yes", 3},
		{52, "no cut yes", 3}, // a join does not end the cut
		{60, "no yes yes", 3},
		{80, "no yes yes", 3},
		{90, "yes yes yes", 3}, // all come back in the end
	} {
		if err := r.Advance(tt.at * time.Second); err != nil {
			t.Fatal(err)
		}
		var online []string
		for _, m := range r.Status().Members {
			online = append(online, map[string]string{"ONLINE": "yes", "OFFLINE": "no", "CUT OFF": "cut"}[m.mark()])
		}
		if got := strings.Join(online, " "); got != tt.online || r.rec.drafted != tt.drafts {
			t.Errorf("at %d s: online %s, %d drafts, want %s, %d", tt.at, got, r.rec.drafted, tt.online, tt.drafts)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Members: 1}, {Members: 65}, {Members: 8, Loss: -0.1}, {Members: 8, Loss: 0.91},
		{Members: 8, Trace: &trace.Trace{}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

// TestRecorder compares what is recorded per message with the group's own
// statistics, which count the same things.
func TestRecorder(t *testing.T) {
	r := play(t, Options{Members: 8, Loss: 0.2, Seed: 5})
	l, s := r.rec.latencies(false), &r.group.Stats
	for _, tt := range []struct {
		name      string
		ours, sim []time.Duration
	}{
		{"detect", l.detect, s.Detect}, {"repair", l.repair, s.Repair},
		{"first", l.firstAck, s.FirstAck}, {"full", l.fullAck, s.FullAck},
	} {
		slices.Sort(tt.ours)
		if want := slices.Sorted(slices.Values(tt.sim)); len(want) == 0 || !slices.Equal(tt.ours, want) {
			t.Errorf("%s: %d values, the group has %d", tt.name, len(tt.ours), len(want))
		}
	}
	res := r.Result()
	if res.Missed != s.Missed || res.Repaired != s.Repaired || res.Handed != s.Handed || res.Lost != s.Lost {
		t.Errorf("%+v", res)
	}
	if sum := sum(res.Bytes.ByClass); sum != res.Bytes.Content+res.Bytes.Control {
		t.Errorf("classes add up to %d, content and control to %d", sum, res.Bytes.Content+res.Bytes.Control)
	}
	inOne := 0
	for _, n := range r.rec.inOne {
		inOne += n
	}
	if want := s.Bytes[sds.ClassContent] - res.Bytes.Content; inOne != want || len(r.rec.inOne) != res.Messages {
		t.Errorf("control in %d content messages is %d, want %d", len(r.rec.inOne), inOne, want)
	}
}

func sum(m map[string]int) int {
	n := 0
	for v := range maps.Values(m) {
		n += v
	}
	return n
}

// TestCalm says which messages count as sent while everybody was online.
func TestCalm(t *testing.T) {
	r := play(t, Options{Members: 2, Seed: 1, Trace: parse(t, `0 0 msg long before the cut
		239.999 0 msg a minute and a bit before it
		240.001 0 msg less than a minute before it
		400 1 msg in it
		600 1 msg at its end
		900 0 msg in the end`)})
	var calm []bool
	for _, t := range r.rec.order {
		calm = append(calm, t.calm)
	}
	if want := []bool{true, true, false, false, true, true}; !slices.Equal(calm, want) {
		t.Errorf("got %v, want %v", calm, want)
	}
	if res := r.Result(); res.AllOnline.Messages != 4 || res.Cut.Member != 1 || res.Cut.Drafts != 1 {
		t.Errorf("%+v", res)
	}
}

// TestStart guards the moment from which virtual time counts.
func TestStart(t *testing.T) {
	r, err := New(small(t))
	if err != nil {
		t.Fatal(err)
	}
	if r.group.Now() != sim.DefaultStart || r.Elapsed() != 0 {
		t.Errorf("now %v, elapsed %v", r.group.Now(), r.Elapsed())
	}
}
