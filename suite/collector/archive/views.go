package archive

import "strings"

// The views are for Grafana, Superset and people with SQL. Their columns are a
// promise: later versions may add some, and take none away. docs/telemetry.md explains
// them. Times are timestamps, UTC; in SQLite texts such as 2026-07-01 12:00:00.000.
//
// TIME(x) is milliseconds as a timestamp, DATE(x) a day as a date, and the rest what
// the databases call differently.
const views = `
VIEW telemetry_channels AS SELECT c.name AS channel, c.community, c.topic AS content_topic, c.pubsub AS pubsub_topic,
  (SELECT count(*) FROM members m WHERE m.channel = c.id) AS installs FROM channels c;

VIEW telemetry_buckets AS SELECT DATE(b.day) AS day, c.name AS channel, c.community, c.topic AS content_topic,
  b.cells, b.low, b.high, b.revision, b.provisional = 1 AS provisional, b.late AS late_revisions, TIME(b.at) AS estimated_at
  FROM buckets b JOIN channels c ON c.id = b.channel;

VIEW telemetry_revisions AS SELECT DATE(r.day) AS day, c.name AS channel, r.revision, TIME(r.at) AS estimated_at,
  r.provisional = 1 AS provisional, r.cells, r.low, r.high FROM revisions r JOIN channels c ON c.id = r.channel;

VIEW telemetry_rates AS SELECT DATE(d.day) AS day, TEXT(e.value, 'by') AS dimension, TEXT(e.value, 'value') AS value,
  w.name AS members, TEXT(r.value, 'measure') AS measure,
  REAL(r.value, 'delivered') AS delivered, REAL(r.value, 'lost') AS lost, REAL(r.value, 'censored') AS unknown_cells,
  REAL(r.value, 'undecodable') AS undecodable, REAL(DOC(r.value, 'silent'), 'mean') AS silent_cells,
  REAL(DOC(r.value, 'bounds'), 'low') AS low, REAL(DOC(r.value, 'bounds'), 'high') AS high,
  REAL(DOC(r.value, 'interval'), 'low') AS interval_low, REAL(DOC(r.value, 'interval'), 'high') AS interval_high,
  REAL(r.value, 'estimate') AS estimate, TEXT(r.value, 'why') AS no_estimate_because, REAL(r.value, 'unknown') AS unknown_share,
  REAL(r.value, 'effective') AS effective_cells, d.provisional = 1 AS provisional, d.revision
  FROM days d CROSS JOIN (SELECT 'covered' AS name UNION ALL SELECT 'everyone') w
  EACH(d.estimates, e) EACH(DOCOF(e.value, w.name), r);

VIEW telemetry_funnel AS SELECT DATE(d.day) AS day, TEXT(e.value, 'by') AS dimension, TEXT(e.value, 'value') AS value,
  REAL(DOC(e.value, 'funnel'), 'composed') AS composed, REAL(DOC(e.value, 'funnel'), 'attempted') AS attempted,
  REAL(DOC(e.value, 'funnel'), 'handed') AS handed, REAL(DOC(e.value, 'funnel'), 'left') AS left_device,
  REAL(DOC(e.value, 'funnel'), 'unsent') AS unsent, REAL(DOC(e.value, 'funnel'), 'stored') AS stored,
  REAL(DOC(e.value, 'funnel'), 'acked') AS acknowledged, REAL(DOC(e.value, 'funnel'), 'gaveUp') AS gave_up,
  REAL(DOC(e.value, 'funnel'), 'resent') AS resent, REAL(DOC(e.value, 'latency'), 'P50') AS latency_p50_ms,
  REAL(DOC(e.value, 'latency'), 'P90') AS latency_p90_ms, REAL(DOC(e.value, 'ack'), 'P50') AS ack_p50_ms
  FROM days d EACH(d.estimates, e);

VIEW telemetry_old_formula AS SELECT h.key AS hour, NUMBER(h.value) AS value
  FROM days d PAIRS(DOCOF(d.legacy, 'hours'), h);

VIEW telemetry_messages AS SELECT DATE(m.day) AS day, c.name AS channel, c.topic AS content_topic, m.message, m.author, TIME(m.at) AS composed_at,
  m.has_left = 1 AS left_device, m.handed = 1 AS handed, m.attempts, CASE WHEN m.acked < 0 THEN NULL ELSE m.acked END AS acknowledged_ms,
  m.delivered60 AS delivered_60s, m.lost60 AS lost_60s, m.censored60 AS unknown_60s, m.undecodable60 AS undecodable_60s,
  m.delivered AS delivered_24h, m.lost AS lost_24h, m.censored AS unknown_24h, m.undecodable AS undecodable_24h
  FROM messages m JOIN channels c ON c.id = m.channel;

VIEW telemetry_phantoms AS SELECT DATE(p.day) AS day, c.name AS channel, p.message, p.author, TIME(p.noticed) AS noticed_at,
  p.noticed_by AS devices, p.counted = 1 AS counted_as_lost FROM phantoms p JOIN channels c ON c.id = p.channel;

VIEW telemetry_incidents AS SELECT TIME(i.since) AS from_time, TIME(i.until) AS to_time, i.open = 1 AS open, i.scope, i.name,
  REAL(i.body, 'silent') AS silent_devices, REAL(i.body, 'isolated') AS isolated_devices, REAL(i.body, 'watched') AS watched_devices,
  REAL(i.body, 'p') AS probability, REAL(i.body, 'settled') AS known_share FROM incidents i;

VIEW telemetry_collector_gaps AS SELECT TIME(g.since) AS from_time, TIME(g.until) AS to_time FROM gaps g;

VIEW telemetry_events AS SELECT DATE(e.day) AS day, c.name AS channel, i.name AS install, j.epoch, e.seq, TIME(e.at) AS at, TIME(e.arrived) AS arrived_at,
  e.kind, e.message, e.member, e.class, e.path, e.answer, e.code, CASE WHEN e.sent = 0 THEN NULL ELSE TIME(e.sent) END AS sent_at,
  e.size, e.audience, e.count, e.attempt, e.bytes
  FROM events e JOIN journals j ON j.id = e.journal JOIN installs i ON i.id = j.install LEFT JOIN channels c ON c.id = e.channel;
`

