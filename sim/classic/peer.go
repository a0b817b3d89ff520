package classic

import (
	"math/rand/v2"
	"time"

	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// Peer is one deployed participant in one channel. Moments and messages go in
// through its methods, and what it does comes out of Ready. It is not safe for
// concurrent use; several Peers may share a Prepared message.
type Peer struct {
	*base
	machine
}

// machine is one of the two implementations.
type machine interface {
	// push sends content, which has been checked.
	push(content []byte) sds.MessageID
	// take is given every message that is for this channel.
	take(in *Prepared)
	// tick does what is due at base.now.
	tick()
	// deadline returns the moment of the next tick, 0 for none.
	deadline() sds.Time
	// logged returns the message of the log with an id, nil if there is none.
	logged(fingerprint uint64) *Prepared
	sizes() Sizes
}

// New returns a peer without history, online.
func New(cfg Config, now sds.Time) (*Peer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &base{cfg: cfg, now: now, online: true,
		rng: rand.New(rand.NewPCG(cfg.Seed, fingerprint(string(cfg.Channel)+"/"+string(cfg.Participant))))}
	p := &Peer{base: b}
	if cfg.Flavour == Nim {
		p.machine, err = newNim(b)
	} else {
		p.machine, err = newJS(b)
	}
	return p, err
}

// Send sends content. It never fails for lack of a network: both implementations
// take what nobody received for sent. The errors are sds.ErrEmptyContent and
// sds.ErrContentTooLarge, for more than sds.MaxContent bytes.
//
// The id of a JS message is the hash of its content, so content that was sent
// before, by anybody, is no new message there. A Nim id is unique.
func (p *Peer) Send(now sds.Time, content []byte) (sds.MessageID, error) {
	p.Tick(now)
	switch {
	case len(content) == 0:
		return "", sds.ErrEmptyContent
	case len(content) > sds.MaxContent:
		return "", sds.ErrContentTooLarge
	}
	return p.push(content), nil
}

// Receive takes a message of the network, which must not be changed afterwards.
// If several peers receive it, Prepare it once and use ReceivePrepared.
func (p *Peer) Receive(now sds.Time, m *wire.Message) { p.ReceivePrepared(now, Prepare(m)) }

// ReceivePrepared is Receive for a message that is prepared. A message of another
// channel or in the other numbering is ignored, as one that can't be decoded;
// so is everything while offline.
func (p *Peer) ReceivePrepared(now sds.Time, in *Prepared) {
	p.Tick(now)
	if p.online && in.message.ChannelID == p.cfg.Channel {
		p.take(in)
	}
}

// Tick does what is due at now.
func (p *Peer) Tick(now sds.Time) {
	p.now = max(p.now, now)
	if at := p.deadline(); at != 0 && at <= p.now {
		p.tick()
	}
}

// Deadline returns when Tick is to be called next, and false if there is nothing
// to wait for.
func (p *Peer) Deadline() (sds.Time, bool) {
	at := p.deadline()
	return at, at != 0
}

// SetOnline says whether the network is there. A deployed peer does not know:
// while offline its timers go on and what it sends is lost, to itself sent.
func (p *Peer) SetOnline(now sds.Time, online bool) {
	p.Tick(now)
	p.online = online
}

// Ready returns what was done since the last call. Its slices are valid until
// the next one; the messages in them are for good, and not to be changed.
func (p *Peer) Ready() Ready {
	r := p.out
	p.out = p.spare
	p.out.reset()
	p.spare = r
	return r
}

// Has tells whether a message is in the log: sent or delivered. (Nim forgets the
// oldest beyond 1,000.)
func (p *Peer) Has(id sds.MessageID) bool { return p.logged(fingerprint(string(id))) != nil }

// Sizes is how much a peer keeps.
type Sizes struct {
	Log      int // messages of the log
	Waiting  int // content that waits for what it depends on
	Outgoing int // own messages that are not acknowledged
	Requests int // missing messages that are to be or were asked for
	Answers  int // messages that others asked for
}

// Sizes returns how much the peer keeps.
func (p *Peer) Sizes() Sizes { return p.sizes() }

// base is what both implementations have.
type base struct {
	cfg        Config
	now        sds.Time
	online     bool
	rng        *rand.Rand
	out, spare Ready

	position sds.Position
	arrived  idSet // content that came
	noticed  idSet // messages that were found missing
}

// emit broadcasts a message, if there is a network.
func (b *base) emit(class sds.Class, in *Prepared) {
	if b.online {
		b.out.Packets = append(b.out.Packets, Packet{Class: class, ID: in.message.MessageID, Prepared: in})
	}
}

// arrive reports content of others at its first arrival.
func (b *base) arrive(in *Prepared) {
	m := in.message
	if in.kind == wire.Sync || in.kind == 0 || !b.arrived.add(in.fingerprint) {
		return
	}
	b.out.Arrivals = append(b.out.Arrivals, sds.Arrival{ID: m.MessageID, Kind: in.kind, Sender: m.SenderID,
		Lamport: m.Lamport, Content: m.Content})
}

// enter gives a message of the log its position.
func (b *base) enter(in *Prepared, own bool) sds.Delivery {
	m := in.message
	b.position++
	return sds.Delivery{ID: m.MessageID, Sender: m.SenderID, Lamport: m.Lamport,
		Position: b.position, Content: m.Content, Own: own}
}

// notice reports messages as missing, each once.
func (b *base) notice(in *Prepared, missing []int) {
	for _, i := range missing {
		if b.noticed.add(in.parents[i]) {
			b.out.Missing = append(b.out.Missing, in.message.CausalHistory[i].MessageID)
		}
	}
}

func (b *base) acked(own, by *Prepared, proof Proof) {
	a := Ack{ID: own.message.MessageID, Proof: proof}
	if by != nil {
		a.By = by.message.SenderID
	}
	b.out.Acked = append(b.out.Acked, a)
}

// entry is how a message is named by others.
func (b *base) entry(in *Prepared) wire.HistoryEntry {
	e := wire.HistoryEntry{MessageID: in.message.MessageID, SenderID: in.message.SenderID}
	if b.cfg.Hint != nil {
		e.RetrievalHint = b.cfg.Hint(e.MessageID)
	}
	return e
}

// uniform draws from [0, d), in whole milliseconds.
func (b *base) uniform(d time.Duration) time.Duration {
	return time.Duration(b.rng.Float64() * float64(d)).Truncate(time.Millisecond)
}

// interval is a timer that fires again and again: at its phase and every period
// after it.
type interval struct {
	phase  sds.Time
	period time.Duration
}

// newInterval starts one at a random phase: peers don't start together.
func (b *base) newInterval(period time.Duration) interval {
	return interval{b.now.Add(time.Millisecond + b.uniform(period)), period}
}

// from returns the first time at or after t that it fires.
func (i interval) from(t sds.Time) sds.Time {
	if t <= i.phase {
		return i.phase
	}
	p := sds.Time(i.period.Milliseconds())
	return i.phase + (t-i.phase+p-1)/p*p
}

// earliest returns the earlier of two moments, either of which may be 0 for
// none.
func earliest(a, b sds.Time) sds.Time {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
