package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/causeway-im/causeway"
)

// View shows how a run goes on.
type View interface {
	// Show is called several times a second, and once in the end, by one goroutine.
	// Its error ends the run.
	Show(Status) error
}

// showEvery is the time between two calls of View.Show.
const showEvery = 100 * time.Millisecond

// Play plays the run, once, until it is over or ctx is done. view may be nil.
// When it returns, nothing of the run is left but its result and, if they were
// to be kept, the databases.
func (r *Run) Play(ctx context.Context, view View) (err error) {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	g, err := newGroup(r.opts.Keep)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, g.close()) }()
	r.folder = g.folder
	if err := r.watched(ctx, view, func(ctx context.Context) error { return r.run(ctx, g) }); err != nil {
		return err
	}
	r.ended = r.rec.elapsed()
	r.audit, err = r.examine(ctx, g)
	return err
}

// run brings the group together and lets it talk.
func (r *Run) run(ctx context.Context, g *group) error {
	network, err := newNetwork(ctx, r.opts, g.folder, r.rec)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("demo: %w", err)
	}
	g.network = network
	r.network.Store(&network)
	if err := g.open(ctx, r.opts, r.rec); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("demo: %w", err)
	}
	r.rec.begin()
	return r.play(ctx, g)
}

// watched calls f, and shows view what happens from before that until f returns.
func (r *Run) watched(ctx context.Context, view View, f func(context.Context) error) error {
	if view == nil {
		return f(ctx)
	}
	ctx, stop := context.WithCancelCause(ctx)
	begun, shown := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(shown)
		ticker := time.NewTicker(showEvery)
		defer ticker.Stop()
		for first := true; ; first = false {
			if err := view.Show(r.Status()); err != nil {
				stop(err)
			}
			if first {
				close(begun)
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	<-begun
	err := f(ctx)
	stop(nil)
	<-shown
	if err != nil {
		return err
	}
	return view.Show(r.Status())
}

// play lets everything happen that is planned, and waits for its effect.
func (r *Run) play(ctx context.Context, g *group) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, s := range r.plan.steps {
		timer.Reset(s.at - r.rec.elapsed())
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := r.step(ctx, g, s); err != nil {
			return err
		}
	}
	timer.Reset(r.opts.Patience)
	for {
		if r.done = r.rec.complete(r.plan.messages); r.done {
			return nil
		}
		select {
		case <-r.rec.changed:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// step does one thing of the plan.
func (r *Run) step(ctx context.Context, g *group, s step) error {
	m := g.members[s.member]
	switch s.do {
	case say:
		_, err := m.channel.Send(ctx, []byte(s.text), causeway.SendOptions{Want: causeway.Everyone})
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("demo: member %d cannot send: %w", s.member, err)
		}
		return nil
	case leave, join:
		m.left = s.do == leave
	case cutOff, reunite:
		m.cut = s.do == cutOff
	}
	if online := !m.left && !m.cut; m.away == online {
		m.away = !online
		r.rec.online(s.member, online, m.cut)
		m.link.setOnline(online)
	}
	return nil
}
