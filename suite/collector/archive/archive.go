package archive

import (
	"context"
	"errors"
	"time"

	"github.com/causeway-im/causeway/telemetry/report"
)

// ErrKey: an installation that has shown a key before must show the same one.
var ErrKey = errors.New("another key than that of the installation")

// ErrHoles: a journal has so many holes that it can't be kept track of.
var ErrHoles = errors.New("the journal has more than 10,000 holes")

// MaxRanges is how many ranges of numbers are kept of one journal.
const MaxRanges = 10_000

// Archive is what a collector remembers. All methods are safe for concurrent use, by
// several processes, too, and each is one transaction: it happens as a whole, and
// what it changed survives kill -9 and loss of power when it has returned. Times are
// Unix milliseconds of the collectors' clocks.
type Archive interface {
	Intake
	Facts
	Results
	Service

	// Retain deletes what is older than it has to be kept.
	Retain(ctx context.Context, now int64, keep Retention) (Removed, error)
	// Close ends everything. What has returned is durable already.
	Close() error
}

// Intake takes what devices tell.
type Intake interface {
	// Take takes uploads that were checked, all of them or none: an error is about
	// the archive, while what is wrong with one upload is in its Taken. An event of an
	// installation, epoch and number that is here already is left out.
	Take(ctx context.Context, uploads []Arrival) ([]Taken, error)
	// TakeOld takes records of the old service's clients. One that is here already is
	// left out.
	TakeOld(ctx context.Context, records []OldRecord) error
}

// Arrival is an upload that has arrived.
type Arrival struct {
	Upload *report.Upload
	// Rejected are numbers of the upload that it no longer has the events of, since
	// they are rejected for good.
	Rejected []uint64
	// At is when it arrived.
	At int64
	// Key is a hash of the key that came with it, or "".
	Key string
}

// Taken is what became of an arrival.
type Taken struct {
	// Acknowledged: all numbers of the journal up to this one are here, given up by
	// the device, or rejected; counted from the first number that the journal ever
	// showed here.
	Acknowledged uint64
	// New is the number of events that were not here before.
	New int
	// Err is ErrKey or ErrHoles: then nothing of the upload was taken.
	Err error
}

// OldRecord is one record of a client of the old service. Who and Chat are
// pseudonyms that the collector made.
type OldRecord struct {
	At       int64  // arrival
	Type     string // telemetry_type
	Who      string
	Chat     string
	Message  string // hash
	Topic    string
	Pubsub   string
	Sent     int64 // the time in it, in milliseconds
	Platform string
	App      string
	Kind     string // message type
	Failed   bool   // an error or a negative answer
}

// Sink takes facts: an *estimate.Facts is one.
type Sink interface {
	Add(u *report.Upload, arrived int64) error
	Held(install string, epoch uint64, r report.Range)
	Gap(from, to int64)
}

// RowSink is a Sink that also wants to know when each event arrived, and of whom; 0
// for events of presence and membership.
type RowSink interface {
	Sink
	Row(install string, arrived int64, e *report.Event)
}

// Bucket is a channel's day.
type Bucket struct {
	Channel int64
	Day     Day
}

// Channel is one of those that devices told of.
type Channel struct {
	ID        int64  `json:"-"`
	Name      string `json:"channel"` // pseudonym
	Community string `json:"community"`
	Topic     string `json:"topic"`
	Pubsub    string `json:"pubsub"`
}

// Facts gives back what was told.
type Facts interface {
	// Load feeds everything that has to do with the messages of a bucket.
	Load(ctx context.Context, b Bucket, to Sink) error
	// LoadDevices feeds what all devices say of the days from first to last, without
	// events about messages; but with composed messages if they are wanted.
	LoadDevices(ctx context.Context, first, last Day, composed bool, to Sink) error
	// Events returns what devices witnessed of one message, in order of time, at most
	// limit.
	Events(ctx context.Context, b Bucket, message string, limit int) ([]Witnessed, error)
	// Old returns the records of the old service's clients that were sent on a day.
	Old(ctx context.Context, d Day) ([]OldRecord, error)
	// Channels lists the channels by their ids.
	Channels(ctx context.Context) (map[int64]Channel, error)
	// Active lists the buckets of a day's channels that have members: those whose
	// installations were seen since.
	Active(ctx context.Context, d Day, since int64) ([]Bucket, error)
}

// Witnessed is an event and whose it is.
type Witnessed struct {
	Install string `json:"install"`
	Epoch   uint64 `json:"epoch"`
	report.Event
}

// Service is what collectors know of themselves.
type Service interface {
	// Alive says that a collector is there. If none was for longer than patience, it
	// records a gap, marks what that changes, and returns it.
	Alive(ctx context.Context, now int64, patience time.Duration) (*report.Span, error)
	// Gaps are the times without a collector, of a window.
	Gaps(ctx context.Context, from, to int64) ([]report.Span, error)
	// Lead makes a collector the one that estimates, until some moment, unless another
	// one is.
	Lead(ctx context.Context, collector string, now, until int64) (bool, error)
	// Ping tells whether the archive can be used.
	Ping(ctx context.Context) error
}

// Retention is how long things are kept; 0 for ever.
type Retention struct {
	Raw   time.Duration // events, claims, presence, records of the old service
	Cells time.Duration // buckets, messages, phantoms, installations that are gone
}

// Removed is how many rows went.
type Removed struct {
	Raw   int64
	Cells int64
}
