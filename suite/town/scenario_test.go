package town

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
)

// TestTown: a day in a community, of which 5 % of all packets are lost for each
// receiver. In the end all logs of a chat are the same and show what was said, every
// want is reached, and no receipt counted who did not have the message.
func TestTown(t *testing.T) {
	t.Parallel()
	more, rounds := 0, 2
	if nightly {
		more, rounds = 13, 4
	}
	began := time.Now()
	w := newTown(t, newPlan(more), false, *lossFlag)
	w.run([]step{{"hello", w.hello}, {"talk", func() { w.talk(rounds) }}, {"toggle", w.toggle}, {"picture", w.picture}, {"gate", w.gate},
		{"ban", w.ban}, {"owner", w.owner}, {"cut", w.cut}, {"light", w.light}, {"no store", w.noStore}})
	w.reachAll(w.device("eve", "desk"))
	for _, chat := range []string{lounge, vault, news} {
		w.compareLogs(chat)
	}
	w.forbiddenIsHidden()
	w.figures(began)
	w.checkTelemetry()
}

// step is something that happens in the town.
type step struct {
	name string
	do   func()
}

// run does one step after the other, until one fails.
func (w *town) run(steps []step) {
	w.t.Helper()
	for _, s := range steps {
		start := time.Now()
		s.do()
		w.t.Logf("%-8s %v", s.name, time.Since(start).Round(10*time.Millisecond))
		if w.t.Failed() {
			w.report()
			w.t.FailNow()
		}
	}
}

