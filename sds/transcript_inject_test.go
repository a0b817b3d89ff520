package sds_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/bloom"
	"github.com/causeway-im/causeway/sds/wire"
)

// inject makes a message by hand and broadcasts it, or hands it to=… at once.
//
//	inject js from=jo hello   as @waku/sds makes it: id = hex SHA-256 of the
//	                          content, sender ids in the history, hex or sync-…
//	inject nim from=nat hello as nim-sds makes it: id given by its host, seconds
//	inject lip from=eve hello as Causeway makes it, without an extension
//
// Options: sync instead of a text; as=name; names=(m1, m2) for the causal
// history, invent=50 before them for parents that do not exist (skip=50: for
// other ones than the first 50); requests=(m1) for the repair request;
// filter=(m1) for the bloom filter, which is of full size; hints=(m1:h1);
// at=+5s or at=2^53 for the timestamp; id=… where it is free to choose; seq=7
// for an extension with the sender's incarnation; crowd=21 for one each of
// p1 … p21, with growing timestamps.
func (w *world) inject(a *args) {
	for i := range max(1, a.number("crowd")) {
		w.injectOne(a, i)
	}
}

func (w *world) injectOne(a *args, nth int) {
	d := a.dialect(a.pos(0))
	m := &wire.Message{Dialect: wire.LIP, SenderID: sds.ParticipantID(a.get("from", "")), ChannelID: channel,
		Lamport: w.lamport(d, w.now), HasLamport: true}
	if d == sds.Nim {
		m.Dialect, m.Content, m.BloomFilter = wire.Nim, []byte{}, []byte{}
		m.Lamport++ // max(now, clock) + 1
	}
	kind := sds.ClassContent
	if a.has("sync") {
		kind = sds.ClassSync
	} else {
		m.Content = []byte(a.pos(1))
	}
	if a.values["crowd"] != nil {
		m.SenderID = sds.ParticipantID(fmt.Sprintf("p%d", nth+1))
		m.Content = fmt.Appendf(m.Content, "-%d", nth+1)
	}
	switch at := a.get("at", ""); at {
	case "":
	case "2^53":
		m.Lamport = 1 << 53
	default:
		m.Lamport = w.lamport(d, start.Add(a.duration(at))) + uint64(nth)
	}
	for i := range a.number("invent") {
		m.CausalHistory = append(m.CausalHistory, wire.HistoryEntry{MessageID: w.invent(i + a.number("skip"))})
	}
	m.CausalHistory = append(m.CausalHistory, w.entriesFor(d, a, "names")...)
	m.RepairRequest = w.entriesFor(d, a, "requests")
	m.MessageID = w.idFor(d, a, m)
	w.bind(m.MessageID, a.as(map[bool]string{true: "s", false: "m"}[a.has("sync")]))
	if a.values["filter"] != nil {
		m.BloomFilter = w.filter(d, a.list("filter"))
	}
	if n := a.number("seq"); n > 0 {
		e := wire.Extension{Version: 1, Incarnation: w.find(string(m.SenderID)).state.Meta.Incarnation, Sequence: uint64(n)}
		m.Extension = e.Encode()
	}
	b := m.Encode()
	w.bytes[m.MessageID] = b
	w.packet(string(m.SenderID), kind, m, len(b))
	if to := a.list("to"); to != nil {
		for _, name := range to {
			w.receive(w.find(name), b, sds.Origin{})
		}
		return
	}
	w.broadcast(nil, kind, b)
}

// invent returns the id of a message that nobody wrote.
func (w *world) invent(i int) sds.MessageID {
	id := sds.ContentID(fmt.Appendf(nil, "nobody wrote this: %d", i+1))
	if w.names[id] == "" {
		w.bind(id, w.fresh("n"))
	}
	return id
}

func (w *world) entriesFor(d sds.Dialect, a *args, key string) []wire.HistoryEntry {
	var list []wire.HistoryEntry
	for _, name := range a.list(key) {
		e := wire.HistoryEntry{MessageID: w.id(name)}
		if m, err := wire.Decode(w.bytes[e.MessageID]); err == nil && d != sds.LIP {
			e.SenderID = m.SenderID
		}
		for _, hint := range a.list("hints") {
			if of, h, _ := strings.Cut(hint, ":"); of == name {
				e.RetrievalHint = []byte(h)
			}
		}
		list = append(list, e)
	}
	return list
}

func (w *world) idFor(d sds.Dialect, a *args, m *wire.Message) sds.MessageID {
	if id := a.get("id", ""); id != "" {
		return sds.MessageID(id)
	}
	w.count["id"]++
	switch {
	case d == sds.Nim:
		return sds.MessageID(fmt.Sprintf("0x%064x", w.count["id"]))
	case a.has("sync"):
		return sds.MessageID(fmt.Sprintf("sync-%011d", w.count["id"]))
	case d == sds.JS:
		return sds.ContentID(m.Content)
	}
	return sds.NewMessageID(m.ChannelID, m.SenderID, m.Lamport, m.CausalHistory, m.Content)
}

// filter makes a deployed peer's filter over some messages.
func (w *world) filter(d sds.Dialect, names []string) []byte {
	kind := bloom.JS
	if d == sds.Nim {
		kind = bloom.Nim
	}
	f, err := bloom.New(kind, bloom.Default())
	if err != nil {
		w.t.Fatalf("%s: %v", w.where, err)
	}
	if slices.Equal(names, []string{"everything"}) && kind == bloom.JS {
		return bytes.Repeat([]byte{0xff}, f.Len()) // what a filter becomes that never rolls
	}
	for _, name := range names {
		f.Add(string(w.id(name)))
	}
	return f.Append(nil)
}
