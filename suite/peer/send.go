package peer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// send makes a message of content. failed says that the transport refuses it.
func (m *machine) send(now int64, content, hint []byte, failed bool) error {
	if err := errors.Join(checkContent(content), checkHint(hint)); err != nil {
		return err
	}
	if m.cfg.Dialect == sds.JS {
		if again := m.pending(sds.ContentID(content)); again != nil {
			m.transmit(again, "content", hint, failed)
			return nil
		}
	}
	lamport, err := m.tick(now)
	if err != nil {
		return err
	}
	w := wire.Message{Dialect: m.wire(), SenderID: m.cfg.Sender, ChannelID: m.cfg.Channel, Lamport: lamport,
		HasLamport: true, RepairRequest: m.repair.due(now), Content: content}
	w.CausalHistory = m.history(false, w.RepairRequest)
	if m.cfg.Dialect == sds.JS {
		w.MessageID = sds.ContentID(content)
	} else {
		w.MessageID = sds.NewMessageID(w.ChannelID, w.SenderID, w.Lamport, w.CausalHistory, content)
	}
	if m.known[w.MessageID] != nil || m.holes[w.MessageID] != nil || m.lost[w.MessageID] {
		return fmt.Errorf("a message with this id exists: %s", w.MessageID)
	}
	m.attachFilter(&w)
	m.lamport = lamport
	n := &message{id: w.MessageID, sender: w.SenderID, lamport: lamport, content: content,
		payload: w.Encode(), parents: w.CausalHistory}
	m.known[n.id] = n
	m.outgoing = append(m.outgoing, n)
	m.transmit(n, "content", hint, failed)
	if !failed {
		m.repair.asked(w.RepairRequest, now)
	}
	return nil
}

func checkContent(content []byte) error {
	if n := len(content); n == 0 || n > sds.MaxContent {
		return fmt.Errorf("content has %d bytes, want 1 to %d", n, sds.MaxContent)
	}
	return nil
}

// pending returns an own message that nobody acknowledged.
func (m *machine) pending(id wire.MessageID) *message {
	if i := slices.IndexFunc(m.outgoing, func(n *message) bool { return n.id == id }); i >= 0 {
		return m.outgoing[i]
	}
	return nil
}

// transmit hands an own message to the transport. When it took it for the first
// time, the message enters the log.
func (m *machine) transmit(n *message, kind string, hint []byte, failed bool) {
	m.emit(outEvent{"out", kind, n.payload, n.id})
	if failed {
		return
	}
	if hint != nil {
		n.hint = hint
	}
	first := !n.logged
	m.enterOwn(n)
	if first || kind == "content" {
		m.emit(idEvent{"sent", n.id})
	}
}

func (m *machine) enterOwn(n *message) {
	if n.logged {
		return
	}
	if m.cfg.Dialect == sds.JS {
		m.addToFilter(n.id)
	}
	m.enter(n)
}

// history returns what the next message names, oldest first, within the cap, and
// within the bytes that a message may spend on entries.
func (m *machine) history(sync bool, requests []wire.HistoryEntry) []wire.HistoryEntry {
	var entries []wire.HistoryEntry
	room := wire.MaxEntryBytes
	for i := range requests {
		room -= entrySize(&requests[i])
	}
	add := func(n *message) bool {
		if n.foreign || m.cfg.Dialect == sds.LIP && m.named[n.id] {
			return true
		}
		e := n.entry()
		if room -= entrySize(&e); room < 0 || len(entries) == m.cfg.CausalHistory {
			return false
		}
		entries = append(entries, e)
		return true
	}
	if m.cfg.Dialect == sds.LIP && !sync {
		// Too many heads: content names the oldest, so that they become fewer.
		for _, n := range m.log {
			if !add(n) {
				break
			}
		}
		return entries
	}
	for _, n := range slices.Backward(m.log) {
		if !add(n) {
			break
		}
	}
	slices.Reverse(entries)
	return entries
}

// entrySize bounds what an entry takes on the wire.
func entrySize(e *wire.HistoryEntry) int {
	return len(e.MessageID) + len(e.RetrievalHint) + len(e.SenderID) + 3*4
}

// sync sends a message without content: acknowledgements and requests.
func (m *machine) sync(now int64) error {
	w := wire.Message{Dialect: m.wire(), SenderID: m.cfg.Sender, ChannelID: m.cfg.Channel, HasLamport: true,
		RepairRequest: m.repair.due(now)}
	w.CausalHistory = m.history(true, w.RepairRequest)
	if len(w.CausalHistory)+len(w.RepairRequest) == 0 {
		m.emit(nameEvent{"syncSkipped"})
		return nil
	}
	next, err := m.tick(now)
	if err != nil {
		return err
	}
	m.lamport, w.Lamport = next, next
	w.MessageID = m.syncID(next)
	if m.cfg.Dialect == sds.Nim {
		w.Content = []byte{} // nim-sds refuses a message without the field
	}
	m.attachFilter(&w)
	payload := w.Encode()
	if m.cfg.Dialect == sds.Nim {
		m.met[w.MessageID] = true
		m.kept[w.MessageID] = &message{id: w.MessageID, sender: w.SenderID, payload: payload}
	}
	m.emit(outEvent{"out", "sync", payload, w.MessageID})
	m.repair.asked(w.RepairRequest, now)
	return nil
}

// syncID returns an id that no other sync of this channel has.
func (m *machine) syncID(lamport uint64) wire.MessageID {
	b := binary.BigEndian.AppendUint64(nil, lamport)
	b = fmt.Appendf(b, "%q%q", m.cfg.Channel, m.cfg.Sender)
	sum := sha256.Sum256(b)
	return wire.MessageID("sync-" + hex.EncodeToString(sum[:8]))
}

// ephemeral sends content that is neither logged nor acknowledged.
func (m *machine) ephemeral(content []byte) error {
	if m.cfg.Dialect == sds.Nim {
		return errors.New("the nim dialect has no ephemeral messages")
	}
	if err := checkContent(content); err != nil {
		return err
	}
	w := wire.Message{Dialect: m.wire(), SenderID: m.cfg.Sender, ChannelID: m.cfg.Channel,
		MessageID: sds.ContentID(content), Content: content}
	m.echoes[w.MessageID] = true
	m.emit(outEvent{"out", "ephemeral", w.Encode(), w.MessageID})
	return nil
}
