package faults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// soakUse is what a process of a soak uses.
type soakUse struct {
	Heap       uint64 // bytes in use after a garbage collection
	Goroutines int

	at          time.Duration // since the beginning
	said, lived int           // messages of all, and those of its life
	rss, files  int           // kB and descriptors, 0 if the system does not tell
}

// look adds what the system says of a process.
func (u *soakUse) look(pid int) {
	proc := filepath.Join("/proc", fmt.Sprint(pid))
	status, _ := os.ReadFile(filepath.Join(proc, "status"))
	if _, after, found := bytes.Cut(status, []byte("\nVmRSS:")); found {
		fmt.Sscan(string(after), &u.rss)
	}
	files, _ := os.ReadDir(filepath.Join(proc, "fd"))
	u.files = len(files)
}

func (u *soakUse) String() string {
	return fmt.Sprintf("%8v, after %5d messages, in a life of %5d: heap %5.1f MB, RSS %6.1f MB, %3d goroutines, %3d descriptors",
		u.at.Round(time.Second), u.said, u.lived, float64(u.Heap)/1e6, float64(u.rss)/1e3, u.Goroutines, u.files)
}

// What a process may use more of in the end than when it was warm. A message takes
// some of the heap, as long as it is in the window, and connections come and go.
const (
	moreHeap       = 16 << 20
	morePerMessage = 4 << 10
	moreGoroutines = 60
	moreFiles      = 40
)

// grown says what a process uses too much of in the end, if anything.
func (u *soakUse) grown(warm *soakUse) string {
	var more []string
	note := func(what string, now, limit uint64) {
		if now > limit {
			more = append(more, fmt.Sprintf("%s %d, more than %d", what, now, limit))
		}
	}
	note("heap", u.Heap, warm.Heap+moreHeap+morePerMessage*uint64(u.said-warm.said))
	note("goroutines", uint64(u.Goroutines), uint64(warm.Goroutines+moreGoroutines))
	note("descriptors", uint64(u.files), uint64(warm.files+moreFiles))
	return strings.Join(more, "; ")
}

// What a process uses is read, and what it uses too much of is said.
func TestSoakUse(t *testing.T) {
	t.Parallel()
	var u soakUse
	u.look(os.Getpid())
	if _, err := os.Stat("/proc/self/status"); err == nil && (u.rss < 1000 || u.files < 3) {
		t.Errorf("this process uses %+v", u)
	}
	warm := soakUse{Heap: 30 << 20, Goroutines: 200, files: 100, said: 100}
	for _, c := range []struct {
		now  soakUse
		want string
	}{
		{soakUse{Heap: 40 << 20, Goroutines: 220, files: 110, said: 1000}, ""},
		{soakUse{Heap: 80 << 20, Goroutines: 220, files: 110, said: 1000}, "heap"},
		{soakUse{Heap: 20 << 20, Goroutines: 300, files: 110, said: 1000}, "goroutines"},
		{soakUse{Heap: 20 << 20, Goroutines: 100, files: 150, said: 1000}, "descriptors"},
	} {
		if got := c.now.grown(&warm); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%+v: %q, want %q", c.now, got, c.want)
		}
	}
}
