//go:build go1.25

package community_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// town is a community on a network in virtual time.
type town struct {
	t       *testing.T
	network *loopback.Network
	now     *community.Description
	devices []*device
}

// device is an installation with a node in one chat, or in the whole community.
type device struct {
	town     *town
	end      *loopback.Endpoint
	node     *causeway.Node
	ch       *causeway.Channel
	follower *community.Follower
}

func newTown(t *testing.T, o loopback.Options) *town {
	network, err := loopback.New(o)
	check(t, err)
	t.Cleanup(network.Close)
	return &town{t: t, network: network, now: house(t)}
}

// start joins the channel of a chat.
func (w *town) start(person causeway.PersonID, installation, chat string, change ...func(*causeway.ChannelConfig)) *device {
	w.t.Helper()
	ctx := w.t.Context()
	d := &device{town: w}
	var err error
	d.follower, err = community.NewFollower(w.now)
	check(w.t, err)
	cfg := causeway.ChannelConfig{Channel: community.WideChannel(w.now.Community), Topic: community.UniversalTopic(w.now.Community).Transport(),
		Participant: community.Participant(person, installation)}
	if chat != community.WholeCommunity {
		cfg.Channel, err = community.ChatChannel(w.now.Community, chat)
		check(w.t, err)
	}
	cfg.Roster, err = d.follower.Roster(chat)
	check(w.t, err)
	cfg.Steward, err = w.now.IsSteward(chat, person, installation)
	check(w.t, err)
	for _, f := range change {
		f(&cfg)
	}
	d.end, err = w.network.Attach(string(person) + "/" + installation)
	check(w.t, err)
	d.node, err = causeway.Open(ctx, causeway.Options{Store: store.NewMemory(), Transport: d.end, Seed: uint64(len(w.devices) + 1)})
	check(w.t, err)
	w.t.Cleanup(func() { d.node.Close() })
	d.ch, err = d.node.Join(ctx, cfg)
	check(w.t, err)
	check(w.t, d.follower.Follow(ctx, chat, d.ch))
	w.devices = append(w.devices, d)
	return d
}

// publish lets all devices have a new description.
func (w *town) publish(change func(d *community.Description)) {
	w.t.Helper()
	w.now.Clock++
	change(w.now)
	for _, d := range w.devices {
		_, err := d.follower.Update(w.t.Context(), w.now)
		check(w.t, err)
	}
}

func (d *device) send(text string, want causeway.Want) *causeway.Receipt {
	d.town.t.Helper()
	r, err := d.ch.Send(d.town.t.Context(), []byte(text), causeway.SendOptions{Want: want})
	check(d.town.t, err)
	return r
}

// wait waits, in virtual time, until a message has reached a level.
func (d *device) wait(r *causeway.Receipt, level causeway.Level) causeway.ReceiptNow {
	t := d.town.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	now, err := r.WaitFor(ctx, level)
	if err != nil {
		t.Fatalf("waiting for %v: %v; known is %+v", level, err, now)
	}
	return now
}

func (d *device) known(r *causeway.Receipt) causeway.ReceiptNow {
	d.town.t.Helper()
	now, err := r.Now(d.town.t.Context())
	check(d.town.t, err)
	return now
}

// log is what the device delivered, in order.
func (d *device) log() (texts []string) {
	d.town.t.Helper()
	page, _, err := d.ch.Messages(d.town.t.Context(), causeway.Log{ByPosition: true})
	check(d.town.t, err)
	for _, m := range page {
		texts = append(texts, string(m.Content))
	}
	return texts
}

// gaps are the states that missing messages went through.
func (d *device) gaps() (states []string) {
	d.town.t.Helper()
	events, err := d.node.ReadEvents(d.town.t.Context(), 0, 1000)
	check(d.town.t, err)
	for _, e := range events {
		if e.Gap != nil {
			states = append(states, e.Gap.State.String())
		}
	}
	return states
}

