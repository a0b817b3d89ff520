package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/suite/waku"
)

// follow tells all events until ctx ends.
func (m *member) follow(ctx context.Context) error {
	if m.channel == nil {
		<-ctx.Done()
		return nil
	}
	for e, err := range m.channel.Events(ctx, m.first) {
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		m.event(ctx, &e)
		m.cursor.Store(uint64(e.Cursor))
		select {
		case m.told <- struct{}{}:
		default:
		}
	}
	return nil
}

func (m *member) event(ctx context.Context, e *causeway.Event) {
	switch {
	case e.Kind == causeway.EventDelivered && !m.shown[e.ID]:
		if e.Message.Own {
			m.ticks.wrote(e.ID, string(e.Message.Content))
			if _, ok := m.out.w.(*console); ok {
				return // it is there as it was typed
			}
		}
		m.out.tell(newMessage(e.At, e.Message, false))
		if !e.Message.Own {
			m.came.Add(1)
		}
	case e.Receipt != nil:
		m.receipt(ctx, e)
	case e.Gap != nil:
		m.gaps.moved(e.Gap)
		m.out.tell(newGap(e.Gap))
	}
}

func newGap(g *causeway.Gap) *gapRecord {
	return &gapRecord{headOf("gap", g.At), string(g.ID), g.State.String(), string(g.Sender)}
}

// ticks are what is known about own messages, for people. The zero value is ready
// to use; it is not safe for concurrent use.
type ticks struct{ texts map[causeway.MessageID]*tick }

type tick struct {
	text string
	seen int
}

func (t *ticks) wrote(id causeway.MessageID, text string) {
	if t.texts == nil {
		t.texts = map[causeway.MessageID]*tick{}
	}
	t.texts[id] = &tick{text: text}
}

func (m *member) receipt(ctx context.Context, e *causeway.Event) {
	now := e.Receipt
	r := &receiptRecord{head: headOf("receipt", e.At), ID: string(e.ID), Level: now.Level.String(), Seen: now.Seen, Of: now.Of,
		Persons: []string{}, Undelivered: now.Undelivered}
	for _, p := range now.Persons {
		r.Persons = append(r.Persons, string(p))
	}
	t := m.ticks.texts[e.ID]
	if t == nil { // of an earlier run
		message, err := m.channel.Message(ctx, e.ID)
		if err == nil {
			m.ticks.wrote(e.ID, string(message.Content))
			t = m.ticks.texts[e.ID]
		} else {
			t = &tick{text: string(e.ID)}
		}
	}
	r.about, r.news = t.text, now.Seen > t.seen
	t.seen = max(t.seen, now.Seen)
	if now.Level == causeway.SeenByAll {
		delete(m.ticks.texts, e.ID)
	}
	m.out.tell(r)
}

// gapWatch is what people are told about missing messages: not those that come
// within the grace, and several at once. The zero value is ready to use. It is
// safe for concurrent use.
type gapWatch struct {
	mu      sync.Mutex
	fresh   map[causeway.MessageID]causeway.Gap // not told yet
	open    map[causeway.MessageID]causeway.Gap // told
	changed map[causeway.GapState][]string      // senders of those told that changed since
}

func (w *gapWatch) moved(g *causeway.Gap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fresh == nil {
		w.fresh, w.open = map[causeway.MessageID]causeway.Gap{}, map[causeway.MessageID]causeway.Gap{}
		w.changed = map[causeway.GapState][]string{}
	}
	before, wasOpen := w.open[g.ID]
	sender := g.Sender
	if sender == "" {
		sender = before.Sender
	}
	switch {
	case g.State == causeway.GapMissing && !wasOpen:
		w.fresh[g.ID] = *g
		return
	case wasOpen:
		w.changed[g.State] = append(w.changed[g.State], someone(string(sender)))
	case g.State == causeway.GapSkipped || g.State == causeway.GapLost: // whether it was told or not
		w.changed[g.State] = append(w.changed[g.State], someone(string(sender)))
		w.open[g.ID] = *g
	}
	delete(w.fresh, g.ID)
	if g.State != causeway.GapMissing && g.State != causeway.GapSkipped && g.State != causeway.GapLost {
		delete(w.open, g.ID)
	}
}

