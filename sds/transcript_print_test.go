package sds_test

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/pace"
	"github.com/causeway-im/causeway/sds/sketch"
	"github.com/causeway-im/causeway/sds/wire"
)

// say notes an event: when, who, what.
func (w *world) say(who, format string, list ...any) {
	at := w.now.Sub(start)
	w.said = append(w.said, fmt.Sprintf("%d.%03d %s: %s", at.Milliseconds()/1000, at.Milliseconds()%1000,
		who, fmt.Sprintf(format, list...)))
}

// plain notes a line of a report.
func (w *world) plain(format string, list ...any) {
	w.said = append(w.said, strings.TrimRight(fmt.Sprintf(format, list...), " "))
}

// tell prints what a Ready wants done. Left out is what always follows: that
// content which is delivered arrived, that packets are queued before they are
// sent.
func (w *world) tell(h *host, r sds.Ready) {
	for _, a := range r.Arrivals {
		w.arrival(h, r, a)
	}
	for _, d := range r.Deliveries {
		w.delivery(h, d)
	}
	w.gaps(h, r.Gaps)
	w.losses(h, r.Losses)
	for _, p := range r.Packets {
		if p.Payload == nil {
			w.say(h.name, "packet %s %s", p.Class, w.name(p.ID))
			continue
		}
		if m, err := wire.Decode(p.Payload); err == nil {
			w.packet(h.name, p.Class, &m, len(p.Payload))
		}
	}
	for _, receipt := range r.Receipts {
		if receipt.Level > sds.LevelQueued || receipt.Undelivered {
			w.say(h.name, "receipt %s", w.receipt(receipt))
		}
	}
}

// tellBriefly counts what one of many does.
func (w *world) tellBriefly(r sds.Ready) {
	for _, d := range r.Deliveries {
		w.note("delivered " + w.name(d.ID))
	}
	for _, p := range r.Packets {
		if p.Payload == nil {
			w.note(fmt.Sprintf("packet %s %s", p.Class, w.name(p.ID)))
			continue
		}
		m, err := wire.Decode(p.Payload)
		if err != nil {
			continue
		}
		w.name(m.MessageID)
		e, _ := wire.ParseExtension(m.Extension)
		line := "packet " + p.Class.String()
		if len(m.RepairRequest) > 0 {
			line += fmt.Sprintf(" requests [%s]", w.entries(m.RepairRequest))
		}
		w.note(line + w.extras(&e))
	}
}

// note counts what somebody of many did.
func (w *world) note(what string) {
	i := slices.IndexFunc(w.tally, func(t tallied) bool { return t.what == what })
	if i < 0 {
		i = len(w.tally)
		w.tally = append(w.tally, tallied{what: what, first: w.now})
	}
	w.tally[i].count++
	w.tally[i].last = w.now
}

// flush says what was counted.
func (w *world) flush() {
	for _, t := range w.tally {
		first, last := t.first.Sub(start).Milliseconds(), t.last.Sub(start).Milliseconds()
		w.plain("%d.%03d … %d.%03d group: %d × %s", first/1000, first%1000, last/1000, last%1000, t.count, t.what)
	}
	w.tally = nil
}

// losses prints losses: by number, and how many a digest shows.
func (w *world) losses(h *host, losses []sds.Loss) {
	short := 0
	for _, l := range losses {
		if l.Sequence != 0 {
			w.say(h.name, "lost no. %d of %s", l.Sequence, l.Sender)
		} else {
			short++
		}
	}
	if short > 0 {
		w.say(h.name, "lost %d of a digest", short)
	}
}

// gaps prints gaps, in one line those whose state becomes the same.
func (w *world) gaps(h *host, gaps []sds.Gap) {
	var order []string
	names := map[string][]string{}
	for _, g := range gaps {
		state := fmt.Sprintf("%s%s%s", g.State, optional(" of ", string(g.Sender)), optional(" hint ", string(g.Hint)))
		if names[state] == nil {
			order = append(order, state)
		}
		names[state] = append(names[state], w.name(g.ID))
	}
	for _, state := range order {
		w.say(h.name, "gap %s %s", brief(names[state]), state)
	}
}

