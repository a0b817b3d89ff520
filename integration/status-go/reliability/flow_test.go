package reliability_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/integration/status-go/reliability"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/telemetry"
)

// town is the description of a community of these persons; olga owns it.
func town(clock uint64, names ...string) *community.Description {
	d := &community.Description{Community: communityID, Clock: clock, Members: map[causeway.PersonID]community.Member{}, Chats: map[string]community.Chat{"tea": {}}}
	for _, name := range names {
		m := community.Member{Installations: []community.Installation{{ID: "desk"}, {ID: "phone"}}}
		if name == "olga" {
			m.Roles = []community.Role{community.Owner}
		}
		d.Members[causeway.PersonID(name)] = m
	}
	return d
}

func (m *member) describe(d *community.Description) []community.Change {
	m.t.Helper()
	changes, err := m.r.UpdateDescription(m.t.Context(), d)
	check(m.t, err)
	return changes
}

// The whole way: wrap, encrypt, segment, lose, reassemble, decrypt, unwrap, fetch by
// hint, recover. Bob is away for a while and loses a segment of each large message,
// carol loses every seventh. Everybody shows everything, and every message but the
// last is delivered.
func TestFlow(t *testing.T) {
	n := newNetwork()
	alice, bob, carol := newMember(t, n, "alice"), newMember(t, n, "bob"), newMember(t, n, "carol")
	n.lose(func(to *member, message, envelope int) bool {
		switch to {
		case bob:
			return message >= 5 && message <= 12 || message%10 == 5 && envelope == 1
		case carol:
			return message%7 == 3
		}
		return false
	})
	var all []string
	for i := range 40 {
		from := []*member{alice, alice, carol}[i%3]
		text := fmt.Sprintf("message %d", i)
		if i%10 == 5 {
			text += strings.Repeat("x", 350<<10) // several segments
		}
		from.send(i, text)
		all = append(all, from.name+": "+short(text))
	}
	has := func(m *member) func() bool {
		return func() bool {
			for _, text := range all {
				if !slices.Contains(m.shown, text) && !strings.HasPrefix(text, m.name) {
					return false
				}
			}
			return true
		}
	}
	for _, m := range []*member{alice, bob, carol} {
		m.until("everything is shown", has(m))
	}
	n.mu.Lock()
	asked := n.asked
	n.mu.Unlock()
	if asked == 0 {
		t.Error("nothing was fetched")
	}
	bob.send(100, "bob has it all")
	for _, m := range []*member{alice, carol} {
		m.until("bob's answer", func() bool { return slices.Contains(m.shown, "bob: bob has it all") })
	}
	for i, text := range all {
		from := []*member{alice, alice, carol}[i%3]
		app := "app " + strings.TrimPrefix(text, from.name+": ")
		if i < 36 { // a fetch that still runs may be what calls back
			from.until(app+" is delivered", func() bool { return count(from.delivered, app) > 0 })
		}
		if reports := count(from.reported(), app); i < 36 && reports != 1 {
			t.Errorf("%s was reported as delivered %d times", app, reports)
		}
	}
}