// due returns what to tell now.
func (w *gapWatch) due(now time.Time) (texts []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var senders []string
	for id, g := range w.fresh {
		if now.Sub(g.At) >= grace {
			w.open[id] = g
			delete(w.fresh, id)
			senders = append(senders, someone(string(g.Sender)))
		}
	}
	if len(senders) > 0 {
		texts = append(texts, "missing "+messagesOf(senders))
	}
	for _, s := range []struct {
		state  causeway.GapState
		format string
	}{
		{causeway.GapRecovered, "recovered %s"},
		{causeway.GapSkipped, "going on without %s, still asked for"},
		{causeway.GapLost, "lost %s, no longer asked for"},
		{causeway.GapNotForMe, "%s can't be opened here"},
	} {
		if list := w.changed[s.state]; len(list) > 0 {
			texts = append(texts, fmt.Sprintf(s.format, messagesOf(list)))
		}
	}
	clear(w.changed)
	return texts
}

// messagesOf says how many messages, and of whom.
func messagesOf(senders []string) string {
	who := slices.Compact(slices.Sorted(slices.Values(senders)))
	if len(who) > 4 {
		who = append(who[:3], fmt.Sprintf("%d others", len(who)-3))
	}
	if len(senders) == 1 {
		return "a message of " + who[0]
	}
	return fmt.Sprintf("%d messages of %s", len(senders), strings.Join(who, ", "))
}

// networkChanged tells whether the network can be reached, if that is news.
func (m *member) networkChanged(h *waku.Health) {
	r := networkRecord{head: headOf("network", time.Now()), Online: h.Online}
	for _, p := range h.Peers {
		if p.Connected {
			r.Peers++
		}
	}
	before := m.network
	if before.Event != "" && before.Online == r.Online && before.Peers == r.Peers {
		return
	}
	m.network = r
	r.news = before.Event == "" || before.Online != r.Online || r.Online
	m.out.tell(&r)
	if before.Online && !r.Online && len(m.cfg.StoreNodes) > 0 {
		m.absence = absence{before: m.came.Load()}
	}
}

// look tells what nothing tells by itself.
func (m *member) look(ctx context.Context) error {
	if !m.cfg.JSON {
		for _, text := range m.gaps.due(time.Now()) {
			m.say("notice", "%s", text)
		}
	}
	for len(m.sent) > 0 {
		if now, err := m.sent[0].Now(ctx); err != nil || now.Level < causeway.Sent {
			break
		}
		m.sent = m.sent[1:]
	}
	if m.channel == nil { // nothing else tells that another node has its store
		if _, err := m.node.Status(ctx); errors.Is(err, causeway.ErrClosed) {
			return err
		}
		return nil
	}
	if m.absence.over || !m.network.Online {
		return nil
	}
	if err := m.catchUp(ctx); !errors.Is(err, causeway.ErrNotJoined) { // through the API it may be left
		return err
	}
	return nil
}

// catchUp tells that the stores have told what was missed, after that was told.
func (m *member) catchUp(ctx context.Context) error {
	a := &m.absence
	if a.until == 0 {
		status, err := m.channel.Status(ctx)
		if err != nil || !status.Online || status.CatchingUp {
			return err
		}
		if _, a.until, err = m.node.Cursors(ctx); err != nil {
			return err
		}
	}
	if causeway.Cursor(m.cursor.Load()) >= a.until {
		m.out.tell(&caughtUpRecord{headOf("caught_up", time.Now()), m.came.Load() - a.before})
		a.over = true
	}
	return nil
}
