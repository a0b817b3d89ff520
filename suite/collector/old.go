package collector

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/report"
)

// maxOldRecords is how many records of the old service's clients come at once: they
// keep 5,000 that they could not send, and add new ones.
const maxOldRecords = 20_000

// oldIntake takes what clients of the old service send. They name accounts, peers,
// chats and public message hashes; none of that is kept, but pseudonyms under a
// secret of this archive.
type oldIntake struct {
	opts   *Options
	secret []byte
}

// oldSecret is the note that holds the secret.
const oldSecret = "secret of old records"

func newOldIntake(ctx context.Context, o *Options) (*oldIntake, error) {
	ctx, cancel := context.WithTimeout(ctx, takeLimit)
	defer cancel()
	secret, err := o.Archive.Settle(ctx, oldSecret, rand.Text())
	if err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	return &oldIntake{o, []byte(secret)}, nil
}

// name is the pseudonym of an id.
func (o *oldIntake) name(kind, id string) string {
	if id == "" {
		return ""
	}
	h := hmac.New(sha256.New, o.secret)
	fmt.Fprintf(h, "%s %s", kind, id)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// oldRecord is a record as it comes.
type oldRecord struct {
	ID   int             `json:"id"`
	Type string          `json:"telemetry_type"`
	Data json.RawMessage `json:"telemetry_data"`
}

// oldError is what the old service answered about a record.
type oldError struct {
	ID    int    `json:"id"`
	Error string `json:"error"`
}

// oldData is the union of what the records have. Unknown types and fields are as
// good as absent.
type oldData struct {
	NodeName, PeerID, StatusVersion, DeviceType string
	MessageHash, Topic, ContentTopic            string
	PubsubTopic, ProcessingError, Error         string
	ReceiverKeyUID, SenderKeyUID                string
	ChatID, MessageID, MessageType              string
	SentAt, Timestamp                           int64
	SentEnvelope                                *oldData
}

// aboutMessages are the types that tell something about messages; whether what they
// tell is a failure.
var aboutMessages = map[string]bool{"ReceivedMessages": false, "ReceivedEnvelope": false, "SentEnvelope": false, "ErrorSendingEnvelope": true,
	"MessageCheckSuccess": false, "MessageCheckFailure": true, "MessageDeliveryConfirmed": false, "MissedMessages": true, "MissedRelevantMessages": true}

// records is POST /record-metrics: an array in, and out null or what was wrong with
// which record. As the old service did, it answers 201 whenever the array can be
// read; what is known to be unusable must not come back for ever.
func (s *Service) records(w http.ResponseWriter, r *http.Request) {
	faults, err := s.takeRecords(r)
	var f *failure
	switch {
	case errors.As(err, &f):
		s.meters.old.WithLabelValues("refused").Inc()
		if f.Wait > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int(f.Wait.Seconds())+1))
		}
		http.Error(w, f.Err, f.Status)
	case err != nil:
		s.opts.Log.Error("collector: old records", "error", err)
		http.Error(w, "the archive can't be written", http.StatusServiceUnavailable)
	default:
		writeJSON(w, http.StatusCreated, faults)
	}
}

func (s *Service) takeRecords(r *http.Request) ([]oldError, error) {
	if err := s.admit(r); err != nil {
		return nil, err
	}
	body, release, err := s.read(r, s.opts.Limits.OldBody)
	if err != nil {
		return nil, err
	}
	defer release()
	if !s.gate.enter(r.Context().Done()) {
		return nil, later(http.StatusServiceUnavailable, 5*time.Second, "busy")
	}
	defer s.gate.leave()
	var list []oldRecord
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fail(http.StatusBadRequest, "Invalid request payload")
	}
	if len(list) > maxOldRecords {
		return nil, fail(http.StatusRequestEntityTooLarge, "more than %d records", maxOldRecords)
	}
	var faults []oldError
	var records []archive.OldRecord
	now := s.opts.Now().UnixMilli()
	for _, x := range list {
		found, err := s.old.read(x, now)
		if err != nil {
			faults = append(faults, oldError{x.ID, err.Error()})
			s.meters.old.WithLabelValues("rejected").Inc()
			continue
		}
		records = append(records, found...)
		s.meters.old.WithLabelValues("taken").Inc()
	}
	ctx, cancel := context.WithTimeout(r.Context(), takeLimit)
	defer cancel()
	if err := s.opts.Archive.TakeOld(ctx, records); err != nil {
		return nil, err
	}
	return faults, nil
}

