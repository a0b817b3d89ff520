package demo

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/internal/browsertest"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/causeway-im/causeway/suite/collector/archive"
)

// patience is how long a test waits for anything.
const patience = time.Minute

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// morning is 1 July 2026, 08:00 UTC.
const morning = int64(1_782_892_800_000)

// frozen is a demonstration whose time the test turns.
func frozen(t *testing.T, seed uint64) *demo {
	t.Helper()
	a, err := archive.Open(t.Context(), filepath.Join(t.TempDir(), "telemetry.db"))
	check(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	d, err := open(Options{Archive: a, Listener: l, Out: os.Stderr, Never: 0.1, Seed: seed, Speed: 1e6, Members: 36}, morning)
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.service.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		check(t, <-done)
		check(t, a.Close())
	})
	return d
}

// settled waits until the estimator has seen everything.
func (d *demo) settled(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !f() {
		select {
		case <-ctx.Done():
			t.Fatalf("it never happened: %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// browser is a real one, without a window.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	problems []string
}

func launch(t *testing.T) *browser {
	t.Helper()
	allocated := browsertest.New(t, chromedp.WindowSize(1280, 900))
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(e any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := e.(type) {
		case *network.EventRequestWillBeSent:
			b.requests = append(b.requests, e.Request.URL)
		case *network.EventLoadingFailed:
			b.problems = append(b.problems, "not loaded: "+e.ErrorText)
		case *runtime.EventExceptionThrown:
			b.problems = append(b.problems, e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			b.problems = append(b.problems, "console")
		}
	})
	check(t, chromedp.Run(ctx, network.Enable())) // starts the browser, which ends with this context
	return b
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// value evaluates an expression in the page.
func value[T any](b *browser, expression string) (v T) {
	b.t.Helper()
	b.run(chromedp.Evaluate(expression, &v))
	return v
}

// dark says which colours the user prefers.
func dark(on bool) chromedp.Action {
	scheme := "light"
	if on {
		scheme = "dark"
	}
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}})
}

// TestPage looks at the page in a real browser, before the outage, while it lasts and
// when it is over.
func TestPage(t *testing.T) {
	b := launch(t)
	d := frozen(t, 1)
	b.run(chromedp.Navigate(d.url + "/?" + d.today()))
	if got := value[string](b, `document.querySelector("h2").textContent`); !strings.HasPrefix(got, "Nothing has been reported") {
		t.Errorf("an empty archive shows %q", got)
	}
	from := d.start + calm
	check(t, d.advance(t.Context(), from))
	d.people.drop(from, from+outage, d.Never)
	check(t, d.advance(t.Context(), from+12*minute))
	d.settled(t, "the outage is named", func() bool { return d.incident(t.Context()) != "" })
	d.settled(t, "the hour falls", func() bool { low, _ := d.hour(t, from); return low < 0.05 })
	b.run(chromedp.Navigate(d.url+"/?"+d.today()), dark(false))
	alarm := value[string](b, `document.querySelector(".alarm").textContent`)
	if !strings.Contains(alarm, "everybody") || !strings.Contains(alarm, "are silent") {
		t.Errorf("the alarm says %q", alarm)
	}
	b.shot("drop", desktop, "body", 1010)

	check(t, d.advance(t.Context(), from+outage+ending))
	d.settled(t, "the hour settles", func() bool { low, high := d.hour(t, from); return low > 0.3 && high < 0.7 })
	d.settled(t, "the old service has judged", func() bool { return d.old(t, from) != nil })
	d.settled(t, "the outage is over", func() bool { return d.incident(t.Context()) == "" })
	d.rounds(t, 3)
	b.run(chromedp.Navigate(d.url + "/?" + d.today()))
	b.look()
	b.keyboard()
	b.colours()
	b.narrow()
	b.form(d)
	b.pictures(d)
	b.details(d)
	b.quiet(d)
}

// rounds waits for so many rounds of the estimator.
func (d *demo) rounds(t *testing.T, n float64) {
	t.Helper()
	count := func() (v float64) {
		resp, err := http.Get(d.url + "/metrics")
		check(t, err)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			fmt.Sscanf(lines.Text(), "causeway_collector_rounds_total %g", &v)
		}
		return v
	}
	until := count() + n
	d.settled(t, "rounds of the estimator", func() bool { return count() >= until })
}