// dialect is what the databases call differently; %1 and %2 are arguments.
type dialect map[string]string

var sqliteViews = dialect{
	"VIEW":   "CREATE VIEW IF NOT EXISTS",
	"TIME":   "strftime('%Y-%m-%d %H:%M:%f', %1 / 1000.0, 'unixepoch')",
	"DATE":   "date(%1 * 86400, 'unixepoch')",
	"TEXT":   "json_extract(%1, '$.' || %2)",
	"REAL":   "CAST(json_extract(%1, '$.' || %2) AS REAL)",
	"DOC":    "json_extract(%1, '$.' || %2)",
	"DOCOF":  "json_extract(%1, '$.' || %2)",
	"NUMBER": "%1",
	"EACH":   "JOIN json_each(%1) %2",
	"PAIRS":  "JOIN json_each(%1) %2",
}

var postgresViews = dialect{
	"VIEW":   "CREATE OR REPLACE VIEW",
	"TIME":   "(to_timestamp(%1 / 1000.0) AT TIME ZONE 'UTC')",
	"DATE":   "(DATE '1970-01-01' + CAST(%1 AS INTEGER))",
	"TEXT":   "((%1)::jsonb ->> %2)",
	"REAL":   "CAST((%1)::jsonb ->> %2 AS DOUBLE PRECISION)",
	"DOC":    "((%1)::jsonb -> %2)",
	"DOCOF":  "((%1)::jsonb -> %2)",
	"NUMBER": "CAST((%1)::text AS DOUBLE PRECISION)",
	"EACH":   "CROSS JOIN LATERAL jsonb_array_elements((%1)::jsonb) AS %2(value)",
	"PAIRS":  "CROSS JOIN LATERAL jsonb_each((%1)::jsonb) AS %2(key, value)",
}

func (s *SQL) views() string {
	if s.postgres {
		return postgresViews.write(views)
	}
	return sqliteViews.write(views)
}

// write puts the words of a database into a text, from the inside out.
func (d dialect) write(text string) string {
	text = strings.ReplaceAll(text, "VIEW ", d["VIEW"]+" ")
	for _, word := range []string{"DOCOF", "DOC", "TIME", "DATE", "TEXT", "REAL", "NUMBER", "EACH", "PAIRS"} {
		text = d.calls(text, word)
	}
	return text
}

// calls replaces word(a, b) everywhere.
func (d dialect) calls(text, word string) string {
	var out strings.Builder
	for {
		i := strings.Index(text, word+"(")
		if i < 0 || i > 0 && isLetter(text[i-1]) {
			if i < 0 {
				out.WriteString(text)
				return out.String()
			}
			out.WriteString(text[:i+len(word)])
			text = text[i+len(word):]
			continue
		}
		args, rest := arguments(text[i+len(word)+1:])
		replaced := d[word]
		for k, a := range args {
			replaced = strings.ReplaceAll(replaced, "%"+string(rune('1'+k)), strings.TrimSpace(a))
		}
		out.WriteString(text[:i])
		out.WriteString(replaced)
		text = rest
	}
}

func isLetter(c byte) bool { return c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' }

// arguments reads what is in the parentheses that are open, and what comes after.
func arguments(text string) (args []string, rest string) {
	depth, from := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth == 0 {
				return append(args, text[from:i]), text[i+1:]
			}
			depth--
		case ',':
			if depth == 0 {
				args = append(args, text[from:i])
				from = i + 1
			}
		}
	}
	return args, ""
}
