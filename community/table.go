package community

import (
	"slices"
	"time"

	"github.com/causeway-im/causeway"
)

// The types that the rest of this package, its examples and its tests name. The
// table has all that are known.
const (
	ChatMessage   MessageType = 1
	EmojiReaction MessageType = 22
	DescriptionOf MessageType = 25 // COMMUNITY_DESCRIPTION
	RequestToJoin MessageType = 27
	PinMessage    MessageType = 28
	EditMessage   MessageType = 29
	StatusUpdate  MessageType = 30
	DeleteMessage MessageType = 31
	MemberKicked  MessageType = 81
)

// Deadlines. The product promises an acknowledgement within 5 s if somebody else is
// online; a verdict of a sample is there after 11 s with 10,000 members; a steward
// may be starting. The others are the periods in which status-go publishes again.
const (
	firstAcknowledgement = 5 * time.Second
	verdict              = 15 * time.Second
	answer               = time.Minute
	daily                = 24 * time.Hour
	weekly               = 7 * 24 * time.Hour
	statusPeriod         = 5 * time.Minute
)

// unknown is the kind of all types that are not in the table.
var unknown = Kind{Name: "unknown", Class: Append, Aim: AimOne, Priority: Normal, Deadline: firstAcknowledgement,
	Reason: "A type of a later version may be content: it is kept and repaired, and no more is asked."}

// KindOf returns what is known about a type. A type that is not in the table is kept
// and repaired like content, and wants one acknowledgement.
func KindOf(t MessageType) Kind {
	if r, ok := byType[t]; ok {
		k := r.kind()
		k.Type = t
		return k
	}
	k := unknown
	k.Type = t
	return k
}

// Kinds returns all kinds of the table by type, ascending.
func Kinds() []Kind {
	kinds := make([]Kind, 0, len(byType))
	for t := range byType {
		kinds = append(kinds, KindOf(t))
	}
	slices.SortFunc(kinds, func(a, b Kind) int { return int(a.Type) - int(b.Type) })
	return kinds
}

// row is a line of the table, for types that are alike.
type row struct {
	types    []MessageType
	name     string
	class    Class
	aim      Aim
	priority causeway.Priority
	deadline time.Duration
	key      Parts
	reason   string
}

func (r *row) kind() Kind {
	return Kind{Name: r.name, Class: r.class, Aim: r.aim, Priority: r.priority, Deadline: r.deadline, Key: r.key, Reason: r.reason}
}

var byType = func() map[MessageType]*row {
	m := map[MessageType]*row{}
	for i := range table {
		for _, t := range table[i].types {
			m[t] = &table[i]
		}
	}
	return m
}()

func types(t ...MessageType) []MessageType { return t }