// hour is what the series says of an hour.
func (d *demo) hour(t *testing.T, at int64) (low, high float64) {
	p, ok := d.hourOf(t.Context(), at)
	if !ok {
		return 1, 1
	}
	return p.Bounds.Low, p.Bounds.High
}

func (d *demo) old(t *testing.T, at int64) *float64 {
	if p, ok := d.hourOf(t.Context(), at); ok {
		return p.Legacy
	}
	return nil
}

// look checks that everything that the page promises is there, and is drawn.
func (b *browser) look() {
	b.t.Helper()
	for _, id := range []string{"over-time", "topic", "channel", "form", "platform", "app", "mode", "size", "protocol", "latency", "funnel", "outages", "trust", "bytes", "phantoms", "messages"} {
		if !value[bool](b, fmt.Sprintf(`document.getElementById(%q) !== null && document.getElementById(%q).getBoundingClientRect().height > 60`, id, id)) {
			b.t.Errorf("there is no section %s", id)
		}
	}
	for what, expression := range map[string]string{
		"outages of single devices apart": `!document.querySelector("#outages tbody").textContent.includes("device ")`,
		"hours in the band":               `document.querySelectorAll("svg.band .hit").length >= 5`,
		"an outage in the band":           `document.querySelectorAll("svg.band .mark.incident").length >= 1`,
		"the old formula":                 `document.querySelectorAll("svg.band .old").length >= 1`,
		"the truth":                       `document.querySelectorAll("svg.band .truth").length >= 5`,
		"the truth explained":             `document.querySelector("#over-time .legend").textContent.includes("which only the simulation knows")`,
		"titles of axes":                  `["share", "when it was written (UTC)"].every(t => document.querySelector("svg.band").textContent.includes(t)) && document.querySelector("#latency svg").textContent.includes("time since it was written")`,
		"three topics":                    `document.querySelectorAll("#topic tbody tr").length === 3`,
		"two protocols and mixed":         `document.querySelectorAll("#protocol > .scroll tbody tr").length >= 2`,
		"a verdict":                       `document.querySelector("#protocol h3 + .scroll tbody td:last-child").textContent.length > 3`,
		"latency curves":                  `document.querySelectorAll("#latency path.curve").length >= 3`,
		"devices":                         `document.querySelectorAll("#outages .state.online").length >= 25`,
		"cut off devices":                 `document.querySelectorAll("#outages .state.cut").length >= 15`,
		"a named incident":                `document.querySelector("#outages tbody").textContent.includes("everybody")`,
		"bytes":                           `document.querySelectorAll("#bytes tbody tr").length >= 3`,
		"messages":                        `document.querySelectorAll("#messages tbody tr").length >= 10`,
		"no text outside a chart":         `[...document.querySelectorAll("svg.chart text:not(.tip)")].every(t => { const s = t.ownerSVGElement.getBoundingClientRect(), r = t.getBoundingClientRect(); return r.left >= s.left - 2 && r.right <= s.right + 2 })`,
		"no sideways scrolling":           `document.documentElement.scrollWidth <= document.documentElement.clientWidth`,
		"the lower bound comes first":     `parseFloat(document.querySelector(".tiles .big").textContent) > 50 && parseFloat(document.querySelector(".tiles .big").textContent) < 95`,
	} {
		if !value[bool](b, expression) {
			b.t.Errorf("not on the page: %s", what)
		}
	}
}

