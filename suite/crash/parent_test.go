package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

// patience is how long the parent waits for anything.
const patience = 60 * time.Second

// parent kills children. One goroutine runs their lives and hears the witness.
type parent struct {
	t       testing.TB
	seed    uint64
	bug     string
	path    string
	network *loopback.Network
	end     *loopback.Endpoint // the child's
	members []*member
	witness *witness
	stats   stats
	talking chan int
	news    chan struct{} // a member has an event
}

// stats say what a run has hit.
type stats struct {
	kills       [moments]int
	lives       int // that were up
	inFlight    int // kills in a transaction whose end was not reported
	recoveries  int // children that found a WAL with something in it
	audits      int
	offline     int
	lines, talk int
	began       time.Time
}

// member is somebody else in the room, in this process.
type member struct {
	name causeway.ParticipantID
	db   *store.Memory
	node *causeway.Node
	ch   *causeway.Channel

	mu   sync.Mutex
	sent []*causeway.Receipt
}

// plain hides that the network has a store: some members must do without.
type plain struct{ transport.Transport }

func newParent(t testing.TB, seed uint64, bug string) *parent {
	p := &parent{t: t, seed: seed, bug: bug, path: filepath.Join(t.TempDir(), "child.db"), talking: make(chan int, 1), news: make(chan struct{}, 1)}
	p.stats.began = time.Now()
	var err error
	p.network, err = loopback.New(loopback.Options{Seed: seed, Loss: 0.1, MaxDelay: 10 * time.Millisecond,
		Store: &loopback.StoreOptions{KeepCount: 1000}})
	check(t, err)
	t.Cleanup(p.network.Close)
	p.end, err = p.network.Attach(string(alice))
	check(t, err)
	for i, name := range others {
		end, err := p.network.Attach(string(name))
		check(t, err)
		m := &member{name: name, db: store.NewMemory()}
		o := causeway.Options{Store: m.db, Transport: end, Seed: seed + uint64(i) + 1}
		if i > 0 {
			o.Transport = plain{end}
		}
		m.node, err = causeway.Open(t.Context(), o)
		check(t, err)
		t.Cleanup(func() { m.node.Close() })
		m.ch, err = m.node.Join(t.Context(), config(name))
		check(t, err)
		p.members = append(p.members, m)
		go p.follow(m)
	}
	p.witness = newWitness(p.holds)
	var talker sync.WaitGroup
	talker.Go(func() {
		for n := range p.talking {
			p.members[n%len(p.members)].say(t, n)
		}
	})
	t.Cleanup(func() { close(p.talking); talker.Wait() })
	return p
}