func count(list []string, s string) (n int) {
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

// What another member received can be fetched by its hint too, also after its author
// has gone and the hint's bearer has started again.
func TestHintsOfOthers(t *testing.T) {
	n := newNetwork()
	alice, bob, carol := newMember(t, n, "alice"), newMember(t, n, "bob"), newMember(t, n, "carol")
	n.lose(func(to *member, message, _ int) bool { return to == carol && message == 1 })
	alice.send(1, "lost")
	check(t, alice.r.Close())
	bob.restart()
	bob.send(2, "who has it")
	carol.until("the lost one", func() bool { return slices.Contains(carol.shown, "alice: lost") })
}

// A restart in the middle keeps what the application calls a message, who
// acknowledged it, and what waits for acknowledgement.
func TestRestart(t *testing.T) {
	n := newNetwork()
	olga, bob, carol := newMember(t, n, "olga"), newMember(t, n, "bob"), newMember(t, n, "carol")
	everyone := town(1, "olga", "bob", "carol")
	for _, m := range n.members {
		m.describe(everyone)
	}
	olga.send(1, "first")
	bob.send(2, "bob has it")
	olga.restart()
	olga.describe(everyone)
	if x, err := olga.r.Receipt("app first"); err != nil || x.Seen != 1 || x.Of != 2 || x.Reached || fmt.Sprint(x.Persons) != "[bob]" || x.ApplicationID != "app first" || x.ChannelID != wide {
		t.Errorf("the receipt after the restart: %+v, %v", x, err)
	}
	olga.send(3, "second")
	olga.restart()
	olga.describe(everyone)
	carol.send(4, "carol has both")
	if fmt.Sprint(olga.reported()) != "[app first app second]" { // the first before the restart, the second after it
		t.Errorf("delivered %q", olga.reported())
	}
	_, _, receipts, _ := olga.now()
	last := receipts[len(receipts)-2:]
	slices.SortFunc(last, func(a, b reliability.Receipt) int { return strings.Compare(a.ApplicationID, b.ApplicationID) })
	if last[0].ApplicationID != "app first" || last[0].Seen != 2 || !last[0].Reached || fmt.Sprint(last[0].Persons) != "[bob carol]" || last[1].ApplicationID != "app second" || last[1].Seen != 1 {
		t.Errorf("receipts %+v", last)
	}
	for _, name := range []string{"app third", "", "app bob has it"} {
		_, err := olga.r.Receipt(name)
		checkIs(t, name, err, reliability.ErrUnknownMessage)
	}
}

// An acknowledgement that the last process did not report any more is reported by the
// next one; what was reported is not again.
func TestCrashBeforeReport(t *testing.T) {
	n := newNetwork()
	alice, bob := newMember(t, n, "alice"), newMember(t, n, "bob")
	alice.send(1, "one")
	alice.send(2, "two")
	bob.send(3, "has both")
	if len(alice.reported()) != 2 || count(alice.reported(), "app two") != 1 {
		t.Fatalf("delivered %q", alice.reported())
	}
	_, err := alice.db.Exec(`UPDATE causeway_status_messages SET delivered = 0 WHERE app_id = 'app two'`)
	check(t, err)
	alice.restart()
	if len(alice.reported()) != 3 || count(alice.reported(), "app two") != 2 {
		t.Errorf("delivered %q", alice.reported())
	}
	alice.restart()
	if len(alice.reported()) != 3 {
		t.Errorf("delivered %q", alice.reported())
	}
}

// Who counts is who was in the community when the message was wrapped: two devices
// once, who was banned not at all. How many are wanted depends on the kind.
func TestWhoCounts(t *testing.T) {
	n := newNetwork()
	alice, bob, olga, eve := newMember(t, n, "alice"), newMember(t, n, "bob"), newMember(t, n, "olga"), newMember(t, n, "eve")
	phone := newMember(t, n, "bob", func(o *reliability.Options) { o.Installation = "phone" })
	if changes := alice.describe(town(1, "alice", "bob", "olga", "eve")); len(changes) != 0 {
		t.Errorf("the first description changed %v", changes)
	}
	alice.send(1, "to all")
	request := reliability.Message{ChannelID: wide, ApplicationID: "app request", Type: community.RequestToJoin}
	alice.sendIn(2, "request", request)
	banned := town(2, "alice", "bob", "olga", "eve")
	banned.Banned = []causeway.PersonID{"eve"}
	changes := alice.describe(banned)
	if len(changes) != 1 || fmt.Sprint(changes[0].Left) != "[eve]" {
		t.Errorf("the ban changed %+v", changes)
	}
	if changes := alice.describe(town(1, "alice")); len(changes) != 0 {
		t.Errorf("an older description changed %v", changes)
	}
	alice.send(3, "without eve")
	bob.send(4, "bob")
	phone.send(5, "bob again")
	eve.send(6, "eve")
	is := func(app string, seen, of int, reached bool) {
		t.Helper()
		if x, err := alice.r.Receipt(app); err != nil || x.Seen != seen || x.Of != of || x.Reached != reached || !x.Claimed {
			t.Errorf("%s: %+v, %v; want %d of %d, reached %v", app, x, err, seen, of, reached)
		}
	}
	is("app to all", 1, 3, false)
	is("app request", 1, 3, false)
	is("app without eve", 1, 2, false)
	olga.send(7, "olga")
	is("app to all", 2, 3, false)
	is("app request", 2, 3, true)
	is("app without eve", 2, 2, true)
	other := town(9, "alice")
	other.Clock = 0
	_, err := alice.r.UpdateDescription(t.Context(), other)
	checkIs(t, "a description without a clock", err, community.ErrDescription)
}

// Where the host knows who signed the envelope, an acknowledgement of that person is
// proved; under the signature of somebody else, and before anybody said who is who, it
// is a claim.
func TestSigner(t *testing.T) {
	for _, tt := range []struct {
		name    string
		signed  func(*member) causeway.PersonID
		known   bool
		claimed bool
	}{
		{"by the sender", func(m *member) causeway.PersonID { return m.o.Person }, true, false},
		{"by somebody else", func(*member) causeway.PersonID { return "eve" }, true, true},
		{"by nobody known", func(m *member) causeway.PersonID { return m.o.Person }, false, true},
		{"not checked", nil, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNetwork()
			n.signed = tt.signed
			alice, bob := newMember(t, n, "alice"), newMember(t, n, "bob")
			if tt.known {
				alice.describe(town(1, "alice", "bob", "eve"))
			}
			alice.send(1, "tea?")
			bob.send(2, "yes")
			x, err := alice.r.Receipt("app tea?")
			if err != nil || x.Claimed != tt.claimed || tt.known && x.Seen != 1 {
				t.Errorf("%+v, %v", x, err)
			}
		})
	}
}

