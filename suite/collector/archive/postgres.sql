CREATE TABLE installs (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL UNIQUE, key TEXT NOT NULL,
  first_seen BIGINT NOT NULL, seen BIGINT NOT NULL) WITH (fillfactor = 70);
CREATE TABLE journals (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, install BIGINT NOT NULL, epoch BIGINT NOT NULL, base BIGINT NOT NULL,
  last BIGINT NOT NULL, got TEXT NOT NULL, dropped TEXT NOT NULL, rejected TEXT NOT NULL, device TEXT NOT NULL,
  seen BIGINT NOT NULL, UNIQUE (install, epoch)) WITH (fillfactor = 70);
CREATE TABLE claims (journal BIGINT NOT NULL, day BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (journal, day)) WITH (fillfactor = 70);
CREATE INDEX claims_day ON claims (day);
CREATE TABLE channels (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT NOT NULL UNIQUE, community TEXT NOT NULL, topic TEXT NOT NULL,
  pubsub TEXT NOT NULL);
CREATE TABLE members (channel BIGINT NOT NULL, install BIGINT NOT NULL, PRIMARY KEY (channel, install));
CREATE INDEX members_install ON members (install);
CREATE TABLE marks (
  journal BIGINT NOT NULL, seq BIGINT NOT NULL, day BIGINT NOT NULL, channel BIGINT NOT NULL, at BIGINT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY (journal, seq));
CREATE INDEX marks_channel ON marks (channel, journal, day);
-- A partition for each day, events_<day>, is made when its first event comes.
CREATE TABLE events (
  day BIGINT NOT NULL, channel BIGINT NOT NULL, message TEXT NOT NULL, journal BIGINT NOT NULL, seq BIGINT NOT NULL,
  at BIGINT NOT NULL, kind TEXT NOT NULL, member TEXT NOT NULL, class TEXT NOT NULL, path TEXT NOT NULL,
  answer TEXT NOT NULL, code TEXT NOT NULL, envelope TEXT NOT NULL, sent BIGINT NOT NULL, size BIGINT NOT NULL,
  audience BIGINT NOT NULL, count BIGINT NOT NULL, attempt BIGINT NOT NULL, arrived BIGINT NOT NULL, bytes TEXT NOT NULL) PARTITION BY LIST (day);
CREATE INDEX events_channel ON events (channel, day, message);
CREATE TABLE old (
  id TEXT PRIMARY KEY, day BIGINT NOT NULL, arrived BIGINT NOT NULL, type TEXT NOT NULL, who TEXT NOT NULL, chat TEXT NOT NULL,
  message TEXT NOT NULL, topic TEXT NOT NULL, pubsub TEXT NOT NULL, sent BIGINT NOT NULL, platform TEXT NOT NULL,
  app TEXT NOT NULL, kind TEXT NOT NULL, failed BIGINT NOT NULL);
CREATE INDEX old_day ON old (day);
CREATE TABLE dirty (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, channel BIGINT NOT NULL, day BIGINT NOT NULL, at BIGINT NOT NULL);
