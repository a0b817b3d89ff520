package tests

import (
	"testing"

	"github.com/waku-org/sds-go-bindings/sds"
)

// The eleven tests that the bindings have for themselves, by their names.

func TestLifecycle(t *testing.T) {
	rm, err := sds.NewReliabilityManager(nil)
	if err != nil || rm == nil {
		t.Fatal(rm, err)
	}
	if err := rm.Reset(); err != nil {
		t.Error(err)
	}
	if err := rm.Cleanup(); err != nil {
		t.Error(err)
	}
}

func TestWrapUnwrap(t *testing.T) {
	rm, _ := joined(t)
	b := wrap(t, rm, "m1", "ch")
	if len(b) == 0 {
		t.Fatal("wrapped to nothing")
	}
	wantIDs(t, "missing", unwrap(t, rm, b, "m1", "ch"))
}

func TestDependencies(t *testing.T) {
	a, _ := joined(t)
	b, _ := joined(t)
	wrap(t, a, "m1", "ch")
	second := wrap(t, a, "m2", "ch")
	wantIDs(t, "missing", unwrap(t, b, second, "m2", "ch"), "m1")
	if err := b.MarkDependenciesMet([]sds.MessageID{"m1"}, "ch"); err != nil {
		t.Error(err)
	}
}

func TestCallback_OnMessageReady(t *testing.T) {
	a, _ := joined(t)
	b, heard := joined(t)
	unwrap(t, b, wrap(t, a, "m1", "ch"), "m1", "ch")
	heard.want(t, "ready m1 ch")
}

func TestCallback_OnMessageSent(t *testing.T) {
	a, heard := joined(t)
	b, _ := joined(t)
	unwrap(t, b, wrap(t, a, "m1", "ch"), "m1", "ch")
	heard.want(t)
	unwrap(t, a, wrap(t, b, "m2", "ch"), "m2", "ch")
	heard.want(t, "sent m1 ch", "ready m2 ch")
}

func TestCallback_OnMissingDependencies(t *testing.T) {
	a, _ := joined(t)
	b, heard := joined(t)
	wrap(t, a, "m1", "ch")
	unwrap(t, b, wrap(t, a, "m2", "ch"), "m2", "ch")
	heard.want(t, "missing m2 [m1] ch")
}

func TestCallback_OnPeriodicSync(t *testing.T) {
	rm, heard := joined(t)
	if err := rm.StartPeriodicTasks(); err != nil {
		t.Fatal(err)
	}
	heard.wait(t, "sync")
}

func TestCallbacks_Combined(t *testing.T) {
	a, heardA := joined(t)
	b, heardB := joined(t)
	c, heardC := joined(t)
	unwrap(t, b, wrap(t, a, "m1", "ch"), "m1", "ch")
	reply := wrap(t, b, "m2", "ch")
	unwrap(t, a, reply, "m2", "ch")
	third := wrap(t, a, "m3", "ch")
	missing := unwrap(t, c, third, "m3", "ch")
	heardA.want(t, "sent m1 ch", "ready m2 ch")
	heardB.want(t, "ready m1 ch")
	heardC.want(t, "missing m3 [m1 m2] ch")
	wantIDs(t, "missing", missing, "m1", "m2")
}

func TestMultiChannel_SingleRM(t *testing.T) {
	rm, _ := joined(t)
	other, _ := joined(t)
	for _, ch := range []string{"one", "two"} {
		b := wrap(t, rm, "m of "+ch, ch)
		wantIDs(t, "own echo", unwrap(t, rm, b, "m of "+ch, ch))
		wantIDs(t, "missing", unwrap(t, other, b, "m of "+ch, ch))
		if err := other.MarkDependenciesMet([]sds.MessageID{sds.MessageID("m of " + ch)}, ch); err != nil {
			t.Error(err)
		}
	}
}

func TestMultiChannelCallbacks(t *testing.T) {
	a, heardA := joined(t)
	b, heardB := joined(t)
	for _, ch := range []string{"one", "two"} {
		unwrap(t, b, wrap(t, a, "q-"+ch, ch), "q-"+ch, ch)
		unwrap(t, a, wrap(t, b, "r-"+ch, ch), "r-"+ch, ch)
	}
	heardB.want(t, "ready q-one one", "ready q-two two")
	heardA.want(t, "sent q-one one", "ready r-one one", "sent q-two two", "ready r-two two")
}

func TestRetrievalHints(t *testing.T) {
	a, heardA := joined(t)
	callbacks := heardA.callbacks()
	callbacks.RetrievalHintProvider = func(id sds.MessageID) []byte { return []byte("hint of " + id) }
	a.RegisterCallbacks(callbacks)
	b, heard := joined(t)
	wrap(t, a, "m1", "ch")
	u, err := b.UnwrapReceivedMessage(wrap(t, a, "m2", "ch"))
	if err != nil {
		t.Fatal(err)
	}
	if deps := *u.MissingDeps; len(deps) != 1 || string(deps[0].RetrievalHint) != "hint of m1" {
		t.Errorf("missing %+v", deps)
	}
	if got := heard.hints["m1"]; got != "hint of m1" {
		t.Errorf("the callback heard of hint %q", got)
	}
}
