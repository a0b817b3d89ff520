package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/internal/freeport"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
)

// soak is a group of processes that talk, and are killed and started again. Its
// methods are for the goroutine of the test, unless they say otherwise.
type soak struct {
	t     *testing.T
	size  soakSize
	seed  uint64
	began time.Time
	nodes []*soakNode // the members, and the store node
	kills int         // rounds
	dead  int         // victims
	news  chan struct{}

	mu      sync.Mutex
	said    int // messages that Send accepted, as the processes say
	witness *soakWitness
	use     [][]soakUse // by node
}

// soakNode is a member, or the store node, in all its lives.
type soakNode struct {
	*soak
	index int
	order soakOrder
	addrs []string    // where it listens, from its first life on
	audit store.Store // of a member: its database, read from here
	life  *soakLife   // nil while it is dead
	back  int         // and then: how many messages are said when it comes back
	lives int
}

// soakLife is a process.
type soakLife struct {
	cmd  *exec.Cmd
	in   *json.Encoder
	done chan struct{} // all that it has said is read
	born int           // how many messages were said

	// Guarded by the soak's mu.
	killed, up, silent bool
	addrs              []string
	settled            *int
	samples            int
}

func newSoak(t *testing.T, size soakSize, seed uint64) *soak {
	s := &soak{t: t, size: size, seed: seed, news: make(chan struct{}, 1), use: make([][]soakUse, size.members()+1)}
	dir := t.TempDir()
	t.Cleanup(func() {
		for _, n := range s.nodes {
			n.kill()
		}
	})
	var names []causeway.ParticipantID
	paths := map[causeway.ParticipantID]string{}
	for i := range size.members() {
		name := causeway.ParticipantID(fmt.Sprintf("member %d", i))
		names, paths[name] = append(names, name), filepath.Join(dir, fmt.Sprintf("%d.db", i))
	}
	for i := range size.members() + 1 {
		key, err := waku.NewKey()
		check(t, err)
		n := &soakNode{soak: s, index: i, order: soakOrder{Path: filepath.Join(dir, "store.db"), Key: key}}
		if i < size.relays || i == size.store() {
			n.order.Listen = []string{freeport.Multiaddr(t)}
		}
		if i != size.store() {
			n.order = soakOrder{Name: names[i], Paths: paths, Key: key, Listen: n.order.Listen, Pause: size.pause, Loss: size.loss,
				Serve: i < 3 && i < size.relays && size.lights > 0, Light: i >= size.relays}
			n.audit = openDB(t, paths[names[i]])
		}
		s.nodes = append(s.nodes, n)
	}
	s.witness = newSoakWitness(names, t.Errorf)
	return s
}

// begin starts all for the first time: each knows those before it.
func (s *soak) begin() {
	s.began = time.Now()
	for i := range s.nodes {
		n := s.nodes[(i+s.size.store())%len(s.nodes)] // the store node first
		n.start()
		s.await(fmt.Sprintf("node %d", n.index), func() bool { return n.life.up })
		if !n.order.Light {
			n.addrs = n.life.addrs
		}
	}
}

// start begins a life. It does not wait.
func (n *soakNode) start() {
	n.lives++
	o := n.order
	o.Seed = rand.New(rand.NewPCG(n.seed, uint64(n.index)<<32+uint64(n.lives))).Uint64() | 1
	for _, other := range n.nodes {
		if other == n {
			continue
		}
		switch {
		case other.audit == nil:
			o.Stores = append(o.Stores, other.addrs...)
		case other.order.Serve:
			o.Services = append(o.Services, other.addrs...)
		}
		if !n.order.Light {
			o.Peers = append(o.Peers, other.addrs...)
		}
	}
	n.mu.Lock()
	if n.audit != nil {
		o.After = n.witness.members[n.index].cursor
	}
	l := &soakLife{done: make(chan struct{}), born: n.said}
	n.mu.Unlock()
	b, err := json.Marshal(&o)
	check(n.t, err)
	l.cmd = exec.Command(os.Args[0])
	l.cmd.Env = append(os.Environ(), soakVar+"="+string(b))
	l.cmd.Stderr = os.Stderr
	in, err := l.cmd.StdinPipe()
	check(n.t, err)
	l.in = json.NewEncoder(in)
	out, err := l.cmd.StdoutPipe()
	check(n.t, err)
	check(n.t, l.cmd.Start())
	n.life = l
	go n.listen(l, out)
}

