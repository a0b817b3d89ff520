package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// uploader sends what the journal has. One goroutine runs it; mu guards what others
// look at.
type uploader struct {
	t        *Telemetry
	random   *rand.Rand
	most     int       // events of one request: fewer after a refusal
	held     time.Time // no request before it, since requests fail
	asked    time.Time // nor before it, since the collector asked
	stubborn uint64    // the entry that is refused for now again and again
	tries    int
	packers  sync.Pool // of *gzip.Writer, which are large: free to go between uploads

	mu     sync.Mutex
	cancel context.CancelFunc // of the request under way
	counts Stats
}

func (u *uploader) init(t *Telemetry) {
	u.packers.New = func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // there is such a level
		return w
	}
	u.t, u.most, u.random = t, maxUploadEvents, rand.New(rand.NewPCG(t.opts.Seed, 0))
}

func (u *uploader) stats() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.counts
}

// interrupt ends the request under way.
func (u *uploader) interrupt() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.cancel != nil {
		u.cancel()
	}
}

// uploading tells whether something may be sent now.
func (t *Telemetry) uploading() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.presence.state
	return t.on && t.opts.Collector != "" && s != report.Suspended && (s != report.Offline || t.presence.changing())
}

// run sends once in a beat, sooner after a change, and at once while there is more.
func (u *uploader) run() {
	defer u.t.tasks.Done()
	timer := time.NewTimer(u.jitter(soon))
	defer timer.Stop()
	for {
		select {
		case <-u.t.life.Done():
			return
		case <-u.t.nudge:
			if u.t.cameBack() { // what failed may do so no longer
				u.held = u.asked
				u.set(func(s *Stats) { s.Failures = 0 })
			}
			timer.Reset(max(u.jitter(soon), time.Until(u.held)))
			continue
		case <-timer.C:
		}
		ctx, cancel := context.WithCancel(u.t.life)
		u.mu.Lock()
		u.cancel = cancel // before the question: Disable ends what was begun before it
		u.mu.Unlock()
		if u.t.uploading() { // else there is a nudge when it may
			timer.Reset(u.round(ctx))
		}
		cancel()
	}
}

// cameBack tells whether the device came online since the last time.
func (t *Telemetry) cameBack() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.presence.back
	t.presence.back = false
	return was
}

func (u *uploader) set(f func(*Stats)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.counts)
}

// jitter returns a time from half of d to d.
func (u *uploader) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(u.random.Int64N(int64(d/2)+1))
}

// last sends what is left, until something fails. It waits for nothing but what the
// collector asked: there is no later time.
func (u *uploader) last(ctx context.Context) {
	for ctx.Err() == nil && time.Until(u.asked) <= 0 {
		if more, err := u.one(ctx); err != nil || !more {
			return
		}
	}
}

// round sends one request, and returns when to send the next one.
func (u *uploader) round(ctx context.Context) time.Duration {
	more, err := u.one(ctx)
	u.t.mu.Lock()
	beat := u.t.beat()
	u.t.mu.Unlock()
	switch {
	case err != nil:
		return time.Until(u.held)
	case more:
		return max(0, time.Until(u.held))
	}
	return max(u.jitter(beat), time.Until(u.held))
}

// one sends one request, if there is anything to say, and tells whether there is
// more. After an error held says when to try again.
func (u *uploader) one(ctx context.Context) (more bool, err error) {
	if err := u.t.flush(); err != nil {
		return false, u.failed(0, err)
	}
	p, err := next(ctx, u.t.opts.Journal, u.now(), u.most)
	if err != nil {
		return false, u.failed(0, err)
	}
	if p == nil {
		return false, nil
	}
	a := u.post(ctx, p.body)
	switch {
	case a.refused:
		return u.refused(ctx, p, a.err)
	case a.err != nil:
		return false, u.failed(a.wait, a.err)
	}
	return u.accepted(p, a)
}

func (u *uploader) now() int64 { return u.t.opts.Clock().UnixMilli() }

// failed backs off.
func (u *uploader) failed(wait time.Duration, err error) error {
	backOff := maxBackOff
	u.set(func(s *Stats) {
		if s.Failures < 12 {
			backOff = min(minBackOff<<s.Failures, maxBackOff)
		}
		s.Failures++
		s.LastError = err
	})
	now := time.Now()
	u.asked = now.Add(u.hold(wait))
	u.held = now.Add(max(u.jitter(backOff), u.asked.Sub(now)))
	u.t.opts.Log.Debug("telemetry: upload failed", "error", err)
	return err
}

// hold is how long to wait when the collector asks for it: a little longer, so that
// not all come back at once.
func (u *uploader) hold(wait time.Duration) time.Duration {
	if wait = min(wait, maxRetryAfter); wait <= 0 {
		return 0
	}
	return wait + u.jitter(wait/5)
}

func (u *uploader) worked(wait time.Duration) {
	u.set(func(s *Stats) { s.Uploads, s.Failures, s.LastError = s.Uploads+1, 0, nil })
	u.asked = time.Now().Add(u.hold(wait))
	u.held = u.asked
}

