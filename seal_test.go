//go:build go1.25

package causeway_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds/wire"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/loopback"
)

var (
	errSeal   = errors.New("no key to seal with")
	errBroken = errors.New("message was tampered with")
)

// gcm seals with AES-GCM under a key of the channel: the sender's name, a nonce,
// and what only holders of the key can read.
type gcm struct {
	who    causeway.ParticipantID // whose installation it is
	as     causeway.ParticipantID // who it says it is, if not who
	key    string                 // another one is for others
	proves bool                   // Opened.Authenticated
	once   bool                   // forward secrecy: opens once, and never its own

	mu     sync.Mutex
	broken error // of Seal
	opened map[[32]byte]bool
}

func (s *gcm) aead(ch causeway.ChannelID) cipher.AEAD {
	key := sha256.Sum256([]byte("key of " + string(ch)))
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

func (s *gcm) setBroken(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func (s *gcm) Seal(ch causeway.ChannelID, message []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return nil, s.broken
	}
	who := s.who
	if s.as != "" {
		who = s.as
	}
	head := append([]byte{byte(len(s.key)), byte(len(who))}, s.key+string(who)...)
	nonce := make([]byte, 12)
	rand.Read(nonce)
	sealed := append(bytes.Clone(head), nonce...)
	return s.aead(ch).Seal(sealed, nonce, message, head), nil
}

func (s *gcm) Open(ch causeway.ChannelID, sealed []byte) (causeway.Opened, error) {
	if len(sealed) < 2 || len(sealed) < 14+int(sealed[0])+int(sealed[1]) {
		return causeway.Opened{}, errBroken
	}
	key, n := string(sealed[2:2+sealed[0]]), 2+int(sealed[0])+int(sealed[1])
	who := causeway.ParticipantID(sealed[2+int(sealed[0]) : n])
	if key != s.key || s.once && who == s.who {
		return causeway.Opened{}, causeway.ErrNotForMe
	}
	if s.once {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.opened[sha256.Sum256(sealed)] {
			return causeway.Opened{}, errors.New("its key was deleted after the first use")
		}
	}
	message, err := s.aead(ch).Open(nil, sealed[n:n+12], sealed[n+12:], sealed[:n])
	if err != nil {
		return causeway.Opened{}, errBroken
	}
	if s.once {
		if s.opened == nil {
			s.opened = map[[32]byte]bool{}
		}
		s.opened[sha256.Sum256(sealed)] = true
	}
	return causeway.Opened{Message: message, Sender: who, Authenticated: s.proves}, nil
}

// sealed makes a member seal. The Sealer stays the same across restarts.
func sealed(change ...func(*gcm)) func(*member) {
	return func(m *member) {
		s := &gcm{who: m.config.Participant, proves: true}
		for _, f := range change {
			f(s)
		}
		m.config.Sealer = s
	}
}

func (m *member) sealer() *gcm { return m.config.Sealer.(*gcm) }

// inside opens what is on the wire with the key of the channel.
func inside(e transport.Envelope) (m wire.Message) {
	opened, err := (&gcm{}).Open(tea, e.Payload)
	if err == nil {
		m, _ = wire.Decode(opened.Message)
	}
	return m
}

// spy records all that is published, once per envelope and receiver, and keeps
// back what it is told to.
type spy struct {
	mu   sync.Mutex
	all  []passing
	drop func(from, to string, m wire.Message) bool
}

type passing struct {
	from, to string
	envelope transport.Envelope
	message  wire.Message
}

func (s *spy) filter(from, to string, e transport.Envelope) bool {
	p := passing{from, to, e, inside(e)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, p)
	return s.drop != nil && s.drop(from, to, p.message)
}

func (s *spy) passed() []passing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]passing(nil), s.all...)
}

