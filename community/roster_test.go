package community_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
)

const secret = "c0ffee00-0d3a-4a52-9f0e-1b2c3d4e5f60"

func phone() community.Installation  { return community.Installation{ID: "phone"} }
func server() community.Installation { return community.Installation{ID: "server", MostlyOnline: true} }

func member(role community.Role, devices ...community.Installation) community.Member {
	m := community.Member{Installations: devices}
	if role != community.NoRole {
		m.Roles = []community.Role{role}
	}
	return m
}

// house is a community with every role: olga owns it, tom is token master, ada and
// abe are admins; mia, with two devices, max and eve are members. eve is banned, though
// still listed. Of the gated chat, mia may read and write, max read.
func house(t testing.TB) *community.Description {
	return &community.Description{Community: id(t, teaID), Clock: 1,
		Members: map[causeway.PersonID]community.Member{
			"olga": member(community.Owner, server(), phone()), "tom": member(community.TokenMaster, server()),
			"ada": member(community.Admin, phone()), "abe": member(community.Admin),
			"mia": member(community.NoRole, phone(), server()), "max": member(community.NoRole), "eve": member(community.NoRole, phone())},
		Banned: []causeway.PersonID{"eve", "stranger"},
		Chats: map[string]community.Chat{lounge: {},
			secret: {Gated: true, Members: map[causeway.PersonID]community.ChannelRole{"mia": community.Poster, "max": community.Viewer, "eve": community.Poster, "stranger": community.Poster}}}}
}

func persons(r *causeway.Roster) []causeway.PersonID {
	return slices.Compact(slices.Sorted(maps.Values(r.Members)))
}

func people(names string) (ids []causeway.PersonID) {
	for _, n := range strings.Fields(names) {
		ids = append(ids, causeway.PersonID(n))
	}
	return ids
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestRoster(t *testing.T) {
	d := house(t)
	open, err := d.Roster(lounge)
	check(t, err)
	wide, err := d.Roster(community.WholeCommunity)
	check(t, err)
	gated, err := d.Roster(secret)
	check(t, err)
	equal(t, "persons of the lounge", persons(open), people("abe ada max mia olga tom"))
	equal(t, "the whole community", wide, open)
	equal(t, "persons of the gated chat", persons(gated), people("max mia olga"))
	equal(t, "stewards of the lounge", open.Stewards, people("olga tom"))
	equal(t, "stewards of the gated chat", gated.Stewards, people("olga"))
	equal(t, "installations of the gated chat", gated.Members, map[causeway.ParticipantID]causeway.PersonID{
		community.Participant("mia", "phone"): "mia", community.Participant("mia", "server"): "mia",
		community.Participant("max", ""): "max", community.Participant("olga", "server"): "olga", community.Participant("olga", "phone"): "olga"})
	_, err = d.Roster("nowhere")
	wantError(t, "no chat", err, community.ErrNoChat, "nowhere")
}

// Equal descriptions give equal rosters, whatever order maps and lists have.
func TestRosterIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roles := []community.Role{community.NoRole, community.Owner, community.Admin, community.TokenMaster}
		a := &community.Description{Community: community.ID{2, 1}, Clock: 1, Members: map[causeway.PersonID]community.Member{}, Chats: map[string]community.Chat{}}
		b := &community.Description{Community: a.Community, Clock: 9, Members: map[causeway.PersonID]community.Member{}, Chats: map[string]community.Chat{}}
		gate := map[causeway.PersonID]community.ChannelRole{}
		count := rapid.IntRange(0, 12).Draw(t, "members")
		for i := range count {
			person := causeway.PersonID(fmt.Sprint("p", i))
			m := member(rapid.SampledFrom(roles).Draw(t, "role"), make([]community.Installation, rapid.IntRange(0, 3).Draw(t, "devices"))...)
			for j := range m.Installations {
				m.Installations[j] = community.Installation{ID: fmt.Sprint(j), MostlyOnline: rapid.Bool().Draw(t, "mostly online")}
			}
			a.Members[person] = m
			if rapid.Bool().Draw(t, "listed") {
				gate[person] = community.Viewer
			}
			if rapid.IntRange(0, 3).Draw(t, "banned") == 0 {
				a.Banned = append(a.Banned, person)
			}
		}
		for i := range count {
			person := causeway.PersonID(fmt.Sprint("p", count-1-i))
			m := a.Members[person]
			m.Installations = slices.Clone(m.Installations)
			slices.Reverse(m.Installations)
			b.Members[person] = m
		}
		b.Banned = slices.Clone(a.Banned)
		slices.Reverse(b.Banned)
		gated := rapid.Bool().Draw(t, "gated")
		a.Chats["x"] = community.Chat{Gated: gated, Members: gate}
		b.Chats["x"] = community.Chat{Gated: gated, Members: maps.Clone(gate)}
		one, err := a.Roster("x")
		two, err2 := b.Roster("x")
		if err != nil || err2 != nil || !reflect.DeepEqual(one, two) {
			t.Fatalf("%+v\nand\n%+v", one, two)
		}
		checkRoster(t, a, gated, gate, one)
	})
}

