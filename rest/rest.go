package rest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/rest/page"
	"github.com/causeway-im/causeway/transport/faults"
)

// Options are what an API is made of. The zero value serves a node to this machine,
// without faults.
type Options struct {
	// Version and Participant are what GET /version and /info say; Participant also is
	// who joins a channel if the request does not say.
	Version     string
	Participant causeway.ParticipantID
	// Token, if set, must be in each request: "Authorization: Bearer …". It has at least
	// MinToken bytes.
	Token string
	// Hosts are names of hosts, without port, under which the API may be asked besides
	// those of loopback. Without a Token others are refused.
	Hosts []string
	// Keeper remembers channels for the next start. Default: nobody does.
	Keeper Keeper
	// Configure completes how a channel is joined: the topic, a sealer. An error is
	// told to who asked for the channel.
	Configure func(*causeway.ChannelConfig) error
	// MaxPayload is the largest payload of a message in bytes. Default and most is
	// MaxPayload; what a channel's profile carries may be less.
	MaxPayload int
	// Metrics answers GET /metrics. Default: nothing is there.
	Metrics http.Handler
	// Peers lists those that the transport knows. Default: nothing is there.
	Peers func() []Peer
	// Addresses are where others reach the node's transport.
	Addresses func() []string
	// Faults, if set, allow everybody who may ask to break things.
	Faults *Faults
	// MaxWaiting is how many streams and waiting polls there may be at once. Default 64.
	MaxWaiting int
	// KeepAlive is how often a stream without events says that it is alive. Default
	// 15 s.
	KeepAlive time.Duration
	// Log gets what an operator should know. Default: nothing.
	Log *slog.Logger
}

// Faults are what the API may break.
type Faults struct {
	Transport *faults.Faults // required
	Clock     *faults.Clock  // may be nil
}

// Keeper remembers channels. It is called after the node did what it is told, for
// one channel at a time.
type Keeper interface {
	// Joined is told of a channel that was joined, or whose roster was changed.
	Joined(causeway.ChannelConfig) error
	// Left is told of a channel that was left.
	Left(causeway.ChannelID) error
}

// Peer is another node that the transport knows.
type Peer struct {
	ID         string   `json:"id"`
	Connected  bool     `json:"connected"`
	Configured bool     `json:"configured"`
	Speaks     []string `json:"speaks"`
	Error      string   `json:"error,omitempty"`
}

// Limits of an API.
const (
	// MinToken is the shortest Options.Token in bytes.
	MinToken = 16
	// MaxWait is how long a poll may wait.
	MaxWait = time.Minute
	// MaxPayload is the largest payload of a message in bytes.
	MaxPayload = 2 << 20
	// maxBody bounds a request: a message of the largest payload in base64, or the
	// roster of a large group.
	maxBody = 4 << 20
	// requestTime bounds what does not wait.
	requestTime = 30 * time.Second
	// writeTime bounds one write to a stream: who reads slower is cut.
	writeTime = 10 * time.Second
)

// ErrOptions: an option is out of range. The text names it.
var ErrOptions = errors.New("invalid option")

//go:embed openapi.yaml
var description []byte

// API answers requests about one node. All methods are safe for concurrent use.
type API struct {
	node    *causeway.Node
	o       Options
	mux     *http.ServeMux
	waiting chan struct{} // has room for MaxWaiting tokens
	quit    chan struct{} // closed by Close
	once    sync.Once
	joining sync.Mutex // a channel is joined, changed or left, and the Keeper told
}

