package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/estimate"
	"github.com/causeway-im/causeway/telemetry/report"
)

// Options of a demonstration. Archive, Listener and Out are required.
type Options struct {
	Archive  archive.Archive // empty
	Listener net.Listener
	Out      io.Writer
	// Speed is how much faster time runs. Default 60: an hour in a minute.
	Speed float64
	// Members is how many people there are; five of six report. Default 48.
	Members int
	// Never is the share of the devices that do not come back.
	Never float64
	Seed  uint64
	// Once ends the demonstration with its story, instead of with the context.
	Once bool
	Log  *slog.Logger
}

// The story, in the community's own time.
const (
	history  = 3 * hour
	calm     = 6 * minute
	outage   = 30 * minute
	stepSize = minute
	ending   = 2*hour + 10*minute // after the outage: then the old service has judged its hour
)

// Run plays the story.
func Run(ctx context.Context, o Options) error {
	d, err := open(o, time.Now().UnixMilli())
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d.say("%d people in three channels; five of six report. Their last three hours come first.", d.Members)
	if err := d.advance(ctx, d.start); err != nil {
		return ended(errors.Join(err, d.service.Close()))
	}
	served := make(chan error, 1)
	go func() { served <- d.service.Serve(ctx, d.Listener) }()
	err = d.ready(ctx)
	d.say("The page: %s/?row=everyone&refresh=5", d.url)
	if err == nil {
		err = d.story(ctx)
	}
	if err == nil && !d.Once {
		d.say("That was the story. The community goes on until this is stopped.")
		err = d.play(ctx, 1<<60, nil)
	}
	stop()
	return errors.Join(ended(err), <-served)
}

// ended makes nothing of an error that only says that the demonstration was stopped.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// demo is one that runs.
type demo struct {
	Options
	start   int64        // when the story begins, after the history
	at      atomic.Int64 // the community's time
	people  *community
	service *collector.Service
	url     string
}

// outageAt returns when the outage begins: with the next hour, or late in a day that
// has passed, if the whole story would not be in one day. A page shows one day, and
// what is said of a day that is over changes slowly.
func outageAt(now int64) int64 {
	const day = 24 * hour
	const first, last = history + hour, day - outage - ending - hour
	at := now/hour*hour + hour
	switch of := at % day; {
	case of > last:
		return at - of + last/hour*hour
	case of < first:
		return at - of - day + last/hour*hour
	}
	return at
}

// open makes a community and its collector.
func open(o Options, now int64) (*demo, error) {
	if o.Speed <= 0 {
		o.Speed = 60
	}
	if o.Members <= 0 {
		o.Members = 48
	}
	d := &demo{Options: o, start: outageAt(now) - calm, url: "http://" + o.Listener.Addr().String()}
	d.at.Store(d.start - history)
	d.people = newCommunity(o.Seed, o.Members, d.start-history)
	var err error
	d.service, err = collector.New(collector.Options{Archive: d.Archive, Now: d.now, Speed: d.Speed, Log: d.Log,
		Every: time.Second, Pause: 300 * time.Millisecond, Patience: 30 * time.Second, Beat: time.Second,
		Limits: collector.Limits{PerAddress: 1e6, BurstAddress: 1e6, PerInstall: 1e6, BurstInstall: 1e6},
		Truth:  d.people.share,
		Note:   fmt.Sprintf("A demonstration: %d simulated people, in time that runs faster. Their network drops for half an hour.", d.Members)})
	return d, err
}

// now is the collector's time: the community's.
func (d *demo) now() time.Time { return time.UnixMilli(d.at.Load()) }

// advance lets time pass at once.
func (d *demo) advance(ctx context.Context, until int64) error {
	for at := d.at.Load(); at < until; at = d.at.Load() {
		if err := ctx.Err(); err != nil {
			return err
		}
		uploads := d.people.step(at, at+stepSize)
		d.at.Store(at + stepSize)
		if err := d.deliverAll(uploads); err != nil {
			return err
		}
	}
	return nil
}

// ready waits until the first estimate is there.
func (d *demo) ready(ctx context.Context) error {
	return await(ctx, func() bool {
		var list struct{ Estimates []estimate.Estimate }
		return d.get(ctx, "/v1/estimates?"+d.today(), &list) == nil && len(list.Estimates) > 0
	})
}

// await asks until something is so. The collector works in time of its own, and a slow
// machine may be behind a story that is told fast.
func await(ctx context.Context, so func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !so() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return errors.New("demo: the collector is more than a minute behind the story")
		case <-tick.C:
		}
	}
	return nil
}

// today asks for the day of the outage.
func (d *demo) today() string {
	day := time.UnixMilli(d.start + calm).UTC().Format(time.DateOnly)
	return "from=" + time.UnixMilli(d.start).UTC().Format(time.DateOnly) + "&to=" + day
}

