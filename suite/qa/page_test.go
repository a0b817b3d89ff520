package qa

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/internal/browsertest"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browser is a real one, without a window, on the page of one node.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	requests []string
	problems []string
}

// browse starts a browser and opens the page of each node in a tab of its own.
func browse(t testing.TB, nodes ...*node) (tabs []*browser) {
	t.Helper()
	parent := browsertest.New(t)
	for _, n := range nodes {
		ctx, cancel := chromedp.NewContext(parent)
		t.Cleanup(cancel)
		parent = ctx
		b := &browser{t: t, ctx: ctx}
		chromedp.ListenTarget(ctx, b.note)
		check(t, chromedp.Run(ctx, network.Enable())) // makes the tab, which ends with this context
		b.run(emulation.SetFocusEmulationEnabled(true), chromedp.EmulateViewport(1280, 860), chromedp.Navigate(n.url+"/"))
		tabs = append(tabs, b)
	}
	return tabs
}

// note keeps what the page asks for, and what goes wrong in it.
func (b *browser) note(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, "console")
	}
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// sees waits until an expression is true in the page.
func (b *browser) sees(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Run(ctx, chromedp.Poll(expression, nil, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		var text string
		chromedp.Run(b.ctx, chromedp.Evaluate(`document.body.innerText`, &text))
		b.t.Fatalf("the page never shows %s (%v):\n%s", what, err, text)
	}
}

// shows waits for a message with a text that matches a selector.
func (b *browser) shows(text, selector string) {
	b.t.Helper()
	b.sees(fmt.Sprintf("%q as %s", text, selector),
		fmt.Sprintf(`[...document.querySelectorAll("#messages li"+%q)].some(e => e.textContent.includes(%q))`, selector, text))
}

// shot takes a picture for the documentation, if CAUSEWAY_SCREENSHOTS names a folder.
func (b *browser) shot(name string, width int64) {
	dir := os.Getenv("CAUSEWAY_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	b.run(page.BringToFront(), chromedp.EmulateViewport(width, 860), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatPng).Do(ctx)
		return err
	}))
	check(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
	b.run(chromedp.EmulateViewport(1280, 860))
}

// dark says which colours the user prefers.
func dark(on bool) chromedp.Action {
	scheme := "light"
	if on {
		scheme = "dark"
	}
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}})
}

// write types a message and sends it with the Enter key.
func (b *browser) write(text string) {
	b.t.Helper()
	b.run(page.BringToFront(), chromedp.Focus("#text"), chromedp.SendKeys("#text", text+kb.Enter))
	b.sees("the message sent", `document.querySelector("#text").value === ""`)
}

// TestPage: two nodes in a real browser. What is typed in one appears in the other, its
// certainty rises; a message that is lost shows as missing and then comes.
func TestPage(t *testing.T) {
	g := newGroup(t, "alice bob carol", "--quota", "1000/10m")
	tabs := browse(t, g[0], g[1])
	alice, bob := tabs[0], tabs[1]
	for _, b := range tabs {
		b.sees("the channel", `document.querySelector("#title").textContent === "tea" && document.querySelector("#live").textContent === "live"`)
	}
	alice.write("who wants tea?")
	alice.shows("who wants tea?", ".own")
	bob.shows("who wants tea?", ".other")
	alice.shows("all 2", `[data-level="everyone"]`)
	bob.write("I do, with <b>milk</b>")
	alice.shows("I do, with <b>milk</b>", ".other")
	bob.shows("all 2", `[data-level="everyone"]`)

	// The next one is lost by bob with all its copies, until the rule is ended.
	rule := g[1].lose("it is ready", 0, "receive")
	alice.write("it is ready")
	alice.shows("it is ready", ".own")
	g[1].lost(rule)
	alice.write("come to the kitchen")
	bob.sees("a gap", `document.querySelector("#messages li.gap[data-state=missing]") !== null && document.querySelector("#gaps .bad") !== null`)
	bob.shows("come to the kitchen", ".other")
	alice.sees("who lacks it", `[...document.querySelectorAll("#behind li")].some(e => e.textContent.includes("BOB") && e.textContent.includes("lacks"))`)
	bob.shot("page-missing", 1280)
	g[1].do("DELETE", rule, nil).want(204)
	g[1].do("POST", tea+"/sync", nil).want(204)
	bob.shows("it is ready", ".other")
	bob.shows("was missing for", ".other")
	bob.sees("the gap closed", `document.querySelector("#messages li.gap") === null && document.querySelector("#gaps .good") !== null`)
	alice.sees("all acknowledged", `document.querySelectorAll('#messages li.own:not([data-level="everyone"])').length === 0`)
	bob.faults(g[1])
	alice.look()
	alice.shot("page-recovered", 1280)
	alice.run(dark(true))
	alice.shot("page-dark", 1280)
	alice.run(dark(false))
	alice.narrow()
	g[0].do("PUT", "/v1/faults/clock", map[string]any{"offset": "1h"}).want(204)
	alice.write("the kettle was on")
	bob.shows("its clock is far ahead", ".other")
	for i, b := range tabs {
		b.quiet(g[i])
	}
}