// "Sealer encrypts and decrypts a channel's SDS messages": all of them.
func TestSealHidesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{Seed: 1, Loss: 0.2}, "alice", "bob", "carol")
		s := &spy{}
		w.network.SetFilter(s.filter)
		alice, bob, carol := w.start("alice", sealed()), w.start("bob", sealed()), w.start("carol", sealed())
		var last *causeway.Receipt
		for _, text := range lines(20) {
			last = alice.send(text, causeway.Everyone)
			time.Sleep(time.Second)
		}
		_, err := alice.ch.Send(t.Context(), []byte("line typing"), causeway.SendOptions{Ephemeral: true})
		check(t, err)
		waitFor(t, last, causeway.SeenByAll)
		until(t, time.Hour, "all have all", func() bool { return alice.digest() == bob.digest() && alice.digest() == carol.digest() })
		for _, p := range s.passed() {
			if bytes.Contains(p.envelope.Payload, []byte("line ")) || bytes.Contains(p.envelope.Payload, []byte(tea)) || p.message.ChannelID != tea {
				t.Fatalf("from %s: %q", p.from, p.envelope.Payload)
			}
		}
		equal(t, "carol's log", carol.log(true), lines(20))
	})
}

// spec R93.
// "The sealed bytes are stored, and the same bytes are what repairs and resends
// carry": also those of others.
func TestSealRepairsIdentical(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "carol")
		s := &spy{drop: func(_, to string, m wire.Message) bool {
			return to == "bob" && string(m.Content) == "lost" && m.SenderID == "alice"
		}}
		w.network.SetFilter(s.filter)
		alice, bob, carol := w.start("alice", sealed()), w.start("bob", sealed()), w.start("carol", sealed())
		alice.send("lost")
		synctest.Wait()
		alice.restart() // resends come from the store
		time.Sleep(time.Minute)
		check(t, alice.node.Close())
		carol.restart() // repairs come from the store
		s.mu.Lock()
		s.drop = nil
		s.mu.Unlock()
		carol.send("next")
		until(t, time.Hour, "bob is repaired", func() bool { return bob.digest().Count == 2 })
		copies := map[string]int{}
		for _, p := range s.passed() {
			if string(p.message.Content) == "lost" {
				copies[string(p.envelope.Payload)]++
				copies["by "+p.from]++
			}
		}
		if len(copies) != 3 || copies["by carol"] == 0 {
			t.Errorf("%d differing copies; by alice %d, by carol %d", len(copies)-2, copies["by alice"], copies["by carol"])
		}
	})
}

// store.Sealed: "a seal with forward secrecy opens only once, and never for its
// own author": the log is read nevertheless, also after a restart, and what
// waits for others is not lost in one.
func TestSealOpensOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "carol")
		s := &spy{drop: func(_, to string, m wire.Message) bool { return to == "bob" && string(m.Content) == "first" }}
		w.network.SetFilter(s.filter)
		once := sealed(func(s *gcm) { s.once = true })
		alice, bob, carol := w.start("alice", once), w.start("bob", once), w.start("carol", once)
		alice.send("first")
		alice.send("second") // bob parks it
		synctest.Wait()
		if st := bob.status(); st.Waiting != 1 {
			t.Errorf("bob: %+v", st)
		}
		bob.restart()
		s.mu.Lock()
		s.drop = nil
		s.mu.Unlock()
		until(t, time.Hour, "bob has both", func() bool { return bob.digest().Count == 2 })
		waitFor(t, bob.send("third", causeway.Everyone), causeway.SeenByAll)
		for _, m := range []*member{alice, bob, carol} {
			m.restart()
			until(t, time.Hour, "all arrives", func() bool { return m.digest().Count == 3 })
			equal(t, "log", m.log(false), []string{"first", "second", "third"})
			delivered := 0
			for _, e := range m.events() {
				if e.Kind == causeway.EventDelivered && len(e.Message.Content) > 4 {
					delivered++
				}
			}
			if delivered != 3 {
				t.Errorf("%d deliveries with content", delivered)
			}
		}
	})
}

