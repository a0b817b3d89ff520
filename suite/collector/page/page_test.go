package page

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/report"
)

// notShown are parts of the data that the page leaves to the API, or that are those of
// another measure or row than the page is about.
var notShown = regexp.MustCompile(`^\.(M|Everyone)$|^\.Messages\[0\]\.(Minute\[[123]\]|Day\[3\])|^\.Incidents\[0\]\.To|^\.Incidents\[1\]\.Usual|^\.Points\[[01]\]\.Why|\.Everyone\[|\.Covered\[[^1]\]|\.(AtRisk|Censored)$|Points.*Censored|` +
	`\.(Measure|Design|Effective|EstimateInterval|Variance|Events|Topic|Remaining|Device)\b|` + // of rates, trust, messages, incidents and devices
	`^\.All\.(Group|Provisional|(Ack|Repair)\.P99|.*Cases|Funnel\.(Attempted|GaveUp|Resent)|Causes\.(Late|Recovered|Present|LiveInTime)|Covered.*\.(Silent|Why|Interval))|` +
	`^\.Groups\[0\]\.Groups.*\.(By|Ack|Repair|Causes|Funnel|Departure|Others|Provisional|Silent|Why|P50|P90|P99|Cases)\b|` +
	`^\.Comparisons.*\.(From|To)\.|^\.Days.*\.Trust\.(Reporters|Share|Idle|Dropped|Absent|Skewed|Unsteady|CollectorDown)$`)

// full is a page with something of everything.
func full() *Data {
	half := 0.5
	rate := func(low float64) estimate.Rate {
		return estimate.Rate{Count: estimate.Count{Delivered: 400, Lost: 30, Censored: 20, Undecodable: 5}, Bounds: estimate.Interval{Low: low, High: low + 0.2},
			Interval: estimate.Interval{Low: low - 0.1, High: low + 0.3}, Estimate: &half, Unknown: 0.125}
	}
	curve := func() estimate.Curve {
		return estimate.Curve{P50: 1100, P90: 2200, P99: 3300, Points: []estimate.Point{{At: 1000, Share: 0.5, Interval: estimate.Interval{Low: 0.4, High: 0.6}}, {At: 9000, Share: 0.8, Interval: estimate.Interval{Low: 0.7, High: 0.9}}}}
	}
	group := func(by estimate.Dimension, value string) *estimate.Estimate {
		e := &estimate.Estimate{Group: estimate.Group{By: by, Value: value}, Departure: estimate.Interval{Low: 0.91, High: 0.97}, Latency: curve(), Ack: curve(), Repair: curve(),
			Funnel: estimate.Funnel{Composed: 300, Handed: 290, Left: 280, Acked: 270, Stored: 260, Refused: 7, Unsent: 6, Silent: estimate.Moments{Mean: 9}},
			Causes: estimate.Causes{Live: 300, Store: 50, Repair: 50, Somehow: 4, Unsent: 5, Unproven: 6, Offline: 7, Network: 8, Unread: 9},
			Others: 44, Traffic: map[string]int64{"content": 70_000, "sync": 9_000}}
		for range estimate.Measures() {
			e.Covered, e.Everyone = append(e.Covered, rate(0.6)), append(e.Everyone, rate(0.7))
		}
		return e
	}
	const at = 1_782_892_800_000
	span := []report.Span{{From: at + 600_000, To: at + 1_200_000}}
	d := &Data{Query: Query{From: "2026-07-01", To: "2026-07-02", Measure: "60s", Refresh: 30}, Note: "a note", Now: at + 9_000_000, M: estimate.Within60s,
		All: group(estimate.Everything, ""), Legacy: &half, LegacyAt: "1 Jul 08:00", Provisional: true,
		Marks:       []Mark{{From: at, To: at + 1_000_000, Class: "incident", Label: "outage: everybody"}},
		Comparisons: []Comparison{{"sds", "causeway", estimate.Comparison{Difference: &half, Interval: estimate.Interval{Low: 0.1, High: 0.2}, Outer: estimate.Interval{Low: -0.3, High: 0.4}, Verdict: estimate.Better}}},
		Timeline:    []estimate.Line{{Device: "d", Platform: "linux", Online: span, Cut: span, Covered: span, Idle: span, Silent: span}}, Devices: 77, TimelineFrom: at, TimelineTo: at + 5_000_000,
		Trust:     estimate.Trust{Devices: 12, Reporters: 34, Share: 0.56, Covered: 0.78, Idle: 0.09, Dropped: 21, Absent: 43, Skewed: 65, Unsteady: 87, CollectorDown: 190_000},
		Days:      []Day{{Name: "2026-07-01", Revision: 17, Late: 3, At: at, Provisional: true, Trust: estimate.Trust{Covered: 0.33, Devices: 55}, Legacy: &half}},
		Gaps:      []report.Span{{From: at + 2_000_000, To: at + 3_000_000}},
		Incidents: []estimate.Incident{{From: at, To: at + 1_000_000, Open: true, Scope: estimate.OnePlatform, Name: "ios", P: 0.02, Usual: 0.03, Watched: 41, Silent: 31, Isolated: 22, Settled: 0.71}},
		Singles:   4, OldRecords: 6,
		Messages: []Message{{ID: "m-1", Channel: "c-1", At: at, Left: true, Minute: [4]int{1, 2, 3, 4}, Day: [4]int{5, 6, 7, 8}, Acked: 1234}},
		Phantoms: []Phantom{{ID: "p-1", Channel: "c-2", Author: "a-1", Noticed: at, By: 3, Counted: true}}}
	for i := range 3 {
		d.Points = append(d.Points, Point{At: at + int64(i)*3_600_000, Length: time.Hour, Low: 0.6, High: 0.8, OuterLow: 0.5, OuterTop: 0.9, Estimate: &half, Cells: 500, Silent: 8, Unknown: 0.11,
			Legacy: &half, Truth: &half, Open: true})
	}
	d.Points[2].Estimate, d.Points[2].Why = nil, estimate.MuchHidden
	d.Incidents = append(d.Incidents, d.Incidents[0])
	d.Incidents[1].Open = false
	d.Groups = []Section{{ID: "protocol", Title: "Protocol", Help: "help", Groups: []*estimate.Estimate{group(estimate.ByProtocol, "causeway"), group(estimate.ByProtocol, "sds")}, More: 5}}
	return d
}

