package crash

import (
	"math/rand/v2"
	"time"
)

// moment is the kind of moment at which a child is killed.
type moment int

const (
	atStart     moment = iota // before it is up: it opens, recovers, loads
	atLine                    // when it has said so many lines
	atCommit                  // while a transaction commits, as far as that can be hit
	inCommit                  // with all writes of a transaction done, and no COMMIT
	afterCommit               // after COMMIT, before the node knows
	moments                   // how many there are
	never       moment = -1   // the last child lives until all is settled
)

func (m moment) String() string {
	return [...]string{"at start", "at a line", "at a commit", "in a commit", "after a commit"}[m]
}

// plan is what happens to one child. It depends on the seed and the number of
// its life alone.
type plan struct {
	moment moment
	count  int           // lines or commits before the moment
	delay  time.Duration // after it
	again  int           // how many events the application reads again
	online int           // lines before the network is there; 0: from the beginning
	tight  bool
	refuse int // from this number on the first commit with an own message fails
	seed   uint64
}

// kinds is how many kinds of lives there are: of so many lives in a row, from the first
// on, each is of another kind.
const kinds = 30

func newPlan(seed uint64, life int) plan {
	rng := rand.New(rand.NewPCG(seed, uint64(life)))
	p := plan{seed: rng.Uint64() | 1, tight: rng.IntN(4) == 0}
	block := rand.New(rand.NewPCG(seed, uint64(life/kinds)<<32|1<<31))
	switch draw := block.Perm(kinds)[life%kinds]; {
	case draw < 4:
		p.moment, p.delay = atStart, time.Duration(rng.IntN(60_000))*time.Microsecond
	case draw < 11:
		p.moment, p.count = atLine, 1+rng.IntN(80)
	case draw < 12: // long enough to ask for what is missing
		p.moment, p.count, p.delay = atLine, 1, time.Duration(1200+rng.IntN(600))*time.Millisecond
		p.refuse = 2 + rng.IntN(10)
	case draw < 21:
		p.moment, p.count = atCommit, 1+rng.IntN(12)
		p.delay = time.Duration(rng.IntN(2)*rng.IntN(1500)) * time.Microsecond
	case draw < 26:
		p.moment, p.count = inCommit, 1+rng.IntN(12)
	default:
		p.moment, p.count = afterCommit, 1+rng.IntN(12)
	}
	if rng.IntN(4) == 0 {
		p.again = rng.IntN(400)
	}
	if rng.IntN(5) == 0 {
		p.online = 1 + rng.IntN(60)
	}
	return p
}

// atAnyLine kills at a line instead: a store with a bug may never come to a
// commit that can be counted.
func (p plan) atAnyLine() plan {
	return plan{moment: atLine, count: min(1+10*p.count, 150), again: p.again, seed: p.seed}
}

// lastPlan lets a child live.
func lastPlan(seed uint64, life int) plan {
	p := newPlan(seed, life)
	return plan{moment: never, seed: p.seed}
}
