package reliability_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/integration/status-go/reliability"
	"github.com/causeway-im/causeway/segment"
)

// ceiling is how long a test waits for what must happen.
const ceiling = 60 * time.Second

var communityID = community.ID{2, 7, 7}

// wide is the channel of the community, as deployed clients have it.
var wide = string(community.WideChannel(communityID))

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func checkIs(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: error %v, want one that wraps %q", what, err, target)
	}
}

func database(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(t.TempDir(), "app.db"))+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(60000)")
	check(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// network broadcasts envelopes, keeps each in a store, and loses what it is told.
type network struct {
	mu      sync.Mutex
	store   map[community.EnvelopeHash][]byte
	members []*member
	loses   func(to *member, message, envelope int) bool
	down    error                                // of the stores
	asked   int                                  // queries
	signed  func(from *member) causeway.PersonID // who signs what a member broadcasts; nil: nobody checks
	signers map[community.EnvelopeHash]causeway.PersonID
}

func newNetwork() *network {
	return &network{store: map[community.EnvelopeHash][]byte{}, signers: map[community.EnvelopeHash]causeway.PersonID{}}
}

// segments are what status-go makes of what is encrypted.
var segments = segment.StatusConfig(150 << 10)

// broadcast publishes the envelopes of a sealed message.
func (n *network) broadcast(from *member, message int, sealed []byte) []community.EnvelopeHash {
	parts, err := segment.Split(sealed, segments)
	if err != nil {
		panic(err)
	}
	var hashes []community.EnvelopeHash
	for i, part := range parts {
		// Each envelope is fresh, whatever is in it.
		hash := community.EnvelopeHash(sha256.Sum256(append(part, fmt.Sprint(from.name, time.Now().UnixNano(), i)...)))
		n.mu.Lock()
		n.store[hash] = part
		if n.signed != nil {
			n.signers[hash] = n.signed(from)
		}
		to := slices.Clone(n.members)
		loses := n.loses
		n.mu.Unlock()
		hashes = append(hashes, hash)
		for _, m := range to {
			if m != from && (loses == nil || !loses(m, message, i)) {
				m.receive(hash, part)
			}
		}
	}
	return hashes
}

// lose says which envelopes do not arrive.
func (n *network) lose(loses func(to *member, message, envelope int) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loses = loses
}

// member is a client of the shape of status-go.
type member struct {
	t    *testing.T
	name string
	net  *network
	db   *sql.DB
	o    reliability.Options
	r    *reliability.Reliability

	mu        sync.Mutex
	parts     *segment.Reassembler
	envelopes map[string][]community.EnvelopeHash // by sealed hash, of what is incomplete
	processed map[community.EnvelopeHash]bool
	shown     []string
	delivered []string
	receipts  []reliability.Receipt
	sent      []reliability.Outgoing
	news      chan struct{}
}

func newMember(t *testing.T, n *network, name string, change ...func(*reliability.Options)) *member {
	t.Helper()
	parts, err := segment.NewReassembler(segments, segment.Limits{})
	check(t, err)
	m := &member{t: t, name: name, net: n, db: database(t), parts: parts, envelopes: map[string][]community.EnvelopeHash{},
		processed: map[community.EnvelopeHash]bool{}, news: make(chan struct{}, 1)}
	m.o = reliability.Options{DB: m.db, Person: causeway.PersonID(name), Installation: "desk", Fetcher: m, Processed: m,
		Delivered: func(d reliability.Delivered) { m.note(func() { m.delivered = append(m.delivered, d.ApplicationID) }) },
		Receipt:   func(x reliability.Receipt) { m.note(func() { m.receipts = append(m.receipts, x) }) }}
	for _, f := range change {
		f(&m.o)
	}
	m.begin()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.members = append(n.members, m)
	return m
}

// begin makes and starts the layer, on the database as it is.
func (m *member) begin() {
	m.t.Helper()
	r, err := reliability.New(m.o)
	check(m.t, err)
	check(m.t, r.Start())
	m.t.Cleanup(func() { r.Close() })
	m.mu.Lock()
	m.r = r
	m.mu.Unlock()
}

// restart ends the process and begins another.
func (m *member) restart() {
	m.t.Helper()
	check(m.t, m.r.Close())
	m.begin()
}

func (m *member) note(f func()) {
	m.mu.Lock()
	f()
	m.mu.Unlock()
	select {
	case m.news <- struct{}{}:
	default:
	}
}

// now returns what was noted up to now.
func (m *member) now() (shown, delivered []string, receipts []reliability.Receipt, sent []reliability.Outgoing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.shown), slices.Clone(m.delivered), slices.Clone(m.receipts), slices.Clone(m.sent)
}

func (m *member) shows() []string {
	shown, _, _, _ := m.now()
	return shown
}

func (m *member) reported() []string {
	_, delivered, _, _ := m.now()
	return delivered
}

