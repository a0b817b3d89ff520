package tests

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waku-org/sds-go-bindings/sds"
)

// ceiling is how long a test waits for what must happen.
const ceiling = 60 * time.Second

// recorder notes what the callbacks report, one line each:
// "ready m1 ch", "sent m1 ch", "missing m2 [m1 m0] ch", "sync", "out repair m1 ch".
type recorder struct {
	mu    sync.Mutex
	lines []string
	hints map[sds.MessageID]string // of missing dependencies
	outs  []sds.OutgoingMessage
	news  chan struct{}
}

func newRecorder() *recorder {
	return &recorder{hints: map[sds.MessageID]string{}, news: make(chan struct{}, 1)}
}

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *recorder) callbacks() sds.EventCallbacks {
	return sds.EventCallbacks{
		OnMessageReady: func(id sds.MessageID, ch string) { r.note("ready %s %s", id, ch) },
		OnMessageSent:  func(id sds.MessageID, ch string) { r.note("sent %s %s", id, ch) },
		OnMissingDependencies: func(id sds.MessageID, deps []sds.HistoryEntry, ch string) {
			for _, d := range deps {
				r.hint(d)
			}
			r.note("missing %s %v %s", id, idsOf(deps), ch)
		},
		OnPeriodicSync: func() { r.note("sync") },
	}
}

func (r *recorder) hint(d sds.HistoryEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hints[d.MessageID] = string(d.RetrievalHint)
}

func (r *recorder) outgoing(o sds.OutgoingMessage) {
	r.mu.Lock()
	r.outs = append(r.outs, o)
	r.mu.Unlock()
	r.note("out %s %s %s", o.Kind, o.MessageID, o.ChannelID)
}

// take returns what was noted since the last call.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// want compares what was noted since the last call.
func (r *recorder) want(t *testing.T, lines ...string) {
	t.Helper()
	if got := strings.Join(r.take(), "\n"); got != strings.Join(lines, "\n") {
		t.Errorf("callbacks:\n%s\nwant:\n%s", got, strings.Join(lines, "\n"))
	}
}

// wait waits until a line was noted.
func (r *recorder) wait(t *testing.T, line string) {
	t.Helper()
	r.waitFor(t, line, 1)
}

// waitFor waits until so many lines begin so.
func (r *recorder) waitFor(t *testing.T, prefix string, n int) {
	t.Helper()
	late := time.NewTimer(ceiling)
	defer late.Stop()
	for {
		r.mu.Lock()
		got := count(r.lines, prefix)
		r.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-r.news:
		case <-late.C:
			t.Fatalf("%d times %q, want %d; got %q", got, prefix, n, r.take())
		}
	}
}

// count returns how many lines begin so.
func count(lines []string, prefix string) int {
	n := 0
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

func idsOf(deps []sds.HistoryEntry) []string {
	ids := make([]string, len(deps))
	for i, d := range deps {
		ids[i] = string(d.MessageID)
	}
	return ids
}

func open(t testing.TB, o sds.Options) *sds.ReliabilityManager {
	t.Helper()
	rm, err := sds.NewReliabilityManagerWithOptions(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rm.Cleanup() })
	return rm
}

// joined is a manager whose callbacks are recorded.
func joined(t testing.TB) (*sds.ReliabilityManager, *recorder) {
	t.Helper()
	rm, r := open(t, sds.Options{}), newRecorder()
	rm.RegisterCallbacks(r.callbacks())
	return rm, r
}

func wrap(t testing.TB, rm *sds.ReliabilityManager, id, channel string) []byte {
	t.Helper()
	b, err := rm.WrapOutgoingMessage([]byte("content of "+id), sds.MessageID(id), channel)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// unwrap returns the ids of what is missing, after checking content and channel.
func unwrap(t testing.TB, rm *sds.ReliabilityManager, b []byte, id, channel string) []string {
	t.Helper()
	u, err := rm.UnwrapReceivedMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	if u.Message == nil || u.MissingDeps == nil || u.ChannelId == nil {
		t.Fatalf("a nil pointer in %+v", u)
	}
	if string(*u.Message) != "content of "+id || *u.ChannelId != channel {
		t.Fatalf("unwrapped %q in %q, want the content of %s in %q", *u.Message, *u.ChannelId, id, channel)
	}
	return idsOf(*u.MissingDeps)
}

func wantIDs(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}
