package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/sds"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/transport"
	"github.com/causeway-im/causeway/transport/faults"
)

// Problem is an error as the API tells it: application/problem+json (RFC 9457).
type Problem struct {
	Type   string `json:"type"` // always about:blank
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Code is for programs: it does not change when a text does.
	Code string `json:"code"`
	// Field is what of the request is wrong, and Limit what it must keep within.
	Field string `json:"field,omitempty"`
	Limit any    `json:"limit,omitempty"`
	// Oldest is the oldest cursor that will do, where one was too old.
	Oldest *causeway.Cursor `json:"oldest,omitempty"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// bad says that a field of a request is wrong.
func bad(field string, limit any, format string, args ...any) *Problem {
	return &Problem{Status: http.StatusBadRequest, Code: "bad_request", Field: field, Limit: limit,
		Detail: fmt.Sprintf(field+" "+format, args...)}
}

func methodProblem(w http.ResponseWriter, allowed string) *Problem {
	w.Header().Set("Allow", allowed)
	return &Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "this path answers to " + allowed}
}

func unknownChannel(id causeway.ChannelID) *Problem {
	return &Problem{Status: http.StatusNotFound, Code: "channel_unknown", Field: "channel",
		Detail: fmt.Sprintf("channel %q is not joined", id)}
}

// known says how errors of the library are told. The first that matches counts.
var known = []struct {
	err    error
	status int
	code   string
	field  string
	limit  any
}{
	{causeway.ErrJoined, http.StatusConflict, "channel_exists", "channel", nil},
	{causeway.ErrNotJoined, http.StatusNotFound, "channel_unknown", "channel", nil},
	{causeway.ErrUncertain, http.StatusServiceUnavailable, "uncertain", "", nil},
	{causeway.ErrClosed, http.StatusServiceUnavailable, "closed", "", nil},
	{causeway.ErrNotHere, http.StatusNotFound, "message_unknown", "message", nil},
	{store.ErrNotFound, http.StatusNotFound, "message_unknown", "message", nil},
	{causeway.ErrStore, http.StatusServiceUnavailable, "store_failed", "", nil},
	{causeway.ErrOptions, http.StatusBadRequest, "bad_request", "", nil},
	{sds.ErrEmptyContent, http.StatusBadRequest, "payload_empty", "payload", 1},
	{sds.ErrContentTooLarge, http.StatusRequestEntityTooLarge, "payload_too_large", "payload", nil},
	{sds.ErrDuplicateContent, http.StatusConflict, "message_exists", "id", nil},
	{sds.ErrOutgoingFull, http.StatusServiceUnavailable, "outgoing_full", "", sds.MaxOutgoing},
	{sds.ErrConfig, http.StatusBadRequest, "bad_request", "", nil},
	{faults.ErrRule, http.StatusBadRequest, "bad_rule", "", nil},
	{transport.ErrOffline, http.StatusConflict, "offline", "", nil},
	{transport.ErrUnavailable, http.StatusConflict, "no_store", "", nil},
	{transport.ErrTooLarge, http.StatusRequestEntityTooLarge, "payload_too_large", "payload", nil},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", "", nil},
	{context.Canceled, http.StatusServiceUnavailable, "stopping", "", nil},
}

// detail says of an error of the library what a caller of the API can use.
func detail(err error) string {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "this node keeps nothing of a message with this id; only own messages have receipts"
	case errors.Is(err, sds.ErrEmptyContent):
		return "payload must be given, and not be empty"
	}
	text := err.Error()
	for _, where := range []string{"causeway: ", "faults: ", "sds: "} { // its packages are no concern of theirs
		text = strings.TrimPrefix(text, where)
	}
	return text
}

// problemOf turns an error into what is told of it.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return &Problem{Status: k.status, Code: k.code, Field: k.field, Limit: k.limit, Detail: detail(err)}
		}
	}
	return &Problem{Status: http.StatusInternalServerError, Code: "internal", Detail: err.Error()}
}

// fail answers with an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := *problemOf(err)
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	if p.Status >= 500 {
		a.o.Log.Warn("rest: a request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	body, err := json.Marshal(&p)
	if err != nil { // strings and numbers alone
		panic(err)
	}
	switch p.Status {
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n'))
}
