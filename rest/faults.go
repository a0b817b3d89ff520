package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/faults"
)

// faulty is a handler that is there only where the host allows faults.
func faulty(h handler) handler {
	return func(c *call) (any, error) {
		if c.o.Faults == nil {
			return nil, &Problem{Status: http.StatusForbidden, Code: "faults_disabled",
				Detail: "this node does not let anybody break it: start it with faults to allow that"}
		}
		return h(c)
	}
}

// Rule is a rule of package faults as JSON has it.
type Rule struct {
	Action   string   `json:"action"`       // drop, delay, duplicate or reorder
	On       []string `json:"on,omitempty"` // send, receive, retrieve
	Topic    Text     `json:"topic,omitempty"`
	Message  Text     `json:"message,omitempty"` // id
	Sender   Text     `json:"sender,omitempty"`
	Kind     string   `json:"kind,omitempty"` // content, sync or ephemeral
	Payload  blob     `json:"payload,omitempty"`
	Hash     string   `json:"hash,omitempty"` // SHA-256 of the packet, hex
	Share    float64  `json:"share,omitempty"`
	Next     int      `json:"next,omitempty"`
	Duration span     `json:"duration,omitempty"`
	Copies   int      `json:"copies,omitempty"`
}

var directions = []struct {
	name string
	bit  faults.Direction
}{{"send", faults.Send}, {"receive", faults.Receive}, {"retrieve", faults.Retrieve}}

var kinds = map[string]wire.Kind{"": 0, "content": wire.Content, "sync": wire.Sync, "ephemeral": wire.Ephemeral}

// rule reads a rule.
func (r *Rule) rule() (out faults.Rule, err error) {
	var ok bool
	if out.Action, ok = faults.ParseAction(r.Action); !ok {
		return out, bad("action", []string{"drop", "delay", "duplicate", "reorder"}, "must be drop, delay, duplicate or reorder")
	}
	for _, name := range r.On {
		bit := faults.Direction(0)
		for _, d := range directions {
			if d.name == name {
				bit = d.bit
			}
		}
		if bit == 0 {
			return out, bad("on", []string{"send", "receive", "retrieve"}, "must be of send, receive and retrieve")
		}
		out.On |= bit
	}
	if out.Kind, ok = kinds[r.Kind]; !ok {
		return out, bad("kind", []string{"content", "sync", "ephemeral"}, "must be content, sync or ephemeral")
	}
	if out.Hash, err = hex.DecodeString(r.Hash); err != nil {
		return out, bad("hash", sha256.Size, "must be the SHA-256 of the packet, in hex")
	}
	out.Topic, out.ID, out.Sender, out.Content = transport.Topic(r.Topic), wire.MessageID(r.Message), wire.ParticipantID(r.Sender), r.Payload
	out.Share, out.Next, out.Delay, out.Copies = r.Share, r.Next, time.Duration(r.Duration), r.Copies
	return out, r.check()
}

// check says what is wrong with a rule in the words of the API; package faults would
// say the same in those of Go.
func (r *Rule) check() error {
	wrong := func(field string, limit any, format string, args ...any) error {
		p := bad(field, limit, format, args...)
		p.Code = "bad_rule"
		return p
	}
	switch d := time.Duration(r.Duration); {
	case r.Hash != "" && len(r.Hash) != 2*sha256.Size:
		return wrong("hash", 2*sha256.Size, "must have %d digits of hex", 2*sha256.Size)
	case slices.Contains(r.On, "retrieve") && r.Action != "drop":
		return wrong("on", nil, "may have retrieve only where the action is drop")
	case !(r.Share >= 0 && r.Share <= 1):
		return wrong("share", 1, "must be from 0 to 1, and is %v", r.Share)
	case r.Next < 0:
		return wrong("next", nil, "must be at least 0, and is %d", r.Next)
	case r.Action == "delay" && d == 0:
		return wrong("duration", faults.MaxDelay.String(), "must be given, and above 0s, where the action is delay")
	case d < 0 || d > faults.MaxDelay:
		return wrong("duration", faults.MaxDelay.String(), "must be from 0s to %v, and is %v", faults.MaxDelay, d)
	case r.Copies < 0 || r.Copies > faults.MaxCopies:
		return wrong("copies", faults.MaxCopies, "must be from 0 to %d, and is %d", faults.MaxCopies, r.Copies)
	}
	return nil
}

// ruleState is a rule and what it has done.
type ruleState struct {
	Number  uint64 `json:"number"`
	Rule    Rule   `json:"rule"`
	Matched uint64 `json:"matched"`
	Hit     uint64 `json:"hit"`
	Done    bool   `json:"done"`
	Last    Text   `json:"last,omitempty"` // the message that was hit last
}