// errStuck: the collector answers, and takes nothing, or not all.
var errStuck = errors.New("the collector does not acknowledge everything")

// accepted deals with a reply: it says up to where the collector has everything.
func (u *uploader) accepted(p *parcel, a answer) (more bool, err error) {
	// A collector may know more of the epoch than we remember; never more than this
	// is taken for granted.
	upTo := min(max(a.reply.Acknowledged, p.first-1), p.last-p.base) + p.base
	var stubborn *report.Rejection
	rejected := uint64(0)
	for i, r := range a.reply.Rejected {
		if r.Permanent && r.Seq <= upTo-p.base {
			rejected++
		}
		if !r.Permanent && r.Seq == upTo-p.base+1 {
			stubborn = &a.reply.Rejected[i]
		}
	}
	if err := u.t.arrived(p, upTo, rejected); err != nil {
		return false, u.failed(0, err)
	}
	if upTo < p.last {
		return false, u.partly(p, upTo+1, stubborn != nil, a.wait)
	}
	u.worked(a.wait)
	u.most, u.tries = min(2*u.most, maxUploadEvents), 0
	return p.rest, nil
}

// arrived forgets what the collector has.
func (t *Telemetry) arrived(p *parcel, upTo, rejected uint64) error {
	if err := t.ledger.arrived(p, upTo, rejected, t.opts.RotateAfter.Milliseconds(), t.opts.Clock().UnixMilli()); err != nil {
		return err
	}
	for _, r := range p.rows {
		if r.seq <= upTo {
			t.events.Add(int64(-r.events))
			t.bytes.Add(int64(-r.size))
		}
	}
	return nil
}

// partly deals with a reply that leaves events from seq on. An event that the
// collector refuses for now often enough is given up: it must not block others.
func (u *uploader) partly(p *parcel, seq uint64, refused bool, wait time.Duration) error {
	if u.stubborn != seq {
		u.stubborn, u.tries = seq, 0
	}
	if refused {
		u.tries++
	}
	if u.tries >= maxTries {
		u.tries = 0
		if err := u.t.ledger.reject(p, seq); err != nil {
			return u.failed(wait, err)
		}
	}
	return u.failed(wait, errStuck)
}

// refused deals with a request that is refused as a whole: halves it until one
// event is left. If the collector takes a request without that, the event is what
// is wrong, and is given up.
func (u *uploader) refused(ctx context.Context, p *parcel, why error) (more bool, err error) {
	switch {
	case p.items > 1:
		u.most = max(p.items/2, 1)
		return true, nil
	case p.items == 0:
		return false, u.failed(0, why)
	}
	empty, err := next(ctx, u.t.opts.Journal, u.now(), 0)
	if err != nil || empty == nil {
		return false, u.failed(0, errors.Join(err, why))
	}
	if a := u.post(ctx, empty.body); a.err != nil || a.refused {
		return false, u.failed(a.wait, why)
	}
	u.t.opts.Log.Warn("telemetry: the collector refuses an event", "error", why)
	if len(p.seqs) == 0 { // a range of dropped ones
		err = u.t.arrived(p, p.last, 0)
	}
	for _, seq := range p.seqs {
		err = errors.Join(err, u.t.ledger.reject(p, seq))
	}
	if err != nil {
		return false, u.failed(0, err)
	}
	return true, nil
}

// answer is what came of a request: a reply, a refusal of the whole, or an error
// that may be none the next time.
type answer struct {
	reply   report.Reply
	refused bool
	err     error // also of a refusal
	wait    time.Duration
}

// post sends an upload.
func (u *uploader) post(ctx context.Context, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	var packed bytes.Buffer
	w := u.packers.Get().(*gzip.Writer)
	w.Reset(&packed)
	w.Write(body) // to memory: can't fail
	w.Close()
	u.packers.Put(w)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.t.opts.Collector, &packed)
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", "causeway-telemetry")
	if u.t.opts.Key != "" {
		req.Header.Set("Authorization", "Bearer "+u.t.opts.Key)
	}
	resp, err := u.t.opts.Client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return answer{err: err}
	}
	return u.answer(resp, text)
}

func (u *uploader) answer(resp *http.Response, text []byte) (a answer) {
	a.wait = u.retryAfter(resp.Header.Get("Retry-After"))
	switch code := resp.StatusCode; {
	case code/100 == 2:
		if err := json.Unmarshal(text, &a.reply); err != nil {
			a.err = fmt.Errorf("the collector's reply can't be read: %w", err)
		}
		asked := min(max(a.reply.RetryAfter, 0), int(maxRetryAfter/time.Second))
		a.wait = max(a.wait, time.Duration(asked)*time.Second)
		return a
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		a.refused = true
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		a.wait = max(a.wait, maxBackOff)
	}
	a.err = fmt.Errorf("the collector answers %s", resp.Status)
	return a
}

// retryAfter reads a header: seconds, or a date.
func (u *uploader) retryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(u.t.opts.Clock()), 0)
	}
	return 0
}
