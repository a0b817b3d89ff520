//go:build cgo

package sqlcipher

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/mutecomm/go-sqlcipher/v4"

	"github.com/causeway-im/causeway"
	"github.com/causeway-im/causeway/community"
	"github.com/causeway-im/causeway/integration/status-go/reliability"
	"github.com/causeway-im/causeway/store"
	"github.com/causeway-im/causeway/store/storetest"
)

// open opens a database, as a host does. What is tested does not depend on the disk.
func open(t testing.TB, path string, key byte) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: filepath.ToSlash(path)}).String()+"?_pragma_key=x'"+hex.EncodeToString(bytes.Repeat([]byte{key}, 32))+
		"'&_pragma_cipher_page_size=4096&_journal_mode=WAL&_busy_timeout=60000&_synchronous=OFF&_txlock=immediate")
	check(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) (store.Store, func() store.Store) {
		path := filepath.Join(t.TempDir(), "app.db")
		var db *sql.DB
		next := func() store.Store {
			if db != nil {
				db.Close()
			}
			db = open(t, path, 1)
			s, err := store.OpenSQL(t.Context(), db, store.SQLOptions{})
			check(t, err)
			return s
		}
		return next(), next
	})
}

// Nothing in the file can be read, and another key is an error.
func TestEncrypted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	db := open(t, path, 1)
	s, err := store.OpenSQL(t.Context(), db, store.SQLOptions{})
	check(t, err)
	secret := bytes.Repeat([]byte("nobody reads this "), 64)
	check(t, s.Write(t.Context(), func(tx store.Tx) error { return tx.Set("key", secret) }))
	db.Close()
	for _, name := range []string{path, path + "-wal"} {
		b, err := os.ReadFile(name)
		if err == nil && (bytes.Contains(b, []byte("nobody reads")) || bytes.Contains(b, []byte("SQLite format")) || bytes.Contains(b, []byte("causeway"))) {
			t.Errorf("%s can be read", filepath.Base(name))
		}
	}
	if _, err := store.OpenSQL(t.Context(), open(t, path, 2), store.SQLOptions{}); err == nil {
		t.Error("another key opens it")
	}
	s, err = store.OpenSQL(t.Context(), open(t, path, 1), store.SQLOptions{})
	check(t, err)
	if got, err := s.Value(t.Context(), "key"); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What two members know survives a restart of one of them: an acknowledgement that comes
// after it finds its message.
func TestReliability(t *testing.T) {
	const chat = "a community"
	start := func(path, person string) (*reliability.Reliability, *[]string) {
		var delivered []string
		r, err := reliability.New(reliability.Options{DB: open(t, path, 1), Person: causeway.PersonID(person), Installation: "desk",
			Delivered: func(d reliability.Delivered) { delivered = append(delivered, d.ApplicationID) }})
		check(t, err)
		check(t, r.Start())
		t.Cleanup(func() { r.Close() })
		return r, &delivered
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "alice.db")
	alice, _ := start(path, "alice")
	bob, _ := start(filepath.Join(folder, "bob.db"), "bob")
	for i := range 10 {
		wrapped, err := alice.WrapPayloadForSDS(fmt.Append(nil, "message ", i), reliability.Message{ChannelID: chat, ApplicationID: fmt.Sprint("app ", i), Type: community.ChatMessage})
		check(t, err)
		got, err := bob.UnwrapPayloadFromSDS(wrapped, reliability.Envelope{})
		if err != nil || string(got) != fmt.Sprint("message ", i) {
			t.Fatalf("%q, %v", got, err)
		}
	}
	check(t, alice.Close())
	alice, delivered := start(path, "alice")
	answer, err := bob.WrapPayloadForSDS([]byte("all here"), reliability.Message{ChannelID: chat, ApplicationID: "answer", Type: community.ChatMessage})
	check(t, err)
	if got, err := alice.UnwrapPayloadFromSDS(answer, reliability.Envelope{}); err != nil || string(got) != "all here" {
		t.Fatalf("%q, %v", got, err)
	}
	if x, err := alice.Receipt("app 9"); err != nil || len(*delivered) == 0 {
		t.Errorf("%+v, %v, delivered %v", x, err, *delivered)
	}
}
