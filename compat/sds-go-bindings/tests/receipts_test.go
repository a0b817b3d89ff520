package tests

import (
	"errors"
	"fmt"
	"testing"
	"time"

	library "github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/waku-org/sds-go-bindings/sds"
)

// The members of a channel: alice, bob with two devices, and carol.
func teaRoster() *library.Roster {
	return &library.Roster{Stewards: []library.PersonID{"Carol"}, Members: map[library.ParticipantID]library.PersonID{
		"alice": "Alice", "bob-1": "Bob", "bob-2": "Bob", "carol": "Carol"}}
}

// receipts notes "own 1/2 seen [Bob]" for each report.
func receipts(r *recorder) func(library.Receipt, string) {
	return func(m library.Receipt, ch string) {
		r.note("receipt %s %d/%d %s %v %s", m.ID, m.Seen, m.Of, m.Level, m.Persons, ch)
	}
}

// saying is what a member says that names some of ours.
func saying(id, sender string, lamport int, names ...string) []byte {
	fields := []any{1, id, 2, lamport}
	for _, n := range names {
		fields = append(fields, 3, proto(1, n))
	}
	fields = append(fields, 4, "ch", 5, "content of "+id)
	if sender != "" {
		fields = append(fields, 7, sender)
	}
	return proto(fields...)
}

// A receipt counts persons of the roster at Wrap: not devices, not strangers, not who
// came later. It survives a restart.
func TestReceipts(t *testing.T) {
	for _, kept := range []store.Store{nil, store.NewMemory()} {
		t.Run(fmt.Sprintf("%T", kept), func(t *testing.T) { testReceipts(t, kept) })
	}
}

func testReceipts(t *testing.T, kept store.Store) {
	clock := int(time.Now().Unix())
	rm, heard := open(t, sds.Options{Store: kept, Participant: "alice"}), newRecorder()
	begin := func(r *library.Roster) {
		t.Helper()
		rm.RegisterCallbacks(heard.callbacks())
		rm.RegisterReceiptCallback(receipts(heard))
		if err := rm.SetRoster("ch", r); err != nil {
			t.Fatal(err)
		}
	}
	begin(teaRoster())
	if _, err := rm.WrapWanting([]byte("content of own"), "own", "ch", library.Everyone); err != nil {
		t.Fatal(err)
	}
	heard.want(t)
	say := func(b []byte, id string) {
		t.Helper()
		unwrap(t, rm, b, id, "ch")
	}
	say(saying("m1", "stranger", clock+1, "own"), "m1")
	heard.want(t, "ready m1 ch")
	say(saying("m2", "bob-1", clock+2, "own"), "m2")
	heard.want(t, "receipt own 1/2 seen [Bob] ch", "sent own ch", "ready m2 ch")
	say(saying("m3", "bob-2", clock+3, "own"), "m3")
	heard.want(t, "ready m3 ch")
	more := teaRoster()
	more.Members["dave"] = "Dave"
	if kept != nil {
		if err := rm.Cleanup(); err != nil {
			t.Fatal(err)
		}
		rm = open(t, sds.Options{Store: kept, Participant: "alice"})
	}
	begin(more)
	if r := receipt(t, rm, "own"); r.Seen != 1 || r.Of != 2 || r.Level != library.LevelSeen || fmt.Sprint(r.Persons) != "[Bob]" || !r.Claimed {
		t.Errorf("half way: %+v", r)
	}
	say(saying("m4", "dave", clock+4, "own"), "m4")
	say(saying("m5", "carol", clock+5, "own"), "m5")
	heard.want(t, "ready m4 ch", "receipt own 2/2 everyone [Carol] ch", "ready m5 ch")
	_, err := rm.Receipt("own", "ch")
	switch {
	case kept == nil && !errors.Is(err, sds.ErrInvalidArgument):
		t.Errorf("without a store, a message that everybody has: %v", err)
	case kept != nil:
		if r := receipt(t, rm, "own"); r.Seen != 2 || r.Of != 2 || r.Level != library.LevelEveryone || fmt.Sprint(r.Persons) != "[Bob Carol]" {
			t.Errorf("in the end: %+v", r)
		}
	}
	for _, id := range []sds.MessageID{"m5", "nothing"} {
		if _, err := rm.Receipt(id, "ch"); !errors.Is(err, sds.ErrInvalidArgument) {
			t.Errorf("the receipt of %s: %v", id, err)
		}
	}
}

