// Package node is what stands behind the command causeway node: a member of a
// group on Waku, whose messages are lines of its standard input and whose events
// are lines of its standard output, for people or as JSON for programs.
//
// What it must not forget is in one folder: the database, the key of its Waku
// node, its name and the port that it listens on. So it comes back as who it was.
package node

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/suite/waku"
	"github.com/causeway-im/causeway/telemetry"
)

// Times of a node.
const (
	// handOver is how long a node that is to stop waits until the network has taken
	// what was written.
	handOver = 5 * time.Second
	// glance is how often it looks what has changed that nothing tells.
	glance = 500 * time.Millisecond
	// grace is how long a message may be missing before people are told.
	grace = time.Second
)

// maxLine bounds a line of input. Longer ones end the node.
const maxLine = 4 << 20

// aroundText is how many bytes of a Waku message are not for the text: the history
// that a message names, with hints, and what members tell each other.
const aroundText = 8 << 10

// historyShown is how many messages of the log are shown at the start.
const historyShown = 20

// member is a node that runs.
type member struct {
	cfg     Config
	out     *output
	self    causeway.ParticipantID
	roster  *causeway.Roster
	db      *sql.DB
	waku    *waku.Node
	node    *causeway.Node
	channel *causeway.Channel

	telemetry *telemetry.Telemetry // nil if nothing is told
	unfollow  func()               // ends its counting of traffic

	first   causeway.Cursor             // what happens in this run comes after it
	shown   map[causeway.MessageID]bool // history that was shown
	sent    []*causeway.Receipt         // of this run, not known to be sent
	cursor  atomic.Uint64               // of the last event that was told
	told    chan struct{}               // has room for one token: cursor has moved
	health  chan waku.Health            // has room for one: the newest
	network networkRecord               // as last told
	came    atomic.Uint64               // messages of others that were told
	absence absence
	ticks   ticks
	gaps    gapWatch
	service service
}

// absence is a time in which messages were missed, and the start counts as one.
type absence struct {
	over   bool            // the stores have told all, and so have we
	before uint64          // member.came when it began
	until  causeway.Cursor // when this event is told it is over; 0 while stores are asked
}

// Run joins the group and takes part until in ends, ctx is done or something
// fails, and then stops in good order.
func Run(ctx context.Context, c Config, in io.Reader, out io.Writer, log *slog.Logger) (err error) {
	if err := c.Check(); err != nil {
		return err
	}
	m := &member{cfg: c, shown: map[causeway.MessageID]bool{}, told: make(chan struct{}, 1), health: make(chan waku.Health, 1)}
	read, console := linesOf(in), (*console)(nil)
	if !c.JSON {
		if console = newConsole(in, out); console != nil {
			defer console.end()
			out, read = console, console.ReadLine
		}
	}
	m.out = newOutput(out, c.JSON)
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.open(ctx, log); err != nil {
		return err
	}
	lines := make(chan string)
	over := make(chan struct{})
	defer close(over)
	go func() { // may wait for input for ever
		defer close(lines)
		for {
			line, err := read()
			if err != nil {
				if console != nil {
					console.restore() // a second ^C is a signal again
				}
				if !errors.Is(err, io.EOF) {
					m.say("error", "standard input: %v", err)
				}
				return
			}
			select {
			case lines <- line:
			case <-over:
				return
			}
		}
	}()
	return m.run(ctx, lines)
}

// linesOf returns a function that reads lines.
func linesOf(in io.Reader) func() (string, error) {
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxLine)
	return func() (string, error) {
		if s.Scan() {
			return s.Text(), nil
		}
		if err := s.Err(); err != nil {
			return "", err
		}
		return "", io.EOF
	}
}

