package collector

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/causeway-im/causeway/suite/collector/archive"
)

func sortChannels(list []archive.Channel) {
	slices.SortFunc(list, func(a, b archive.Channel) int { return cmp.Compare(a.Name, b.Name) })
}

// channel reads the pseudonym of a channel: 0 if there is none in the query.
func (s *Service) channel(ctx context.Context, p *params, channels map[int64]archive.Channel) (int64, error) {
	name := p.text("channel")
	if name == "" {
		return 0, nil
	}
	for id, c := range channels {
		if c.Name == name {
			return id, nil
		}
	}
	return 0, fail(http.StatusNotFound, "there is no such channel")
}

// bucketRow is a bucket with its name.
type bucketRow struct {
	archive.Channel
	Day archive.DayName `json:"day"`
	archive.Figures
	Revision    int64 `json:"revision"`
	Provisional bool  `json:"provisional"`
	At          int64 `json:"at"`
	Late        int64 `json:"late"`
}

// bucketList is GET /v1/buckets.
func (s *Service) bucketList(ctx context.Context, p *params) (any, error) {
	first, last := p.days()
	channels, err := s.opts.Archive.Channels(ctx)
	if err != nil {
		return nil, err
	}
	id, err := s.channel(ctx, p, channels)
	if err != nil || p.err != nil {
		return nil, err
	}
	rows, err := s.opts.Archive.Buckets(ctx, first, last, id, false)
	list := []bucketRow{}
	for _, r := range rows {
		list = append(list, bucketRow{channels[r.Channel], r.Day.Name(), r.Figures, r.Revision, r.Provisional, r.At, r.Late})
	}
	return struct {
		ranged
		Buckets []bucketRow `json:"buckets"`
	}{p.ranged(first, last), list}, err
}

// revisionList is GET /v1/revisions: of one bucket.
func (s *Service) revisionList(ctx context.Context, p *params) (any, error) {
	d := p.day("day", archive.DayOf(p.now.UnixMilli()))
	if p.text("channel") == "" {
		p.wrong("channel", "the pseudonym of a channel")
	}
	channels, err := s.opts.Archive.Channels(ctx)
	if err != nil || p.err != nil {
		return nil, err
	}
	id, err := s.channel(ctx, p, channels)
	if err != nil {
		return nil, err
	}
	list, err := s.opts.Archive.Revisions(ctx, archive.Bucket{Channel: id, Day: d})
	return struct {
		Channel   string                `json:"channel"`
		Day       archive.DayName       `json:"day"`
		Revisions []archive.RevisionRow `json:"revisions"`
	}{p.text("channel"), d.Name(), orEmpty(list)}, err
}

// messageRow is a message with the names of where it was.
type messageRow struct {
	archive.MessageRow
	Channel   string          `json:"channel"`
	Community string          `json:"community"`
	Topic     string          `json:"topic"`
	Day       archive.DayName `json:"day"`
}

func named(m archive.MessageRow, channels map[int64]archive.Channel) messageRow {
	c := channels[m.Channel]
	return messageRow{m, c.Name, c.Community, c.Topic, m.Day.Name()}
}

// messageList is GET /v1/messages: those first that the most members lack.
func (s *Service) messageList(ctx context.Context, p *params) (any, error) {
	first, last := p.days()
	limit := p.number("limit", 50, 1, 1000)
	channels, err := s.opts.Archive.Channels(ctx)
	if err != nil {
		return nil, err
	}
	id, err := s.channel(ctx, p, channels)
	if err != nil || p.err != nil {
		return nil, err
	}
	rows, err := s.opts.Archive.Messages(ctx, archive.MessageQuery{First: first, Last: last, Channel: id, Limit: int(limit)})
	list := []messageRow{}
	for _, m := range rows {
		list = append(list, named(m, channels))
	}
	return struct {
		ranged
		Messages []messageRow `json:"messages"`
	}{p.ranged(first, last), list}, err
}

// maxStory is how many events of one message are shown.
const maxStory = 1000

// story is one message with what devices witnessed of it.
type story struct {
	messageRow
	Events []archive.Witnessed `json:"events"`
	// More events there are than are shown.
	More bool `json:"more"`
}

// messageDetail is GET /v1/messages/{message}.
func (s *Service) messageDetail(ctx context.Context, p *params) (any, error) {
	channels, err := s.opts.Archive.Channels(ctx)
	if err != nil {
		return nil, err
	}
	id, err := s.channel(ctx, p, channels)
	if err != nil {
		return nil, err
	}
	return s.story(ctx, id, p.r.PathValue("message"), channels)
}

func (s *Service) story(ctx context.Context, channel int64, name string, channels map[int64]archive.Channel) (*story, error) {
	m, found, err := s.opts.Archive.Message(ctx, channel, name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fail(http.StatusNotFound, "there is no such message, or it has not been estimated yet")
	}
	events, err := s.opts.Archive.Events(ctx, m.Bucket, name, maxStory+1)
	return &story{named(m, channels), orEmpty(events[:min(len(events), maxStory)]), len(events) > maxStory}, err
}

// phantomRow is a phantom with the names of where it was.
type phantomRow struct {
	archive.PhantomRow
	Channel string          `json:"channel"`
	Day     archive.DayName `json:"day"`
}

// phantomList is GET /v1/phantoms.
func (s *Service) phantomList(ctx context.Context, p *params) (any, error) {
	first, last := p.days()
	limit := p.number("limit", 100, 1, 1000)
	if p.err != nil {
		return nil, nil
	}
	channels, err := s.opts.Archive.Channels(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.opts.Archive.Phantoms(ctx, first, last, int(limit))
	list := []phantomRow{}
	for _, r := range rows {
		list = append(list, phantomRow{r, channels[r.Channel].Name, r.Day.Name()})
	}
	return struct {
		ranged
		Phantoms []phantomRow `json:"phantoms"`
	}{p.ranged(first, last), list}, err
}
