package budget

import (
	"slices"
	"time"

	"github.com/causeway-im/causeway/sds"
)

// Amount is a number of packets and of their bytes.
type Amount struct{ Packets, Bytes int64 }

// Add returns a + b.
func (a Amount) Add(b Amount) Amount { return Amount{a.Packets + b.Packets, a.Bytes + b.Bytes} }

func (a Amount) sub(b Amount) Amount { return Amount{a.Packets - b.Packets, a.Bytes - b.Bytes} }

const classes = int(sds.ClassEphemeral) + 1

// tally is an amount for each class.
type tally [classes]Amount

func (t *tally) sub(u *tally) {
	for c := range t {
		t[c] = t[c].sub(u[c])
	}
}

func (t *tally) add(u *tally) {
	for c := range t {
		t[c] = t[c].Add(u[c])
	}
}

func (t *tally) total() (sum Amount) {
	for _, a := range t {
		sum = sum.Add(a)
	}
	return sum
}

// shares sums packets and bytes up by share.
func (t *tally) shares() (packets, bytes [Shares]int64) {
	for c := 1; c < classes; c++ {
		s := ShareOf(sds.Class(c))
		packets[s] += t[c].Packets
		bytes[s] += t[c].Bytes
	}
	return packets, bytes
}

// slot is what counts from one slot of time.
type slot struct {
	index int64
	used  tally
}

// ledger knows what counts now.
type ledger struct {
	quota   Quota
	packets division
	bytes   division
	window  int64  // in milliseconds, like the two below
	length  int64  // of a slot
	slots   []slot // oldest first
	flying  tally  // granted, not known to have left
	used    tally  // flying and slots together
}

func newLedger(q Quota) ledger {
	window := (q.Window + time.Millisecond - 1).Milliseconds()
	return ledger{quota: q, packets: divide(int64(q.Packets)), bytes: divide(q.Bytes),
		window: window, length: (window + slotsPerWindow - 1) / slotsPerWindow}
}

// ends returns when a slot no longer counts.
func (l *ledger) ends(index int64) sds.Time { return sds.Time((index+1)*l.length + l.window) }

// advance drops what no longer counts. When time was set back, what seems to have
// left later than now has left by now.
func (l *ledger) advance(now sds.Time) {
	past := 0
	for past < len(l.slots) && l.ends(l.slots[past].index) <= now {
		l.used.sub(&l.slots[past].used)
		past++
	}
	l.slots = slices.Delete(l.slots, 0, past)
	var late tally
	newest := len(l.slots)
	for ; newest > 0 && l.slots[newest-1].index > int64(now)/l.length; newest-- {
		late.add(&l.slots[newest-1].used)
	}
	if newest < len(l.slots) {
		l.slots = l.slots[:newest]
		l.slotAt(now).used.add(&late)
	}
}

// slotAt returns the slot of a moment that is not before the newest.
func (l *ledger) slotAt(t sds.Time) *slot {
	index := int64(t) / l.length
	if n := len(l.slots); n > 0 && l.slots[n-1].index >= index {
		return &l.slots[n-1]
	}
	l.slots = append(l.slots, slot{index: index})
	return &l.slots[len(l.slots)-1]
}

// take counts what is to leave.
func (l *ledger) take(c sds.Class, a Amount) {
	l.flying[c], l.used[c] = l.flying[c].Add(a), l.used[c].Add(a)
}

// land says that it has left by now, or may have.
func (l *ledger) land(now sds.Time, c sds.Class, a Amount) {
	l.flying[c] = l.flying[c].sub(a)
	s := l.slotAt(now)
	s.used[c] = s.used[c].Add(a)
}

// giveBack says that it did not leave.
func (l *ledger) giveBack(c sds.Class, a Amount) {
	l.flying[c], l.used[c] = l.flying[c].sub(a), l.used[c].sub(a)
}

// fits tells whether an item may leave when that much counts.
func (l *ledger) fits(used *tally, c sds.Class, a Amount) bool {
	packets, byteSums := used.shares()
	s := ShareOf(c)
	if l.packets.room(&packets, s) < a.Packets || l.quota.Bytes > 0 && l.bytes.room(&byteSums, s) < a.Bytes {
		return false
	}
	switch c {
	case sds.ClassResend: // at most a tenth, of packets: a single large one would be more in bytes; or one message
		return used[c].Packets == 0 || used[c].Packets+a.Packets <= l.packets.total/10
	case sds.ClassEphemeral: // none above nine tenths
		t := used.total().Add(a)
		return t.Packets*10 <= l.packets.total*9 && (l.quota.Bytes == 0 || t.Bytes*10 <= l.bytes.total*9)
	}
	return true
}

// fitsAt returns when an item may leave if nothing else does before; false when
// that depends on what is under way.
func (l *ledger) fitsAt(now sds.Time, c sds.Class, a Amount) (sds.Time, bool) {
	used := l.used
	if l.fits(&used, c, a) {
		return now, true
	}
	for i := range l.slots {
		used.sub(&l.slots[i].used)
		if l.fits(&used, c, a) {
			return max(now, l.ends(l.slots[i].index)), true
		}
	}
	return 0, false
}

// forecast returns when the last of n packets of content will have left, if
// nothing else does and what is under way lands now.
func (l *ledger) forecast(now sds.Time, n, bytes int64) sds.Time {
	f := *l
	f.slots = slices.Clone(l.slots)
	f.slotAt(now).used.add(&f.flying)
	f.flying = tally{}
	inWindow := l.packets.share(Content)
	if l.quota.Bytes > 0 && bytes > 0 {
		inWindow = max(min(inWindow, l.bytes.share(Content)/bytes), 1)
	}
	windows := (n - 1) / max(inWindow, 1) // each takes as long as the one before
	at, one := now, Amount{1, bytes}
	for range n - windows*inWindow {
		next, ok := f.fitsAt(at, sds.ClassContent, one)
		if !ok {
			break
		}
		at = next
		f.advance(at)
		f.take(sds.ClassContent, one)
		f.land(at, sds.ClassContent, one)
	}
	return at + sds.Time(windows*(l.window+l.length))
}

// fullness is how much of the quota counts, in percent: of all of it, or of what
// own content could use, whichever is more. It is 100 when content has to wait.
func (l *ledger) fullness() int {
	packets, bytes := l.used.shares()
	t := l.used.total()
	of := func(d *division, used *[Shares]int64, total int64) int64 {
		own := used[Content]
		room := d.room(used, Content)
		if room <= 0 {
			return 100
		}
		return max(total*100/d.total, own*100/(own+room))
	}
	full := of(&l.packets, &packets, t.Packets)
	if l.quota.Bytes > 0 {
		full = max(full, of(&l.bytes, &bytes, t.Bytes))
	}
	return int(full)
}

// percent tells how much of all of the quota counts, in percent.
func (l *ledger) percent() int {
	t := l.used.total()
	p := t.Packets * 100 / l.packets.total
	if l.quota.Bytes > 0 {
		p = max(p, t.Bytes*100/l.bytes.total)
	}
	return int(p)
}
