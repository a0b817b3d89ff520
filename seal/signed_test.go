package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/causeway-im/causeway"
)

func privateKey(who causeway.ParticipantID) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(who))
	return ed25519.NewKeyFromSeed(seed[:])
}

// directory knows everybody but nobody.
func directory(who causeway.ParticipantID) (ed25519.PublicKey, bool) {
	return privateKey(who).Public().(ed25519.PublicKey), who != "nobody"
}

func signed(t testing.TB, who causeway.ParticipantID, around causeway.Sealer) *Signed {
	t.Helper()
	s, err := NewSigned(who, privateKey(who), directory, around)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The bytes of version 2, for other implementations.
func TestSignedVector(t *testing.T) {
	b, err := signed(t, "bob", nil).Seal("tea", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "020003626f620856c17668aa8370c5ea30242d3c3e3e4940b1f22c3089356cbcfe51ad6dbbf90e6afd471b220336ff9b648033c2cd4ca2d529a666291472a49aa199c9fdc40368656c6c6f"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("got %s", got)
	}
}

func TestSignedTellsWho(t *testing.T) {
	for _, around := range []causeway.Sealer{nil, keys(t, secret(1))} {
		bob, alice := signed(t, "bob", around), signed(t, "alice", around)
		for _, message := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("long "), 1000)} {
			b, err := bob.Seal("tea", message)
			if err != nil {
				t.Fatal(err)
			}
			for _, reader := range []*Signed{bob, alice} {
				o, err := reader.Open("tea", b)
				if err != nil || !bytes.Equal(o.Message, message) || o.Sender != "bob" || !o.Authenticated {
					t.Errorf("opened %+v, %v", o, err)
				}
			}
			if hidden := !bytes.Contains(b, []byte("bob")); hidden != (around != nil) {
				t.Errorf("the sender is hidden: %v", hidden)
			}
		}
	}
}

// Who changes anything, in the bytes or around them, is found out.
func TestSignedRefuses(t *testing.T) {
	bob := signed(t, "bob", nil)
	b, err := bob.Seal("tea", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		if o, err := bob.Open("tea", changed); !errors.Is(err, ErrSignature) || o.Message != nil || o.Authenticated {
			t.Errorf("byte %d changed: %+v, %v", i, o, err)
		}
		if _, err := bob.Open("tea", b[:i]); !errors.Is(err, ErrSignature) {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
	if _, err := bob.Open("coffee", b); !errors.Is(err, ErrSignature) {
		t.Errorf("in another channel: %v", err)
	}
	nobody, err := signed(t, "nobody", nil).Seal("tea", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Open("tea", nobody); !errors.Is(err, ErrUnknownSender) {
		t.Errorf("signed by nobody: %v", err)
	}
	within := signed(t, "bob", keys(t, secret(1)))
	if _, err := within.Open("tea", b); !errors.Is(err, causeway.ErrNotForMe) {
		t.Errorf("signed, not encrypted: %v", err)
	}
	bare, err := keys(t, secret(1)).Seal("tea", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := within.Open("tea", bare); !errors.Is(err, ErrSignature) {
		t.Errorf("encrypted, not signed: %v", err)
	}
}

func TestNewSignedRefuses(t *testing.T) {
	long := causeway.ParticipantID(bytes.Repeat([]byte("x"), maxSender+1))
	for name, err := range map[string]error{
		"nobody":       second(NewSigned("", privateKey("bob"), directory, nil)),
		"a long name":  second(NewSigned(long, privateKey("bob"), directory, nil)),
		"no key":       second(NewSigned("bob", nil, directory, nil)),
		"no directory": second(NewSigned("bob", privateKey("bob"), nil, nil)),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	short, err := NewSigned("bob", privateKey("bob"), func(causeway.ParticipantID) (ed25519.PublicKey, bool) { return nil, true }, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := short.Seal("tea", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := short.Open("tea", b); !errors.Is(err, ErrUnknownSender) {
		t.Errorf("an empty key: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func FuzzSigned(f *testing.F) {
	bob := signed(f, "bob", nil)
	b, err := bob.Seal("tea", []byte("hello"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:70])
	f.Fuzz(func(t *testing.T, in []byte) {
		if o, err := bob.Open("tea", in); err == nil && !bytes.Equal(in, b) {
			t.Errorf("opened %q of %q", o.Message, o.Sender)
		}
	})
}