// With PerChat each chat is a channel of those who can read it.
func TestPerChat(t *testing.T) {
	n := newNetwork()
	perChat := func(o *reliability.Options) { o.PerChat = true }
	alice, bob, olga := newMember(t, n, "alice", perChat), newMember(t, n, "bob", perChat), newMember(t, n, "olga", perChat)
	d := town(1, "alice", "bob", "olga")
	d.Chats["gated"] = community.Chat{Gated: true, Members: map[causeway.PersonID]community.ChannelRole{"alice": community.Poster}}
	for _, m := range n.members {
		m.describe(d)
	}
	of := map[string]int{}
	for _, chat := range []string{"tea", "gated"} {
		ch, err := alice.r.ChannelID(communityID, chat)
		check(t, err)
		if ch != communityID.String()+chat {
			t.Errorf("the channel of %s is %s", chat, ch)
		}
		alice.sendIn(1, chat, reliability.Message{ChannelID: ch, ApplicationID: chat, Type: community.ChatMessage})
		x, err := alice.r.Receipt(chat)
		check(t, err)
		of[chat] = x.Of
	}
	if of["tea"] != 2 || of["gated"] != 1 {
		t.Errorf("messages are for %v", of)
	}
	if len(bob.shows()) != 2 || len(olga.shows()) != 2 {
		t.Errorf("bob shows %q, olga %q", bob.shows(), olga.shows())
	}
	if ch, err := newMember(t, n, "dora").r.ChannelID(communityID, "tea"); err != nil || ch != wide {
		t.Errorf("without PerChat the channel is %s, %v", ch, err)
	}
	_, err := alice.r.ChannelID(communityID, "a|b")
	checkIs(t, "a chat that is none", err, community.ErrName)
}

