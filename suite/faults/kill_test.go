package faults

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/internal/freeport"
	"github.com/causeway-im/causeway/suite/waku"
)

// life is a child process that the test can kill. Only the test's goroutine uses
// it.
type life struct {
	g    *group
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{} // all that it has said is read

	mu      sync.Mutex
	up      bool
	settled bool
	sent    []causeway.MessageID
}

// begin starts a life of the child.
func begin(g *group, o *order) *life {
	g.t.Helper()
	b, err := json.Marshal(o)
	check(g.t, err)
	l := &life{g: g, cmd: exec.Command(os.Args[0]), done: make(chan struct{})}
	l.cmd.Env = append(os.Environ(), orderVar+"="+string(b))
	l.cmd.Stderr = os.Stderr
	l.in, err = l.cmd.StdinPipe()
	check(g.t, err)
	out, err := l.cmd.StdoutPipe()
	check(g.t, err)
	check(g.t, l.cmd.Start())
	g.t.Cleanup(func() { l.kill() })
	go l.listen(out)
	g.await("the child", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.up })
	return l
}

// listen takes what the child says; its last line may be half of one.
func (l *life) listen(out io.Reader) {
	defer close(l.done)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var x line
		if json.Unmarshal(lines.Bytes(), &x) != nil {
			continue
		}
		if x.Error != "" {
			l.g.t.Errorf("child: %s", x.Error)
		}
		l.mu.Lock()
		l.up = l.up || x.Addrs != nil
		l.settled = l.settled || x.Settled
		if x.Sent != "" {
			l.sent = append(l.sent, x.Sent)
		}
		l.mu.Unlock()
		l.g.poke()
	}
}

// said counts the messages that the child says it has sent.
func (l *life) said() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}

// kill kills the child with -9 and returns what it has sent.
func (l *life) kill() []causeway.MessageID {
	l.cmd.Process.Kill()
	<-l.done
	l.cmd.Wait()
	return l.sent
}

// TestKill: a member is killed with -9 in the middle of a talk, again and again,
// and lives on with the same key, port and database.
func TestKill(t *testing.T) {
	t.Parallel()
	names := []causeway.ParticipantID{"alice", "bob", child}
	g := newGroup(t, names...)
	onDisk(g.members...)
	carol := g.members[2]
	g.members = g.members[:2]
	g.watched = []*member{carol}
	g.join()
	key, err := waku.NewKey()
	check(t, err)
	o := &order{Key: key, Listen: []string{freeport.Multiaddr(t)}, Paths: map[causeway.ParticipantID]string{child: carol.path}}
	for _, m := range g.members {
		o.Peers = append(o.Peers, m.waku.Addrs()...)
		o.Paths[m.name] = m.path
	}
	kills := 3
	if nightly {
		kills = 30
	}
	var sent []causeway.MessageID
	for n := range kills {
		l := begin(g, o)
		for range 6 {
			g.members[n%2].say(1)
		}
		g.await("words of the child", func() bool { return l.said() >= 2+n%3 })
		sent = append(sent, l.kill()...)
		g.chat(5)
	}
	o.Last = true
	l := begin(g, o)
	g.heal()
	g.chat(1)
	for _, m := range g.members {
		m.acknowledged(causeway.SeenByAll)
	}
	g.await("the child to settle", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.settled })
	digest, err := carol.audit.Digest(t.Context(), room)
	check(t, err)
	g.await("her messages", func() bool {
		return uint64(g.members[0].has()) >= digest.Count && uint64(g.members[1].has()) >= digest.Count
	})
	g.compare(int(digest.Count), g.members[0], g.members[1], carol)
	for _, id := range sent {
		for _, m := range []*member{g.members[0], g.members[1], carol} {
			if !holds(m.audit, id) {
				t.Errorf("%s was accepted by a node that was killed, and %s does not have it", id, m.name)
			}
		}
	}
	g.summary()
	own := int(digest.Count) - g.sent()
	t.Logf("%d kills; she is known to have sent %d messages, and sent %d", kills, len(sent), own)
	if own < len(sent) {
		t.Errorf("%d messages of hers are there, she sent %d", own, len(sent))
	}
	l.kill()
}
