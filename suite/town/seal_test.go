package town

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/seal"
)

// secretOf is the key of a chat after so many bans. How members get it is not the
// business of these tests.
func (w *town) secretOf(chat string, bans int) []byte {
	s := sha256.Sum256(fmt.Appendf(nil, "%d/%s/%d", w.seed, chat, bans))
	return s[:]
}

// keyring are the keys that a device has, by chat.
type keyring struct {
	mu   sync.RWMutex
	keys map[string]*seal.Keys
}

// fill takes over the keys of chats, as of so many bans: with the newest it seals.
func (k *keyring) fill(t testing.TB, w *town, chats []string, bans int) {
	fresh := map[string]*seal.Keys{}
	for _, chat := range chats {
		var older [][]byte
		for i := bans - 1; i >= 0; i-- {
			older = append(older, w.secretOf(chat, i))
		}
		keys, err := seal.New(w.secretOf(chat, bans), older...)
		check(t, err)
		fresh[chat] = keys
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = map[string]*seal.Keys{}
	}
	maps.Copy(k.keys, fresh)
}

func (k *keyring) of(chat string) *seal.Keys {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys[chat]
}

// chatLock seals a channel that is one chat.
type chatLock struct {
	*keyring
	chat string
}

func (l chatLock) Seal(ch causeway.ChannelID, message []byte) ([]byte, error) {
	return l.of(l.chat).Seal(ch, message)
}

func (l chatLock) Open(ch causeway.ChannelID, sealed []byte) (causeway.Opened, error) {
	return l.of(l.chat).Open(ch, sealed)
}

// wideLock seals the channel of a whole community: each message under the key of the
// chat that it belongs to, and what is for no chat under the lounge's.
type wideLock struct{ *keyring }

func (l wideLock) Seal(ch causeway.ChannelID, sealing []byte) ([]byte, error) {
	m, err := wire.Decode(sealing)
	if err != nil {
		return nil, err
	}
	chat := lounge
	if said, err := parse(m.Content); err == nil {
		chat = said.Chat
	}
	keys := l.of(chat)
	if keys == nil {
		return nil, errors.New("no key of this chat")
	}
	return keys.Seal(ch, sealing)
}

func (l wideLock) Open(ch causeway.ChannelID, sealed []byte) (causeway.Opened, error) {
	l.mu.RLock()
	all := slices.Collect(maps.Values(l.keys))
	l.mu.RUnlock()
	for _, keys := range all {
		if opened, err := keys.Open(ch, sealed); !errors.Is(err, causeway.ErrNotForMe) {
			return opened, err
		}
	}
	return causeway.Opened{}, causeway.ErrNotForMe
}

// TestLocks: who lacks a key is told that a message is not for him; after a ban old
// messages still open, and new ones not for who was left out.
func TestLocks(t *testing.T) {
	w := &town{t: t, seed: 1}
	var member, guest, banned keyring
	member.fill(t, w, []string{lounge, vault}, 0)
	guest.fill(t, w, []string{lounge}, 0)
	banned.fill(t, w, []string{lounge}, 0)
	saying := func(chat string) []byte {
		m := message{Type: 1, Chat: chat, Text: "hush"}
		sealing := wire.Message{SenderID: "mia", MessageID: "m", ChannelID: "town", Content: m.encode()}
		return sealing.Encode()
	}
	opens := func(what string, k *keyring, sealed []byte, want bool) {
		t.Helper()
		opened, err := wideLock{k}.Open("town", sealed)
		if want && (err != nil || len(opened.Message) == 0) || !want && !errors.Is(err, causeway.ErrNotForMe) {
			t.Errorf("%s: %v", what, err)
		}
	}
	secret, err := wideLock{&member}.Seal("town", saying(vault))
	check(t, err)
	open, err := wideLock{&member}.Seal("town", saying(lounge))
	check(t, err)
	opens("a secret to a member", &member, secret, true)
	opens("a secret to a guest", &guest, secret, false)
	opens("an open line to a guest", &guest, open, true)
	if _, err := (wideLock{&guest}).Seal("town", saying(vault)); err == nil {
		t.Error("a guest sealed for the vault")
	}
	guest.fill(t, w, []string{lounge}, 1)
	later, err := chatLock{&guest, lounge}.Seal("town", saying(lounge))
	check(t, err)
	opens("an old line after the ban", &guest, open, true)
	opens("a new line to a guest", &guest, later, true)
	opens("a new line to who is banned", &banned, later, false)
}