// Rule P1: a message's denominator is the roster when it was sent. A ban changes it
// for later messages; the banned member's acknowledgements count for nothing.
func TestBanChangesLaterMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, loopback.Options{Seed: 1})
		w.now.Banned = nil
		w.now.Members = map[causeway.PersonID]community.Member{"olga": member(community.Owner, server()), "mia": member(0, phone()),
			"max": member(0), "eve": member(0, phone())}
		olga, _, _ := w.start("olga", "server", lounge), w.start("mia", "phone", lounge), w.start("max", "", lounge)
		eve := w.start("eve", "phone", lounge)
		synctest.Wait()
		eve.end.SetOnline(false)
		synctest.Wait()
		before := olga.send("before the ban", causeway.Everyone)
		time.Sleep(time.Minute)
		if now := olga.known(before); now.Of != 3 || now.Seen != 2 || now.Level >= causeway.Reached {
			t.Errorf("before the ban: %+v", now)
		}
		w.publish(func(d *community.Description) { d.Banned = people("eve") })
		after := olga.send("after the ban", causeway.Everyone)
		if now := olga.wait(after, causeway.SeenByAll); now.Of != 2 || now.Seen != 2 || !slices.Equal(now.Persons, people("max mia")) {
			t.Errorf("after the ban: %+v", now)
		}
		eve.end.SetOnline(true) // she hears of both, and says so
		time.Sleep(time.Hour)
		equal(t, "eve's log", eve.log(), []string{"before the ban", "after the ban"})
		if now := olga.known(before); now.Of != 3 || !slices.Equal(now.Persons, people("max mia")) || now.Level >= causeway.Reached {
			t.Errorf("the message before the ban, later: %+v", now)
		}
	})
}

// Rule P1: who joins counts for later messages, and for no message that was sent
// before, though it arrives there.
func TestJoinChangesLaterMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, loopback.Options{Seed: 2, Store: &loopback.StoreOptions{}})
		w.now.Members = map[causeway.PersonID]community.Member{"olga": member(community.Owner, server()), "mia": member(0, phone()), "zoe": member(0)}
		w.now.Chats[secret].Members["mia"] = community.Viewer
		olga, _ := w.start("olga", "server", secret), w.start("mia", "phone", secret)
		before := olga.send("before", causeway.Everyone)
		if now := olga.wait(before, causeway.SeenByAll); now.Of != 1 {
			t.Errorf("before: %+v", now)
		}
		w.publish(func(d *community.Description) { d.Chats[secret].Members["zoe"] = community.Viewer })
		zoe := w.start("zoe", "", secret)
		after := olga.send("after", causeway.Everyone)
		if now := olga.wait(after, causeway.SeenByAll); now.Of != 2 || !slices.Equal(now.Persons, people("mia zoe")) {
			t.Errorf("after: %+v", now)
		}
		time.Sleep(time.Hour)
		equal(t, "zoe's log", zoe.log(), []string{"before", "after"})
		if now := olga.known(before); now.Of != 1 || !slices.Equal(now.Persons, people("mia")) {
			t.Errorf("the message before, later: %+v", now)
		}
	})
}

// Two devices of one person count once, and so does a device that is not online:
// a person has a message when one device does.
func TestDevicesOfOnePerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, loopback.Options{Seed: 3})
		w.now.Members = map[causeway.PersonID]community.Member{"olga": member(community.Owner, server(), phone()), "mia": member(0, phone(), server()), "max": member(0)}
		olga, desk := w.start("olga", "server", lounge), w.start("olga", "phone", lounge)
		mia, laptop := w.start("mia", "phone", lounge), w.start("mia", "server", lounge)
		max := w.start("max", "", lounge)
		synctest.Wait()
		max.end.SetOnline(false)
		synctest.Wait()
		r := olga.send("to both devices", causeway.Everyone)
		time.Sleep(10 * time.Minute) // all three devices that hear it have acknowledged
		if now := olga.known(r); now.Of != 2 || now.Seen != 1 || !slices.Equal(now.Persons, people("mia")) {
			t.Errorf("to both devices: %+v", now)
		}
		for _, d := range []*device{desk, mia, laptop} {
			equal(t, "a device's log", d.log(), []string{"to both devices"})
		}
		max.end.SetOnline(true)
		laptop.end.SetOnline(false)
		if now := olga.wait(olga.send("to one device", causeway.Everyone), causeway.SeenByAll); now.Of != 2 || now.Seen != 2 {
			t.Errorf("to one device: %+v", now)
		}
	})
}

