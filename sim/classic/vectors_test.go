package classic

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

func readVectors(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

type jsTranscript struct {
	StartClock sds.Time
	Steps      []struct {
		Step       int
		At         sds.Time
		Who, What  string
		WireBytes  int
		WireSha256 string
		Events     []jsEvent
		StateAfter jsState
	}
}

type jsEvent struct {
	Event, ID string
	IDs       []string
}

type jsState struct {
	Lamport                 string
	Log, Outgoing, Incoming []string
	PossibleAcks            map[string]int
	BloomSha256             string
	RepairOut               []struct {
		ID        string
		TReq      sds.Time
		Requested bool
	}
	RepairIn []struct {
		ID    string
		TResp sds.Time
	}
}

// TestJSTranscript replays what two peers of @waku/sds 0.0.8 did: every byte they
// wrote, and their whole state after each step.
func TestJSTranscript(t *testing.T) {
	var v jsTranscript
	readVectors(t, "js-transcript.json", &v)
	hints := map[sds.MessageID][]byte{}
	for i := range 2 {
		hints[sds.ContentID(fmt.Appendf(nil, "message-%d", i+1))] = fmt.Appendf(nil, "hint-%d", i+1)
	}
	peers := map[string]*Peer{}
	for _, who := range []string{"alice", "bob"} {
		p, err := New(Config{Channel: "test-channel", Participant: sds.ParticipantID(who), CausalHistory: 2,
			RepairMin: time.Second, RepairMax: 5 * time.Second,
			Hint: func(id sds.MessageID) []byte { return hints[id] }}, v.StartClock)
		if err != nil {
			t.Fatal(err)
		}
		peers[who] = p
	}
	wires := map[int]wire.Message{}
	for _, s := range v.Steps {
		j := peers[s.Who].machine.(*js)
		j.now = s.At // the caller of @waku/sds alone says when what happens
		var of int
		switch n, _ := fmt.Sscanf(s.What, "receive the message of step %d", &of); {
		case n == 1:
			m := wires[of]
			j.take(Prepare(&m))
			j.process()
		case s.Step == 8:
			for _, a := range j.answers.due(j.now) {
				j.emit(sds.ClassRepair, a.in)
			}
		case s.Step == 10:
			j.sweepWaiting()
		case s.Step == 11:
			j.sync()
		default:
			var k int
			if _, err := fmt.Sscanf(s.What, "send content 'message-%d'", &k); err != nil {
				t.Fatalf("step %d: %q", s.Step, s.What)
			}
			j.push(fmt.Appendf(nil, "message-%d", k))
		}
		r := peers[s.Who].Ready()
		t.Run(strconv.Itoa(s.Step), func(t *testing.T) {
			if s.WireBytes > 0 {
				if len(r.Packets) != 1 {
					t.Fatalf("%d packets", len(r.Packets))
				}
				m := *r.Packets[0].Message()
				if s.Step == 11 {
					m.MessageID = "sync-i" // of a random number that was fixed
				}
				b := m.Encode()
				if sum := sha256.Sum256(b); len(b) != s.WireBytes || hex.EncodeToString(sum[:]) != s.WireSha256 {
					t.Errorf("wrote %d bytes, want %d: %+v", len(b), s.WireBytes, m.CausalHistory)
				}
				var err error
				if wires[s.Step], err = wire.Decode(b); err != nil {
					t.Fatal(err)
				}
			} else if len(r.Packets) > 0 {
				t.Errorf("wrote %v", r.Packets[0].Message())
			}
			compareEvents(t, s.Events, r)
			compareState(t, s.StateAfter, j)
		})
	}
}

func compareEvents(t *testing.T, events []jsEvent, r Ready) {
	t.Helper()
	var want, got []string
	for _, e := range events {
		switch e.Event {
		case "InMessageDelivered", "OutMessageSent", "OutMessageAcknowledged", "OutMessagePossiblyAcknowledged":
			want = append(want, e.Event+e.ID)
		case "InMessageMissing":
			for _, id := range e.IDs {
				want = append(want, e.Event+id)
			}
		}
	}
	for _, d := range r.Deliveries {
		got = append(got, map[bool]string{true: "OutMessageSent", false: "InMessageDelivered"}[d.Own]+string(d.ID))
	}
	for _, a := range r.Acked {
		got = append(got, map[bool]string{true: "OutMessagePossiblyAcknowledged", false: "OutMessageAcknowledged"}[a.Proof == Possibly]+string(a.ID))
	}
	for _, id := range r.Missing {
		got = append(got, "InMessageMissing"+string(id))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("events\n%q, want\n%q", got, want)
	}
}

func compareState(t *testing.T, want jsState, j *js) {
	t.Helper()
	same := func(what string, got []string, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	if got := strconv.FormatUint(j.lamport, 10); got != want.Lamport {
		t.Errorf("lamport %s, want %s", got, want.Lamport)
	}
	if sum := sha256.Sum256(j.filter.Append(nil)); hex.EncodeToString(sum[:]) != want.BloomSha256 {
		t.Error("another filter")
	}
	var log, outgoing, incoming []string
	for _, in := range j.log {
		log = append(log, string(in.message.MessageID))
	}
	possible := 0
	for _, o := range j.outgoing {
		id := string(o.in.message.MessageID)
		outgoing = append(outgoing, id)
		if o.possible > 0 {
			possible++
			if o.possible != want.PossibleAcks[id] {
				t.Errorf("%d possible acknowledgements, want %v", o.possible, want.PossibleAcks)
			}
		}
	}
	for id := range want.PossibleAcks {
		if !slices.Contains(outgoing, id) {
			possible++ // the original keeps the count of what a mention acknowledged
		}
	}
	if possible != len(want.PossibleAcks) {
		t.Errorf("%d with possible acknowledgements, want %v", possible, want.PossibleAcks)
	}
	for _, w := range j.waiting {
		incoming = append(incoming, string(w.in.message.MessageID))
	}
	same("log", log, want.Log)
	same("outgoing", outgoing, want.Outgoing)
	same("incoming", incoming, want.Incoming)
	var got, wanted []string
	for _, q := range j.requests.list {
		got = append(got, fmt.Sprint("request ", q.entry.MessageID, q.at, q.made))
	}
	for _, a := range j.answers.list {
		got = append(got, fmt.Sprint("answer ", a.in.message.MessageID, a.at))
	}
	for _, q := range want.RepairOut {
		wanted = append(wanted, fmt.Sprint("request ", q.ID, q.TReq, q.Requested))
	}
	for _, a := range want.RepairIn {
		wanted = append(wanted, fmt.Sprint("answer ", a.ID, a.TResp))
	}
	same("repair", got, wanted)
}

// TestNimWraps writes what four peers of nim-sds wrote, byte for byte.
func TestNimWraps(t *testing.T) {
	var v []struct {
		Name          string
		Participant   sds.ParticipantID `json:"participant_id"`
		Capacity      int               `json:"bloom_capacity"`
		Rate          float64           `json:"bloom_error_rate"`
		Channel       sds.ChannelID     `json:"channel_id"`
		InitialString string            `json:"initial_lamport"`
		Hints         bool
		Wraps         []struct {
			ID           sds.MessageID `json:"message_id"`
			Content      string
			Len          int
			SHA256       string
			LamportAfter string `json:"lamport_after"`
		}
	}
	readVectors(t, "nim-wraps.json", &v)
	for _, s := range v {
		t.Run(s.Name, func(t *testing.T) {
			c := Config{Channel: s.Channel, Participant: s.Participant, Flavour: Nim}
			if s.Hints {
				c.Hint = func(id sds.MessageID) []byte { return []byte("hint-for-" + id) }
			}
			p := newPeer(t, c)
			n := p.machine.(*nim)
			n.lamport, _ = strconv.ParseUint(s.InitialString, 10, 64)
			var err error
			if n.filter, err = bloom.NewRolling(s.Capacity, s.Rate); err != nil {
				t.Fatal(err)
			}
			for _, want := range s.Wraps {
				n.wrap(want.ID, []byte(want.Content))
				r := p.Ready()
				b := r.Packets[0].Bytes()
				sum := sha256.Sum256(b)
				if len(b) != want.Len || r.Packets[0].Size() != want.Len || hex.EncodeToString(sum[:]) != want.SHA256 {
					t.Errorf("%s: %d bytes, want %d, or other ones", want.ID, len(b), want.Len)
				}
				if got := strconv.FormatUint(n.lamport, 10); got != want.LamportAfter {
					t.Errorf("%s: lamport %s, want %s", want.ID, got, want.LamportAfter)
				}
			}
		})
	}
}

// TestPreparedBySender: what a sender prepares is what a receiver would.
func TestPreparedBySender(t *testing.T) {
	for _, f := range []Flavour{JS, Nim} {
		w := newWorld(t, 2, 1, Config{Flavour: f})
		n := 0
		w.sent = func(_ int, p Packet) {
			n++
			m, err := wire.Decode(p.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			got, want := p.Prepared, Prepare(&m)
			if got.kind != want.kind || got.fingerprint != want.fingerprint || got.key != want.key ||
				!slices.Equal(got.parents, want.parents) || got.list != want.list ||
				string(got.filter.Append(nil)) != string(want.filter.Append(nil)) || got.badFilter {
				t.Errorf("%v: a sender's %+v, a receiver's %+v", f, got, want)
			}
			if p.Size() != len(p.Bytes()) {
				t.Errorf("%v: size %d of %d bytes", f, p.Size(), len(p.Bytes()))
			}
		}
		for i := range 20 {
			w.send(i%2, fmt.Sprint("message ", i))
			w.run(7*time.Second, nil)
		}
		if n < 20 || f == JS && n < 22 {
			t.Errorf("%v: only %d packets", f, n)
		}
	}
}
