package crowd

import (
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/sds/wire"
)

// ours is a member that runs package sds.
type ours struct {
	channel *sds.Channel
	cfg     sds.Config
	host    *host // of who restarts, or may be asked for what left its window
	online  bool
}

// NewOurs makes a member that runs package sds, as those of the kinds Ours, Light and
// Steward do. It is for a Constructor of Scenario.Kinds that looks on.
func NewOurs(seat Seat, sc *Scenario, now sds.Time) (Participant, error) {
	o, err := openOurs(seat, sc, now)
	if err != nil {
		return nil, err
	}
	return o, nil
}

func openOurs(seat Seat, sc *Scenario, now sds.Time) (*ours, error) {
	cfg := sds.Config{Channel: seat.Channel, Participant: seat.ID, Seed: seat.Seed, Dialect: sc.dialect(),
		Roster: seat.Roster, Steward: seat.Kind == Steward,
		// All messages fit, so that nobody asks the host for older ones, unless
		// Scenario.Config makes it smaller.
		Window: max(sds.DefaultWindow, seat.Messages+1000)}
	if seat.Joins {
		cfg.JoinPoint = max(uint64(now), 1)
		if cfg.Dialect == sds.Nim {
			cfg.JoinPoint /= 1000
		}
	}
	if sc.Config != nil {
		sc.Config(seat.Index, &cfg)
	}
	channel, err := sds.New(cfg, now)
	if err != nil {
		return nil, err
	}
	o := &ours{channel: channel, cfg: cfg, online: true}
	if seat.Restarts || cfg.Window < seat.Messages {
		o.host = newHost(seat.ID, cfg.Window, seat.Messages)
	}
	return o, nil
}

func (o *ours) Send(now sds.Time, content []byte, want sds.Want) (sds.MessageID, error) {
	return o.channel.Send(now, content, sds.SendOptions{Want: want})
}

func (o *ours) Receive(now sds.Time, p *Packet) error {
	var origin sds.Origin
	if p.Authenticated {
		origin = sds.Origin{Authenticated: true, Sender: p.Author}
	}
	return o.channel.ReceivePrepared(now, p.Incoming, origin)
}

func (o *ours) Tick(now sds.Time) { o.channel.Tick(now) }

func (o *ours) Deadline() (sds.Time, bool) { return o.channel.Deadline() }

func (o *ours) SetOnline(now sds.Time, online bool) {
	o.online = online
	o.channel.SetOnline(now, online)
}

func (o *ours) Drain(now sds.Time, out *Outputs) bool {
	r := o.channel.Ready()
	if r.Empty() {
		return false
	}
	if o.host != nil {
		o.host.commit(&r.Changes)
	}
	o.channel.Advance()
	for i := range r.Packets {
		o.channel.Handed(now, r.Packets[i].Serial, nil, nil)
	}
	if len(r.Lookups) > 0 && o.host != nil {
		o.channel.Found(now, o.host.find(r.Lookups))
	}
	*out = Outputs{r.Packets, r.Arrivals, r.Deliveries, r.Receipts, r.Gaps, r.Losses}
	return true
}

// Restart opens the channel again from its durable state.
func (o *ours) Restart(now sds.Time, stored func(sds.MessageID) []byte) error {
	channel, err := sds.Restore(o.cfg, o.host.state.Clone(), func(id sds.MessageID) (wire.Message, error) {
		return wire.Decode(stored(id))
	}, now)
	if err != nil {
		return err
	}
	o.channel = channel
	if !o.online {
		channel.SetOnline(now, false)
	}
	return nil
}
