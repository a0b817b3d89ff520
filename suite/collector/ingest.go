package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/report"
)

// failure is an answer that is no success.
type failure struct {
	Status int           `json:"-"`
	Wait   time.Duration `json:"-"`
	Err    string        `json:"error"`
	Field  string        `json:"field,omitempty"`
	// RetryAfter is Wait in seconds.
	RetryAfter int `json:"retryAfter,omitempty"`
}

func (f *failure) Error() string { return f.Err }

func fail(status int, format string, args ...any) *failure {
	return &failure{Status: status, Err: fmt.Sprintf(format, args...)}
}

// later asks a client to come back.
func later(status int, wait time.Duration, why string) *failure {
	return &failure{Status: status, Wait: wait, Err: why}
}

func (f *failure) write(w http.ResponseWriter) {
	if f.Wait > 0 {
		f.RetryAfter = int(math.Ceil(f.Wait.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	writeJSON(w, f.Status, f)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer can't be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(text, '\n'))
}

// upload is POST /v1/uploads.
func (s *Service) upload(w http.ResponseWriter, r *http.Request) {
	reply, err := s.receive(r)
	var f *failure
	switch {
	case errors.As(err, &f):
		s.meters.refused(f.Status)
		f.write(w)
	case err != nil: // the archive's: not for strangers
		s.opts.Log.Error("collector: upload", "error", err)
		s.meters.refused(http.StatusServiceUnavailable)
		later(http.StatusServiceUnavailable, 10*time.Second, "the archive can't be written").write(w)
	default:
		writeJSON(w, http.StatusOK, reply)
	}
}

func (s *Service) receive(r *http.Request) (*report.Reply, error) {
	if err := s.admit(r); err != nil {
		return nil, err
	}
	key, err := s.key(r)
	if err != nil {
		return nil, err
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, fail(http.StatusUnsupportedMediaType, "Content-Type must be application/json")
	}
	body, release, err := s.read(r, s.opts.Limits.Body)
	if err != nil {
		return nil, err
	}
	defer release()
	a, rejected, err := s.decode(r, body)
	if err != nil {
		return nil, err
	}
	a.Key = key
	ctx, cancel := context.WithTimeout(r.Context(), takeLimit)
	defer cancel()
	taken, err := s.queue.take(ctx, a)
	if err == nil {
		err = taken.Err
	}
	switch {
	case errors.Is(err, archive.ErrKey):
		return nil, fail(http.StatusForbidden, "the installation has shown another key before")
	case errors.Is(err, archive.ErrHoles):
		return nil, &failure{Status: http.StatusUnprocessableEntity, Err: err.Error(), Field: "first"}
	case errors.Is(err, errBusy), errors.Is(err, errStopped), errors.Is(err, context.DeadlineExceeded):
		return nil, later(http.StatusServiceUnavailable, 5*time.Second, "busy")
	case err != nil:
		return nil, err
	}
	s.meters.took(&a, taken.New, len(rejected), s.opts.Now())
	return &report.Reply{Acknowledged: taken.Acknowledged, Rejected: rejected}, nil
}

// takeLimit is how long a request waits for the archive.
const takeLimit = 30 * time.Second

// admit limits requests by address.
func (s *Service) admit(r *http.Request) error {
	if wait := s.addresses.take(clientOf(r, s.opts.TrustProxy), 1, time.Now()); wait > 0 {
		return later(http.StatusTooManyRequests, wait, "too many requests from this address")
	}
	return nil
}

// key looks at the key that came with a request, and returns its hash.
func (s *Service) key(r *http.Request) (string, error) {
	header := r.Header.Get("Authorization")
	token, bearer := strings.CutPrefix(header, "Bearer ")
	if token = strings.TrimSpace(token); header != "" && (!bearer || token == "" || len(token) > 512) {
		return "", fail(http.StatusUnauthorized, "Authorization must be Bearer and a key of at most 512 bytes")
	}
	if s.opts.Token != "" {
		if subtle.ConstantTimeCompare([]byte(token), []byte(s.opts.Token)) != 1 {
			return "", fail(http.StatusUnauthorized, "this collector wants a key")
		}
		return "", nil // it is everybody's
	}
	if token == "" {
		return "", nil
	}
	sum := sha256.Sum256([]byte("causeway install key " + token))
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// mayRead tells whether a request may read.
func (s *Service) mayRead(r *http.Request) bool {
	_, password, _ := r.BasicAuth()
	return s.opts.Password == "" || subtle.ConstantTimeCompare([]byte(password), []byte(s.opts.Password)) == 1
}

// read reads a body into memory, of which there is a limited amount for all of them.
func (s *Service) read(r *http.Request, limit int64) (body []byte, release func(), err error) {
	size := r.ContentLength
	if size > limit {
		return nil, nil, fail(http.StatusRequestEntityTooLarge, "the body has %d bytes, must have at most %d", size, limit)
	}
	if size < 0 {
		size = limit
	}
	if !s.buffer.TryAcquire(size) {
		return nil, nil, later(http.StatusServiceUnavailable, 5*time.Second, "busy")
	}
	release = func() { s.buffer.Release(size) }
	body, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err == nil {
		return body, release, nil
	}
	release()
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, nil, fail(http.StatusRequestEntityTooLarge, "the body must have at most %d bytes", limit)
	}
	return nil, nil, fail(http.StatusBadRequest, "the body can't be read to its end")
}

// decode makes an arrival of a body.
func (s *Service) decode(r *http.Request, body []byte) (a archive.Arrival, rejected []report.Rejection, err error) {
	if !s.gate.enter(r.Context().Done()) {
		return a, nil, later(http.StatusServiceUnavailable, 5*time.Second, "busy")
	}
	defer s.gate.leave()
	if body, err = unpack(r, body, s.opts.Limits.Body); err != nil {
		return a, nil, err
	}
	u, rejected, err := parse(body)
	if err != nil {
		return a, nil, err
	}
	if n := len(u.Events) + len(rejected); n > s.opts.Limits.Events {
		return a, nil, &failure{Status: http.StatusRequestEntityTooLarge, Field: "events",
			Err: fmt.Sprintf("events has %d, must have at most %d", n, s.opts.Limits.Events)}
	}
	a = archive.Arrival{Upload: u, At: s.opts.Now().UnixMilli()}
	w, p := checkUpload(u, a.At, s.opts.Keep.Raw)
	if p != nil {
		return a, nil, &failure{Status: http.StatusUnprocessableEntity, Err: p.Error(), Field: p.field}
	}
	if wait := s.installs.take(u.Install, len(u.Events)+10, time.Now()); wait > 0 {
		return a, nil, later(http.StatusTooManyRequests, wait, "too many events of this installation")
	}
	rejected = append(rejected, takeGood(u, w)...)
	for _, x := range rejected {
		if x.Seq >= u.First && x.Seq <= u.Last {
			a.Rejected = append(a.Rejected, x.Seq)
		}
	}
	return a, rejected, nil
}

// unpack undoes the compression of a body.
func unpack(r *http.Request, body []byte, limit int64) ([]byte, error) {
	switch coding := r.Header.Get("Content-Encoding"); coding {
	case "", "identity":
		return body, nil
	case "gzip":
	default:
		return nil, fail(http.StatusUnsupportedMediaType, "Content-Encoding is %.20q, must be gzip or none", coding)
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fail(http.StatusBadRequest, "the body is not gzip")
	}
	plain, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err != nil {
		return nil, fail(http.StatusBadRequest, "the body is broken gzip")
	}
	if int64(len(plain)) > limit {
		return nil, fail(http.StatusRequestEntityTooLarge, "the body has more than %d bytes after decompression", limit)
	}
	return plain, nil
}

// parse reads an upload. Events that can't be read are rejected one by one, as long
// as their numbers can.
func parse(body []byte) (*report.Upload, []report.Rejection, error) {
	u := &report.Upload{}
	err := json.Unmarshal(body, u)
	if err == nil {
		return u, nil, nil
	}
	wrong := func(field string, err error) error {
		return &failure{Status: http.StatusBadRequest, Err: "the upload can't be read: " + reason(err), Field: field}
	}
	var plain struct {
		report.Upload
		Events []json.RawMessage `json:"events"`
	}
	if json.Unmarshal(body, &plain) != nil {
		return nil, nil, wrong(fieldOf(err), err)
	}
	*u = plain.Upload
	u.Events = nil
	var rejected []report.Rejection
	for i, text := range plain.Events {
		var e report.Event
		err := json.Unmarshal(text, &e)
		if err == nil {
			u.Events = append(u.Events, e)
			continue
		}
		var number struct {
			Seq uint64 `json:"seq"`
		}
		if json.Unmarshal(text, &number) != nil || number.Seq == 0 {
			return nil, nil, wrong(fmt.Sprintf("events[%d]", i), err)
		}
		rejected = append(rejected, report.Rejection{Seq: number.Seq, Field: fieldOf(err), Reason: reason(err), Permanent: true})
	}
	return u, rejected, nil
}

// fieldOf and reason say what is wrong with JSON, without what was in it.
func fieldOf(err error) string {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return t.Field
	}
	return ""
}

func reason(err error) string {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return fmt.Sprintf("%s can't be a %s", t.Field, strings.Fields(t.Value + " value")[0])
	}
	return err.Error()
}
