package estimate

import (
	"math"
	"time"
)

const (
	// maxUnknown is the share of unknown cells above which there is no point estimate.
	maxUnknown = 0.2
	// maxHidden is that of cells of silent devices, whose silence may have to do with
	// what would have happened to them.
	maxHidden = 0.02
	// minEffective is the effective number of cells below which there is none.
	minEffective = 30
	// fewCases is how many failures, or successes, tell how they cluster.
	fewCases = 5
	// usualCorrelation is that of cells of a cluster where it can't be estimated.
	usualCorrelation = 0.05
	// silentQuantile is how many silent messages the lower bound allows for.
	silentQuantile = 0.99
)

// Why there is no point estimate.
const (
	NoCells    = "no data"
	NotEnough  = "not enough data"
	MuchHidden = "more than 20 % are unknown"
	InSilence  = "devices are silent"
)

// Rate is the answer to a measure. Read Bounds.Low first.
type Rate struct {
	Measure Measure `json:"measure"`
	Count
	// Silent are the cells of messages that were possibly composed in silence.
	Silent Moments `json:"silent"`
	// Bounds hold whatever is assumed of the unknown cells: at the lower all of them
	// failed, and as many silent ones as there may be with 99 %, at the upper they
	// did not. They are about exactly these cells.
	Bounds Interval `json:"bounds"`
	// Interval reaches out from the bounds by the sampling error, with 95 %. For
	// reporters it says where the network's and the protocol's own rate lies, of which
	// these cells are a sample; for everyone where all members' rate lies.
	Interval Interval `json:"interval"`
	// Estimate is the likeliest value, if there is one, and otherwise Why not. It
	// rests on unknown cells being like known ones.
	Estimate *float64 `json:"estimate,omitempty"`
	Why      string   `json:"why,omitempty"`
	// EstimateInterval is the sampling error of the estimate, with 95 %.
	EstimateInterval Interval `json:"estimateInterval"`
	// Unknown is the share of cells that are censored or silent.
	Unknown float64 `json:"unknown"`
	// Effective is how many independent cells would tell as much as these, Design how
	// many more cells there are.
	Effective float64 `json:"effective"`
	Design    float64 `json:"design"`
}

// Estimate is everything that is said of one group.
type Estimate struct {
	Group
	// Covered is about the cells of reporting authors and members: its bounds rest on
	// nothing but the journals. Everyone is about all members, and rests on those who
	// report being like those who do not, in each stratum.
	Covered  []Rate `json:"covered"`
	Everyone []Rate `json:"everyone"`
	// Departure is the share of messages that left their author's device. At the lower
	// end only those with proof did, at the upper all but those that were never handed
	// over.
	Departure Interval `json:"departure"`
	Funnel    Funnel   `json:"funnel"`
	Causes    Causes   `json:"causes"`
	Latency   Curve    `json:"latency"`
	Ack       Curve    `json:"ack"`
	Repair    Curve    `json:"repair"`
	// Others are messages of members who do not report.
	Others  float64          `json:"others"`
	Traffic map[string]int64 `json:"traffic,omitempty"`
	// Provisional estimates will still change: their time is not over for the horizon.
	Provisional bool `json:"provisional"`
}

// Curve is a Kaplan–Meier curve and what is read from it, in milliseconds; −1 is
// what it does not reach.
type Curve struct {
	Cases         float64 `json:"cases"`
	P50, P90, P99 int64
	Points        []Point `json:"points,omitempty"`
}

// Estimate says what a tally means. Now and until bound: a tally of messages up to
// until is provisional as long as the horizon is not over; 0 for both leaves that
// open.
func (t *Tally) Estimate(until, now int64, horizon time.Duration) Estimate {
	o := Options{Horizon: horizon}
	e := Estimate{Group: t.Group, Funnel: t.Funnel, Causes: t.Causes, Others: t.Others, Traffic: t.Traffic,
		Provisional: now < until+o.horizon(), Departure: t.Funnel.departure()}
	design := 1.0
	for _, m := range Measures() {
		covered := t.Covered.rate(m, t.Hidden[m], t.drawn(m, false))
		e.Covered = append(e.Covered, covered)
		e.Everyone = append(e.Everyone, t.Everyone.rate(m, t.Hidden[m], t.drawn(m, true)))
		if m == Within60s {
			design = covered.Design
		}
	}
	e.Latency, e.Ack, e.Repair = t.Covered.Latency.curve(design), t.Ack.curve(1), t.Repair.curve(1)
	return e
}