// faults presses the buttons.
func (b *browser) faults(n *node) {
	b.t.Helper()
	b.run(chromedp.Click("#offline"))
	b.sees("it is offline", `document.querySelector("#state").textContent === "offline" && document.querySelector("#offline").getAttribute("aria-pressed") === "true"`)
	b.run(chromedp.Click("#offline"))
	b.sees("it is back", `document.querySelector("#state").textContent === "ok"`)
	b.run(chromedp.Click("#lose-next"))
	b.sees("which one is lost", `document.querySelector("#rules").textContent.includes("content, the next one: hit 0")`)
	b.run(chromedp.Click("#lose-some"))
	b.sees("the rule", `document.querySelector("#rules").textContent.includes("20 %")`)
	b.shot("page-faults", 1280)
	b.run(chromedp.Click("#clear"))
	b.sees("no rule", `document.querySelectorAll("#rules li").length === 0`)
	if got := n.do("GET", "/v1/faults", nil).want(200); got.text("stats.offline") == "" || got.get("online") != true {
		b.t.Errorf("%s", got.body)
	}
}

// look checks what is on the page, and how it can be read.
func (b *browser) look() {
	b.t.Helper()
	const contrast = `(() => {
		const lum = c => { const v = c.match(/[\d.]+/g).slice(0, 3).map(x => { x /= 255; return x <= 0.03928 ? x / 12.92 : Math.pow((x + 0.055) / 1.055, 2.4) }); return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2] };
		const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!c.endsWith(", 0)")) return c } return "rgb(255, 255, 255)" };
		let worst = 99;
		for (const s of ["h2", "#summary", "li.own p", "li.own small", "li.other small", ".tick.everyone", ".pill.good", "#traffic th", "#received", "#composer button", "label"])
			for (const e of document.querySelectorAll(s)) {
				const x = lum(getComputedStyle(e).color), y = lum(back(e));
				worst = Math.min(worst, (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05));
			}
		return worst })()`
	for _, on := range []bool{false, true} {
		var ratio float64
		b.run(dark(on), chromedp.Evaluate(contrast, &ratio))
		if ratio < 4.5 {
			b.t.Errorf("dark %v: contrast %.2f, want 4.5 (WCAG AA)", on, ratio)
		}
	}
	b.run(dark(false))
	for what, expression := range map[string]string{
		"traffic by class":         `[...document.querySelectorAll("#traffic tbody tr")].some(r => r.textContent.includes("content") && +r.children[1].textContent >= 3)`,
		"the budget":               `document.querySelector("#budget").textContent.includes("of 1000 packets")`,
		"peers":                    `document.querySelectorAll("#peers .good").length === 2`,
		"markup of others as text": `document.querySelector("#messages b b") === null`,
		"no sideways scrolling":    `document.documentElement.scrollWidth <= document.documentElement.clientWidth`,
	} {
		b.sees(what, expression)
	}
	// Everything can be reached by keyboard.
	var reached []string
	b.run(chromedp.Evaluate(`document.activeElement.blur()`, nil))
	for range 20 {
		var name string
		b.run(chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(`document.activeElement.id || document.activeElement.textContent.trim()`, &name))
		reached = append(reached, name)
	}
	for _, want := range []string{"Skip to the message box", "new", "text", "want", "ephemeral", "Send", "lose-next", "offline", "cut"} {
		if !strings.Contains("\n"+strings.Join(reached, "\n")+"\n", "\n"+want+"\n") {
			b.t.Errorf("the Tab key does not reach %q, only %q", want, reached)
		}
	}
}

// narrow looks at the page on a telephone.
func (b *browser) narrow() {
	b.t.Helper()
	var wide bool
	b.run(chromedp.EmulateViewport(390, 844), chromedp.Evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`, &wide))
	if wide {
		b.t.Error("at 390 px the page scrolls sideways")
	}
	b.shot("page-narrow", 390)
}

// quiet checks that nothing was asked of anybody else, and nothing went wrong.
func (b *browser) quiet(n *node) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.requests {
		if !strings.HasPrefix(r, n.url) && !strings.HasPrefix(r, "data:") {
			b.t.Errorf("the page asks for %s", r)
		}
	}
	if len(b.requests) < 5 || len(b.problems) > 0 {
		b.t.Errorf("%d requests, problems %q", len(b.requests), b.problems)
	}
}

// TestPageToken: a node that wants a token says so when it is not the right one, and a
// node that is in no channel says what to do.
func TestPageToken(t *testing.T) {
	const token = "a token of sufficient length"
	b := browse(t, launch(t, t.TempDir(), "alice", "--rest-token", token))[0]
	open := func(text string) {
		b.sees("the question", `document.querySelector("#ask").open && document.querySelector("#token").value === ""`)
		b.run(page.BringToFront(), chromedp.SendKeys("#token", text+kb.Enter))
	}
	open("some other token")
	b.sees("that it is wrong", `document.querySelector("#ask").open && document.querySelector("#ask .error").textContent.includes("not the token")`)
	open(token)
	b.sees("the node", `!document.querySelector("#ask").open && document.querySelector("#self").textContent === "alice"`)
	b.sees("what to do", `document.querySelector("#messages").textContent.includes("Join a channel") && document.querySelector("#composer").hidden`)
	b.run(chromedp.SendKeys("#new", "tea"+kb.Enter))
	b.sees("the channel", `document.querySelector("#title").textContent === "tea" && !document.querySelector("#composer").hidden`)
	b.shot("page-alone", 1280)
}
