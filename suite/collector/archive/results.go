package archive

import (
	"context"
	"encoding/json"
)

// Results keeps what was worked out.
type Results interface {
	// Dirty lists the buckets that have to be worked out again, and, with channel 0, the
	// days that have to be added up again: those of changed buckets, and of records of
	// the old service's clients.
	Dirty(ctx context.Context) ([]Mark, error)
	// Revise keeps a bucket and takes its marks away. The revision grows by one unless
	// everything is as it was.
	Revise(ctx context.Context, r Revision) (Revised, error)
	// Buckets lists those of a window of days, with or without their tallies; of one
	// channel if that is not 0.
	Buckets(ctx context.Context, first, last Day, channel int64, tallies bool) ([]BucketRow, error)
	// Revisions tells how a bucket changed.
	Revisions(ctx context.Context, b Bucket) ([]RevisionRow, error)

	// SaveDay keeps what was worked out of a day and takes its marks away. The revision
	// grows by one unless it is as it was.
	SaveDay(ctx context.Context, d DayRow) error
	// DayRevisions returns those of the days of a window that there are.
	DayRevisions(ctx context.Context, first, last Day) (map[Day]int64, error)
	// Days returns those of a window.
	Days(ctx context.Context, first, last Day) ([]DayRow, error)

	// Messages lists messages, those first that the most members lack.
	Messages(ctx context.Context, q MessageQuery) ([]MessageRow, error)
	// Message finds one by its name, and by its channel if that is not 0.
	Message(ctx context.Context, channel int64, name string) (MessageRow, bool, error)
	// Phantoms lists those of a window of days.
	Phantoms(ctx context.Context, first, last Day, limit int) ([]PhantomRow, error)

	// SaveIncidents replaces the incidents that began from from to before to by those
	// of a list that did.
	SaveIncidents(ctx context.Context, from, to int64, list []IncidentRow) error
	// Incidents returns those of a window, at most limit, the latest.
	Incidents(ctx context.Context, from, to int64, limit int) ([]IncidentRow, error)

	// SaveNote keeps a text under a name, Note returns it, "" if there is none.
	SaveNote(ctx context.Context, name, body string) error
	Note(ctx context.Context, name string) (string, error)
	// Settle returns what is kept under a name, and keeps body there if nothing is:
	// all collectors get the same.
	Settle(ctx context.Context, name, body string) (string, error)
}

// Mark is a bucket that something has changed in.
type Mark struct {
	Bucket
	Since int64 // when the first change came
	UpTo  int64 // the last mark of it
}

// OfDay tells whether a mark is that of a day, and not of a channel's.
func (m *Mark) OfDay() bool { return m.Channel == 0 }

// dayMark is what the mark of a day is of.
func dayMark(d Day) Bucket { return Bucket{Day: d} }

// Revision is a bucket that was worked out.
type Revision struct {
	Bucket
	At          int64 // when
	UpTo        int64 // the marks that this has seen
	Provisional bool
	Tallies     []byte
	Figures     Figures
	Messages    []MessageRow
	Phantoms    []PhantomRow
}

// Figures are those that a revision is told by: delivered within 60 s.
type Figures struct {
	Cells float64 `json:"cells"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Revised is what became of a bucket.
type Revised struct {
	Revision int64
	Changed  bool
}

// BucketRow is a bucket as it is.
type BucketRow struct {
	Bucket
	Figures
	Revision    int64 `json:"revision"`
	Provisional bool  `json:"provisional"`
	At          int64 `json:"at"`
	// Late is how often it was revised after it was final.
	Late    int64  `json:"late"`
	Tallies []byte `json:"-"`
}

// RevisionRow is a bucket as it once was.
type RevisionRow struct {
	Revision int64 `json:"revision"`
	At       int64 `json:"at"`
	Figures
	Provisional bool `json:"provisional"`
}

// DayRow is a day of all channels.
type DayRow struct {
	Day         Day             `json:"day"`
	UpTo        int64           `json:"-"` // the marks that SaveDay takes away
	At          int64           `json:"at"`
	Revision    int64           `json:"revision"`
	Provisional bool            `json:"provisional"`
	Tallies     []byte          `json:"-"`
	Estimates   json.RawMessage `json:"estimates"` // as estimate.Estimate writes itself
	Trust       json.RawMessage `json:"trust"`
	Legacy      json.RawMessage `json:"legacy"`
}

// MessageQuery asks for messages.
type MessageQuery struct {
	First, Last Day
	Channel     int64 // 0 is all
	Limit       int
}

// MessageRow is one message with how many members got it: within a minute, and
// within a day.
type MessageRow struct {
	Bucket   `json:"-"`
	Message  string `json:"message"`
	At       int64  `json:"at"`
	Author   string `json:"author"`
	Left     bool   `json:"left"`
	Handed   bool   `json:"handed"`
	Attempts int    `json:"attempts"`
	Acked    int64  `json:"acked"`  // milliseconds after At, −1 if not
	Minute   [4]int `json:"minute"` // delivered, lost, censored, undecodable
	Day24    [4]int `json:"within24h"`
	// Without are some of the members who have not got it, with the outcome.
	Without []Lacking `json:"without,omitempty"`
}

// Lacking is a member without a message.
type Lacking struct {
	Member  string `json:"member"`
	Outcome string `json:"outcome"`
}

// PhantomRow is a message that others name and nobody reported.
type PhantomRow struct {
	Bucket  `json:"-"`
	Message string `json:"message"`
	Author  string `json:"author"`
	Noticed int64  `json:"noticed"`
	By      int    `json:"by"`
	Counted bool   `json:"counted"`
}

// IncidentRow is an outage.
type IncidentRow struct {
	From, To int64
	Open     bool
	Scope    string
	Name     string
	Body     json.RawMessage // as estimate.Incident writes itself
}
