//go:build go1.25

package telemetry_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/report"
	"github.com/causeway-im/causeway/transport/loopback"
)

// device is a node with telemetry.
type device struct {
	t       *testing.T
	c       *collector
	d       *telemetry.Telemetry
	node    *causeway.Node
	ch      *causeway.Channel
	options causeway.Options
	config  causeway.ChannelConfig
	unhook  func()
	sent    []causeway.MessageID
}

// group starts a device for each name, which all report to one collector. Things
// that must not leave are in everything that is given to it.
func group(t *testing.T, o loopback.Options, people ...string) (c *collector, all []*device) {
	network, err := loopback.New(o)
	check(t, err)
	t.Cleanup(network.Close)
	c = newCollector(t)
	roster := &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{}}
	for _, name := range people {
		roster.Members[causeway.ParticipantID("installation-of-"+name)] = causeway.PersonID("person-" + name)
	}
	for i, name := range people {
		end, err := network.Attach("peer-of-" + name)
		check(t, err)
		m := &device{t: t, c: c, options: causeway.Options{Store: store.NewMemory(), Transport: end, Seed: uint64(i + 1)},
			config: causeway.ChannelConfig{Channel: "channel-of-tea", Participant: causeway.ParticipantID("installation-of-" + name), Roster: roster}}
		m.start()
		t.Cleanup(m.stop)
		all = append(all, m)
	}
	return c, all
}

func (m *device) start() {
	ctx := m.t.Context()
	o := options(m.options.Store, m.c)
	var err error
	m.d, err = telemetry.New(ctx, o)
	check(m.t, err)
	m.options.Observer = m.d
	m.node, err = causeway.Open(ctx, m.options)
	check(m.t, err)
	m.unhook = m.d.Follow(m.node.Metrics)
	check(m.t, m.d.Describe(telemetry.Channel{ID: "channel-of-tea", Community: "community-of-drinkers", Secret: []byte(secret),
		Topic: "0x9C22FF5F", Pubsub: "/waku/2/rs/16/32"}))
	m.ch, err = m.node.Join(ctx, m.config)
	check(m.t, err)
}

func (m *device) stop() {
	m.node.Close()
	m.unhook()
	check(m.t, m.d.Close(ended()))
}

func (m *device) send(text string) {
	r, err := m.ch.Send(m.t.Context(), []byte(text), causeway.SendOptions{Want: causeway.Everyone})
	check(m.t, err)
	m.sent = append(m.sent, r.ID())
}

// A group over a lossy network: what its members report is what their logs and
// receipts say, message by message and member by member, across a restart.
func TestNodesTellWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, all := group(t, loopback.Options{Seed: 3, Loss: 0.3, MaxDelay: 300 * time.Millisecond, Store: &loopback.StoreOptions{}}, "alice", "bob", "carol")
		for i := range 60 {
			all[i%3].send(fmt.Sprintf("this is line %d", i))
			pass(700 * time.Millisecond)
			switch i {
			case 20:
				check(t, all[1].node.Suspend(t.Context()))
			case 40:
				check(t, all[1].node.Resume(t.Context()))
			case 50:
				all[2].stop()
				all[2].start()
			}
		}
		pass(10 * time.Minute)
		p := names(t)
		composed, received, handed, acked := map[string]string{}, map[string]int{}, map[string]bool{}, map[string]int{}
		missing, repaired, paths := map[string]bool{}, map[string]bool{}, map[report.Path]int{}
		for _, e := range c.all() {
			switch e.Kind {
			case report.Composed:
				if composed[e.Message] != "" || e.Audience != 2 || e.Size < 14 || e.Size > 16 || e.Class != report.Multicast {
					t.Errorf("%+v", e)
				}
				composed[e.Message] = e.Member
			case report.Received:
				received[e.Message]++
				paths[e.Path]++
				if e.Sent == 0 || e.At < e.Sent-1000 {
					t.Errorf("received %d, written %d", e.At, e.Sent)
				}
			case report.Handed:
				handed[e.Message] = true
				if e.Attempt == 0 || e.Envelope == "" {
					t.Errorf("%+v", e)
				}
			case report.Acknowledged:
				acked[e.Message] = max(acked[e.Message], e.Count)
				if e.Audience != 2 {
					t.Errorf("%+v", e)
				}
			case report.Missing:
				missing[e.Message] = true
			case report.Repaired:
				repaired[e.Message] = true
			}
			if e.Channel != "" && (e.Topic != "/waku/1/0x9c22ff5f/rfc26" || e.Channel != p.Channel("channel-of-tea") || e.Community != p.Community("community-of-drinkers")) {
				t.Errorf("%+v", e)
			}
		}
		for m := range repaired {
			if !missing[m] {
				t.Errorf("%s is repaired and never missing", m)
			}
		}
		for i, m := range all {
			for _, id := range m.sent {
				name := p.Message(string(id))
				if composed[name] != p.Member([]string{"person-alice", "person-bob", "person-carol"}[i]) || received[name] != 2 || !handed[name] || acked[name] != 2 {
					t.Errorf("%s: composed by %q, received %d times, handed %v, acknowledged by %d", id, composed[name], received[name], handed[name], acked[name])
				}
			}
		}
		n := kinds(c.all())
		if len(composed) != 60 || n[report.Repaired] == 0 || n[report.Traffic] == 0 || n[report.Attempted] < 60 || n[report.Membership] < 3 || n[report.Presence] < 4 {
			t.Errorf("%d composed; %v", len(composed), n)
		}
		if paths[report.ByFilter] == 0 || paths[report.ByStore] == 0 || paths[report.ByRelay] > 0 || paths[report.Unknown] > 0 {
			t.Errorf("paths: %v", paths)
		}
	})
}