// checkRoster says the rule in other words.
func checkRoster(t *rapid.T, d *community.Description, gated bool, gate map[causeway.PersonID]community.ChannelRole, r *causeway.Roster) {
	has := map[causeway.PersonID]int{}
	for _, person := range r.Members {
		has[person]++
	}
	for person, m := range d.Members {
		_, listed := gate[person]
		reads := !slices.Contains(d.Banned, person) && (!gated || listed || slices.Contains(m.Roles, community.Owner))
		devices := 0
		if reads {
			devices = max(1, len(m.Installations))
		}
		if has[person] != devices {
			t.Fatalf("%s has %d installations in the roster, want %d", person, has[person], devices)
		}
		online := slices.ContainsFunc(m.Installations, func(i community.Installation) bool { return i.MostlyOnline })
		steward := reads && len(m.Roles) > 0 && (m.Roles[0] == community.Owner || online)
		if slices.Contains(r.Stewards, person) != steward {
			t.Fatalf("%s: steward %v, want %v", person, !steward, steward)
		}
	}
}

func TestWhoMayWhat(t *testing.T) {
	d := house(t)
	var posters, stewards []causeway.PersonID
	for _, person := range slices.Sorted(maps.Keys(d.Members)) {
		posts, err := d.CanPost(secret, person)
		check(t, err)
		if posts {
			posters = append(posters, person)
		}
		serves, err := d.IsSteward(lounge, person, "server")
		check(t, err)
		if serves {
			stewards = append(stewards, person)
		}
		if phone, err := d.IsSteward(lounge, person, "phone"); err != nil || phone {
			t.Errorf("%s's phone is a steward: %v, %v", person, phone, err)
		}
	}
	equal(t, "who writes in the gated chat", posters, people("mia olga"))
	equal(t, "whose servers serve", stewards, people("olga tom"))
	if posts, err := d.CanPost(lounge, "max"); err != nil || !posts {
		t.Errorf("max writes in the lounge: %v, %v", posts, err)
	}
	if posts, err := d.CanPost(lounge, "eve"); err != nil || posts {
		t.Errorf("eve, who is banned, writes: %v, %v", posts, err)
	}
	if serves, err := d.IsSteward(secret, "tom", "server"); err != nil || serves {
		t.Errorf("tom serves what he can't read: %v, %v", serves, err)
	}
	_, err := d.CanPost("nowhere", "max")
	wantError(t, "no chat", err, community.ErrNoChat, "nowhere")
	_, err = d.IsSteward("nowhere", "olga", "server")
	wantError(t, "no chat", err, community.ErrNoChat, "nowhere")
}

