//go:build go1.25

package telemetry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
	"github.com/causeway-im/causeway/transport"
)

// told is what a host says of one message, with n in all that can differ.
func told(d *telemetry.Telemetry, n int) {
	word := func(s string) string { return fmt.Sprint(s, n) }
	own := telemetry.Message{Channel: "tea", ID: word("own"), Class: [...]report.Class{"", report.Control}[n]}
	other := telemetry.Message{Channel: "tea", ID: word("other")}
	path := [...]report.Path{report.ByFilter, report.ByStore}[n]
	d.Composed(own, 10+n)
	d.Attempted(own)
	d.Refused(own, [...]error{fmt.Errorf("wrapped: %w", transport.ErrOffline), context.DeadlineExceeded}[n])
	d.Attempted(own)
	d.Handed(own, word("envelope"))
	d.Stored(own, [...]telemetry.Answer{telemetry.Yes, telemetry.No}[n])
	d.Acknowledged(own, 1+n, 8+n)
	d.Attempted(own)
	d.Resent(own, word("another envelope"))
	d.GaveUp(own)
	d.Missing(other, word("author"))
	d.Received(other, telemetry.Arrival{Author: word("author"), Path: path, Size: 20 + n, Sent: time.UnixMilli(int64(1000 + n)), Envelope: word("came")})
	d.Repaired(other, path)
	d.Undecodable(telemetry.Message{Channel: "tea", ID: word("bad")}, path, [...]telemetry.Code{telemetry.CodeTampered, telemetry.CodeRefused}[n])
	d.Lost(telemetry.Message{Channel: "tea", ID: word("lost")})
	d.Traffic("tea", map[string]int64{"content": int64(30 + n)})
	d.Traffic("", map[string]int64{"sync": int64(40 + n)})
}

// expected is what a collector is to hear of that.
func expected(t *testing.T, n int) []report.Event {
	p := names(t)
	word := func(s string) string { return fmt.Sprint(s, n) }
	own, other := p.Message(word("own")), p.Message(word("other"))
	class := [...]report.Class{report.Multicast, report.Control}[n]
	path := [...]report.Path{report.ByFilter, report.ByStore}[n]
	const many = report.Multicast
	return []report.Event{
		{Kind: report.Composed, Message: own, Class: class, Member: p.Member("alice"), Size: 10 + n, Audience: 9},
		{Kind: report.Attempted, Message: own, Class: class, Attempt: 1},
		{Kind: report.Refused, Message: own, Class: class, Attempt: 1, Code: [...]string{"offline", "timeout"}[n]},
		{Kind: report.Attempted, Message: own, Class: class, Attempt: 2},
		{Kind: report.Handed, Message: own, Class: class, Attempt: 2, Envelope: p.Envelope(word("envelope"))},
		{Kind: report.Stored, Message: own, Class: class, Answer: [...]string{"yes", "no"}[n]},
		{Kind: report.Acknowledged, Message: own, Class: class, Count: 1 + n, Audience: 8 + n},
		{Kind: report.Attempted, Message: own, Class: class, Attempt: 3},
		{Kind: report.Resent, Message: own, Class: class, Attempt: 3, Envelope: p.Envelope(word("another envelope"))},
		{Kind: report.GaveUp, Message: own, Class: class},
		{Kind: report.Missing, Message: other, Class: many, Member: p.Member(word("author"))},
		{Kind: report.Received, Message: other, Class: many, Member: p.Member(word("author")), Path: path, Size: 20 + n, Sent: int64(1000 + n),
			Envelope: p.Envelope(word("came"))},
		{Kind: report.Repaired, Message: other, Class: many, Path: path},
		{Kind: report.Undecodable, Message: p.Message(word("bad")), Class: many, Path: path, Code: [...]string{"tampered", "refused"}[n]},
		{Kind: report.Lost, Message: p.Message(word("lost")), Class: many},
		{Kind: report.Traffic, Bytes: map[string]int64{"content": int64(30 + n)}},
		{Kind: report.Traffic, Channel: "-", Bytes: map[string]int64{"sync": int64(40 + n)}},
	}
}

// A host without our node can report everything that there is a kind of, and what it
// says arrives field by field.
func TestHostWithoutNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, at := newCollector(t), names(t), time.Now().UnixMilli()
		d := open(t, options(store.NewMemory(), c))
		d.Presence(report.Online)
		want := []report.Event{
			{Kind: report.Membership, Member: p.Member("alice"), Joined: true, Audience: 10},
			{Kind: report.Presence, State: report.Online, Channel: "-"},
		}
		for n := range 2 {
			told(d, n)
			want = append(want, expected(t, n)...)
		}
		d.Membership("tea", false, 9)
		want = append(want, report.Event{Kind: report.Membership, Member: p.Member("alice"), Audience: 9})
		check(t, d.Close(t.Context()))
		want = append(want, report.Event{Kind: report.Presence, State: report.Goodbye, Channel: "-"})
		got := c.all()
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		for i, w := range want {
			w.Seq, w.At = uint64(i+1), at
			if w.Channel == "-" { // of no channel
				w.Channel = ""
			} else {
				w.Community, w.Channel, w.Topic, w.Pubsub = p.Community("drinkers"), p.Channel("tea"), "/waku/1/0x9c22ff5f/rfc26", "/waku/2/rs/16/32"
			}
			if !reflect.DeepEqual(got[i], w) {
				t.Errorf("got  %+v\nwant %+v", got[i], w)
			}
		}
		if n := kinds(got); len(n) != 16 {
			t.Errorf("%d kinds: %v", len(n), n)
		}
	})
}

// What a device keeps names nobody and nothing either, in no spelling.
func TestNothingSecretAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := store.NewMemory(), newCollector(t)
		c.setAnswer(offline)
		d := open(t, options(db, c))
		for n := range 2 {
			told(d, n)
		}
		d.Refused(message("own0"), errors.New("dial tcp 10.11.12.13: 16Uiu2HAmPeerIdOfAlice refused"))
		pass(time.Minute)
		entries, err := db.Journal(t.Context(), "telemetry", 0, 1000)
		check(t, err)
		kept, err := db.Value(t.Context(), "telemetry")
		check(t, err)
		for _, e := range entries {
			kept = append(append(kept, '\n'), e.Data...)
		}
		name, err := base64.RawURLEncoding.DecodeString(names(t).Message("own0"))
		check(t, err)
		stats, err := d.Stats(t.Context())
		check(t, err)
		if stats.Pending < 35 || len(entries) == 0 || !bytes.Contains(kept, name) {
			t.Fatalf("%d events, %d entries:\n%q", stats.Pending, len(entries), kept)
		}
		next, err := telemetry.Next(t.Context(), db, time.Now()) // the same in words
		check(t, err)
		kept = append(append(kept, '\n'), next...)
		secrets := []string{secret, "alice", "drinkers", "10.11.12.13", "16Uiu2HAmPeerIdOfAlice"}
		for n := range 2 {
			for _, s := range []string{"own", "other", "bad", "lost", "envelope", "another envelope", "came", "author"} {
				secrets = append(secrets, fmt.Sprint(s, n))
			}
		}
		for _, s := range secrets {
			for _, form := range spellings(s) {
				if bytes.Contains(kept, []byte(form)) {
					t.Errorf("%q is kept as %q", s, form)
				}
			}
		}
	})
}

// spellings are forms in which a secret could be written. Those that are too short to
// tell it from a random word are left out.
func spellings(s string) (forms []string) {
	for _, form := range []string{s, hex.EncodeToString([]byte(s)), base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s))} {
		if len(form) > 4 {
			forms = append(forms, form)
		}
	}
	return forms
}