// Rate returns the answer to one measure.
func (e *Estimate) Rate(m Measure) Rate { return e.Covered[m] }

func (f *Funnel) departure() Interval {
	silent := f.Silent.high()
	all := f.Composed + silent
	if all == 0 {
		return Interval{0, 1}
	}
	return Interval{f.Left / all, (all - f.Unsent) / all}
}

// high is what a number does not exceed with 99 %.
func (m Moments) high() float64 { return gammaQuantile(silentQuantile, m.Mean, m.Variance) }

func (h *Histogram) curve(design float64) Curve {
	c := Curve{Cases: h.total(), P50: -1, P90: -1, P99: -1, Points: KaplanMeier(h.steps(), design)}
	for _, q := range []struct {
		share float64
		to    *int64
	}{{0.5, &c.P50}, {0.9, &c.P90}, {0.99, &c.P99}} {
		if at, ok := quantile(c.Points, q.share); ok {
			*q.to = at
		}
	}
	return c
}

// drawn says which share of those that a rate is about was seen: of nobody's, for a
// rate of the network itself.
type drawn struct {
	cells             float64 // that were seen
	members, messages float64
}

func (t *Tally) drawn(m Measure, everyone bool) drawn {
	d := drawn{cells: t.Covered.Counts[m].All()}
	if all := t.Covered.Counts[Within10s].All(); everyone && t.Members > 0 && t.Messages > 0 {
		d.members, d.messages = min(all/t.Members, 1), min(all/t.Messages, 1)
	}
	return d
}

func (r *Row) rate(m Measure, hidden float64, d drawn) Rate {
	c := r.Counts[m]
	rate := Rate{Measure: m, Count: c, Silent: r.Silent, Bounds: Interval{0, 1}, Interval: Interval{0, 1},
		EstimateInterval: Interval{0, 1}, Why: NoCells, Unknown: 1}
	all, silent := c.All(), r.Silent.high()
	if all == 0 {
		return rate
	}
	low, high := c.Delivered/all, (c.Delivered+c.Censored)/all
	rate.Bounds = Interval{c.Delivered / (all + silent), (c.Delivered + c.Censored + silent) / (all + silent)}
	rate.Unknown = (c.Censored + r.Silent.Mean) / (all + r.Silent.Mean)

	nLow := r.effective(m, low, [3]float64{-low, 1, 0}, all, d)
	nHigh := r.effective(m, high, [3]float64{-high, 1, 1}, all, d)
	z := ImbensManski(low, high, math.Sqrt(max(low*(1-low)/nLow, high*(1-high)/nHigh)))
	outer := Interval{interval(low, nLow, z).Low, interval(high, nHigh, z).High}
	if d.members > 0 {
		h := r.hidden(m, d)
		outer.Low, outer.High = min(outer.Low, low*(1-h)), max(outer.High, high+(1-high)*h)
	}
	rate.Interval = Interval{outer.Low * all / (all + silent), (outer.High*all + silent) / (all + silent)}
	r.point(&rate, hidden, d)
	return rate
}

// interval is Wilson's, or the exact one where there are few cases of either sort.
func interval(p, n, z float64) Interval {
	if few(p, n) && !math.IsInf(n, 1) {
		return ClopperPearson(p*n, n, 2*normalCDF(z)-1)
	}
	return Wilson(p, n, z)
}

func few(p, n float64) bool { return p*n < fewCases || (1-p)*n < fewCases }

