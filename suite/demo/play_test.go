package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
)

// temporary makes a folder for temporary files, which must be empty in the end.
func temporary(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	t.Cleanup(func() {
		if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	})
}

// play plays a run in virtual time, with real nodes and real SQLite files, and
// looks at it.
func play(t *testing.T, o Options, look func(t *testing.T, r *Run, res Result)) {
	t.Helper()
	temporary(t)
	synctest.Test(t, func(t *testing.T) {
		r, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Play(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		res, err := r.Result()
		if err != nil {
			t.Fatal(err)
		}
		look(t, r, res)
	})
}

const smallTalk = `0 0 msg Is anybody there?
	1 1 msg Yes.
	2 2 msg I am, too.
	5 1 msg Where is 0?
	7 0 msg I am cut off.
	8 0 msg Still.
	9 1 msg Hello?
	9 2 msg Hello.
	14 2 msg There you are.
	15 0 msg Here I am.`

func small(t *testing.T) Options {
	return Options{Transport: Loopback, Members: 3, Loss: 0.2, Seed: 7, Offline: Talker, Trace: parse(t, smallTalk)}
}

// overLoopback returns the defaults, but for the network.
func overLoopback() Options {
	o := Defaults()
	o.Transport = Loopback
	return o
}

// TestDefault plays what the command plays with --transport loopback.
func TestDefault(t *testing.T) {
	play(t, overLoopback(), func(t *testing.T, r *Run, res Result) {
		if !res.OK || !res.Consistent || res.Acknowledged != 195 || res.Messages != 195 || len(res.Violations) > 0 {
			t.Errorf("%q", res.Failures)
		}
		if c := res.Cut; c.Member != 0 || c.FromSeconds != 20 || c.ToSeconds != 40 || c.CaughtUp == nil || res.Drafts < 10 {
			t.Errorf("%+v, %d drafts", c, res.Drafts)
		}
		if share := float64(res.Lost) / float64(res.Handed); share < 0.18 || share > 0.22 || res.Unheard == 0 {
			t.Errorf("lost %d of %d, %d not heard", res.Lost, res.Handed, res.Unheard)
		}
		if res.Missed < 100 || res.Repaired != res.Missed || res.AllOnline.Messages < 100 || res.AllOnline.Messages > 150 {
			t.Errorf("%d repaired of %d, all online %d", res.Repaired, res.Missed, res.AllOnline.Messages)
		}
		for name, p := range map[string]Percentiles{"detect": res.AllOnline.Detect, "repair": res.AllOnline.Repair,
			"first": res.AllOnline.FirstAck, "full": res.AllOnline.FullAck} {
			if p.P50 < 80 || p.P50 > 10_000 || p.P90 < p.P50 || p.Max < p.P99 || p.P99 < p.P95 {
				t.Errorf("%s: %+v", name, p)
			}
		}
		b := res.Bytes
		if b.Content != 13_341 || b.ByClass["content"]-b.Content < 195*b.InMessageP50/2 || b.InMessageP99 < b.InMessageP50 ||
			b.InMessageP50 < 100 || b.InMessageP50 > 300 || res.Packets["content"] != 195 || b.Nim < 50*b.ByClass["content"] || b.JS < b.Nim {
			t.Errorf("%+v, packets %v", b, res.Packets)
		}
		if s := r.Status(); !s.over() || s.Found != res.Missed || s.Closed != res.Repaired || s.Handed != res.Handed || s.open() > 0 {
			t.Errorf("the last status has %+v", s.Members)
		}
	})
}

// TestSmall demands of several runs what the command promises with exit code 0.
func TestSmall(t *testing.T) {
	for seed := uint64(1); seed <= 2; seed++ {
		for _, offline := range []int{Talker, Nobody, 2} {
			o := small(t)
			o.Seed, o.Offline, o.Members = seed, offline, 3+int(seed%2)
			t.Run(fmt.Sprintf("seed %d, offline %d", seed, offline), func(t *testing.T) {
				play(t, o, func(t *testing.T, r *Run, res Result) {
					if !res.OK || res.Acknowledged != 10 || (offline == Nobody) != (res.Cut == nil) || (offline == Nobody) != (res.Drafts == 0) {
						t.Errorf("%q, cut %+v, %d drafts", res.Failures, res.Cut, res.Drafts)
					}
				})
			})
		}
	}
}

// TestSeeds plays the built-in conversation in groups of many sizes, at length.
func TestSeeds(t *testing.T) {
	if os.Getenv("CAUSEWAY_NIGHTLY") == "" {
		t.Skip("only with CAUSEWAY_NIGHTLY=1")
	}
	for seed := uint64(1); seed <= 20; seed++ {
		o := overLoopback()
		o.Seed, o.Members, o.Loss, o.Patience = seed, []int{2, 3, 8, 8, 16}[seed%5], []float64{0.1, 0.2, 0.3}[seed%3], time.Hour
		t.Run(fmt.Sprintf("seed %d, %d members, loss %v", seed, o.Members, o.Loss), func(t *testing.T) {
			play(t, o, func(t *testing.T, r *Run, res Result) {
				if !res.OK {
					t.Errorf("%q", res.Failures)
				}
				t.Logf("settled in %.1f s, full acknowledgement %+v", res.Seconds-res.ConversationSeconds, res.AllOnline.FullAck)
			})
		})
	}
}

// TestLimit ends a run on a network that lets nothing through in time.
func TestLimit(t *testing.T) {
	o := small(t)
	o.Loss, o.Patience = MaxLoss, 2*time.Second
	play(t, o, func(t *testing.T, r *Run, res Result) {
		if res.OK || res.Consistent || res.Acknowledged >= 10 || len(res.Overdue) != 10-res.Acknowledged || len(res.Violations) > 0 {
			t.Errorf("%+v", res)
		}
		if res.Seconds != 17 {
			t.Errorf("it ended after %v s", res.Seconds)
		}
		var b bytes.Buffer
		if err := res.WriteTable(&b, false); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"FAILED: the group was not done 2.00s after the last message;", "\n  the logs differ: member ",
			" of 10 messages are not known to have reached all", "\n  member 0 knows of 0 of 2 who have \"Here I am.\"\n"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q is missing in\n%s", want, &b)
			}
		}
	})
}

