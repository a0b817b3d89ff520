package crowd

import (
	"fmt"
	"math"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sim/trace"
)

// Policy is what members run unless the Mix says otherwise.
type Policy string

const (
	Causeway       Policy = "causeway"
	ClassicPolicy  Policy = "classic" // the deployed behaviour of package sim/classic
	DefaultTail           = 120 * time.Second
	DefaultContent        = 100 // bytes
	maxMembers            = 100_000
	maxRun                = 32 * 24 * time.Hour // virtual times in milliseconds fit 32 bits
	maxMessages           = 10_000_000
	maxNetworkTime        = 30 * time.Second
)

// Scenario is one run: who takes part, what they say, and what the network does
// to it. The zero value of each field is its default.
type Scenario struct {
	// Members is how many take part, those of the Mix and the silent ones included.
	Members int `yaml:"members"`
	// Seed is where all chance comes from.
	Seed uint64 `yaml:"seed"`
	// Policy is what members run. Default causeway.
	Policy Policy `yaml:"policy"`
	// Dialect is what our members emit: lip, js or nim. Default lip, or what the
	// classic members of the Mix speak.
	Dialect string `yaml:"dialect"`

	Network Network `yaml:"network"`
	Load    Load    `yaml:"load"`
	Mix     Mix     `yaml:"mix"`
	// Faults are what happens at certain times, Churn is coming and going at random.
	Faults []Fault `yaml:"faults"`
	Churn  Churn   `yaml:"churn"`

	// NoRoster leaves members to find out who is there.
	NoRoster bool `yaml:"no_roster"`
	// Authenticated makes members check who made what they receive.
	Authenticated bool `yaml:"authenticated"`
	// ClockSkew is how far a member's clock is from the truth at most: it is drawn
	// evenly from -ClockSkew to +ClockSkew.
	ClockSkew time.Duration `yaml:"clock_skew"`
	// Tail is how long the run goes on after the last message and the last fault.
	// Default 120 s.
	Tail time.Duration `yaml:"tail"`

	// Workers is how many processors work on it. Default all. It has no influence
	// on the Result.
	Workers int `yaml:"-"`
	// Config changes the configuration of one of our members before it starts.
	Config func(member int, cfg *sds.Config) `yaml:"-"`
	// Kinds replaces or adds how participants of a kind are made.
	Kinds map[Kind]Constructor `yaml:"-"`
}

// Load is what members say: a Trace, or messages at random at Rate for Duration,
// or in bursts.
type Load struct {
	// Rate is messages per second of the whole group, as a Poisson process.
	Rate     float64       `yaml:"rate"`
	Duration time.Duration `yaml:"duration"`
	// BurstSize messages come together at each event of the Poisson process, spread
	// over BurstSpread. Default 1. Rate counts the messages, not the bursts.
	BurstSize   int           `yaml:"burst_size"`
	BurstSpread time.Duration `yaml:"burst_spread"`
	// Senders is how many members ever say something. Default all honest ones.
	Senders int `yaml:"senders"`
	// Content is the bytes of a message. Default 100.
	Content int `yaml:"content"`
	// Asked is the share of messages that want 90 % of the group to have them and
	// the verdict in time. Everyone is the share that wants everybody's
	// acknowledgement. The others want one.
	Asked    float64 `yaml:"asked"`
	Everyone float64 `yaml:"everyone"`
	// Share is what asked messages want instead of 90 %. Verdicts are about 90 %
	// alone.
	Share float64 `yaml:"share"`
	// Trace is a recorded conversation; then Rate and what belongs to it must be 0.
	// A join starts with empty state, a leave goes offline.
	Trace *trace.Trace `yaml:"-"`
}