func (w *world) arrival(h *host, r sds.Ready, a sds.Arrival) {
	if a.Kind == wire.Ephemeral {
		w.say(h.name, "arrived %s, ephemeral, %q", w.name(a.ID), a.Content)
		return
	}
	if slices.ContainsFunc(r.Deliveries, func(d sds.Delivery) bool { return d.ID == a.ID }) {
		return
	}
	line := "arrived " + w.name(a.ID)
	if len(a.Missing) > 0 {
		line += fmt.Sprintf(", lacks [%s]", w.entries(a.Missing))
	}
	if a.Quarantined {
		line += ", quarantined"
	}
	if a.BelowJoin {
		line += ", below the join point"
	}
	w.say(h.name, "%s", line)
}

func (w *world) delivery(h *host, d sds.Delivery) {
	line := fmt.Sprintf("delivered %s at %d", w.name(d.ID), d.Position)
	if d.Own {
		line += ", own"
	}
	if d.Late {
		line += ", late"
	}
	if len(d.Gaps) > 0 {
		line += fmt.Sprintf(", without %s", some(w.namesOf(d.Gaps)))
	}
	w.say(h.name, "%s", line)
}

// packet prints a packet and names the message in it.
func (w *world) packet(who string, class sds.Class, m *wire.Message, size int) {
	if w.names[m.MessageID] == "" {
		w.bind(m.MessageID, w.fresh(map[bool]string{true: "s", false: "m"}[m.Kind() == wire.Sync]))
	}
	line := fmt.Sprintf("packet %s %s", class, w.name(m.MessageID))
	e, err := wire.ParseExtension(m.Extension)
	if err == nil && e.Sequence > 0 {
		line += fmt.Sprintf(" no. %d", e.Sequence)
	}
	line += fmt.Sprintf(" (%d B)", size)
	if m.Kind() != wire.Ephemeral {
		line += fmt.Sprintf(" names [%s]", w.entries(m.CausalHistory))
	}
	if len(m.RepairRequest) > 0 {
		line += fmt.Sprintf(" requests [%s]", w.entries(m.RepairRequest))
	}
	if len(m.BloomFilter) > 0 {
		line += fmt.Sprintf(" filter [%s]", w.filtered(m))
	}
	if err == nil && e.HasFingerprint {
		line += " claims"
		if len(e.Holes) > 0 {
			line += fmt.Sprintf(" all but [%s]", w.holes(e.Holes))
		}
	}
	if err == nil && e.HasAsk {
		line += " asks " + w.asked(e.Ask)
	}
	if err == nil {
		line += w.extras(&e)
	}
	w.say(who, "%s", line)
}

// extras prints digest, want, census and claims about the group.
func (w *world) extras(e *wire.Extension) string {
	since := func(lamport uint64) int64 { return int64(lamport) - int64(w.lamport(w.dialect, start)) }
	line := ""
	if e.Digest != nil {
		if d, err := sketch.Parse(e.Digest); err == nil {
			line += fmt.Sprintf(" digest of %d in +%d … +%d (%d symbols)", d.Messages, since(d.From), since(d.To)-1, len(d.Symbols))
		}
	}
	if len(e.Want) > 0 {
		line += fmt.Sprintf(" wants %s in +%d … +%d", w.wanted(e), since(e.WantFrom), since(e.WantTo)-1)
	}
	if x, ok := wire.ParseCensus(e.Census); ok && e.Census != nil {
		line += w.census(&x)
	}
	if e.GroupSize > 0 {
		line += fmt.Sprintf(" group of %d", pace.DecodeGroupSize(e.GroupSize))
	}
	if e.RoundTrip > 0 {
		line += fmt.Sprintf(" round trip %v", pace.DecodeRoundTrip(e.RoundTrip))
	}
	return line
}

