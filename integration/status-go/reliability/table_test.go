package reliability

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/causeway-im/causeway"
	_ "modernc.org/sqlite"
)

// What others send costs no message of ours its name: who has it is told all the same.
func TestFloodLeavesOwnMessages(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(t.TempDir(), "app.db"))+"?_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	now := time.Unix(1_700_000_000, 0)
	table, err := openTable(t.Context(), db, "x_", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	table.limit = 1000
	for _, app := range []string{"old", "ours"} {
		if err := table.compose(own{"tea", causeway.MessageID(app), app}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(keepMessages)
	}
	_, err = table.exec(`INSERT INTO {p}status_messages (channel, sds_id, app_id, at, delivered)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT 'tea', 'flood' || i, '', ?, 0 FROM n`,
		table.limit+10, now.Unix())
	if err == nil {
		_, err = table.exec(`INSERT INTO {p}status_messages (channel, sds_id, app_id, at, delivered)
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT 'tea', 'early' || i, '', ?, 0 FROM n`, now.Unix()-1)
	}
	if err == nil {
		err = table.prune(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := table.undelivered()
	if err != nil || len(waiting) != 1 || waiting[0].app != "ours" {
		t.Errorf("%+v, %v, want ours", waiting, err)
	}
	var n int
	if _, err := table.row(`SELECT count(*) FROM {p}status_messages WHERE sds_id LIKE 'early%'`, nil, &n); err != nil || n > 0 {
		t.Errorf("%d of the oldest are left, %v", n, err)
	}
}
