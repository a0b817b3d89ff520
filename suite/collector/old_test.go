package collector_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/collector/archive"
)

// old reads what is kept of old records of the day.
func (r *running) old() []archive.OldRecord {
	r.t.Helper()
	list, err := r.archive.Old(r.t.Context(), archive.DayOf(noon))
	check(r.t, err)
	return list
}

// TestRecordMetrics: what clients of the old service send is taken as it came from
// them, and answered as they expect: 201, and null or what was wrong with which
// record.
func TestRecordMetrics(t *testing.T) {
	const common = `"nodeName":"n","peerId":"16Uiu2HAmSecretPeer","statusVersion":"2.30.1","deviceType":"android"`
	sent := fmt.Sprint(noon / 1000)
	for name, x := range map[string]struct {
		body   string
		answer string
		want   []string // type, topic, failed, platform, kind
	}{
		"empty":        {`[]`, `null`, nil},
		"unknown type": {`[{"id":1,"telemetry_type":"Weather","telemetry_data":{"sun":true}}]`, `null`, nil},
		"peer count":   {`[{"id":1,"telemetry_type":"PeerCount","telemetry_data":{"peerCount":3,"timestamp":` + sent + `}}]`, `null`, nil},
		"sent": {`[{"id":1,"telemetry_type":"SentEnvelope","telemetry_data":{` + common + `,"messageHash":"0xAA","sentAt":` + sent + `,"topic":"/waku/1/0x01020304/rfc26","pubsubTopic":"/waku/2/rs/16/32","senderKeyUID":"0xk","publishMethod":"LightPush"}}]`,
			`null`, []string{"SentEnvelope /waku/1/0x01020304/rfc26 false android "}},
		"error, flat": {`[{"id":1,"telemetry_type":"ErrorSendingEnvelope","telemetry_data":{` + common + `,"messageHash":"0xAA","sentAt":` + sent + `,"topic":"/waku/1/0x01020304/rfc26","senderKeyUID":"0xk","error":"no peers"}}]`,
			`null`, []string{"ErrorSendingEnvelope /waku/1/0x01020304/rfc26 true android "}},
		"error, nested": {`[{"id":1,"telemetry_type":"ErrorSendingEnvelope","telemetry_data":{"error":"no peers","sentEnvelope":{` + common + `,"messageHash":"0xAA","sentAt":` + sent + `,"topic":"/waku/1/0x01020304/rfc26","senderKeyUID":"0xk"}}}]`,
			`null`, []string{"ErrorSendingEnvelope /waku/1/0x01020304/rfc26 true android "}},
		"received, short topic": {`[{"id":1,"telemetry_type":"ReceivedMessages","telemetry_data":[{` + common + `,"chatId":"0xchat","messageHash":"0xAA","messageType":"CHAT_MESSAGE","receiverKeyUID":"0xr","sentAt":` + sent + `,"topic":"0x01020304"},` +
			`{` + common + `,"chatId":"0xchat","messageHash":"0xBB","messageType":"CHAT_MESSAGE","receiverKeyUID":"0xr","sentAt":` + sent + `,"topic":"0x01020304"}]}]`,
			`null`, []string{"ReceivedMessages /waku/1/0x01020304/rfc26 false android CHAT_MESSAGE", "ReceivedMessages /waku/1/0x01020304/rfc26 false android CHAT_MESSAGE"}},
		"check": {`[{"id":1,"telemetry_type":"MessageCheckFailure","telemetry_data":{` + common + `,"messageHash":"0xAA","timestamp":` + sent + `}}]`, `null`,
			[]string{"MessageCheckFailure  true android "}},
		"no data, and a good one": {`[{"id":7,"telemetry_type":"SentEnvelope","telemetry_data":null},{"id":8,"telemetry_type":"SentEnvelope"},{"id":9,"telemetry_type":"MissedMessages","telemetry_data":{"messageHash":"0xCC","contentTopic":"0x01020304","sentAt":` + sent + `}}]`,
			`[{"id":7,"error":"telemetry_data is missing"},{"id":8,"error":"telemetry_data is missing"}]`, []string{"MissedMessages /waku/1/0x01020304/rfc26 true  "}},
		"wrong type":    {`[{"id":3,"telemetry_type":"SentEnvelope","telemetry_data":{"messageHash":5}}]`, `[{"id":3,"error":"telemetry_data: MessageHash can't be a number"}]`, nil},
		"no hash":       {`[{"id":4,"telemetry_type":"SentEnvelope","telemetry_data":{}}]`, `[{"id":4,"error":"messageHash is missing"}]`, nil},
		"milliseconds":  {`[{"id":1,"telemetry_type":"SentEnvelope","telemetry_data":{"messageHash":"0xAA","sentAt":` + fmt.Sprint(noon) + `}}]`, `null`, []string{"SentEnvelope  false  "}},
		"a wrong clock": {`[{"id":1,"telemetry_type":"SentEnvelope","telemetry_data":{"messageHash":"0xAA","sentAt":5}}]`, `null`, []string{"SentEnvelope  false  "}},
	} {
		r := start(t)
		for round := range 2 { // what is sent again counts once
			a := r.post("/record-metrics", x.body)
			if a.status != http.StatusCreated || strings.TrimSpace(a.body) != x.answer {
				t.Errorf("%s: %d %s, want 201 %s", name, a.status, a.body, x.answer)
			}
			var got []string
			for _, o := range r.old() {
				got = append(got, fmt.Sprintf("%s %s %v %s %s", o.Type, o.Topic, o.Failed, o.Platform, o.Kind))
				if o.Sent < noon-minute || o.Sent > noon+minute || o.Message == "" {
					t.Errorf("%s: %+v", name, o)
				}
			}
			if strings.Join(got, "\n") != strings.Join(x.want, "\n") {
				t.Errorf("%s, round %d: kept %q, want %q", name, round, got, x.want)
			}
		}
	}
}

