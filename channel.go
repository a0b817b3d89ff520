package causeway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
)

// Channel is one participant in one channel of a Node. All methods are safe for
// concurrent use.
type Channel struct {
	n           *Node
	cfg         ChannelConfig
	unsubscribe func() // guarded by n.mu
	ready       bool   // guarded by n.mu; the loop has it
}

// ID returns the channel's id.
func (c *Channel) ID() ChannelID { return c.cfg.Channel }

// Participant returns who we are in the channel.
func (c *Channel) Participant() ParticipantID { return c.cfg.Participant }

// SendOptions are the choices for one message. The zero value is a message that
// wants to reach one other person.
type SendOptions struct {
	// Want is how far the message must come for its Receipt to say Reached. It
	// decides how much acknowledgement is collected, never how often the message
	// is repeated.
	Want Want
	// Ephemeral messages are delivered to whoever is there: they take no place in
	// the log and are neither acknowledged nor repaired. While the channel is not
	// online (ChannelStatus.Online) they go nowhere, and neither do they when the
	// quota is nearly used up (Options.Quota). ProfileNim has none.
	Ephemeral bool
	// Replace says what the message is about, in at most sds.MaxSubject bytes of the
	// application's choice: it replaces the own message before it about the same, if
	// that one is still tracked. A version that never left is dropped; one that left
	// is repeated only if somebody asks for it. The Receipt of either says
	// Superseded. Others don't learn what a message is about.
	Replace string
	// Priority orders what waits for the quota: the channel with the most urgent
	// message comes first, together with what was sent before in that channel.
	Priority Priority
	// ID is for ProfileNim alone, where ids are the application's business.
	ID MessageID
}

// Send makes a message of content and returns when it is durable: it will go out
// now, when the network is back, or after a restart. Content is copied. It has at
// least one byte, and at most what the profile's segments carry (Profile.Segments:
// 26 MB by default, 102,400 bytes for an ephemeral message), or sds.MaxContent
// without segments. What is cut into segments is one message all the same, with one
// Receipt.
//
// After an error nothing was sent, unless the error wraps ErrUncertain, or is
// that of ctx while the message was being written.
func (c *Channel) Send(ctx context.Context, content []byte, o SendOptions) (*Receipt, error) {
	parts, err := c.cut(slices.Clone(content), &o)
	if err != nil {
		return nil, err
	}
	r := &Receipt{c: c}
	done := make(chan error, 1)
	c.n.box.post(func(l *loop) {
		if err := ctx.Err(); err != nil {
			done <- err
			return
		}
		s, err := l.usable(c)
		if err == nil && l.now < s.mutedUntil {
			err = fmt.Errorf("causeway: seal: %w", s.failure)
		}
		if err == nil {
			if l.budget != nil && l.online && !o.Ephemeral {
				r.leaves = timeOf(l.budget.NextContent(l.now, len(parts)))
			}
			r.id, err = s.sendParts(l, parts, &o)
		}
		if err != nil {
			done <- err
			return
		}
		s.sending = append(s.sending, sending{id: r.id, ephemeral: o.Ephemeral, done: done})
		l.touch(s)
	})
	if err := c.n.await(ctx, done); err != nil {
		return nil, err
	}
	return r, nil
}

// sendOne gives content to the channel's state machine: a message, or a part of one.
// What it replaces is withdrawn if it still waits here.
func (s *session) sendOne(l *loop, content []byte, o *SendOptions, part bool) (MessageID, error) {
	content, err := s.sealContent(content)
	if err != nil {
		return "", fmt.Errorf("causeway: seal: %w", err)
	}
	if err := l.passable(content); err != nil {
		return "", err
	}
	if err := s.unused(content, o); err != nil {
		return "", err
	}
	core := sds.SendOptions{Want: o.Want, Ephemeral: o.Ephemeral, Replace: o.Replace, Priority: o.Priority, Part: part, ID: o.ID}
	if id, packet, ok := s.core.Replaceable(o.Replace); ok && (!packet || l.waits(s, id)) {
		core.Withdraw = id
	}
	id, err := s.core.Send(l.now, content, core)
	if err == nil && core.Withdraw != "" {
		l.withdraw(s, core.Withdraw)
	}
	return id, err
}

// unused makes sure that the id of a message is new, if it is not made from place and
// time: beyond its window the state machine can't tell.
func (s *session) unused(content []byte, o *SendOptions) error {
	id := o.ID
	if s.cfg.Profile.Dialect == sds.JS && !o.Ephemeral {
		id = sds.ContentID(content)
	}
	if id == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	_, err := s.n.opts.Store.Message(ctx, s.cfg.Channel, id)
	switch {
	case err == nil:
		return fmt.Errorf("causeway: %w: %s", sds.ErrDuplicateContent, id)
	case errors.Is(err, store.ErrNotFound):
		return nil
	}
	return storeError(err)
}

