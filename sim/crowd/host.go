package crowd

import (
	"hash/fnv"
	"slices"

	"github.com/causeway-im/causeway/sds"
)

// host is what the store of one of our members keeps: what Restore needs, and of
// messages that left the window what a lookup asks for.
type host struct {
	self   sds.ParticipantID
	state  sds.State
	window int
	log    []sds.MessageID  // logged and in the window, by position
	pinned []sds.MessageID  // older ones that Restore needs all the same
	older  map[uint64]older // by short, as ids would keep the packets alive that they came in
}

// older is a logged message that is not in the state any more.
type older struct {
	own   bool
	reach uint64
}

func short(id sds.MessageID) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64()
}

// newHost makes a store for a run of that many messages. It has room for all from
// the beginning, so that a figure of memory tells about members.
func newHost(self sds.ParticipantID, window, messages int) *host {
	return &host{self: self, window: window, older: make(map[uint64]older, max(messages-window, 0))}
}

// commit writes the changes.
func (h *host) commit(c *sds.Changes) {
	h.state.Apply(*c)
	grown := false
	for i := range c.Messages {
		if m := &c.Messages[i]; m.State == sds.StateLogged {
			h.log, grown = append(h.log, m.ID), true
		}
	}
	if grown && len(h.log) > h.window {
		h.archive()
	}
}

// archive takes out of the state what Restore can do without.
func (h *host) archive() {
	n := len(h.log) - h.window
	h.pinned = append(h.pinned, h.log[:n]...)
	h.log = slices.Delete(h.log, 0, n)
	h.pinned = slices.DeleteFunc(h.pinned, func(id sds.MessageID) bool {
		if _, tracked := h.state.Outgoing[id]; tracked || slices.Contains(h.state.Meta.Heads, id) {
			return false
		}
		if r, ok := h.state.Messages[id]; ok && r.State == sds.StateLogged { // not withdrawn
			h.older[short(id)] = older{r.Sender == h.self, r.Reach}
			delete(h.state.Messages, id)
		}
		return true
	})
}

// find answers lookups.
func (h *host) find(ids []sds.MessageID) []sds.Lookup {
	list := make([]sds.Lookup, len(ids))
	for i, id := range ids {
		list[i].ID = id
		if r, ok := h.state.Messages[id]; ok && r.State == sds.StateLogged {
			list[i] = sds.Lookup{ID: id, Known: true, Sender: r.Sender, Reach: r.Reach}
		} else if o, ok := h.older[short(id)]; ok {
			list[i].Known, list[i].Reach = true, o.reach
			if o.own {
				list[i].Sender = h.self
			}
		}
	}
	return list
}
