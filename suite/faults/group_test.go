package faults

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/waku"
)

const (
	room = causeway.ChannelID("room")
	// roundTrip suits the loopback interface when the processor is busy.
	roundTrip = 150 * time.Millisecond
	// groupsAtOnce is how many tests run at the same time: they wait for timers of
	// the protocol more than they compute.
	groupsAtOnce = 16
)

// nightly runs are long.
var nightly = os.Getenv("CAUSEWAY_NIGHTLY") == "1"

// patience is the ceiling of each wait.
var patience = 60 * time.Second

func TestMain(m *testing.M) {
	if o := os.Getenv(orderVar); o != "" {
		runChild(o)
		return
	}
	if o := os.Getenv(soakVar); o != "" {
		runSoaked(o)
		return
	}
	flag.Parse()
	atOnce := groupsAtOnce
	if raced {
		atOnce, patience = groupsAtOnce/4, 4*patience // much slower
	}
	set := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if !set["test.parallel"] {
		flag.Set("test.parallel", fmt.Sprint(atOnce))
	}
	if nightly {
		patience = 4 * time.Minute // redials rest for up to 45 s, requests to stores for a minute
	}
	os.Exit(m.Run())
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// group is a chat and its members.
type group struct {
	t       testing.TB
	config  causeway.ChannelConfig // without Participant
	members []*member
	watched []*member // others, whose stores the referee reads
	peers   []string  // everybody's, beside the other members
	stores  []string  // their store nodes
	store   *storeNode
	extra   int // relays beside the members
	healed  time.Time
	news    chan struct{} // something happened
}

// newGroup prepares members, who are not started yet, with stores in memory.
func newGroup(t testing.TB, names ...causeway.ParticipantID) *group {
	g := &group{t: t, config: configFor(names), healed: time.Now(), news: make(chan struct{}, 1)}
	for _, name := range names {
		m := &member{g: g, name: name, db: store.NewMemory(), delivered: map[causeway.MessageID]bool{}}
		m.audit = m.db
		g.members = append(g.members, m)
	}
	return g
}

// onDisk puts the stores of members who are not started yet into SQLite.
func onDisk(members ...*member) {
	for _, m := range members {
		m.path = filepath.Join(m.g.t.TempDir(), string(m.name)+".db")
		m.audit = openDB(m.g.t, m.path)
	}
}

// configFor is the channel of all tests: each participant is a person.
func configFor(names []causeway.ParticipantID) causeway.ChannelConfig {
	roster := &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{}}
	for _, name := range names {
		roster.Members[name] = causeway.PersonID(name)
	}
	p := causeway.ProfileLIP
	p.RoundTrip = roundTrip
	return causeway.ChannelConfig{Channel: room, Roster: roster, Profile: p, Topic: topic}
}

// join starts the members, each connected with each as a relay.
func (g *group) join() {
	g.t.Helper()
	var addrs []string
	for _, m := range g.members {
		m.options.Peers = append(append(m.options.Peers, addrs...), g.peers...)
		m.options.StoreNodes = g.stores
		m.connect()
		addrs = append(addrs, m.waku.Addrs()...)
	}
	for _, m := range g.members {
		m.await("the others", reaches(len(g.members)-1+g.extra))
	}
	for _, m := range g.members {
		m.open()
	}
	for _, m := range g.members {
		m.early = m.node.Metrics().DroppedStore
	}
	g.heal()
}

// reaches is true when so many relays are on the shard.
func reaches(peers int) func(waku.Health) bool {
	return func(h waku.Health) bool { return h.Shards[0].Peers >= peers }
}

// poke ends a wait, which looks again.
func (g *group) poke() {
	select {
	case g.news <- struct{}{}:
	default:
	}
}

