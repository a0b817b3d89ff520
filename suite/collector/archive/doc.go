// Package archive keeps what a telemetry collector has been told, and what it has
// worked out, in a SQL database: SQLite (OpenSQLite) or PostgreSQL (OpenPostgres).
// Both are the same Archive, and run the same tests, package archivetest.
//
// # What is kept
//
//	installs, journals   who reports, and which numbers of each journal are here
//	claims               what a journal says to cover, its clock and device, by day
//	marks                changes of presence and membership
//	events               everything else that was witnessed, by day
//	old                  records of clients of the old service, under pseudonyms
//	dirty                which buckets have to be worked out again
//	buckets, revisions   what was worked out of a channel's day, and how often
//	days                 the same of all channels together
//	messages, phantoms   one line for each message
//	incidents, gaps      outages of the network, and of the collector itself
//
// A journal's row says which numbers it has; it is locked while an upload is taken.
// That makes an upload count once, however often and wherever it arrives, and leaves
// the events without a unique key, so that they can be copied in at full speed and
// dropped by the day.
//
// A bucket is one channel and one day (UTC, of the collector's clock). Whatever
// changes what is known of a bucket leaves a mark in dirty in the same transaction.
//
// The tables may change with the version. The views telemetry_… do not: see
// docs/telemetry.md.
package archive
