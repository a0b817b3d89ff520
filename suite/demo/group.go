package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
)

// The ids have the lengths of which README.md gives the bytes: 20 and 32.
const channelID = causeway.ChannelID("causeway/1/demo/general/proto-01")

func participant(i int) causeway.ParticipantID {
	return causeway.ParticipantID(fmt.Sprintf("member-%013d", i))
}

// group is the members of a run, with their network and their databases.
type group struct {
	folder  string
	keep    bool
	network network
	members []*member
}

// member is one node with what it stands on.
type member struct {
	link    link
	db      *sql.DB
	node    *causeway.Node
	channel *causeway.Channel

	left, cut, away bool // away: it has no network, for one of the two reasons
}

// ErrKeep is returned by Play when Options.Keep can't hold the databases.
var ErrKeep = errors.New("the databases need a folder of their own")

// newGroup makes the folder of the databases, or a temporary one. Close the group
// in the end.
func newGroup(keep string) (g *group, err error) {
	g = &group{keep: keep != ""}
	if !g.keep {
		g.folder, err = os.MkdirTemp("", "causeway-demo-")
		return g, err
	}
	if g.folder, err = filepath.Abs(keep); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(g.folder, 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeep, err)
	}
	entries, err := os.ReadDir(g.folder)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeep, err)
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%w: %s is not empty", ErrKeep, g.folder)
	}
	return g, nil
}

// open starts all members on the group's network and waits until they are
// connected.
func (g *group) open(ctx context.Context, o Options, rec *recorder) error {
	roster := &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{}}
	for i := range o.Members {
		roster.Members[participant(i)] = causeway.PersonID(participant(i))
	}
	for i := range o.Members {
		if err := g.openMember(ctx, i, &o, roster, &witness{rec: rec, member: i}); err != nil {
			return fmt.Errorf("member %d: %w", i, err)
		}
	}
	if err := g.network.connected(ctx); err != nil {
		return err
	}
	for i, m := range g.members {
		if err := m.settled(ctx); err != nil {
			return fmt.Errorf("member %d: %w", i, err)
		}
	}
	return nil
}

// openMember starts member i.
func (g *group) openMember(ctx context.Context, i int, o *Options, roster *causeway.Roster, w *witness) error {
	m := &member{}
	g.members = append(g.members, m)
	var err error
	if m.link, err = g.network.attach(ctx, i); err != nil {
		return err
	}
	if m.db, err = sqlite.Open(ctx, filepath.Join(g.folder, fmt.Sprintf("member-%02d.db", i))); err != nil {
		return err
	}
	if w.Store, err = store.OpenSQL(ctx, m.db, store.SQLOptions{}); err != nil {
		return err
	}
	own := rand.New(rand.NewPCG(o.Seed, uint64(i))).Uint64() | 1 // 0 stands for any
	m.node, err = causeway.Open(ctx, causeway.Options{Store: w, Observer: w, Transport: m.link.transport(), Seed: own})
	if err != nil {
		return err
	}
	m.channel, err = m.node.Join(ctx, causeway.ChannelConfig{Channel: channelID, Participant: participant(i), Roster: roster,
		Profile: causeway.Profile{RoundTrip: o.roundTrip()}})
	return err
}

// settled waits until the member may send: the store has told it that there is
// nothing to catch up with.
func (m *member) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for {
		status, err := m.channel.Status(ctx)
		if err != nil || status.Online {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond): // nothing tells
		case <-ctx.Done():
			return errors.New("is connected and still may not send")
		}
	}
}

// close ends all members and the network, and deletes what is not to be kept.
func (g *group) close() error {
	var failed []error
	for _, m := range g.members {
		if m.node != nil {
			failed = append(failed, m.node.Close())
		}
		if m.db != nil {
			failed = append(failed, m.db.Close())
		}
	}
	if g.network != nil {
		failed = append(failed, g.network.close())
	}
	if !g.keep {
		failed = append(failed, os.RemoveAll(g.folder))
	}
	return errors.Join(failed...)
}