// keyboard goes through the page with the Tab key.
func (b *browser) keyboard() {
	b.t.Helper()
	focused := func() string {
		return value[string](b, `(e => e.getAttribute("aria-label") || e.textContent.trim() || e.name || "")(document.activeElement)`)
	}
	b.run(chromedp.KeyEvent(kb.Tab))
	if got := focused(); got != "Skip to the figures" {
		b.t.Errorf("the first stop is %q", got)
	}
	b.run(chromedp.KeyEvent(kb.Enter))
	reached := ""
	for range 10 {
		b.run(chromedp.KeyEvent(kb.Tab))
		if reached = focused(); strings.Contains(reached, "at least") {
			break
		}
	}
	if !strings.Contains(reached, "at least") || !strings.Contains(reached, "at most") {
		b.t.Fatalf("an hour can't be reached: %q", reached)
	}
	if got := value[string](b, `getComputedStyle(document.activeElement.querySelector(".tip")).visibility`); got != "visible" {
		b.t.Errorf("its text is %s", got)
	}
	if got := value[int](b, `[...document.querySelectorAll(".tip")].filter(e => getComputedStyle(e).visibility === "visible").length`); got != 1 {
		b.t.Errorf("%d texts are visible", got)
	}
}

// colours checks that the page follows the user's preference, and can be read.
func (b *browser) colours() {
	b.t.Helper()
	const contrast = `(() => {
		const lum = c => { const v = c.match(/[\d.]+/g).slice(0, 3).map(x => { x /= 255; return x <= 0.03928 ? x / 12.92 : Math.pow((x + 0.055) / 1.055, 2.4) }); return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2] };
		let worst = 99;
		for (const [selector, property] of [["section", "color"], ["section th", "color"], ["section p.help", "color"], ["section a", "color"], [".tiles .big", "color"], [".tiles .old .mid", "color"], ["svg.band text.axis", "fill"]]) {
			const e = document.querySelector(selector);
			const a = lum(getComputedStyle(e)[property]), b = lum(getComputedStyle(document.querySelector("section")).backgroundColor);
			worst = Math.min(worst, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
		}
		return worst })()`
	var backgrounds []string
	for _, on := range []bool{false, true} {
		b.run(dark(on))
		backgrounds = append(backgrounds, value[string](b, `getComputedStyle(document.body).backgroundColor`))
		if got := value[float64](b, contrast); got < 4.5 {
			b.t.Errorf("dark %v: contrast %.1f, want 4.5 (WCAG AA)", on, got)
		}
	}
	if backgrounds[0] == backgrounds[1] {
		b.t.Errorf("light and dark have the same background %s", backgrounds[0])
	}
}

// form asks for another measure of all members.
func (b *browser) form(d *demo) {
	b.t.Helper()
	before := value[string](b, `document.querySelector(".tiles .big").textContent`)
	b.run(chromedp.SetValue(`select[name=measure]`, "24h"), chromedp.SetValue(`select[name=row]`, "everyone"),
		chromedp.Click(`form.query button`), chromedp.WaitVisible(`//div[@class="label"][contains(., "within 24 h: all members")]`))
	at, err := url.Parse(value[string](b, `location.href`))
	check(b.t, err)
	if q := at.Query(); q.Get("measure") != "24h" || q.Get("row") != "everyone" || q.Get("from") == "" {
		b.t.Errorf("the form leads to %s", at)
	}
	if after := value[string](b, `document.querySelector(".tiles .big").textContent`); after == before {
		b.t.Errorf("within a minute and within a day are both %s", after)
	}
	_ = d
}

// details follows a link to one message.
func (b *browser) details(d *demo) {
	b.t.Helper()
	b.run(chromedp.Click(`#messages tbody a`), chromedp.WaitVisible(`//h1[text()="One message"]`))
	text := value[string](b, `document.body.textContent`)
	for _, want := range []string{"composed", "Members who report", "/waku/1/0x", "attempt"} {
		if !strings.Contains(text, want) {
			b.t.Errorf("the page of a message does not say %q", want)
		}
	}
	b.shot("message", desktop, "body", 900)
	_ = d
}

// quiet checks that nothing was asked of anybody else, and nothing failed.
func (b *browser) quiet(d *demo) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		if !strings.HasPrefix(r, d.url) && !strings.HasPrefix(r, "data:") {
			b.t.Errorf("the page asks for %s", r)
		}
	}
	if len(b.requests) < 4 || len(b.problems) > 0 {
		b.t.Errorf("%d requests, problems %v", len(b.requests), b.problems)
	}
}
