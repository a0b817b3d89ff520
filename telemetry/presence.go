package telemetry

import (
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// presence is the state of the device. A change counts when it has lasted, from
// when it began; going to sleep and saying goodbye count at once. Telemetry.mu
// guards it.
type presence struct {
	state report.State // as recorded
	next  report.State // what it may become, "" for nothing
	since int64        // of next
	due   time.Time    // when next counts
	back  bool         // it came online, and the uploader does not know yet
}

func (p *presence) changing() bool { return p.next != "" }

// asleep tells whether nothing is witnessed.
func (p *presence) asleep() bool { return p.state == report.Suspended || p.state == report.Goodbye }

// Presence says what the device is able to witness from now on. Online, Isolated
// and Offline count when they have lasted for 3 s. From Suspended on nothing is
// claimed, and nothing uploaded, until another state.
func (t *Telemetry) Presence(s report.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s {
	case report.Online, report.Isolated, report.Offline, report.Suspended:
	default: // Goodbye is for Close
		return
	}
	if t.closed {
		return
	}
	t.become(s, t.stamp())
}

// become changes the state, at once or when it has lasted. t.mu is held.
func (t *Telemetry) become(s report.State, now int64) {
	p := &t.presence
	switch {
	case s == p.state:
		p.next = ""
	case s == p.next:
	case s == report.Suspended, s == report.Goodbye, p.state == "", p.asleep():
		t.settle(s, now)
	default:
		p.next, p.since, p.due = s, now, time.Now().Add(hold)
	}
	t.signal(t.wake)
}

// settle records a state that began at some time. t.mu is held.
func (t *Telemetry) settle(s report.State, at int64) {
	p := &t.presence
	was := p.asleep()
	p.state, p.next = s, ""
	p.back = p.back || s == report.Online
	if !t.on {
		return
	}
	if was && !p.asleep() {
		t.cover.open(at)
	}
	t.add(report.Event{At: at, Kind: report.Presence, State: s})
	if p.asleep() {
		t.cover.close(at)
	}
	t.signal(t.nudge)
}