// table follows the application's own practice: what it sends reliably, what it
// repeats, what it merges by clock, and its priorities.
var table = []row{
	// Chats of a community.
	{types(1), "CHAT_MESSAGE", Append, AimAll, Normal, firstAcknowledgement, 0,
		"Each line matters to everybody; one acknowledgement is what a tick needs, and in a small group everyone's costs little more."},
	{types(29), "EDIT_MESSAGE", Replaceable, AimAll, Normal, firstAcknowledgement, PartTarget,
		"The newest edit of a message wins by clock, and it may come before the message."},
	{types(31), "DELETE_MESSAGE", Replaceable, AimAll, Normal, firstAcknowledgement, PartTarget,
		"A tombstone is final: any one of them is enough, whenever it comes."},
	{types(28), "PIN_MESSAGE", Replaceable, AimAll, Normal, firstAcknowledgement, PartTarget,
		"Whether a message is pinned is decided by the newest clock."},
	{types(22), "EMOJI_REACTION", Replaceable, AimOne, Normal, firstAcknowledgement, PartTarget | PartSender | PartEmoji,
		"Eager clicking makes many, and a later click replaces an earlier one: more than one acknowledgement would cost as much as a message."},
	{types(85), "DELETE_COMMUNITY_MEMBER_MESSAGES", Append, AimMost, Normal, verdict, 0,
		"Deletions add up, none replaces another, and whoever ordered them acts on the answer."},

	// A community's owner and its members.
	{types(25), "COMMUNITY_DESCRIPTION", LatestOnly, AimNobody, High, daily, PartCommunity,
		"The whole object wins by clock and is published on every change and daily; an old one is of no use."},
	{types(26), "COMMUNITY_INVITATION", Command, AimAddressee, Normal, firstAcknowledgement, 0,
		"It is for one person; it is deprecated, and kept for old clients."},
	{types(27), "COMMUNITY_REQUEST_TO_JOIN", Command, AimStewards, High, answer, PartSender | PartCommunity,
		"Only the control node answers it, with copies for privileged members: who else has it proves nothing."},
	{types(48), "COMMUNITY_REQUEST_TO_JOIN_RESPONSE", Command, AimAddressee, High, answer, PartMember | PartCommunity,
		"It is for who asked, who also sees the answer in the next description."},
	{types(57), "COMMUNITY_REQUEST_TO_LEAVE", Command, AimStewards, High, answer, PartSender | PartCommunity,
		"The control node takes the member out of the next description; nobody else has to act."},
	{types(60), "COMMUNITY_CANCEL_REQUEST_TO_JOIN", Command, AimStewards, High, answer, PartSender | PartCommunity,
		"It takes back what the control node was asked."},
	{types(67), "COMMUNITY_EVENTS_MESSAGE", Replaceable, AimStewards, Low, answer, PartCommunity | PartSubject,
		"Of each property the newest clock wins, and the control node folds them into the next description: it must have them, others get that."},
	{types(68), "COMMUNITY_EDIT_SHARED_ADDRESSES", Replaceable, AimStewards, Normal, answer, PartMember | PartCommunity,
		"The control node checks permissions by the newest addresses of a member."},
	{types(72), "COMMUNITY_PRIVILEGED_USER_SYNC", LatestOnly, AimNobody, Normal, 0, PartCommunity,
		"It is the control node's state for privileged members, sent anew as a whole."},
	{types(73), "COMMUNITY_SHARD_KEY", Command, AimMost, Normal, verdict, PartCommunity,
		"Who lacks the key can't take part, so the sender must learn whether nearly all have it."},
	{types(79), "COMMUNITY_PUBLIC_SHARD_INFO", LatestOnly, AimNobody, High, 0, PartCommunity,
		"It says where the community is now: only the newest is true."},
	{types(81), "COMMUNITY_USER_KICKED", Command, AimMost, Normal, verdict, PartMember | PartCommunity,
		"It ends somebody's rights, so whoever kicks acts on the answer; late-comers see it in the description."},
	{types(83), "COMMUNITY_PUBLIC_STORENODES_INFO", LatestOnly, AimNobody, High, 0, PartCommunity,
		"It says which stores serve the community now: only the newest is true."},
	{types(84), "COMMUNITY_REEVALUATE_PERMISSIONS_REQUEST", Command, AimStewards, Normal, answer, PartCommunity,
		"It makes the control node do what it does every 8 hours anyway; twice is as good as once."},
	{types(86), "COMMUNITY_UPDATE_GRANT", LatestOnly, AimNobody, Low, daily, PartMember | PartCommunity,
		"A grant is published daily, and only the newest of a member is valid."},
	{types(87), "COMMUNITY_ENCRYPTION_KEYS_REQUEST", Command, AimStewards, Normal, answer, PartSender | PartCommunity,
		"The control node alone can answer with keys; without them the member reads nothing."},
	{types(88), "COMMUNITY_TOKEN_ACTION", Command, AimStewards, Normal, answer, 0,
		"It tells owner and token masters what was done with a token."},
	{types(89), "COMMUNITY_SHARED_ADDRESSES_REQUEST", Command, AimStewards, Normal, answer, PartSender | PartCommunity,
		"The control node has the addresses; nobody else can answer."},
	{types(90), "COMMUNITY_SHARED_ADDRESSES_RESPONSE", Command, AimAddressee, Normal, answer, PartMember | PartCommunity,
		"It is for who asked."},
	{types(43), "COMMUNITY_MESSAGE_ARCHIVE_MAGNETLINK", LatestOnly, AimNobody, Low, weekly, PartCommunity,
		"A new archive contains the old ones, so only the newest link counts."},

	// Private groups and contacts. They are small, and have their own transport today.
	{types(3), "MEMBERSHIP_UPDATE_MESSAGE", Append, AimEveryone, Normal, firstAcknowledgement, 0,
		"The events of a private group form a chain: who lacks one can't apply the next."},
	{types(23), "GROUP_CHAT_INVITATION", Command, AimAddressee, Normal, firstAcknowledgement, PartChat | PartMember,
		"It is for one person, and the newest clock wins."},
	{types(2), "CONTACT_UPDATE", Replaceable, AimAddressee, Normal, firstAcknowledgement, PartSender,
		"A contact shows the newest name and picture."},
	{types(45, 46, 50, 51, 52, 61), "CONTACT_REQUEST and CONTACT_VERIFICATION", Command, AimAddressee, Normal, firstAcknowledgement, 0,
		"It is for one person, who answers."},
	{types(6, 7, 8, 9, 10, 11), "REQUEST_TRANSACTION and its answers", Command, AimAddressee, Normal, firstAcknowledgement, 0,
		"It is for one person, who answers; doing it is confirmed again by hand."},

	// A person's own devices.
	{types(4, 12, 13, 32, 34, 35, 37, 38, 39, 40, 41, 42, 44, 49, 53, 54, 55, 56, 58, 59, 62, 64, 69, 70, 74, 75, 76, 77, 78, 80, 82),
		"SYNC", Replaceable, AimEveryone, Normal, firstAcknowledgement, PartSubject,
		"A setting, account or mark is the newest on all devices of a person; they are few, and each is wanted."},
	{types(36), "BACKUP", LatestOnly, AimNobody, Normal, 0, PartSender,
		"It is made anew periodically and read from a store."},

	// The network at large.
	{types(30), "STATUS_UPDATE", Ephemeral, AimNobody, Low, statusPeriod, PartSender,
		"Whether somebody is there is sent every 5 minutes, and is of no use later."},
	{types(15), "CONTACT_CODE_ADVERTISEMENT", LatestOnly, AimNobody, Low, 0, PartSender,
		"It is published periodically; the newest is valid."},
	{types(24), "CHAT_IDENTITY", LatestOnly, AimNobody, Low, 0, PartSender,
		"It is published periodically; the newest is shown."},
	{types(16, 17, 18, 19, 20, 21), "PUSH_NOTIFICATION", Command, AimAddressee, Low, firstAcknowledgement, 0,
		"It is between a device and a push server, which have a retry protocol of their own."},
	{types(33), "ANONYMOUS_METRIC_BATCH", Ephemeral, AimNobody, Normal, 0, 0,
		"Nobody waits for it."},
}