// say sends a message.
func (d *device) say(m message, to ...causeway.PersonID) *said {
	w := d.w
	w.t.Helper()
	w.clock++
	m.Clock = w.clock
	s := &said{entry: entry{message: m, person: d.person}, from: d}
	readers := w.readers(m.Chat)
	s.audience = slices.DeleteFunc(readers, func(p causeway.PersonID) bool { return p == d.person })
	profile := causeway.ProfileLIP
	if w.wide {
		profile = causeway.ProfileStatusGo
	}
	o, err := community.KindOf(m.Type).SendOptions(profile, len(s.audience), m.fields(string(d.person)), to...)
	check(w.t, err)
	if w.wide {
		o.ID = community.SDSID(m.encode())
		if o.Want.Kind == causeway.Everyone.Kind && m.Chat != lounge {
			o.Want = causeway.Persons(s.audience...) // the others can't read it
		}
	}
	s.want = o.Want
	r, err := d.channel(m.Chat).Send(w.within(), m.encode(), o)
	check(w.t, err)
	s.id = string(r.ID())
	if o.Ephemeral {
		return s
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	early := w.record(s.mid())
	s.at, s.known90, s.now = early.at, early.known90, early.now
	w.said[s.mid()] = s
	w.all = append(w.all, s)
	return s
}

func (d *device) chat(chat, text string) *said {
	d.w.t.Helper()
	return d.say(message{Type: community.ChatMessage, Chat: chat, Text: d.name() + ": " + text})
}

// arrived waits until all devices of those who can read these messages have them.
func (w *town) arrived(what string, all []*said, except ...*device) {
	w.t.Helper()
	w.await(what, func() bool {
		for _, s := range all {
			for _, d := range w.devices {
				mayRead := d.person == s.person || slices.Contains(s.audience, d.person)
				if mayRead && !slices.Contains(except, d) && !d.got(s.mid()) {
					return false
				}
			}
		}
		return true
	})
}

// reach waits for a level of a message, and checks what its receipt says.
func (w *town) reach(s *said, level causeway.Level) causeway.ReceiptNow {
	w.t.Helper()
	if now, err := s.receipt().WaitFor(w.within(), level); err != nil {
		w.report()
		w.t.Fatalf("%q of %s is at %v, known of %v of %v: %v", s.Text, s.from.name(), now.Level, now.Persons, s.audience, err)
	}
	return w.honest(s)
}

// reachAll waits until every message is everywhere and has reached what was wanted,
// but for those that were replaced and have nothing more to reach.
func (w *town) reachAll(except ...*device) {
	w.t.Helper()
	var live []*said
	for _, s := range w.all {
		now, err := s.receipt().Now(w.within())
		check(w.t, err)
		if now.Superseded == "" {
			live = append(live, s)
		}
	}
	w.arrived("everything everywhere", live, except...)
	for _, s := range live {
		w.reach(s, causeway.Reached)
	}
}

// hello: somebody speaks in each chat, and everybody hears it. Persons are counted,
// not devices.
func (w *town) hello() {
	w.t.Helper()
	all := []*said{w.device("adam", "server").chat(lounge, "hello"), w.device("olga", "server").chat(vault, "hello"), w.device("adam", "server").chat(news, "hello"),
		w.device("mia", "phone").chat(lounge, "hello")}
	w.arrived("hello", all)
	for _, s := range all {
		now := w.reach(s, causeway.SeenByAll)
		if now.Seen != now.Of || now.Of != len(w.readers(s.Chat))-1 {
			w.t.Errorf("%q: %+v", s.Text, now)
		}
	}
}

// talk: everybody writes, edits, reacts and deletes; who is there is told to who is
// there.
func (w *town) talk(rounds int) {
	w.t.Helper()
	rng := rand.New(rand.NewPCG(w.seed, 99))
	first := len(w.all)
	statuses := 0
	for i := range rounds * len(w.devices) {
		d := w.devices[i%len(w.devices)]
		last := w.all[len(w.all)-1]
		var s *said
		switch mine := w.mine(d); {
		case rng.IntN(6) == 0 && mine != nil:
			s = d.say(message{Type: community.EditMessage, Chat: lounge, Target: mine.id, Text: fmt.Sprintf("%s: version %d", d.name(), i)})
		case rng.IntN(6) == 0 && last.Chat == lounge:
			s = d.say(message{Type: community.EmojiReaction, Chat: lounge, Target: last.id, Emoji: "4"})
		case i == len(w.devices)+2 && mine != nil:
			s = d.say(message{Type: community.DeleteMessage, Chat: lounge, Target: mine.id})
		default:
			s = d.chat(lounge, fmt.Sprint("line ", i))
		}
		if i%4 == 0 && !w.wide { // the deployed dialect has no such messages
			d.say(message{Type: community.StatusUpdate, Chat: lounge, Text: d.name()})
			statuses++
		}
		w.await("somebody else to have it", func() bool {
			return slices.ContainsFunc(w.devices, func(o *device) bool { return o != d && o.got(s.mid()) })
		})
	}
	for _, s := range w.all[first:] {
		s.all = true
	}
	w.stir()
	w.arrived("the talk", w.all[first:])
	w.await("somebody to know who is there", func() bool { return statuses == 0 || w.statuses() > 0 })
	if n := w.statuses(); n > statuses*len(w.devices) {
		w.t.Errorf("%d came of %d ephemeral messages", n, statuses)
	}
	check(w.t, w.posterOnly())
}

// mine is a line of a device, in the lounge.
func (w *town) mine(d *device) *said {
	for _, s := range slices.Backward(w.all) {
		if s.from == d && s.Chat == lounge && s.Type == community.ChatMessage {
			return s
		}
	}
	return nil
}

// statuses counts the ephemeral messages that came anywhere.
func (w *town) statuses() (n int) {
	for _, d := range w.devices {
		d.mu.Lock()
		n += len(d.ephemeral)
		d.mu.Unlock()
	}
	return n
}

const forbidden = "I am not allowed to"

// posterOnly: ben, who has the key of the news, writes there though he may not.
func (w *town) posterOnly() error {
	may, err := w.now.CanPost(news, "ben")
	if err != nil || may {
		return fmt.Errorf("ben may write news: %v, %v", may, err)
	}
	w.device("ben", "desk").chat(news, forbidden)
	w.device("adam", "server").chat(news, "something happened")
	return nil
}

// forbiddenIsHidden: what ben wrote is in all logs of the news, and nobody shows it.
func (w *town) forbiddenIsHidden() {
	w.t.Helper()
	text := w.device("ben", "desk").name() + ": " + forbidden
	for _, d := range w.devices {
		if !slices.Contains(w.readable(w.now, d.person), news) {
			continue
		}
		entries := d.log(news)
		if !slices.ContainsFunc(entries, func(e entry) bool { return e.Text == text && e.person == "ben" }) {
			w.t.Errorf("%s does not have what ben wrote", d.name())
		}
		for _, line := range show(entries, w.mayWrite(news)).lines {
			if line == text {
				w.t.Errorf("%s shows what ben wrote", d.name())
			}
		}
	}
}

// toggle: a phone without network sets a reaction and takes it back, eagerly. What
// comes of it is the last.
func (w *town) toggle() {
	w.t.Helper()
	w.calm.Store(w.wide) // what is written offline has no hint yet, by which deployed members fetch what they lost
	defer w.calm.Store(false)
	phone := w.device("mia", "phone")
	target := w.device("adam", "server").chat(lounge, "what do you think?")
	w.stir()
	w.arrived("the question", []*said{target})
	phone.setOnline(false)
	var clicks []*said
	for i := range 7 {
		clicks = append(clicks, phone.say(message{Type: community.EmojiReaction, Chat: lounge, Target: target.id, Emoji: "1", Retract: i%2 == 1}))
	}
	phone.setOnline(true)
	w.stir()
	w.arrived("the last click", clicks[6:])
	w.reach(clicks[6], causeway.Reached)
	for i, s := range clicks[:6] {
		now, err := s.receipt().Now(w.within())
		check(w.t, err)
		if now.Superseded != clicks[i+1].mid() || !w.wide && now.Level != causeway.Queued {
			w.t.Errorf("click %d: %+v", i, now)
		}
	}
	for _, d := range w.devices {
		clicked := 0
		for _, e := range d.log(lounge) {
			if e.Type == community.EmojiReaction && e.Target == target.id {
				clicked++
			}
		}
		if clicked != 1 && !w.wide { // in the deployed dialect all go out, and the newest clock wins
			w.t.Errorf("%s has %d reactions", d.name(), clicked)
		}
	}
}

// picture: 300 kB reach everybody, in several messages with one receipt.
func (w *town) picture() {
	w.t.Helper()
	pixels := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{1}).Read(pixels)
	s := w.device("max", "desk").say(message{Type: community.ChatMessage, Chat: lounge, Text: "a picture", Picture: pixels})
	w.stir()
	w.arrived("the picture", []*said{s})
	for _, d := range w.devices {
		m, err := d.channel(lounge).Message(w.within(), s.mid())
		check(w.t, err)
		got, err := parse(m.Content)
		check(w.t, err)
		if parts := len(pixels)/102_400 + 1; !bytes.Equal(got.Picture, pixels) || m.Damaged || !w.wide && m.Segments != parts {
			w.t.Errorf("%s has %d bytes in %d messages", d.name(), len(got.Picture), m.Segments)
		}
	}
	if w.wide {
		return
	}
	if now := w.reach(s, causeway.SeenByAll); now.Seen != len(s.audience) {
		w.t.Errorf("the picture: %+v", now)
	}
}

