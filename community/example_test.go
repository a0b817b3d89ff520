package community_test

import (
	"errors"
	"fmt"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
)

// How a chat message and a reaction are sent in a community of 200 members.
func ExampleKindOf() {
	for _, t := range []community.MessageType{community.ChatMessage, community.EmojiReaction, community.RequestToJoin, community.DescriptionOf} {
		k := community.KindOf(t)
		options, err := k.SendOptions(causeway.ProfileLIP, 200, community.Fields{Target: "0x2a", Sender: "mia", Emoji: "4", Community: "0x03"})
		ok := !errors.Is(err, community.ErrBeside)
		fmt.Printf("%s is %v: in the channel %v, wants one %v, stewards %v\n", k.Name, k.Class, ok,
			ok && options.Want.Kind == causeway.AtLeastOne.Kind, options.Want.Kind == causeway.Stewards.Kind)
	}
	// Output:
	// CHAT_MESSAGE is append: in the channel true, wants one true, stewards false
	// EMOJI_REACTION is replaceable: in the channel true, wants one true, stewards false
	// COMMUNITY_REQUEST_TO_JOIN is command: in the channel true, wants one false, stewards true
	// COMMUNITY_DESCRIPTION is latest only: in the channel false, wants one false, stewards false
}
