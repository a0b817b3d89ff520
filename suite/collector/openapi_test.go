package collector_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/causeway-im/causeway/suite/collector"
	"github.com/causeway-im/causeway/telemetry/report"
)

// described checks the answers of services against the description of the API, and
// remembers what it has seen.
type described struct {
	t        *testing.T
	doc      api
	compiler *jsonschema.Compiler
	seen     map[string]bool // method, path and status
}

// api is what is read of the description: of each path and method.
type api struct {
	OpenAPI string
	Paths   map[string]map[string]operation
}

type operation struct {
	Parameters []parameter
	Responses  map[string]response
}

type parameter struct {
	Name, In string
	Required bool
	Schema   struct {
		Format, Type     string
		Enum             []string
		Minimum, Maximum int
	}
}

type response struct {
	Headers map[string]any
	Content map[string]any
}

func describe(t *testing.T, r *running) *described {
	t.Helper()
	d := &described{t: t, compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	a := r.get("/v1/openapi.json")
	a.into(t, &d.doc)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(a.body))
	check(t, err)
	check(t, d.compiler.AddResource("openapi.json", doc))
	d.valid("/v1/openapi.json", "get", 200, a)
	return d
}

// ask asks a service for a path of the description, whose parameters in braces are
// given in path, and checks the answer.
func (d *described) ask(r *running, template, path string, status int) answer {
	d.t.Helper()
	a := r.get(path)
	if a.status == status {
		d.valid(template, "get", status, a)
	} else {
		d.t.Errorf("%s: %d %s, want %d", path, a.status, a.body, status)
	}
	return a
}

