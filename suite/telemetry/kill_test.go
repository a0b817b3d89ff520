package telemetry

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
)

const childVariable = "CAUSEWAY_TELEMETRY_CHILD"

func TestMain(m *testing.M) {
	if file := os.Getenv(childVariable); file != "" {
		child(file)
		os.Exit(1) // it ends when it is killed
	}
	os.Exit(m.Run())
}

func openStore(file string) (*store.SQL, func() error, error) {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, file)
	if err != nil {
		return nil, nil, err
	}
	s, err := store.OpenSQL(ctx, db, store.SQLOptions{})
	return s, db.Close, err
}

// child records what a busy device does, and says before and after it what it
// records. Faster, and events that wait for the store would be dropped.
func child(file string) {
	s, _, err := openStore(file)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	epoch, err := s.Epoch(ctx)
	if err != nil {
		panic(err)
	}
	d, err := begin(s, nil)
	if err != nil {
		panic(err)
	}
	run := strconv.FormatInt(time.Now().UnixNano(), 36)
	pace := time.NewTicker(time.Millisecond)
	for i := 0; ; i++ {
		<-pace.C
		id := fmt.Sprint(run, "-", i)
		fmt.Println("received", 0, id)
		received(d, id)
		fmt.Println("received", time.Now().UnixMilli(), id)
		if i%5 == 0 {
			if err := composed(ctx, s, epoch, d, id); err != nil {
				panic(err)
			}
			fmt.Println("composed", 0, id)
		}
	}
}

// A process that is killed, again and again, loses no event that was durable, and
// claims nothing of the time in which some may be.
func TestKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal.db")
	lives := 3
	if nightly {
		lives = 50
	}
	w := truth{recorded: map[string]int64{}, durable: map[string]bool{}}
	for life := range lives {
		w.live(t, file, 2*time.Second+time.Duration(life)*137*time.Millisecond)
	}
	s, closeDB, err := openStore(file)
	check(t, err)
	defer closeDB()
	// A transaction whose end was not told took place, or not: the store knows.
	for id := range w.recorded {
		if _, err := s.Value(t.Context(), id); err == nil {
			w.durable[id] = true
		} else if w.durable[id] {
			t.Errorf("%s was durable", id)
		}
	}
	c := newCollector(t)
	drain(t, s, c)
	c.compare(w)
	if len(c.highest) < lives || len(w.durable) < least*lives {
		t.Errorf("%d epochs, %d durable of %d", len(c.highest), len(w.durable), len(w.recorded))
	}
}

// least is how many transactions of a node a child makes before it is killed.
const least = 10

// live lets a child live for so long as it tells of, and until it has done something,
// and kills it.
func (w truth) live(t *testing.T, file string, long time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	began, composed := int64(0), 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		when, id, ok := strings.Cut(rest, " ")
		at, err := strconv.ParseInt(when, 10, 64)
		if !ok || err != nil {
			continue // cut short
		}
		if kind == "composed" {
			w.durable[id] = true
			composed++
			continue
		}
		w.recorded[id] = at
		if began == 0 {
			began = at
		}
		if began > 0 && at > began+long.Milliseconds() && composed >= least {
			check(t, cmd.Process.Kill())
		}
	}
	cmd.Wait()
}
