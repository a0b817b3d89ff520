package crash

import (
	"slices"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
)

// Children on stores that break a promise are found out, by the rule that they
// break. Where records are lost, that may be that a child can't start again.
func TestKillFindsBugs(t *testing.T) {
	for bug, rules := range map[string][]rule{
		bugEarly:    {ruleDurable, ruleLost, ruleChild},
		bugMemory:   {ruleIncarnation, ruleEvent},
		bugTorn:     {ruleTorn, ruleLost, ruleChild},
		bugSequence: {ruleSequence},
		bugReceipt:  {ruleReceipt},
		bugBytes:    {ruleDurable},
	} {
		t.Run(bug, func(t *testing.T) {
			var p *parent
			seed := seedOf(t)
			var heard []complaint
			for n := range 300 {
				if n%20 == 0 { // a group in which the bug shows is one of many
					p = newParent(t, seed+uint64(n), bug)
				}
				plan := newPlan(p.seed, n%20)
				p.live(n%20, plan.atAnyLine(), nil)
				heard = append(heard, p.witness.complaints...)
				p.witness.complaints = nil
				for _, c := range heard {
					if slices.Contains(rules, c.rule) {
						t.Logf("in life %d: %s: %s", n, c.rule, c.text)
						return
					}
				}
			}
			t.Errorf("nobody noticed; complaints were %v", heard)
		})
	}
}

// What a child may say.

func delivered(cursor causeway.Cursor, id causeway.MessageID, position causeway.Position, lamport uint64) line {
	return line{Kind: lineEvent, Cursor: cursor, Event: causeway.EventDelivered, ID: id, Position: position, Lamport: lamport,
		Own: true, Text: string(id)}
}

func receipt(cursor causeway.Cursor, level causeway.Level, seen int, persons ...causeway.PersonID) line {
	return line{Kind: lineEvent, Cursor: cursor, Event: causeway.EventReceipt, ID: "a", Level: level, Seen: seen, Persons: persons}
}

func packet(id causeway.MessageID, incarnation uint32, sequence uint64, content string) line {
	e := wire.Extension{Version: 1, Incarnation: incarnation, Sequence: sequence}
	m := wire.Message{Dialect: wire.LIP, SenderID: alice, MessageID: id, ChannelID: room, Lamport: 1, HasLamport: true,
		Content: []byte(content), Extension: e.Encode()}
	return line{Kind: linePublish, Payload: m.Encode()}
}

func committing(cursors ...causeway.Cursor) line {
	x := line{Kind: lineCommitting}
	for _, c := range cursors {
		x.Events = append(x.Events, eventName{c, causeway.EventDelivered, "a"})
	}
	return x
}

func found(newest causeway.Cursor, events ...eventName) line {
	return line{Kind: lineFound, Cursor: newest, Events: events}
}

// stories are what children said, and the rule that they break by it.
var stories = []struct {
	name string
	rule rule
	said []line
}{
	{"cursor left out", ruleEvent, []line{delivered(2, "a", 1, 10)}},
	{"cursor twice", ruleEvent, []line{deliveredA, {Kind: lineUp}, delivered(1, "b", 1, 10)}},
	{"event that changed in the file", ruleEvent, []line{deliveredA, found(1, eventName{1, causeway.EventGap, "a"})}},
	{"position twice", rulePosition, []line{deliveredA, delivered(2, "b", 1, 11)}},
	{"delivered twice", ruleTwice, []line{deliveredA, delivered(2, "a", 2, 11)}},
	{"clock", ruleClock, []line{deliveredA, delivered(2, "b", 2, 10)}},
	{"receipt of nothing", ruleLost, []line{receipt(1, causeway.Seen, 0)}},
	{"level", ruleReceipt, []line{deliveredA, receipt(2, causeway.Reached, 0), receipt(3, causeway.Seen, 0)}},
	{"count", ruleReceipt, []line{deliveredA, receipt(2, causeway.Seen, 1, "bob"), receipt(3, causeway.Seen, 0)}},
	{"count without persons", ruleReceipt, []line{deliveredA, receipt(2, causeway.Seen, 1)}},
	{"false person", ruleFalse, []line{deliveredA, receipt(2, causeway.Seen, 1, "eve")}},
	{"false person now", ruleFalse, []line{deliveredA, {Kind: lineReceipt, ID: "a", Level: causeway.Seen, Persons: []causeway.PersonID{"eve"}}}},
	{"level now", ruleReceipt, []line{deliveredA, receipt(2, causeway.Sent, 0), {Kind: lineReceipt, ID: "a"}}},
	{"person now", ruleReceipt, []line{deliveredA, receipt(2, causeway.Seen, 1, "bob"), {Kind: lineReceipt, ID: "a", Level: causeway.Seen}}},
	{"sequence of two", ruleSequence, []line{packet("a", 7, 1, "a"), packet("b", 7, 1, "b")}},
	{"incarnation", ruleIncarnation, []line{packet("a", 7, 1, "a"), packet("b", 8, 2, "b")}},
	{"other bytes", ruleDurable, []line{packet("a", 7, 1, "a"), packet("a", 7, 1, "b")}},
	{"committed and gone", ruleLost, []line{committing(1, 2), {Kind: lineCommitted}, found(1)}},
	{"held after COMMIT and gone", ruleLost, []line{committing(1, 2), {Kind: lineHeld, Committed: true}, found(0)}},
	{"half of it", ruleTorn, []line{committing(1, 2), found(1)}},
	{"something else", ruleTorn, []line{committing(1), found(1, eventName{1, causeway.EventDelivered, "b"})}},
	{"failed", ruleChild, []line{{Kind: lineFailed, Error: "on fire"}}},

	{"all well", "", []line{found(0), packet("a", 7, 1, "a"), packet("a", 7, 1, "a"), committing(1), {Kind: lineCommitted}, deliveredA,
		receipt(2, causeway.Seen, 1, "bob"), {Kind: lineReceipt, ID: "a", Level: causeway.Seen, Persons: []causeway.PersonID{"bob"}},
		committing(3), found(2), {Kind: lineUp}, deliveredA, receipt(2, causeway.Seen, 1, "bob"), delivered(3, "b", 2, 11)}},
}