// session returns what the loop keeps of a channel.
func (l *loop) session(c *Channel) (*session, error) {
	s := l.sessions[c.cfg.Channel]
	if s == nil || s.Channel != c {
		return nil, fmt.Errorf("causeway: %w: %s", ErrNotJoined, c.cfg.Channel)
	}
	return s, nil
}

// usable returns what the loop keeps of a channel that its store has given back.
func (l *loop) usable(c *Channel) (*session, error) {
	s, err := l.session(c)
	if err != nil {
		return nil, err
	}
	if s.core == nil && !s.pausing(l) {
		l.revive(s) // who is suspended has no timer for it
	}
	if s.core == nil || s.pausing(l) {
		return nil, storeError(s.failure)
	}
	return s, nil
}

// live calls f with the channel's state machine, in the loop.
func (c *Channel) live(ctx context.Context, f func(*loop, *session)) error {
	return c.n.ask(ctx, func(l *loop) error {
		s, err := l.usable(c)
		if err != nil {
			return err
		}
		f(l, s)
		return nil
	})
}

// SetRoster replaces the roster, nil with none. Messages that were sent keep the
// audience that they had.
func (c *Channel) SetRoster(ctx context.Context, r *Roster) error {
	r = cloneRoster(r)
	return c.live(ctx, func(l *loop, s *session) {
		s.cfg.Roster = r
		s.core.SetRoster(r)
		l.n.evidence.joined(&s.cfg)
		l.touch(s)
	})
}

// Leave ends taking part. The store keeps what it has, and Join goes on from
// there; with forget all of it is deleted. When ctx ends while it waits, Leave
// goes on by itself.
func (c *Channel) Leave(ctx context.Context, forget bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.n.unsubscribe(c)
	done := make(chan error, 1)
	c.n.box.post(func(l *loop) { // even if ctx ends meanwhile
		s, err := l.session(c)
		if err == nil {
			l.part(s)
			if forget {
				err = l.forget(c)
			}
		}
		done <- err
	})
	return c.n.await(ctx, done)
}

// forget deletes a channel.
func (l *loop) forget(c *Channel) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	b := &store.Batch{Epoch: c.n.epoch, Channels: []store.ChannelBatch{{Channel: c.cfg.Channel, Drop: true}}}
	err := c.n.opts.Store.Commit(ctx, b)
	l.n.metrics.add(func(m *Metrics) { m.committed(nil, 0, err) })
	if err != nil {
		return storeError(err)
	}
	return nil
}

// ChannelStatus is the state of a channel.
type ChannelStatus struct {
	// Online tells whether the channel sends: the transport can, and the channel
	// has caught up or has given that up.
	Online bool
	// CatchingUp tells whether the network's stores are being asked, or will be
	// again since they did not answer.
	CatchingUp bool
	// Messages is how many messages took a place in the log, ever; the newest has
	// this position.
	Messages Position
	Lamport  uint64 // our clock, which syncs move too
	// Waiting are messages that arrived and wait for what they depend on, Missing
	// those that they wait for, Skipped those that were given up for now and Lost
	// those that are no longer asked for.
	Waiting, Missing, Skipped, Lost int
	// Unacknowledged are own messages that have not reached their whole audience.
	Unacknowledged int
	// Participants is how many installations are in the roster, ours included, or
	// were heard when there is none.
	Participants int
	// LastHeard is when something was last heard on this connection, zero if
	// nothing was.
	LastHeard time.Time
	// CompleteTo is the time up to which nothing is known to be missing from the
	// network's stores (spec R100); zero if they were never asked.
	CompleteTo time.Time
}

// Status returns the state of the channel.
func (c *Channel) Status(ctx context.Context) (ChannelStatus, error) {
	var st ChannelStatus
	err := c.live(ctx, func(l *loop, s *session) {
		meta, z := s.core.Meta(), s.core.Sizes()
		missing, skipped := s.core.Missing()
		st = ChannelStatus{Online: l.online && !l.suspended && (s.catch == nil || !s.catch.holding), CatchingUp: s.catch != nil,
			Messages: meta.Position, Lamport: meta.Lamport, Waiting: z.Parked, Missing: missing - skipped, Skipped: skipped, Lost: z.Lost,
			Unacknowledged: z.Outgoing, Participants: s.participants(), LastHeard: timeOf(s.heardAt), CompleteTo: timeOf(s.completeTo)}
	})
	return st, err
}

