package collector

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/causeway-im/causeway/suite/collector/archive"
	"github.com/causeway-im/causeway/telemetry/estimate"
)

//go:embed openapi.json
var openAPI []byte

// routes says who answers what. Reading is limited by address, like writing.
func (s *Service) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h http.Handler) {
		mux.Handle(pattern, h)
		s.patterns = append(s.patterns, pattern)
	}
	handle("POST /v1/uploads", http.HandlerFunc(s.upload))
	handle("POST /record-metrics", http.HandlerFunc(s.records))
	mux.HandleFunc("POST /record-metrics/{$}", s.records)
	handle("GET /health", http.HandlerFunc(s.health))
	handle("GET /metrics", s.reading(s.meters.handler()))
	query := func(path string, f func(context.Context, *params) (any, error)) {
		handle("GET /v1/"+path, s.reading(s.query(f)))
	}
	query("estimates", s.estimates)
	query("series", s.series)
	query("compare", s.compare)
	query("incidents", s.incidentList)
	query("gaps", s.gapList)
	query("live", s.liveState)
	query("days", s.dayList)
	query("channels", s.channelList)
	query("buckets", s.bucketList)
	query("revisions", s.revisionList)
	query("messages", s.messageList)
	query("messages/{message}", s.messageDetail)
	query("phantoms", s.phantomList)
	handle("GET /v1/openapi.json", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(openAPI)
	}))
	s.pages(mux)
	return mux
}

// reading limits and guards what reads.
func (s *Service) reading(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var f *failure
		if err := s.admit(r); errors.As(err, &f) {
			f.write(w)
			return
		}
		if !s.mayRead(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="telemetry"`)
			fail(http.StatusUnauthorized, "reading wants a password").write(w)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// queryLimit is how long a query may take.
const queryLimit = 20 * time.Second

func (s *Service) query(f func(context.Context, *params) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), queryLimit)
		defer cancel()
		p := &params{r: r, now: s.opts.Now()}
		answer, err := f(ctx, p)
		var bad *failure
		switch {
		case p.err != nil:
			p.err.write(w)
		case errors.As(err, &bad):
			bad.write(w)
		case err != nil:
			s.opts.Log.Error("collector: query", "path", r.URL.Path, "error", err)
			later(http.StatusServiceUnavailable, 5*time.Second, "the archive can't be read").write(w)
		default:
			writeJSON(w, http.StatusOK, answer)
		}
	})
}

// params reads the parameters of a query, and remembers the first that is wrong.
type params struct {
	r   *http.Request
	now time.Time
	err *failure
}

func (p *params) wrong(field, must string) {
	if p.err == nil {
		p.err = &failure{Status: http.StatusBadRequest, Err: field + " must be " + must, Field: field}
	}
}

func (p *params) text(name string) string { return p.r.URL.Query().Get(name) }

// number reads a whole number.
func (p *params) number(name string, standard, least, most int64) int64 {
	text := p.text(name)
	if text == "" {
		return standard
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		p.wrong(name, "a whole number from "+strconv.FormatInt(least, 10)+" to "+strconv.FormatInt(most, 10))
		return standard
	}
	return n
}

// oneOf reads one of a few words; the first is the standard.
func oneOf[T ~string](p *params, name string, words ...T) T {
	text := T(p.text(name))
	if text == "" {
		return words[0]
	}
	list := make([]string, len(words))
	for i, w := range words {
		if text == w {
			return w
		}
		list[i] = string(w)
	}
	p.wrong(name, "one of "+strings.Join(list, ", "))
	return words[0]
}

// days reads a range of days: from, to. Standard: today.
func (p *params) days() (first, last archive.Day) {
	today := archive.DayOf(p.now.UnixMilli())
	first, last = p.day("from", today), p.day("to", today)
	if p.text("to") == "" && first > last {
		last = first
	}
	if first > last || last-first >= maxRange {
		p.wrong("to", "from or later, at most a year")
	}
	return first, last
}

func (p *params) day(name string, standard archive.Day) archive.Day {
	text := p.text(name)
	if text == "" {
		return standard
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil || at.Year() < 1970 || at.Year() > 9999 {
		p.wrong(name, "a day such as 2026-07-01")
		return standard
	}
	return archive.DayOf(at.UnixMilli())
}

func (p *params) measure() estimate.Measure {
	text := p.text("measure")
	if text == "" {
		return estimate.Within60s
	}
	var m estimate.Measure
	if m.UnmarshalText([]byte(text)) != nil {
		p.wrong("measure", "one of 10s, 60s, 24h, online10s, online60s, eventually")
	}
	return m
}

// dimensions that can be asked for.
var dimensions = []estimate.Dimension{estimate.Everything, estimate.ByTopic, estimate.ByChannel, estimate.ByShard, estimate.ByChannelSize,
	estimate.ByForm, estimate.ByPlatform, estimate.ByMode, estimate.ByApp, estimate.ByProtocol}
