package node

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/waku"
)

// Help lists the commands.
const Help = `/status     how the node and the channel are
/log [n]    the last n messages, 20 if n is not given
/gaps       messages that are missing
/who        members, and when each last wrote
/peers      other nodes
/telemetry  how telling the collector fares
/quit       stop, as the end of the input does
//text      a message that begins with /`

// maxShown is how many messages or gaps a command shows at most.
const maxShown = 1000

// command does what a line says that begins with a slash. It returns false if the
// node is to stop.
func (m *member) command(ctx context.Context, words []string) bool {
	name, args := words[0], words[1:]
	if len(args) > 1 || len(args) == 1 && name != "/log" {
		m.say("error", "%s: too many words; a message that begins with / is written with //", name)
		return true
	}
	var err error
	switch name {
	case "/quit":
		return false
	case "/help":
		m.out.tell(&helpRecord{headOf("help", time.Now()), Help})
	case "/status":
		err = m.status(ctx)
	case "/log":
		n := historyShown
		if len(args) == 1 {
			if n, err = strconv.Atoi(args[0]); err != nil || n < 1 || n > maxShown {
				err = fmt.Errorf("must be a whole number from 1 to %d", maxShown)
				break
			}
		}
		err = m.log(ctx, n, func(*causeway.Message) {})
	case "/gaps":
		err = m.missing(ctx)
	case "/who":
		err = m.who(ctx)
	case "/peers":
		m.peers()
	case "/telemetry":
		err = m.telling(ctx)
	default:
		m.say("error", "%s: no such command; /help lists them, and // begins a message with /", name)
	}
	if err != nil {
		m.say("error", "%s: %v", name, err)
	}
	return true
}

// helpRecord lists the commands.
type helpRecord struct {
	head
	Text string `json:"text"`
}

func (r *helpRecord) text() string { return r.Text }

// log tells the last n messages of the log, and gives each to seen.
func (m *member) log(ctx context.Context, n int, seen func(*causeway.Message)) error {
	page, _, err := m.channel.Messages(ctx, causeway.Log{Descending: true, Limit: n})
	if err != nil {
		return err
	}
	for _, message := range slices.Backward(page) {
		seen(&message)
		m.out.tell(newMessage(time.UnixMilli(int64(message.Lamport)), &message, true))
	}
	return nil
}

// missing tells which messages are.
func (m *member) missing(ctx context.Context) error {
	gaps, err := m.channel.Gaps(ctx, "", maxShown)
	if err != nil {
		return err
	}
	r := &gapsRecord{headOf("gaps", time.Now()), []*gapRecord{}}
	for i := range gaps {
		r.Gaps = append(r.Gaps, newGap(&gaps[i]))
	}
	m.out.tell(r)
	return nil
}

// statusRecord is how the node and the channel are.
type statusRecord struct {
	head
	Participant    string `json:"participant"`
	Channel        string `json:"channel"`
	Online         bool   `json:"online"`      // the network can be reached
	MaySend        bool   `json:"may_send"`    // and the channel has caught up
	CatchingUp     bool   `json:"catching_up"` // a store is being asked
	StoreError     string `json:"store_error"` // why the database does not take what is written
	Messages       uint64 `json:"messages"`
	Waiting        int    `json:"waiting"` // messages that came and wait for others
	Missing        int    `json:"missing"`
	Skipped        int    `json:"skipped"` // missing, and given up for now
	Unacknowledged int    `json:"unacknowledged"`
	Participants   int    `json:"participants"`
	Published      uint64 `json:"published"` // packets since the start
	Received       uint64 `json:"received"`
	Lost           uint64 `json:"lost"`
}

func (r *statusRecord) text() string {
	var b strings.Builder
	state := "offline"
	switch {
	case r.CatchingUp:
		state = "catching up"
	case r.MaySend:
		state = "online"
	case r.Online:
		state = "connected"
	}
	fmt.Fprintf(&b, "%s in %s: %s, %s, %s\n", clean(r.Participant), clean(r.Channel), state,
		plural(int(r.Messages), "message", "messages"), plural(r.Participants, "participant", "participants"))
	fmt.Fprintf(&b, "missing %d, given up for now %d, waiting for those %d; own messages that not all have %d\n", r.Missing, r.Skipped,
		r.Waiting, r.Unacknowledged)
	fmt.Fprintf(&b, "packets: %d published, %d received, %d lost on purpose", r.Published, r.Received, r.Lost)
	if r.StoreError != "" {
		fmt.Fprintf(&b, "\nthe database fails: %s", clean(r.StoreError))
	}
	return b.String()
}

