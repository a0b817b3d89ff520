package report_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"testing"

	"github.com/causeway-im/causeway/telemetry/report"
)

func pseudonyms(t testing.TB, secret string) *report.Pseudonyms {
	p, err := report.NewPseudonyms([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPseudonyms(t *testing.T) {
	const secret = "the secret of tea drinkers"
	p, other := pseudonyms(t, secret), pseudonyms(t, "the secret of the others")
	mac := func(key, text string) []byte {
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	key := string(mac(secret, "causeway telemetry pseudonyms 1"))
	seen := map[string]bool{}
	for kind, name := range map[string]func(string) string{"c": p.Community, "h": p.Channel, "p": p.Member, "m": p.Message, "e": p.Envelope} {
		got := name("id")
		if want := base64.RawURLEncoding.EncodeToString(mac(key, kind+"id")[:16]); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
		if name("") != "" {
			t.Errorf("%s: nothing has a pseudonym", kind)
		}
		seen[got] = true
	}
	seen[p.Message("id2")], seen[other.Message("id")] = true, true
	if len(seen) != 7 {
		t.Errorf("%d of 7 pseudonyms differ", len(seen))
	}
	if _, err := report.NewPseudonyms(make([]byte, report.MinSecret-1)); err == nil {
		t.Error("a short secret was taken")
	}
	var all sync.WaitGroup
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 1000 {
				if !seen[p.Message("id")] {
					t.Error("another pseudonym under load")
				}
			}
		}()
	}
	all.Wait()
}

func BenchmarkPseudonym(b *testing.B) {
	p := pseudonyms(b, "the secret of tea drinkers")
	for b.Loop() {
		p.Message("c1QHwFQ8kDbGqRr0Zbq3xMZ5bDHyE")
	}
}
