package reliability

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
)

// following is a community whose description we have.
type following struct {
	follower *community.Follower
	chats    map[string]bool
}

// UpdateDescription takes a description of a community over, if it is newer than the
// last, and returns who joined and left. Receipts of what is wrapped from then on count
// its members. It is not kept: call it again after a restart, with the last one. After
// Close it is.
func (r *Reliability) UpdateDescription(ctx context.Context, d *community.Description) ([]community.Change, error) {
	r.life.Lock()
	defer r.life.Unlock()
	f := r.communities[d.Community]
	var changes []community.Change
	var err error
	if f == nil {
		f = &following{chats: map[string]bool{}}
		if f.follower, err = community.NewFollower(d); err != nil {
			return nil, fmt.Errorf("reliability: %w", err)
		}
		r.communities[d.Community] = f
	} else if changes, err = f.follower.Update(ctx, d); err != nil {
		return changes, fmt.Errorf("reliability: %w", err)
	}
	chats := []string{community.WholeCommunity}
	if r.o.PerChat {
		chats = slices.Sorted(maps.Keys(d.Chats))
	}
	for _, chat := range chats {
		if f.chats[chat] {
			continue
		}
		id, err := r.ChannelID(d.Community, chat)
		if err == nil {
			err = f.follower.Follow(ctx, chat, channel{r, causeway.ChannelID(id)})
		}
		if errors.Is(err, community.ErrNoChat) {
			continue // of an older description
		}
		if err != nil {
			return changes, fmt.Errorf("reliability: %w", err)
		}
		f.chats[chat] = true
	}
	return changes, nil
}

// channel gives the manager a roster, the next one too.
type channel struct {
	r  *Reliability
	id causeway.ChannelID
}

// SetRoster is for a community.Follower, under Reliability.life.
func (c channel) SetRoster(_ context.Context, roster *causeway.Roster) error {
	others := map[causeway.PersonID]bool{}
	for _, person := range roster.Members {
		if person != c.r.o.Person {
			others[person] = true
		}
	}
	c.r.mu.Lock()
	c.r.rosters[c.id], c.r.others[c.id] = roster, len(others)
	manager := c.r.manager
	c.r.mu.Unlock()
	if manager == nil {
		return nil
	}
	return manager.SetRoster(string(c.id), roster)
}

// person returns whose participant this is, or "" as long as no description says so.
func (r *Reliability) person(channel, participant string) causeway.PersonID {
	r.mu.Lock()
	defer r.mu.Unlock()
	if roster := r.rosters[causeway.ChannelID(channel)]; roster != nil {
		return roster.Members[causeway.ParticipantID(participant)]
	}
	return ""
}

// persons is how many others are in a channel. Where that is not known, it is taken
// for a large one.
func (r *Reliability) persons(channelID string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, known := r.others[causeway.ChannelID(channelID)]; known {
		return n
	}
	return community.SmallGroup + 1
}
