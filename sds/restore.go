package sds

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/causeway-im/causeway/sds/wire"
)

// restore rebuilds what a State says.
func (c *Channel) restore(s State, content func(MessageID) (wire.Message, error)) error {
	var logged, parkedRecords, missing, gaps, metRecords, lostRecords []MessageRecord
	for _, r := range s.Messages {
		switch r.State {
		case StateLogged:
			logged = append(logged, r)
		case StateParked:
			parkedRecords = append(parkedRecords, r)
		case StateMissing:
			missing = append(missing, r)
		case StateGap:
			gaps = append(gaps, r)
		case StateMet, StateNotForMe:
			metRecords = append(metRecords, r)
		case StateLost:
			lostRecords = append(lostRecords, r)
		}
	}
	byID := func(a, b MessageRecord) int { return cmp.Compare(a.ID, b.ID) }
	slices.SortFunc(logged, func(a, b MessageRecord) int { return cmp.Compare(a.Position, b.Position) })
	slices.SortFunc(parkedRecords, byID)
	slices.SortFunc(missing, byID)
	slices.SortFunc(gaps, byID)
	slices.SortFunc(metRecords, byID)
	slices.SortFunc(lostRecords, byID)
	c.restoreLog(logged, s.Meta.Heads)
	for _, r := range metRecords {
		met := metInfo{own: r.Sender == c.cfg.Participant, recorded: true, named: c.meta.Forgotten > 0}
		if r.State == StateNotForMe {
			met.notForMe = true
			if len(r.Hint) > 0 {
				met.hints = [][]byte{r.Hint}
			}
			c.sumsLack(r.ID)
		}
		c.metIDs.add(r.ID, met)
	}
	for _, r := range gaps {
		if c.nodes[r.ID] != nil {
			continue
		}
		a := &awaited{id: r.ID, sender: r.Sender, hint: r.Hint, since: c.policyNow(),
			trusted: true, skipped: true, reported: true, recorded: true, timer: timer{kind: timerHole, id: r.ID}}
		c.awaited[r.ID], c.skipped[r.ID] = a, a
		c.skipOrder = append(c.skipOrder, a)
		c.plan(a)
		c.rearm(a)
	}
	for _, r := range missing { // asked for when it is named again, as rule P13 has it
		a := &awaited{id: r.ID, sender: r.Sender, hint: r.Hint, since: c.policyNow(),
			reported: true, recorded: true, restored: true, timer: timer{kind: timerHole, id: r.ID}}
		c.awaited[r.ID] = a
		c.rearm(a)
	}
	c.restoreSkippers(logged)
	for _, r := range lostRecords {
		c.lost.add(r.ID, metInfo{recorded: true, named: c.meta.Forgotten > 0})
	}
	for _, r := range logged {
		for i := 0; i < len(r.Parents) && !r.Foreign; i++ {
			c.metIDs.name(r.Parents[i])
			c.lost.name(r.Parents[i])
		}
	}
	c.restoreOutgoing(s)
	return c.restoreParked(parkedRecords, logged, content)
}

// restoreLog loads the window: the newest messages and the heads.
func (c *Channel) restoreLog(logged []MessageRecord, heads []MessageID) {
	if n := c.meta.Position - Position(len(logged)); n > 0 && uint64(n) > c.meta.Forgotten {
		c.meta.ForgottenMax = c.meta.Lamport // the host left out more than we had forgotten
	}
	isHead := map[MessageID]bool{}
	for _, id := range heads {
		isHead[id] = true
	}
	var keep []MessageRecord
	cut := max(0, len(logged)-c.cfg.Window)
	for i, r := range logged {
		if i >= cut || isHead[r.ID] {
			keep = append(keep, r)
		} else {
			c.meta.ForgottenMax = max(c.meta.ForgottenMax, r.Lamport)
		}
	}
	if n := c.meta.Position - Position(len(keep)); n > 0 {
		c.meta.Forgotten = uint64(n)
	}
	for _, r := range keep {
		n := &node{id: r.ID, sender: r.Sender, lamport: r.Lamport, position: r.Position, leaf: r.Leaf,
			reach: r.Reach, ordinal: r.Ordinal, hint: r.Hint, foreign: r.Foreign,
			own: r.Sender == c.cfg.Participant, copied: c.now, voiced: true, named: true}
		c.nodes[r.ID] = n
		c.window.push(n)
		c.received(r.ID)
	}
	for _, r := range keep {
		n := c.nodes[r.ID]
		for _, id := range r.Parents {
			if p := c.nodes[id]; p != nil && p.foreign == n.foreign {
				n.parents = append(n.parents, p)
			}
		}
	}
	raiseReach(c.window.all())
	for _, id := range heads {
		if n := c.nodes[id]; n != nil && !n.head {
			n.head = true
			n.voiced = n.own
			c.heads = append(c.heads, n)
		}
	}
	if c.needsVoice() {
		c.v.owed = true
		c.poke()
	}
	if len(c.heads) > 0 && c.cfg.Dialect != Nim {
		c.unsettle()
	}
}

func (c *Channel) restoreSkippers(logged []MessageRecord) {
	for _, r := range logged {
		for _, id := range r.Parents {
			if a := c.skipped[id]; a != nil {
				c.addSkipper(a, r.ID)
			}
		}
	}
}

