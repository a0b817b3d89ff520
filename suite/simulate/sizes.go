package simulate

import (
	"context"
	"fmt"

	"github.com/causeway-im/causeway/sim/crowd"
)

// Sized is a run with another number of members.
type Sized struct {
	Members int
	Results []*crowd.Result // by policy
}

// RunSizes plays the scenario in smaller groups, too, to show what depends on the
// size. results are the runs of the scenario itself, which are not played again.
func RunSizes(ctx context.Context, sc crowd.Scenario, policies []crowd.Policy, results []*crowd.Result, p *Progress) ([]Sized, error) {
	var list []Sized
	for _, n := range Sizes(&sc) {
		if n == sc.Members {
			list = append(list, Sized{n, results})
			continue
		}
		smaller := sc
		smaller.Members = n
		smaller.Load.Senders = min(smaller.Load.Senders, n)
		smaller.Mix.Stewards = min(smaller.Mix.Stewards, n)
		if smaller.Check() != nil {
			continue // too few for its mix
		}
		r, err := Run(ctx, smaller, policies, p)
		if err != nil {
			return nil, fmt.Errorf("%d members: %w", n, err)
		}
		list = append(list, Sized{n, r})
	}
	return list, nil
}
