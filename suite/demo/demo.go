// Package demo lets a group of real nodes have a recorded conversation again, at
// speed, over a network that loses much of it, and tells how that went.
//
// Each member is a causeway.Node with a SQLite file of its own on one
// loopback.Network without a store, so that what is lost has to come from other
// members. While they talk, one of them is cut off for the middle third of the
// conversation; everybody goes on writing. After the last message the run goes on
// until every sender knows that everybody has every message, or until its
// patience is at an end.
//
// A witness at each member's store notes what is durable there, and when. So a
// receipt can be checked at the instant at which it counts somebody.
//
// Nodes run in real time: the same seed loses the same copies of what each
// receiver is handed, but which packet is the n-th varies from run to run, and so
// do all times. Under testing/synctest a run takes no time at all.
package demo

import (
	"bytes"
	_ "embed" // for builtIn
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/causeway-im/causeway/sim/trace"
	"github.com/causeway-im/causeway/transport/loopback"
)

// Bounds of the Options: what can be watched on a screen, and what a network
// may lose and still be called one.
const (
	MinMembers, MaxMembers = 2, 64
	MaxLoss                = 0.9
)

// Who is cut off, if it is not the member of an index.
const (
	Talker = -1 // the one who writes most in the middle third
	Nobody = -2
)

// DefaultPatience is how long a run goes on after the last message.
const DefaultPatience = 10 * time.Minute

// The network, and what its members believe about it: a mixture of near and far.
const (
	minDelay  = 40 * time.Millisecond
	maxDelay  = 160 * time.Millisecond
	roundTrip = 250 * time.Millisecond
)

// builtIn is two hours in a channel for help with Ubuntu: testdata/README.md
// says where it comes from.
//
//go:embed testdata/chat-with-text-2015-01-20.jsonl
var builtIn []byte

func builtInTrace() (*trace.Trace, error) {
	return trace.Read(bytes.NewReader(builtIn), "built-in conversation")
}

// Options describe a run. Only Members is required.
type Options struct {
	Members int     // MinMembers … MaxMembers
	Loss    float64 // 0 … MaxLoss: the share that each member loses of what it is handed
	Seed    uint64
	// Trace is the conversation; nil is the built-in one. Its members are mapped
	// onto the group by their index modulo Members.
	Trace *trace.Trace
	// Offline is who is cut off: the index of a member, Talker or Nobody.
	Offline int
	// Keep is an empty or new folder for the members' databases. Without it they
	// are in a temporary folder, which is deleted.
	Keep string
	// Patience is how long the run goes on after the last message. Default
	// DefaultPatience.
	Patience time.Duration
}

// Defaults returns the options that the command begins with.
func Defaults() Options {
	return Options{Members: 8, Loss: 0.2, Seed: 1, Offline: Talker}
}

// Run is one run of the demo. Status may be called at any time; all else is
// for one goroutine.
type Run struct {
	opts    Options
	trace   *trace.Trace
	plan    plan
	cut     int // the member that is cut off, or Nobody
	rec     *recorder
	audit   audit
	network atomic.Pointer[loopback.Network] // once there is one
	folder  string                           // of the databases, once they are there
	ended   time.Duration
	done    bool // everything was acknowledged before the patience was at an end
}

// New prepares a run. It makes no files and starts nothing.
func New(o Options) (*Run, error) {
	switch {
	case o.Members < MinMembers || o.Members > MaxMembers:
		return nil, fmt.Errorf("demo: Members is %d, must be from %d to %d", o.Members, MinMembers, MaxMembers)
	case !(o.Loss >= 0 && o.Loss <= MaxLoss):
		return nil, fmt.Errorf("demo: Loss is %v, must be from 0 to %v", o.Loss, MaxLoss)
	case o.Offline < Nobody || o.Offline >= o.Members:
		return nil, fmt.Errorf("demo: Offline is %d, must be Talker, Nobody or from 0 to %d", o.Offline, o.Members-1)
	case o.Patience < 0:
		return nil, fmt.Errorf("demo: Patience is %v, must not be negative", o.Patience)
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	r := &Run{opts: o, trace: o.Trace, cut: o.Offline}
	if r.trace == nil {
		var err error
		if r.trace, err = builtInTrace(); err != nil {
			return nil, err
		}
	}
	if r.trace.Messages() == 0 {
		return nil, errors.New("demo: the trace has no messages")
	}
	r.plan, r.cut = makePlan(r.trace, o.Members, o.Offline)
	r.rec = newRecorder(o.Members)
	return r, nil
}

// Length returns how long the conversation takes.
func (r *Run) Length() time.Duration { return r.plan.length }

// Folder returns where the databases are or were, "" before Play.
func (r *Run) Folder() string { return r.folder }

// Clock returns how long the run takes by now, as m:ss.
func (r *Run) Clock() string { return clock(r.rec.elapsed()) }
