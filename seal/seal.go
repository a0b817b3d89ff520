// Package seal has two causeway.Sealers, small enough to use as they are, and to see
// what a Sealer has to do. Keys are for members that share a secret: whoever has it
// can read, write and pretend to be any other member, and nobody else can do
// either. Signed tells who sent a message, so that no member can pretend to be
// another, and may have Keys around it.
//
//	keys, err := seal.New(secret) // 32 bytes that all members have
//	channel, err := node.Join(ctx, causeway.ChannelConfig{…, Sealer: keys, Secret: secret})
//
// It works around whole SDS messages and, with Profile.SealContent, around content.
//
// # Format of Keys
//
// A sealed message is a version byte (1), the name of the key (8 bytes), a random
// nonce (24 bytes), and what XChaCha20-Poly1305 makes of the message (its length and
// 16 bytes). Key and name are the first 32 bytes and the next 8 of HKDF-SHA-256
// (RFC 5869) over the secret, without salt, for "causeway/seal/1". What is
// authenticated beside the message are version, name and channel: a message can't
// be moved to another channel. 24 random bytes do not repeat in practice
// (draft-irtf-cfrg-xchacha).
//
// # Not for us, and tampered with
//
// The name of the key tells these apart: a message under a key that is not ours is
// causeway.ErrNotForMe, one under ours that does not open is ErrTampered.
package seal

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/hkdf"

	"github.com/causeway-im/causeway"
)

const (
	// SecretSize is the length of a secret in bytes.
	SecretSize = 32
	// Overhead is by how many bytes a sealed message is longer.
	Overhead = headSize + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

	version  = 1
	nameSize = 8
	headSize = 1 + nameSize
	// maxKeys bounds the secrets of one Keys: each costs a comparison a message.
	maxKeys = 64
)

// ErrTampered: the message was sealed under one of our keys and changed since, or
// belongs to another channel.
var ErrTampered = errors.New("seal: message was tampered with")

// Keys seal with one key and open with several. It is safe for concurrent use.
type Keys struct {
	keys []key // the first seals
}

type key struct {
	name [nameSize]byte
	aead cipher.AEAD
}

var _ causeway.Sealer = (*Keys)(nil)

// New returns keys that seal under the first secret and open what is sealed under
// any of them: to change the secret, members first learn of the new one, and later
// put it first. A secret has SecretSize random bytes; it is no password.
func New(secret []byte, older ...[]byte) (*Keys, error) {
	secrets := append([][]byte{secret}, older...)
	if len(secrets) > maxKeys {
		return nil, fmt.Errorf("seal: %d secrets, at most %d", len(secrets), maxKeys)
	}
	k := &Keys{}
	for i, s := range secrets {
		if len(s) != SecretSize {
			return nil, fmt.Errorf("seal: secret %d has %d bytes, must have %d", i, len(s), SecretSize)
		}
		derived := make([]byte, chacha20poly1305.KeySize+nameSize)
		if _, err := io.ReadFull(hkdf.New(sha256.New, s, nil, []byte("causeway/seal/1")), derived); err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		aead, err := chacha20poly1305.NewX(derived[:chacha20poly1305.KeySize])
		if err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		k.keys = append(k.keys, key{[nameSize]byte(derived[chacha20poly1305.KeySize:]), aead})
	}
	return k, nil
}

// Seal implements causeway.Sealer.
func (k *Keys) Seal(ch causeway.ChannelID, message []byte) ([]byte, error) {
	return k.seal(ch, message, rand.Reader)
}

func (k *Keys) seal(ch causeway.ChannelID, message []byte, random io.Reader) ([]byte, error) {
	sealed := make([]byte, headSize+chacha20poly1305.NonceSizeX, len(message)+Overhead)
	sealed[0] = version
	copy(sealed[1:], k.keys[0].name[:])
	nonce := sealed[headSize:]
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return k.keys[0].aead.Seal(sealed, nonce, message, beside(sealed, ch)), nil
}

// beside is what is authenticated with a message.
func beside(sealed []byte, ch causeway.ChannelID) []byte {
	return append(append(make([]byte, 0, headSize+len(ch)), sealed[:headSize]...), ch...)
}

// Open implements causeway.Sealer. Sender and Authenticated are not set: a secret
// that all members have tells none from another.
func (k *Keys) Open(ch causeway.ChannelID, sealed []byte) (causeway.Opened, error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return causeway.Opened{}, causeway.ErrNotForMe
	}
	for i := range k.keys {
		if [nameSize]byte(sealed[1:headSize]) != k.keys[i].name {
			continue
		}
		body := sealed[headSize:]
		message, err := k.keys[i].aead.Open(nil, body[:chacha20poly1305.NonceSizeX], body[chacha20poly1305.NonceSizeX:], beside(sealed, ch))
		if err != nil {
			return causeway.Opened{}, ErrTampered
		}
		return causeway.Opened{Message: message}, nil
	}
	return causeway.Opened{}, causeway.ErrNotForMe
}