// Participant ids are short, stable, and nobody can take another's.
func TestParticipant(t *testing.T) {
	if got := community.Participant("mia", "phone"); got != participantOfMia {
		t.Errorf("mia's phone is %s", got)
	}
	ids := map[causeway.ParticipantID]bool{}
	for _, pair := range [][2]string{{"mia", "phone"}, {"max", "phone"}, {"mia", ""}, {"miap", "hone"}, {"mi", "aphone"}, {"", "miaphone"}} {
		ids[community.Participant(causeway.PersonID(pair[0]), pair[1])] = true
	}
	if len(ids) != 6 {
		t.Errorf("only %d different ids", len(ids))
	}
}

func TestCheckDescription(t *testing.T) {
	many := map[causeway.PersonID]community.Member{}
	banned := make([]causeway.PersonID, community.MaxMembers+1)
	gate := map[causeway.PersonID]community.ChannelRole{}
	for i := range community.MaxMembers + 1 {
		many[causeway.PersonID(fmt.Sprint(i))] = community.Member{}
		gate[causeway.PersonID(fmt.Sprint(i))] = community.Viewer
	}
	chats := map[string]community.Chat{}
	for i := range community.MaxChats + 1 {
		chats[fmt.Sprint(i)] = community.Chat{}
	}
	for says, spoil := range map[string]func(d *community.Description){
		"Community":         func(d *community.Description) { d.Community = community.ID{} },
		"Clock":             func(d *community.Description) { d.Clock = 0 },
		"Members are 50001": func(d *community.Description) { d.Members = many },
		"Banned are 50001":  func(d *community.Description) { d.Banned = banned },
		"Chats are 10001":   func(d *community.Description) { d.Chats = chats },
		"person in Members": func(d *community.Description) { d.Members[""] = community.Member{} },
		"has 513 bytes": func(d *community.Description) {
			d.Members[causeway.PersonID(strings.Repeat("x", 513))] = community.Member{}
		},
		"Installations of \"max": func(d *community.Description) { d.Members["max"] = member(0, make([]community.Installation, 33)...) },
		"installation of \"max": func(d *community.Description) {
			d.Members["max"] = member(0, community.Installation{ID: strings.Repeat("x", 513)})
		},
		"a chat has":      func(d *community.Description) { d.Chats[""] = community.Chat{} },
		"Members of chat": func(d *community.Description) { d.Chats["x"] = community.Chat{Members: gate} },
	} {
		d := house(t)
		check(t, d.Check())
		spoil(d)
		wantError(t, says, d.Check(), community.ErrDescription, says)
		_, err := d.Roster(lounge)
		wantError(t, "Roster: "+says, err, community.ErrDescription, says)
		_, err = community.NewFollower(d)
		wantError(t, "NewFollower: "+says, err, community.ErrDescription, says)
	}
}

// taker is a channel that takes rosters, or not.
type taker struct {
	rosters []*causeway.Roster
	err     error
}

func (c *taker) SetRoster(_ context.Context, r *causeway.Roster) error {
	if c.err == nil {
		c.rosters = append(c.rosters, r)
	}
	return c.err
}

func (c *taker) last() []causeway.PersonID { return persons(c.rosters[len(c.rosters)-1]) }

