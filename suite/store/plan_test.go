package store

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestQueryPlans: what runs on long channels goes by an index, in its order.
func TestQueryPlans(t *testing.T) {
	db := openFast(t, filepath.Join(t.TempDir(), "store.db"))
	openStore(t, db)
	const page = `SELECT m.record FROM causeway_message m WHERE m.state = 1 AND m.channel = 1 AND `
	for query, index := range map[string]string{
		page + `m.position > 5 ORDER BY m.position LIMIT 9`:                                            "message_position (channel=? AND position>?)",
		page + `m.position < 5 ORDER BY m.position DESC LIMIT 9`:                                       "message_position (channel=? AND position<?)",
		page + `(m.lamport, m.id) > (5, x'61') ORDER BY m.lamport, m.id LIMIT 9`:                       "message_place (channel=? AND (lamport,id)>(?,?))",
		page + `(m.lamport, m.id) < (5, x'61') ORDER BY m.lamport DESC, m.id DESC LIMIT 9`:             "message_place (channel=? AND (lamport,id)<(?,?))",
		`SELECT id FROM causeway_message WHERE state = 1 AND channel = 1 ORDER BY lamport, id`:         "COVERING INDEX causeway_message_place",
		`SELECT m.record FROM causeway_message m WHERE m.state <> 1 AND m.channel = 1`:                 "message_other",
		`SELECT m.record FROM causeway_message m WHERE m.state <> 1 AND m.state = 2 AND m.channel = 1`: "message_other",
		`SELECT id FROM causeway_person WHERE channel = 1 ORDER BY id`:                                 "COVERING INDEX causeway_person_id",
		`SELECT cursor FROM causeway_event WHERE channel = x'63' AND cursor > 5 ORDER BY cursor`:       "event_channel (channel=? AND cursor>?)",
		`DELETE FROM causeway_event WHERE cursor <= 5`:                                                 "PRIMARY KEY (rowid<?)",
		`SELECT data FROM causeway_entry WHERE journal = 1 AND seq > 5 ORDER BY seq LIMIT 9`:           "(journal=? AND seq>?)",
		`SELECT m.record FROM causeway_outgoing o JOIN causeway_message m ON m.channel = o.channel AND m.id = o.id
			WHERE o.channel = 1 AND o.done = 0`: "causeway_outgoing_open",
	} {
		rows, err := db.Query(`EXPLAIN QUERY PLAN ` + query)
		check(t, err)
		var plan string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			check(t, rows.Scan(&id, &parent, &unused, &detail))
			plan += detail + "\n"
		}
		check(t, rows.Err())
		rows.Close()
		if !strings.Contains(plan, index) || strings.Contains(plan, "SCAN") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: %s", query, plan)
		}
	}
}
