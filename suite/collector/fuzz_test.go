package collector_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/causeway-im/causeway/suite/collector"
)

// FuzzIntake sends whatever bodies to both intakes: they answer, with what an
// answer may be, and a good upload is taken after that.
func FuzzIntake(f *testing.F) {
	good := text(newDevice("good", noon-hour).upload(noon))
	for _, body := range []string{good, `[]`, `{}`, `{"schema":1}`, strings.Replace(good, ":1", ":-1", 1), strings.Repeat("[", 2000),
		`[{"id":1,"telemetry_type":"SentEnvelope","telemetry_data":{"messageHash":"0xAA","sentAt":1}}]`} {
		f.Add(body, false)
		f.Add(body, true)
	}
	service := start(f, func(o *collector.Options) {
		o.Limits.PerAddress, o.Limits.BurstAddress, o.Limits.PerInstall, o.Limits.BurstInstall = 1e9, 1e9, 1e9, 1e9
	})
	f.Fuzz(func(t *testing.T, body string, old bool) {
		r := *service
		r.t = t
		path := "/v1/uploads"
		if old {
			path = "/record-metrics"
		}
		switch a := r.post(path, body); a.status {
		case http.StatusOK, http.StatusCreated, http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		default:
			t.Errorf("%q: %d %s", body, a.status, a.body)
		}
		if a := r.post("/v1/uploads", good); a.status != http.StatusOK {
			t.Errorf("a good upload then: %d %s", a.status, a.body)
		}
	})
}
