package community_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/sds"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, what string, err, target error, text string) {
	t.Helper()
	if !errors.Is(err, target) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: error %v, want one that wraps %q and says %q", what, err, target, text)
	}
}

// What the application does with each type, in the notation of a list of all types:
// a appends, r is replaced by clock, c is a command, l is the latest only, e is
// ephemeral.
func TestClasses(t *testing.T) {
	const list = "1a 2r 3a 4r 6c 7c 8c 9c 10c 11c 12r 13r 15l 16c 17c 18c 19c 20c 21c 22r 23c 24l 25l 26c 27c 28r 29r 30e 31r " +
		"32r 33e 34r 35r 36l 37r 38r 39r 40r 41r 42r 43l 44r 45c 46c 48c 49r 50c 51c 52c 53r 54r 55r 56r 57c 58r 59r 60c 61c " +
		"62r 64r 67r 68r 69r 70r 72l 73c 74r 75r 76r 77r 78r 79l 80r 81c 82r 83l 84c 85a 86l 87c 88c 89c 90c"
	letters := map[community.Class]string{community.Append: "a", community.Replaceable: "r", community.Command: "c",
		community.LatestOnly: "l", community.Ephemeral: "e"}
	var got []string
	for _, k := range community.Kinds() {
		got = append(got, fmt.Sprint(k.Type, letters[k.Class]))
		if !k.Known() || k != community.KindOf(k.Type) {
			t.Errorf("%d: Kinds has %+v, KindOf %+v", k.Type, k, community.KindOf(k.Type))
		}
		if strings.Count(k.Reason, ".") != 1 || !strings.HasSuffix(k.Reason, ".") {
			t.Errorf("%d: the reason is not one sentence: %q", k.Type, k.Reason)
		}
		if (k.Class == community.LatestOnly || k.Class == community.Ephemeral) != (k.Aim == community.AimNobody) {
			t.Errorf("%d: %v with an aim of %v", k.Type, k.Class, k.Aim)
		}
		if k.Class == community.Replaceable && k.Key == 0 || k.Class == community.Append && k.Key != 0 {
			t.Errorf("%d: %v with key %v", k.Type, k.Class, k.Key)
		}
		if k.Aim != community.AimNobody && k.Deadline == 0 {
			t.Errorf("%d: no deadline for %v", k.Type, k.Aim)
		}
	}
	if s := strings.Join(got, " "); s != list {
		t.Errorf("classes are\n%s\nwant\n%s", s, list)
	}
}

// The priorities of status-go's publish queue.
func TestPriorities(t *testing.T) {
	high := []community.MessageType{25, 27, 48, 57, 60, 79, 83}
	low := []community.MessageType{67, 86, 43, 30, 15, 24}
	marked := map[community.MessageType]causeway.Priority{}
	for _, m := range high {
		marked[m] = community.High
	}
	for _, m := range low {
		marked[m] = community.Low
	}
	for m := community.MessageType(16); m <= 21; m++ {
		marked[m] = community.Low
	}
	for _, k := range community.Kinds() {
		if want := marked[k.Type]; k.Priority != want { // the others are normal, which is 0
			t.Errorf("%d has priority %v, want %v", k.Type, k.Priority, want)
		}
	}
}

// Nothing of a later version is lost for being unknown.
func TestUnknownKind(t *testing.T) {
	for _, m := range []community.MessageType{0, 5, 14, 47, 91, 65535} {
		k := community.KindOf(m)
		if k.Known() || k.Type != m || k.Class != community.Append || k.Aim != community.AimOne || k.Reason == "" {
			t.Errorf("%d is %+v", m, k)
		}
		if o, err := k.SendOptions(causeway.ProfileLIP, 10, community.Fields{Target: "m1"}); err != nil || !reflect.DeepEqual(o, causeway.SendOptions{}) {
			t.Errorf("%d is sent with %+v, %v", m, o, err)
		}
	}
}

// Which certainty is asked for depends on the size of the audience.
func TestWant(t *testing.T) {
	for _, c := range []struct {
		kind    community.MessageType
		members int
		to      []causeway.PersonID
		want    causeway.Want
	}{
		{1, 32, nil, causeway.Everyone}, {1, 33, nil, causeway.AtLeastOne}, {29, 2, nil, causeway.Everyone},
		{31, 10_000, nil, causeway.AtLeastOne}, {22, 2, nil, causeway.AtLeastOne}, {22, 5_000, nil, causeway.AtLeastOne},
		{81, 10, nil, causeway.Fraction(0.9)}, {73, 10_000, nil, causeway.Fraction(0.9)},
		{27, 10, nil, causeway.Stewards}, {67, 10_000, nil, causeway.Stewards},
		{48, 100, []causeway.PersonID{"bob"}, causeway.Persons("bob")}, {48, 100, nil, causeway.AtLeastOne},
		{1, 100, []causeway.PersonID{"bob"}, causeway.AtLeastOne},
		{4, 3, nil, causeway.Everyone}, {3, 100, nil, causeway.Everyone}, {25, 3, nil, causeway.AtLeastOne},
	} {
		if got := community.KindOf(c.kind).Want(c.members, c.to...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d to %d members, %v: %+v, want %+v", c.kind, c.members, c.to, got, c.want)
		}
	}
}

