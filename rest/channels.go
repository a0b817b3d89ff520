package rest

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/transport"
)

// Join is how a channel is joined: the body of POST /v1/channels, and what a Keeper
// may keep.
type Join struct {
	Channel     Text    `json:"channel"`
	Participant Text    `json:"participant,omitempty"`
	Topic       Text    `json:"topic,omitempty"`
	Profile     string  `json:"profile,omitempty"` // lip, js or nim
	Roster      *Roster `json:"roster,omitempty"`
	JoinPoint   uint64  `json:"joinPoint,omitempty"`
	Steward     bool    `json:"steward,omitempty"`
}

// Roster is who belongs to a channel.
type Roster struct {
	Members  map[Text]Text `json:"members"` // participant → person
	Stewards []Text        `json:"stewards,omitempty"`
}

// profiles are those that a channel may have, by name.
var profiles = map[string]causeway.Profile{"": causeway.ProfileLIP, causeway.ProfileLIP.Name: causeway.ProfileLIP,
	causeway.ProfileJS.Name: causeway.ProfileJS, causeway.ProfileNim.Name: causeway.ProfileNim}

// JoinOf returns how a channel was joined, without what a host configures.
func JoinOf(cfg causeway.ChannelConfig) Join {
	return Join{Channel: Text(cfg.Channel), Participant: Text(cfg.Participant), Topic: Text(cfg.Topic), Profile: cfg.Profile.Name,
		Roster: rosterOf(cfg.Roster), JoinPoint: cfg.JoinPoint, Steward: cfg.Steward}
}

// Config is the reverse of JoinOf.
func (j *Join) Config() (causeway.ChannelConfig, error) {
	var cfg causeway.ChannelConfig
	profile, ok := profiles[j.Profile]
	if !ok {
		return cfg, bad("profile", []string{"lip", "js", "nim"}, "must be lip, js or nim")
	}
	if j.Channel == "" {
		return cfg, bad("channel", 1, "must not be empty")
	}
	roster, err := j.Roster.config("roster.")
	if err != nil {
		return cfg, err
	}
	return causeway.ChannelConfig{Channel: causeway.ChannelID(j.Channel), Participant: causeway.ParticipantID(j.Participant),
		Topic: transport.Topic(j.Topic), Profile: profile, Roster: roster, JoinPoint: j.JoinPoint, Steward: j.Steward}, nil
}

func rosterOf(r *causeway.Roster) *Roster {
	if r == nil {
		return nil
	}
	out := &Roster{Members: make(map[Text]Text, len(r.Members)), Stewards: texts(r.Stewards)}
	for p, person := range r.Members {
		out.Members[Text(p)] = Text(person)
	}
	return out
}

// config checks a roster; where says where its fields are.
func (r *Roster) config(where string) (*causeway.Roster, error) {
	if r == nil {
		return nil, nil
	}
	if len(r.Members) == 0 {
		return nil, bad(where+"members", 1, "must have a member; without a roster whoever is heard is one")
	}
	out := &causeway.Roster{Members: make(map[causeway.ParticipantID]causeway.PersonID, len(r.Members)), Stewards: strs[causeway.PersonID](r.Stewards)}
	persons := map[Text]bool{}
	for p, person := range r.Members {
		if p == "" || person == "" {
			return nil, bad(where+"members", 1, "must not have an empty participant or person")
		}
		persons[person] = true
		out.Members[causeway.ParticipantID(p)] = causeway.PersonID(person)
	}
	for _, s := range r.Stewards {
		if !persons[s] {
			return nil, bad(where+"stewards", nil, "has %q, who is no person of members", s)
		}
	}
	return out, nil
}

// channelLine is a channel in a list.
type channelLine struct {
	Channel     Text `json:"channel"`
	Participant Text `json:"participant,omitempty"`
	Joined      bool `json:"joined"`
}

// listChannels lists those that are joined and those that the store has besides.
func (c *call) listChannels() (any, error) {
	if _, err := c.query(); err != nil {
		return nil, err
	}
	known, err := c.node.KnownChannels(c.ctx)
	if err != nil {
		return nil, err
	}
	list := []channelLine{}
	joined := map[causeway.ChannelID]bool{}
	for _, ch := range c.node.Channels() {
		joined[ch.ID()] = true
		list = append(list, channelLine{Text(ch.ID()), Text(ch.Participant()), true})
	}
	for _, id := range known {
		if !joined[id] {
			list = append(list, channelLine{Channel: Text(id)})
		}
	}
	return map[string]any{"channels": list}, nil
}