func receipt(t *testing.T, rm *sds.ReliabilityManager, id sds.MessageID) library.Receipt {
	t.Helper()
	r, err := rm.Receipt(id, "ch")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Who signed is asked about what names a sender, once, and its answer is what makes an
// acknowledgement more than a claim. Another's signature, as of who repairs, costs nothing.
func TestUnwrapSigned(t *testing.T) {
	clock := int(time.Now().Unix())
	for _, tt := range []struct {
		name, sender string
		wrote        func(sender, channelID string) bool
		claimed      bool
	}{
		{"signed", "bob-1", func(sender, ch string) bool { return sender == "bob-1" && ch == "ch" }, false},
		{"signed by another", "bob-1", func(string, string) bool { return false }, true},
		{"not signed", "bob-1", nil, true},
		{"of nobody", "", func(string, string) bool { t.Error("asked about nobody"); return true }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rm := open(t, sds.Options{Participant: "alice"})
			if err := rm.SetRoster("ch", teaRoster()); err != nil {
				t.Fatal(err)
			}
			if _, err := rm.WrapWanting([]byte("content of own"), "own", "ch", library.Everyone); err != nil {
				t.Fatal(err)
			}
			u, err := rm.UnwrapSigned(saying("m1", tt.sender, clock+1, "own"), tt.wrote)
			if err != nil || string(*u.Message) == "" || len(*u.MissingDeps) > 0 {
				t.Fatal(u, err)
			}
			seen := 1
			if tt.sender == "" {
				seen = 0
			}
			if r := receipt(t, rm, "own"); r.Seen != seen || r.Claimed != tt.claimed {
				t.Errorf("%+v", r)
			}
		})
	}
}

// What was wanted decides when a receipt says reached. Deployed members without a
// name count as somebody.
func TestWants(t *testing.T) {
	clock := int(time.Now().Unix())
	rm := open(t, sds.Options{Participant: "alice"})
	if err := rm.SetRoster("ch", teaRoster()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]library.Want{"one": library.AtLeastOne, "stewards": library.Stewards, "bob": library.Persons("Bob"), "all": library.Everyone} {
		if _, err := rm.WrapWanting([]byte("content of "+id), sds.MessageID(id), "ch", want); err != nil {
			t.Fatal(err)
		}
	}
	level := func(id sds.MessageID, want library.Level) {
		t.Helper()
		if r := receipt(t, rm, id); r.Level != want {
			t.Errorf("%s is %v, want %v", id, r.Level, want)
		}
	}
	unwrap(t, rm, saying("m1", "", clock+1, "one", "stewards", "bob", "all"), "m1", "ch")
	level("one", library.LevelReached)
	level("stewards", library.LevelSeen)
	unwrap(t, rm, saying("m2", "bob-2", clock+2, "one", "bob", "all"), "m2", "ch")
	level("bob", library.LevelReached)
	level("stewards", library.LevelSeen)
	unwrap(t, rm, saying("m3", "carol", clock+3, "stewards"), "m3", "ch")
	level("stewards", library.LevelReached)
	level("all", library.LevelSeen)
	if _, err := rm.WrapWanting([]byte("x"), "x", "ch", library.Fraction(2)); !errors.Is(err, sds.ErrInvalidArgument) {
		t.Errorf("a share above everything: %v", err)
	}
}

// A roster is for the channel that it was set for, also before there is one, and nil
// takes it away.
func TestSetRoster(t *testing.T) {
	rm := open(t, sds.Options{Participant: "alice"})
	if err := rm.SetRoster("", teaRoster()); !errors.Is(err, sds.ErrInvalidArgument) {
		t.Errorf("no channel: %v", err)
	}
	if err := rm.SetRoster("ch", teaRoster()); err != nil {
		t.Fatal(err)
	}
	of := func(id, ch string) int {
		t.Helper()
		wrap(t, rm, id, ch)
		r, err := rm.Receipt(sds.MessageID(id), ch)
		if err != nil {
			t.Fatal(err)
		}
		return r.Of
	}
	if a, b := of("a", "ch"), of("b", "other"); a != 2 || b != 0 {
		t.Errorf("of %d and %d, want 2 and 0", a, b)
	}
	if err := rm.SetRoster("ch", nil); err != nil {
		t.Fatal(err)
	}
	if c := of("c", "ch"); c != 0 {
		t.Errorf("of %d without a roster", c)
	}
	var none *sds.ReliabilityManager
	none.RegisterReceiptCallback(nil)
	if none.SetRoster("ch", nil) == nil {
		t.Error("a nil manager takes a roster")
	}
}