func (c *Channel) restoreOutgoing(s State) {
	records := make([]OutgoingRecord, 0, len(s.Outgoing))
	for _, r := range s.Outgoing {
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b OutgoingRecord) int {
		return cmp.Compare(s.Messages[a.ID].Ordinal, s.Messages[b.ID].Ordinal)
	})
	var last *audience
	for _, r := range records {
		m, ok := s.Messages[r.ID]
		if !ok {
			continue
		}
		o := &outgoing{id: r.ID, ordinal: m.Ordinal, lamport: m.Lamport, sequence: r.Sequence, want: r.Want,
			claimed: r.Claimed, wasClaimed: r.Claimed, undelivered: r.Undelivered, wasUndelivered: r.Undelivered,
			subject: r.Subject, superseded: r.Superseded, priority: r.Priority, part: r.Part, level: r.Level, handed: r.Handed, stored: r.Stored, somebody: r.Level >= LevelSeen, sentAt: r.SentAt, started: c.policyNow(),
			timer: timer{kind: timerOutgoing, id: r.ID}}
		if r.HasAudience {
			if last == nil || !slices.Equal(last.memberNames(&c.persons), r.Members) || !slices.Equal(last.stewardNames, r.Stewards) {
				last = c.newAudience(r.Members, r.Stewards)
			}
			o.audience = last
		}
		o.resolveWant(c)
		for person := range s.Seen[r.ID] {
			if o.persons.add(c.persons.of(person)) {
				o.count++
			}
		}
		c.outgoing[o.id] = o
		c.outOrder = append(c.outOrder, o)
		if r.Superseded == "" {
			c.about(o)
		}
		if r.Draft != nil {
			o.draft, o.entries = r.Draft, c.entriesOf(m.Parents)
			continue
		}
		c.resumeCensus(o)
		if !o.known() && o.superseded == "" {
			c.timers.schedule(&o.timer, c.now+1) // it may never have left
		}
	}
	if len(c.outgoing) > 0 {
		c.planAsk(askAfter)
	}
	if c.online {
		c.emitDrafts()
	}
}

func (c *Channel) entriesOf(ids []MessageID) []HistoryEntry {
	entries := make([]HistoryEntry, len(ids))
	for i, id := range ids {
		entries[i] = HistoryEntry{MessageID: id}
		if n := c.nodes[id]; n != nil {
			entries[i].RetrievalHint, entries[i].SenderID = n.hint, n.sender
		}
	}
	return entries
}

// restoreParked puts back what waited. Its parents are asked for again.
func (c *Channel) restoreParked(records, logged []MessageRecord, content func(MessageID) (wire.Message, error)) error {
	var all []*parked
	var histories [][]HistoryEntry
	for _, r := range records {
		if c.nodes[r.ID] != nil {
			continue
		}
		if content == nil {
			return fmt.Errorf("sds: %w: content of parked messages is needed", ErrConfig)
		}
		m, err := content(r.ID)
		if err != nil {
			return fmt.Errorf("sds: content of parked message %s: %w", clip(string(r.ID)), err)
		}
		q := &parked{id: r.ID, sender: r.Sender, lamport: r.Lamport, content: m.Content, parents: r.Parents,
			foreign: r.Foreign, own: r.Sender == c.cfg.Participant, hint: r.Hint,
			leaf: NewLeaf(r.ID, r.Parents, sha256.Sum256(m.Content))}
		c.parked[q.id] = q
		c.parkedQueue = append(c.parkedQueue, q)
		c.parkedBytes += q.cost()
		all = append(all, q)
		histories = append(histories, m.CausalHistory)
	}
	c.restorePassed(all, logged)
	for i, q := range all {
		m := wire.Message{MessageID: q.id, CausalHistory: histories[i]}
		c.block(q, c.missingOf(&m), nil, Verified)
		if q.quarantined = !c.isPlausible(c.now, q.lamport); q.quarantined {
			c.quarantine(q)
		} else if q.missing == 0 {
			c.release(q)
		}
	}
	return nil
}

// restorePassed finds parked messages that others of the log were delivered
// without: they come late.
func (c *Channel) restorePassed(all []*parked, logged []MessageRecord) {
	byID := map[MessageID]*parked{}
	for _, q := range all {
		byID[q.id] = q
	}
	for _, r := range logged {
		for _, id := range r.Parents {
			q := byID[id]
			if q == nil {
				continue
			}
			a := c.awaited[id]
			if a == nil {
				a = &awaited{id: id, sender: q.sender, since: c.policyNow(), skipped: true, reported: true,
					timer: timer{kind: timerHole, id: id}}
				c.awaited[id], c.skipped[id] = a, a
				c.skipOrder = append(c.skipOrder, a)
				c.rearm(a)
			}
			c.addSkipper(a, r.ID)
		}
	}
}

// addSkipper notes that a message of the log was delivered without a.
func (c *Channel) addSkipper(a *awaited, id MessageID) {
	if len(a.skippers) >= maxSkippers {
		return
	}
	n := c.nodes[id]
	if n == nil {
		n = &node{gone: true} // below the window
	}
	a.skippers = append(a.skippers, n)
}
