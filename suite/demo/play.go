package demo

import (
	"context"
	"time"
)

// View shows how a run goes on.
type View interface {
	Show(Status) error
}

// A terminal shows so many pictures a second of wall time: a run of the
// built-in conversation takes about ten seconds.
const (
	pictures     = 20
	conversation = 130 // pictures of the conversation at full speed
	// After the return of the member that was cut off, and after the last
	// message, virtual time is slow for a while: what was missed comes within
	// seconds.
	slowFor   = 70 * time.Second
	slowStep  = 1500 * time.Millisecond
	quietStep = 10 * time.Second // where nobody watches the steps
)

// Quiet runs to the end, or until ctx is done. view, if it is not nil, is shown
// the run after every few seconds of virtual time.
func (r *Run) Quiet(ctx context.Context, view View) error {
	for !r.Done() {
		if err := r.frame(ctx, r.Elapsed()+quietStep, view); err != nil {
			return err
		}
	}
	return nil
}

// Watch runs to the end, or until ctx is done, and shows view a picture after
// each step. With paced set it waits between the pictures, so that a person can
// follow; the member that comes back, and the end, are shown in slow motion.
func (r *Run) Watch(ctx context.Context, view View, paced bool) error {
	ticks := make(<-chan time.Time)
	if paced {
		ticker := time.NewTicker(time.Second / pictures)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for !r.Done() {
		if err := r.frame(ctx, r.nextPicture(), view); err != nil {
			return err
		}
		if !paced {
			continue
		}
		select {
		case <-ticks:
		case <-ctx.Done():
		}
	}
	return nil
}

// nextPicture returns how far the run goes for the next picture.
func (r *Run) nextPicture() time.Duration {
	at, back := r.Elapsed(), r.CutTo()
	full := max(r.Length()/conversation, 50*time.Millisecond)
	slow := min(full, slowStep)
	switch {
	case at < back:
		return min(at+full, back)
	case at < back+slowFor:
		return at + slow
	case at < r.Length():
		return min(at+full, r.Length())
	case at < r.Length()+slowFor:
		return at + slow
	}
	return at + patience/(2*pictures)
}

func (r *Run) frame(ctx context.Context, to time.Duration, view View) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.Advance(to); err != nil || view == nil {
		return err
	}
	return view.Show(r.Status())
}
