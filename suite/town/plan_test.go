package town

import (
	"fmt"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
)

// The chats: everybody reads and writes in the lounge; the vault is for holders of a
// token, who alone have its key; everybody reads the news, and few write them.
const (
	lounge = "5a1c1f0e-0d3a-4a52-9f0e-1b2c3d4e5f60"
	vault  = "c0ffee00-0d3a-4a52-9f0e-1b2c3d4e5f60"
	news   = "0ddba11e-0d3a-4a52-9f0e-1b2c3d4e5f60"
)

var chatNames = map[string]string{lounge: "lounge", vault: "vault", news: "news"}

// home is an installation: where somebody is at home.
type home struct {
	person       causeway.PersonID
	installation string
	light        bool // receives and publishes through the service nodes
	disk         bool // keeps what it has in SQLite
	telemetry    bool
}

// plan is a town before it is built.
type plan struct {
	description *community.Description
	homes       []home
}

// settle adds a person with these devices.
func (p *plan) settle(person causeway.PersonID, role community.Role, devices ...home) {
	m := community.Member{}
	if role != community.NoRole {
		m.Roles = []community.Role{role}
	}
	for _, h := range devices {
		h.person = person
		p.homes = append(p.homes, h)
		m.Installations = append(m.Installations, community.Installation{ID: h.installation, MostlyOnline: h.installation == "server"})
	}
	p.description.Members[person] = m
	p.description.Chats[news].Members[person] = community.Viewer
}

// newPlan returns a town of seven people, and as many more as wanted: olga owns it,
// adam is an admin, mia has two devices, lea's is light. mia and max hold the token.
func newPlan(more int) *plan {
	p := &plan{description: &community.Description{Community: community.ID{2, 0xca, 0x05}, Clock: 1,
		Members: map[causeway.PersonID]community.Member{},
		Chats: map[string]community.Chat{lounge: {},
			vault: {Gated: true, Members: map[causeway.PersonID]community.ChannelRole{"mia": community.Poster, "max": community.Poster}},
			news:  {Gated: true, Members: map[causeway.PersonID]community.ChannelRole{}}}}}
	p.settle("olga", community.Owner, home{installation: "server", disk: true})
	p.settle("adam", community.Admin, home{installation: "server"})
	p.settle("mia", community.NoRole, home{installation: "phone", light: true, disk: true, telemetry: true}, home{installation: "laptop"})
	p.settle("max", community.NoRole, home{installation: "desk", telemetry: true})
	p.settle("lea", community.NoRole, home{installation: "phone", light: true})
	p.settle("ben", community.NoRole, home{installation: "desk"})
	p.settle("eve", community.NoRole, home{installation: "desk"})
	for i := range more {
		person := causeway.PersonID(fmt.Sprintf("p%02d", i+1))
		devices := []home{{installation: "desk", light: i%4 == 3, disk: i%5 == 0, telemetry: i%6 == 0}}
		if i == 0 {
			devices = append(devices, home{installation: "phone", light: true})
		}
		role := community.NoRole
		if i == 1 {
			role = community.TokenMaster
		}
		p.settle(person, role, devices...)
		if i%2 == 0 {
			p.description.Chats[vault].Members[person] = community.Viewer
		}
	}
	p.description.Chats[news].Members["adam"] = community.Poster
	return p
}
