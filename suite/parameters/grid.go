package parameters

import (
	"context"
	"fmt"
	"time"

	"github.com/causeway-im/causeway/sim/crowd"
)

// Load is how much a community says: messages in a day, spread over twelve hours.
type Load struct {
	Name   string
	PerDay int
}

// Rate returns messages per second while people are awake.
func (l Load) Rate() float64 { return float64(l.PerDay) / (12 * 3600) }

// The loads, and how many messages of each are played, by size.
var (
	Quiet  = Load{"quiet", 50}
	Normal = Load{"normal", 1_000}
	Busy   = Load{"busy", 10_000}
)

// Want is a certainty that a sender may ask for.
type Want struct {
	Name            string
	Asked, Everyone float64
	Share           float64
}

// The certainties.
var Wants = []Want{
	{Name: "at least one"},
	{Name: "50 %", Asked: 1, Share: 0.5},
	{Name: "90 %", Asked: 1, Share: 0.9},
	{Name: "everyone", Everyone: 1},
}

// Case is one run of the grid.
type Case struct {
	Members int
	Load    Load
	Want    Want
	Loss    float64
	// Away is the share of the time that members are away, in turns of half an hour;
	// Owner says that one steward never is.
	Away  float64
	Owner bool
}

// messages is how many are written in a run: enough for the figures, few enough
// for the time that a large group takes.
func (c Case) messages() int {
	n := map[string]int{Quiet.Name: 12, Normal.Name: 40, Busy.Name: 80}[c.Load.Name]
	switch {
	case c.Members >= 10_000:
		return max(n/8, 2)
	case c.Members >= 1_000:
		return n / 2
	}
	return n
}

// seed is where the chance of a case comes from: the same for all cases, so that
// they differ in what they are about.
const seed = 20

// Scenario returns what is played.
func (c Case) Scenario() crowd.Scenario {
	sc := crowd.Scenario{Members: c.Members, Seed: seed}
	sc.Network.Loss = c.Loss
	sc.Load.Rate = c.Load.Rate()
	sc.Load.Duration = time.Duration(float64(c.messages()) / c.Load.Rate() * float64(time.Second))
	sc.Load.Asked, sc.Load.Everyone, sc.Load.Share = c.Want.Asked, c.Want.Everyone, c.Want.Share
	if c.Owner {
		sc.Mix.Stewards = 1
	}
	if c.Away > 0 {
		const turn = 30 * time.Minute
		sc.Churn.Share = 1
		sc.Churn.Online = time.Duration(float64(turn) * (1 - c.Away) / c.Away)
		sc.Churn.Offline = turn
		sc.Tail = 10 * time.Minute
	}
	return sc
}

// Run plays a case.
func (c Case) Run(ctx context.Context) (*crowd.Result, error) {
	r, err := crowd.Run(ctx, c.Scenario(), nil)
	if err != nil {
		return nil, fmt.Errorf("%d members, %s, %s, loss %g: %w", c.Members, c.Load.Name, c.Want.Name, c.Loss, err)
	}
	return r, nil
}

// What a packet has around its SDS message in a Waku message with a rate-limit
// proof, and how many days a month has.
const (
	envelope = 430
	days     = 30
)

// Month is what one member's device moves in a month, in bytes: the group's
// packets with their envelopes.
type Month struct {
	RelayDown float64 // every packet as often as the mesh brings it
	LightDown float64 // every packet once
	LightUp   float64 // what the member itself sends
}

// month returns what a run amounts to in a month of its load.
func (c Case) month(r *crowd.Result, meshCopies float64) Month {
	var packets int64
	for _, n := range r.Bytes.Packets {
		packets += n
	}
	group := float64(r.Bytes.Content+r.Bytes.Control+packets*envelope) / float64(r.Messages) * float64(c.Load.PerDay) * days
	return Month{RelayDown: group * meshCopies, LightDown: group, LightUp: group / float64(c.Members)}
}
