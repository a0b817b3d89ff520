package town

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/transport/loopback"
)

// entry is a message of a log.
type entry struct {
	message
	id     string
	person causeway.PersonID
}

// said is a message that somebody sent.
type said struct {
	entry
	from     *device
	audience []causeway.PersonID // without its sender
	want     causeway.Want
	all      bool // everybody was online then, and stayed so

	// What the sender's node told; guarded by town.mu.
	at, known90 time.Time
	now         causeway.ReceiptNow
}

func (s *said) mid() causeway.MessageID { return causeway.MessageID(s.id) }

// receipt is that of the life that the sender has now.
func (s *said) receipt() *causeway.Receipt { return s.from.channel(s.Chat).Receipt(s.mid()) }

// note takes down what the sender of a message is told. It may be called from
// anywhere, and before the test knows of the message.
func (w *town) note(d *device, e *causeway.Event) {
	own := e.Kind == causeway.EventDelivered && e.Message.Own && e.Message.Sender == community.Participant(d.person, d.installation)
	if e.Receipt == nil && !own {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.record(e.ID)
	if own {
		s.at = e.At
		return
	}
	s.now = *e.Receipt
	if s.known90.IsZero() && e.Receipt.Of > 0 && 10*e.Receipt.Seen >= 9*e.Receipt.Of {
		s.known90 = e.At
	}
}

// record is what is known of a message; the caller has the lock.
func (w *town) record(id causeway.MessageID) *said {
	if w.said[id] == nil {
		w.said[id] = &said{}
	}
	return w.said[id]
}

// seen is how many persons the sender knows to have a message.
func (w *town) seen(s *said) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return s.now.Seen
}

// holds tells whether a person has a message now, on some device.
func (w *town) holds(person causeway.PersonID, ch causeway.ChannelID, id causeway.MessageID) bool {
	return slices.ContainsFunc(w.devices, func(d *device) bool {
		if d.person != person {
			return false
		}
		kept, err := d.audit.Message(context.Background(), ch, id)
		return err == nil && kept.Sealed != nil
	})
}

// referee is a node's observer: no receipt may count a person who does not have the
// message, at the moment when it becomes durable.
type referee struct {
	d        *device
	complain func(format string, args ...any)
}

// Committing implements causeway.Observer.
func (r *referee) Committing(_ store.Tx, events []causeway.Event) error {
	for i := range events {
		if events[i].Receipt == nil {
			continue
		}
		for _, p := range events[i].Receipt.Persons {
			if !r.d.w.holds(p, events[i].Channel, events[i].ID) {
				r.complain("%s counts %s, who does not have %s", r.d.name(), p, events[i].ID)
			}
		}
	}
	return nil
}

// TestReferee: a referee complains about who does not have what is counted, and about
// nobody else. One of somebody's devices is enough.
func TestReferee(t *testing.T) {
	w := &town{t: t}
	for _, installation := range []string{"phone", "laptop"} {
		w.devices = append(w.devices, &device{home: home{person: "mia", installation: installation}, w: w, audit: store.NewMemory()})
	}
	network, err := loopback.New(loopback.Options{})
	check(t, err)
	defer network.Close()
	end, err := network.Attach("mia")
	check(t, err)
	node, err := causeway.Open(t.Context(), causeway.Options{Store: w.devices[1].audit, Transport: end})
	check(t, err)
	defer node.Close()
	ch, err := node.Join(t.Context(), causeway.ChannelConfig{Channel: "room", Participant: "mia/laptop"})
	check(t, err)
	sent, err := ch.Send(t.Context(), []byte("here"), causeway.SendOptions{})
	check(t, err)
	_, err = sent.WaitFor(w.within(), causeway.Sent)
	check(t, err)
	var complaints []string
	r := &referee{w.devices[0], func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }}
	receipt := func(ch causeway.ChannelID, id causeway.MessageID, persons ...causeway.PersonID) []causeway.Event {
		return []causeway.Event{{Channel: ch, ID: id, Kind: causeway.EventReceipt, Receipt: &causeway.ReceiptNow{ID: id, Persons: persons}}, {Kind: causeway.EventGap}}
	}
	check(t, r.Committing(nil, receipt("room", sent.ID(), "mia")))
	if len(complaints) > 0 {
		t.Errorf("complaints without a reason: %q", complaints)
	}
	check(t, r.Committing(nil, receipt("room", "nothing", "mia")))
	check(t, r.Committing(nil, receipt("attic", sent.ID(), "mia")))
	check(t, r.Committing(nil, receipt("room", sent.ID(), "max")))
	if len(complaints) != 3 {
		t.Errorf("complaints: %q", complaints)
	}
}

