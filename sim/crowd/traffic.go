package crowd

import (
	"slices"

	"github.com/causeway-im/causeway/sds"
)

// Bytes is what a run cost. Every broadcast counts once, not per receiver and
// not per copy of the mesh, and only those of honest members that left.
type Bytes struct {
	// Content is what members wrote, once per message. Control is everything else in
	// SDS messages: all bytes of all broadcasts less Content. So a repair counts whole.
	Content int64 `json:"content"`
	Control int64 `json:"control"`
	// ControlPerMessageGroup is Control divided by the messages.
	ControlPerMessageGroup float64 `json:"control_per_message_group"`
	// ControlInMessage is the bytes around the content in the first broadcast of a
	// message.
	ControlInMessageP50 float64 `json:"control_in_message_p50"`
	ControlInMessageP99 float64 `json:"control_in_message_p99"`
	// IdlePerSecond is the mean of Control per second in the second hour after the
	// last message, if the run is that long.
	IdlePerSecond *float64 `json:"idle_per_second"`

	// Repeated is the part of Control that is contents in resends and repairs.
	Repeated int64 `json:"repeated"`
	// Packets and ByClass count broadcasts and their bytes by class.
	Packets map[string]int64 `json:"packets"`
	ByClass map[string]int64 `json:"by_class"`
	// Mesh is what the whole group's links carry: bytes × members × the copies that
	// each is sent.
	Mesh float64 `json:"mesh"`
	// Hostile is the bytes of hostile members.
	Hostile int64 `json:"hostile"`
}

// traffic counts broadcasts.
type traffic struct {
	total, content, repeated, hostile int64
	packets, bytes                    [sds.ClassEphemeral + 1]int64
	around                            []int // control in each first broadcast
	idle                              int64
	idleFrom, idleTo                  int64
	unheard, unreadable               int64
}

const hour = 3_600_000

func (t *traffic) init(e *engine) {
	t.idleFrom, t.idleTo = e.plan.lastSend+hour, e.plan.lastSend+2*hour
}

// count takes a broadcast that left.
func (t *traffic) count(e *engine, f *flight) {
	n := int64(len(f.Bytes))
	m := &e.members[f.from]
	if !m.kind.honest() {
		t.hostile += n
		return
	}
	t.packets[f.Class]++
	t.bytes[f.Class] += n
	t.total += n
	content := len(f.Message.Content)
	control := n
	switch {
	case f.first:
		t.content += int64(content)
		control -= int64(content)
		t.around = append(t.around, int(n)-content)
	default:
		t.repeated += int64(content)
	}
	m.control += control
	if f.Class == sds.ClassRepair && f.message != nil {
		f.message.repairs++
	}
	if f.sent >= t.idleFrom && f.sent < t.idleTo {
		t.idle += control
	}
}

// sum returns the Bytes and the fairness.
func (t *traffic) sum(e *engine) (Bytes, float64) {
	b := Bytes{Content: t.content, Control: t.total - t.content, Repeated: t.repeated, Hostile: t.hostile,
		Packets: map[string]int64{}, ByClass: map[string]int64{}}
	if len(e.messages) > 0 {
		b.ControlPerMessageGroup = float64(b.Control) / float64(len(e.messages))
	}
	if n := len(t.around); n > 0 {
		slices.Sort(t.around)
		b.ControlInMessageP50 = float64(t.around[(n-1)/2])
		b.ControlInMessageP99 = float64(t.around[(99*n+99)/100-1])
	}
	if t.idleTo <= e.plan.end {
		idle := float64(t.idle) / (hour / 1000)
		b.IdlePerSecond = &idle
	}
	for c := range t.packets {
		if t.packets[c] > 0 {
			b.Packets[sds.Class(c).String()] = t.packets[c]
			b.ByClass[sds.Class(c).String()] = t.bytes[c]
		}
	}
	b.Mesh = float64(t.total+t.hostile) * float64(len(e.members)) * e.net.MeshCopies
	var most, all int64
	for i := range e.members {
		if m := &e.members[i]; m.kind.honest() {
			most = max(most, m.control)
			all += m.control
		}
	}
	if all == 0 {
		return b, 0
	}
	return b, float64(most) * float64(e.plan.honest()) / float64(all)
}

func (p *plan) honest() int {
	n := 0
	for _, k := range p.kinds {
		if k.honest() {
			n++
		}
	}
	return n
}