func render(t *testing.T, d *Data) string {
	t.Helper()
	var out strings.Builder
	if err := Render(&out, d); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestEveryFigure: whatever the data say is on the page: each single value that is
// changed changes it.
func TestEveryFigure(t *testing.T) {
	d := full()
	before, shown := render(t, d), 0
	each(reflect.ValueOf(d), "", func(name string, v reflect.Value) {
		if notShown.MatchString(name) {
			return
		}
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		switch v.Kind() {
		case reflect.Float64:
			v.SetFloat(v.Float()*0.83 + 0.013)
		case reflect.Int, reflect.Int64:
			v.SetInt(2*v.Int() + 7)
		case reflect.Uint64:
			v.SetUint(v.Uint() + 2)
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.String:
			v.SetString(v.String() + "x")
		default:
			t.Fatalf("%s is a %v", name, v.Kind())
		}
		if render(t, d) == before {
			t.Errorf("%s makes no difference", name)
		}
		v.Set(old)
		shown++
	})
	if shown < 200 {
		t.Errorf("%d values", shown)
	}
}

// each calls f for every value.
func each(v reflect.Value, name string, f func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			own := reflect.New(v.Type().Elem()) // that is nobody else's
			own.Elem().Set(v.Elem())
			if v.CanSet() {
				v.Set(own)
			} else {
				own = v
			}
			each(own.Elem(), name, f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			each(v.Field(i), name+"."+v.Type().Field(i).Name, f)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			each(v.Index(i), fmt.Sprintf("%s[%d]", name, i), f)
		}
	case reflect.Map:
		// Traffic, which TestTraffic looks at.
	default:
		f(name, v)
	}
}

// TestTraffic: bytes by class, and what a delivered cell costs.
func TestTraffic(t *testing.T) {
	d := full()
	before := render(t, d)
	for _, want := range []string{"70 kB", "9 kB", "197.5 B for each delivered cell"} {
		if !strings.Contains(before, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestUnknownIsNotFine: nothing that is not known is shown as if it were fine.
func TestUnknownIsNotFine(t *testing.T) {
	d := full()
	for i := range d.All.Covered {
		d.All.Covered[i] = estimate.Rate{Bounds: estimate.Interval{High: 1}, Interval: estimate.Interval{High: 1}, Unknown: 1, Why: estimate.InSilence}
	}
	d.Points = []Point{{At: d.Points[0].At, Length: time.Hour, High: 1, OuterTop: 1, Silent: 300, Unknown: 1, Why: estimate.InSilence}}
	d.Legacy = nil
	text := render(t, d)
	for _, want := range []string{`<div class="big">0.0` + "\u00a0%", "no likely value: devices are silent", "perhaps 300 in silence", "at least 0.0\u00a0%, at most 100\u00a0%", "It needs two hours of reports"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestEmpty: a page without data says so.
func TestEmpty(t *testing.T) {
	if text := render(t, &Data{Query: Query{From: "2026-07-01", To: "2026-07-01"}}); !strings.Contains(text, "Nothing has been reported for these days") || strings.Contains(text, "%") {
		t.Errorf("%s", text)
	}
}
