package demo

import (
	"context"
	"fmt"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
)

// audit is what the nodes and their databases say in the end, whatever was seen
// before.
type audit struct {
	metrics  []causeway.Metrics // by member
	counts   counts
	waku     *Traffic       // nil if the network is another
	digests  []store.Digest // by member
	reached  int            // messages whose receipt says that they have reached all
	overdue  []string       // what is said of those that have not
	problems []string       // logs that do not hold what was written
}

// identical tells whether all logs are the same and have n messages.
func (a *audit) identical(n int) bool {
	for _, d := range a.digests {
		if d != a.digests[0] || d.Count != uint64(n) {
			return false
		}
	}
	return true
}

// examine asks every node what it has in the end.
func (r *Run) examine(ctx context.Context, g *group) (audit, error) {
	a := audit{counts: g.network.counts()}
	if n, ok := g.network.(*wakuNet); ok {
		a.waku = n.traffic()
	}
	for i, m := range g.members {
		a.metrics = append(a.metrics, m.node.Metrics())
		digest, err := m.channel.Digest(ctx)
		if err != nil {
			return a, fmt.Errorf("demo: member %d: %w", i, err)
		}
		a.digests = append(a.digests, digest)
		problem, err := r.readLog(ctx, m.channel)
		if err != nil {
			return a, fmt.Errorf("demo: member %d: %w", i, err)
		}
		if problem != "" {
			a.problems = append(a.problems, fmt.Sprintf("the log of member %d %s", i, problem))
		}
	}
	for _, t := range r.rec.order {
		now, err := g.members[t.sender].channel.Receipt(t.id).Now(ctx)
		if err != nil {
			return a, fmt.Errorf("demo: member %d: %w", t.sender, err)
		}
		if now.Level == causeway.SeenByAll && now.Seen == len(g.members)-1 {
			a.reached++
			continue
		}
		a.overdue = append(a.overdue, fmt.Sprintf("member %d knows of %d of %d who have %q", t.sender, now.Seen, now.Of, fit(t.text, 40)))
	}
	return a, nil
}

// readLog compares a log with what was written: no message twice, none that
// nobody wrote, and each with its sender and its text.
func (r *Run) readLog(ctx context.Context, c *causeway.Channel) (problem string, err error) {
	seen := map[causeway.MessageID]bool{}
	for after := (causeway.Place{}); ; {
		page, more, err := c.Messages(ctx, causeway.Log{After: after, Limit: 1000})
		if err != nil {
			return "", err
		}
		for _, m := range page {
			t := r.rec.tracks[m.ID]
			switch {
			case t == nil:
				return fmt.Sprintf("has message %s, which nobody wrote", m.ID), nil
			case seen[m.ID]:
				return fmt.Sprintf("has message %s twice", m.ID), nil
			case m.Sender != participant(t.sender) || string(m.Content) != t.text:
				return fmt.Sprintf("has another message %s than was written", m.ID), nil
			}
			seen[m.ID] = true
			after = m.Place()
		}
		if !more {
			return "", nil
		}
	}
}