// open starts everything and shows the beginning.
func (m *member) open(ctx context.Context, log *slog.Logger) (err error) {
	c := &m.cfg
	m.absence.over = len(c.StoreNodes) == 0
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if m.self, err = c.participant(); err != nil {
		return err
	}
	if m.roster, err = c.roster(m.self); err != nil {
		return err
	}
	if err := m.listenREST(); err != nil {
		return err
	}
	if m.db, err = sqlite.Open(ctx, c.file(databaseFile)); err != nil {
		return err
	}
	kept, err := store.OpenSQL(ctx, m.db, store.SQLOptions{})
	if err != nil {
		return err
	}
	if err := m.openWaku(ctx, log); err != nil {
		return err
	}
	if err := m.openTelemetry(ctx, kept, log); err != nil {
		return err
	}
	o := causeway.Options{Store: kept, Log: log}
	o.Transport, o.Clock = m.carrier()
	if o.Quota, err = c.quota(); err != nil {
		return err
	}
	if m.telemetry != nil {
		o.Observer = m.telemetry
	}
	if m.node, err = causeway.Open(ctx, o); err != nil {
		return err
	}
	if m.telemetry != nil {
		m.unfollow = m.telemetry.Follow(m.node.Metrics)
	}
	if _, m.first, err = m.node.Cursors(ctx); err != nil {
		return err
	}
	m.cursor.Store(uint64(m.first))
	topic := c.topic()
	if c.Channel != "" {
		m.channel, err = m.node.Join(ctx, causeway.ChannelConfig{Channel: causeway.ChannelID(c.Channel), Participant: m.self,
			Roster: m.roster, Topic: topic})
		if err != nil {
			return err
		}
	}
	if err := m.introduce(ctx, string(topic)); err != nil {
		return err
	}
	if err := m.openREST(ctx, log); err != nil {
		return err
	}
	m.waku.WatchHealth(func(h waku.Health) { // until it is closed
		select {
		case <-m.health:
		default:
		}
		m.health <- h
	})
	return nil
}

// openWaku starts the Waku node, where it listened before if it may choose.
func (m *member) openWaku(ctx context.Context, log *slog.Logger) error {
	c := &m.cfg
	o := c.options()
	o.Log = log
	if c.Light {
		var err error
		m.waku, err = waku.New(ctx, o)
		return err
	}
	addr, kept, err := c.listen()
	if err != nil {
		return err
	}
	o.Listen = []string{addr}
	m.waku, err = waku.New(ctx, o)
	if err != nil && kept && ctx.Err() == nil {
		m.say("notice", "can't listen where it was (%s): others need the new address", addr)
		o.Listen = []string{anyPort}
		m.waku, err = waku.New(ctx, o)
	}
	if err != nil {
		return err
	}
	if exposed(addr) {
		m.say("notice", "listens on %s: whoever can reach that can read and write here; nothing is encrypted end to end", addr)
	}
	if c.Listen != "" {
		return nil
	}
	for _, a := range m.waku.Addrs() {
		addr, _, _ = strings.Cut(a, "/p2p/")
	}
	return c.keep(listenFile, addr)
}

// introduce tells who this is and what was said before.
func (m *member) introduce(ctx context.Context, topic string) error {
	var status causeway.ChannelStatus
	if m.channel != nil {
		var err error
		if status, err = m.channel.Status(ctx); err != nil {
			return err
		}
	} else {
		topic = ""
	}
	c := &m.cfg
	cluster := c.cluster()
	r := &startedRecord{head: headOf("started", time.Now()), Participant: string(m.self), Channel: c.Channel, Topic: topic,
		Mode: c.options().Mode.String(), Cluster: cluster, Shard: c.Shard, Addresses: append([]string{}, m.waku.Addrs()...),
		Messages: uint64(status.Messages)}
	if c.Channel != DefaultChannel && c.Channel != "" {
		r.extra = append(r.extra, " --channel "+clean(c.Channel))
	}
	if topic != "" && topic != DefaultTopic(c.Channel) {
		r.extra = append(r.extra, " --topic "+clean(topic))
	}
	if cluster != waku.DefaultCluster || c.Shard != waku.DefaultShard {
		r.extra = append(r.extra, fmt.Sprintf(" --cluster %d --shard %d", cluster, c.Shard))
	}
	if c.ServeStore {
		r.served = append(r.served, "--store-node")
	}
	if c.ServeLight {
		r.served = append(r.served, "--light --service")
	}
	m.out.tell(r)
	if m.channel == nil {
		return nil
	}
	return m.log(ctx, historyShown, func(message *causeway.Message) { m.shown[message.ID] = true })
}