// Mix says what the members are. Shares are of all members; what is left runs
// the Policy.
type Mix struct {
	Classic float64 `yaml:"classic"`
	// Flavour is which deployed implementation classic members are: js or nim.
	// Default js.
	Flavour  string  `yaml:"flavour"`
	Hostile  float64 `yaml:"hostile"`
	Light    float64 `yaml:"light"`
	Stewards int     `yaml:"stewards"`
	// Attacks is what hostile members do, each all of it; default everything. See
	// Attack.
	Attacks []Attack `yaml:"attacks"`
	// AttackEvery is the mean time between the lies of one hostile member. Default
	// 10 s.
	AttackEvery time.Duration `yaml:"attack_every"`
}

// limit is one bound of a Scenario.
type limit struct {
	field    string
	value    float64
	min, max float64
	unit     string
}

func share(field string, v float64) limit { return limit{field, v, 0, 1, ""} }

func seconds(field string, v, min, max time.Duration) limit {
	return limit{field, v.Seconds(), min.Seconds(), max.Seconds(), " s"}
}

func (l limit) check() error {
	if l.value >= l.min && l.value <= l.max {
		return nil
	}
	return fmt.Errorf("crowd: %s is %v%s, must be from %v to %v%s", l.field, l.value, l.unit, l.min, l.max, l.unit)
}

// withDefaults fills in what was left out.
func (sc Scenario) withDefaults() Scenario {
	setDefault(&sc.Policy, Causeway)
	setDefault(&sc.Tail, DefaultTail)
	setDefault(&sc.Mix.Flavour, sds.JS.String())
	if sc.Mix.Classic > 0 {
		setDefault(&sc.Dialect, sc.Mix.Flavour)
	}
	setDefault(&sc.Dialect, sds.LIP.String())
	setDefault(&sc.Load.Content, DefaultContent)
	setDefault(&sc.Load.Share, verdictShare)
	setDefault(&sc.Load.BurstSize, 1)
	setDefault(&sc.Mix.AttackEvery, 10*time.Second)
	if len(sc.Mix.Attacks) == 0 {
		sc.Mix.Attacks = allAttacks
	}
	sc.Network = sc.Network.withDefaults()
	sc.Churn = sc.Churn.withDefaults()
	return sc
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Check tells what is wrong with a scenario: the field, its value and its
// limits.
func (sc *Scenario) Check() error {
	full := sc.withDefaults()
	return full.check()
}

func (sc *Scenario) check() error {
	limits := []limit{
		{"members", float64(sc.Members), 2, maxMembers, ""},
		seconds("clock_skew", sc.ClockSkew, 0, 24*time.Hour),
		seconds("tail", sc.Tail, 0, maxRun),
		share("mix.classic", sc.Mix.Classic),
		share("mix.hostile", sc.Mix.Hostile),
		share("mix.light", sc.Mix.Light),
		share("mix.classic + mix.hostile + mix.light", sc.Mix.Classic+sc.Mix.Hostile+sc.Mix.Light),
		{"mix.stewards", float64(sc.Mix.Stewards), 0, float64(sc.Members), ""},
		seconds("mix.attack_every", sc.Mix.AttackEvery, 100*time.Millisecond, time.Hour),
	}
	limits = append(limits, sc.Load.limits(sc.Members)...)
	limits = append(limits, sc.Network.limits()...)
	limits = append(limits, sc.Churn.limits()...)
	for i, f := range sc.Faults {
		limits = append(limits, f.limits(fmt.Sprintf("faults[%d].", i))...)
	}
	for _, l := range limits {
		if err := l.check(); err != nil {
			return err
		}
	}
	if sc.Policy != Causeway && sc.Policy != ClassicPolicy {
		return fmt.Errorf("crowd: policy is %q, must be %q or %q", sc.Policy, Causeway, ClassicPolicy)
	}
	return sc.checkRest()
}

var dialects = map[string]sds.Dialect{sds.LIP.String(): sds.LIP, sds.JS.String(): sds.JS, sds.Nim.String(): sds.Nim}

func (sc *Scenario) dialect() sds.Dialect { return dialects[sc.Dialect] }

// checkRest checks what is more than one number.
func (sc *Scenario) checkRest() error {
	if _, ok := dialects[sc.Dialect]; !ok {
		return fmt.Errorf("crowd: dialect is %q, must be %q, %q or %q", sc.Dialect, sds.LIP, sds.JS, sds.Nim)
	}
	if f := sc.Mix.Flavour; f != sds.JS.String() && f != sds.Nim.String() {
		return fmt.Errorf("crowd: mix.flavour is %q, must be %q or %q", f, sds.JS, sds.Nim)
	}
	for _, a := range sc.Mix.Attacks {
		if !a.known() {
			return fmt.Errorf("crowd: mix.attacks has %q, must be of %q", a, allAttacks)
		}
	}
	for i, f := range sc.Faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("crowd: faults[%d].%w", i, err)
		}
	}
	if err := sc.Load.check(sc.Members); err != nil {
		return err
	}
	k := sc.counts()
	if k.honest() < 2 {
		return fmt.Errorf("crowd: mix leaves %d honest members, must be at least 2", k.honest())
	}
	if run := sc.last() + sc.Tail; run > maxRun {
		return fmt.Errorf("crowd: the run lasts %v with its tail, must be at most %v", run, maxRun)
	}
	return nil
}

