package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
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

const forgottenTopic = "/waku/1/0x9c22ff5f/rfc26"

// tellsAll is a data folder whose node has uploaded some events and kept 41 others. It
// returns what tells of it in the files, and what a node that has it open goes on with.
func tellsAll(t *testing.T, data string) (signs map[string][]byte, s *store.SQL) {
	t.Helper()
	ctx := t.Context()
	db, err := sqlite.Open(ctx, filepath.Join(data, nodeDatabase))
	check(t, err)
	t.Cleanup(func() { db.Close() })
	s, err = store.OpenSQL(ctx, db, store.SQLOptions{})
	check(t, err)
	var takes atomic.Bool // the answer to a request that was broken off may still be made
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !takes.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		json.NewEncoder(w).Encode(schema.Reply{Acknowledged: 1 << 40})
	}))
	t.Cleanup(collector.Close)
	for _, taking := range []bool{true, false} {
		takes.Store(taking)
		d, err := telemetry.New(ctx, telemetry.Options{Journal: s, Collector: collector.URL, Consent: 1,
			Device: schema.Device{App: "app-of-alice", Platform: schema.Linux, Protocol: "causeway"}})
		check(t, err)
		check(t, d.Describe(telemetry.Channel{ID: "tea", Community: "drinkers", Secret: []byte(communitySecret), Topic: forgottenTopic}))
		for i := range 40 {
			d.Composed(telemetry.Message{Channel: "tea", ID: fmt.Sprintf("%v%d", taking, i)}, 5)
		}
		limit, cancel := context.WithTimeout(ctx, time.Minute)
		check(t, d.Close(limit))
		cancel()
	}
	next, err := telemetry.Next(ctx, s, time.Now())
	check(t, err)
	u := uploadOf(t, next)
	if len(u.Events) != 41 {
		t.Fatalf("%d events wait", len(u.Events))
	}
	p, err := schema.NewPseudonyms([]byte(communitySecret))
	check(t, err)
	signs = map[string][]byte{"install": []byte(u.Install), "device": []byte("app-of-alice"), "topic": []byte(forgottenTopic)}
	for what, name := range map[string]string{"channel": p.Channel("tea"), "kept": p.Message("false7"), "uploaded": p.Message("true7")} {
		signs[what], err = base64.RawURLEncoding.DecodeString(name)
		check(t, err)
		signs[what+" in text"] = []byte(name)
	}
	return signs, s
}

// found returns which signs are in the files of a folder.
func found(t *testing.T, data string, signs map[string][]byte) (names []string) {
	t.Helper()
	files, err := os.ReadDir(data)
	check(t, err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(data, f.Name()))
		check(t, err)
		for what, sign := range signs {
			if bytes.Contains(b, sign) {
				names = append(names, what+" in "+f.Name())
			}
		}
	}
	return names
}

// What the command deletes is told, and is in no row and no byte of any file, while a
// node has the database open and when it has not; it deletes nothing else.
func TestTelemetryForget(t *testing.T) {
	data := t.TempDir()
	forget := func() (code int, out, errOut string) {
		var o, e bytes.Buffer
		code = run(newRoot(), []string{"telemetry", "forget", "--data", data}, strings.NewReader(""), &o, &e)
		return code, o.String(), e.String()
	}
	if code, out, errOut := forget(); code != exitFailed || out != "" || !strings.Contains(errOut, "no node was here") {
		t.Errorf("of an empty folder: %d, %s, %s", code, out, errOut)
	}
	if files, _ := os.ReadDir(data); len(files) > 0 {
		t.Errorf("it made %v", files)
	}

	signs, s := tellsAll(t, data)
	check(t, s.Write(t.Context(), func(tx store.Tx) error {
		check(t, tx.Append("another journal", []byte("stays")))
		return tx.Set("another value", []byte("stays"))
	}))
	write(t, data, "telemetry", "1")
	if names := found(t, data, signs); len(names) < 6 {
		t.Fatalf("before: only %v are found: what is looked for is not what there is", names)
	}
	const all = "Deleted: 41 events that were not uploaded, the pseudonym of this installation, the note that its user was told and agreed.\n"
	if code, out, errOut := forget(); code != 0 || out != all || errOut != "" {
		t.Errorf("%d, %q, %q", code, out, errOut)
	}
	if names := found(t, data, signs); len(names) > 0 {
		t.Errorf("left: %v", names)
	}
	rows, err := s.Journal(t.Context(), "telemetry", 0, 100)
	if len(rows) != 0 || err != nil {
		t.Errorf("%d rows are left, %v", len(rows), err)
	}
	other, err := s.Journal(t.Context(), "another journal", 0, 100)
	if v, err2 := s.Value(t.Context(), "another value"); err != nil || err2 != nil || len(other) != 1 || string(v) != "stays" {
		t.Errorf("what else there is: %v, %q, %v, %v", other, v, err, err2)
	}
	if _, err := os.Stat(filepath.Join(data, "telemetry")); !os.IsNotExist(err) {
		t.Errorf("the note: %v", err)
	}
	if code, out, errOut := forget(); code != 0 || out != "There was nothing to forget.\n" || errOut != "" {
		t.Errorf("again: %d, %q, %q", code, out, errOut)
	}
	var out, errOut bytes.Buffer
	if err := showTelemetry(t.Context(), data, &out, &errOut, time.Now()); err != nil || out.Len() > 0 {
		t.Errorf("show: %s, %v", &out, err)
	}
}

// Who reads at that moment keeps former pages in the log: the command says so.
func TestTelemetryForgetWhileRead(t *testing.T) {
	data := t.TempDir()
	signs, _ := tellsAll(t, data)
	db, err := sqlite.Open(t.Context(), filepath.Join(data, nodeDatabase))
	check(t, err)
	defer db.Close()
	reading, err := db.BeginTx(t.Context(), nil)
	check(t, err)
	var n int
	check(t, reading.QueryRow(`SELECT count(*) FROM sqlite_master`).Scan(&n))
	var out bytes.Buffer
	err = forgetTelemetry(t.Context(), data, &out)
	if err == nil || !strings.Contains(err.Error(), "stop the node and do it again") || !strings.HasPrefix(out.String(), "Deleted: 41 events") {
		t.Errorf("%v, %s", err, &out)
	}
	check(t, reading.Rollback())
	out.Reset()
	check(t, forgetTelemetry(t.Context(), data, &out))
	if names := found(t, data, signs); len(names) > 0 || out.String() != "There was nothing to forget.\n" {
		t.Errorf("left: %v; %s", names, &out)
	}
}
