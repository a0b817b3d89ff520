// Package browsertest starts a headless browser for tests of pages.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Patience is how long a browser may take to start.
const Patience = 60 * time.Second

// New returns a context in which chromedp makes tabs of a new browser, which ends
// with the test. Without a browser the test is skipped, or fails where CI is true.
func New(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil && path == "" {
			path = p
		}
	}
	if path == "" && os.Getenv("CI") != "true" {
		t.Skip("no browser: apt-get install chromium")
	}
	if path == "" {
		t.Fatal("no browser: apt-get install chromium")
	}
	options := append([]chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WSURLReadTimeout(Patience),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("lang", "en-GB")}, chromedp.DefaultExecAllocatorOptions[:]...)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	t.Cleanup(cancel)
	return ctx
}