// gate seals what is said in the gated chat so that only those with its key can
// open it. The first byte says which key.
type gate struct{ key bool }

const hush = "hush: "

func (g gate) Seal(_ causeway.ChannelID, message []byte) ([]byte, error) {
	m, err := wire.Decode(message)
	if err != nil || !bytes.HasPrefix(m.Content, []byte(hush)) {
		return append([]byte{'o'}, message...), err
	}
	return append([]byte{'s'}, message...), nil
}

func (g gate) Open(_ causeway.ChannelID, sealed []byte) (causeway.Opened, error) {
	if sealed[0] == 's' && !g.key {
		return causeway.Opened{}, causeway.ErrNotForMe
	}
	return causeway.Opened{Message: sealed[1:]}, nil
}

// Rule P1, on the deployed channel of a whole community: what somebody can't decrypt
// is reported once, not asked for again, and holds up nobody, with a store and
// without.
func TestGatedChatSticksNobody(t *testing.T) {
	for what, o := range map[string]loopback.Options{"store": {Seed: 4, Store: &loopback.StoreOptions{}}, "no store": {Seed: 5}} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testGated(t, o) })
		})
	}
}

func testGated(t *testing.T, o loopback.Options) {
	w := newTown(t, o)
	w.now.Members = map[causeway.PersonID]community.Member{"olga": member(community.Owner, server()), "mia": member(0, phone()), "max": member(0)}
	wide := func(key bool) func(*causeway.ChannelConfig) {
		return func(c *causeway.ChannelConfig) { c.Profile, c.Sealer = causeway.ProfileNim, gate{key} }
	}
	olga, mia := w.start("olga", "server", "", wide(true)), w.start("mia", "phone", "", wide(true))
	max := w.start("max", "", "", wide(false))
	asked := watchRequests(w.network, "max/")
	synctest.Wait()

	readers, err := w.now.Readers(secret)
	check(t, err)
	equal(t, "readers", readers, people("max mia olga"))
	w.publish(func(d *community.Description) { delete(d.Chats[secret].Members, "max") })
	readers, err = w.now.Readers(secret)
	check(t, err)
	olga.send("one", causeway.AtLeastOne)
	said := olga.send(hush+"two", causeway.Persons(readers...))
	synctest.Wait() // from here on its hint is known
	olga.send("three", causeway.AtLeastOne)
	time.Sleep(time.Minute)
	equal(t, "max's log", max.log(), []string{"one", "three"})
	mia.send("four", causeway.AtLeastOne)
	synctest.Wait()
	max.send("five", causeway.AtLeastOne)
	time.Sleep(time.Minute)
	for _, d := range []*device{olga, mia} {
		equal(t, "the log with the key", d.log(), []string{"one", hush + "two", "three", "four", "five"})
		equal(t, "gaps with the key", len(d.gaps()), 0)
	}
	equal(t, "max's log", max.log(), []string{"one", "three", "four", "five"})
	if now := olga.wait(said, causeway.Reached); !slices.Equal(now.Persons, people("mia")) {
		t.Errorf("who has what was said: %+v", now)
	}
	if o.Store == nil {
		equal(t, "max's gaps", max.gaps(), []string{"missing", "skipped"})
		if asked() == 0 {
			t.Error("max never asked for what is missing")
		}
		return
	}
	equal(t, "max's gaps", max.gaps(), []string{"missing", "not-for-me"})
	before := asked()
	olga.send("six", causeway.AtLeastOne)
	time.Sleep(2 * time.Hour)
	if after := asked(); after != before {
		t.Errorf("asked again for what is not for him: %d times, then %d", before, after)
	}
	equal(t, "max's gaps, later", max.gaps(), []string{"missing", "not-for-me"})
}

// watchRequests counts requests that somebody makes for missing messages.
func watchRequests(n *loopback.Network, who string) func() int {
	var mu sync.Mutex
	count := 0
	n.SetFilter(func(from, _ string, e transport.Envelope) bool {
		m, err := wire.Decode(e.Payload[1:])
		mu.Lock()
		defer mu.Unlock()
		if from == who && err == nil && len(m.RepairRequest) > 0 {
			count++
		}
		return false
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}
