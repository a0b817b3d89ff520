package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/telemetry/report"
)

// ErrOptions: an option is missing or out of range. The text names it.
var ErrOptions = errors.New("invalid option")

// Journal is where the evidence is kept: a store.Store of any sort has these
// methods. A node's own store is the right one, since only there events are
// written with what they witness.
type Journal interface {
	Value(ctx context.Context, key string) ([]byte, error)
	Journal(ctx context.Context, name string, after uint64, limit int) ([]store.Entry, error)
	Write(ctx context.Context, f func(store.Tx) error) error
}

// Options are what a Telemetry is made of. Journal is required; without a
// Collector nothing is ever sent.
type Options struct {
	Journal Journal
	// Collector is the address below which uploads are posted, to /v1/uploads. It
	// must be https, unless its host is a loopback address.
	Collector string
	// Key is what the collector knows the application by, if it asks for one.
	Key string
	// Client sends. Default: one of its own.
	Client *http.Client
	// Device is what uploads say about this installation; its Consent is set from
	// below. Default for Platform and Mode: other and relay.
	Device report.Device
	// Consent is the version, from 1, of the text that the user has agreed to. 0
	// means that nobody has: nothing is recorded and nothing is sent until Enable.
	Consent int
	// MaxEvents and MaxBytes bound the journal. Defaults 100,000 and 16 MiB.
	MaxEvents int
	MaxBytes  int64
	// RotateAfter is how old the install's pseudonym gets. At least MinRotate: what
	// comes late must still meet what came before. Default 90 days.
	RotateAfter time.Duration
	// Clock tells the time of day; timers don't use it. Default: time.Now.
	Clock func() time.Time
	// Seed is where the jitter of uploads comes from. Default: random.
	Seed uint64
	// Log receives what an operator should know. Default: nothing.
	Log *slog.Logger
}

// MinRotate is the least of Options.RotateAfter: the horizon after which a bucket
// of a collector is final.
const MinRotate = 30 * 24 * time.Hour

// The times of the journal.
const (
	flushAfter = time.Second      // from an event to its being durable
	retryFlush = 5 * time.Second  // after the store failed
	writeLimit = 30 * time.Second // for one transaction
	maxBuffer  = 10_000           // events that wait for the store
	// A change of presence that does not last is none.
	hold = 3 * time.Second
	// maxSetBack is how far the clock may be set back without notice.
	maxSetBack = 10 * time.Second
)

// The times of uploads.
const (
	beatForeground = time.Minute
	beatBackground = 5 * time.Minute
	beatMetered    = 30 * time.Minute
	soon           = 2 * time.Second // after a change that should be seen while it lasts
	minBackOff     = 5 * time.Second
	maxBackOff     = time.Hour
	maxRetryAfter  = 24 * time.Hour
	requestLimit   = time.Minute
	closeLimit     = 5 * time.Second // without a deadline of the host's
)

// The sizes of uploads.
const (
	maxUploadEvents = 500
	maxUploadBytes  = 256_000
	maxReply        = 1 << 20
	// maxTries is how often an event is refused "for now" before it is given up.
	maxTries = 12
)

func (o Options) withDefaults() (Options, error) {
	bad := func(format string, args ...any) (Options, error) {
		return o, fmt.Errorf("telemetry: %w: %s", ErrOptions, fmt.Sprintf(format, args...))
	}
	if o.Journal == nil {
		return bad("Journal is required")
	}
	if o.Consent < 0 || o.MaxEvents < 0 || o.MaxBytes < 0 {
		return bad("Consent, MaxEvents and MaxBytes must not be negative")
	}
	if o.RotateAfter == 0 {
		o.RotateAfter = 90 * 24 * time.Hour
	}
	if o.RotateAfter < MinRotate {
		return bad("RotateAfter is %v, must be at least %v", o.RotateAfter, MinRotate)
	}
	var err error
	if o.Collector, err = uploadURL(o.Collector); err != nil {
		return bad("Collector: %v", err)
	}
	if o.MaxEvents == 0 {
		o.MaxEvents = 100_000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 16 << 20
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Seed == 0 {
		var b [8]byte
		rand.Read(b[:])
		o.Seed = binary.LittleEndian.Uint64(b[:])
	}
	o.Device, err = cleanDevice(o.Device)
	if err != nil {
		return bad("%v", err)
	}
	return o, nil
}

// maxWord bounds the words that describe a device.
const maxWord = 64

func cleanDevice(d report.Device) (report.Device, error) {
	if d.Platform == "" {
		d.Platform = report.Other
	}
	if d.Mode == "" {
		d.Mode = report.Relay
	}
	if d.Protocol == "" {
		d.Protocol = "none"
	}
	if !d.Platform.Known() {
		return d, fmt.Errorf("%s is %q", "Device.Platform", d.Platform)
	}
	if d.Mode != report.Relay && d.Mode != report.Light {
		return d, fmt.Errorf("%s is %q", "Device.Mode", d.Mode)
	}
	for name, s := range map[string]string{"App": d.App, "Protocol": d.Protocol, "ProtocolVersion": d.ProtocolVersion} {
		if len(s) > maxWord {
			return d, fmt.Errorf("%s has %d bytes, at most %d", "Device."+name, len(s), maxWord)
		}
		if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) { // collectors take nothing else
			return d, fmt.Errorf("%s is %q, must be printable ASCII", "Device."+name, s)
		}
	}
	return d, nil
}

// CheckCollector returns what is wrong with an address for Options.Collector.
func CheckCollector(address string) error {
	_, err := uploadURL(address)
	return err
}

// uploadURL returns where uploads are posted.
func uploadURL(collector string) (string, error) {
	if collector == "" {
		return "", nil
	}
	u, err := url.Parse(collector)
	if err != nil {
		return "", err
	}
	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) || u.Host == "" || u.User != nil {
		return "", fmt.Errorf("%q is neither https nor http on this machine", u.Redacted())
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/v1/uploads"
	u.RawQuery, u.Fragment = "", ""
	return u.String(), nil
}