var deliveredA = delivered(1, "a", 1, 10)

// TestWitness tells the witness a lie of each kind, and the truth.
func TestWitness(t *testing.T) {
	for _, tt := range stories {
		t.Run(tt.name, func(t *testing.T) {
			w := newWitness(func(p causeway.PersonID, _ causeway.MessageID) bool { return p == "bob" })
			w.begin(0)
			for _, x := range tt.said {
				if w.hear(&x); x.Kind == lineUp {
					w.begin(0)
				}
			}
			expect(t, w, tt.rule)
		})
	}
}

// expect tells whether a rule was broken, and no other; "" is none.
func expect(t *testing.T, w *witness, r rule) {
	t.Helper()
	for _, c := range w.complaints {
		if c.rule != r {
			t.Errorf("%s: %s", c.rule, c.text)
		}
	}
	if r != "" && len(w.complaints) == 0 {
		t.Errorf("nobody said %q", r)
	}
}

// TestWitnessAudit shows the witness files that are not what was said.
func TestWitnessAudit(t *testing.T) {
	logged := sds.MessageRecord{ID: "a", Sender: alice, State: sds.StateLogged, Lamport: 1, Position: 1}
	parked := logged
	parked.State = sds.StateParked
	moved := logged
	moved.Position = 2
	event := line{Kind: lineEvent, Cursor: 1, Event: causeway.EventDelivered, ID: "a", Position: 1, Lamport: 1, Own: true}
	m := wire.Message{Dialect: wire.LIP, SenderID: alice, MessageID: "a", ChannelID: room, Lamport: 1, HasLamport: true, Content: []byte("a")}
	for _, tt := range []struct {
		name   string
		rule   rule
		said   line
		record sds.MessageRecord
		bytes  []byte
	}{
		{"as it was", "", event, logged, nil},
		{"sent and lost", ruleLost, line{Kind: lineSent, ID: "b", Text: "b"}, logged, nil},
		{"delivered and not in the log", ruleLost, event, parked, nil},
		{"elsewhere", rulePosition, event, moved, nil},
		{"other bytes than those that left", ruleDurable, line{Kind: linePublish, Payload: m.Encode()}, logged, []byte("?")},
		{"the bytes that left", "", line{Kind: linePublish, Payload: m.Encode()}, logged, m.Encode()},
		{"left without a trace", ruleDurable, line{Kind: linePublish, Payload: m.Encode()}, sds.MessageRecord{ID: "b", State: sds.StateMet}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := store.NewMemory()
			epoch, err := db.Epoch(t.Context())
			check(t, err)
			b := store.ChannelBatch{Channel: room, Changes: sds.Changes{Messages: []sds.MessageRecord{tt.record}}}
			if tt.bytes != nil {
				b.Sealed = []store.Sealed{{ID: tt.record.ID, Bytes: tt.bytes}}
			}
			check(t, db.Commit(t.Context(), &store.Batch{Epoch: epoch, Channels: []store.ChannelBatch{b}}))
			w := newWitness(nil)
			w.begin(0)
			w.hear(&tt.said)
			w.audit(t.Context(), db, true)
			expect(t, w, tt.rule)
		})
	}
	w := newWitness(nil)
	w.hear(&line{Kind: lineSent, ID: "a", Text: "a"})
	w.hear(&line{Kind: lineRefused, Text: "r"})
	w.compare("bob", []string{"a", "b"})
	expect(t, w, "")
	w.compare("bob", []string{"b", "b", "r"})
	if len(w.complaints) != 3 {
		t.Errorf("a message is there twice, one was refused, one is missing: %v", w.complaints)
	}
}
