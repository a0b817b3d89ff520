package prove

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/sim/crowd"
	"github.com/causeway-im/causeway/telemetry/report"
)

// witness is a member of a crowd that writes down what truly happens to it.
type witness struct {
	crowd.Participant
	member *member
	base   sds.Time // when the run began
	class  sds.Class
	mine   map[sds.MessageID]*message
	got    map[sds.MessageID]arrival
	lacks  map[sds.MessageID]notice
}

type arrival struct {
	at   int64
	path report.Path
}

func (w *witness) clock(now sds.Time) int64 { return opening + int64(now-w.base) }

func (w *witness) Send(now sds.Time, content []byte, want sds.Want) (sds.MessageID, error) {
	id, err := w.Participant.Send(now, content, want)
	if err == nil {
		w.mine[id] = &message{name: fmt.Sprintf("%x", string(id)), author: w.member, composed: w.clock(now), left: never, acked: never}
	}
	return id, err
}

func (w *witness) Receive(now sds.Time, p *crowd.Packet) error {
	w.class = p.Class
	return w.Participant.Receive(now, p)
}

// Drain is where everything comes out. A packet leaves if the member is online: what
// an offline one hands over is not sent, and it is told so by SetOnline.
func (w *witness) Drain(now sds.Time, out *crowd.Outputs) bool {
	if !w.Participant.Drain(now, out) {
		return false
	}
	at := w.clock(now)
	for i := range out.Packets {
		if m := w.mine[out.Packets[i].ID]; m != nil && m.left == never && w.member.online(at) == at {
			m.left = at
		}
	}
	for i := range out.Arrivals {
		a := &out.Arrivals[i]
		if _, had := w.got[a.ID]; !had && a.Kind == wire.Content && w.mine[a.ID] == nil {
			w.got[a.ID] = arrival{at, pathOf(w.class)}
		}
	}
	for i := range out.Receipts {
		r := &out.Receipts[i]
		if m := w.mine[r.ID]; m != nil && m.acked == never && (r.Seen > 0 || r.Level >= sds.LevelSeen) {
			m.acked = at
		}
	}
	for i := range out.Gaps {
		g := &out.Gaps[i]
		if _, had := w.lacks[g.ID]; !had && g.State == sds.GapMissing {
			w.lacks[g.ID] = notice{fmt.Sprintf("%x", string(g.ID)), string(g.Sender), at}
		}
	}
	return true
}

func pathOf(c sds.Class) report.Path {
	if c == sds.ClassContent {
		return report.ByRelay
	}
	return report.ByRepair
}

// crowd lets package sds play the messages of the town.
func (w *town) crowd(seed uint64) error {
	witnesses := make([]*witness, len(w.members))
	sc := crowd.Scenario{Members: w.Members, Seed: seed, Tail: 10 * time.Minute,
		Load:    crowd.Load{Rate: w.PerHour / 3600, Duration: time.Duration(closing-opening) * time.Millisecond},
		Network: crowd.Network{Loss: w.Loss},
		Kinds: map[crowd.Kind]crowd.Constructor{crowd.Ours: func(seat crowd.Seat, sc *crowd.Scenario, now sds.Time) (crowd.Participant, error) {
			p, err := crowd.NewOurs(seat, sc, now)
			o := &witness{Participant: p, member: w.members[seat.Index], base: now,
				mine: map[sds.MessageID]*message{}, got: map[sds.MessageID]arrival{}, lacks: map[sds.MessageID]notice{}}
			witnesses[seat.Index] = o
			return o, err
		}},
	}
	for i, p := range w.members {
		if p.cut {
			sc.Faults = append(sc.Faults, crowd.Fault{Kind: crowd.FaultCut, Members: []int{i}})
		}
		for _, s := range p.offline {
			f := crowd.Fault{Kind: crowd.FaultOffline, Members: []int{i}, From: time.Duration(s.From-opening) * time.Millisecond}
			if s.To < never {
				f.Until = time.Duration(s.To-opening) * time.Millisecond
			}
			sc.Faults = append(sc.Faults, f)
		}
	}
	if _, err := crowd.Run(context.Background(), sc, nil); err != nil {
		return err
	}
	w.gather(witnesses)
	return nil
}

// gather takes what the witnesses have seen for the truth.
func (w *town) gather(witnesses []*witness) {
	authors := map[sds.MessageID]*message{}
	for _, o := range witnesses {
		for id, m := range o.mine {
			if !near(m.composed, from) && !near(m.composed, to) {
				authors[id] = m
				w.messages = append(w.messages, m)
			}
		}
	}
	for _, o := range witnesses {
		for id, a := range o.got {
			if m := authors[id]; m != nil {
				m.add(receipt{m, o.member, a.at, a.path})
			}
		}
		for _, n := range o.lacks {
			i, err := strconv.Atoi(strings.TrimPrefix(n.author, "member-"))
			n.author = ""
			if err == nil && i >= 0 && i < len(w.members) {
				n.author = w.members[i].name
			}
			o.member.noticed = append(o.member.noticed, n)
		}
	}
	w.order()
}