// read makes what is kept of a record: nothing if it is not about messages.
func (o *oldIntake) read(x oldRecord, now int64) ([]archive.OldRecord, error) {
	failed, about := aboutMessages[x.Type]
	if !about {
		return nil, nil
	}
	if len(x.Data) == 0 || string(x.Data) == "null" {
		return nil, errors.New("telemetry_data is missing")
	}
	list := make([]oldData, 1)
	var err error
	if x.Type == "ReceivedMessages" {
		err = json.Unmarshal(x.Data, &list)
	} else {
		err = json.Unmarshal(x.Data, &list[0])
	}
	if err != nil {
		return nil, fmt.Errorf("telemetry_data: %s", reason(err))
	}
	var out []archive.OldRecord
	for i := range list {
		d := &list[i]
		d.merge(d.SentEnvelope)
		r, err := o.record(x.Type, d, failed, now)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// merge takes what is nested in another: clients sent ErrorSendingEnvelope flat, and
// the service expected it nested.
func (d *oldData) merge(o *oldData) {
	if o == nil {
		return
	}
	failed := d.Error
	*d = *o
	d.Error = failed
}

func (o *oldIntake) record(kind string, d *oldData, failed bool, now int64) (archive.OldRecord, error) {
	at := max(d.SentAt, d.Timestamp)
	if d.SentAt > 0 {
		at = d.SentAt
	}
	if at > 0 && at < 1<<37 { // seconds
		at *= 1000
	}
	if at > now+maxFuture.Milliseconds() || at < now-o.opts.Keep.Raw.Milliseconds() && o.opts.Keep.Raw > 0 {
		at = now // a clock that is wrong
	}
	if d.MessageHash == "" {
		return archive.OldRecord{}, errors.New("messageHash is missing")
	}
	who := d.ReceiverKeyUID
	for _, id := range []string{d.SenderKeyUID, d.PeerID, d.NodeName} {
		if who == "" {
			who = id
		}
	}
	topic := d.Topic
	if topic == "" {
		topic = d.ContentTopic
	}
	message := d.MessageHash
	r := archive.OldRecord{At: now, Type: kind, Who: o.name("who", who), Chat: o.name("chat", d.ChatID), Message: o.name("message", strings.ToLower(message)),
		Topic: report.Topic(topic), Pubsub: word(d.PubsubTopic, report.MaxTopic), Sent: at, Platform: platform(d.DeviceType),
		App: word(d.StatusVersion, maxName), Kind: word(d.MessageType, maxName), Failed: failed || d.ProcessingError != "" || d.Error != ""}
	return r, nil
}

// word is a text that is harmless, or "".
func word(text string, most int) string {
	if !isPrintable(text, most) {
		return ""
	}
	return text
}

// platform is that of the old service's deviceType: Go's name of the system.
func platform(device string) string {
	switch p := report.Platform(strings.ToLower(device)); p {
	case report.Android, report.IOS, report.Linux, report.Darwin, report.Windows:
		return string(p)
	case "":
		return ""
	}
	return string(report.Other)
}

// health is GET /health.
func (s *Service) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	if err := s.opts.Archive.Ping(ctx); err != nil {
		s.opts.Log.Error("collector: health", "error", err)
		http.Error(w, "the archive can't be used", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprint(w, "OK")
}
