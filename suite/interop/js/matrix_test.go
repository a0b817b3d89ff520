package js

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/suite/peer"
)

// party is who takes part: a process or a node.
type party interface {
	name() string
	// at says what time it is; do runs a command of the language.
	at(now int64)
	do(cmd string, args with) []event
}

// The columns of the matrix: who sends to whom.
const (
	nodeToJS = "node → JS"
	jsToNode = "JS → node"
	peerToJS = "peer → JS"
	jsToPeer = "JS → peer"
)

var columns = []string{nodeToJS, jsToNode, peerToJS, jsToPeer}

// rows are what the tests prove, in the order of the matrix.
var rows = []struct{ test, what string }{
	{"TestContent", "**Content** of 1 byte and of 1 MiB: id, sender, timestamp and bytes arrive"},
	{"TestSync", "**Sync**: delivers nothing, and shows what was lost"},
	{"TestEphemeral", "**Ephemeral**: arrives, takes no place in the log"},
	{"TestDuplicate", "**Duplicate**: a copy is not delivered again"},
	{"TestMissing", "**Missing dependency**: is reported with its id, what depends on it waits, both are delivered in order"},
	{"TestOrder", "nor is a message delivered before one that waits itself"},
	{"TestLost", "a dependency that never comes: what waits is delivered without it, and it takes its place when it comes late"},
	{"TestRepair", "**SDS-R**: the receiver asks, the sender answers (arrow: the answer)"},
	{"TestRepairByOthers", "a third member asks, the one that has the message answers"},
	{"TestRepairAgain", "the request was lost: it is made again"},
	{"TestAckByHistory", "**Acknowledged by history** (arrow: the message)"},
	{"TestAckByFilter", "**Acknowledged by filter**"},
	{"TestRestart", "the receiver restarts without its log: its own old message, which others build on, is repaired and delivered"},
	{"TestBadFilter", "a filter that can't be read does not lose the message"},
	{"TestClock", "a timestamp of 2⁶³ does not end the receiver's clock"},
	{"TestLossy", "**500 messages at 20 % loss**, written by both: the logs end identical, all is acknowledged"},
	{"TestThreeOneJS", "**Three members**, one of them JS, 90 messages at 20 % loss"},
	{"TestThreeTwoJS", "three members, two of them JS"},
	{"TestThreeKinds", "three members: node, peer and JS"},
}

// matrix holds the cells that were proved, by test and column.
var matrix struct {
	sync.Mutex
	cells map[string]map[string]string
}

// proved fills a cell if the test passes: ✓, or what @waku/sds does instead.
func proved(t *testing.T, column, instead string) {
	test, _, _ := strings.Cut(t.Name(), "/")
	t.Cleanup(func() {
		if t.Failed() || t.Skipped() {
			return
		}
		mark := "✓"
		if instead != "" {
			mark = instead
		}
		matrix.Lock()
		defer matrix.Unlock()
		if matrix.cells == nil {
			matrix.cells = map[string]map[string]string{}
		}
		if matrix.cells[test] == nil {
			matrix.cells[test] = map[string]string{}
		}
		matrix.cells[test][column] = mark
	})
}

// table renders the matrix.
func table() string {
	matrix.Lock()
	defer matrix.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "| what | %s | proved by |\n|---|%s---|\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s |", r.what)
		for _, c := range columns {
			mark := matrix.cells[r.test][c]
			if mark == "" {
				mark = "not proved"
			}
			fmt.Fprintf(&b, " %s |", mark)
		}
		fmt.Fprintf(&b, " `%s` |\n", r.test)
	}
	return b.String()
}

// compareMatrix fails if the matrix in the docs is not that of this run.
func compareMatrix() error {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "interop.md"))
	if err != nil {
		return err
	}
	if got := table(); !bytes.Contains(b, []byte("\n\n"+got+"\n")) {
		return fmt.Errorf("the matrix of this run is not that in docs/interop.md:\n\n%s", got)
	}
	return nil
}

// options change what a member is; each kind takes its part.
type options struct {
	causalHistory int   // 0: the default
	filter        bool  // the node's messages carry the filter, as the others' do anyway
	lostAfter     int64 // ms
}

// newJS, newPeer and ourNode make members.

func newJS(t *testing.T, who string, o options) party {
	var flags []string
	if o.causalHistory > 0 {
		flags = append(flags, "--causal-history", fmt.Sprint(o.causalHistory))
	}
	if o.lostAfter > 0 {
		flags = append(flags, "--lost-timeout-ms", fmt.Sprint(o.lostAfter))
	}
	return launchJS(t, who, flags...)
}

func newPeer(t *testing.T, who string, o options) party {
	return launchPeer(t, who, func(c *peer.Config) {
		if o.causalHistory > 0 {
			c.CausalHistory = o.causalHistory
		}
		c.LostTimeout = millis(o.lostAfter)
	})
}

func ourNode(t *testing.T, who string, o options) party {
	return newNode(t, who, func(c *sds.Config) {
		c.MaxParents, c.AlwaysFilter, c.GapAfter = o.causalHistory, o.filter, millis(o.lostAfter)
	})
}

// pair is a sender and a receiver of one column.
type pair struct {
	t        *testing.T
	column   string
	from, to party
	now      int64
	// make makes a member: @waku/sds, or ours.
	make func(who string, js bool) party
}

// toJS and fromJS tell which end is JavaScript.
func (p *pair) toJS() bool   { return strings.HasSuffix(p.column, "→ JS") }
func (p *pair) fromJS() bool { return !p.toJS() }
func (p *pair) node() bool   { return p.column == nodeToJS || p.column == jsToNode }

// each runs a test for each column, and fills the cells: with what instead says
// for it, or ✓.
func each(t *testing.T, o options, instead func(*pair) string, test func(*pair)) {
	need(t)
	for _, column := range columns {
		t.Run(strings.ReplaceAll(strings.ReplaceAll(column, " → ", "_to_"), "JS", "js"), func(t *testing.T) {
			t.Parallel()
			p := &pair{t: t, column: column, now: begin}
			ours := newPeer
			if p.node() {
				ours = ourNode
			}
			p.make = func(who string, js bool) party {
				m := ours
				if js {
					m = newJS
				}
				made := m(t, who, o)
				made.at(p.now)
				return made
			}
			p.from, p.to = p.make("alice", p.fromJS()), p.make("bob", p.toJS())
			note := ""
			if instead != nil {
				note = instead(p)
			}
			proved(t, column, note)
			test(p)
		})
	}
}

// pass lets time pass, in milliseconds.
func (p *pair) pass(ms int64) {
	p.now += ms
	p.from.at(p.now)
	p.to.at(p.now)
}

func say(t *testing.T, who party, text string) event {
	t.Helper()
	return one(t, who.do("send", with{"content": []byte(text)}), "out")
}

func hear(who party, payload []byte) []event { return who.do("receive", with{"payload": payload}) }

func state(t *testing.T, who party) event {
	t.Helper()
	return one(t, who.do("state", nil), "state")
}