// What is no SDS message passes through; one that is for the protocol alone is not
// shown; one that is too large says so with the token that status-go looks for.
func TestPayloads(t *testing.T) {
	n := newNetwork()
	alice, bob := newMember(t, n, "alice"), newMember(t, n, "bob")
	for _, payload := range []string{"plain text", "\x0a\x2a\x08\x01", ""} {
		got, err := alice.r.UnwrapPayloadFromSDS([]byte(payload), reliability.Envelope{})
		if err != nil || string(got) != payload {
			t.Errorf("%q became %q, %v", payload, got, err)
		}
	}
	of := reliability.Message{ChannelID: wide, ApplicationID: "a"}
	_, err := alice.r.WrapPayloadForSDS(make([]byte, 1<<20+1), of)
	if err == nil || !strings.Contains(err.Error(), "reMessageTooLarge") {
		t.Errorf("too large: %v", err)
	}
	for what, m := range map[string]reliability.Message{"no channel": {ApplicationID: "a"}, "no name": {ChannelID: wide}} {
		if _, err := alice.r.WrapPayloadForSDS([]byte("x"), m); err == nil || !strings.Contains(err.Error(), "reInvalidArgument") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = alice.r.Receipt("a")
	checkIs(t, "the receipt of what was refused", err, reliability.ErrUnknownMessage)
	one, err := alice.r.WrapPayloadForSDS([]byte("same"), of)
	check(t, err)
	two, err := alice.r.WrapPayloadForSDS([]byte("same"), reliability.Message{ChannelID: wide + "x", ApplicationID: "a"})
	check(t, err)
	again, err := alice.r.WrapPayloadForSDS([]byte("same"), of)
	check(t, err)
	if string(one) == string(two) || string(one) != string(again) {
		t.Error("the same payload: another channel must give other bytes, the same channel the same")
	}
	m, err := wire.Decode(one)
	check(t, err)
	if m.SenderID != community.Participant("alice", "desk") || m.MessageID != community.SDSID([]byte("same")) || string(m.ChannelID) != wide {
		t.Errorf("wrapped as %s of %s in %s", m.MessageID, m.SenderID, m.ChannelID)
	}
	m.MessageID, m.Content = "0xack", []byte{}
	_, err = bob.r.UnwrapPayloadFromSDS(m.Encode(), reliability.Envelope{})
	checkIs(t, "an acknowledgement", err, reliability.ErrNoContent)
}

// Before Start, and after Close, a message is to be tried again later.
func TestUnavailable(t *testing.T) {
	n := newNetwork()
	alice, bob := newMember(t, n, "alice"), newMember(t, n, "bob")
	unavailable := func(r *reliability.Reliability) {
		t.Helper()
		_, err := r.WrapPayloadForSDS([]byte("x"), reliability.Message{ChannelID: wide, ApplicationID: "a"})
		checkIs(t, "wrap", err, reliability.ErrSDSManagerUnavailable)
		_, err = r.UnwrapPayloadFromSDS([]byte("x"), reliability.Envelope{})
		checkIs(t, "unwrap", err, reliability.ErrSDSManagerUnavailable)
		_, err = r.Receipt("a")
		checkIs(t, "receipt", err, reliability.ErrSDSManagerUnavailable)
		checkIs(t, "track", r.TrackWithSDSAlias([]byte("x"), nil), reliability.ErrSDSManagerUnavailable)
	}
	r, err := reliability.New(bob.o)
	check(t, err)
	unavailable(r)
	check(t, bob.r.Close())
	unavailable(bob.r)
	check(t, bob.r.Close())
	alice.send(1, "while bob is closed")
	if len(bob.shows()) != 0 {
		t.Errorf("bob shows %q", bob.shows())
	}
	check(t, bob.r.Start())
	alice.send(2, "bob is back")
	bob.until("the first is fetched", func() bool { return len(bob.shown) == 2 })
	bob.r.Stop() // offline: what comes and goes is still wrapped and unwrapped
	if bob.r.Started() {
		t.Error("started after Stop")
	}
	alice.send(3, "offline")
	bob.send(4, "answer")
	alice.until("the answer", func() bool { return slices.Contains(alice.shown, "bob: answer") })
	check(t, bob.r.Start())
	if !bob.r.Started() || len(bob.shows()) != 3 {
		t.Errorf("started %v, shown %q", bob.r.Started(), bob.shows())
	}
}

// Close waits for a call in progress, be it in a callback or noting what came. A
// callback may call: it is refused instead of waiting for ever.
func TestCloseWaits(t *testing.T) {
	for _, where := range []string{"delivered", "received"} {
		t.Run(where, func(t *testing.T) { testCloseWaits(t, where) })
	}
}

func testCloseWaits(t *testing.T, where string) {
	n := newNetwork()
	held, release := make(chan struct{}), make(chan struct{})
	var inside error
	var alice *member
	hold := func() {
		close(held)
		<-release
		_, inside = alice.r.WrapPayloadForSDS([]byte("y"), reliability.Message{ChannelID: wide, ApplicationID: "y"})
	}
	alice = newMember(t, n, "alice", func(o *reliability.Options) {
		if where == "delivered" {
			o.Delivered = func(reliability.Delivered) { hold() }
		} else {
			o.Telemetry = &holding{hold: hold}
		}
	})
	bob := newMember(t, n, "bob")
	alice.send(1, "x")
	call, closed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(call)
		bob.send(2, "has it")
	}()
	<-held
	go func() { closed <- alice.r.Close() }()
	for { // until Close has begun
		if _, err := alice.r.Receipt("app x"); errors.Is(err, reliability.ErrSDSManagerUnavailable) {
			break
		}
	}
	for range 1000 { // what does not wait gets its chance
		runtime.Gosched()
	}
	select {
	case err := <-closed:
		t.Fatalf("Close returned while a call was in progress: %v", err)
	default:
	}
	close(release)
	check(t, <-closed)
	<-call
	checkIs(t, "a call inside a callback while somebody closes", inside, reliability.ErrSDSManagerUnavailable)
	if !slices.Contains(alice.shows(), "bob: has it") {
		t.Errorf("the call in progress showed %q", alice.shows())
	}
}

