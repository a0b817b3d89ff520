package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

func newGroup(t *testing.T, o Options) *Group {
	t.Helper()
	g, err := NewGroup(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func send(t *testing.T, g *Group, member int, text string) sds.MessageID {
	t.Helper()
	id, err := g.Send(member, []byte(text), sds.SendOptions{Want: sds.Everyone})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{}, {Members: 200_000}, {Members: 2, Loss: -1}, {Members: 2, Loss: 1}, {Members: 2, Duplicate: 2},
		{Members: 2, MinDelay: time.Second, MaxDelay: time.Millisecond}, {Members: 2, MinDelay: -1, MaxDelay: 1},
		{Members: 2, Config: func(_ int, c *sds.Config) { c.Participant = "" }},
	} {
		if _, err := NewGroup(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// What a crash destroys was never there: no position, sequence number or message
// of it shows (spec R24 R38 R90).
func TestCrashBeforeCommit(t *testing.T) {
	g := newGroup(t, Options{Members: 2, Seed: 1})
	g.Crash(0, BeforeCommit)
	lost := send(t, g, 0, "lost")
	g.RunFor(20 * time.Minute)
	if m := g.Members[0]; len(m.Log) != 0 || len(g.Members[1].Log) != 0 || m.State.Meta.Sequence != 0 || m.State.Meta.Position != 0 {
		t.Fatalf("something is left: %d and %d messages, %+v", len(m.Log), len(g.Members[1].Log), m.State.Meta)
	}
	kept := send(t, g, 0, "kept")
	g.RunFor(time.Minute)
	if log := g.Members[1].LogIDs(); len(log) != 1 || log[0] != kept || kept == lost {
		t.Errorf("member 1 has %q, want %q", log, kept)
	}
}

// What was written and did not leave is sent again (spec R60 R90).
func TestCrashAfterCommit(t *testing.T) {
	for _, at := range []CrashPoint{AfterCommit, Halfway} {
		g := newGroup(t, Options{Members: 3, Seed: 2})
		g.Stall(0)
		send(t, g, 0, "first")
		send(t, g, 0, "second")
		if len(g.Members[0].Log) != 0 {
			t.Fatal("a stalled member wrote something")
		}
		g.Crash(0, at)
		if got, want := g.Stats.Packets[sds.ClassContent], map[CrashPoint]int{AfterCommit: 0, Halfway: 1}[at]; got != want {
			t.Errorf("%d packets of content left, want %d", got, want)
		}
		g.RunFor(2 * time.Minute)
		if len(g.Members[2].Log) != 2 || !g.Consistent() || g.Stats.Acknowledged() != 2 {
			t.Errorf("crash point %d: %d messages arrived, %d acknowledged", at, len(g.Members[2].Log), g.Stats.Acknowledged())
		}
		if len(g.Check.Violations) > 0 {
			t.Error(g.Check.Violations)
		}
	}
}

// A failed commit loses nothing: the same is offered again (spec R90).
func TestStallAndResume(t *testing.T) {
	g := newGroup(t, Options{Members: 2, Seed: 3})
	g.Stall(1)
	send(t, g, 0, "hello")
	g.RunFor(time.Minute)
	if len(g.Members[1].Log) != 0 || g.Stats.Acknowledged() != 0 {
		t.Fatal("a stalled member delivered or acknowledged")
	}
	g.Resume(1)
	g.RunFor(time.Minute)
	if len(g.Members[1].Log) != 1 || g.Stats.Acknowledged() != 1 {
		t.Errorf("%d delivered, %d acknowledged", len(g.Members[1].Log), g.Stats.Acknowledged())
	}
}

func TestPartition(t *testing.T) {
	g := newGroup(t, Options{Members: 4, Seed: 4})
	g.Partition(func(i int) int { return i % 2 })
	send(t, g, 0, "even")
	send(t, g, 1, "odd")
	g.RunFor(time.Minute)
	if g.Consistent() || len(g.Members[2].Log) != 1 || len(g.Members[3].Log) != 1 {
		t.Fatal("the partition leaks")
	}
	g.Partition(nil)
	g.RunFor(5 * time.Minute)
	if !g.Consistent() || g.Stats.Acknowledged() != 2 {
		t.Errorf("consistent %v, %d acknowledged", g.Consistent(), g.Stats.Acknowledged())
	}
}

// Checker and Model notice what they are there for.
func TestViolationsAreNoticed(t *testing.T) {
	type world struct {
		g    *Group
		o    *Model
		a, b *Member
		id   sds.MessageID // of a, and nobody else has it
	}
	tests := []struct {
		name, want string
		lie        func(w world)
	}{
		{"false receipt", "FALSE ACKNOWLEDGEMENT", func(w world) {
			w.g.Check.ready(w.a, sds.Ready{Receipts: []sds.Receipt{{ID: w.id, Level: sds.LevelSeen, Seen: 1, Of: 1, Persons: []sds.PersonID{w.b.Person}}}})
		}},
		{"own person", "counts itself", func(w world) {
			w.g.Check.ready(w.a, sds.Ready{Receipts: []sds.Receipt{{ID: w.id, Level: sds.LevelSeen, Persons: []sds.PersonID{w.a.Person}}}})
		}},
		{"level back", "went back", func(w world) {
			w.g.Check.ready(w.a, sds.Ready{Receipts: []sds.Receipt{{ID: w.id}}})
		}},
		{"position twice", "position 1 after 1", func(w world) {
			w.g.Check.ready(w.a, sds.Ready{Deliveries: []sds.Delivery{{ID: "x", Position: 1}}})
		}},
		{"delivered twice", "delivered twice", func(w world) {
			w.o.committed(w.a, sds.Ready{Deliveries: []sds.Delivery{{ID: w.id, Position: 2}}})
		}},
		{"no proof", "nothing that it received proves", func(w world) {
			w.o.committed(w.a, sds.Ready{Receipts: []sds.Receipt{{ID: w.id, Level: sds.LevelEveryone, Seen: 1, Of: 1, Persons: []sds.PersonID{w.b.Person}}}})
		}},
		{"clock", "ran back", func(w world) {
			w.g.Check.ready(w.a, sds.Ready{Changes: sds.Changes{Meta: &sds.Meta{}}})
		}},
		{"mention ignored", "names it", func(w world) {
			m := wire.Message{SenderID: w.b.ID, MessageID: "y", ChannelID: ChannelID, Lamport: 1, HasLamport: true, CausalHistory: []sds.HistoryEntry{{MessageID: w.id}}}
			w.o.reaching(w.a, &m, sds.Origin{})
			w.o.reached(w.a, &m, nil)
		}},
		{"child before parent", "on which it depends", func(w world) {
			m := wire.Message{SenderID: w.b.ID, MessageID: "y", ChannelID: ChannelID, Lamport: 1, HasLamport: true, Content: []byte("x"),
				CausalHistory: []sds.HistoryEntry{{MessageID: "z"}}}
			w.o.learn(&m)
			w.o.committed(w.a, sds.Ready{Deliveries: []sds.Delivery{{ID: "y", Sender: w.b.ID, Lamport: 1, Position: 2}}})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGroup(t, Options{Members: 2, Seed: 5})
			o := NewModel(g)
			g.SetOnline(1, false)
			w := world{g: g, o: o, a: g.Members[0], b: g.Members[1], id: send(t, g, 0, "hello")}
			g.RunFor(time.Second)
			if len(g.Check.Violations) > 0 {
				t.Fatal(g.Check.Violations)
			}
			tt.lie(w)
			if all := strings.Join(g.Check.Violations, "\n"); !strings.Contains(all, tt.want) {
				t.Errorf("noticed %q, want something with %q", all, tt.want)
			}
		})
	}
}