// TestRecordMetricsRefused: what is no array of records is refused as it was.
func TestRecordMetricsRefused(t *testing.T) {
	r := start(t)
	for body, status := range map[string]int{``: 400, `{}`: 400, `[1]`: 400, `[{"id":"x"}]`: 400, `[` + strings.Repeat(`{},`, 20_000) + `{}]`: 413} {
		if a := r.post("/record-metrics", body); a.status != status {
			t.Errorf("%.20s: %d %s, want %d", body, a.status, a.body, status)
		}
	}
	if a := r.get("/record-metrics"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", a.status)
	}
	if a := r.post("/record-metrics/", `[]`); a.status != http.StatusCreated {
		t.Errorf("with a slash: %d", a.status)
	}
}

// TestNothingPersonal: no account, peer, chat, public hash, name or address that old
// clients send is in the database, and two records of one account are.
func TestNothingPersonal(t *testing.T) {
	where := sqliteFile(t)
	r := startOn(t, where)
	secrets := []string{"0xaccountaccount", "16Uiu2HAmSecretPeer", "0xchatchatchat", "0xhashhashhash", "my laptop", "0xidididid", "dial 10.1.2.3", "2001:db8::77"}
	body := fmt.Sprintf(`[{"id":1,"telemetry_type":"ReceivedMessages","telemetry_data":[{"receiverKeyUID":%q,"peerId":%q,"chatId":%q,"messageHash":%q,"nodeName":%q,"messageId":%q,"sentAt":%d}]},
		{"id":2,"telemetry_type":"ErrorSendingEnvelope","telemetry_data":{"senderKeyUID":%q,"messageHash":%q,"error":%q,"processingError":%q,"sentAt":%d}}]`,
		secrets[0], secrets[1], secrets[2], secrets[3], secrets[4], secrets[5], noon/1000, secrets[0], secrets[3], secrets[6], secrets[6], noon/1000)
	if a := r.post("/record-metrics", body, "X-Forwarded-For", secrets[7]); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := r.post("/v1/uploads", text(newDevice("a", noon-hour).add(received("c", "m", noon)).upload(noon)), "Authorization", "Bearer my secret key"); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	list := r.old()
	if len(list) != 2 || list[0].Who == "" || list[0].Who != list[1].Who || list[0].Message != list[1].Message {
		t.Errorf("%+v", list)
	}
	check(t, r.stop())
	files, err := filepath.Glob(where + "*")
	check(t, err)
	seen := false
	for _, f := range files {
		content, err := os.ReadFile(f)
		check(t, err)
		seen = seen || bytes.Contains(content, []byte("install-a"))
		for _, s := range append(secrets, "my secret key", "127.0.0.1") {
			if bytes.Contains(content, []byte(s)) {
				t.Errorf("%s holds %q", filepath.Base(f), s)
			}
		}
	}
	if !seen {
		t.Error("the search finds nothing at all")
	}
}