// holding is telemetry that does not return from Received.
type holding struct {
	ledger
	hold func()
}

func (h *holding) Received(telemetry.Message, telemetry.Arrival) { h.hold() }

// In a large community one acknowledgement is what a chat message wants. Who is in it
// stays known when the layer is closed and started again.
func TestLargeCommunity(t *testing.T) {
	n := newNetwork()
	alice, bob := newMember(t, n, "alice"), newMember(t, n, "bob")
	large := town(1, "alice", "bob")
	for i := range community.SmallGroup {
		large.Members[causeway.PersonID(fmt.Sprint("member ", i))] = community.Member{}
	}
	small := town(2, "alice", "bob", "carol")
	for i, d := range []*community.Description{large, small} {
		alice.describe(d)
		check(t, alice.r.Close())
		check(t, alice.r.Start())
		text := fmt.Sprint("message ", i)
		alice.send(2*i, text)
		bob.send(2*i+1, "answer to "+text)
		x, err := alice.r.Receipt("app " + text)
		check(t, err)
		if of := len(d.Members) - 1; x.Seen != 1 || x.Of != of || x.Reached != (of > community.SmallGroup) {
			t.Errorf("%s to %d: %+v", text, of, x)
		}
	}
}

func TestOptions(t *testing.T) {
	good := reliability.Options{DB: database(t), Person: "p", Installation: "i"}
	for says, spoil := range map[string]func(o *reliability.Options){
		"DB": func(o *reliability.Options) { o.DB = nil }, "Person": func(o *reliability.Options) { o.Person = "" },
		"Installation": func(o *reliability.Options) { o.Installation = strings.Repeat("x", 513) },
		"Delays":       func(o *reliability.Options) { o.Delays = append(o.Delays, -1) },
	} {
		o := good
		spoil(&o)
		_, err := reliability.New(o)
		checkIs(t, says, err, reliability.ErrOptions)
		if err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	good.Prefix = "not a prefix; "
	r, err := reliability.New(good)
	check(t, err)
	if r.Start() == nil {
		t.Error("started with tables of any name")
	}
}

// datasync is MVDS, which is started, stopped and paused with SDS.
type datasync struct {
	calls []string
	err   error
}

func (d *datasync) Start() error          { d.calls = append(d.calls, "start"); return d.err }
func (d *datasync) Stop()                 { d.calls = append(d.calls, "stop") }
func (d *datasync) SetPaused(paused bool) { d.calls = append(d.calls, fmt.Sprint("paused ", paused)) }

func TestDataSync(t *testing.T) {
	d := &datasync{}
	r, err := reliability.New(reliability.Options{DB: database(t), Person: "p", Installation: "i", DataSync: d})
	check(t, err)
	check(t, r.Start())
	check(t, r.Start())
	r.SetPaused(true)
	r.SetPaused(false)
	r.Stop()
	r.Stop()
	check(t, r.Start())
	check(t, r.Close())
	if got := strings.Join(d.calls, ", "); got != "start, paused true, paused false, stop, start, stop" {
		t.Errorf("datasync: %s", got)
	}
	d.err = errors.New("no datasync")
	checkIs(t, "Start", r.Start(), d.err)
	_, err = r.Receipt("a")
	checkIs(t, "after a Start that failed", err, reliability.ErrSDSManagerUnavailable)
}

// A manager that can't be made surfaces, and what was started is stopped again.
func TestStartFails(t *testing.T) {
	d := &datasync{}
	db := database(t)
	check(t, db.Close())
	r, err := reliability.New(reliability.Options{DB: db, Person: "p", Installation: "i", DataSync: d})
	check(t, err)
	if r.Start() == nil || r.Started() {
		t.Error("started on a closed database")
	}
	if got := strings.Join(d.calls, ", "); got != "start, stop" {
		t.Errorf("datasync: %s", got)
	}
	_, err = r.UpdateDescription(context.Background(), town(1, "p"))
	check(t, err)
}