func (l *Load) limits(members int) []limit {
	if l.Trace != nil {
		return []limit{
			{"load.rate beside a trace", l.Rate, 0, 0, ""},
			seconds("load.duration beside a trace", l.Duration, 0, 0),
			{"load.senders beside a trace", float64(l.Senders), 0, 0, ""},
			share("load.asked + load.everyone", l.Asked+l.Everyone),
			share("load.asked", l.Asked), share("load.everyone", l.Everyone), share("load.share", l.Share),
		}
	}
	return []limit{
		{"load.rate", l.Rate, 1e-6, 100_000, " /s"},
		seconds("load.duration", l.Duration, time.Millisecond, maxRun),
		{"load.rate × load.duration", l.Rate * l.Duration.Seconds(), 0, maxMessages, " messages"},
		{"load.burst_size", float64(l.BurstSize), 1, 100_000, ""},
		seconds("load.burst_spread", l.BurstSpread, 0, time.Hour),
		{"load.senders", float64(l.Senders), 0, float64(members), ""},
		{"load.content", float64(l.Content), minContent, sds.MaxContent, " bytes"},
		share("load.asked", l.Asked), share("load.everyone", l.Everyone),
		share("load.asked + load.everyone", l.Asked+l.Everyone),
	}
}

func (l *Load) check(members int) error {
	if l.Trace == nil {
		return nil
	}
	if n := l.Trace.Members(); members < n {
		return fmt.Errorf("crowd: members is %d, but %d members have events in the trace", members, n)
	}
	return nil
}

// counts says how many members are of which kind.
type counts struct{ base, classic, hostile, light, stewards int }

func (c counts) honest() int { return c.base + c.classic + c.light + c.stewards }

func (sc *Scenario) counts() counts {
	part := func(share float64) int { return int(math.Round(share * float64(sc.Members))) }
	c := counts{stewards: sc.Mix.Stewards}
	left := sc.Members - c.stewards
	take := func(n int) int {
		n = min(n, left)
		left -= n
		return n
	}
	c.hostile = take(part(sc.Mix.Hostile))
	c.classic = take(part(sc.Mix.Classic))
	c.light = take(part(sc.Mix.Light))
	c.base = left
	return c
}

// last is when the last thing of the plan happens.
func (sc *Scenario) last() time.Duration {
	last := sc.Load.Duration + sc.Load.BurstSpread
	if sc.Load.Trace != nil {
		last = sc.Load.Trace.Duration()
	}
	for _, f := range sc.Faults {
		last = max(last, f.Until)
	}
	return last
}