// gate: what is said in the vault reaches those who have its key, and holds up nobody
// else.
func (w *town) gate() {
	w.t.Helper()
	mia, max, ben := w.device("mia", "laptop"), w.device("max", "desk"), w.device("ben", "desk")
	before := ben.node.Metrics().NotForMe
	secrets := []*said{mia.chat(vault, "who is here?"), max.chat(vault, "I am"), mia.chat(vault, "good")}
	open := []*said{ben.chat(lounge, "a line between"), max.chat(lounge, "another")}
	w.arrived("what is said in the vault", secrets)
	w.arrived("what is said beside it", open)
	for _, s := range secrets {
		now := w.reach(s, causeway.SeenByAll)
		if slices.Contains(now.Persons, "ben") || now.Of != len(w.readers(vault))-1 {
			w.t.Errorf("%q: %+v", s.Text, now)
		}
		for _, d := range w.devices {
			if !slices.Contains(w.readers(vault), d.person) && (d.got(s.mid()) || len(d.channels) != 2) {
				w.t.Errorf("%s has %q", d.name(), s.Text)
			}
		}
	}
	w.await("ben to be passed by", func() bool { return ben.node.Metrics().NotForMe > before })
	w.reach(open[0], causeway.SeenByAll)
}

// publish lets olga say what the community is from now on, beside its channels.
func (w *town) publish(change func(*community.Description)) {
	w.t.Helper()
	_, err := community.KindOf(community.DescriptionOf).SendOptions(causeway.ProfileLIP, 1, community.Fields{})
	if !errors.Is(err, community.ErrBeside) {
		w.t.Errorf("a description goes through the channel: %v", err)
	}
	change(w.now)
	w.now.Clock++
	b, err := json.Marshal(w.now)
	check(w.t, err)
	olga := w.device("olga", "server")
	_, err = olga.waku.Publish(w.within(), transport.Envelope{Topic: community.DescriptionTopic(w.now.Community).Transport(), Payload: b})
	check(w.t, err)
	olga.describe(b)
	w.await("the description", func() bool {
		return !slices.ContainsFunc(w.devices, func(d *device) bool { return d.follower.Version() < w.now.Clock })
	})
}

// ban: eve is banned. She counts for what was said before, and for nothing after it,
// which she can't read.
func (w *town) ban() {
	w.t.Helper()
	olga, eve := w.device("olga", "server"), w.device("eve", "desk")
	w.reachAll()
	kick := olga.say(message{Type: community.MemberKicked, Chat: lounge, Target: "eve"})
	before := olga.chat(lounge, "before the ban")
	now := w.reach(before, causeway.SeenByAll)
	everybody := now.Of
	if !slices.Contains(now.Persons, "eve") {
		w.t.Errorf("before the ban: %+v", now)
	}
	w.reach(kick, causeway.Reached)
	w.arrived("what was said before the ban", []*said{kick, before})
	w.publish(func(d *community.Description) { d.Banned = append(d.Banned, "eve") })
	unread := eve.node.Metrics().NotForMe
	after := olga.chat(lounge, "after the ban")
	if now := w.reach(after, causeway.SeenByAll); now.Of != everybody-1 || slices.Contains(now.Persons, "eve") {
		w.t.Errorf("after the ban: %+v", now)
	}
	w.await("eve to hear what she can't read", func() bool { return eve.node.Metrics().NotForMe > unread })
	if now := w.honest(before); now.Of != everybody || !slices.Contains(now.Persons, "eve") {
		w.t.Errorf("before the ban, later: %+v", now)
	}
	if eve.got(after.mid()) {
		w.t.Error("eve reads what was said after the ban")
	}
}

