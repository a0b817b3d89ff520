package sds

import (
	"slices"

	"github.com/causeway-im/causeway/sds"
)

// maxEvents is how many reports may wait for a slow callback before calls wait
// too.
const maxEvents = 16384

type eventKind uint8

const (
	eventReady eventKind = iota + 1
	eventSent
	eventMissing
	eventSync
	eventOutgoing
	eventReceipt
)

// event is one call of a callback.
type event struct {
	kind    eventKind
	id      MessageID
	channel string
	missing []HistoryEntry
	out     OutgoingMessage
	receipt sds.Receipt
}

// queue is first in, first out.
type queue struct {
	items []event
	start int
}

func (q *queue) len() int { return len(q.items) - q.start }

func (q *queue) push(e event) {
	if q.start > 64 && q.start > len(q.items)/2 {
		q.items, q.start = slices.Delete(q.items, 0, q.start), 0
	}
	q.items = append(q.items, e)
}

func (q *queue) pop() event {
	e := q.items[q.start]
	q.items[q.start] = event{}
	if q.start++; q.start == len(q.items) {
		q.items, q.start = q.items[:0], 0
	}
	return e
}

// dispatch calls the callbacks that are due, unless somebody is at it: that one
// goes on until none is left, so that their order is that of the events.
func (rm *ReliabilityManager) dispatch() {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	if rm.calling {
		return
	}
	rm.calling = true
	defer func() { rm.calling = false }() // also if a callback panics
	for rm.open && rm.events.len() > 0 {
		e := rm.events.pop()
		if rm.events.len() == maxEvents-1 {
			rm.changed.Broadcast()
		}
		if f := rm.callback(&e); f != nil {
			rm.unlocked(f)
		}
	}
}

// callback returns the call that e asks for, or nil if nobody wants to hear it.
func (rm *ReliabilityManager) callback(e *event) func() {
	on, out, receipts := rm.callbacks, rm.outgoing, rm.receipts
	switch {
	case e.kind == eventReady && on.OnMessageReady != nil:
		return func() { on.OnMessageReady(e.id, e.channel) }
	case e.kind == eventSent && on.OnMessageSent != nil:
		return func() { on.OnMessageSent(e.id, e.channel) }
	case e.kind == eventMissing && on.OnMissingDependencies != nil:
		return func() { on.OnMissingDependencies(e.id, e.missing, e.channel) }
	case e.kind == eventSync && on.OnPeriodicSync != nil:
		return on.OnPeriodicSync
	case e.kind == eventReceipt && receipts != nil:
		return func() { receipts(e.receipt, e.channel) }
	case e.kind == eventOutgoing && out != nil:
		return func() { out(e.out) }
	}
	return nil
}
