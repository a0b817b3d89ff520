package classic

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

func TestConfig(t *testing.T) {
	long := sds.ParticipantID(strings.Repeat("x", wire.MaxID+1))
	tests := []struct {
		cfg  Config
		want string // in the error
	}{
		{Config{Channel: "c", Participant: "p"}, ""},
		{Config{Channel: "c", Flavour: Nim}, ""},
		{Config{Participant: "p"}, "Channel"},
		{Config{Channel: "c"}, "Participant"},
		{Config{Channel: "c", Participant: long, Flavour: Nim}, "Participant"},
		{Config{Channel: "c", Participant: "p", Flavour: 2}, "Flavour 2"},
		{Config{Channel: "c", Participant: "p", CausalHistory: -1}, "CausalHistory is -1"},
		{Config{Channel: "c", Participant: "p", CausalHistory: 510}, "0 to 509"},
		{Config{Channel: "c", Participant: "p", ResponseGroups: -1}, "ResponseGroups"},
		{Config{Channel: "c", Participant: "p", LostAfter: -1}, "LostAfter"},
		{Config{Channel: "c", Participant: "p", RepairMin: time.Hour}, "RepairMin (1h0m0s)"},
		{Config{Channel: "c", Participant: "p", RepairMin: -1}, "RepairMin"},
		{Config{Channel: "c", Flavour: Nim, NoAnswers: true}, "js only"},
		{Config{Channel: "c", Flavour: Nim, LostAfter: 1}, "js only"},
	}
	for _, tt := range tests {
		_, err := New(tt.cfg, start)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%+v: %v", tt.cfg, err)
		case tt.want != "" && (!errors.Is(err, sds.ErrConfig) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%+v: %v, want %q", tt.cfg, err, tt.want)
		}
	}
}

func TestSendErrors(t *testing.T) {
	for _, f := range []Flavour{JS, Nim} {
		p := alice(t, func(c *Config) { c.Flavour = f })
		if _, err := p.Send(start, nil); !errors.Is(err, sds.ErrEmptyContent) {
			t.Errorf("%v: %v", f, err)
		}
		if _, err := p.Send(start, make([]byte, sds.MaxContent+1)); !errors.Is(err, sds.ErrContentTooLarge) {
			t.Errorf("%v: %v", f, err)
		}
		if r := p.Ready(); !r.Empty() {
			t.Errorf("%v: did something", f)
		}
		if _, err := p.Send(start, make([]byte, sds.MaxContent)); err != nil {
			t.Errorf("%v: %v", f, err)
		}
	}
}

// TestReady: what is done is told once, and what was told stays as it is until
// the next call.
func TestReady(t *testing.T) {
	p := alice(t)
	p.Send(start, []byte("one"))
	r := p.Ready()
	p.Send(start, []byte("two"))
	if len(r.Packets) != 1 || r.Packets[0].ID != id("one") || r.Empty() {
		t.Errorf("%+v", r.Packets)
	}
	if r := p.Ready(); len(r.Packets) != 1 || r.Packets[0].ID != id("two") {
		t.Errorf("%+v", r.Packets)
	}
	if r := p.Ready(); !r.Empty() {
		t.Errorf("%+v", r)
	}
}

// TestTimeStandsStill when it is set back.
func TestTimeStandsStill(t *testing.T) {
	p := alice(t)
	p.Send(start+1000, []byte("one"))
	p.Ready()
	if m := send(t, p, "two"); m.Lamport != uint64(start)+1001 {
		t.Error("the clock went back")
	}
	p.Tick(0)
	if p.now != start+1000 {
		t.Errorf("now %d", p.now)
	}
}

// TestDeadline: a Tick before the deadline does nothing, and one at it moves it
// on.
func TestDeadline(t *testing.T) {
	for _, f := range []Flavour{JS, Nim} {
		w := newWorld(t, 3, 1, Config{Flavour: f})
		w.loss = 0.3
		p, deadlines := w.peers[0], 0
		for i := range 300 {
			w.send(i%3, fmt.Sprint("message ", i)) // to the others; what p says in between is lost
			w.run(time.Duration(i%7)*time.Second, nil)
			at, ok := p.Deadline()
			if !ok {
				continue
			}
			if at <= w.now {
				t.Fatalf("%v: deadline %v ago", f, w.now.Sub(at))
			}
			p.Tick(at - 1)
			if r := p.Ready(); !r.Empty() {
				t.Fatalf("%v: a tick too early did %+v", f, r)
			}
			p.Tick(at)
			if next, ok := p.Deadline(); ok && next <= at {
				t.Fatalf("%v: deadline %v again", f, at.Sub(start))
			}
			deadlines++
			p.Ready()
			w.run(at.Sub(w.now), nil)
		}
		if deadlines < 100 {
			t.Errorf("%v: %d deadlines", f, deadlines)
		}
	}
}

func TestIDSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var s idSet
	model := map[uint64]bool{}
	for range 5000 {
		f := rng.Uint64N(3000) + 1
		if s.has(f) != model[f] || s.add(f) == model[f] {
			t.Fatalf("%d: in the model %v", f, model[f])
		}
		model[f] = true
	}
	if s.n != len(model) || len(s.slots) < 2*s.n {
		t.Errorf("%d of %d in %d slots", s.n, len(model), len(s.slots))
	}
}

// TestNames: everything that has a name has one of its own.
func TestNames(t *testing.T) {
	for want, got := range map[string]string{"js": JS.String(), "nim": Nim.String(), "possibly": Possibly.String(),
		"mentioned": Mentioned.String(), "filtered": Filtered.String(), "exhausted": Exhausted.String(),
		"unknown": Proof(9).String() + ""} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if Flavour(9).String() != "unknown" {
		t.Error("an unknown flavour has a name")
	}
}
