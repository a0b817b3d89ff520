package report

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"sync"
)

// MinSecret is the shortest secret that Pseudonyms are made of, in bytes.
const MinSecret = 16

// Pseudonyms are the names of one community's channels, members and messages in
// reports: the first 128 bits of HMAC-SHA-256 over kind and id, in 22 characters of
// base64url. All members have to use the same secret, one that belongs to the
// community alone: then the reports of different devices about one message meet,
// nobody without the secret can tell which message that is, and one person in two
// communities is two. Safe for concurrent use.
type Pseudonyms struct {
	key  []byte
	pool sync.Pool // of *keyed
}

type keyed struct {
	hash hash.Hash
	in   []byte
	sum  [sha256.Size]byte
}

// NewPseudonyms returns the pseudonyms of the community that has this secret, of
// MinSecret bytes at least. The secret itself is not used for anything else than
// to derive a key.
func NewPseudonyms(secret []byte) (*Pseudonyms, error) {
	if len(secret) < MinSecret {
		return nil, errors.New("report: the secret of a community must have 16 bytes or more")
	}
	derive := hmac.New(sha256.New, secret)
	derive.Write([]byte("causeway telemetry pseudonyms 1"))
	p := &Pseudonyms{key: derive.Sum(nil)}
	p.pool.New = func() any { return &keyed{hash: hmac.New(sha256.New, p.key)} }
	return p, nil
}

// Community, Channel, Member, Message and Envelope return the pseudonym of an id,
// and "" for "". Equal ids of different kinds have different pseudonyms.
func (p *Pseudonyms) Community(id string) string { return p.name('c', id) }
func (p *Pseudonyms) Channel(id string) string   { return p.name('h', id) }
func (p *Pseudonyms) Member(id string) string    { return p.name('p', id) }
func (p *Pseudonyms) Message(id string) string   { return p.name('m', id) }
func (p *Pseudonyms) Envelope(id string) string  { return p.name('e', id) }

func (p *Pseudonyms) name(kind byte, id string) string {
	if id == "" {
		return ""
	}
	k := p.pool.Get().(*keyed)
	defer p.pool.Put(k)
	k.hash.Reset()
	k.in = append(append(k.in[:0], kind), id...)
	k.hash.Write(k.in)
	return base64.RawURLEncoding.EncodeToString(k.hash.Sum(k.sum[:0])[:16])
}