func ruleOf(s faults.Status) ruleState {
	r := &s.Rule
	out := Rule{Action: r.Action.String(), Topic: Text(r.Topic), Message: Text(r.ID), Sender: Text(r.Sender), Payload: r.Content,
		Hash: hex.EncodeToString(r.Hash), Share: r.Share, Next: r.Next, Duration: span(r.Delay), Copies: r.Copies}
	if r.Kind != 0 {
		out.Kind = r.Kind.String()
	}
	for _, d := range directions {
		if r.On&d.bit != 0 {
			out.On = append(out.On, d.name)
		}
	}
	return ruleState{s.Number, out, s.Matched, s.Hit, s.Done, Text(s.Last)}
}

func (c *call) ruleList() []ruleState {
	list := []ruleState{}
	for _, s := range c.o.Faults.Transport.Rules() {
		list = append(list, ruleOf(s))
	}
	return list
}

// faults tells all that is broken, and what that did.
func (c *call) faults() (any, error) {
	f := c.o.Faults
	s := f.Transport.Stats()
	offset := span(0)
	if f.Clock != nil {
		offset = span(f.Clock.Offset())
	}
	return map[string]any{"online": f.Transport.Online(), "partition": texts(f.Transport.Partition()), "clock": offset, "rules": c.ruleList(),
		"stats": map[string]uint64{"sent": s.Sent, "received": s.Received, "retrieved": s.Retrieved, "offline": s.Offline,
			"partitioned": s.Partitioned, "dropped": s.Dropped, "delayed": s.Delayed, "reordered": s.Reordered,
			"duplicated": s.Duplicated, "overflow": s.Overflow, "failed": s.Failed, "held": uint64(s.Held)}}, nil
}

// clearFaults makes everything whole again.
func (c *call) clearFaults() (any, error) {
	c.o.Faults.Transport.Clear()
	if c.o.Faults.Clock != nil {
		c.o.Faults.Clock.SetOffset(0)
	}
	return nil, nil
}

func (c *call) rules() (any, error) { return map[string]any{"rules": c.ruleList()}, nil }

func (c *call) addRule() (any, error) {
	var body Rule
	if err := c.body(&body); err != nil {
		return nil, err
	}
	rule, err := body.rule()
	if err != nil {
		return nil, err
	}
	s, err := c.o.Faults.Transport.Add(rule)
	if err != nil {
		return nil, err
	}
	c.w.Header().Set("Location", fmt.Sprintf("/v1/faults/rules/%d", s.Number))
	c.status = http.StatusCreated
	return ruleOf(s), nil
}

func (c *call) number() (uint64, *Problem) {
	n, err := strconv.ParseUint(c.r.PathValue("rule"), 10, 64)
	if err != nil {
		return 0, bad("rule", nil, "must be the number of a rule")
	}
	return n, nil
}

var noRule = &Problem{Status: http.StatusNotFound, Code: "rule_unknown", Field: "rule", Detail: "there is no rule with this number"}

func (c *call) rule() (any, error) {
	n, p := c.number()
	if p != nil {
		return nil, p
	}
	s, ok := c.o.Faults.Transport.Rule(n)
	if !ok {
		return nil, noRule
	}
	return ruleOf(s), nil
}

func (c *call) deleteRule() (any, error) {
	n, p := c.number()
	if p != nil {
		return nil, p
	}
	if !c.o.Faults.Transport.Remove(n) {
		return nil, noRule
	}
	return nil, nil
}

func (c *call) setOnline() (any, error) {
	var body struct {
		Online *bool `json:"online"`
	}
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.Online == nil {
		return nil, bad("online", nil, "must be true or false")
	}
	c.o.Faults.Transport.SetOnline(*body.Online)
	return nil, nil
}

// maxCut is how many authors a partition may have.
const maxCut = 10_000

func (c *call) setPartition() (any, error) {
	var body struct {
		Participants []Text `json:"participants"`
	}
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.Participants == nil || len(body.Participants) > maxCut {
		return nil, bad("participants", maxCut, "must be a list of at most %d; an empty one ends the partition", maxCut)
	}
	c.o.Faults.Transport.SetPartition(strs[wire.ParticipantID](body.Participants))
	return nil, nil
}

// maxOffset is how wrong a clock may be.
const maxOffset = 10 * 365 * 24 * time.Hour

func (c *call) setClock() (any, error) {
	var body struct {
		Offset *span `json:"offset"`
	}
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.Offset == nil || time.Duration(*body.Offset).Abs() > maxOffset {
		return nil, bad("offset", maxOffset.String(), "must be a duration of at most %v either way", maxOffset)
	}
	if c.o.Faults.Clock == nil {
		return nil, &Problem{Status: http.StatusForbidden, Code: "faults_disabled", Detail: "this node's clock can't be set wrong"}
	}
	c.o.Faults.Clock.SetOffset(time.Duration(*body.Offset))
	return nil, nil
}

func (c *call) forceSync() (any, error)  { return c.force((*causeway.Channel).Sync) }
func (c *call) forceSweep() (any, error) { return c.force((*causeway.Channel).Sweep) }

func (c *call) force(f func(*causeway.Channel, context.Context) error) (any, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	return nil, f(ch, c.ctx)
}

func (c *call) forceResend() (any, error) {
	ch, id, err := c.named()
	if err != nil {
		return nil, err
	}
	return nil, ch.Resend(c.ctx, id)
}