// listen takes what a process says; its last line may be half of one. It runs beside
// the test.
func (n *soakNode) listen(l *soakLife, out io.Reader) {
	defer close(l.done)
	for lines := bufio.NewScanner(out); lines.Scan(); n.poke() {
		var x soakLine
		if json.Unmarshal(lines.Bytes(), &x) == nil {
			n.hear(l, &x)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !l.killed {
		n.t.Errorf("node %d has ended by itself in its life %d", n.index, n.lives)
	}
	n.poke()
}

// hear takes a line.
func (n *soakNode) hear(l *soakLife, x *soakLine) {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case x.Error != "":
		n.t.Errorf("node %d: %s", n.index, x.Error)
	case x.Up:
		l.up, l.addrs = true, x.Addrs
	case x.Sent != "":
		n.said++
		n.witness.sent(x.Sent, now)
	case x.Event != nil:
		n.witness.event(n.index, x.Event, now)
	case x.Sample != nil:
		u := x.Sample
		u.at, u.said, u.lived = now.Sub(n.began), n.said, n.said-l.born
		u.look(l.cmd.Process.Pid)
		n.use[n.index] = append(n.use[n.index], *u)
		l.samples++
	case x.Silent:
		l.silent = true
	case x.Settled != nil:
		l.settled = x.Settled
	}
}

// poke ends a wait, which looks again. Anybody may call it.
func (s *soak) poke() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// await waits until ok, which is called with the lock.
func (s *soak) await(what string, ok func() bool) {
	s.t.Helper()
	ceiling := time.NewTimer(patience)
	defer ceiling.Stop()
	for {
		s.mu.Lock()
		done := ok()
		s.mu.Unlock()
		if done {
			return
		}
		s.next(what, ceiling)
	}
}

// next waits until something has happened.
func (s *soak) next(what string, ceiling *time.Timer) {
	s.t.Helper()
	select {
	case <-s.news:
	case <-ceiling.C:
		s.t.Errorf("%s: not after %v", what, patience)
	}
	if s.t.Failed() { // at once, not at the end of half an hour
		s.report()
		s.t.FailNow()
	}
}

// kill kills the process, if there is one, with -9.
func (n *soakNode) kill() {
	l := n.life
	if l == nil {
		return
	}
	n.mu.Lock()
	l.killed = true
	n.mu.Unlock()
	l.cmd.Process.Kill()
	<-l.done
	l.cmd.Wait()
	n.life = nil
}

// tell says something to a process, which may be dead.
func (n *soakNode) tell(w soakWord) {
	if n.life != nil {
		n.life.in.Encode(w)
	}
}

// rage kills and starts processes until it is enough.
func (s *soak) rage() {
	plan := newSoakPlan(&s.size, s.seed)
	k, sample := plan.next(), 0
	ceiling := time.NewTimer(patience)
	defer ceiling.Stop()
	for last := 0; ; {
		s.mu.Lock()
		said := s.said
		s.mu.Unlock()
		if said > last {
			last = said
			ceiling.Reset(patience)
		}
		for ; k.at <= said && !s.enough(); k = plan.next() {
			s.kills++
			for i, v := range k.victims { // at once
				n := s.nodes[v]
				if n.life != nil {
					s.dead++
				}
				n.kill()
				n.back = k.back[i]
			}
		}
		if s.enough() {
			return
		}
		for _, n := range s.nodes {
			if n.life == nil && n.back <= said {
				n.start()
			}
		}
		if said >= sample {
			s.t.Logf("%v: %d messages, %d killed", time.Since(s.began).Round(time.Second), said, s.dead)
			s.sample()
			sample = said + s.size.every
		}
		s.next("a word", ceiling)
	}
}

func (s *soak) enough() bool {
	// Those of the plan may all be dead already.
	return s.size.kills > 0 && s.kills >= s.size.kills && s.dead >= s.kills/2 || s.size.lasts > 0 && time.Since(s.began) >= s.size.lasts
}

// sample asks all that live what they use. They answer when they can.
func (s *soak) sample() {
	for _, n := range s.nodes {
		n.tell(soakWord{Sample: true})
	}
}

// everybody tells whether ok is true of all lives.
func (s *soak) everybody(ok func(*soakNode, *soakLife) bool) bool {
	for _, n := range s.nodes {
		if n.life == nil || !ok(n, n.life) {
			return false
		}
	}
	return true
}

// settle ends all faults, waits until all have all and know it, and looks whether
// that is so.
func (s *soak) settle() {
	for _, n := range s.nodes {
		if n.life == nil {
			n.start()
		}
	}
	s.await("all nodes", func() bool { return s.everybody(func(_ *soakNode, l *soakLife) bool { return l.up }) })
	for _, n := range s.nodes {
		n.tell(soakWord{Quiet: true})
	}
	member := func(n *soakNode) bool { return n.audit != nil }
	healed := time.Now()
	s.t.Logf("%d processes were killed in %d rounds, in %v; now all live", s.dead, s.kills, healed.Sub(s.began).Round(time.Second))
	s.await("all messages at all members", func() bool {
		return s.everybody(func(n *soakNode, l *soakLife) bool { return !member(n) || l.silent }) && s.witness.even()
	})
	even := time.Since(healed)
	s.await("all receipts", func() bool {
		return s.everybody(func(n *soakNode, l *soakLife) bool { return !member(n) || l.settled != nil })
	})
	s.t.Logf("%d messages: with all after %v, known to all senders after %v", len(s.witness.all),
		even.Round(10*time.Millisecond), time.Since(healed).Round(10*time.Millisecond))
	var before []int
	s.mu.Lock()
	for _, n := range s.nodes {
		before = append(before, n.life.samples)
	}
	s.mu.Unlock()
	s.sample()
	s.await("what all use", func() bool {
		return s.everybody(func(n *soakNode, l *soakLife) bool { return l.samples > before[n.index] })
	})
}

// audit kills all and looks at what they leave behind.
func (s *soak) audit() {
	for _, n := range s.nodes {
		n.kill()
	}
	var want store.Digest
	own := 0
	for i, n := range s.nodes[:s.size.store()] {
		got, err := n.audit.Digest(s.t.Context(), room)
		check(s.t, err)
		if i == 0 {
			want = got
		}
		if got != want || got.Count != uint64(len(s.witness.all)) {
			s.t.Errorf("%s has another log: %d messages, not %d", n.order.Name, got.Count, len(s.witness.all))
		}
		own += s.open(n)
	}
	s.witness.settled(func(member int, id causeway.MessageID) bool { return holds(s.nodes[member].audit, id) })
	if own != len(s.witness.all) {
		s.t.Errorf("members call %d messages their own, of %d", own, len(s.witness.all))
	}
}

// open opens a member's database once more, without a network, and reads the events
// that its last life did not come to tell. It counts the member's own messages, and
// complains about those that are not known to have reached all, and about gaps.
func (s *soak) open(n *soakNode) (own int) {
	ctx := within(s.t)
	db, err := sqlite.Open(ctx, n.order.Paths[n.order.Name])
	check(s.t, err)
	defer db.Close()
	kept, err := store.OpenSQL(ctx, db, store.SQLOptions{})
	check(s.t, err)
	node, err := causeway.Open(ctx, causeway.Options{Store: kept})
	check(s.t, err)
	defer node.Close()
	cfg := configFor(slices.Collect(maps.Keys(n.order.Paths)))
	cfg.Participant = n.order.Name
	channel, err := node.Join(ctx, cfg)
	check(s.t, err)
	events, err := channel.ReadEvents(ctx, s.witness.members[n.index].cursor, 1000)
	check(s.t, err)
	for i := range events {
		s.witness.event(n.index, eventOf(&events[i]), time.Now())
	}
	gaps, err := channel.Gaps(ctx, "", 10)
	check(s.t, err)
	if len(gaps) > 0 {
		s.t.Errorf("%s has all and misses %+v", n.order.Name, gaps)
	}
	q := causeway.Log{ByPosition: true, Limit: 1000}
	for {
		page, _, err := channel.Messages(ctx, q)
		check(s.t, err)
		if len(page) == 0 {
			return own
		}
		for _, m := range page {
			q.AfterPosition = m.Position
			if !m.Own {
				continue
			}
			own++
			now, err := channel.Receipt(m.ID).Now(ctx)
			check(s.t, err)
			if now.Level != causeway.SeenByAll || now.Seen != s.size.members()-1 || now.Of != now.Seen {
				s.t.Errorf("%s: on disk %s is at %v, seen by %d of %d", n.order.Name, m.ID, now.Level, now.Seen, now.Of)
			}
		}
	}
}

// report prints what has happened.
func (s *soak) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var retrieved, missed, recovered int
	for i, m := range s.witness.members {
		retrieved, missed = retrieved+m.retrieved, missed+len(m.gaps)
		for _, state := range m.gaps {
			if state == causeway.GapRecovered {
				recovered++
			}
		}
		n := s.nodes[i]
		s.t.Logf("%s: %d lives, %d of %d messages, %d events", m.name, n.lives, len(m.delivered), len(s.witness.all), m.cursor)
	}
	s.t.Logf("the store node: %d lives", s.nodes[s.size.store()].lives)
	s.t.Logf("%d messages were accepted, and %d by a Send that did not live to return; %d misses, %d of them found; %d from stores",
		s.said, len(s.witness.all)-s.said, missed, recovered, retrieved)
	if d := s.witness.delays(); len(d) > 0 {
		s.t.Logf("known to have reached all: p50 %v, p95 %v, last %v", d[len(d)/2].Round(time.Millisecond),
			d[len(d)*95/100].Round(time.Millisecond), d[len(d)-1].Round(time.Millisecond))
	}
	dies := s.size.mayDie()
	for i, uses := range s.use {
		if slices.Contains(dies, i) {
			continue
		}
		for at, u := range uses {
			if every := 1 + len(uses)/12; at%every == 0 || at == len(uses)-1 {
				s.t.Logf("node %2d, never killed: %v", i, &u)
			}
		}
	}
	for i, uses := range s.use {
		if slices.Contains(dies, i) && len(uses) > 0 {
			s.t.Logf("node %2d, in the end:  %v", i, &uses[len(uses)-1])
		}
	}
}

