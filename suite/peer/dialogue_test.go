package peer

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/causeway-im/causeway/sds"
)

// TestDialogues replays conversations in the language: see testdata/README.md. A
// directive is "peer NAME key=value…", which starts one, or the name of a peer,
// whose input lines are its commands.
func TestDialogues(t *testing.T) {
	datadriven.Walk(t, "testdata/dialogues", func(t *testing.T, path string) {
		d := &dialogue{peers: map[string]*client{}}
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			if td.Cmd == "peer" {
				d.peers[td.CmdArgs[0].Key] = run(t, dialogueConfig(t, td))
				return ""
			}
			c := d.peers[td.Cmd]
			if c == nil {
				td.Fatalf(t, "no such peer: %s", td.Cmd)
			}
			c.t = t
			var out strings.Builder
			for line := range strings.Lines(td.Input) {
				for _, answer := range c.raw(d.spoken(strings.TrimSuffix(line, "\n"))) {
					out.WriteString(d.shown(answer))
				}
			}
			return out.String()
		})
	})
}

func dialogueConfig(t *testing.T, td *datadriven.TestData) Config {
	t.Helper()
	var dialect sds.Dialect
	number := func(a datadriven.CmdArg) int {
		n, err := strconv.Atoi(a.Vals[0])
		if err != nil {
			td.Fatalf(t, "%v", err)
		}
		return n
	}
	for _, a := range td.CmdArgs[1:] {
		if a.Key == "dialect" {
			dialect = map[string]sds.Dialect{"lip": sds.LIP, "js": sds.JS, "nim": sds.Nim}[a.Vals[0]]
		}
	}
	c := settings(dialect, td.CmdArgs[0].Key)
	for _, a := range td.CmdArgs[1:] {
		switch a.Key {
		case "dialect":
		case "causal-history":
			c.CausalHistory = number(a)
		case "possible-acks":
			c.PossibleAcks = number(a)
		case "lost-timeout-ms":
			c.LostTimeout = time.Duration(number(a)) * time.Millisecond
		case "no-repair":
			c.NoRepair = true
		case "repair-buffer":
			c.RepairBuffer = number(a)
		case "t-min":
			c.TMin = time.Duration(number(a)) * time.Millisecond
		case "t-max":
			c.TMax = time.Duration(number(a)) * time.Millisecond
		case "groups":
			c.Groups = number(a)
		default:
			td.Fatalf(t, "no such argument: %s", a.Key)
		}
	}
	return c
}

// dialogue keeps the names of a file: $m1 is the payload that went out first, #m1
// its id.
type dialogue struct {
	peers    map[string]*client
	payloads []string // base64, without repetitions
	ids      []string
}

var (
	textOrName = regexp.MustCompile(`text:[^"]*|[$#]m[0-9]+`)
	longBase64 = regexp.MustCompile(`"(content|payload|retrievalHint|bloomFilter)":"([^"]*)"`)
)

// spoken replaces text:… and names by what they stand for.
func (d *dialogue) spoken(line string) string {
	return textOrName.ReplaceAllStringFunc(line, func(s string) string {
		if text, ok := strings.CutPrefix(s, "text:"); ok {
			return base64.StdEncoding.EncodeToString([]byte(text))
		}
		n, err := strconv.Atoi(s[2:])
		if err != nil || n < 1 || n > len(d.ids) {
			return s
		}
		if s[0] == '$' {
			return d.payloads[n-1]
		}
		return d.ids[n-1]
	})
}

// shown is an answer with texts and names.
func (d *dialogue) shown(line string) string {
	var e event
	if json.Unmarshal([]byte(line), &e) == nil && e.Event == "out" {
		d.name(base64.StdEncoding.EncodeToString(e.Payload), string(e.ID))
	}
	line = longBase64.ReplaceAllStringFunc(line, func(s string) string {
		m := longBase64.FindStringSubmatch(s)
		b, err := base64.StdEncoding.DecodeString(m[2])
		switch {
		case err != nil:
			return s
		case m[1] == "bloomFilter":
			return fmt.Sprintf(`"bloomFilter":"(%d bytes)"`, len(b))
		case m[1] == "payload":
			for i, p := range d.payloads {
				if p == m[2] {
					return fmt.Sprintf(`"payload":"$m%d"`, i+1)
				}
			}
			return s
		}
		return fmt.Sprintf(`"%s":"text:%s"`, m[1], b)
	})
	for i, id := range d.ids {
		line = strings.ReplaceAll(line, `"`+id+`"`, fmt.Sprintf(`"#m%d"`, i+1))
	}
	return line
}

func (d *dialogue) name(payload, id string) {
	for _, p := range d.payloads {
		if p == payload {
			return
		}
	}
	d.payloads, d.ids = append(d.payloads, payload), append(d.ids, id)
}