// watched is telemetry beside a referee.
type watched struct {
	*telemetry.Telemetry
	referee *referee
}

// Committing implements causeway.Observer.
func (o *watched) Committing(tx store.Tx, events []causeway.Event) error {
	if err := o.referee.Committing(tx, events); err != nil {
		return err
	}
	return o.Telemetry.Committing(tx, events)
}

// honest fails if a receipt counts somebody twice, who is not of the audience, or
// who lacks some of the content; and if it does not say what it was asked.
func (w *town) honest(s *said) causeway.ReceiptNow {
	w.t.Helper()
	now, err := s.receipt().Now(w.within())
	check(w.t, err)
	of := len(s.audience)
	if w.wide { // some can't read it
		of = len(w.readers(community.WholeCommunity)) - 1
	}
	if sorted := slices.Compact(slices.Sorted(slices.Values(now.Persons))); now.Of != of || now.Seen != len(sorted) || len(sorted) != len(now.Persons) {
		w.t.Errorf("%q of %s: %d of %d have it, %v; the audience is %v", s.Text, s.from.name(), now.Seen, now.Of, now.Persons, s.audience)
	}
	for _, p := range now.Persons {
		if !slices.Contains(s.audience, p) || !w.reads(p, s) {
			w.t.Errorf("%q of %s counts %s", s.Text, s.from.name(), p)
		}
	}
	if now.Level >= causeway.Reached && !w.satisfied(s.want, &now) {
		w.t.Errorf("%q of %s is said to have reached what was wanted, %+v: %+v", s.Text, s.from.name(), s.want, now)
	}
	return now
}

// satisfied tells whether those who have a message are enough.
func (w *town) satisfied(want causeway.Want, now *causeway.ReceiptNow) bool {
	w.t.Helper()
	has := func(p causeway.PersonID) bool { return slices.Contains(now.Persons, p) }
	switch want.Kind {
	case causeway.Everyone.Kind:
		return now.Seen == now.Of
	case causeway.Fraction(1).Kind:
		return float64(now.Seen) >= want.Fraction*float64(now.Of)
	case causeway.Persons().Kind:
		return !slices.ContainsFunc(want.Persons, func(p causeway.PersonID) bool { return !has(p) })
	case causeway.Stewards.Kind:
		roster, err := w.now.Roster(lounge)
		check(w.t, err)
		return slices.ContainsFunc(roster.Stewards, has)
	}
	return now.Seen > 0
}

// reads tells whether a person can read the whole of a message, on some device.
func (w *town) reads(person causeway.PersonID, s *said) bool {
	return slices.ContainsFunc(w.devices, func(d *device) bool {
		ch := d.channel(s.Chat)
		if d.person != person || ch == nil {
			return false
		}
		m, err := ch.Message(w.within(), s.mid())
		return err == nil && bytes.Equal(m.Content, s.encode())
	})
}