// The newest clock wins, whatever the order in which descriptions come, and a
// channel is told only what is new to it.
func TestFollower(t *testing.T) {
	ctx := t.Context()
	d := house(t)
	d.Clock = 10
	f, err := community.NewFollower(d)
	check(t, err)
	var inLounge, inSecret taker
	check(t, f.Follow(ctx, lounge, &inLounge))
	check(t, f.Follow(ctx, secret, &inSecret))
	wantError(t, "twice", f.Follow(ctx, secret, &inSecret), community.ErrFollowed, secret)
	wantError(t, "nowhere", f.Follow(ctx, "nowhere", &inSecret), community.ErrNoChat, "nowhere")
	change := func(clock uint64, f func(d *community.Description)) *community.Description {
		d := house(t)
		d.Clock = clock
		f(d)
		return d
	}
	update := func(d *community.Description, want ...community.Change) {
		t.Helper()
		got, err := f.Update(ctx, d)
		check(t, err)
		equal(t, fmt.Sprint("changes at ", d.Clock), got, want)
	}
	left := change(12, func(d *community.Description) { delete(d.Members, "mia") })
	update(left, community.Change{Chat: lounge, Left: people("mia")}, community.Change{Chat: secret, Left: people("mia")})
	delete(left.Members, "max") // it was copied
	update(change(11, func(d *community.Description) { d.Members["zoe"] = member(0) }))
	update(change(12, func(d *community.Description) { d.Members["zoe"] = member(0) }))
	equal(t, "version", f.Version(), 12)
	equal(t, "the lounge", inLounge.last(), people("abe ada max olga tom"))
	equal(t, "rosters of the lounge", len(inLounge.rosters), 2)

	// Somebody new who may not see the gated chat; a device more; a chat that goes.
	update(change(13, func(d *community.Description) { d.Members["zoe"] = member(0); delete(d.Members, "mia") }), community.Change{Chat: lounge, Joined: people("zoe")})
	equal(t, "rosters of the gated chat", len(inSecret.rosters), 2)
	update(change(14, func(d *community.Description) {
		d.Members["zoe"] = member(0, phone(), server())
		delete(d.Members, "mia")
	}))
	equal(t, "rosters of the lounge", len(inLounge.rosters), 4)
	equal(t, "the lounge", inLounge.last(), people("abe ada max olga tom zoe"))
	gone := change(15, func(d *community.Description) {
		d.Members["zoe"] = member(0)
		delete(d.Members, "mia")
		delete(d.Chats, secret)
	})
	update(gone, community.Change{Chat: secret, Left: people("max olga"), Gone: true})
	if got := inSecret.last(); len(got) != 0 {
		t.Errorf("in the chat that is gone are %v", got)
	}
	_, err = f.Roster(secret)
	wantError(t, "the roster of what is gone", err, community.ErrNoChat, secret)
	f.Unfollow(lounge)
	update(change(16, func(d *community.Description) {}), community.Change{Chat: secret, Joined: people("max mia olga")})
	equal(t, "rosters of what is not followed", len(inLounge.rosters), 5)
	roster, err := f.Roster(lounge)
	check(t, err)
	equal(t, "the newest roster", persons(roster), people("abe ada max mia olga tom"))

	other := change(99, func(d *community.Description) { d.Community = id(t, otherC) })
	_, err = f.Update(ctx, other)
	wantError(t, "another community", err, community.ErrOtherCommunity, otherC)
	other.Clock = 0
	_, err = f.Update(ctx, other)
	wantError(t, "no clock", err, community.ErrDescription, "Clock")
	equal(t, "version", f.Version(), 16)
}

// A channel that does not take its roster gets it with the next description, be that
// an old one.
func TestFollowerTriesAgain(t *testing.T) {
	ctx := t.Context()
	d := house(t)
	f, err := community.NewFollower(d)
	check(t, err)
	broken := errors.New("the node is closed")
	ch, other := taker{err: broken}, taker{}
	wantError(t, "Follow", f.Follow(ctx, secret, &ch), broken, secret)
	check(t, f.Follow(ctx, lounge, &other))
	d.Clock, d.Banned = 2, people("eve max")
	changes, err := f.Update(ctx, d)
	wantError(t, "Update", err, broken, secret)
	equal(t, "changes", changes, []community.Change{{Chat: lounge, Left: people("max")}, {Chat: secret, Left: people("max")}})
	equal(t, "the other chat", other.last(), people("abe ada mia olga tom"))
	ch.err = nil
	d.Clock = 1
	changes, err = f.Update(ctx, d)
	check(t, err)
	equal(t, "changes of an old one", len(changes), 0)
	equal(t, "the gated chat", ch.last(), people("mia olga"))
	equal(t, "rosters of the other", len(other.rosters), 2)
}

// participantOfMia is pinned: members of other versions must compute the same.
const participantOfMia = "sMLW5kRlQEKOkGJNbhTS"
