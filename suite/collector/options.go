package collector

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
)

// Options are what a Service is made of. Archive is required.
type Options struct {
	Archive archive.Archive
	// Token, if it is set, has to come with every upload ("Authorization: Bearer …").
	// Otherwise each installation may choose a key, which it then has to show each time.
	Token string
	// Password, if it is set, has to come with everything that reads, as that of HTTP
	// Basic, with any user name.
	Password string
	// TrustProxy: the last address in X-Forwarded-For is the client's. Only behind a
	// proxy that sets it.
	TrustProxy bool
	// Limits bound what clients may ask for.
	Limits Limits
	// Keep is how long things are kept. Default: raw 30 days, cells 90 days.
	Keep archive.Retention
	// Every is how often a bucket of today is estimated, at most. Default 10 s.
	Every time.Duration
	// Pause is how long the estimator rests in between, and at least as long as it
	// worked. Default 1 s.
	Pause time.Duration
	// Patience is how long no collector may give a sign of life before that is a gap.
	// Default 30 s.
	Patience time.Duration
	// Beat is how often it gives one. Default Patience/3.
	Beat time.Duration
	// Now tells the time of day. Default time.Now. Timers don't use it, Speed says how
	// much faster it runs than they do. Default 1.
	Now   func() time.Time
	Speed float64
	// Note is shown on every page, to say that this is a demonstration, for example.
	Note string
	// Truth is for demonstrations: the share of the cells of an hour that was delivered
	// within 60 s, of all members or of those who report. The page draws it beside the
	// bounds. It is called from several goroutines.
	Truth func(hour int64, everyone bool) (share float64, known bool)
	// Log receives what an operator should know. Default: nothing.
	Log *slog.Logger
}

// Limits bound what clients may ask for. Where one is 0, the default counts.
type Limits struct {
	// Body is the greatest upload in bytes, before and after decompression. Default
	// 1 MiB. OldBody is that of the old service's clients, who send all they could not
	// send before. Default 8 MiB.
	Body, OldBody int64
	// Events is the greatest number of events in an upload. Default 1000.
	Events int
	// PerAddress and BurstAddress are requests per second of one address (IPv4, or
	// IPv6 network of 64 bits). Default 50 and 500. Members behind one NAT share one.
	PerAddress   float64
	BurstAddress int
	// PerInstall and BurstInstall are events per second of one installation; an upload
	// counts like ten more. Default 100 and 20,000.
	PerInstall   float64
	BurstInstall int
	// Buffer is how many bytes of requests are read at the same time. Default 64 MiB.
	Buffer int64
	// Parallel is how many uploads are decoded at the same time. Default 16. As many
	// more as Waiting, default 1024, wait for their turn.
	Parallel, Waiting int
	// Queue is how many uploads wait for the archive. Default 256.
	Queue int
}

func (o Options) withDefaults() (Options, error) {
	if o.Archive == nil {
		return o, errors.New("collector: Archive is required")
	}
	if o.Every < 0 || o.Pause < 0 || o.Patience < 0 || o.Beat < 0 || o.Keep.Raw < 0 || o.Keep.Cells < 0 || o.Speed < 0 {
		return o, fmt.Errorf("collector: Every, Pause, Patience, Beat, Keep and Speed must not be negative")
	}
	if o.Keep == (archive.Retention{}) {
		o.Keep = archive.Retention{Raw: 30 * 24 * time.Hour, Cells: 90 * 24 * time.Hour}
	}
	if o.Keep.Raw > 0 && o.Keep.Raw < 3*24*time.Hour {
		return o, fmt.Errorf("collector: Keep.Raw is %v, must be at least 72h: a day is estimated from what came two days later", o.Keep.Raw)
	}
	def(&o.Every, 10*time.Second)
	def(&o.Pause, time.Second)
	def(&o.Patience, 30*time.Second)
	def(&o.Beat, o.Patience/3)
	def(&o.Speed, 1)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &o.Limits
	def(&l.Body, 1<<20)
	def(&l.OldBody, 8<<20)
	def(&l.Events, 1000)
	def(&l.PerAddress, 50)
	def(&l.BurstAddress, 500)
	def(&l.PerInstall, 100)
	def(&l.BurstInstall, 20_000)
	def(&l.Buffer, 64<<20)
	def(&l.Parallel, 16)
	def(&l.Waiting, 1024)
	def(&l.Queue, 256)
	return o, nil
}

func def[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}