// wanted names what short ids of a range stand for.
func (w *world) wanted(e *wire.Extension) string {
	key := sketch.NewKey([]byte(channel), e.WantFrom, e.WantTo)
	var ids []sds.MessageID
	for _, short := range e.Want {
		for id := range w.names {
			if key.ShortID(string(id)) == short {
				ids = append(ids, id)
			}
		}
	}
	return some(w.byAppearance(ids))
}

func (w *world) census(x *wire.Census) string {
	line := ""
	if x.Asks {
		line += fmt.Sprintf(" census of %d", x.Size)
		if x.Subject != 0 {
			line += fmt.Sprintf(" about [%s]", w.holes([]uint64{x.Subject}))
		}
		line += fmt.Sprintf(", sample of [%s]", w.holes([]uint64{x.Seed}))
	}
	if x.Map != nil {
		heard := 0
		for _, b := range x.Map {
			heard += bits.OnesCount8(b)
		}
		line += fmt.Sprintf(", heard %d", heard)
	}
	if len(x.Reports) > 0 {
		line += fmt.Sprintf(" reports [%s]", w.holes(x.Reports))
	}
	return line
}

func (w *world) entries(list []wire.HistoryEntry) string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = w.name(e.MessageID) + optional(" hint ", string(e.RetrievalHint))
	}
	return brief(names)
}

// brief shortens a long list.
func brief(names []string) string {
	if len(names) > 12 {
		names = append(append(slices.Clone(names[:4]), fmt.Sprintf("… %d …", len(names)-8)), names[len(names)-4:]...)
	}
	return strings.Join(names, " ")
}

func some(names []string) string { return "[" + brief(names) + "]" }

// filtered lists the known messages that a filter contains.
func (w *world) filtered(m *wire.Message) string {
	f, err := parseFilter(m)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, name := range w.order {
		if f.Contains(string(w.ids[name])) {
			names = append(names, name)
		}
	}
	return brief(names)
}

func parseFilter(m *wire.Message) (*bloom.Filter, error) {
	if m.Dialect == wire.Nim {
		return bloom.ParseNim(m.BloomFilter)
	}
	return bloom.ParseJS(m.BloomFilter, bloom.Default())
}

func (w *world) holes(short []uint64) string {
	var ids []sds.MessageID
	for _, s := range short {
		for id := range w.names {
			if sds.ShortID(channel, id) == s {
				ids = append(ids, id)
			}
		}
	}
	return brief(w.byAppearance(ids))
}

func (w *world) asked(short []uint32) string {
	if len(short) == 0 {
		return "everybody"
	}
	var names []string
	for id := range w.roster {
		if slices.Contains(short, sds.ShortParticipant(channel, id)) {
			names = append(names, string(id))
		}
	}
	slices.Sort(names)
	return some(names)
}

func (w *world) receipt(r sds.Receipt) string {
	line := w.name(r.ID) + " " + r.Level.String()
	if r.Level >= sds.LevelSeen || r.Seen > 0 {
		line += fmt.Sprintf(" %d of %d", r.Seen, r.Of)
	}
	if len(r.Persons) > 0 {
		names := make([]string, len(r.Persons))
		for i, p := range r.Persons {
			names[i] = string(p)
		}
		line += fmt.Sprintf(" (%s)", strings.Join(names, " "))
	}
	if r.Possibly > 0 {
		line += fmt.Sprintf(", possibly %d", r.Possibly)
	}
	if r.Seen > 0 && !r.Claimed {
		line += ", authenticated"
	}
	if r.Undelivered {
		line += ", undelivered"
	}
	if e := r.Estimate; e.Sample > 0 && r.Of > 31 { // else the sample is everybody
		line += fmt.Sprintf(", %d of %d asked: %.0f–%.0f %%", e.Heard, e.Sample, 100*e.Low, 100*e.High)
	}
	if r.Estimate.Verdict != sds.Undecided {
		line += ", " + r.Estimate.Verdict.String()
	}
	return line
}

