package segment

import (
	"container/list"
	"time"
)

// memory knows the payloads that were completed last.
type memory struct {
	most   int
	life   time.Duration
	byName map[name]*list.Element
	order  list.List // of memento, the oldest first
}

type memento struct {
	name name
	at   time.Time
}

func newMemory(l Limits) memory {
	return memory{most: l.MaxRemembered, life: l.MemoryLife, byName: map[name]*list.Element{}}
}

func (m *memory) knows(id name) bool { return m.byName[id] != nil }

func (m *memory) add(now time.Time, id name) {
	m.remove(id)
	m.byName[id] = m.order.PushBack(memento{id, now})
	if m.order.Len() > m.most {
		m.remove(m.order.Front().Value.(memento).name)
	}
}

func (m *memory) remove(id name) {
	if e := m.byName[id]; e != nil {
		m.order.Remove(e)
		delete(m.byName, id)
	}
}

func (m *memory) expire(now time.Time) {
	for m.order.Len() > 0 {
		first := m.order.Front().Value.(memento)
		if now.Before(first.at.Add(m.life)) {
			return
		}
		m.remove(first.name)
	}
}