// A message that can't leave is composed, attempted and refused, and given up by
// the protocol's word.
func TestNodeOfOneWhoIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, all := group(t, loopback.Options{Loss: 1, MaxPayload: 400}, "alice", "bob")
		all[0].send("nobody hears this")
		all[0].send(string(make([]byte, 1000))) // no envelope takes it
		pass(2 * time.Hour)
		n := map[report.Kind]int{}
		codes := map[string]bool{}
		for _, e := range c.all() {
			n[e.Kind]++
			if e.Kind == report.Refused {
				codes[e.Code] = true
			}
		}
		if n[report.Composed] != 2 || n[report.GaveUp] == 0 || n[report.Resent] == 0 || n[report.Refused] == 0 || !codes["tooLarge"] || len(codes) != 1 || n[report.Acknowledged] > 0 {
			t.Errorf("%v, codes %v", n, codes)
		}
	})
}

// "No account key, peer id, address or content": nothing that was put in is found
// in any byte that leaves, in no spelling.
func TestNothingSecretLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, all := group(t, loopback.Options{Seed: 5, Loss: 0.2, Store: &loopback.StoreOptions{}}, "alice", "bob")
		secrets := []string{secret, "installation-of-alice", "installation-of-bob", "person-alice", "person-bob", "peer-of-alice",
			"peer-of-bob", "channel-of-tea", "community-of-drinkers", "16Uiu2HAmPeerIdOfAlice", "0x04accountkeyofalice", "10.11.12.13", "alice's laptop"}
		for i := range 80 {
			text := fmt.Sprintf("the content of message %d is private", i)
			secrets = append(secrets, text)
			all[i%2].send(text)
			pass(500 * time.Millisecond)
		}
		d := all[0].d
		m := telemetry.Message{Channel: "channel-of-tea", ID: "plain-message-id"}
		d.Composed(m, 5)
		d.Attempted(m)
		d.Refused(m, fmt.Errorf("dial tcp 10.11.12.13: 16Uiu2HAmPeerIdOfAlice of alice's laptop refused"))
		d.Handed(m, "envelope-hash-in-clear")
		d.Resent(m, "envelope-hash-in-clear")
		d.Stored(m, "0x04accountkeyofalice")
		d.Acknowledged(m, 1, 2)
		d.GaveUp(m)
		d.Received(m, telemetry.Arrival{Author: "0x04accountkeyofalice", Path: "10.11.12.13", Envelope: "envelope-hash-in-clear"})
		d.Undecodable(m, "10.11.12.13", "0x04accountkeyofalice")
		d.Missing(m, "0x04accountkeyofalice")
		d.Repaired(m, "10.11.12.13")
		d.Lost(m)
		d.Traffic("channel-of-tea", map[string]int64{"16Uiu2HAmPeerIdOfAlice": 5, "content": 4})
		d.Presence("10.11.12.13")
		secrets = append(secrets, "plain-message-id", "envelope-hash-in-clear")
		for _, m := range all {
			for _, id := range m.sent {
				secrets = append(secrets, string(id))
			}
		}
		pass(time.Hour)
		raw := c.now().raw
		for _, s := range secrets {
			for _, form := range spellings(s) {
				if bytes.Contains(raw, []byte(form)) {
					t.Errorf("%q leaves as %q", s, form)
				}
			}
		}
		n := kinds(c.all())
		if len(n) < 15 || len(c.now().uploads) < 100 || len(secrets) < 170 {
			t.Errorf("%v in %d uploads, %d secrets", n, len(c.now().uploads), len(secrets))
		}
	})
}

// Devices and estimator agree: what three members report of a group in which
// everything arrives in the end is exactly that, and of one whose messages go
// nowhere that nothing does.
func TestEstimateOfNodes(t *testing.T) {
	for loss, want := range map[float64]float64{0.2: 1, 1: 0} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now().UnixMilli()
			c, all := group(t, loopback.Options{Seed: 3, Loss: loss, MaxDelay: 300 * time.Millisecond}, "alice", "bob", "carol")
			pass(10 * time.Second)
			for i := range 60 {
				all[i%3].send(fmt.Sprintf("this is line %d", i))
				pass(time.Second)
				if i == 30 {
					all[2].stop() // in order, and back at once
					all[2].start()
				}
			}
			ended := time.Now().UnixMilli()
			pass(30 * time.Minute)
			var f estimate.Facts
			for _, u := range c.now().uploads {
				check(t, f.Add(&u, u.Clock.Sent))
			}
			now := time.Now().UnixMilli()
			r := f.Estimate(estimate.Options{From: begun, To: ended, Now: now})
			rate := r.Find(estimate.Group{By: estimate.Everything}).Rate(estimate.Within60s)
			if rate.All() != 120 || rate.Bounds.Low != want || rate.Bounds.High != want {
				t.Errorf("loss %v: %+v", loss, rate)
			}
			if r.Trust.Absent != 0 || r.Trust.Dropped != 0 || r.Trust.Covered < 0.99 || r.Trust.Reporters != 3 || r.Trust.Unsteady+r.Trust.Skewed > 0 {
				t.Errorf("loss %v: %+v", loss, r.Trust)
			}
		})
	}
}