func (m *member) dispatched() []reliability.Outgoing {
	_, _, _, sent := m.now()
	return sent
}

// until waits until something that was noted holds.
func (m *member) until(what string, holds func() bool) {
	m.t.Helper()
	late := time.NewTimer(ceiling)
	defer late.Stop()
	for {
		m.mu.Lock()
		ok := holds()
		m.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-m.news:
		case <-late.C:
			m.t.Fatalf("%s: not after %v: %s", m.name, ceiling, what)
		}
	}
}

func box() cipher.AEAD {
	key := sha256.Sum256([]byte("what the community shares"))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func seal(plain []byte) []byte {
	nonce := make([]byte, box().NonceSize())
	rand.Read(nonce)
	return box().Seal(nonce, nonce, plain, nil)
}

func unseal(sealed []byte) ([]byte, error) {
	n := min(len(sealed), box().NonceSize())
	return box().Open(nil, sealed[:n], sealed[n:], nil)
}

// payload is what an application sends: text that says whose it is.
func (m *member) payload(text string) []byte { return []byte(m.name + ": " + text) }

// send wraps, encrypts, segments and publishes, as message number so and so.
func (m *member) send(number int, text string) {
	m.t.Helper()
	m.sendIn(number, text, reliability.Message{ChannelID: wide, ApplicationID: "app " + short(text), Type: community.ChatMessage})
}

func (m *member) sendIn(number int, text string, of reliability.Message) {
	m.t.Helper()
	wrapped, err := m.r.WrapPayloadForSDS(m.payload(text), of)
	check(m.t, err)
	hashes := m.net.broadcast(m, number, seal(wrapped))
	check(m.t, m.r.TrackWithSDSAlias(m.payload(text), hashes))
}

// receive is the pipeline: reassemble, decrypt, unwrap, show.
func (m *member) receive(hash community.EnvelopeHash, part []byte) {
	m.mu.Lock()
	s, err := segment.Decode(part, segments)
	var result segment.Result
	sealed := part
	if err == nil {
		s.Tag = hash
		result, err = m.parts.Add(time.Now(), "", s)
		sealed = result.Payload
	} else {
		result.Complete, err = true, nil // it fits into one envelope
	}
	m.mu.Unlock()
	if err != nil || !result.Complete {
		return
	}
	e := reliability.Envelope{Hashes: []community.EnvelopeHash{hash}, Path: "relay"}
	if len(result.Tags) > 0 {
		e.Hashes = nil
		for _, tag := range result.Tags {
			e.Hashes = append(e.Hashes, tag.(community.EnvelopeHash))
		}
	}
	m.net.mu.Lock()
	e.Signer = m.net.signers[hash]
	m.net.mu.Unlock()
	plain, err := unseal(sealed)
	if err != nil {
		m.t.Errorf("%s can't decrypt: %v", m.name, err)
		return
	}
	m.mu.Lock()
	r := m.r
	m.mu.Unlock()
	content, err := r.UnwrapPayloadFromSDS(plain, e)
	if errors.Is(err, reliability.ErrSDSManagerUnavailable) {
		return // not processed
	}
	m.note(func() {
		for _, h := range e.Hashes {
			m.processed[h] = true
		}
		if text := short(string(content)); err == nil && !slices.Contains(m.shown, text) { // the application knows its messages
			m.shown = append(m.shown, text)
		}
	})
}

func short(text string) string { return strings.TrimRight(text, "x") }

// FetchMessagesByHashes is the store.
func (m *member) FetchMessagesByHashes(_ context.Context, hashes []community.EnvelopeHash) error {
	m.net.mu.Lock()
	m.net.asked++
	down, found := m.net.down, map[community.EnvelopeHash][]byte{}
	for _, h := range hashes {
		if b := m.net.store[h]; b != nil {
			found[h] = b
		}
	}
	m.net.mu.Unlock()
	if down != nil {
		return down
	}
	for h, b := range found {
		m.receive(h, b)
	}
	return nil
}

// hashesOf returns all that the store has.
func hashesOf(n *network) (all []community.EnvelopeHash) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for h := range n.store {
		all = append(all, h)
	}
	return all
}

func (m *member) IsProcessed(h community.EnvelopeHash) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.processed[h], nil
}

// dispatch is Options.Dispatch: like any other message.
func (m *member) dispatch(_ context.Context, o reliability.Outgoing) ([]community.EnvelopeHash, error) {
	hashes := m.net.broadcast(m, -1, seal(o.Payload))
	m.note(func() { m.sent = append(m.sent, o) })
	return hashes, nil
}

func sends(m **member) func(*reliability.Options) {
	return func(o *reliability.Options) {
		o.Dispatch = func(ctx context.Context, out reliability.Outgoing) ([]community.EnvelopeHash, error) {
			return (*m).dispatch(ctx, out)
		}
	}
}