// await waits until ok, which is called after each event.
func (g *group) await(what string, ok func() bool) {
	g.t.Helper()
	ceiling := time.NewTimer(patience)
	defer ceiling.Stop()
	for !ok() {
		select {
		case <-g.news:
		case <-ceiling.C:
			g.report()
			g.t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// poll waits until ok, of which nothing tells; state is what it has come to.
func (g *group) poll(what string, ok func() bool, state func() string) {
	g.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx := within(g.t); !ok(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			g.report()
			g.t.Fatalf("%s: not after %v: %s", what, patience, state())
		}
	}
}

// heal notes that the faults have ended.
func (g *group) heal() { g.healed = time.Now() }

// sent counts the messages of all.
func (g *group) sent() (n int) {
	for _, m := range g.members {
		n += len(m.sent)
	}
	return n
}

// settle waits until all logs are the same and each sender knows that everybody
// has its messages, and reports how long that took.
func (g *group) settle() {
	g.t.Helper()
	total := g.sent()
	g.await("all messages at all members", func() bool {
		for _, m := range g.members {
			if m.has() < total {
				return false
			}
		}
		return true
	})
	delivered := time.Since(g.healed)
	for _, m := range g.members {
		m.acknowledged(causeway.SeenByAll)
	}
	g.t.Logf("%d messages: with all after %v, known to all senders after %v", total,
		delivered.Round(10*time.Millisecond), time.Since(g.healed).Round(10*time.Millisecond))
	g.compare(total, g.members...)
	g.summary()
	g.tally()
}

// tally fails if a node and its network have counted different numbers of packets.
// The network may know of one that is under way.
func (g *group) tally() {
	g.t.Helper()
	for _, m := range g.members {
		before, x, after := m.waku.Stats().Published, m.node.Metrics(), m.waku.Stats()
		var sent, failed uint64
		for class := range x.Sent {
			sent, failed = sent+x.Sent[class].Packets, failed+x.Failed[class]
		}
		if sent+1 < before || sent > after.Published || failed > after.PublishFailed {
			g.t.Errorf("%s: %d packets were sent and %d were not; the network took %d and refused %d",
				m.name, sent, failed, after.Published, after.PublishFailed)
		}
	}
}

// compare compares the logs.
func (g *group) compare(total int, members ...*member) {
	g.t.Helper()
	defer func() {
		if g.t.Failed() {
			g.report()
		}
	}()
	want, err := members[0].audit.Digest(g.t.Context(), room)
	check(g.t, err)
	if want.Count != uint64(total) {
		g.t.Errorf("%d messages in the log, want %d", want.Count, total)
	}
	for _, m := range members[1:] {
		if got, err := m.audit.Digest(g.t.Context(), room); err != nil || got != want {
			g.t.Errorf("%s has another log: %d messages, not %d; %v", m.name, got.Count, want.Count, err)
		}
	}
}

// report prints what each member has counted.
func (g *group) report() {
	for _, m := range g.members {
		if m.node == nil {
			g.t.Logf("%-6s is not there", m.name)
			if m.waku != nil {
				g.t.Logf("%-6s is connected: %+v", m.name, m.waku.Health())
			}
			continue
		}
		x, w := m.node.Metrics(), m.waku.Stats()
		g.t.Logf("%-6s is connected: %+v", m.name, m.waku.Health())
		g.t.Logf("%-6s %4d in the log; %s; published %d, failed %d, dials %d; dropped%s", m.name, m.has(), told(&x),
			w.Published, w.PublishFailed, w.Dials, dropped(&w, &x))
	}
}

// summary prints what all members have counted since their last start.
func (g *group) summary() {
	var x causeway.Metrics
	var w waku.Stats
	for _, m := range g.members {
		one, two := m.node.Metrics(), m.waku.Stats()
		add(reflect.ValueOf(&x).Elem(), reflect.ValueOf(one))
		add(reflect.ValueOf(&w).Elem(), reflect.ValueOf(two))
	}
	g.t.Logf("%s; dropped%s", told(&x), dropped(&w, &x))
}

// add adds all counters of a struct.
func add(to, from reflect.Value) {
	switch to.Kind() {
	case reflect.Struct:
		for i := range to.NumField() {
			add(to.Field(i), from.Field(i))
		}
	case reflect.Array:
		for i := range to.Len() {
			add(to.Index(i), from.Index(i))
		}
	case reflect.Uint64:
		to.SetUint(to.Uint() + from.Uint())
	}
}

// told prints counters of the protocol.
func told(x *causeway.Metrics) string {
	return fmt.Sprintf("received %d, from stores %d (%d questions, %d failed); gaps %d, recovered %d, lost %d; "+
		"sent: content %d, resend %d, repair %d, request %d, ack %d, sync %d",
		x.Received.Packets, x.Retrieved.Packets, x.Queries, x.QueryFailures, x.GapsFound, x.GapsRecovered, x.GapsLost,
		x.Sent[content].Packets, x.Sent[resend].Packets, x.Sent[repair].Packets, x.Sent[request].Packets, x.Sent[ack].Packets, x.Sent[syncs].Packets)
}

// dropped prints the counters of what was dropped that are not 0.
func dropped(w *waku.Stats, x *causeway.Metrics) (s string) {
	note := func(name string, n uint64) {
		if n > 0 {
			s += fmt.Sprintf(" %s %d", name, n)
		}
	}
	v := reflect.ValueOf(w.Dropped)
	for i := range v.NumField() {
		note(v.Type().Field(i).Name, v.Field(i).Uint())
	}
	note("DroppedQueue", x.DroppedQueue)
	note("DroppedStore", x.DroppedStore)
	if s == "" {
		return " nothing"
	}
	return s
}

// within returns a context that ends with the ceiling.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	return ctx
}
