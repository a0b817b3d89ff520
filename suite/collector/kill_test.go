package collector_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/collector/internal/pgtest"
	"github.com/causeway-im/causeway/telemetry/report"
)

// killEnv names the archive of a child process, which serves it until it is killed.
const killEnv = "CAUSEWAY_COLLECTOR_CHILD"

// TestKillChild is the child.
func TestKillChild(t *testing.T) {
	where := os.Getenv(killEnv)
	if where == "" {
		return // not a child
	}
	a, err := archive.Open(t.Context(), where)
	check(t, err)
	o := collector.Options{Archive: a, Every: time.Millisecond, Pause: time.Millisecond, Beat: 10 * time.Millisecond}
	if death := os.Getenv(deathEnv); death != "" {
		o.Archive, o.Now = mortalOf(t, a, death), func() time.Time { return time.UnixMilli(evening) }
	}
	s, err := collector.New(o)
	check(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	fmt.Printf("listening %s\n", l.Addr())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		io.Copy(io.Discard, os.Stdin) // until the parent is gone
		cancel()
	}()
	check(t, s.Serve(ctx, l))
}

// TestKillSQLite and TestKillPostgres: collectors are killed with kill -9 while
// clients upload, and nothing that was acknowledged is lost, and nothing counts
// twice.
func TestKillSQLite(t *testing.T)   { kill(t, sqliteFile(t)) }
func TestKillPostgres(t *testing.T) { kill(t, pgtest.Database(t)) }

// child is a collector in a process of its own.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	url   string
}

func launch(t *testing.T, where string, env ...string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillChild$", "-test.timeout=10m")
	cmd.Env = append(append(os.Environ(), killEnv+"="+where), env...)
	out, err := cmd.StdoutPipe()
	check(t, err)
	stdin, err := cmd.StdinPipe()
	check(t, err)
	check(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "listening "); ok {
			go io.Copy(io.Discard, out)
			return &child{cmd, stdin, "http://" + address}
		}
	}
	check(t, fmt.Errorf("the child ended: %v", cmd.Wait()))
	return nil
}

func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
	c.stdin.Close()
}

// uploader is a client that sends its uploads in order, each until it is
// acknowledged.
type uploader struct {
	*device
	sent  []*report.Upload
	acked uint64
}

func kill(t *testing.T, where string) {
	kills := 3
	if os.Getenv("CAUSEWAY_NIGHTLY") != "" {
		kills = 200
	}
	rng := rand.New(rand.NewPCG(1, uint64(kills)))
	var mu sync.Mutex
	url, acked := "", 0 // no url while there is no collector
	launched := sync.NewCond(&mu)
	began := time.Now().UnixMilli()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	clients := make([]*uploader, 8)
	for i := range clients {
		c := &uploader{device: newDevice(fmt.Sprint("kill-", i), began-minute)}
		clients[i] = c
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				for k := range 3 {
					c.add(received(fmt.Sprint("channel-", i%3), fmt.Sprintf("message-%d-%d", n, k), began))
				}
				u := c.device.upload(began + int64(n))
				c.sent = append(c.sent, u)
				for ctx.Err() == nil {
					mu.Lock()
					for url == "" && ctx.Err() == nil {
						launched.Wait()
					}
					to := url
					mu.Unlock()
					if reply, ok := tryUpload(ctx, to, u); ok {
						if reply.Acknowledged != u.Last {
							t.Errorf("acknowledged %d of %d", reply.Acknowledged, u.Last)
						}
						mu.Lock()
						c.acked = reply.Acknowledged
						acked++
						mu.Unlock()
						break
					}
				}
			}
		})
	}
	for range kills {
		c := launch(t, where)
		mu.Lock()
		url = c.url
		target := acked + 10 + rng.IntN(60)
		mu.Unlock()
		launched.Broadcast()
		eventually(t, "uploads are taken", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return acked >= target
		})
		c.kill()
		mu.Lock()
		url = ""
		mu.Unlock()
	}
	mu.Lock()
	stop()
	mu.Unlock()
	launched.Broadcast()
	all.Wait()

	a, err := archive.Open(t.Context(), where)
	check(t, err)
	defer a.Close()
	counts := countEvents(t, a, began)
	for _, c := range clients {
		for seq := uint64(1); seq <= c.acked; seq++ {
			if n := counts[fmt.Sprint(c.install, " ", seq)]; n != 1 {
				t.Errorf("%s %d, which was acknowledged, is there %d times", c.install, seq, n)
			}
		}
	}
	// Everything once more: what was not acknowledged comes, and the rest is there.
	for _, c := range clients {
		for _, u := range c.sent {
			_, err := a.Take(t.Context(), []archive.Arrival{{Upload: u, At: began}})
			check(t, err)
		}
	}
	counts = countEvents(t, a, began)
	total := 0
	for _, c := range clients {
		total += int(c.next - 1)
	}
	if len(counts) != total {
		t.Errorf("%d events, want %d", len(counts), total)
	}
	for key, n := range counts {
		if n != 1 {
			t.Errorf("%s is there %d times", key, n)
		}
	}
	t.Logf("%d kills, %d uploads acknowledged, %d events", kills, acked, total)
}

func tryUpload(ctx context.Context, url string, u *report.Upload) (reply report.Reply, ok bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/uploads", strings.NewReader(text(u)))
	if err != nil {
		return reply, false
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply, false
	}
	defer resp.Body.Close()
	return reply, resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&reply) == nil
}

// countEvents counts what is in the database of each installation and number.
func countEvents(t *testing.T, a archive.Archive, at int64) map[string]int {
	t.Helper()
	out := map[string]int{}
	channels, err := a.Channels(t.Context())
	check(t, err)
	for id := range channels {
		check(t, a.Load(t.Context(), archive.Bucket{Channel: id, Day: archive.DayOf(at)}, counting(out)))
	}
	return out
}

type counting map[string]int

func (c counting) Add(u *report.Upload, _ int64) error {
	for _, e := range u.Events {
		c[fmt.Sprint(u.Install, " ", e.Seq)]++
	}
	return nil
}
func (c counting) Held(string, uint64, report.Range) {}
func (c counting) Gap(int64, int64)                  {}
