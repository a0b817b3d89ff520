package rest

import (
	"net/http"
	"runtime"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
)

// health tells whether the node works: 503 if its store does not.
func (c *call) health() (any, error) {
	s, err := c.node.Status(c.ctx)
	if err != nil {
		return nil, err
	}
	out := struct {
		Status     string `json:"status"` // ok, offline, suspended or store_failed
		Online     bool   `json:"online"`
		Suspended  bool   `json:"suspended"`
		StoreError string `json:"storeError,omitempty"`
		Channels   int    `json:"channels"`
		Queued     int    `json:"queued"`
	}{Status: "ok", Online: s.Online, Suspended: s.Suspended, Channels: s.Channels, Queued: s.Queued}
	switch {
	case s.StoreError != nil:
		out.Status, out.StoreError = "store_failed", s.StoreError.Error()
		c.status = http.StatusServiceUnavailable
	case s.Suspended:
		out.Status = "suspended"
	case !s.Online:
		out.Status = "offline"
	}
	return out, nil
}

func (c *call) version() (any, error) {
	return map[string]string{"version": c.o.Version, "go": runtime.Version()}, nil
}

// info says who this is and what it can do.
func (c *call) info() (any, error) {
	addresses := []string{}
	if c.o.Addresses != nil {
		addresses = append(addresses, c.o.Addresses()...)
	}
	oldest, newest, err := c.node.Cursors(c.ctx)
	if err != nil {
		return nil, err
	}
	return map[string]any{"participant": Text(c.o.Participant), "version": c.o.Version, "addresses": addresses, "faults": c.o.Faults != nil,
		"maxPayload": c.o.MaxPayload, "oldest": oldest, "newest": newest}, nil
}

func (c *call) metrics() (any, error) {
	if c.o.Metrics == nil {
		return nil, &Problem{Status: http.StatusNotFound, Code: "no_metrics", Detail: "this node has no metrics for Prometheus; /v1/traffic counts, too"}
	}
	c.o.Metrics.ServeHTTP(c.w, c.r)
	return written, nil
}

func (c *call) peers() (any, error) {
	list := []Peer{}
	if c.o.Peers != nil {
		list = append(list, c.o.Peers()...)
	}
	return map[string]any{"peers": list}, nil
}

// counted is a number of packets and their bytes.
type counted struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// classLine is what became of packets of one class.
type classLine struct {
	counted
	Failed   uint64 `json:"failed"`
	Deferred uint64 `json:"deferred"`
	Dropped  uint64 `json:"dropped"`
}

// traffic counts since the start of the node.
func (c *call) traffic() (any, error) {
	m := c.node.Metrics()
	sent := map[string]classLine{}
	for class := sds.ClassContent; class <= sds.ClassEphemeral; class++ {
		sent[class.String()] = classLine{counted(m.Sent[class]), m.Failed[class], m.Deferred[class], m.Dropped[class]}
	}
	return map[string]any{"sent": sent, "received": counted(m.Received), "retrieved": counted(m.Retrieved),
		"undecodable": m.Undecodable, "notForMe": m.NotForMe, "tampered": m.Tampered, "otherChannel": m.OtherChannel,
		"refused": m.Refused, "droppedQueue": m.DroppedQueue, "droppedStore": m.DroppedStore, "messages": m.Messages, "own": m.Own,
		"gapsFound": m.GapsFound, "gapsRecovered": m.GapsRecovered, "gapsLost": m.GapsLost, "queries": m.Queries,
		"queryFailures": m.QueryFailures, "commits": m.Commits, "commitFailures": m.CommitFailures}, nil
}

// budgetState is what is used of the quota.
type budgetState struct {
	Limited       bool             `json:"limited"` // false: there is no quota, and nothing else is set
	Level         string           `json:"level"`
	Packets       int              `json:"packets"` // of the quota
	Bytes         int64            `json:"bytes"`   // 0: not limited
	Window        span             `json:"window"`
	Used          counted          `json:"used"`
	Shares        map[string]share `json:"shares"`
	Busy          bool             `json:"busy"`
	NextContentAt int64            `json:"nextContentAt"`
}

type share struct {
	Used    counted `json:"used"`
	Share   counted `json:"share"`
	Room    counted `json:"room"`
	Waiting int     `json:"waiting"`
}

func (c *call) budget() (any, error) {
	b, err := c.node.Budget(c.ctx)
	if err != nil {
		return nil, err
	}
	of := func(s causeway.BudgetShare) share {
		return share{counted(s.Used), counted(s.Share), counted(s.Room), s.Waiting}
	}
	return budgetState{Limited: b.Quota.Packets > 0, Level: budgetLevel(b.Level), Packets: b.Quota.Packets, Bytes: b.Quota.Bytes,
		Window: span(b.Quota.Window), Used: counted(b.Used), Busy: b.Busy, NextContentAt: nanos(b.NextContent),
		Shares: map[string]share{"content": of(b.Content), "repair": of(b.Repair), "request": of(b.Request), "sync": of(b.Sync)}}, nil
}

func budgetLevel(l causeway.BudgetLevel) string {
	names := [...]string{causeway.BudgetNormal: "normal", causeway.BudgetNear: "near", causeway.BudgetFull: "full"}
	if int(l) < len(names) {
		return names[l]
	}
	return "unknown"
}
