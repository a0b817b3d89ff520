// Package demo lets a group of real nodes have a recorded conversation again, at
// speed, over a network that loses much of it, and tells how that went.
//
// Each member is a causeway.Node with a SQLite file of its own. They talk over
// one of two networks:
//
//   - Waku: each member has a Waku node, of which one is a light node and the
//     others are relays, on ports of 127.0.0.1; one more relay has a store and is
//     no member. A member loses its share of what its Waku node has received, so
//     that the others and the store have it.
//   - Loopback: a network inside the process with delays and without a store, so
//     that what is lost has to come from other members.
//
// While they talk, one of them is cut off for the middle third of the
// conversation; everybody goes on writing. After the last message the run goes on
// until every sender knows that everybody has every message, or until its
// patience is at an end.
//
// A witness at each member's store notes what is durable there, and when. So a
// receipt can be checked at the instant at which it counts somebody.
//
// Nodes run in real time: the same seed loses the same copies of what each
// receiver is handed, but which packet is the n-th varies from run to run, and so
// do all times. Under testing/synctest a run over Loopback takes no time at all.
package demo

import (
	"bytes"
	_ "embed" // for builtIn
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/causeway-im/causeway/sim/trace"
)

// Bounds of the Options: what can be watched on a screen, and what a network
// may lose and still be called one.
const (
	MinMembers, MaxMembers = 2, 64
	MaxLoss                = 0.9
)

// Transport says over what the members talk.
type Transport string

// The transports.
const (
	Waku     Transport = "waku"
	Loopback Transport = "loopback"
)

// MinMembers returns how many members a group has at least: over Waku two
// service nodes for the light node, and somebody else.
func (t Transport) MinMembers() int {
	if t == Waku {
		return 4
	}
	return MinMembers
}

// Members returns how many members a group has if nobody says.
func (t Transport) Members() int {
	if t == Waku {
		return 7
	}
	return 8
}

// Who is cut off, if it is not the member of an index.
const (
	Talker = -1 // the one who writes most in the middle third
	Nobody = -2
)

// DefaultPatience is how long a run goes on after the last message.
const DefaultPatience = 10 * time.Minute

// roundTrip is what members believe about the network: a mixture of near and far.
const roundTrip = 250 * time.Millisecond

// fullPace is the largest group over Waku that talks as fast as a small one: all
// nodes share the processors of one machine, and each carries what all say. A
// larger one is as much slower as it is larger, and its members believe so: who
// expects answers before a busy machine can give them asks again and again, and
// makes it busier.
const fullPace = 12

// slowness returns how many times slower than a small group this one is.
func (o *Options) slowness() float64 {
	if o.Transport != Waku {
		return 1
	}
	return max(1, float64(o.Members)/fullPace)
}

// roundTrip returns what its members believe about the network.
func (o *Options) roundTrip() time.Duration {
	return time.Duration(o.slowness() * float64(roundTrip))
}

// builtIn is two hours in a channel for help with Ubuntu: testdata/README.md
// says where it comes from.
//
//go:embed testdata/chat-with-text-2015-01-20.jsonl
var builtIn []byte

func builtInTrace() (*trace.Trace, error) {
	return trace.Read(bytes.NewReader(builtIn), "built-in conversation")
}

// Options describe a run. Only Transport is required.
type Options struct {
	Transport Transport
	Members   int     // Transport.MinMembers … MaxMembers; 0 is Transport.Members
	Loss      float64 // 0 … MaxLoss: the share that each member loses of what it is handed
	Seed      uint64
	// Trace is the conversation; nil is the built-in one. Its members are mapped
	// onto the group by their index modulo Members.
	Trace *trace.Trace
	// Offline is who is cut off: the index of a member, Talker or Nobody.
	Offline int
	// Keep is an empty or new folder for the members' databases, and the store's.
	// Without it they are in a temporary folder, which is deleted.
	Keep string
	// Patience is how long the run goes on after the last message. Default
	// DefaultPatience.
	Patience time.Duration
}

// Defaults returns the options that the command begins with.
func Defaults() Options {
	return Options{Transport: Waku, Loss: 0.2, Seed: 1, Offline: Talker}
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
	network atomic.Pointer[network] // once there is one
	folder  string                  // of the databases, once they are there
	ended   time.Duration
	done    bool // everything was acknowledged before the patience was at an end
}

// New prepares a run. It makes no files and starts nothing.
func New(o Options) (*Run, error) {
	if o.Members == 0 {
		o.Members = o.Transport.Members()
	}
	switch {
	case o.Transport != Waku && o.Transport != Loopback:
		return nil, fmt.Errorf("demo: Transport is %q, must be %s or %s", o.Transport, Waku, Loopback)
	case o.Members < o.Transport.MinMembers() || o.Members > MaxMembers:
		return nil, fmt.Errorf("demo: Members is %d, must be from %d to %d", o.Members, o.Transport.MinMembers(), MaxMembers)
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
	if factor := o.slowness(); factor > 1 {
		r.plan.slow(factor)
	}
	r.rec = newRecorder(o.Members)
	return r, nil
}

// Length returns how long the conversation takes.
func (r *Run) Length() time.Duration { return r.plan.length }

// Folder returns where the databases are or were, "" before Play.
func (r *Run) Folder() string { return r.folder }

// Clock returns how long the run takes by now, as m:ss.
func (r *Run) Clock() string { return clock(r.rec.elapsed()) }
