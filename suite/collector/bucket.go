package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/estimate/legacy"
	"github.com/causeway-im/causeway/telemetry/report"
)

// maxWithout is how many members without a message are kept by name.
const maxWithout = 50

// content is what a bucket's row holds.
type content struct {
	Tallies estimate.Tallies  `json:"tallies"`
	Overlap *estimate.Overlap `json:"overlap,omitempty"`
	// Legacy is what the old service would have stored about the channel, by the hour
	// that it was about.
	Legacy map[string]float64 `json:"legacy,omitempty"`
}

func (c *content) pack() ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	z.Write(text) // to memory
	z.Close()
	return out.Bytes(), nil
}

func unpackContent(packed []byte) (*content, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("collector: tallies: %w", err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("collector: tallies: %w", err)
	}
	c := &content{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("collector: tallies: %w", err)
	}
	return c, nil
}

// sink collects facts and, beside them, the rows that the old service would have had.
type sink struct {
	estimate.Facts
	accounts map[string]string // installation → its member
	rows     []oldRow
}

// oldRow is a legacy.Row whose account is not known yet.
type oldRow struct {
	install        string
	sentAt, stored int64
}

// Row implements archive.RowSink.
func (s *sink) Row(install string, arrived int64, e *report.Event) {
	if e.Kind == report.Membership || e.Kind == report.Composed {
		s.accounts[install] = max(s.accounts[install], e.Member)
	}
	if e.Kind != report.Received && e.Kind != report.Composed {
		return
	}
	sent := e.Sent
	if sent == 0 {
		sent = e.At
	}
	s.rows = append(s.rows, oldRow{install, sent / 1000, arrived / 1000})
}

// legacy is what the old service would have stored in the hours that are over: about
// each hour of the day when it is over for an hour.
func (s *sink) legacy(day archive.Day, now int64) map[string]float64 {
	rows := make([]legacy.Row, len(s.rows))
	for i, r := range s.rows {
		account := s.accounts[r.install]
		if account == "" {
			account = r.install
		}
		rows[i] = legacy.Row{Chat: "c", Receiver: account, SentAt: r.sentAt, Stored: r.stored}
	}
	out := map[string]float64{}
	for h := range int64(24) {
		begin := day.Start() + h*int64(time.Hour/time.Millisecond)
		run := begin/1000 + 2*legacy.Hour
		if run*1000 > now {
			break
		}
		if r, ok := legacy.Aggregate(rows, run, legacy.Hour).Chats["c"]; ok {
			out[hourName(begin)] = r
		}
	}
	return out
}

func hourName(at int64) string { return time.UnixMilli(at).UTC().Format("2006-01-02T15Z") }

// bucket works out one.
func (e *estimator) bucket(ctx context.Context, b archive.Bucket, upTo int64) (archive.Revised, error) {
	s := &sink{accounts: map[string]string{}}
	now := e.opts.Now().UnixMilli()
	if err := e.opts.Archive.Load(ctx, b, s); err != nil {
		return archive.Revised{}, err
	}
	lines := &messages{byName: map[string]*archive.MessageRow{}, bucket: b}
	r := s.Estimate(estimate.Options{From: b.Day.Start(), To: b.Day.End(), Now: now, Baseline: e.baseline, Each: lines.cell})
	c := &content{Tallies: r.Tallies, Legacy: s.legacy(b.Day, now)}
	if len(r.Overlap) > 0 {
		c.Overlap = &r.Overlap[0]
	}
	packed, err := c.pack()
	if err != nil {
		return archive.Revised{}, err
	}
	revision := archive.Revision{Bucket: b, At: now, UpTo: upTo, Provisional: provisional(b.Day, now), Tallies: packed, Messages: lines.list()}
	for _, p := range r.Phantoms {
		revision.Phantoms = append(revision.Phantoms, archive.PhantomRow{Bucket: b, Message: p.Message, Author: p.Author, Noticed: p.Noticed, By: p.By, Counted: p.Counted})
	}
	if all := r.Find(estimate.Group{By: estimate.Everything}); all != nil {
		rate := all.Rate(estimate.Within60s)
		revision.Figures = archive.Figures{Cells: rate.Count.All(), Low: rate.Bounds.Low, High: rate.Bounds.High}
	}
	done, err := e.opts.Archive.Revise(ctx, revision)
	if err == nil && done.Changed {
		e.remember(b, done.Revision, c)
	}
	return done, err
}

// provisional tells whether a day's figures will still change by themselves.
func provisional(d archive.Day, now int64) bool {
	return now < d.End()+estimate.DefaultHorizon.Milliseconds()
}

// messages makes a line of each message from its cells.
type messages struct {
	bucket archive.Bucket
	byName map[string]*archive.MessageRow
}

func (m *messages) cell(c *estimate.Cell) {
	row := m.byName[c.Message]
	if row == nil {
		row = &archive.MessageRow{Bucket: m.bucket, Message: c.Message, At: c.Composed, Author: c.Author, Left: c.Left, Handed: c.Handed,
			Attempts: c.Attempts, Acked: -1}
		if c.Acked >= 0 {
			row.Acked = max(c.Acked-c.Composed, 0)
		}
		m.byName[c.Message] = row
	}
	count := func(to *[4]int, o estimate.Outcome) {
		if o != estimate.NotCounted {
			to[o-estimate.Delivered]++
		}
	}
	count(&row.Minute, c.Outcomes[estimate.Within60s])
	count(&row.Day24, c.Outcomes[estimate.Within24h])
	if o := c.Outcomes[estimate.Within24h]; o != estimate.Delivered && len(row.Without) < maxWithout {
		row.Without = append(row.Without, archive.Lacking{Member: c.Member, Outcome: o.String()})
	}
}

func (m *messages) list() []archive.MessageRow {
	out := make([]archive.MessageRow, 0, len(m.byName))
	for _, name := range slices.Sorted(maps.Keys(m.byName)) {
		out = append(out, *m.byName[name])
	}
	return out
}
