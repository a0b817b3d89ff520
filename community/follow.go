package community

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/causeway-im/causeway"
)

// Channel is what a Follower gives rosters to: a *causeway.Channel.
type Channel interface {
	SetRoster(ctx context.Context, r *causeway.Roster) error
}

// Errors of a Follower.
var (
	// ErrOtherCommunity: a description is of another community.
	ErrOtherCommunity = errors.New("description of another community")
	// ErrFollowed: a chat is followed already.
	ErrFollowed = errors.New("chat is followed already")
)

// Change is what a description changed in a followed chat.
type Change struct {
	Chat string
	// Joined and Left are persons, sorted. Somebody whose installations or role alone
	// changed is in neither.
	Joined, Left []causeway.PersonID
	// Gone is set when the community no longer has the chat: nobody is in it.
	Gone bool
}

// Follower keeps the newest description of one community, and gives the channels of
// its chats their rosters. Messages that were sent keep the audience that they had.
//
// All methods are safe for concurrent use. They wait for each other, also while a
// channel takes its roster: a Channel must not call its Follower.
type Follower struct {
	mu    sync.Mutex
	now   *Description
	chats map[string]*followed
}

// followed is a chat with a channel.
type followed struct {
	channel Channel
	roster  *causeway.Roster // that the channel has; nil if it may have another one
	readers []causeway.PersonID
}

// NewFollower returns a follower that begins with a description, which it copies:
// after a restart the last one that the application had.
func NewFollower(d *Description) (*Follower, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	return &Follower{now: d.clone(), chats: map[string]*followed{}}, nil
}

// Version is the clock of the newest description. It only grows.
func (f *Follower) Version() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now.Clock
}

// Roster returns the roster of a chat or of WholeCommunity, for a ChannelConfig.
func (f *Follower) Roster(chat string) (*causeway.Roster, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now.roster(chat)
}

// Follow gives the channel of a chat, or of WholeCommunity, its roster, now and
// whenever it changes. If the channel does not take it, the chat is followed
// nevertheless, and Update tries again.
func (f *Follower) Follow(ctx context.Context, chat string, ch Channel) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.chats[chat] != nil {
		return fmt.Errorf("community: %w: %q", ErrFollowed, chat)
	}
	readers, err := f.now.Readers(chat)
	if err != nil {
		return err
	}
	c := &followed{channel: ch, readers: readers}
	f.chats[chat] = c
	return f.give(ctx, chat, c)
}

// Unfollow lets go of a chat. Its channel keeps the roster that it has.
func (f *Follower) Unfollow(chat string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.chats, chat)
}

// Update takes a description over, which it copies, if it is newer than what is
// there, and returns what it changed in the chats that are followed, by name. An
// older one, or another one with the same clock, changes nothing.
//
// An error is that of a description which is not valid, or of channels that did not
// take their rosters. Those are tried again at the next Update, whatever its clock.
func (f *Follower) Update(ctx context.Context, d *Description) ([]Change, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.Community != f.now.Community {
		return nil, fmt.Errorf("community: %w: %s, not %s", ErrOtherCommunity, d.Community, f.now.Community)
	}
	if d.Clock > f.now.Clock {
		f.now = d.clone()
	}
	var changes []Change
	var failed []error
	for _, chat := range slices.Sorted(maps.Keys(f.chats)) {
		c := f.chats[chat]
		if change, any := f.compare(chat, c); any {
			changes = append(changes, change)
		}
		failed = append(failed, f.give(ctx, chat, c))
	}
	return changes, errors.Join(failed...)
}

// compare finds who joined and left since the last time.
func (f *Follower) compare(chat string, c *followed) (change Change, any bool) {
	readers, err := f.now.Readers(chat)
	change = Change{Chat: chat, Gone: err != nil, Joined: without(readers, c.readers), Left: without(c.readers, readers)}
	c.readers = readers
	return change, len(change.Joined)+len(change.Left) > 0
}

// without returns what is in a and not in b. Both are sorted.
func without(a, b []causeway.PersonID) (rest []causeway.PersonID) {
	for _, person := range a {
		if _, in := slices.BinarySearch(b, person); !in {
			rest = append(rest, person)
		}
	}
	return rest
}

// give gives a channel its roster, unless it has it.
func (f *Follower) give(ctx context.Context, chat string, c *followed) error {
	r, err := f.now.roster(chat)
	if errors.Is(err, ErrNoChat) {
		r, err = &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{}}, nil
	}
	if err != nil || equalRosters(r, c.roster) {
		return err
	}
	c.roster = nil
	if err := c.channel.SetRoster(ctx, r); err != nil {
		return fmt.Errorf("community: roster of %q: %w", chat, err)
	}
	c.roster = r
	return nil
}