// point adds the point estimate, or why there is none.
func (r *Row) point(rate *Rate, hidden float64, d drawn) {
	c := rate.Count
	known := c.All() - c.Censored
	if known == 0 {
		rate.Why = MuchHidden
		return
	}
	p := c.Delivered / known
	silent := rate.Silent.Mean / c.All() * d.cells
	seen := d
	seen.cells *= known / c.All()
	n := r.effective(rate.Measure, p, [3]float64{-p, 1, p}, known, seen)
	rate.Effective, rate.Design = n, max(seen.cells/n, 1)
	if math.IsInf(n, 1) { // nothing is left to be estimated
		rate.Effective = seen.cells
	}
	switch {
	case n < minEffective:
		rate.Why = NotEnough
		return
	case rate.Unknown > maxUnknown:
		rate.Why = MuchHidden
		return
	case (hidden+silent)/(d.cells+silent) > maxHidden:
		rate.Why = InSilence
		return
	}
	rate.EstimateInterval = interval(p, n, normal95)
	shift := 0.0
	if curve := KaplanMeier(r.Latency.steps(), 1); rate.Measure <= Within24h && r.Latency.total() > 0.9*c.All() {
		at := shareAt(curve, deadlines[rate.Measure])
		at = min(max(at, rate.Bounds.Low), rate.Bounds.High)
		shift = at - p
	}
	p += shift
	rate.EstimateInterval = Interval{max(0, rate.EstimateInterval.Low+shift), min(1, rate.EstimateInterval.High+shift)}
	rate.Estimate, rate.Why = &p, ""
}

// effective returns how many independent cells tell as much about a share p as these.
func (r *Row) effective(m Measure, p float64, form [3]float64, all float64, d drawn) float64 {
	left := 1 - d.members*d.messages
	if left < 1e-12 {
		return math.Inf(1) // what was seen is everything
	}
	n := d.cells / left
	if v := r.variance(m, form, all, d); v > 0 {
		n = min(n, p*(1-p)/v)
		if g := min(r.ByMember[m].Number, r.BySender[m].Number); g > 1 { // few clusters tell little about their variance
			t := tQuantile(1-(1-confidence)/2, g-1)
			n *= normal95 * normal95 / (t * t)
		}
	}
	if few(p, d.cells) {
		n = min(n, d.cells/left/r.usualDesign(m))
	}
	return max(n, 1e-9)
}

// variance is that of a share, by clusters of members and of authors and hours; form
// makes the residual of a cluster from its cells, those delivered and those
// censored. What was seen of a finite number is no error.
func (r *Row) variance(m Measure, form [3]float64, all float64, d drawn) float64 {
	member, sender := spread(&r.ByMember[m], form, all), spread(&r.BySender[m], form, all)
	cell := r.ByCell[m].square(form[0], form[1], form[2]) / (all * all)
	return max(member-cell, 0)*(1-d.members) + max(sender-cell, 0)*(1-d.messages) + cell*(1-d.members*d.messages)
}

// hidden is how many members, as a share of all, may be of a sort that no reporter
// is, with 97.5 %: cut off, for example. Of k such members none reports with
// probability (1−f)ᵏ, where a share f reports.
func (r *Row) hidden(m Measure, d drawn) float64 {
	if d.members >= 1 {
		return 0
	}
	n := r.Counts[m].All() * r.Counts[m].All() / r.ByMember[m].NN // reporters, as many of equal weight
	k := math.Log((1-confidence)/2) / math.Log1p(-d.members)
	return min(k*d.members/n, 1)
}

// spread is the variance of a mean by its clusters.
func spread(k *Clusters, form [3]float64, all float64) float64 {
	v := k.square(form[0], form[1], form[2]) / (all * all)
	if k.Number > 1 {
		v *= k.Number / (k.Number - 1)
	}
	return v
}

// usualDesign is Kish's design effect for clusters of this size with the usual
// correlation.
func (r *Row) usualDesign(m Measure) float64 {
	size := func(k *Clusters) float64 { return max(k.NN/r.ByCell[m].NN-1, 0) }
	return 1 + usualCorrelation*(size(&r.ByMember[m])+size(&r.BySender[m]))
}
