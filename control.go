package causeway

import (
	"context"
	"errors"
	"fmt"

	"github.com/causeway-im/causeway/transport"
)

// ErrNotHere: the message can't be sent again, since it is not here, or too old.
var ErrNotHere = errors.New("message is not here")

// Config returns how the channel was joined, with the roster that it has now.
func (c *Channel) Config(ctx context.Context) (ChannelConfig, error) {
	var cfg ChannelConfig
	err := c.live(ctx, func(_ *loop, s *session) {
		cfg = s.cfg
		cfg.Roster = cloneRoster(cfg.Roster)
	})
	return cfg, err
}

// The following do at once what a channel does by itself when its time comes: for
// tests, and for users who don't want to wait. They are packets like others for the
// quota. While the channel does not send (ChannelStatus.Online) they fail with an
// error that wraps transport.ErrOffline.

// Sync does what the channel does when it was reconnected: it says what it has, asks
// anew for what it misses and sends again what nobody is known to have.
func (c *Channel) Sync(ctx context.Context) error {
	return c.force(ctx, func(l *loop, s *session) bool {
		if !l.online || l.suspended || s.catch != nil && s.catch.holding || l.now < s.mutedUntil {
			return false
		}
		s.core.SetOnline(l.now, false)
		s.core.SetOnline(l.now, true)
		return true
	})
}

// Sweep asks the network's stores for what was said since the channel was last known
// to be complete, unless they are being asked. A network without stores has nothing
// to ask: the error wraps transport.ErrUnavailable.
func (c *Channel) Sweep(ctx context.Context) error {
	if _, ok := c.n.opts.Transport.(transport.Retriever); !ok {
		return fmt.Errorf("causeway: %w: the network has none", transport.ErrUnavailable)
	}
	return c.force(ctx, func(l *loop, s *session) bool {
		if s.work == nil {
			return false
		}
		if s.catch == nil {
			s.startCatchUp(l, false)
		}
		s.missing.hurry(l.now)
		s.unproved.hurry(l.now)
		return true
	})
}

// Resend sends one message again, whosever it is. If it is not among those of the
// window (Profile.Window), the error says so.
func (c *Channel) Resend(ctx context.Context, id MessageID) error {
	known := false
	err := c.force(ctx, func(l *loop, s *session) bool {
		if !l.online || l.suspended {
			return false
		}
		known = s.core.Again(l.now, id)
		return true
	})
	if err == nil && !known {
		return fmt.Errorf("causeway: message %s: %w", id, ErrNotHere)
	}
	return err
}

func (c *Channel) force(ctx context.Context, f func(*loop, *session) bool) error {
	done := false
	err := c.live(ctx, func(l *loop, s *session) {
		if done = f(l, s); done {
			l.touch(s)
		}
	})
	if err == nil && !done {
		return fmt.Errorf("causeway: channel %s: %w", c.cfg.Channel, transport.ErrOffline)
	}
	return err
}
