CREATE TABLE {p}status_messages (
	channel   TEXT NOT NULL,
	sds_id    TEXT NOT NULL,
	app_id    TEXT NOT NULL,    -- '' for those of others
	hint      BLOB,             -- how others fetch it
	at        INTEGER NOT NULL, -- when it was made or came, Unix seconds
	delivered INTEGER NOT NULL, -- the application was told that somebody has it
	PRIMARY KEY (channel, sds_id)
) WITHOUT ROWID;
CREATE INDEX {p}status_messages_id ON {p}status_messages (sds_id);
CREATE INDEX {p}status_messages_app ON {p}status_messages (app_id) WHERE app_id <> '';
CREATE INDEX {p}status_messages_at ON {p}status_messages (at)