// New returns an API over a node. It does not close the node.
func New(node *causeway.Node, o Options) (*API, error) {
	if o.Token != "" && len(o.Token) < MinToken {
		return nil, fmt.Errorf("rest: %w: Token has %d bytes, must have at least %d", ErrOptions, len(o.Token), MinToken)
	}
	if o.MaxPayload < 0 || o.MaxPayload > MaxPayload {
		return nil, fmt.Errorf("rest: %w: MaxPayload is %d, must be from 0 to %d", ErrOptions, o.MaxPayload, MaxPayload)
	}
	if o.MaxWaiting < 0 || o.KeepAlive < 0 {
		return nil, fmt.Errorf("rest: %w: MaxWaiting and KeepAlive must not be negative", ErrOptions)
	}
	if o.Faults != nil && o.Faults.Transport == nil {
		return nil, fmt.Errorf("rest: %w: Faults.Transport is required", ErrOptions)
	}
	if o.MaxPayload == 0 {
		o.MaxPayload = MaxPayload
	}
	if o.MaxWaiting == 0 {
		o.MaxWaiting = 64
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{node: node, o: o, mux: http.NewServeMux(), waiting: make(chan struct{}, o.MaxWaiting), quit: make(chan struct{})}
	a.routes()
	return a, nil
}

// Close ends all streams, each with an event that says so, and all polls that wait.
// Other requests go on; new ones are answered as long as somebody serves them.
func (a *API) Close() { a.once.Do(func() { close(a.quit) }) }

// call is one request and its answer.
type call struct {
	*API
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context
	status int // of the answer if there is no error
}

// handler answers a call with what is to be written as JSON; nil is no content.
type handler func(*call) (any, error)

// routes says what is where.
func (a *API) routes() {
	type methods = map[string]handler
	const channel, message = "/v1/channels/{channel}", "/v1/channels/{channel}/messages/{message}"
	table := map[string]methods{
		"/health":      {"GET": (*call).health},
		"/version":     {"GET": (*call).version},
		"/info":        {"GET": (*call).info},
		"/metrics":     {"GET": (*call).metrics},
		"/v1/peers":    {"GET": (*call).peers},
		"/v1/budget":   {"GET": (*call).budget},
		"/v1/traffic":  {"GET": (*call).traffic},
		"/v1/compare":  {"POST": (*call).compare},
		"/v1/channels": {"GET": (*call).listChannels, "POST": (*call).join},

		channel:               {"GET": (*call).channelStatus, "DELETE": (*call).leave},
		channel + "/roster":   {"GET": (*call).roster, "PUT": (*call).putRoster, "DELETE": (*call).deleteRoster},
		channel + "/messages": {"GET": (*call).messages, "POST": (*call).send},
		channel + "/gaps":     {"GET": (*call).gaps},
		channel + "/digest":   {"GET": (*call).digest},
		message:               {"GET": (*call).message},
		message + "/receipt":  {"GET": (*call).receipt},

		"/v1/events":        {"GET": (*call).events},
		"/v1/events/stream": {"GET": (*call).stream},

		"/v1/faults":              {"GET": faulty((*call).faults), "DELETE": faulty((*call).clearFaults)},
		"/v1/faults/rules":        {"GET": faulty((*call).rules), "POST": faulty((*call).addRule)},
		"/v1/faults/rules/{rule}": {"GET": faulty((*call).rule), "DELETE": faulty((*call).deleteRule)},
		"/v1/faults/online":       {"PUT": faulty((*call).setOnline)},
		"/v1/faults/partition":    {"PUT": faulty((*call).setPartition)},
		"/v1/faults/clock":        {"PUT": faulty((*call).setClock)},
		channel + "/sync":         {"POST": faulty((*call).forceSync)},
		channel + "/sweep":        {"POST": faulty((*call).forceSweep)},
		message + "/resend":       {"POST": faulty((*call).forceResend)},
	}
	for pattern, m := range table {
		a.mux.Handle(pattern, a.endpoint(m))
	}
	a.mux.HandleFunc("/openapi.yaml", func(w http.ResponseWriter, r *http.Request) {
		a.file(w, r, "application/yaml", description)
	})
	a.mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { a.asset(w, r, "index.html") })
	a.mux.HandleFunc("/page/{file}", func(w http.ResponseWriter, r *http.Request) { a.asset(w, r, r.PathValue("file")) })
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, &Problem{Status: http.StatusNotFound, Code: "no_such_path", Detail: "nothing is at this path; /openapi.yaml lists what there is"})
	})
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			a.o.Log.Error("rest: a request failed", "path", r.URL.Path, "panic", p)
			a.fail(w, r, &Problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "the request could not be answered"})
		}
	}()
	// Who takes no answer must not keep us for ever, and what was set for the request
	// before must not end this one. Not every writer can do that.
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * requestTime))
	if p := a.guard(r); p != nil {
		a.fail(w, r, p)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// asset serves a file of the page.
func (a *API) asset(w http.ResponseWriter, r *http.Request, name string) {
	content, kind, ok := page.File(name)
	if !ok {
		a.fail(w, r, &Problem{Status: http.StatusNotFound, Code: "no_such_path", Detail: "the page has no such file"})
		return
	}
	a.file(w, r, kind, content)
}

func (a *API) file(w http.ResponseWriter, r *http.Request, kind string, content []byte) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		a.fail(w, r, methodProblem(w, "GET, HEAD"))
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Write(content)
}