// TestLeave has members who go and come as the trace says, one for good.
func TestLeave(t *testing.T) {
	o := Options{Transport: Loopback, Members: 3, Seed: 1, Offline: Nobody, Trace: parse(t, `0 0 msg a
		1 1 leave
		2 1 msg written offline
		3 0 msg b
		4 1 join
		5 2 leave
		9 0 msg c`)}
	play(t, o, func(t *testing.T, r *Run, res Result) {
		var notes []string
		for _, n := range r.rec.notes {
			notes = append(notes, fmt.Sprintf("%v: %s", n.At, n.Text))
		}
		want := "1s: member 1 goes offline, 4s: member 1 is back, 5s: member 2 goes offline, 9s: member 2 is back"
		if got := strings.Join(notes, ", "); !res.OK || res.Drafts != 1 || got != want {
			t.Errorf("%q, %d drafts, %s", res.Failures, res.Drafts, got)
		}
	})
}

// TestKeep reads the databases that a run has left, as another program would.
func TestKeep(t *testing.T) {
	o := small(t)
	o.Keep = filepath.Join(t.TempDir(), "new", "folder")
	play(t, o, func(t *testing.T, r *Run, res Result) {
		if res.Databases != o.Keep || !res.OK {
			t.Errorf("databases %q, %q", res.Databases, res.Failures)
		}
		for i := range o.Members {
			db, err := sqlite.Open(t.Context(), filepath.Join(o.Keep, fmt.Sprintf("member-%02d.db", i)))
			if err != nil {
				t.Fatal(err)
			}
			s, err := store.OpenSQL(t.Context(), db, store.SQLOptions{})
			if err != nil {
				t.Fatal(err)
			}
			digest, err := s.Digest(t.Context(), channelID)
			if err != nil || digest != r.audit.digests[0] || digest.Count != 10 {
				t.Errorf("member %d: %+v, %v", i, digest, err)
			}
			db.Close()
		}
		again, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		err = again.Play(t.Context(), nil)
		if !errors.Is(err, ErrKeep) || !strings.Contains(err.Error(), o.Keep+" is not empty") {
			t.Errorf("a second run: %v", err)
		}
		if entries, _ := os.ReadDir(o.Keep); len(entries) < o.Members {
			t.Errorf("the second run left %v", entries)
		}
	})
}

// viewFunc is a View.
type viewFunc func(Status) error

func (f viewFunc) Show(s Status) error { return f(s) }

// TestStopped interrupts runs from outside and from the view.
func TestStopped(t *testing.T) {
	temporary(t)
	broken := errors.New("broken pipe")
	for _, tt := range []struct {
		at   time.Duration
		fail error
	}{{0, nil}, {7 * time.Second, nil}, {7 * time.Second, broken}} {
		synctest.Test(t, func(t *testing.T) {
			r, err := New(small(t))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			want := context.Canceled
			err = r.Play(ctx, viewFunc(func(s Status) error {
				if s.Elapsed < tt.at {
					return nil
				}
				if tt.fail != nil {
					want = tt.fail
					return tt.fail
				}
				cancel()
				return nil
			}))
			if !errors.Is(err, want) || r.rec.elapsed() > tt.at+time.Second {
				t.Errorf("%v after %v", err, r.rec.elapsed())
			}
		})
	}
}

