package collector

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/suite/collector/page"
	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/report"
)

// pages adds what people look at.
func (s *Service) pages(mux *http.ServeMux) {
	mux.Handle("GET /{$}", s.reading(http.HandlerFunc(s.index)))
	mux.Handle("GET /messages/{message}", s.reading(http.HandlerFunc(s.detail)))
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Write(page.Style())
	})
}

// show writes a page. Nothing on it may come from elsewhere.
func (s *Service) show(w http.ResponseWriter, err error, render func(*bytes.Buffer) error) {
	status, text := http.StatusOK, ""
	var f *failure
	switch {
	case errors.As(err, &f):
		status, text = f.Status, f.Err
	case err != nil:
		s.opts.Log.Error("collector: page", "error", err)
		status, text = http.StatusServiceUnavailable, "The archive can't be read."
	}
	var out bytes.Buffer
	if text != "" {
		render = func(out *bytes.Buffer) error { return page.RenderError(out, text) }
	}
	if err := render(&out); err != nil {
		s.opts.Log.Error("collector: page", "error", err)
		status = http.StatusInternalServerError
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	w.Write(out.Bytes())
}

// index is the main page.
func (s *Service) index(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), queryLimit)
	defer cancel()
	p := &params{r: r, now: s.opts.Now()}
	d, err := s.pageData(ctx, p)
	if p.err != nil {
		err = p.err
	}
	s.show(w, err, func(out *bytes.Buffer) error { return page.Render(out, d) })
}

// How much of each list the page shows.
const (
	pageGroups   = 20
	pageMessages = 25
	pagePhantoms = 25
	hourDays     = 7 // up to so many days are drawn by hour
)