// run takes part until lines ends or ctx is done.
func (m *member) run(ctx context.Context, lines <-chan string) error {
	// What ends it all is not to break off what is being done.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	followed := make(chan error, 1)
	go func() { followed <- m.follow(work) }()
	defer func() { <-followed }()
	defer stop()
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		select {
		case line, ok := <-lines:
			switch {
			case !ok && m.cfg.REST != "": // it has others to serve
				lines = nil
			case !ok || !m.line(work, line):
				return m.finish(work)
			}
		case <-ctx.Done():
			return m.finish(work)
		case err := <-m.service.done:
			m.service.stop = nil
			return err
		case <-m.out.failed:
			return m.out.failure()
		case err := <-followed:
			followed <- nil
			return explain(err)
		case h := <-m.health:
			m.networkChanged(&h)
		case <-ticker.C:
			if err := m.look(work); err != nil {
				return explain(err)
			}
		}
	}
}

// explain says what the library's error means here.
func explain(err error) error {
	if errors.Is(err, store.ErrFenced) {
		return fmt.Errorf("another node has opened the same --data, and this one stops: %w", err)
	}
	return err
}

// line does what a line of input says. It returns false if the node is to stop.
func (m *member) line(ctx context.Context, line string) bool {
	line = strings.TrimRight(line, "\r")
	text, escaped := strings.CutPrefix(line, "//")
	switch {
	case m.channel == nil && strings.TrimSpace(line) != "/quit":
		m.say("error", "no channel was named with --channel: the API has those that there are")
		return true
	case strings.TrimSpace(line) == "":
		return true
	case escaped:
		line = "/" + text
	case strings.HasPrefix(line, "/"):
		return m.command(ctx, strings.Fields(line))
	}
	if most := m.waku.MaxPayload(m.cfg.topic()) - aroundText; len(line) > most {
		m.say("error", "not sent: the text has %d bytes, and at most %d go into one message of Waku", len(line), most)
		return true
	}
	o := causeway.SendOptions{Want: causeway.AtLeastOne}
	if m.roster != nil {
		o.Want = causeway.Everyone
	}
	receipt, err := m.channel.Send(ctx, []byte(line), o)
	if err != nil {
		m.say("error", "not sent: %v", err)
		return true
	}
	m.sent = append(m.sent, receipt)
	return true
}

// finish waits for a while until the network has what was written, and until all
// events are told.
func (m *member) finish(ctx context.Context) error {
	if err := m.closeREST(); err != nil {
		m.say("error", "%v", err)
	}
	waiting, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	unsent := 0
	for _, r := range m.sent {
		if now, err := r.WaitFor(waiting, causeway.Sent); err != nil && now.Level < causeway.Sent {
			unsent++
		}
	}
	_, newest, err := m.node.Cursors(ctx)
	if err != nil {
		return explain(err)
	}
	for m.channel != nil && causeway.Cursor(m.cursor.Load()) < newest {
		select {
		case <-m.told:
		case <-waiting.Done():
			newest = 0
		}
	}
	m.out.tell(&stoppedRecord{headOf("stopped", time.Now()), unsent})
	return m.out.failure()
}

// say tells a remark.
func (m *member) say(event, format string, args ...any) {
	m.out.tell(&noticeRecord{head: headOf(event, time.Now()), Text: fmt.Sprintf(format, args...)})
}

// close ends what was opened.
func (m *member) close() error {
	failed := []error{m.closeREST()}
	if m.node != nil {
		failed = append(failed, m.node.Close())
	}
	failed = append(failed, m.closeTelemetry())
	if m.service.faults != nil {
		m.service.faults.Transport.Close()
	}
	if m.waku != nil {
		failed = append(failed, m.waku.Close())
	}
	if m.db != nil {
		failed = append(failed, m.db.Close())
	}
	return errors.Join(failed...)
}