// TestFolder fails before anything has begun.
func TestFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []string{"", file} {
		o := small(t)
		o.Keep = keep
		r, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Play(t.Context(), nil); err == nil {
			t.Errorf("keep %q: no error", keep)
		}
	}
}

// TestWitness catches receipts that count too many, and other broken promises.
func TestWitness(t *testing.T) {
	deliver := func(sender int, id string, position causeway.Position, own bool) causeway.Event {
		return causeway.Event{Kind: causeway.EventDelivered, ID: causeway.MessageID(id), Message: &causeway.Message{
			ID: causeway.MessageID(id), Sender: participant(sender), Position: position, Own: own}}
	}
	count := func(id string, persons ...causeway.PersonID) causeway.Event {
		return causeway.Event{Kind: causeway.EventReceipt, ID: causeway.MessageID(id), Receipt: &causeway.ReceiptNow{Persons: persons}}
	}
	holds := func(id string) *store.Batch {
		return &store.Batch{Channels: []store.ChannelBatch{{Sealed: []store.Sealed{{ID: causeway.MessageID(id)}}}}}
	}
	commit := func(r *recorder, member int, b *store.Batch, events ...causeway.Event) {
		r.counting(member, events)
		r.committed(member, b, events)
	}
	one := causeway.PersonID(participant(1))
	for _, tt := range []struct {
		name string
		do   func(r *recorder)
		want string
	}{
		{"counted after it came", func(r *recorder) {
			commit(r, 1, holds("m"), deliver(0, "m", 1, false))
			commit(r, 0, &store.Batch{}, count("m", one))
		}, ""},
		{"waiting counts", func(r *recorder) {
			commit(r, 1, holds("m"), causeway.Event{Kind: causeway.EventArrived, ID: "m", Message: &causeway.Message{}})
			commit(r, 0, &store.Batch{}, count("m", one))
		}, ""},
		{"counted before it came", func(r *recorder) {
			commit(r, 0, &store.Batch{}, count("m", one))
			commit(r, 1, holds("m"), deliver(0, "m", 1, false))
		}, "counts " + string(one) + ", who does not have it"},
		{"delivered without bytes", func(r *recorder) {
			commit(r, 1, &store.Batch{}, deliver(0, "m", 1, false))
			commit(r, 0, &store.Batch{}, count("m", one))
		}, "who does not have it"},
		{"counted by another", func(r *recorder) { r.counting(1, []causeway.Event{count("m", one)}) }, "which it did not write"},
		{"a stranger", func(r *recorder) { r.counting(0, []causeway.Event{count("m", "mallory")}) }, "counts mallory"},
		{"a hole in the log", func(r *recorder) { commit(r, 1, holds("m"), deliver(0, "m", 2, false)) }, "has position 2 after 0"},
		{"invented bytes", func(r *recorder) { commit(r, 1, holds("x")) }, "has message x, which nobody wrote"},
		{"invented", func(r *recorder) { commit(r, 1, &store.Batch{}, deliver(0, "x", 1, false)) }, "speaks of message x, which nobody wrote"},
	} {
		r := newRecorder(2)
		commit(r, 0, &store.Batch{}, deliver(0, "m", 1, true))
		tt.do(r)
		got := strings.Join(r.violations, "; ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestFailures turns each fact that a verdict stands on.
func TestFailures(t *testing.T) {
	for want, spoil := range map[string]func(r *Run){
		"":                                       func(r *Run) {},
		"was not done":                           func(r *Run) { r.done = false },
		"all have 10 messages, but not the same": func(r *Run) { r.audit.digests[1].Hash[0]++ },
		"member 2 has 9 messages, member 0 has 10, of 10": func(r *Run) { r.audit.digests[2].Count-- },
		"the log of member 1 is odd":                      func(r *Run) { r.audit.problems = []string{"the log of member 1 is odd"} },
		"1 of 10 messages are not known":                  func(r *Run) { r.audit.reached-- },
		"2 violations of what is promised, the first x":   func(r *Run) { r.rec.violations = []string{"x", "y"} },
	} {
		r, err := New(small(t))
		if err != nil {
			t.Fatal(err)
		}
		r.done, r.audit.reached = true, 10
		r.audit.digests = []store.Digest{{Count: 10}, {Count: 10}, {Count: 10}}
		for range 10 {
			r.rec.order = append(r.rec.order, &track{})
		}
		spoil(r)
		res, err := r.Result()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(res.Failures, "; "); res.OK != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