// owner: the control node is away. A steward answers for it, who wants everybody
// waits, and it comes back with another life.
func (w *town) owner() {
	w.t.Helper()
	olga, ben := w.device("olga", "server"), w.device("ben", "desk")
	olga.stop()
	request := w.device("lea", "phone").say(message{Type: community.RequestToJoin, Chat: lounge, Text: "let my friend in"})
	missed := []*said{ben.chat(lounge, "where is olga?"), w.device("adam", "server").chat(lounge, "at the dentist"), w.device("max", "desk").chat(vault, "not here")}
	w.arrived("what olga misses", missed, olga)
	now, err := request.receipt().WaitFor(w.within(), causeway.Reached)
	if err != nil || slices.Contains(now.Persons, "olga") || !w.satisfied(causeway.Stewards, &now) {
		w.t.Errorf("the request: %+v, %v", now, err)
	}
	w.await("ben to know of all but olga", func() bool { return w.seen(missed[0]) == len(missed[0].audience)-1 })
	if now, err := missed[0].receipt().Now(w.within()); err != nil || now.Level >= causeway.Reached || slices.Contains(now.Persons, "olga") {
		w.t.Errorf("without olga: %+v, %v", now, err)
	}
	olga.start()
	w.arrived("what olga missed", append(missed, request))
	w.reach(missed[0], causeway.SeenByAll)
	w.reach(olga.chat(lounge, "I am back"), causeway.SeenByAll)
}

// cut: a relay member is offline for a while, writes, and catches up.
func (w *town) cut() {
	w.t.Helper()
	max := w.device("max", "desk")
	max.setOnline(false)
	own := max.chat(lounge, "is anybody there?")
	var others []*said
	for i := range 10 {
		others = append(others, w.devices[i%2].chat(lounge, fmt.Sprint("while max is away ", i)))
	}
	w.arrived("what max misses", others, max, w.device("eve", "desk"))
	if now, err := own.receipt().Now(w.within()); err != nil || now.Level != causeway.Queued || max.got(others[9].mid()) {
		w.t.Errorf("while max is away: %+v, %v", now, err)
	}
	max.setOnline(true)
	w.arrived("what max missed, and what he said", append(others, own))
	w.reach(own, causeway.SeenByAll)
}

// light: one of the two service nodes dies.
func (w *town) light() {
	w.t.Helper()
	lea := w.device("lea", "phone")
	w.services[0].Close()
	first := []*said{lea.chat(lounge, "I hang on one thread"), w.device("ben", "desk").chat(lounge, "do you hear me?")}
	w.arrived("what is said at that time", first)
	w.await("one service node", func() bool { return lea.receivingFrom() == 1 })
	s := lea.chat(lounge, "it works")
	w.arrived("what is said by the other", []*said{s})
	w.reach(s, causeway.SeenByAll)
}

// noStore: the store goes away, and somebody misses something: members repair it.
func (w *town) noStore() {
	w.t.Helper()
	ben := w.device("ben", "desk")
	w.store.Close()
	ben.deaf.Store(true)
	var all []*said
	for i := range 3 {
		all = append(all, w.devices[i].chat(lounge, fmt.Sprint("ben does not hear this ", i)))
	}
	w.arrived("what ben misses", all, ben)
	ben.deaf.Store(false)
	w.arrived("what ben missed", all)
	for _, s := range all {
		if m := ben.message(s.mid()); m.Retrieved {
			w.t.Errorf("%q came from a store", s.Text)
		}
		w.reach(s, causeway.SeenByAll)
	}
	if _, err := ben.waku.Query(w.within(), transport.Query{Topic: "x", From: time.Now().Add(-time.Hour), To: time.Now(), Limit: 1}); !errors.Is(err, transport.ErrUnavailable) {
		w.t.Errorf("the store is not away: %v", err)
	}
	if _, err := ben.audit.Message(w.within(), ben.channel(lounge).ID(), "nothing"); !errors.Is(err, store.ErrNotFound) {
		w.t.Errorf("a message that was never said: %v", err)
	}
}
