package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/suite/sqlite"
	"github.com/causeway-im/causeway/telemetry"
	schema "github.com/causeway-im/causeway/telemetry/report"
)

// roundTrip is a network that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What the command prints is what the collector gets next, to the byte.
func TestTelemetryShow(t *testing.T) {
	data := t.TempDir()
	root := func(args ...string) (code int, out, errOut string) {
		var o, e bytes.Buffer
		code = run(newRoot(), append([]string{"telemetry", "show", "--data"}, args...), strings.NewReader(""), &o, &e)
		return code, o.String(), e.String()
	}
	if code, _, errOut := root(data); code != exitFailed || !strings.Contains(errOut, "no node was here") {
		t.Errorf("of an empty folder: %d, %s", code, errOut)
	}
	if entries, _ := os.ReadDir(data); len(entries) > 0 {
		t.Errorf("it made %v", entries)
	}

	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(data, nodeDatabase))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := store.OpenSQL(ctx, db, store.SQLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := root(data); code != 0 || out != "" || errOut != "Nothing would be sent.\n" {
		t.Errorf("without consent: %d, %q, %q", code, out, errOut)
	}

	now := time.Now()
	compared := 0
	// Before the end a flush may come between what is sent and what is shown.
	var closing atomic.Bool
	collector := roundTrip(func(r *http.Request) (*http.Response, error) {
		if !closing.Load() {
			return nil, errors.New("not yet")
		}
		unpack, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		sent, err := io.ReadAll(unpack)
		if err != nil {
			t.Error(err)
		}
		var shown bytes.Buffer
		if err := showTelemetry(ctx, data, &shown, io.Discard, now); err != nil {
			t.Error(err)
		}
		if shown.String() != string(sent)+"\n" {
			t.Errorf("shown\n%s\nsent\n%s", shown.Bytes(), sent)
		}
		if strings.Contains(shown.String(), `"kind":"composed"`) {
			compared++
		}
		var u schema.Upload
		if err := json.Unmarshal(sent, &u); err != nil {
			t.Error(err)
		}
		reply, err := json.Marshal(schema.Reply{Acknowledged: u.Last})
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(reply)), Request: r}, err
	})
	d, err := telemetry.New(ctx, telemetry.Options{Journal: s, Collector: "https://collector.example", Client: &http.Client{Transport: collector},
		Consent: 1, Clock: func() time.Time { return now },
		Device: schema.Device{App: "1", Platform: schema.Linux, Mode: schema.Relay, Protocol: "causeway"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Describe(telemetry.Channel{ID: "tea", Community: "drinkers", Secret: []byte("what all members know")}); err != nil {
		t.Fatal(err)
	}
	for range 600 { // more than one request
		d.Composed(telemetry.Message{Channel: "tea", ID: "m"}, 5)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	closing.Store(true)
	if err := d.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if compared < 2 {
		t.Errorf("%d uploads with events", compared)
	}
}