func (s *Service) pageData(ctx context.Context, p *params) (*page.Data, error) {
	first, last := p.days()
	d := &page.Data{Note: s.opts.Note, Now: p.now.UnixMilli(), M: p.measure(), Everyone: oneOf(p, "row", "covered", "everyone") == "everyone",
		Query: page.Query{From: first.String(), To: last.String(), Measure: p.measure().String(), Refresh: int(p.number("refresh", 0, 0, 86_400))}}
	if p.err != nil {
		return nil, nil
	}
	v, err := s.reader.view(ctx, first, last)
	if err != nil {
		return nil, err
	}
	for _, f := range []func(context.Context, *page.Data, *view) error{s.addSeries, s.addGroups, s.addOutages, s.addTrust, s.addLists} {
		if err := f(ctx, d, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// addSeries adds the figures over time.
func (s *Service) addSeries(_ context.Context, d *page.Data, v *view) error {
	d.All, d.Provisional = v.all(), v.provisional
	step, length := estimate.ByHour, time.Hour
	if v.last-v.first >= hourDays {
		step, length = estimate.ByDay, 24*time.Hour
	}
	for _, x := range points(v, step, d.M, d.Everyone) {
		layout := "2006-01-02T15Z"
		if step == estimate.ByDay {
			layout = time.DateOnly
		}
		at, err := time.Parse(layout, x.At)
		if err != nil {
			continue // the rest of too many
		}
		d.Points = append(d.Points, page.Point{At: at.UnixMilli(), Length: length, Low: x.Bounds.Low, High: x.Bounds.High,
			OuterLow: x.Outer.Low, OuterTop: x.Outer.High, Estimate: x.Value, Why: x.Why, Cells: x.Cells, Silent: x.Silent, Unknown: x.Unknown, Legacy: x.Legacy,
			Open: provisional(archive.DayOf(at.UnixMilli()), d.Now)})
		if s.opts.Truth != nil && step == estimate.ByHour && d.M == estimate.Within60s {
			if share, known := s.opts.Truth(at.UnixMilli(), d.Everyone); known {
				d.Points[len(d.Points)-1].Truth = &share
			}
		}
		if x.Legacy != nil {
			d.Legacy, d.LegacyAt = x.Legacy, at.Format("2 Jan 15:04")
		}
	}
	return nil
}

// sections are the dimensions that the page divides by.
var sections = []struct {
	by          estimate.Dimension
	title, help string
}{
	{estimate.ByTopic, "Content topic", "By the topic on which a channel’s messages travel. Who follows many topics pays for all of them."},
	{estimate.ByChannel, "Channel", "By pseudonym."},
	{estimate.ByForm, "Desktop and mobile", "By the device of the member who should get the message."},
	{estimate.ByPlatform, "Platform", ""},
	{estimate.ByApp, "App version", ""},
	{estimate.ByMode, "Relay and light", "Relay nodes carry messages for others; light ones ask service nodes for them."},
	{estimate.ByChannelSize, "Members of the channel", ""},
	{estimate.ByProtocol, "Protocol", "What carries reliability between an author’s and a member’s device; mixed where they differ."},
}

func (s *Service) addGroups(_ context.Context, d *page.Data, v *view) error {
	for _, x := range sections {
		list := v.by(x.by)
		slices.SortStableFunc(list, func(a, b *estimate.Estimate) int {
			return cmp.Compare(d.Rate(b).Count.All(), d.Rate(a).Count.All())
		})
		shown := list[:min(len(list), pageGroups)]
		d.Groups = append(d.Groups, page.Section{ID: string(x.by), Title: x.title, Help: x.help, Groups: shown, More: len(list) - len(shown)})
		if x.by == estimate.ByProtocol {
			d.Comparisons = comparisons(v, shown, d.M)
		}
	}
	return nil
}

// maxComparisons is how many pairs of protocols are compared.
const maxComparisons = 10

// comparisons compares each protocol with each larger one.
func comparisons(v *view, list []*estimate.Estimate, m estimate.Measure) (out []page.Comparison) {
	for i, a := range list {
		for _, b := range list[:i] {
			first, second := v.tallies.Find(a.Group), v.tallies.Find(b.Group)
			if first == nil || second == nil || a.Value == "mixed" || b.Value == "mixed" || len(out) >= maxComparisons {
				continue
			}
			out = append(out, page.Comparison{A: a.Value, B: b.Value, Comparison: estimate.Compare(first, second, m)})
		}
	}
	return out
}

// addOutages adds what is going on, and what went wrong in the days.
func (s *Service) addOutages(ctx context.Context, d *page.Data, v *view) error {
	incidents, err := s.reader.incidents(ctx, v.first.Start(), v.last.End())
	if err != nil {
		return err
	}
	if d.Gaps, err = s.opts.Archive.Gaps(ctx, v.first.Start(), v.last.End()); err != nil {
		return err
	}
	for _, in := range incidents {
		if in.Scope == estimate.OneDevice {
			d.Singles++
		} else {
			d.Incidents = append(d.Incidents, in)
			d.Marks = append(d.Marks, page.Mark{From: in.From, To: in.To, Class: "incident", Label: "outage: " + string(in.Scope)})
		}
	}
	for _, g := range d.Gaps {
		d.Marks = append(d.Marks, page.Mark{From: g.From, To: g.To, Class: "gap", Label: "collector away"})
	}
	live, err := s.reader.live(ctx)
	if err != nil || live == nil {
		return err
	}
	d.Timeline, d.Devices, d.TimelineTo = live.Timeline, live.Devices, live.Now
	d.TimelineFrom = timelineFrom(live.Timeline, live.Now)
	return nil
}

// timelineFrom is when a timeline begins: with the first that is known, at most a day
// ago.
func timelineFrom(lines []estimate.Line, now int64) int64 {
	day, hour := (24 * time.Hour).Milliseconds(), time.Hour.Milliseconds()
	from := now - hour
	for _, l := range lines {
		for _, list := range [][]report.Span{l.Covered, l.Online, l.Idle, l.Cut} {
			if len(list) > 0 {
				from = min(from, list[0].From)
			}
		}
	}
	return max(from, now-day)
}

// addTrust adds how far the figures can be relied on.
func (s *Service) addTrust(ctx context.Context, d *page.Data, v *view) error {
	buckets, err := s.opts.Archive.Buckets(ctx, v.first, v.last, 0, false)
	if err != nil {
		return err
	}
	late := map[archive.Day]int64{}
	for _, b := range buckets {
		late[b.Day] += b.Late
	}
	mean := v.legacy(estimate.ByDay)
	for _, x := range v.days {
		row := page.Day{Name: x.Day.String(), Revision: x.Revision, Late: late[x.Day], At: x.At, Provisional: x.Provisional, Trust: x.trust}
		if l, ok := mean[row.Name]; ok {
			row.Legacy = &l
		}
		d.Days = append(d.Days, row)
		d.Trust = x.trust // of the last day
		d.OldRecords += x.legacy.OldRecords
	}
	return nil
}

// addLists adds messages and phantoms.
func (s *Service) addLists(ctx context.Context, d *page.Data, v *view) error {
	channels, err := s.opts.Archive.Channels(ctx)
	if err != nil {
		return err
	}
	rows, err := s.opts.Archive.Messages(ctx, archive.MessageQuery{First: v.first, Last: v.last, Limit: pageMessages})
	if err != nil {
		return err
	}
	for _, m := range rows {
		d.Messages = append(d.Messages, pageMessage(named(m, channels)))
	}
	phantoms, err := s.opts.Archive.Phantoms(ctx, v.first, v.last, pagePhantoms)
	for _, p := range phantoms {
		d.Phantoms = append(d.Phantoms, page.Phantom{ID: p.Message, Channel: channels[p.Channel].Name, Author: p.Author, Noticed: p.Noticed, By: p.By, Counted: p.Counted})
	}
	return err
}

func pageMessage(m messageRow) page.Message {
	return page.Message{ID: m.Message, Channel: m.Channel, Topic: m.Topic, At: m.At, Left: m.Left, Minute: m.Minute, Day: m.Day24, Acked: m.Acked}
}

// detail is the page of one message.
func (s *Service) detail(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), queryLimit)
	defer cancel()
	answer, err := s.messageDetail(ctx, &params{r: r, now: s.opts.Now()})
	s.show(w, err, func(out *bytes.Buffer) error {
		m := answer.(*story)
		d := &page.Detail{Note: s.opts.Note, Message: pageMessage(m.messageRow), Author: m.Author, More: m.More}
		for _, l := range m.Without {
			d.Without = append(d.Without, page.Without{Member: l.Member, Outcome: l.Outcome})
		}
		for _, e := range m.Events {
			d.Events = append(d.Events, page.Event{Device: e.Install, Event: e.Event})
		}
		return page.RenderDetail(out, d)
	})
}