// story is the outage and what comes after.
func (d *demo) story(ctx context.Context) error {
	from := d.start + calm
	d.people.drop(from, from+outage, d.Never)
	if err := d.play(ctx, from, nil); err != nil {
		return err
	}
	d.tell(ctx, from-hour)
	d.say("%s  The network drops for everybody. Nothing leaves any device, and no device can report.", clockOf(from))
	told := false
	named := func() bool {
		if in := d.incident(ctx); in != "" && !told {
			d.say("%s  The page names it: %s", clockOf(d.at.Load()), in)
			told = true
		}
		return told
	}
	err := d.play(ctx, from+outage, func(at int64) {
		named()
		if (at-from)/minute%10 == 0 {
			d.tell(ctx, from)
		}
	})
	if err == nil {
		err = await(ctx, named)
	}
	if err != nil {
		return err
	}
	d.say("%s  The network is back. Journals come; %d %% of the devices never return.", clockOf(from+outage), int(100*d.Never))
	err = d.play(ctx, from+outage+ending, func(at int64) {
		if after := (at - from - outage) / minute; after == 5 || after == 20 || after%60 == 0 {
			d.tell(ctx, from)
		}
	})
	if err == nil { // by now the old formula has run over it
		err = await(ctx, func() bool { p, ok := d.hourOf(ctx, from); return ok && p.Legacy != nil })
	}
	if err != nil {
		return err
	}
	d.say("Of the hour of the outage:")
	d.tell(ctx, from)
	return nil
}

// play lets time run until some moment, at the speed of the demonstration.
func (d *demo) play(ctx context.Context, until int64, each func(at int64)) error {
	tick := time.NewTicker(time.Duration(float64(stepSize) / d.Speed * float64(time.Millisecond)))
	defer tick.Stop()
	for at := d.at.Load(); at < until; at = d.at.Load() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := d.advance(ctx, at+stepSize); err != nil {
			return err
		}
		if each != nil {
			each(at + stepSize)
		}
	}
	return nil
}

// deliverAll sends uploads as devices do, several at a time.
func (d *demo) deliverAll(uploads []*report.Upload) error {
	var all sync.WaitGroup
	errs := make([]error, 8)
	for w := range errs {
		all.Go(func() {
			for i := w; i < len(uploads); i += len(errs) {
				errs[w] = errors.Join(errs[w], d.deliver(uploads[i]))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// deliver sends one upload through the collector's front door.
func (d *demo) deliver(u *report.Upload) error {
	body, err := json.Marshal(u)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, "/v1/uploads", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.RemoteAddr = "127.0.0.1:1"
	a := &answer{header: http.Header{}}
	d.service.Handler().ServeHTTP(a, req)
	var reply report.Reply
	if a.status != http.StatusOK {
		return fmt.Errorf("demo: the collector answers %d: %s", a.status, a.body.String())
	}
	if err := json.Unmarshal(a.body.Bytes(), &reply); err != nil {
		return err
	}
	if len(reply.Rejected) > 0 {
		return fmt.Errorf("demo: the collector rejects %+v", reply.Rejected[0])
	}
	return nil
}

// answer is a http.ResponseWriter that keeps what is written.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// get asks the collector.
func (d *demo) get(ctx context.Context, path string, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("demo: %s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(to)
}

// hourly is what is known of an hour.
type hourly struct {
	At     string
	Bounds estimate.Interval
	Legacy *float64
}

func (d *demo) hourOf(ctx context.Context, at int64) (hourly, bool) {
	day := time.UnixMilli(at).UTC().Format(time.DateOnly)
	var series struct{ Points []hourly }
	if err := d.get(ctx, "/v1/series?row=everyone&from="+day+"&to="+day, &series); err != nil {
		return hourly{}, false // it is stopping
	}
	i := slices.IndexFunc(series.Points, func(p hourly) bool { return p.At == time.UnixMilli(at).UTC().Format("2006-01-02T15Z") })
	if i < 0 {
		return hourly{}, false
	}
	return series.Points[i], true
}

// tell says what is known of an hour, beside the truth.
func (d *demo) tell(ctx context.Context, at int64) {
	p, ok := d.hourOf(ctx, at)
	if !ok {
		return
	}
	old := "has not judged it yet"
	if p.Legacy != nil {
		old = fmt.Sprintf("says %.1f %%", 100**p.Legacy)
	}
	truth, _ := d.people.share(at, true)
	d.say("%s  The hour from %s: the page says %.1f to %.1f %%; true are %.1f %%; the old formula %s.", clockOf(d.at.Load()), clockOf(at),
		100*p.Bounds.Low, 100*p.Bounds.High, 100*truth, old)
}

// incident is what the collector says is going on, "" if nothing is.
func (d *demo) incident(ctx context.Context) string {
	var list struct{ Incidents []estimate.Incident }
	if err := d.get(ctx, "/v1/incidents?"+d.today(), &list); err != nil {
		return ""
	}
	for _, in := range list.Incidents {
		if in.Open && in.Scope != estimate.OneDevice {
			return fmt.Sprintf("an outage of %s since %s, %d of %d devices are silent.", in.Scope, clockOf(in.From), in.Silent, in.Watched)
		}
	}
	return ""
}

func clockOf(at int64) string { return time.UnixMilli(at).UTC().Format("15:04") }

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.Out, format+"\n", args...) }
