package telemetry

import (
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// cover follows the time that the journal can claim: while the program runs, is
// not suspended, and loses nothing. Telemetry.mu guards it.
type cover struct {
	on     bool
	from   int64         // of the span that is open
	closed []report.Span // that are not durable
	alive  int64         // when the program was last seen running
}

func (c *cover) open(now int64) {
	if !c.on {
		c.on, c.from, c.alive = true, now, now
	}
}

// close ends the span in order: everything until now is witnessed.
func (c *cover) close(now int64) {
	if c.on && now > c.from {
		c.closed = append(c.closed, report.Span{From: c.from, To: now})
	}
	c.on = false
}

// lose ends the span where it was last durable: what was witnessed since may not
// be complete. The next one begins now.
func (c *cover) lose(now int64) { c.from = now }

// stamp returns the time of what is witnessed now, which no flush has claimed yet.
// t.mu is held.
func (t *Telemetry) stamp() int64 {
	now := t.opts.Clock().UnixMilli()
	switch {
	case now < t.last-maxSetBack.Milliseconds(): // what was claimed is not claimed again
		t.cover.close(t.last)
		t.cover.on = t.on && !t.presence.asleep()
		t.cover.from, t.cover.alive = now, now
	case now < t.last:
		now = t.last
	case t.cover.on && now-t.cover.alive > 2*t.tick().Milliseconds():
		t.opts.Log.Debug("telemetry: the process did not run", "for", time.Duration(now-t.cover.alive)*time.Millisecond)
		t.cover.lose(now)
	}
	t.last, t.cover.alive = now, now
	return now
}

// tick is how often the program looks whether it runs. A process that is frozen
// for less than twice that goes unnoticed. t.mu is held.
func (t *Telemetry) tick() time.Duration {
	if t.cond.Background {
		return beatBackground / 4
	}
	return beatForeground / 4
}

// claim returns the spans that can be claimed when what waits is durable, and the
// end of the last one: nothing that is witnessed later is before it. t.mu is held.
func (t *Telemetry) claim(now int64) (spans []report.Span, upTo int64) {
	if t.presence.changing() {
		now = min(now, t.presence.since)
	}
	spans = append(spans, t.cover.closed...)
	if t.cover.on && now > t.cover.from {
		spans = append(spans, report.Span{From: t.cover.from, To: now})
	}
	return spans, now
}
