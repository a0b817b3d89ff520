package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry/report"
)

// parcel is the next upload, and what becomes of the journal when it has arrived.
type parcel struct {
	body    []byte // as it is posted, before compression
	install string
	epoch   uint64
	base    uint64
	last    uint64   // the number that Upload.Last is
	told    int64    // up to here it tells what is covered
	whole   bool     // with it the collector has all of the run that there is
	present bool     // of the present run
	rest    bool     // there is more to send at once
	first   uint64   // Upload.First
	seqs    []uint64 // the numbers of its events
	rows    []taken  // those that it has read to their ends
	items   int      // events and ranges
}

// taken is a row, by its highest number.
type taken struct {
	seq    uint64
	events int
	size   int
}

// Next returns what would be sent next if it were sent now: the same bytes. nil
// means that nothing would be. It only reads, and may be called while a Telemetry,
// perhaps of another process, has the journal; what that has not made durable yet
// is not in it.
func Next(ctx context.Context, j Journal, now time.Time) ([]byte, error) {
	p, err := next(ctx, j, now.UnixMilli(), maxUploadEvents)
	if p == nil || err != nil {
		return nil, err
	}
	return p.body, nil
}

// next makes the next upload, of at most so many events.
func next(ctx context.Context, j Journal, now int64, most int) (*parcel, error) {
	// The state first: what it claims is in entries that are there when they are
	// read after it.
	st, err := readState(j.Value(ctx, stateKey))
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	page, err := j.Journal(ctx, journalName, st.Acked, maxUploadEvents+1)
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	for i := range st.Runs {
		present := i == len(st.Runs)-1
		end := uint64(1<<64 - 1) // the last number of the run
		if !present {
			end = st.Runs[i+1].Base
		}
		p, err := st.pack(&st.Runs[i], page, end, present, now, most)
		if p != nil || err != nil {
			return p, err
		}
	}
	return nil, nil
}

// pack makes an upload of a run: nil when the collector has been told all.
func (st *state) pack(r *run, page []store.Entry, end uint64, present bool, now int64, most int) (*parcel, error) {
	acked := max(st.Acked, r.Base)
	if !present && acked >= end && len(r.Spans) == 0 {
		return nil, nil
	}
	p := &parcel{install: st.Install, epoch: r.Epoch, base: r.Base, last: acked, present: present}
	u := report.Upload{Schema: report.Version, Install: st.Install, Epoch: r.Epoch, First: acked - r.Base + 1,
		Clock: report.Clock{Sent: now}, Device: st.Device}
	claim, full, below := int64(0), false, r.Base
	f := filler{parcel: p, upload: &u, refused: st.Refused, most: most}
	for _, s := range page {
		if s.Seq <= below {
			continue
		}
		if s.Seq > end {
			break
		}
		row, err := readRow(s.Data)
		if err != nil || uint64(len(row.events)) > s.Seq-below {
			row.events, row.claim = nil, 0 // then its numbers are as good as dropped
		}
		below = s.Seq
		if full = !f.add(s.Seq, row.events); full {
			break
		}
		claim = max(claim, row.claim)
		p.rows = append(p.rows, taken{s.Seq, eventsIn(s.Data), len(s.Data)})
	}
	p.whole = !full && (len(page) <= maxUploadEvents || page[len(page)-1].Seq > end)
	p.rest = !p.whole || !present
	if p.whole && !present {
		f.hole(end)
	}
	if u.Coverage = r.Spans; !p.whole {
		u.Coverage = before(r.Spans, claim)
	}
	if n := len(u.Coverage); n > 0 {
		p.told = u.Coverage[n-1].To
	}
	p.first, u.Last = u.First, p.last-r.Base
	p.items = len(u.Events) + len(u.Dropped)
	var err error
	p.body, err = json.Marshal(u)
	return p, err
}

// filler fills an upload.
type filler struct {
	*parcel
	upload  *report.Upload
	refused []uint64
	most    int // items
	size    int // about, in bytes
}

// What an upload has beside events.
const (
	rangeBytes = 64 // of a range, at most
	commaBytes = 1
)

// add adds what the collector has not got of a row. It returns false when there was no
// room for all of it.
func (f *filler) add(seq uint64, events []report.Event) bool {
	for i := range events {
		n := seq - uint64(len(events)-1-i)
		if _, refused := slices.BinarySearch(f.refused, n); refused || n <= f.last {
			continue
		}
		e := events[i]
		e.Seq = n - f.base
		text, err := json.Marshal(&e)
		if err != nil { // there is no such event
			continue
		}
		if !f.room(len(text)) {
			return false
		}
		f.hole(n - 1)
		f.upload.Events = append(f.upload.Events, e)
		f.seqs, f.last, f.size = append(f.seqs, n), n, f.size+len(text)+commaBytes
	}
	if seq > f.last && !f.room(0) {
		return false
	}
	f.hole(seq)
	return true
}

// room tells whether an event of so many bytes, and a range before it, fit. One that
// fits into no upload is sent alone: the collector says what to do with it.
func (f *filler) room(bytes int) bool {
	items := len(f.upload.Events) + len(f.upload.Dropped)
	return items < f.most && (items == 0 || f.size+bytes+commaBytes+rangeBytes <= maxUploadBytes)
}

// hole says that there are no events of the numbers up to upTo, but for those added.
func (f *filler) hole(upTo uint64) {
	if upTo <= f.last {
		return
	}
	ranges, first, last := f.upload.Dropped, f.last+1-f.base, upTo-f.base
	if n := len(ranges); n > 0 && ranges[n-1].Last+1 == first {
		ranges[n-1].Last = last
	} else {
		f.upload.Dropped, f.size = append(ranges, report.Range{First: first, Last: last}), f.size+rangeBytes
	}
	f.last = upTo
}

// arrived forgets what the collector has: entries up to one, and, if those are all
// of the parcel, what it was told about coverage.
func (l *ledger) arrived(p *parcel, upTo, rejected uint64, rotateAfter, now int64) error {
	return l.update(func(tx store.Tx, st *state) error {
		i := st.find(p)
		if i < 0 { // forgotten meanwhile
			return nil
		}
		st.Acked = max(st.Acked, upTo)
		st.Rejected += rejected
		st.Refused = slices.DeleteFunc(st.Refused, func(n uint64) bool { return n <= st.Acked })
		if err := tx.Forget(journalName, 0, st.Acked); err != nil || upTo < p.last {
			return err
		}
		st.Runs[i].raise(p.told)
		if p.whole && !p.present {
			st.Runs = append(st.Runs[:i:i], st.Runs[i+1:]...)
		}
		if p.whole && p.present && now-st.Born > rotateAfter {
			st.Install, st.Born, st.Epochs = random(), now, 0
			st.begin(st.Acked, now)
			st.Runs = st.Runs[len(st.Runs)-1:]
		}
		return nil
	})
}

// find returns the index of the run of a parcel, -1 when there is none any more.
func (st *state) find(p *parcel) int {
	for i := range st.Runs {
		if st.Install == p.install && st.Runs[i].Epoch == p.epoch {
			return i
		}
	}
	return -1
}

// reject gives an event up, which makes it a dropped one.
func (l *ledger) reject(p *parcel, seq uint64) error {
	return l.update(func(_ store.Tx, st *state) error {
		if st.find(p) < 0 {
			return nil
		}
		st.Rejected++
		st.refuse(seq)
		return nil
	})
}
