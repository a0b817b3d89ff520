package seal

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/causeway-im/causeway"
)

const (
	signedVersion = 2
	signedHead    = 1 + 2 // version, length of the sender
	maxSender     = 1024  // bytes
)

var (
	// ErrUnknownSender: the directory has no key for who is said to have signed.
	ErrUnknownSender = errors.New("seal: no key for the sender")
	// ErrSignature: nobody signed this, or it was changed since, or it belongs to
	// another channel.
	ErrSignature = errors.New("seal: signature does not match")
)

// Directory tells the public key of a participant; false if there is none. It may
// be called concurrently, and soon after a key is known should return it: a message
// whose sender is unknown is refused, and asked for again.
type Directory func(causeway.ParticipantID) (ed25519.PublicKey, bool)

// Signed is a causeway.Sealer that signs: it proves who sent a message, so that
// receipts no longer say Claimed, and a member that lies can lie about itself only.
// It hides nothing by itself; what encrypts can be put around it. It is safe for
// concurrent use.
//
// It has to be around whole messages. Around content alone (Profile.SealContent) it
// proves who wrote the content, and nothing about what the message around it says.
//
// # Format
//
// A signed message is a version byte (2), the length of the sender (2 bytes, big-
// endian), the sender, an Ed25519 signature (64 bytes) and the message. What is
// signed is "causeway/signed/1", channel, sender and message, each after its length
// (4 bytes, big-endian).
type Signed struct {
	who       causeway.ParticipantID
	key       ed25519.PrivateKey
	directory Directory
	around    causeway.Sealer
}

var _ causeway.Sealer = (*Signed)(nil)

// NewSigned returns a sealer for messages of who, which must be the Participant of
// the channel. The directory must know it, too: own messages come back. around
// seals what is signed, if it is not nil.
func NewSigned(who causeway.ParticipantID, key ed25519.PrivateKey, directory Directory, around causeway.Sealer) (*Signed, error) {
	switch {
	case who == "" || len(who) > maxSender:
		return nil, fmt.Errorf("seal: who has %d bytes, must have 1 to %d", len(who), maxSender)
	case len(key) != ed25519.PrivateKeySize:
		return nil, fmt.Errorf("seal: key has %d bytes, must have %d", len(key), ed25519.PrivateKeySize)
	case directory == nil:
		return nil, errors.New("seal: directory is required")
	}
	return &Signed{who, key, directory, around}, nil
}

// Seal implements causeway.Sealer.
func (s *Signed) Seal(ch causeway.ChannelID, message []byte) ([]byte, error) {
	signed := make([]byte, 0, signedHead+len(s.who)+ed25519.SignatureSize+len(message))
	signed = append(signed, signedVersion)
	signed = binary.BigEndian.AppendUint16(signed, uint16(len(s.who)))
	signed = append(signed, s.who...)
	signed = append(signed, ed25519.Sign(s.key, statement(ch, s.who, message))...)
	signed = append(signed, message...)
	if s.around == nil {
		return signed, nil
	}
	return s.around.Seal(ch, signed)
}

// Open implements causeway.Sealer. What it returns is authenticated.
func (s *Signed) Open(ch causeway.ChannelID, sealed []byte) (causeway.Opened, error) {
	if s.around != nil {
		outer, err := s.around.Open(ch, sealed)
		if err != nil {
			return causeway.Opened{}, err
		}
		sealed = outer.Message
	}
	if len(sealed) < signedHead || sealed[0] != signedVersion {
		return causeway.Opened{}, ErrSignature
	}
	n, rest := int(binary.BigEndian.Uint16(sealed[1:])), sealed[signedHead:]
	if n == 0 || n > maxSender || len(rest) < n+ed25519.SignatureSize {
		return causeway.Opened{}, ErrSignature
	}
	who := causeway.ParticipantID(rest[:n])
	signature, message := rest[n:n+ed25519.SignatureSize], rest[n+ed25519.SignatureSize:]
	key, ok := s.directory(who)
	switch {
	case !ok || len(key) != ed25519.PublicKeySize:
		return causeway.Opened{}, ErrUnknownSender
	case !ed25519.Verify(key, statement(ch, who, message), signature):
		return causeway.Opened{}, ErrSignature
	}
	return causeway.Opened{Message: message, Sender: who, Authenticated: true}, nil
}

// statement is what a signature is about. Lengths stand before parts, so that no
// two statements are the same bytes.
func statement(ch causeway.ChannelID, who causeway.ParticipantID, message []byte) []byte {
	const tag = "causeway/signed/1"
	b := make([]byte, 0, 4*4+len(tag)+len(ch)+len(who)+len(message))
	for _, part := range []string{tag, string(ch), string(who)} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	return append(b, message...)
}
