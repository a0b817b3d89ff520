package collector_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/collector"
)

// TestPassword: what reads wants a password where there is one; uploads don't.
func TestPassword(t *testing.T) {
	r := start(t, func(o *collector.Options) { o.Password = "open sesame" })
	for _, path := range []string{"/", "/metrics", "/v1/estimates", "/messages/x", "/v1/messages/x"} {
		if a := r.get(path); a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d", path, a.status)
		}
		if a := r.get(path, "Authorization", "Basic eDpvcGVuIHNlc2FtZQ=="); a.status == http.StatusUnauthorized {
			t.Errorf("%s with the password: %d", path, a.status)
		}
		if a := r.get(path, "Authorization", "Basic eDpvcGVu"); a.status != http.StatusUnauthorized {
			t.Errorf("%s with another password: %d", path, a.status)
		}
	}
	if a := r.post("/v1/uploads", text(newDevice("a", noon-hour).upload(noon))); a.status != http.StatusOK {
		t.Errorf("upload: %d", a.status)
	}
	if a := r.get("/health"); a.status != http.StatusOK {
		t.Errorf("health: %d", a.status)
	}
}

// TestMetrics: there are no more series however many devices, channels and messages
// there are, and none names one.
func TestMetrics(t *testing.T) {
	r := start(t, roomy)
	series := func() int {
		n := 0
		for _, l := range strings.Split(r.get("/metrics").body, "\n") {
			if strings.HasPrefix(l, "causeway_") {
				n++
			}
		}
		return n
	}
	send := func(name string) {
		w := newTown(name, 4, noon, noon+10*minute)
		for _, x := range w.play() {
			r.upload(x.u)
		}
	}
	send("first")
	r.settled()
	before := series()
	for i := range 10 {
		send(fmt.Sprint("more", i))
	}
	r.settled()
	if after := series(); after != before || before < 40 {
		t.Errorf("%d series, were %d", after, before)
	}
	body := r.get("/metrics").body
	for _, name := range []string{"install-", "more1", "member-0", "tea", "0x01020304", "127.0.0.1"} {
		if strings.Contains(body, name) {
			t.Errorf("the metrics name %q", name)
		}
	}
	if !strings.Contains(body, `causeway_collector_events_total{kind="composed"}`) || !strings.Contains(body, `causeway_delivery_ratio{bound="low",measure="60s",row="covered"}`) {
		t.Error("what is to be there is not")
	}
}
