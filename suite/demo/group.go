package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
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
	network *loopback.Network
	members []*member
}

// member is one node with what it stands on.
type member struct {
	end     *loopback.Endpoint
	db      *sql.DB
	node    *causeway.Node
	channel *causeway.Channel

	left, cut, away bool // away: it has no network, for one of the two reasons
}

// broadcast is an endpoint without the queries: this network has no store.
type broadcast struct{ transport.Transport }

// openGroup starts all members. Whatever it returns is to be closed, also with
// an error.
func openGroup(ctx context.Context, o Options, rec *recorder) (*group, error) {
	g := &group{keep: o.Keep != ""}
	if err := g.makeFolder(o.Keep); err != nil {
		return g, err
	}
	var err error
	g.network, err = loopback.New(loopback.Options{Seed: o.Seed, Loss: o.Loss, MinDelay: minDelay, MaxDelay: maxDelay})
	if err != nil {
		return g, err
	}
	roster := &causeway.Roster{Members: map[causeway.ParticipantID]causeway.PersonID{}}
	for i := range o.Members {
		roster.Members[participant(i)] = causeway.PersonID(participant(i))
	}
	for i := range o.Members {
		if err := g.open(ctx, i, o.Seed, roster, &witness{rec: rec, member: i}); err != nil {
			return g, fmt.Errorf("member %d: %w", i, err)
		}
	}
	return g, nil
}

// ErrKeep is returned by Play when Options.Keep can't hold the databases.
var ErrKeep = errors.New("the databases need a folder of their own")

// makeFolder makes the folder of the databases, or a temporary one.
func (g *group) makeFolder(keep string) (err error) {
	if !g.keep {
		g.folder, err = os.MkdirTemp("", "causeway-demo-")
		return err
	}
	if g.folder, err = filepath.Abs(keep); err != nil {
		return err
	}
	if err := os.MkdirAll(g.folder, 0o755); err != nil {
		return fmt.Errorf("%w: %w", ErrKeep, err)
	}
	entries, err := os.ReadDir(g.folder)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKeep, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%w: %s is not empty", ErrKeep, g.folder)
	}
	return nil
}

// open starts member i.
func (g *group) open(ctx context.Context, i int, seed uint64, roster *causeway.Roster, w *witness) error {
	m := &member{}
	g.members = append(g.members, m)
	var err error
	if m.end, err = g.network.Attach(string(participant(i))); err != nil {
		return err
	}
	if m.db, err = sqlite.Open(ctx, filepath.Join(g.folder, fmt.Sprintf("member-%02d.db", i))); err != nil {
		return err
	}
	if w.Store, err = store.OpenSQL(ctx, m.db, store.SQLOptions{}); err != nil {
		return err
	}
	own := rand.New(rand.NewPCG(seed, uint64(i))).Uint64() | 1 // 0 stands for any
	m.node, err = causeway.Open(ctx, causeway.Options{Store: w, Observer: w, Transport: broadcast{m.end}, Seed: own})
	if err != nil {
		return err
	}
	m.channel, err = m.node.Join(ctx, causeway.ChannelConfig{Channel: channelID, Participant: participant(i), Roster: roster,
		Profile: causeway.Profile{RoundTrip: roundTrip}})
	return err
}

// close ends all members and deletes what is not to be kept.
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
		g.network.Close()
	}
	if g.folder != "" && !g.keep {
		failed = append(failed, os.RemoveAll(g.folder))
	}
	return errors.Join(failed...)
}