// log is the log of a chat on a device: in the channel of a whole community what of
// it is of that chat.
func (d *device) log(chat string) (entries []entry) {
	w := d.w
	w.t.Helper()
	persons := map[causeway.ParticipantID]causeway.PersonID{}
	for _, h := range w.devices {
		persons[community.Participant(h.person, h.installation)] = h.person
	}
	q := causeway.Log{Limit: 200}
	for {
		page, more, err := d.channel(chat).Messages(w.within(), q)
		check(w.t, err)
		for _, m := range page {
			e := entry{id: string(m.ID), person: persons[m.Sender]}
			if e.message, err = parse(m.Content); err != nil {
				w.t.Errorf("%s: %s: %v", d.name(), m.ID, err)
			}
			if e.Chat == chat {
				entries = append(entries, e)
			}
		}
		if !more {
			return entries
		}
		q.After = page[len(page)-1].Place()
	}
}

// mayWrite tells whether an application shows what somebody wrote. What somebody
// wrote before a ban stays.
func (w *town) mayWrite(chat string) func(entry) bool {
	return func(e entry) bool {
		ok, err := w.now.CanPost(chat, e.person)
		return err == nil && (ok || slices.Contains(w.now.Banned, e.person))
	}
}

// compareLogs fails if devices have different logs of a chat, or show something else
// than what was said.
func (w *town) compareLogs(chat string, except ...*device) {
	w.t.Helper()
	mayWrite := w.mayWrite(chat)
	var whole []entry
	for _, s := range w.all {
		if s.Chat == chat {
			whole = append(whole, s.entry)
		}
	}
	want := show(whole, mayWrite)
	digests := map[string]store.Digest{}
	for _, d := range w.devices {
		if !slices.Contains(w.readable(w.now, d.person), chat) || slices.Contains(except, d) {
			continue
		}
		if got := show(d.log(chat), mayWrite); !reflect.DeepEqual(got, want) {
			w.t.Errorf("%s shows in the %s %d lines and %d reactions, not %d and %d: %v", d.name(), chatNames[chat], len(got.lines), len(got.reactions),
				len(want.lines), len(want.reactions), missing(got.lines, want.lines))
		}
		now, err := d.channel(chat).Digest(w.within())
		check(w.t, err)
		others := "" // whose log is to be the same
		if w.wide {
			others = fmt.Sprint(w.readable(w.now, d.person))
		}
		if first, ok := digests[others]; ok && first != now {
			w.t.Errorf("%s has another log of the %s: %d messages, not %d", d.name(), chatNames[chat], now.Count, first.Count)
		}
		digests[others] = now
	}
}

// missing are the lines that are not as wanted.
func missing(got, want map[string]string) (lines []string) {
	for id, text := range want {
		if got[id] != text {
			lines = append(lines, fmt.Sprintf("%q, not %q", got[id], text))
		}
	}
	for id, text := range got {
		if _, ok := want[id]; !ok {
			lines = append(lines, fmt.Sprintf("%q too much", text))
		}
	}
	return lines
}

// reached90 is how long a message took to 90 % of its audience, each person on the
// first device; false if it has not come so far.
func (w *town) reached90(s *said, times func(*device) map[causeway.MessageID]time.Time) (time.Duration, bool) {
	var took []time.Duration
	for _, p := range s.audience {
		first := time.Duration(-1)
		for _, d := range w.devices {
			d.mu.Lock()
			if at, ok := times(d)[s.mid()]; ok && d.person == p && (first < 0 || at.Sub(s.at) < first) {
				first = max(0, at.Sub(s.at))
			}
			d.mu.Unlock()
		}
		if first >= 0 {
			took = append(took, first)
		}
	}
	need := (9*len(s.audience) + 9) / 10
	if len(took) < need || need == 0 {
		return 0, false
	}
	slices.Sort(took)
	return took[need-1], true
}

// slowest prints which messages took longest to which device, in order.
func (w *town) slowest() {
	type arrival struct {
		took time.Duration
		text string
	}
	var all []arrival
	for _, d := range w.devices {
		d.mu.Lock()
		for id, at := range d.times {
			if s := w.said[id]; s != nil && s.from != nil {
				shown := d.arrivals[id].Sub(s.at).Round(10 * time.Millisecond)
				all = append(all, arrival{at.Sub(s.at), fmt.Sprintf("%q at %s, which had it after %v", s.Text, d.name(), shown)})
			}
		}
		d.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b arrival) int { return cmp.Compare(b.took, a.took) })
	for _, a := range all[:min(3, len(all))] {
		w.t.Logf("%v: %s", a.took.Round(10*time.Millisecond), a.text)
	}
}

