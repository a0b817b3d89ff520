package causeway

import (
	"errors"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/segment"
)

// sealContent seals content by itself, where the profile says so.
func (c *Channel) sealContent(content []byte) ([]byte, error) {
	if c.cfg.Sealer == nil || !c.cfg.Profile.SealContent || len(content) == 0 {
		return content, nil
	}
	sealed, err := c.cfg.Sealer.Seal(c.cfg.Channel, content)
	if err != nil {
		return nil, &sealError{err}
	}
	return sealed, nil
}

// tryContent opens content that came sealed by itself: what can't be opened since
// somebody changed it is refused as a whole, and asked for again.
func (c *Channel) tryContent(in *incoming) {
	if c.cfg.Sealer == nil || len(in.message.Content) == 0 {
		return
	}
	opened, err := c.cfg.Sealer.Open(c.cfg.Channel, in.message.Content)
	if err != nil {
		in.err = &openError{err}
		return
	}
	// What is proved is who wrote the content. Anybody can put that into another
	// message, which names what they like: its acknowledgements stay claims.
	if opened.Authenticated && opened.Sender != in.message.SenderID {
		in.err = fmt.Errorf("causeway: %w: %q wrote content of %q", sds.ErrForgedSender, opened.Sender, in.message.SenderID)
	}
}

// unseal opens content that was sealed by itself.
func (c *Channel) unseal(content []byte) ([]byte, error) {
	if c.cfg.Sealer == nil || !c.cfg.Profile.SealContent || content == nil {
		return content, nil
	}
	opened, err := c.cfg.Sealer.Open(c.cfg.Channel, content)
	return opened.Message, err
}

// see returns what an application sees of content that the channel's state machine
// took, or the part of a payload that it is.
func (c *Channel) see(content []byte) (payload []byte, part *segment.Segment) {
	plain, err := c.unseal(content)
	if err != nil {
		return nil, nil // it was opened when it came; the key is gone since
	}
	return c.uncut(plain)
}

// tamperedEvery is how often a channel tells of packets that were tampered with:
// whoever sends them must not fill the event log.
const tamperedEvery = time.Minute

// tampering counts packets that were tampered with.
type tampering struct {
	count  int
	toldAt sds.Time
}

// unopened notes why a packet could not be opened.
func (s *session) unopened(l *loop, err error) {
	var opening *openError
	if !errors.As(err, &opening) || errors.Is(err, ErrNotForMe) {
		return
	}
	s.tampered.count++
	l.touch(s)
}

// tamperedDue returns when there is something to tell.
func (s *session) tamperedDue() sds.Time {
	if s.tampered.count == 0 {
		return never
	}
	if s.tampered.toldAt == 0 {
		return 0
	}
	return s.tampered.toldAt.Add(tamperedEvery)
}

// tellTampered adds an EventTampered when it is time for one.
func (j *job) tellTampered(l *loop) {
	if s := j.s; s.tamperedDue() <= l.now {
		j.add(l, Event{Kind: EventTampered, Tampered: s.tampered.count})
		s.tampered = tampering{toldAt: l.now}
	}
}
