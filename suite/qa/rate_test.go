package qa

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkRate sends 200 messages a second to one node through its API, for a minute
// (CAUSEWAY_QA_SECONDS), and listens to another's stream. It reports how long a POST
// takes, how long until the other's stream has the message, and the memory of the
// sending node, early and at the end. It fails if a message is lost.
func BenchmarkRate(b *testing.B) {
	const perSecond, payload = 200, 256
	seconds := 60
	if text := os.Getenv("CAUSEWAY_QA_SECONDS"); text != "" {
		var err error
		seconds, err = strconv.Atoi(text)
		check(b, err)
	}
	g := newGroup(b, "alice bob")
	alice, bob := g[0], g[1]
	alice.client.free, bob.client.free = true, true
	for b.Loop() {
		total := seconds * perSecond
		heard := make(chan map[string]time.Time, 1)
		go hear(b, bob, total, heard)
		posted, took := make(map[string]time.Time, total), make([]time.Duration, 0, total)
		var mu sync.Mutex
		var sending sync.WaitGroup
		var early int
		tick := time.NewTicker(time.Second / perSecond)
		for i := range total {
			<-tick.C
			if i == total/6 {
				early = rss(alice)
			}
			sending.Go(func() {
				began := time.Now()
				id := alice.send(fmt.Sprintf("%d %s", i, strings.Repeat("x", payload)))
				mu.Lock()
				defer mu.Unlock()
				posted[id], took = began, append(took, time.Since(began))
			})
		}
		tick.Stop()
		sending.Wait()
		arrived := <-heard
		var delays []time.Duration
		for id, at := range posted {
			when, ok := arrived[id]
			if !ok {
				b.Fatalf("message %s is lost", id)
			}
			delays = append(delays, when.Sub(at))
		}
		report(b, "post", took)
		report(b, "delivery", delays)
		b.ReportMetric(float64(early), "MB-early")
		b.ReportMetric(float64(rss(alice)), "MB-end")
		b.ReportMetric(float64(len(delays)), "messages")
	}
}

func report(b *testing.B, what string, all []time.Duration) {
	slices.Sort(all)
	for _, q := range []int{50, 99} {
		b.ReportMetric(float64(all[(len(all)-1)*q/100].Microseconds())/1000, fmt.Sprintf("ms-%s-p%d", what, q))
	}
}

// hear notes when each of so many messages comes on the stream.
func hear(b *testing.B, n *node, total int, out chan<- map[string]time.Time) {
	at := map[string]time.Time{}
	defer func() { out <- at }()
	newest := n.do("GET", "/info", nil).text("newest")
	resp, err := http.Get(n.url + "/v1/events/stream?after=" + newest)
	if err != nil {
		b.Error(err)
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for len(at) < total && lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		var e struct{ Kind, ID string }
		if ok && json.Unmarshal([]byte(data), &e) == nil && e.Kind == "delivered" {
			at[e.ID] = time.Now()
		}
	}
}

// rss returns the memory of a node's process in MB, 0 where that can't be known.
func rss(n *node) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", n.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	var size, resident int
	fmt.Sscan(string(b), &size, &resident)
	return resident * os.Getpagesize() >> 20
}