// growth complains about those who were never killed and use more and more. They are
// warm when they have lived through a tenth of it.
func (s *soak) growth() {
	dies := s.size.mayDie()
	for i, uses := range s.use {
		if slices.Contains(dies, i) {
			continue
		}
		last := &uses[len(uses)-1]
		warm := slices.IndexFunc(uses, func(u soakUse) bool { return 10*u.said >= last.said })
		if more := last.grown(&uses[warm]); more != "" {
			s.t.Errorf("node %d uses more and more: %s", i, more)
		}
	}
}

func (s *soak) run() {
	s.t.Logf("seed %d, %+v", s.seed, s.size)
	s.begin()
	s.rage()
	s.settle()
	s.audit()
	s.growth()
	s.report()
	if s.dead < s.kills/2 || s.said < s.kills {
		s.t.Errorf("%d kills and %d messages: the run says little", s.dead, s.said)
	}
}

// soakSeed is CAUSEWAY_SOAK_SEED, or drawn. It repeats what is killed after which
// number of messages, and what members say and lose; not who is how fast.
func soakSeed(t *testing.T) uint64 {
	if x := os.Getenv("CAUSEWAY_SOAK_SEED"); x != "" {
		seed, err := strconv.ParseUint(x, 10, 64)
		check(t, err)
		return seed
	}
	return rand.Uint64()
}

// TestSoak: ten members, each in a process, talk for half an hour (CAUSEWAY_SOAK),
// while they and their store node are killed at random.
func TestSoak(t *testing.T) {
	if !nightly {
		t.Skip("half an hour: CAUSEWAY_NIGHTLY=1; TestSoakShort does the same for seconds")
	}
	lasts := 30 * time.Minute
	if x := os.Getenv("CAUSEWAY_SOAK"); x != "" {
		var err error
		lasts, err = time.ParseDuration(x)
		check(t, err)
	}
	newSoak(t, soakSize{relays: 8, lights: 2, spared: 1, pause: 5 * time.Second, loss: 0.1, gap: 20, away: 40,
		lasts: lasts, every: 100}, soakSeed(t)).run()
}

// TestSoakShort: the same with four members and a few kills.
func TestSoakShort(t *testing.T) {
	t.Parallel()
	newSoak(t, soakSize{relays: 3, lights: 1, spared: 1, pause: 200 * time.Millisecond, loss: 0.1, gap: 8, away: 12,
		kills: 6, every: 20}, soakSeed(t)).run()
}