// "It returns ErrNotForMe if the message can't be opened with the keys of this
// installation, which is normal, and any other error if it was tampered with."
func TestSealNotForMe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "eve")
		bob := w.start("bob", sealed())
		eve := w.start("eve", sealed(func(s *gcm) { s.key = "other" }))
		raw, err := w.network.Attach("raw")
		check(t, err)
		eve.send("between others")
		synctest.Wait()
		before := bob.node.Metrics()
		if before.NotForMe == 0 || before.Tampered != 0 || before.Undecodable != 0 {
			t.Errorf("not for me: %+v", before)
		}
		_, err = raw.Publish(t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: []byte("\x00\x03eve, and not 12 bytes that anybody has sealed")})
		check(t, err)
		synctest.Wait()
		if m := bob.node.Metrics(); m.Tampered != 1 || m.NotForMe != before.NotForMe {
			t.Errorf("tampered: %+v", m)
		}
		seal := sealed()
		junk := &member{config: causeway.ChannelConfig{Participant: "eve"}}
		seal(junk)
		payload, err := junk.sealer().Seal(tea, []byte("no SDS message"))
		check(t, err)
		_, err = raw.Publish(t.Context(), transport.Envelope{Topic: transport.Topic(tea), Payload: payload})
		check(t, err)
		time.Sleep(time.Hour)
		if m := bob.node.Metrics(); m.Tampered != 1 || m.Undecodable != 1 {
			t.Errorf("undecodable: %+v", m)
		}
		if e := bob.events(); len(e) != 1 || e[0].Kind != causeway.EventTampered || e[0].Tampered != 1 || bob.digest().Count != 0 {
			t.Errorf("bob: %v", bob.events())
		}
	})
}

// After a failing Seal "nothing was sent"; the node still receives, and sends
// again when Seal works.
func TestSealFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice", sealed()), w.start("bob", sealed())
		waitFor(t, alice.send("before"), causeway.SeenByAll)
		alice.sealer().setBroken(errSeal)
		for range 3 {
			_, err := alice.ch.Send(t.Context(), []byte("never"), causeway.SendOptions{})
			checkIs(t, "Send", err, errSeal)
		}
		_, err := alice.ch.Send(t.Context(), []byte("never"), causeway.SendOptions{Ephemeral: true})
		checkIs(t, "Send, ephemeral", err, errSeal)
		bob.send("meanwhile")
		time.Sleep(time.Hour)
		equal(t, "alice's log", alice.log(true), []string{"before", "meanwhile"})
		alice.sealer().setBroken(nil)
		waitFor(t, alice.send("after"), causeway.SeenByAll)
		equal(t, "alice's log", alice.log(true), []string{"before", "meanwhile", "after"})
		equal(t, "bob's log", bob.log(true), []string{"before", "meanwhile", "after"})
		for _, e := range alice.events() {
			if e.Message != nil && string(e.Message.Content) == "never" {
				t.Errorf("an event of what was refused: %+v", e)
			}
		}
	})
}

// A message that Send accepted while offline is sealed when it goes out: a Seal
// that fails then delays it and loses nothing.
func TestSealFailsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob")
		alice, bob := w.start("alice", sealed()), w.start("bob", sealed())
		alice.end.SetOnline(false)
		synctest.Wait()
		receipt := alice.send("patient")
		alice.sealer().setBroken(errSeal)
		alice.end.SetOnline(true)
		bob.send("meanwhile")
		until(t, time.Minute, "alice receives", func() bool { return alice.digest().Count == 2 })
		time.Sleep(time.Minute)
		alice.sealer().setBroken(nil)
		waitFor(t, receipt, causeway.SeenByAll)
		until(t, time.Minute, "logs are equal", func() bool { return alice.digest() == bob.digest() })
	})
}

// "A message whose sender_id differs is refused."
func TestSealForgedSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, loopback.Options{}, "alice", "bob", "mallory")
		bob := w.start("bob", sealed())
		mallory := w.start("alice", sealed(func(s *gcm) { s.as = "mallory" })) // claims to be alice
		mallory.send("I am alice")
		time.Sleep(time.Minute)
		if m := bob.node.Metrics(); m.Refused == 0 || bob.digest().Count != 0 || len(bob.events()) != 0 {
			t.Errorf("refused %d; log %v", m.Refused, bob.log(true))
		}
		if m := mallory.node.Metrics(); m.Sent[1].Packets == 0 {
			t.Error("it was never sent")
		}
	})
}