func (w *world) receiptOf(h *host, id sds.MessageID) {
	if r, ok := h.ch.Receipt(id); ok {
		line := w.receipt(r)
		if len(r.Persons) > 12 {
			r.Persons = nil // they are many
			line = w.receipt(r)
		}
		w.plain("%s, %d heard lately", line, r.Present)
		return
	}
	w.plain("%s is no longer tracked", w.name(id))
}

// log lists the messages that a host has, by place.
func (w *world) log(a *args) {
	h := a.host(0)
	for _, m := range h.state.Log() {
		w.plain("%s %s +%d at %d", w.name(m.ID), m.Sender, m.Lamport-w.lamport(h.cfg.Dialect, start), m.Position)
	}
	w.rest(h)
}

// rest lists what is known of and has no place in the log.
func (w *world) rest(h *host) {
	for _, s := range []struct {
		state sds.MessageState
		name  string
	}{{sds.StateParked, "parked"}, {sds.StateGap, "gaps"}, {sds.StateMet, "met"}, {sds.StateNotForMe, "not for it"}} {
		var ids []sds.MessageID
		for id, m := range h.state.Messages {
			if m.State == s.state {
				ids = append(ids, id)
			}
		}
		if len(ids) > 0 {
			w.plain("%s %s", s.name, some(w.byAppearance(ids)))
		}
	}
}

// logs tells who has the same log.
func (w *world) logs(*args) {
	var order []string
	members := map[string][]string{}
	for _, h := range w.hosts {
		var names []string
		for _, m := range h.state.Log() {
			names = append(names, w.name(m.ID))
		}
		log := brief(names)
		if members[log] == nil {
			order = append(order, log)
		}
		members[log] = append(members[log], h.name)
	}
	for _, log := range order {
		w.plain("%s: %s", strings.Join(members[log], " "), log)
	}
}

// state prints what a host keeps, and how much its channel does.
func (w *world) state(a *args) {
	h := a.host(0)
	m := h.state.Meta
	line := fmt.Sprintf("clock +%d sequence %d position %d heads %s", m.Lamport-w.lamport(h.cfg.Dialect, start), m.Sequence,
		m.Position, some(w.byAppearance(m.Heads)))
	if m.Base > 0 {
		line += fmt.Sprintf(" base +%d", m.Base-w.lamport(h.cfg.Dialect, start))
	}
	if m.Forgotten > 0 {
		line += fmt.Sprintf(" forgotten %d", m.Forgotten)
	}
	w.plain("%s", line)
	w.rest(h)
	var ids []sds.MessageID
	for id := range h.state.Outgoing {
		ids = append(ids, id)
	}
	for _, name := range w.byAppearance(ids) {
		o := h.state.Outgoing[w.id(name)]
		w.plain("outgoing %s %s, seen by %d", name, o.Level, len(h.state.Seen[o.ID]))
	}
	s := h.ch.Sizes()
	w.plain("in memory: window %d, awaited %d, skipped %d, parked %d, answers %d", s.Window, s.Awaited, s.Skipped, s.Parked, s.Answers)
}

// fields lists the fields of a message as they are on the wire.
func (w *world) fields(b []byte) {
	var list []string
	for len(b) > 0 {
		n, typ, tag := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(n, typ, b[tag:])
		if tag < 0 || size < 0 {
			w.t.Fatalf("%s: not a message", w.where)
		}
		value := fmt.Sprintf("%d B", size)
		if typ == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(b[tag:])
			value = fmt.Sprint(v)
		}
		list = append(list, fmt.Sprintf("%d: %s", n, value))
		b = b[tag+size:]
	}
	w.plain("%s", strings.Join(list, ", "))
}

func optional(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
