// Package report is what a device tells a telemetry collector: the schema of an
// upload, version 1, in JSON.
//
// A device keeps a journal of what it can witness about messages to many. An
// Upload is a stretch of that journal: its events, numbered without holes, and a
// claim of the time that the journal covers. Together they make silence mean
// something: where a covered member has no receipt of a message, the message is
// lost; where nothing is covered, nothing is known.
//
// Nothing in an upload names a person. Install, member, community, channel and
// message are pseudonyms (see Pseudonyms); there is no account key, peer id,
// address or content. Content topics and pubsub topics are in clear, in one form
// (see Topic).
//
// All times are Unix milliseconds of the device's own wall clock, corrected by
// nothing; Clock says what is known about it.
package report
