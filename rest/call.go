package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/causeway-im/causeway"
)

// endpoint answers one path by method.
func (a *API) endpoint(methods map[string]handler) http.Handler {
	names := slices.Collect(maps.Keys(methods))
	if methods["GET"] != nil {
		names = append(names, "HEAD")
	}
	slices.Sort(names)
	allowed := strings.Join(names, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		h := methods[method]
		if h == nil {
			a.fail(w, r, methodProblem(w, allowed))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		c := &call{API: a, w: w, r: r, ctx: ctx, status: http.StatusOK}
		answer, err := h(c)
		switch {
		case err != nil:
			a.fail(w, r, err)
		case answer == written:
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			c.answer(answer)
		}
	})
}

// written is the answer of a handler that has written it.
var written any = new(int)

func (c *call) answer(answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		c.fail(c.w, c.r, err)
		return
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(c.status)
	c.w.Write(append(body, '\n'))
}

// body reads the request's JSON: one object, of known fields.
func (c *call) body(into any) error {
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &Problem{Status: http.StatusUnsupportedMediaType, Code: "content_type", Field: "Content-Type",
			Limit: "application/json", Detail: "the request must have a body of Content-Type: application/json"}
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &Problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Field: "body", Limit: maxBody,
			Detail: fmt.Sprintf("the body has more than %d bytes", maxBody)}
	}
	if err != nil {
		return &Problem{Status: http.StatusBadRequest, Code: "bad_request", Field: "body", Detail: "the body could not be read to its end"}
	}
	return decode(b, into)
}

// decode reads one JSON value, and says which field is wrong.
func decode(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return &Problem{Status: http.StatusBadRequest, Code: "bad_json", Field: "body", Detail: "something follows the JSON object"}
		}
		return nil
	}
	p := &Problem{Status: http.StatusBadRequest, Code: "bad_json", Field: "body", Detail: "the body is not valid JSON: " + err.Error()}
	if errors.Is(err, io.EOF) {
		p.Detail = "the body is empty, and must be a JSON object"
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		p.Detail = "the body is not valid JSON: it ends in the middle"
	} else if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		if p.Field = wrong.Field; p.Field == "" {
			p.Field = "body"
		}
		p.Detail = fmt.Sprintf("%s must be %s", p.Field, wanted(wrong.Type))
		if wrong.Value != "" {
			p.Detail += ", and is " + article(wrong.Value)
		}
	} else if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if p.Field, _ = strconv.Unquote(field); p.Field == "" {
			p.Field = "body" // a field without a name is in it
		}
		p.Detail = fmt.Sprintf("there is no field %s", field)
	}
	return p
}

// notA is the error of a field whose JSON is not what its type wants. The decoder
// completes it with the name of the field.
func notA(field any) error { return &json.UnmarshalTypeError{Type: reflect.TypeOf(field)} }

// wanted says what a field of a type is in JSON.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[blob]():
		return "base64 of the standard alphabet, with its padding"
	case reflect.TypeFor[span]():
		return `a duration, such as "1.5s"`
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number, not below 0"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// article puts one before what the decoder calls a value: "array", "number -1".
func article(value string) string {
	switch value[0] {
	case 'a', 'o':
		return "an " + value
	}
	return "a " + value
}

// query reads the parameters of a request; those that are not named are refused, since
// a misspelt one would be a silent default.
func (c *call) query(names ...string) (url.Values, error) {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, bad("query", nil, "can't be read: %v", err)
	}
	for name, values := range q {
		if !slices.Contains(names, name) {
			return nil, bad(name, names, "is no parameter here")
		}
		if len(values) > 1 {
			return nil, bad(name, 1, "is given %d times", len(values))
		}
	}
	return q, nil
}

// number reads a whole number of a query.
func number(q url.Values, name string, otherwise, least, most int) (int, error) {
	s := q.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, bad(name, most, "must be a whole number from %d to %d", least, most)
	}
	return n, nil
}

// flag reads true or false.
func flag(q url.Values, name string) (bool, error) {
	switch q.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, bad(name, nil, "must be true or false")
}

// waitOf reads how long a poll may wait.
func waitOf(q url.Values) (time.Duration, error) {
	s := q.Get("wait")
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > MaxWait {
		return 0, bad("wait", MaxWait.String(), "must be a duration from 0s to %v, such as 20s", MaxWait)
	}
	return d, nil
}

// path reads an id of the path.
func (c *call) path(name string) (Text, error) {
	t, err := ParseText(c.r.PathValue(name))
	if err != nil {
		return "", bad(name, nil, "%v", err)
	}
	return t, nil
}

// channel returns the channel of the path.
func (c *call) channel() (*causeway.Channel, error) {
	id, err := c.path("channel")
	if err != nil {
		return nil, err
	}
	return c.joined(causeway.ChannelID(id))
}

func (c *call) joined(id causeway.ChannelID) (*causeway.Channel, error) {
	ch := c.node.Channel(id)
	if ch == nil {
		return nil, unknownChannel(id)
	}
	return ch, nil
}

// patient gives a call more time, for a poll that waits, and counts it among those
// that do. The caller must call done. The context ends with Close, too.
func (c *call) patient(wait time.Duration) (ctx context.Context, done func(), err error) {
	select {
	case c.waiting <- struct{}{}:
	default:
		return nil, nil, &Problem{Status: http.StatusServiceUnavailable, Code: "too_many", Limit: c.o.MaxWaiting,
			Detail: fmt.Sprintf("%d streams and polls are waiting, at most that many may", c.o.MaxWaiting)}
	}
	deadlines := http.NewResponseController(c.w) // not every writer has them
	deadlines.SetReadDeadline(time.Time{})
	deadlines.SetWriteDeadline(time.Now().Add(wait + 2*requestTime))
	ctx, cancel := context.WithCancel(c.r.Context())
	if wait > 0 {
		cancel()
		ctx, cancel = context.WithTimeout(c.r.Context(), wait)
	}
	over := make(chan struct{})
	go func() {
		select {
		case <-c.quit:
			cancel()
		case <-over:
		}
	}()
	return ctx, func() {
		close(over)
		cancel()
		<-c.waiting
	}, nil
}
