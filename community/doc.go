// Package community is what Causeway knows about Status Communities: which kind
// of message needs which certainty, who counts in which chat, and what channels,
// topics, hints and ids are called there. It opens no connection and keeps
// nothing.
//
// # Which certainty
//
// KindOf looks up a type of ApplicationMetadataMessage; what it returns says how
// to send:
//
//	kind := community.KindOf(community.ChatMessage)
//	options, err := kind.SendOptions(channelProfile, members, community.Fields{})
//	if errors.Is(err, community.ErrBeside) {
//		// not through the channel: it is published again, or of no use later
//	}
//	receipt, err := channel.Send(ctx, payload, options)
//
// The whole table, with a reason for each row, is docs/status-communities.md.
//
// # Who counts
//
// A Description is what a community's owner signs, and the installations that the
// application has learnt of. Its Roster of a chat maps installations to persons:
// several devices count once, who is banned does not count, and a chat with
// permissions has only those who can view it. A Follower keeps the newest
// description and gives channels their rosters.
//
// # What things are called
//
// By default there is one channel for each chat (ChatChannel), since a channel is
// one audience. What is deployed has one for each community (WideChannel); to talk
// with it, join that one with causeway.ProfileNim and the roster of all members.
package community
