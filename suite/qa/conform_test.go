package qa

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// description is that of the repository, read once; that nodes serve the same is
// what TestDescription checks.
var description = sync.OnceValues(func() (d struct {
	text      []byte
	validator validator.Validator
	paths     []string
}, err error) {
	if d.text, err = os.ReadFile("../../rest/openapi.yaml"); err != nil {
		return d, err
	}
	document, err := libopenapi.NewDocument(d.text)
	if err != nil {
		return d, err
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return d, err
	}
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, operation := range item.GetOperations().FromOldest() {
			for status := range operation.Responses.Codes.FromOldest() {
				d.paths = append(d.paths, strings.ToUpper(method)+" "+path+" "+status)
			}
		}
	}
	v, failures := validator.NewValidator(document)
	if len(failures) > 0 {
		return d, failures[0]
	}
	d.validator = v
	return d, nil
})

// seen are the answers that were checked: method, path of the description, status.
var seen sync.Map

// conform checks an answer against the description, and the request too if it was
// answered well.
func conform(t testing.TB, r *http.Request, sent []byte, resp *http.Response, body []byte) {
	t.Helper()
	if strings.HasPrefix(r.URL.Path, "/page/") || r.URL.Path == "/" {
		return
	}
	for _, problem := range differences(t, r, sent, resp, body) {
		t.Errorf("%s %s: %d %.300s is not as described: %s", r.Method, r.URL, resp.StatusCode, body, problem)
	}
	seen.Store(r.Method+" "+pathOf(r.URL.EscapedPath())+" "+strconv.Itoa(resp.StatusCode), true)
}

// differences returns what is not as described.
func differences(t testing.TB, r *http.Request, sent []byte, resp *http.Response, body []byte) (all []string) {
	t.Helper()
	d, err := description()
	check(t, err)
	request := r.Clone(r.Context())
	request.Body = io.NopCloser(bytes.NewReader(sent))
	answer := *resp
	answer.Body = io.NopCloser(bytes.NewReader(body))
	_, failures := d.validator.ValidateHttpResponse(request, &answer)
	if resp.StatusCode < 300 {
		request.Body = io.NopCloser(bytes.NewReader(sent))
		_, more := d.validator.ValidateHttpRequest(request)
		failures = append(failures, more...)
	}
	for _, f := range failures {
		all = append(all, f.Message+": "+f.Reason)
	}
	return all
}

// TestDescriptionIsStrict: what is not as described is noticed, or the check of all
// other answers would be worth nothing.
func TestDescriptionIsStrict(t *testing.T) {
	for _, tt := range []struct {
		method, path, sent string
		status             int
		kind, body         string
		well               bool
	}{
		{"GET", "/version", "", 200, "application/json", `{"version":"1","go":"1"}`, true},
		{"GET", "/version", "", 200, "application/json", `{"version":"1"}`, false},
		{"GET", "/version", "", 200, "application/json", `{"version":"1","go":"1","more":1}`, false},
		{"GET", "/version", "", 200, "application/json", `{"version":1,"go":"1"}`, false},
		{"GET", "/version", "", 200, "text/plain", `1`, false},
		{"GET", "/versions", "", 200, "application/json", `{}`, false},
		{"POST", "/version", "", 200, "application/json", `{"version":"1","go":"1"}`, false},
		{"GET", "/v1/channels/x", "", 404, "application/problem+json", `{"type":"about:blank"}`, false},
		{"GET", "/v1/channels/x/gaps?limit=0", "", 200, "application/json", `{"gaps":[],"next":"","more":false}`, false},
		{"POST", "/v1/channels/x/messages", `{"payload":"eA=="}`, 201, "application/json", `{"id":"x"}`, true},
		{"POST", "/v1/channels/x/messages", `{"payload":"eA==","wish":"all"}`, 201, "application/json", `{"id":"x"}`, false},
		{"POST", "/v1/channels/x/messages", `{"payload":7}`, 201, "application/json", `{"id":"x"}`, false},
	} {
		r, err := http.NewRequest(tt.method, "http://localhost"+tt.path, strings.NewReader(tt.sent))
		check(t, err)
		if tt.sent != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		resp := &http.Response{StatusCode: tt.status, Header: http.Header{"Content-Type": {tt.kind}}, Request: r}
		if got := differences(t, r, []byte(tt.sent), resp, []byte(tt.body)); (len(got) == 0) != tt.well {
			t.Errorf("%s %s %s → %s: %q", tt.method, tt.path, tt.sent, tt.body, got)
		}
	}
}

// pathOf returns the path of the description that a path belongs to.
func pathOf(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		if i == 0 {
			continue
		}
		switch parts[i-1] {
		case "channels":
			parts[i] = "{channel}"
		case "messages":
			parts[i] = "{message}"
		case "rules":
			parts[i] = "{rule}"
		}
	}
	return strings.Join(parts, "/")
}
