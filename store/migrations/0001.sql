-- Ids, senders and keys are BLOBs: they come from other peers and may hold any
-- bytes, and blobs compare byte by byte, as Go compares strings. Unsigned
-- integers above 2^63-1 stand only inside records. See store/encode.go.

-- epoch; newest and forgotten: the cursors of events.
CREATE TABLE {p}counter (
	name  TEXT PRIMARY KEY NOT NULL,
	value INTEGER NOT NULL
);
INSERT INTO {p}counter (name, value) VALUES ('epoch', 0), ('newest', 0), ('forgotten', 0);

CREATE TABLE {p}value (
	key   BLOB PRIMARY KEY NOT NULL,
	value BLOB NOT NULL
);

CREATE TABLE {p}channel (
	num         INTEGER PRIMARY KEY,
	id          BLOB NOT NULL UNIQUE,
	meta        BLOB,
	complete_to INTEGER NOT NULL DEFAULT 0
);

-- state is sds.MessageState; 1 is in the log.
CREATE TABLE {p}message (
	num      INTEGER PRIMARY KEY,
	channel  INTEGER NOT NULL,
	id       BLOB NOT NULL,
	state    INTEGER NOT NULL,
	lamport  INTEGER NOT NULL,
	position INTEGER NOT NULL,
	record   BLOB NOT NULL
);
CREATE UNIQUE INDEX {p}message_id ON {p}message (channel, id);
CREATE INDEX {p}message_place ON {p}message (channel, lamport, id) WHERE state = 1;
CREATE INDEX {p}message_position ON {p}message (channel, position) WHERE state = 1;
CREATE INDEX {p}message_other ON {p}message (channel) WHERE state <> 1;

-- The bytes stand apart, so that records are read without them.
CREATE TABLE {p}sealed (
	num     INTEGER PRIMARY KEY,
	channel INTEGER NOT NULL,
	id      BLOB NOT NULL,
	bytes   BLOB NOT NULL,
	plain   BLOB
);
CREATE UNIQUE INDEX {p}sealed_id ON {p}sealed (channel, id);

-- The numbers that audience and seen call persons by, from 0 in each channel:
-- 10,000 persons have one of our messages in 1,250 bytes instead of 600 KB.
CREATE TABLE {p}person (
	channel INTEGER NOT NULL,
	num     INTEGER NOT NULL,
	id      BLOB NOT NULL,
	PRIMARY KEY (channel, num)
) WITHOUT ROWID;
CREATE UNIQUE INDEX {p}person_id ON {p}person (channel, id);

-- An audience stands here once, for all messages that were sent to it.
CREATE TABLE {p}audience (
	num     INTEGER PRIMARY KEY,
	channel INTEGER NOT NULL,
	hash    BLOB NOT NULL,
	record  BLOB NOT NULL
);
CREATE UNIQUE INDEX {p}audience_hash ON {p}audience (channel, hash);

-- Own messages. A row stays when done is set: receipts outlive tracking.
CREATE TABLE {p}outgoing (
	num      INTEGER PRIMARY KEY,
	channel  INTEGER NOT NULL,
	id       BLOB NOT NULL,
	done     INTEGER NOT NULL,
	audience INTEGER,
	record   BLOB NOT NULL
);
CREATE UNIQUE INDEX {p}outgoing_id ON {p}outgoing (channel, id);
CREATE INDEX {p}outgoing_open ON {p}outgoing (channel) WHERE done = 0;

-- Who is proved to have an own message.
CREATE TABLE {p}seen (
	outgoing INTEGER PRIMARY KEY,
	persons  BLOB NOT NULL
);

CREATE TABLE {p}transition (
	channel INTEGER NOT NULL,
	id      BLOB NOT NULL,
	level   INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (channel, id, level)
) WITHOUT ROWID;

CREATE TABLE {p}gap (
	channel INTEGER NOT NULL,
	id      BLOB NOT NULL,
	record  BLOB NOT NULL,
	PRIMARY KEY (channel, id)
) WITHOUT ROWID;

CREATE TABLE {p}event (
	cursor  INTEGER PRIMARY KEY,
	channel BLOB NOT NULL,
	at      INTEGER NOT NULL,
	kind    INTEGER NOT NULL,
	id      BLOB NOT NULL,
	data    BLOB
);
CREATE INDEX {p}event_channel ON {p}event (channel, cursor);

-- last outlives the entries, so that no number is given again.
CREATE TABLE {p}journal (
	num  INTEGER PRIMARY KEY,
	name BLOB NOT NULL UNIQUE,
	last INTEGER NOT NULL
);
CREATE TABLE {p}entry (
	journal INTEGER NOT NULL,
	seq     INTEGER NOT NULL,
	data    BLOB,
	PRIMARY KEY (journal, seq)
);