// valid checks an answer: its status and type are described, its shape is as described,
// and it has the headers that are.
func (d *described) valid(template, method string, status int, a answer) {
	d.t.Helper()
	name := fmt.Sprintf("%s %s %d", method, template, status)
	r, known := d.doc.Paths[template][method].Responses[fmt.Sprint(status)]
	if !known || a.status != status {
		d.t.Errorf("%s: %d %s, described: %v", name, a.status, a.body, known)
		return
	}
	d.seen[name] = true
	for header := range r.Headers {
		if a.header.Get(header) == "" {
			d.t.Errorf("%s: there is no %s", name, header)
		}
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if _, known := r.Content[kind]; !known {
		d.t.Errorf("%s: %s is not described", name, kind)
		return
	}
	at := fmt.Sprintf("openapi.json#/paths/%s/%s/responses/%d/content/%s/schema", pointer(template), method, status, pointer(kind))
	schema, err := d.compiler.Compile(at)
	check(d.t, err)
	var body any = a.body
	if kind == "application/json" {
		body, err = jsonschema.UnmarshalJSON(strings.NewReader(a.body))
		check(d.t, err)
	}
	if err := schema.Validate(body); err != nil {
		d.t.Errorf("%s: %v", name, err)
	}
}

// pointer writes a part of a JSON pointer in a URL.
func pointer(part string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(part)
}

// reading are the paths of the description that read, with a path to ask for each.
func (d *described) reading() map[string]string {
	out := map[string]string{}
	for path := range d.doc.Paths {
		if path == "/metrics" || strings.HasPrefix(path, "/v1/") && path != "/v1/uploads" && path != "/v1/openapi.json" {
			out[path] = strings.NewReplacer("{message}", "green-message-0003", "/v1/revisions", "/v1/revisions?channel=green",
				"/v1/compare", "/v1/compare?a=causeway+1&b=sds+1").Replace(path)
		}
	}
	return out
}

// storied is a service that has everything there can be on 1 July: two towns, two
// protocols, phantoms, an outage, old records, and a gap.
func storied(t *testing.T) (*running, *report.Upload) {
	t.Helper()
	r := start(t, roomy)
	for _, name := range []string{"green", "black"} {
		w := newTown(name, 6, noon, noon+2*hour)
		w.loss = 0.2
		w.dev = func(i int) report.Device {
			d := newDevice("x", 0).dev
			if i%2 == 1 {
				d.Protocol, d.Platform = "sds", report.Android
			}
			return d
		}
		r.feed(w.play())
	}
	ghost := newDevice("ghost", noon)
	ghost.add(in("green", report.Event{At: noon, Kind: report.Membership, Member: "ghost", Joined: true, Audience: 7}))
	ghost.add(in("green", report.Event{At: noon + minute, Kind: report.Missing, Message: "phantom-1", Member: "green-member-00"}))
	ghost.add(in("green", report.Event{At: noon + minute, Kind: report.Missing, Message: "phantom-2", Member: "green-member-00"}))
	u := ghost.upload(noon + 2*minute)
	r.upload(u)
	r.clock.set(noon + 2*hour + 20*minute)
	eventually(t, "there are messages, phantoms and incidents", func() bool {
		return strings.Contains(r.get("/v1/messages?"+calm).body, `"message":"green`) && strings.Contains(r.get("/v1/phantoms?"+calm).body, "phantom-2") &&
			strings.Contains(r.get("/v1/incidents?"+calm).body, `"scope"`) && strings.Contains(r.get("/v1/live").body, `"timeline":[{`) && len(r.estimates(calm)) == 1
	})
	return r, u
}

// TestOpenAPI: the description says what the service does: every path, method,
// parameter and status, and the shape of every answer, with nothing missing and
// nothing more.
func TestOpenAPI(t *testing.T) {
	r, u := storied(t)
	d := describe(t, r)
	if d.doc.OpenAPI != "3.1.0" {
		t.Errorf("version %v", d.doc.OpenAPI)
	}
	var paths []string
	for path, methods := range d.doc.Paths {
		for method := range methods {
			paths = append(paths, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(paths)
	if served := slices.Sorted(slices.Values(r.Patterns())); !slices.Equal(paths, served) {
		t.Errorf("described\n%s\nserved\n%s", strings.Join(paths, "\n"), strings.Join(served, "\n"))
	}
	d.answers(r)
	d.parameters(r)
	d.uploads(r, u)
	d.refusals()
	for path, methods := range d.doc.Paths {
		for method, o := range methods {
			for status := range o.Responses {
				if name := method + " " + path + " " + status; !d.seen[name] {
					t.Errorf("%s is described, and never happened", name)
				}
			}
		}
	}
}

// answers asks for everything.
func (d *described) answers(r *running) {
	for path, ask := range d.reading() {
		sign := "?"
		if strings.Contains(ask, "?") {
			sign = "&"
		}
		d.ask(r, path, ask+sign+calm, 200)
	}
	d.ask(r, "/health", "/health", 200)
	for _, by := range []string{"all", "topic", "channel", "shard", "size", "form", "platform", "mode", "app", "protocol"} {
		d.ask(r, "/v1/estimates", "/v1/estimates?curves=yes&by="+by+"&"+calm, 200)
	}
	d.ask(r, "/v1/compare", "/v1/compare?"+calm+"&a=causeway+1&b=nothing", 404)
	d.ask(r, "/v1/messages/{message}", "/v1/messages/nothing", 404)
	for _, path := range []string{"buckets", "messages", "revisions"} {
		d.ask(r, "/v1/"+path, "/v1/"+path+"?channel=nothing", 404)
	}
	r.clock.set(noon + 2*hour + 21*minute)
}

// others are values of parameters that make another answer.
var others = map[string]string{"from": "2026-06-20", "to": "2026-07-02", "day": "2026-06-20", "by": "topic", "curves": "yes", "measure": "24h", "step": "day",
	"row": "everyone", "limit": "1", "channel": "black", "a": "mixed", "b": "mixed"}

// parameters: each that is described makes a difference, is refused by name where its
// value is not one of those described, and no other is read.
func (d *described) parameters(r *running) {
	told := map[string]bool{}
	moment := regexp.MustCompile(`"now":\d+`)
	for path, ask := range d.reading() {
		for _, p := range d.doc.Paths[path]["get"].Parameters {
			if p.In == "path" {
				continue
			}
			told[p.Name] = true
			without, with := r.withQuery(ask, calm, ""), r.withQuery(ask, calm, p.Name+"="+others[p.Name])
			if moment.ReplaceAllString(without.body, "") == moment.ReplaceAllString(with.body, "") {
				d.t.Errorf("%s: %s makes no difference", path, p.Name)
			}
			wrong := ""
			switch {
			case p.Schema.Format == "date":
				wrong = "yesterday"
			case len(p.Schema.Enum) > 0:
				wrong = "weather"
			case p.Schema.Type == "integer":
				wrong = fmt.Sprint(p.Schema.Maximum + 1)
			}
			if wrong != "" {
				d.refused(r.withQuery(ask, calm, p.Name+"="+wrong), path, p.Name)
			}
			for _, good := range p.Schema.Enum {
				if a := r.withQuery(ask, calm, p.Name+"="+good); a.status != 200 && a.status != 404 {
					d.t.Errorf("%s: %s=%s: %d", path, p.Name, good, a.status)
				}
			}
		}
	}
	d.refused(r.get("/v1/revisions"), "/v1/revisions", "channel")
	d.refused(r.get("/v1/estimates?from=2026-07-02&to=2026-07-01"), "/v1/estimates", "to")
	d.refused(r.get("/v1/estimates?from=2020-01-01&to=2026-07-01"), "/v1/estimates", "to")
	if read := parametersRead(d.t); !maps.Equal(told, read) {
		d.t.Errorf("described are %v, read %v", told, read)
	}
}

// withQuery asks for a path with a query that was changed.
func (r *running) withQuery(path, query, change string) answer {
	r.t.Helper()
	path, own, _ := strings.Cut(path, "?")
	name, _, _ := strings.Cut(change, "=")
	parts := []string{change}
	for _, p := range strings.Split(own+"&"+query, "&") {
		if !strings.HasPrefix(p, name+"=") || change == "" {
			parts = append(parts, p)
		}
	}
	return r.get(path + "?" + strings.Join(parts, "&"))
}

// refused: what is wrong is told by name.
func (d *described) refused(a answer, path, field string) {
	d.t.Helper()
	d.valid(path, "get", 400, a)
	var f struct{ Field string }
	check(d.t, json.Unmarshal([]byte(a.body), &f))
	if f.Field != field {
		d.t.Errorf("%s: %s, want the field %s", path, a.body, field)
	}
}

// parametersRead are those that the code asks for, but for that of the page.
func parametersRead(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	check(t, err)
	out := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		check(t, err)
		for _, m := range regexp.MustCompile(`(?:p\.(?:text|number|day)\(|oneOf\(p, )"([a-z]+)"`).FindAllStringSubmatch(string(text), -1) {
			out[m[1]] = true
		}
	}
	delete(out, "refresh")
	return out
}

// uploads: what comes in, and what is wrong with it.
func (d *described) uploads(r *running, u *report.Upload) {
	schema, err := d.compiler.Compile("openapi.json#/components/schemas/Upload")
	check(d.t, err)
	body, err := jsonschema.UnmarshalJSON(strings.NewReader(text(u)))
	check(d.t, err)
	check(d.t, schema.Validate(body))
	const path = "/v1/uploads"
	d.valid(path, "post", 200, r.post(path, text(u)))
	rejected := *u
	rejected.Epoch, rejected.First, rejected.Last = 2, 1, 1
	rejected.Events = []report.Event{{Seq: 1, At: noon, Kind: "weather"}}
	d.valid(path, "post", 200, r.post(path, text(rejected)))
	d.valid(path, "post", 400, r.post(path, `{"schema":`))
	d.valid(path, "post", 401, r.post(path, text(u), "Authorization", "Basic eDp5"))
	// Small enough to be written to its end, whenever it is refused.
	strict := start(d.t, func(o *collector.Options) { o.Limits.Body = 1000 })
	d.valid(path, "post", 413, strict.post(path, `"`+strings.Repeat("x", 1000)+`"`))
	d.valid(path, "post", 415, r.post(path, text(u), "Content-Type", "text/plain"))
	d.valid(path, "post", 422, r.post(path, `{"schema":9}`))
	locked := newDevice("locked", noon)
	d.valid(path, "post", 200, r.post(path, text(locked.upload(noon+minute)), "Authorization", "Bearer mine"))
	d.valid(path, "post", 403, r.post(path, text(locked.upload(noon+2*minute)), "Authorization", "Bearer other"))

	const old = "/record-metrics"
	d.valid(old, "post", 201, r.post(old, oldBatch(noon)))
	d.valid(old, "post", 201, r.post(old, `[{"id":1,"telemetry_type":"SentEnvelope"}]`))
	d.valid(old, "post", 400, r.post(old, `{}`))
	d.valid(old, "post", 413, r.post(old, "["+strings.Repeat("{},", 20_000)+"{}]"))
}

// refusals are the answers of services that have no room, want a password, have
// nothing, or have lost their archive.
func (d *described) refusals() {
	empty := newDevice("a", noon-hour).upload(noon)
	guarded := start(d.t, func(o *collector.Options) { o.Password = "open sesame" })
	narrow := start(d.t, func(o *collector.Options) { o.Limits.PerAddress, o.Limits.BurstAddress = 0.001, 1 })
	narrow.get("/metrics")
	for path, ask := range d.reading() {
		d.ask(guarded, path, ask, http.StatusUnauthorized)
		d.ask(narrow, path, ask, http.StatusTooManyRequests)
	}
	d.valid("/v1/uploads", "post", 429, narrow.post("/v1/uploads", text(empty)))
	d.valid("/record-metrics", "post", 429, narrow.post("/record-metrics", "[]"))

	fresh := start(d.t, func(o *collector.Options) { o.Pause = time.Hour })
	eventually(d.t, "the first round is over", func() bool { return fresh.metric("causeway_collector_rounds_total") > 0 })
	check(d.t, fresh.archive.SaveNote(d.t.Context(), "live", ""))
	d.ask(fresh, "/v1/live", "/v1/live", 404)

	broken := start(d.t)
	check(d.t, broken.archive.Close())
	for path, ask := range d.reading() {
		if path != "/metrics" {
			d.ask(broken, path, ask, http.StatusServiceUnavailable)
		}
	}
	d.ask(broken, "/health", "/health", http.StatusServiceUnavailable)
	d.valid("/v1/uploads", "post", 503, broken.post("/v1/uploads", text(empty)))
	d.valid("/record-metrics", "post", 503, broken.post("/record-metrics", oldBatch(noon)))
}
