package sim

import (
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// What the deployed implementations put into every content message.
const (
	jsHistory   = 200    // entries of causal history in @waku/sds 0.0.8
	nimHistory  = 10     // the same in nim-sds master
	nimCapacity = 10_000 // of the filter of nim-sds, at first
	nimRate     = 0.001  // its false-positive rate
	nimFull     = 12_000 // ids after which it rolls, and its capacity from then on
)

// Deployed adds up the bytes that the content messages of a group take as the
// deployed implementations encode them. It counts these messages alone, once
// each: not the syncs, resends and repairs of those implementations.
//
// A message names what its sender has in its log in the simulation when it
// writes: the log of Causeway, with what was repaired by then. Retrieval hints
// are absent, though both write them when a store gives any.
//
// The zero value is ready to use, for one group. It is not safe for concurrent
// use.
type Deployed struct {
	Messages int
	JS, Nim  int // bytes of whole messages, content included

	ids               map[sds.MessageID]sds.MessageID // ours → that of @waku/sds
	js, small, rolled []byte                          // filters, only their length matters
}

// Sent counts a message that sender gave to the network at a moment when its
// log held the messages of log, oldest first.
func (d *Deployed) Sent(sender sds.ParticipantID, at sds.Time, id sds.MessageID, content []byte, log []sds.Delivery) error {
	if d.ids == nil {
		if err := d.init(); err != nil {
			return err
		}
	}
	d.Messages++
	own := d.contentID(id, content)
	js := d.jsMessage(sender, at, own, content, log)
	nim := d.nimMessage(sender, at, own, content, log)
	d.JS += js.Size()
	d.Nim += nim.Size()
	return nil
}

// init makes the three filters.
func (d *Deployed) init() error {
	d.ids = map[sds.MessageID]sds.MessageID{}
	small, err := bloom.Size(nimCapacity, nimRate)
	if err != nil {
		return err
	}
	rolled, err := bloom.Size(nimFull, nimRate)
	if err != nil {
		return err
	}
	if d.js, err = emptyFilter(bloom.JS, bloom.Default()); err != nil {
		return err
	}
	if d.small, err = emptyFilter(bloom.Nim, small); err != nil {
		return err
	}
	d.rolled, err = emptyFilter(bloom.Nim, rolled)
	return err
}

func emptyFilter(kind bloom.Kind, p bloom.Params) ([]byte, error) {
	f, err := bloom.New(kind, p)
	if err != nil {
		return nil, err
	}
	return f.Append(nil), nil
}

// jsMessage is the message as @waku/sds sends it: the newest 200 of the log by
// the hash of their content, with their senders, and the whole filter. A text
// that was said before has the same id and stands in the log once.
func (d *Deployed) jsMessage(sender sds.ParticipantID, at sds.Time, id sds.MessageID, content []byte, log []sds.Delivery) wire.Message {
	m := wire.Message{Dialect: wire.LIP, SenderID: sender, MessageID: id, ChannelID: ChannelID,
		Lamport: uint64(at), HasLamport: true, BloomFilter: d.js, Content: content}
	for _, l := range d.newest(log, jsHistory) {
		m.CausalHistory = append(m.CausalHistory,
			wire.HistoryEntry{MessageID: d.contentID(l.ID, l.Content), SenderID: l.Sender})
	}
	return m
}

// nimMessage is the message as nim-sds sends it for a host that uses its C
// interface: such a host has no participant id, so the message and the entries
// of its own messages carry none, and those of others carry theirs. Ids are
// those of status-go: a hash of the content in hex after 0x. The timestamp, in
// seconds, runs one ahead.
func (d *Deployed) nimMessage(sender sds.ParticipantID, at sds.Time, id sds.MessageID, content []byte, log []sds.Delivery) wire.Message {
	m := wire.Message{Dialect: wire.Nim, MessageID: "0x" + id, ChannelID: ChannelID,
		Lamport: uint64(at/1000) + 1, HasLamport: true, BloomFilter: d.small, Content: content}
	if len(log) > nimFull {
		m.BloomFilter = d.rolled
	}
	for _, l := range d.newest(log, nimHistory) {
		e := wire.HistoryEntry{MessageID: "0x" + d.contentID(l.ID, l.Content)}
		if l.Sender != sender {
			e.SenderID = l.Sender
		}
		m.CausalHistory = append(m.CausalHistory, e)
	}
	return m
}

// newest returns the last n messages of log that differ in their content,
// newest first: the order does not change their size.
func (d *Deployed) newest(log []sds.Delivery, n int) []sds.Delivery {
	var list []sds.Delivery
	seen := map[sds.MessageID]bool{}
	for i := len(log) - 1; i >= 0 && len(list) < n; i-- {
		if id := d.contentID(log[i].ID, log[i].Content); !seen[id] {
			seen[id] = true
			list = append(list, log[i])
		}
	}
	return list
}

// contentID returns the id that @waku/sds gives to a message of ours.
func (d *Deployed) contentID(id sds.MessageID, content []byte) sds.MessageID {
	if known, ok := d.ids[id]; ok {
		return known
	}
	hash := sds.ContentID(content)
	d.ids[id] = hash
	return hash
}