// quantile of sorted times.
func quantile(times []time.Duration, q float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)-1, int(q*float64(len(times))))].Round(10 * time.Millisecond)
}

// figures prints what the documents say of a run. Of each pair the first is for all
// messages, the second for those that were said while everybody was online.
func (w *town) figures(began time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, online := range []bool{false, true} {
		var here, ordered, known []time.Duration
		count, reached := 0, 0
		for _, s := range w.all {
			if s.now.Superseded != "" || online && !s.all {
				continue
			}
			count++
			if took, ok := w.reached90(s, func(d *device) map[causeway.MessageID]time.Time { return d.arrivals }); ok {
				here = append(here, took)
			}
			if took, ok := w.reached90(s, func(d *device) map[causeway.MessageID]time.Time { return d.times }); ok {
				ordered = append(ordered, took)
			}
			if !s.known90.IsZero() {
				known = append(known, s.known90.Sub(s.at))
			}
			if s.now.Level >= causeway.Reached {
				reached++
			}
		}
		w.t.Logf("all online %-5v %3d messages, %d reached what was wanted; 90 %% of the audience: have it p50/p95 %s, in order %s, known to the sender %s",
			online, count, reached, spread(here), spread(ordered), spread(known))
	}
	var x causeway.Metrics
	for _, d := range w.devices {
		add(&x, d.earlier)
		add(&x, d.node.Metrics())
	}
	var lost, heard uint64
	for _, d := range w.devices { // of olga her last life
		s := d.waku.Stats()
		lost, heard = lost+s.Dropped.Lost, heard+s.Received
	}
	w.slowest()
	n := uint64(len(w.devices))
	var sent, packets uint64
	for _, c := range x.Sent {
		sent, packets = sent+c.Bytes, packets+c.Packets
	}
	w.t.Logf("%d people, %d devices, %v; a device sent %d packets of %d bytes, %d bytes of them content messages, and received %d bytes and %d from stores",
		len(w.now.Members), n, time.Since(began).Round(time.Second), packets/n, sent/n, x.Sent[sds.ClassContent].Bytes/n, x.Received.Bytes/n, x.Retrieved.Bytes/n)
	count := func(c sds.Class) uint64 { return x.Sent[c].Packets }
	w.t.Logf("packets of all: content %d, resend %d, repair %d (%d bytes), request %d, ack %d, sync %d", count(sds.ClassContent), count(sds.ClassResend),
		count(sds.ClassRepair), x.Sent[sds.ClassRepair].Bytes, count(sds.ClassRequest), count(sds.ClassAck), count(sds.ClassSync))
	w.t.Logf("%d of %d envelopes were lost; gaps found %d, recovered %d, given up %d; packets for others %d", lost, lost+heard,
		x.GapsFound, x.GapsRecovered, x.GapsLost, x.NotForMe)
	if lost == 0 || x.GapsRecovered == 0 {
		w.t.Error("nothing was lost, or nothing was recovered")
	}
}

// spread is the median and the 95th percentile, of how many.
func spread(times []time.Duration) string {
	return fmt.Sprintf("%v/%v of %d", quantile(times, 0.5), quantile(times, 0.95), len(times))
}

// add adds all counters of a life.
func add(to *causeway.Metrics, from causeway.Metrics) {
	addAll(reflect.ValueOf(to).Elem(), reflect.ValueOf(from))
}

func addAll(to, from reflect.Value) {
	switch to.Kind() {
	case reflect.Struct:
		for i := range to.NumField() {
			addAll(to.Field(i), from.Field(i))
		}
	case reflect.Array:
		for i := range to.Len() {
			addAll(to.Index(i), from.Index(i))
		}
	case reflect.Uint64:
		to.SetUint(to.Uint() + from.Uint())
	}
}