// join takes part in a channel.
func (c *call) join() (any, error) {
	var body Join
	if err := c.body(&body); err != nil {
		return nil, err
	}
	cfg, err := body.Config()
	if err != nil {
		return nil, err
	}
	if cfg.Participant == "" {
		cfg.Participant = c.o.Participant
	}
	if cfg.Roster != nil {
		if _, ok := cfg.Roster.Members[cfg.Participant]; !ok {
			return nil, bad("roster.members", nil, "does not have %q, who joins", cfg.Participant)
		}
	}
	if c.o.Configure != nil {
		if err := c.o.Configure(&cfg); err != nil {
			return nil, bad("topic", nil, "can't be used: %v", err)
		}
	}
	c.joining.Lock()
	defer c.joining.Unlock()
	ch, err := c.node.Join(c.ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := c.keep(ch); err != nil {
		return nil, err
	}
	c.w.Header().Set("Location", "/v1/channels/"+url.PathEscape(Text(ch.ID()).String()))
	c.status = http.StatusCreated
	return c.statusOf(ch)
}

// keep tells the Keeper how a channel is joined now.
func (c *call) keep(ch *causeway.Channel) error {
	if c.o.Keeper == nil {
		return nil
	}
	cfg, err := ch.Config(c.ctx)
	if err == nil {
		err = c.o.Keeper.Joined(cfg)
	}
	if err != nil {
		return &Problem{Status: http.StatusInternalServerError, Code: "not_kept",
			Detail: fmt.Sprintf("the channel is joined as it was asked for, but will not be after a restart: %v", err)}
	}
	return nil
}

// leave ends taking part.
func (c *call) leave() (any, error) {
	q, err := c.query("forget")
	if err != nil {
		return nil, err
	}
	forget, err := flag(q, "forget")
	if err != nil {
		return nil, err
	}
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	c.joining.Lock()
	defer c.joining.Unlock()
	if err := ch.Leave(c.ctx, forget); err != nil {
		return nil, err
	}
	if c.o.Keeper != nil {
		if err := c.o.Keeper.Left(ch.ID()); err != nil {
			return nil, &Problem{Status: http.StatusInternalServerError, Code: "not_kept",
				Detail: fmt.Sprintf("the channel was left, but will be joined again after a restart: %v", err)}
		}
	}
	return nil, nil
}

// channelState is the state of a channel.
type channelState struct {
	Channel        Text   `json:"channel"`
	Participant    Text   `json:"participant"`
	Topic          Text   `json:"topic"`
	Profile        string `json:"profile"`
	Steward        bool   `json:"steward"`
	Online         bool   `json:"online"`
	CatchingUp     bool   `json:"catchingUp"`
	Messages       uint64 `json:"messages"`
	Lamport        uint64 `json:"lamport"`
	Waiting        int    `json:"waiting"`
	Missing        int    `json:"missing"`
	Skipped        int    `json:"skipped"`
	Lost           int    `json:"lost"`
	Unacknowledged int    `json:"unacknowledged"`
	Participants   int    `json:"participants"`
	LastHeard      int64  `json:"lastHeard"`
	CompleteTo     int64  `json:"completeTo"`
}

func (c *call) channelStatus() (any, error) {
	if _, err := c.query(); err != nil {
		return nil, err
	}
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	return c.statusOf(ch)
}

func (c *call) statusOf(ch *causeway.Channel) (any, error) {
	cfg, err := ch.Config(c.ctx)
	if err != nil {
		return nil, err
	}
	s, err := ch.Status(c.ctx)
	if err != nil {
		return nil, err
	}
	return channelState{Channel: Text(cfg.Channel), Participant: Text(cfg.Participant), Topic: Text(cfg.Topic), Profile: cfg.Profile.Name,
		Steward: cfg.Steward, Online: s.Online, CatchingUp: s.CatchingUp, Messages: uint64(s.Messages), Lamport: s.Lamport,
		Waiting: s.Waiting, Missing: s.Missing, Skipped: s.Skipped, Lost: s.Lost, Unacknowledged: s.Unacknowledged,
		Participants: s.Participants, LastHeard: nanos(s.LastHeard), CompleteTo: nanos(s.CompleteTo)}, nil
}

// roster returns the roster, null for none.
func (c *call) roster() (any, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	cfg, err := ch.Config(c.ctx)
	if err != nil {
		return nil, err
	}
	return map[string]*Roster{"roster": rosterOf(cfg.Roster)}, nil
}

func (c *call) putRoster() (any, error) {
	var body Roster
	if err := c.body(&body); err != nil {
		return nil, err
	}
	roster, err := body.config("")
	if err != nil {
		return nil, err
	}
	return c.setRoster(roster)
}

func (c *call) deleteRoster() (any, error) { return c.setRoster(nil) }

func (c *call) setRoster(r *causeway.Roster) (any, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	c.joining.Lock()
	defer c.joining.Unlock()
	if err := ch.SetRoster(c.ctx, r); err != nil {
		return nil, err
	}
	return nil, c.keep(ch)
}
