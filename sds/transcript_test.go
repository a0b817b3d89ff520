package sds_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/causeway-im/causeway/sds"
)

// TestTranscripts runs the dialogues in testdata. Every block between two ----
// is a list of commands, one per line; what follows is what happened, one event
// per line with the time since the beginning. To write the expected lines anew:
//
//	go test ./sds -run TestTranscripts -rewrite
//
// Each file runs in two worlds side by side, which must say the same: spec R91.
//
// The commands; with only=(bob, gap) they show just the lines with one of these
// words. Members are named as alice, or as bob/phone and bob/desk for two
// installations of one person; messages get the names m1, m2, … and syncs s1,
// s2, … as they appear.
//
//	new alice bob …      a group whose members are all online. Options:
//	    dialect=lip|js|nim
//	    legacy=(jo, …)   more people of the roster, for whom inject speaks
//	    roster=none      nobody knows who belongs to the group
//	    steward=bob
//	    ahead=2h         how far their clocks are ahead of the true one
//	    gap=30s lost=24h undelivered=10m window=10000 filter=always
//	    trip=1s          the round trip that they are told
//	join dave            a new member; base=300ms is its join point (default now;
//	                     0 for all history); options as for new
//	send alice text      as=m1, want=one|most|everyone|stewards|bob, id=0x12,
//	                     ephemeral
//	run 10s              time passes, packets take 100 ms
//	lose m1 to=bob       loses what is a message's name or a class of packets;
//	                     also from=alice; the next copy, or times=all
//	group 97             as many more, p1 … p97, whose lines are counted; p1..p9 stands
//	                     for nine of them after cut, mend, offline, online
//	cut bob              nothing reaches bob or comes from him, and he can't know
//	mend bob             ends that, and what lose said about him
//	offline, online bob  the same, and he knows
//	deliver m1 to=bob    hands over a copy; stored: from a history query; hint=h1;
//	                     by=mallory: according to the host's signatures
//	inject js from=jo text   a message made by hand: see inject
//	restart bob          from what is durable; at=name: from an older backup;
//	                     at=nothing: as if new
//	backup bob as=name
//	disk bob broken      changes can't be written; fixed: they can again
//	found bob off        lookups stay unanswered until: found bob on
//	stored alice m1      a store confirms a message; hint=h1
//	notforme bob m1      bob can't open m1
//	log, state bob       what bob has; logs: who agrees
//	receipt alice m1
//	fields m1            the fields on the wire
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			var one, two *world
			datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
				if d.Cmd == "new" {
					one, two = newWorld(), newWorld()
				}
				said := one.block(t, d)
				if again := two.block(t, d); said != again {
					d.Fatalf(t, "a second world says:\n%s\nthe first one said:\n%s", again, said)
				}
				return said
			})
		})
	}
}

// block runs the commands of one block.
func (w *world) block(t *testing.T, d *datadriven.TestData) string {
	w.t, w.where = t, d.Pos
	lines := []string{d.FullCmd()}
	if d.Input != "" {
		lines = append(lines, strings.Split(d.Input, "\n")...)
	}
	for _, line := range lines {
		name, list, err := datadriven.ParseLine(line)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		do := commands[name]
		if do == nil {
			d.Fatalf(t, "no command %q", name)
		}
		a, before := newArgs(w, line, list), len(w.said)
		do(w, a)
		w.flush()
		w.show(before, a.list("only"))
	}
	said := w.said
	w.said = nil
	if len(said) == 0 {
		return "ok\n"
	}
	return strings.Join(said, "\n") + "\n"
}

var commands = map[string]func(*world, *args){
	"new":   (*world).create,
	"join":  (*world).create,
	"group": (*world).crowd,
	"send":  (*world).send,
	"run":   func(w *world, a *args) { w.run(a.duration(a.pos(0))) },
	"lose":  (*world).lose,
	"cut": func(w *world, a *args) {
		for _, h := range a.hosts(0) {
			h.cut = true
		}
	},
	"mend":    (*world).mend,
	"offline": func(w *world, a *args) { w.connect(a, false) },
	"online":  func(w *world, a *args) { w.connect(a, true) },
	"deliver": (*world).deliver,
	"inject":  (*world).inject,
	"restart": (*world).restart,
	"backup":  func(w *world, a *args) { w.backups[a.get("as", "")] = a.host(0).state.Clone() },
	"disk":    (*world).disk,
	"found":   (*world).found,
	"stored":  (*world).stored,
	"notforme": func(w *world, a *args) {
		h := a.host(0)
		h.ch.NotForMe(w.clock(h), w.id(a.pos(1)), []byte(a.get("hint", "")))
		w.handle(h)
	},
	"log":     (*world).log,
	"logs":    (*world).logs,
	"state":   (*world).state,
	"receipt": func(w *world, a *args) { w.receiptOf(a.host(0), w.id(a.pos(1))) },
	"fields":  func(w *world, a *args) { w.fields(w.bytes[w.id(a.pos(0))]) },
}