func (m *member) status(ctx context.Context) error {
	node, err := m.node.Status(ctx)
	if err != nil {
		return err
	}
	s, err := m.channel.Status(ctx)
	if err != nil {
		return err
	}
	packets := m.waku.Stats()
	r := &statusRecord{head: headOf("status", time.Now()), Participant: string(m.self), Channel: m.cfg.Channel, Online: node.Online,
		MaySend: s.Online, CatchingUp: s.CatchingUp, Messages: uint64(s.Messages), Waiting: s.Waiting, Missing: s.Missing,
		Skipped: s.Skipped, Unacknowledged: s.Unacknowledged, Participants: s.Participants,
		Published: packets.Published, Received: packets.Received, Lost: packets.Dropped.Lost}
	if node.StoreError != nil {
		r.StoreError = node.StoreError.Error()
	}
	m.out.tell(r)
	return nil
}

// whoRecord lists the members.
type whoRecord struct {
	head
	Members []whoEntry `json:"members"`
}

type whoEntry struct {
	Participant string `json:"participant"`
	Person      string `json:"person"`     // "" if it is not in the roster
	LastWrote   string `json:"last_wrote"` // "" if not in the last 1,000 messages
	Self        bool   `json:"self"`
}

func (r *whoRecord) text() string {
	lines := make([]string, len(r.Members))
	for i, e := range r.Members {
		person, wrote := "", "has not written lately"
		if e.Person != "" && e.Person != e.Participant {
			person = " (" + clean(e.Person) + ")"
		}
		if e.LastWrote != "" {
			h := head{At: e.LastWrote}
			wrote = "last wrote " + h.clock()
		}
		if e.Self {
			person += ", this node"
		}
		lines[i] = fmt.Sprintf("%s%s: %s", clean(e.Participant), person, wrote)
	}
	return strings.Join(lines, "\n")
}

// who tells who is in the roster, and who has written.
func (m *member) who(ctx context.Context) error {
	page, _, err := m.channel.Messages(ctx, causeway.Log{Descending: true, Limit: maxShown})
	if err != nil {
		return err
	}
	members := map[causeway.ParticipantID]*whoEntry{}
	entry := func(id causeway.ParticipantID) *whoEntry {
		if members[id] == nil {
			members[id] = &whoEntry{Participant: string(id), Self: id == m.self}
		}
		return members[id]
	}
	entry(m.self)
	if m.roster != nil {
		for id, person := range m.roster.Members {
			entry(id).Person = string(person)
		}
	}
	for _, message := range page {
		if e := entry(message.Sender); e.LastWrote == "" {
			e.LastWrote = time.UnixMilli(int64(message.Lamport)).UTC().Format(stamp)
		}
	}
	r := &whoRecord{headOf("who", time.Now()), []whoEntry{}}
	for _, e := range slices.SortedFunc(maps.Values(members), func(a, b *whoEntry) int { return cmp.Compare(a.Participant, b.Participant) }) {
		r.Members = append(r.Members, *e)
	}
	m.out.tell(r)
	return nil
}

// peersRecord lists other nodes.
type peersRecord struct {
	head
	Peers []peerEntry `json:"peers"`
}

type peerEntry struct {
	ID         string   `json:"id"`
	Connected  bool     `json:"connected"`
	Configured bool     `json:"configured"` // by a flag; others came by themselves
	Speaks     []string `json:"speaks"`     // of relay, lightpush, filter and store
	Receiving  bool     `json:"receiving"`  // this light node receives through it
	Error      string   `json:"error"`      // why it is not connected, or not used
}

func (r *peersRecord) text() string {
	if len(r.Peers) == 0 {
		return "nobody, and nobody was named"
	}
	lines := make([]string, len(r.Peers))
	for i, p := range r.Peers {
		state := "connected"
		if !p.Connected {
			state = "not connected"
		}
		if p.Receiving {
			state += ", receiving through it"
		}
		if len(p.Speaks) > 0 {
			state += " (" + strings.Join(p.Speaks, ", ") + ")"
		}
		if p.Error != "" {
			state += ": " + clean(p.Error)
		}
		lines[i] = p.ID + " " + state
	}
	return strings.Join(lines, "\n")
}

func (m *member) peers() {
	r := &peersRecord{headOf("peers", time.Now()), []peerEntry{}}
	for _, p := range m.waku.Health().Peers {
		r.Peers = append(r.Peers, newPeer(&p))
	}
	m.out.tell(r)
}

func newPeer(p *waku.PeerHealth) peerEntry {
	e := peerEntry{ID: p.ID.String(), Connected: p.Connected, Configured: p.Configured, Receiving: p.Receiving, Speaks: []string{}}
	for _, s := range []struct {
		does bool
		name string
	}{{p.Relay, "relay"}, {p.Lightpush, "lightpush"}, {p.Filter, "filter"}, {p.Store, "store"}} {
		if s.does {
			e.Speaks = append(e.Speaks, s.name)
		}
	}
	if p.Err != nil {
		e.Error = p.Err.Error()
	}
	return e
}
