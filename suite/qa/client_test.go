package qa

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// client asks one node, and checks each answer against the description.
type client struct {
	t    testing.TB
	name string
	url  string
	free bool // answers are not checked: for measuring
}

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

func (c *client) do(method, path string, body any, header ...string) *answer {
	c.t.Helper()
	var sent []byte
	if body != nil {
		var err error
		sent, err = json.Marshal(body)
		check(c.t, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(sent))
	check(c.t, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	check(c.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(c.t, err)
	if !c.free {
		conform(c.t, r, sent, resp, b)
	}
	return &answer{c.t, c.name + ": " + method + " " + path, resp.StatusCode, resp.Header, b}
}

func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d %s, want %d", a.what, a.status, a.body, status)
	}
	return a
}

// problem checks an error.
func (a *answer) problem(status int, code string) *answer {
	a.t.Helper()
	if a.want(status); a.text("code") != code {
		a.t.Errorf("%s: %s, want %s", a.what, a.body, code)
	}
	return a
}

// get reads the JSON at a path, such as "messages.0.id".
func (a *answer) get(path string) any {
	a.t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	check(a.t, d.Decode(&v))
	if path == "" {
		return v
	}
	for _, part := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				a.t.Fatalf("%s: %s has no %s", a.what, a.body, path)
			}
			v = x[i]
		default:
			a.t.Fatalf("%s: %s has no %s", a.what, a.body, path)
		}
	}
	return v
}

func (a *answer) text(path string) string {
	a.t.Helper()
	return fmt.Sprint(a.get(path))
}