// create makes members, and tells the others who belongs to the group now.
func (w *world) create(a *args) {
	for _, name := range a.list("legacy") {
		w.roster[sds.ParticipantID(name)] = sds.PersonID(name)
	}
	for _, name := range a.list("steward") {
		w.stewards = append(w.stewards, sds.PersonID(name))
	}
	if a.get("roster", "") == "none" {
		w.noRoster = true
	}
	for i := range a.positional {
		person, _, _ := strings.Cut(a.pos(i), "/")
		w.roster[sds.ParticipantID(a.pos(i))] = sds.PersonID(person)
	}
	for i := range a.positional {
		h := newHost(a.pos(i))
		h.ahead = a.optional("ahead")
		h.cfg = sds.Config{Channel: channel, Participant: sds.ParticipantID(h.name), Seed: uint64(len(w.hosts) + 1),
			Dialect: w.dialect, Roster: w.rosterNow(), Steward: slices.Contains(a.list("steward"), h.name),
			Window: a.number("window"), AlwaysFilter: a.get("filter", "") == "always",
			RoundTrip: a.optional("trip"), GapAfter: a.optional("gap"), LostAfter: a.optional("lost"), UndeliveredAfter: a.optional("undelivered")}
		if name := a.get("dialect", ""); name != "" {
			h.cfg.Dialect = a.dialect(name)
			w.dialect = h.cfg.Dialect
		}
		if a.name == "join" {
			h.cfg.JoinPoint = w.lamport(h.cfg.Dialect, w.now)
		}
		if base := a.get("base", ""); base != "" {
			h.cfg.JoinPoint = w.lamport(h.cfg.Dialect, start.Add(a.duration(base)))
		}
		if a.get("base", "") == "0" {
			h.cfg.JoinPoint = 0
		}
		w.open(h, sds.State{})
		w.hosts = append(w.hosts, h)
	}
	if a.name == "join" {
		w.tellRoster()
	}
}

// tellRoster tells everybody who belongs to the group.
func (w *world) tellRoster() {
	if w.noRoster {
		return
	}
	r := sds.ShareRoster(*w.rosterNow())
	for _, h := range w.hosts {
		h.cfg.Roster = r
		h.ch.SetRoster(r)
	}
}

// crowd makes many members at once.
func (w *world) crowd(a *args) {
	n, err := strconv.Atoi(a.pos(0))
	if err != nil {
		a.fail("%v", err)
	}
	for i := range n {
		h := newHost(fmt.Sprintf("p%d", i+1))
		h.quiet = true
		w.roster[sds.ParticipantID(h.name)] = sds.PersonID(h.name)
		h.cfg = sds.Config{Channel: channel, Participant: sds.ParticipantID(h.name), Seed: uint64(len(w.hosts) + 1),
			Dialect: w.dialect, RoundTrip: a.optional("trip")}
		w.open(h, sds.State{})
		w.hosts = append(w.hosts, h)
	}
	w.tellRoster()
	for _, h := range w.hosts {
		w.handle(h)
	}
}

func (w *world) rosterNow() *sds.Roster {
	if w.noRoster {
		return nil
	}
	r := &sds.Roster{Members: map[sds.ParticipantID]sds.PersonID{}, Stewards: w.stewards}
	for id, person := range w.roster {
		r.Members[id] = person
	}
	return r
}

func (w *world) send(a *args) {
	h := a.host(0)
	o := sds.SendOptions{Ephemeral: a.has("ephemeral"), ID: sds.MessageID(a.get("id", ""))}
	switch want := a.get("want", "one"); want {
	case "one":
	case "most":
		o.Want = sds.Fraction(0.9)
	case "everyone":
		o.Want = sds.Everyone
	case "stewards":
		o.Want = sds.Stewards
	default:
		o.Want = sds.Persons(sds.PersonID(want))
	}
	id, err := h.ch.Send(w.clock(h), []byte(a.pos(1)), o)
	if err != nil {
		w.say(h.name, "can't send: %v", err)
	} else {
		w.bind(id, a.as("m"))
	}
	w.handle(h)
}

// show keeps only the lines with one of these words, if there are any.
func (w *world) show(from int, words []string) {
	if words == nil {
		return
	}
	shown := slices.DeleteFunc(slices.Clone(w.said[from:]), func(line string) bool {
		fields := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ,:[]()", r) })
		return !slices.ContainsFunc(words, func(o string) bool { return slices.Contains(fields, o) })
	})
	w.said = append(w.said[:from], shown...)
}