// What is published again, or of no use later, does not become a dependency. What
// replaces something says what, and what is urgent goes first.
func TestSendOptions(t *testing.T) {
	about := community.Fields{Target: "m1", Sender: "alice", Emoji: "4", Community: "0x03"}
	for _, c := range []struct {
		kind    community.MessageType
		profile causeway.Profile
		about   community.Fields
		want    causeway.SendOptions
		err     error
	}{
		{1, causeway.ProfileLIP, about, causeway.SendOptions{Want: causeway.Everyone}, nil},
		{1, causeway.ProfileNim, about, causeway.SendOptions{Want: causeway.Everyone}, nil},
		{22, causeway.ProfileLIP, about, causeway.SendOptions{Replace: "22/2:m1/5:alice/1:4"}, nil},
		{22, causeway.ProfileLIP, community.Fields{}, causeway.SendOptions{}, nil},
		{22, causeway.ProfileLIP, community.Fields{Target: "m1", Sender: "alice"}, causeway.SendOptions{}, community.ErrFields},
		{27, causeway.ProfileNim, about, causeway.SendOptions{Want: causeway.Stewards, Priority: causeway.PriorityHigh, Replace: "27/5:alice/4:0x03"}, nil},
		{67, causeway.ProfileLIP, community.Fields{}, causeway.SendOptions{Want: causeway.Stewards, Priority: causeway.PriorityLow}, nil},
		{25, causeway.ProfileLIP, about, causeway.SendOptions{}, community.ErrBeside},
		{30, causeway.ProfileLIP, about, causeway.SendOptions{Ephemeral: true, Priority: causeway.PriorityLow}, nil},
		{30, causeway.ProfileJS, about, causeway.SendOptions{Ephemeral: true, Priority: causeway.PriorityLow}, nil},
		{30, causeway.ProfileNim, about, causeway.SendOptions{}, community.ErrBeside},
	} {
		o, err := community.KindOf(c.kind).SendOptions(c.profile, 5, c.about)
		if !errors.Is(err, c.err) || !reflect.DeepEqual(o, c.want) {
			t.Errorf("%d with %s: %+v, %v", c.kind, c.profile.Name, o, err)
		}
	}
}

// A key of long fields is accepted as a subject too, and still tells them apart.
func TestLongReplaceKey(t *testing.T) {
	seen := map[string]bool{}
	for _, target := range []string{strings.Repeat("x", 512), strings.Repeat("x", 511), strings.Repeat("x", 511) + "y"} {
		for _, m := range []community.MessageType{community.EditMessage, community.DeleteMessage} {
			key, err := community.KindOf(m).ReplaceKey(community.Fields{Target: target})
			check(t, err)
			if len(key) > sds.MaxSubject {
				t.Errorf("a key has %d bytes, at most %d", len(key), sds.MaxSubject)
			}
			seen[key] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d different keys of 6", len(seen))
	}
}

func TestReplaceKey(t *testing.T) {
	f := community.Fields{Target: "m1", Sender: "alice", Emoji: "4"}
	key := func(m community.MessageType, f community.Fields) string {
		t.Helper()
		s, err := community.KindOf(m).ReplaceKey(f)
		check(t, err)
		return s
	}
	reaction := key(community.EmojiReaction, f)
	same := f
	same.Chat = "not a part of this key"
	if key(community.EmojiReaction, same) != reaction {
		t.Error("a field that is no part of the key changes it")
	}
	keys := map[string]bool{reaction: true}
	for _, other := range []community.Fields{{Target: "m2", Sender: "alice", Emoji: "4"}, {Target: "m1", Sender: "bob", Emoji: "4"},
		{Target: "m1", Sender: "alice", Emoji: "5"}, {Target: "m1/a", Sender: "b", Emoji: "4"}, {Target: "m1", Sender: "a/b", Emoji: "4"}} {
		keys[key(community.EmojiReaction, other)] = true
	}
	for _, m := range []community.MessageType{community.EditMessage, community.DeleteMessage, community.PinMessage} {
		keys[key(m, f)] = true
		if key(m, community.Fields{Target: "m1"}) != key(m, f) {
			t.Errorf("%d: more than the message makes the key", m)
		}
	}
	if len(keys) != 9 {
		t.Errorf("%d different keys of 9: %v", len(keys), keys)
	}
	_, err := community.KindOf(community.ChatMessage).ReplaceKey(f)
	wantError(t, "a chat message", err, community.ErrNoKey, "CHAT_MESSAGE")
	_, err = community.KindOf(community.EmojiReaction).ReplaceKey(community.Fields{Target: "m1", Sender: "alice"})
	wantError(t, "no emoji", err, community.ErrFields, "emoji")
	_, err = community.KindOf(community.EditMessage).ReplaceKey(community.Fields{Target: strings.Repeat("x", 513)})
	wantError(t, "a long target", err, community.ErrFields, "1 to 512")
	if got := community.KindOf(community.EmojiReaction).Key.String(); got != "message, sender, emoji" {
		t.Errorf("the parts are %q", got)
	}
}

// The product's promises and status-go's periods.
func TestDeadlines(t *testing.T) {
	for m, want := range map[community.MessageType]time.Duration{1: 5 * time.Second, 22: 5 * time.Second, 81: 15 * time.Second,
		27: time.Minute, 25: 24 * time.Hour, 86: 24 * time.Hour, 43: 7 * 24 * time.Hour, 30: 5 * time.Minute, 79: 0} {
		if got := community.KindOf(m).Deadline; got != want {
			t.Errorf("%d: %v, want %v", m, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{community.LatestOnly.String(), "latest only"}, {community.Class(0).String(), "unknown"}, {community.Class(200).String(), "unknown"},
		{community.High.String(), "high"},
		{community.AimAll.String(), "everyone up to 32 members, at least one above"}, {community.Aim(99).String(), "unknown"},
		{community.TokenMaster.String(), "token master"}, {community.Role(2).String(), "unknown"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