// follow says when a member has an event, until it is closed.
func (p *parent) follow(m *member) {
	for range m.node.Events(context.Background(), 0) {
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
}

// holds tells whether a person has a message.
func (p *parent) holds(person causeway.PersonID, id causeway.MessageID) bool {
	for _, m := range p.members {
		if causeway.PersonID(m.name) == person {
			kept, err := m.db.Message(p.t.Context(), room, id)
			return err == nil && kept.Sealed != nil
		}
	}
	return false
}

func (m *member) say(t testing.TB, n int) {
	// Not t.Context(): that has ended when a test that is over waits for the last word.
	r, err := m.ch.Send(context.Background(), fmt.Appendf(nil, "%s says %d", m.name, n), causeway.SendOptions{Want: causeway.Everyone})
	if err != nil {
		t.Error(err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, r)
}

// life is one child, from its start to its end.
type life struct {
	*parent
	plan   plan
	number int
	cmd    *exec.Cmd
	in     queue
	stderr bytes.Buffer
	killed chan struct{}
	once   sync.Once
	up     bool
	count  int // of what the plan counts
	said   int
}

// live lets a child live until its plan has it killed, and takes all that it
// said. heard, if set, is called when there is news: at the latest after some lines.
func (p *parent) live(number int, plan plan, heard func(*life)) {
	l := &life{parent: p, plan: plan, number: number, killed: make(chan struct{})}
	p.end.SetOnline(plan.online == 0)
	if plan.online > 0 {
		p.stats.offline++
	}
	if info, err := os.Stat(p.path + "-wal"); err == nil && info.Size() > 0 {
		p.stats.recoveries++
	}
	out := l.start()
	cancel, err := p.end.Subscribe(transport.Topic(room), func(r transport.Received) {
		l.in.tell(line{Kind: lineReceived, Topic: r.Topic, Payload: r.Payload, Hint: r.Hint, At: r.Time})
	})
	check(p.t, err)
	unwatch := p.end.Watch(func(online bool) { l.in.tell(line{Kind: lineOnline, Online: online}) })
	if plan.moment == atStart {
		defer time.AfterFunc(plan.delay, l.kill).Stop()
	}
	l.listen(out, heard)
	l.bury()
	cancel()
	unwatch()
}

// listen takes all that the child says until it is dead, and everything that is
// left in the pipe.
func (l *life) listen(out *bufio.Reader, heard func(*life)) {
	said := make(chan line, 256)
	go func() {
		defer close(said)
		for {
			x, err := readLine(out)
			if err != nil {
				return
			}
			said <- x
		}
	}()
	stuck := time.NewTicker(patience)
	defer stuck.Stop()
	for {
		select {
		case x, ok := <-said:
			if !ok {
				return
			}
			l.hear(&x)
		case <-l.news:
		case <-stuck.C:
			if l.plan.moment != never {
				l.witness.complain(ruleChild, "the moment of %+v has not come in %v", l.plan, patience)
				l.kill()
			}
		}
		if heard != nil && (len(said) == 0 || l.said%64 == 0) { // the child waits for answers
			heard(l)
		}
	}
}

func (l *life) start() *bufio.Reader {
	after := l.witness.last - min(l.witness.last, causeway.Cursor(l.plan.again))
	l.witness.begin(after)
	o := order{Path: l.path, Life: l.number, Seed: l.plan.seed, After: after, Tight: l.plan.tight, Refuse: l.plan.refuse, Bug: l.bug}
	switch l.plan.moment {
	case inCommit:
		o.Inside = l.plan.count
	case afterCommit:
		o.Late = l.plan.count
	}
	b, err := json.Marshal(o)
	check(l.t, err)
	self, err := os.Executable()
	check(l.t, err)
	l.cmd = exec.Command(self, "-test.run=^$")
	l.cmd.Env = append(os.Environ(), orderVar+"="+string(b))
	l.cmd.Stderr = &l.stderr
	in, err := l.cmd.StdinPipe()
	check(l.t, err)
	out, err := l.cmd.StdoutPipe()
	check(l.t, err)
	check(l.t, l.cmd.Start())
	l.in.start(&lines{w: in})
	return bufio.NewReaderSize(out, 1<<16)
}

// kill ends the child as kill -9 does.
func (l *life) kill() {
	l.once.Do(func() {
		close(l.killed)
		l.cmd.Process.Kill()
	})
}

// bury waits for the end of a child that says nothing any more.
func (l *life) bury() {
	err := l.cmd.Wait()
	l.in.close()
	select {
	case <-l.killed:
		if m := l.plan.moment; m >= 0 {
			l.stats.kills[m]++
		}
	default:
		l.witness.complain(ruleChild, "life %d ended by itself: %v\n%s", l.number, err, l.stderr.Bytes())
		l.kill()
	}
	if len(l.witness.inflight) > 0 {
		l.stats.inFlight++
	}
}

// hear takes a line, and kills the child if that was the moment.
func (l *life) hear(x *line) {
	l.said++
	l.stats.lines++
	if l.said == l.plan.online {
		l.end.SetOnline(true)
	}
	if l.said%24 == 0 && l.plan.moment != never {
		select {
		case l.talking <- l.stats.talk:
			l.stats.talk++
		default: // they talk already
		}
	}
	l.witness.hear(x)
	switch {
	case x.Kind == linePublish:
		l.carry(x)
	case x.Kind == lineUp && l.plan.moment != atStart:
		l.up = true
		l.stats.lives++
		l.audit(false)
	}
	switch {
	case !l.strikes(x):
	case l.plan.delay > 0:
		time.AfterFunc(l.plan.delay, l.kill)
	default:
		l.kill()
	}
}

// carry broadcasts what the child publishes.
func (l *life) carry(x *line) {
	hint, err := l.end.Publish(l.t.Context(), transport.Envelope{Topic: x.Topic, Payload: x.Payload, Ephemeral: x.Ephemeral})
	answer := line{Kind: lineTaken, Serial: x.Serial, Hint: hint}
	if err != nil {
		answer.Error = err.Error()
	}
	l.in.tell(answer)
}

// strikes tells whether a line is the moment.
func (l *life) strikes(x *line) bool {
	switch l.plan.moment {
	case atLine:
		if l.up { // before, it is another moment
			l.count++
			return l.count == l.plan.count
		}
	case atCommit:
		if x.Kind == lineCommitting {
			l.count++
			return l.count == l.plan.count
		}
	case inCommit, afterCommit:
		return x.Kind == lineHeld
	}
	return false
}

// audit lets the witness look at the child's file. Meanwhile nobody is killed:
// who comes first after a kill has to recover the WAL, and that is the child.
func (p *parent) audit(all bool) {
	p.stats.audits++
	ctx := context.Background()
	db, err := sqlite.Open(ctx, p.path)
	check(p.t, err)
	defer db.Close()
	kept, err := store.OpenSQL(ctx, db, store.SQLOptions{})
	check(p.t, err)
	if p.bug == bugMemory {
		return // there is nothing
	}
	p.witness.audit(ctx, kept, all)
	if !all {
		return
	}
	var verdict string
	check(p.t, db.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&verdict))
	if verdict != "ok" {
		p.witness.complain(ruleChild, "integrity_check: %s", verdict)
	}
}

// queue hands lines to a child that may be slow to read, or dead.
type queue struct {
	mu     sync.Mutex
	signal sync.Cond
	lines  []line
	closed bool
	ended  sync.WaitGroup
}

func (q *queue) start(to *lines) {
	q.mu.Lock()
	q.signal.L = &q.mu
	q.mu.Unlock()
	q.ended.Go(func() {
		for {
			q.mu.Lock()
			for len(q.lines) == 0 && !q.closed {
				q.signal.Wait()
			}
			taken, closed := q.lines, q.closed
			q.lines = nil
			q.mu.Unlock()
			if closed {
				return
			}
			for _, x := range taken {
				to.tell(x)
			}
		}
	})
}

func (q *queue) tell(x line) {
	q.mu.Lock()
	q.lines = append(q.lines, x)
	q.mu.Unlock()
	q.signal.Signal()
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal.Signal()
	q.ended.Wait()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