func (w *world) lose(a *args) {
	r := rule{what: a.pos(0), from: a.get("from", ""), to: a.get("to", ""), left: 1}
	if a.get("times", "") == "all" {
		r.left = -1
	} else if n := a.number("times"); n > 0 {
		r.left = n
	}
	w.rules = append(w.rules, &r)
}

// mend ends cut, and the losses of a member.
func (w *world) mend(a *args) {
	for _, h := range a.hosts(0) {
		h.cut = false
		w.rules = slices.DeleteFunc(w.rules, func(r *rule) bool { return r.to == h.name || r.from == h.name })
	}
}

func (w *world) connect(a *args, online bool) {
	for _, h := range a.hosts(0) {
		h.online = online
		h.ch.SetOnline(w.clock(h), online)
		w.handle(h)
	}
}

func (w *world) deliver(a *args) {
	o := sds.Origin{Hint: a.bytes("hint")}
	if a.has("stored") {
		o.Path = sds.Stored
	}
	if by := a.get("by", ""); by != "" {
		o.Sender, o.Authenticated = sds.ParticipantID(by), true
	}
	id := w.id(a.pos(0))
	if w.bytes[id] == nil {
		w.t.Fatalf("%s: %s never was on the wire", w.where, a.pos(0))
	}
	for _, name := range a.list("to") {
		w.receive(w.find(name), w.bytes[id], o)
	}
}

func (w *world) restart(a *args) {
	h := a.host(0)
	state := h.state.Clone()
	switch at := a.get("at", ""); at {
	case "":
	case "nothing":
		state = sds.State{}
	default:
		old := w.backups[at]
		state = old.Clone()
	}
	w.open(h, state)
}

func (w *world) disk(a *args) {
	h := a.host(0)
	h.broken = a.pos(1) == "broken"
	w.handle(h)
}

func (w *world) found(a *args) {
	h := a.host(0)
	h.slow = a.pos(1) == "off"
	w.handle(h)
	if !h.slow && len(h.lookups) > 0 {
		w.answer(h)
	}
}

func (w *world) stored(a *args) {
	h := a.host(0)
	h.ch.Stored(w.clock(h), w.id(a.pos(1)), a.bytes("hint"))
	w.handle(h)
}

// args are the arguments of one command: words, and key=value pairs.
type args struct {
	w          *world
	line, name string
	positional []string
	values     map[string][]string
}

func newArgs(w *world, line string, list []datadriven.CmdArg) *args {
	name, _, _ := strings.Cut(line, " ")
	a := &args{w: w, line: line, name: name, values: map[string][]string{}}
	for _, arg := range list {
		if len(arg.Vals) > 0 {
			a.values[arg.Key] = arg.Vals
		} else {
			a.positional = append(a.positional, arg.Key)
		}
	}
	return a
}

func (a *args) fail(format string, list ...any) {
	a.w.t.Fatalf("%s: %s: %s", a.w.where, a.line, fmt.Sprintf(format, list...))
}

func (a *args) pos(i int) string {
	if i >= len(a.positional) {
		a.fail("argument %d is missing", i+1)
	}
	return a.positional[i]
}

func (a *args) host(i int) *host { return a.w.find(a.pos(i)) }

// hosts are one member, or those of a group from one to another.
func (a *args) hosts(i int) []*host {
	first, last, ok := strings.Cut(a.pos(i), "..")
	if !ok {
		return []*host{a.host(i)}
	}
	from, to := slices.Index(a.w.hosts, a.w.find(first)), slices.Index(a.w.hosts, a.w.find(last))
	return a.w.hosts[from : to+1]
}

// has tells whether a word without a value is among the arguments.
func (a *args) has(word string) bool { return slices.Contains(a.positional, word) }

func (a *args) list(key string) []string {
	if v := a.values[key]; len(v) != 1 || v[0] != "" {
		return v
	}
	return nil
}

func (a *args) get(key, otherwise string) string {
	if v := a.values[key]; len(v) > 0 {
		return v[0]
	}
	return otherwise
}

// as is the name that a message shall have.
func (a *args) as(prefix string) string {
	if name := a.get("as", ""); name != "" {
		return name
	}
	return a.w.fresh(prefix)
}

func (a *args) bytes(key string) []byte {
	if v := a.get(key, ""); v != "" {
		return []byte(v)
	}
	return nil
}

func (a *args) number(key string) int {
	n, err := strconv.Atoi(a.get(key, "0"))
	if err != nil {
		a.fail("%v", err)
	}
	return n
}

func (a *args) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		a.fail("%v", err)
	}
	return d
}

func (a *args) optional(key string) time.Duration { return a.duration(a.get(key, "0s")) }

func (a *args) dialect(name string) sds.Dialect {
	d, ok := map[string]sds.Dialect{"lip": sds.LIP, "js": sds.JS, "nim": sds.Nim}[name]
	if !ok {
		a.fail("no dialect %q", name)
	}
	return d
}
