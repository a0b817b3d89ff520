package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry"
	"github.com/causeway-im/causeway/telemetry/report"
)

// Telemetry says what is told to whom. Without a Collector nothing is recorded or
// told.
type Telemetry struct {
	Collector string // URL
	Token     string // what the collector wants to be shown, if it does
	// Secret is what all members know and the collector does not: pseudonyms come
	// from it. By default it is made of what the channel is called.
	Secret    string
	Community string          // what the channel belongs to; by default the channel itself
	Platform  report.Platform // by default the one that this runs on
}

// Consent is what a user agrees to who names a collector, in words that are shown
// when a node first does. Another text needs another consentVersion.
const Consent = `this node tells %s how messages fare: when messages of this channel were written, ` +
	`handed over, received, acknowledged, missing and lost, when the node was running and online, its traffic, its version and ` +
	`platform, and the channel's content topic. Who and which message is told in pseudonyms only; ` +
	`no text, name, key, peer id or address is recorded or sent, though the collector sees where requests come from. ` +
	`"causeway telemetry show" prints what is sent next, and docs/telemetry-fields.md explains it. ` +
	`Without --telemetry nothing is recorded or sent`

const consentVersion = 1

// commonSecret is said when the pseudonyms are no better than the channel's name.
const commonSecret = "without --telemetry-secret-file, who knows the channel and a name or a message can tell its pseudonym"

// check returns what is wrong with t, in the words of the command line.
func (t *Telemetry) check() error {
	if t.Collector == "" {
		if *t != (Telemetry{}) {
			return errors.New("--telemetry-… needs --telemetry")
		}
		return nil
	}
	if err := telemetry.CheckCollector(t.Collector); err != nil {
		return fmt.Errorf("--telemetry: %w", err)
	}
	if n := len(t.Secret); n > 0 && n < report.MinSecret {
		return fmt.Errorf("--telemetry-secret-file: the secret has %d bytes, must have %d or more", n, report.MinSecret)
	}
	if !t.platform().Known() {
		return fmt.Errorf("--telemetry-platform is %q, must be android, ios, linux, darwin, windows or other", t.Platform)
	}
	return nil
}

func (t *Telemetry) platform() report.Platform {
	if here := report.Platform(runtime.GOOS); t.Platform == "" && here.Known() {
		return here
	}
	return cmp.Or(t.Platform, report.Other)
}

// openTelemetry begins to record in the node's store, if there is a collector.
func (m *member) openTelemetry(ctx context.Context, kept *store.SQL, log *slog.Logger) (err error) {
	c := &m.cfg
	t := &c.Telemetry
	if t.Collector == "" {
		return nil
	}
	device := report.Device{App: "causeway-node " + version(), Platform: t.platform(), Mode: report.Relay, Protocol: "causeway"}
	if c.Light {
		device.Mode = report.Light
	}
	m.telemetry, err = telemetry.New(ctx, telemetry.Options{Journal: kept, Collector: t.Collector, Key: t.Token, Device: device,
		Consent: consentVersion, Log: log})
	if err != nil {
		return err
	}
	shard := fmt.Sprintf("/waku/2/rs/%d/%d", c.cluster(), c.Shard)
	secret := cmp.Or(t.Secret, fmt.Sprintf("causeway node %s %q %q", shard, c.Channel, c.topic()))
	err = m.telemetry.Describe(telemetry.Channel{ID: c.Channel, Community: cmp.Or(t.Community, c.Channel), Secret: []byte(secret),
		Topic: string(c.topic()), Pubsub: shard})
	if err != nil {
		return err
	}
	return m.tellConsent(log)
}

// tellConsent shows what is agreed to, once.
func (m *member) tellConsent(log *slog.Logger) error {
	c := &m.cfg
	agreed, err := c.kept(consentFile)
	if version := strconv.Itoa(consentVersion); err != nil || agreed == version {
		return err
	}
	texts := []string{fmt.Sprintf(Consent, c.Telemetry.Collector)}
	if c.Telemetry.Secret == "" {
		texts = append(texts, commonSecret)
	}
	for _, text := range texts {
		log.Info(text)
		m.say("notice", "%s", text)
	}
	return c.keep(consentFile, strconv.Itoa(consentVersion))
}

// ForgetConsent deletes from a data folder that a user was shown what they agree to, so
// that the next node there shows it again. It tells whether there was that.
func ForgetConsent(data string) (bool, error) {
	err := os.Remove((&Config{Data: data}).file(consentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// version returns that of the program, as far as it was built from one.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version[:min(len(info.Main.Version), 40)]
	}
	return "(devel)"
}

// closeTelemetry says goodbye and tries to tell what is left.
func (m *member) closeTelemetry() error {
	if m.telemetry == nil {
		return nil
	}
	if m.unfollow != nil {
		m.unfollow()
	}
	ctx, cancel := context.WithTimeout(context.Background(), handOver)
	defer cancel()
	if err := m.telemetry.Close(ctx); !errors.Is(err, store.ErrFenced) && !errors.Is(err, telemetry.ErrClosed) {
		return err
	}
	return nil // that another node has the data was said
}

// telemetryRecord is how telling fares.
type telemetryRecord struct {
	head
	Enabled  bool   `json:"enabled"`
	Pending  int    `json:"pending"`  // events that were not uploaded
	Dropped  uint64 `json:"dropped"`  // events that were given up to make room
	Rejected uint64 `json:"rejected"` // events that the collector did not take
	Uploads  uint64 `json:"uploads"`  // since the start
	Failures int    `json:"failures"` // since the last upload that did not fail
	Error    string `json:"error"`    // of the last one
}

func (r *telemetryRecord) text() string {
	if !r.Enabled {
		return "nothing is recorded or sent"
	}
	text := fmt.Sprintf("%s since the start; %s to be sent, %d dropped, %d rejected", plural(int(r.Uploads), "upload", "uploads"),
		plural(r.Pending, "event", "events"), r.Dropped, r.Rejected)
	if r.Error != "" {
		text += "; " + plural(r.Failures, "failure", "failures") + " since: " + clean(r.Error)
	}
	return text
}

// telling tells how telling fares.
func (m *member) telling(ctx context.Context) error {
	r := &telemetryRecord{head: headOf("telemetry", time.Now())}
	if m.telemetry != nil {
		s, err := m.telemetry.Stats(ctx)
		if err != nil {
			return err
		}
		r.Enabled, r.Pending, r.Dropped, r.Rejected, r.Uploads, r.Failures = s.Enabled, s.Pending, s.Dropped, s.Rejected, s.Uploads, s.Failures
		if s.LastError != nil {
			r.Error = s.LastError.Error()
		}
	}
	m.out.tell(r)
	return nil
}