func (s *session) participants() int {
	if r := s.cfg.Roster; r != nil {
		return len(r.Members)
	}
	return s.core.Sizes().Peers
}

// Log is a page of a channel's log. The zero value of After or AfterPosition
// begins at the oldest message or, descending, at the newest.
type Log struct {
	// ByPosition is the order of arrival, which only grows at its end. Otherwise
	// it is the order by place, which all members agree on and in which late
	// messages appear further up.
	ByPosition    bool
	AfterPosition Position
	After         Place
	Descending    bool
	// Limit is from 1 to 1000; 0 means 100.
	Limit int
}

// Messages returns a page of the log, and whether there may be more of it. A page ends
// early, with at least one message, where the contents have 16 MiB: others choose how
// much they send. What travels in several messages is one here, where the last of them
// stands; as long as it is not complete it is left out. With parity it may have another
// id and place for who lost its last part (spec R143).
func (c *Channel) Messages(ctx context.Context, q Log) (page []Message, more bool, err error) {
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Limit < 1 || q.Limit > 1000 {
		return nil, false, fmt.Errorf("causeway: %w: Limit is %d, must be from 1 to 1000", ErrOptions, q.Limit)
	}
	sq := store.LogQuery{ByPosition: q.ByPosition, AfterPosition: q.AfterPosition, After: q.After, Descending: q.Descending, Limit: min(q.Limit, logPage)}
	err = c.n.read(ctx, func(ctx context.Context) error {
		page, more = make([]Message, 0, q.Limit), true
		for bytes := 0; ; {
			few, err := c.n.opts.Store.Log(ctx, c.cfg.Channel, sq)
			if err != nil {
				return err
			}
			for i := range few {
				if len(page) == q.Limit || bytes >= maxPageContent {
					return nil
				}
				m, err := c.message(ctx, &few[i])
				if err != nil {
					return err
				}
				if !m.Part {
					page = append(page, m)
					bytes += len(m.Content)
				}
			}
			if more = len(few) == sq.Limit; !more || len(page) == q.Limit || bytes >= maxPageContent {
				return nil
			}
			last := &few[len(few)-1]
			sq.AfterPosition, sq.After = last.Position, Place{Lamport: last.Lamport, ID: last.ID}
		}
	})
	if err != nil {
		return nil, false, err
	}
	return page, more, nil
}

// logPage is how many rows of the log are read at once: their contents have no more than a
// page may.
const logPage = maxPageContent / sds.MaxContent

// Message returns one message, or an error that wraps store.ErrNotFound.
func (c *Channel) Message(ctx context.Context, id MessageID) (Message, error) {
	var out Message
	err := c.n.read(ctx, func(ctx context.Context) error {
		m, err := c.n.opts.Store.Message(ctx, c.cfg.Channel, id)
		if err != nil {
			return err
		}
		out, err = c.message(ctx, &m)
		return err
	})
	return out, err
}

// message turns what the store has into what a reader wants.
func (c *Channel) message(ctx context.Context, m *store.Message) (Message, error) {
	out := Message{ID: m.ID, Sender: m.Sender, Lamport: m.Lamport, Position: m.Position,
		Own: m.Ordinal > 0 || m.Sender == c.cfg.Participant, Parents: m.Parents, Hint: m.Hint}
	err := c.reveal(ctx, m, &out)
	return out, err
}

// Gaps returns messages that are missing, were given up, or are not for us; by
// id, above after, at most limit.
func (c *Channel) Gaps(ctx context.Context, after MessageID, limit int) ([]Gap, error) {
	if limit < 1 || limit > 1000 {
		return nil, fmt.Errorf("causeway: %w: limit is %d, must be from 1 to 1000", ErrOptions, limit)
	}
	var kept []store.Gap
	err := c.n.read(ctx, func(ctx context.Context) (err error) {
		kept, err = c.n.opts.Store.Gaps(ctx, c.cfg.Channel, after, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	gaps := make([]Gap, len(kept))
	for i, g := range kept {
		gaps[i] = Gap{ID: g.ID, State: g.State, Sender: g.Sender, Hint: g.Hint, At: timeOf(g.At)}
	}
	return gaps, nil
}

// Digest returns a count and a hash over the log: two members have the same log
// if and only if these are equal.
func (c *Channel) Digest(ctx context.Context) (store.Digest, error) {
	var d store.Digest
	err := c.n.read(ctx, func(ctx context.Context) (err error) {
		d, err = c.n.opts.Store.Digest(ctx, c.cfg.Channel)
		return err
	})
	return d, err
}
