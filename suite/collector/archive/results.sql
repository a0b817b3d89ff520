CREATE TABLE buckets (
  channel BIGINT NOT NULL, day BIGINT NOT NULL, revision BIGINT NOT NULL, provisional BIGINT NOT NULL, at BIGINT NOT NULL,
  late BIGINT NOT NULL, cells DOUBLE PRECISION NOT NULL, low DOUBLE PRECISION NOT NULL, high DOUBLE PRECISION NOT NULL,
  digest TEXT NOT NULL, tallies BLOB NOT NULL, PRIMARY KEY (day, channel));
CREATE TABLE revisions (
  channel BIGINT NOT NULL, day BIGINT NOT NULL, revision BIGINT NOT NULL, at BIGINT NOT NULL, provisional BIGINT NOT NULL,
  cells DOUBLE PRECISION NOT NULL, low DOUBLE PRECISION NOT NULL, high DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (channel, day, revision));
CREATE TABLE days (
  day BIGINT PRIMARY KEY, at BIGINT NOT NULL, revision BIGINT NOT NULL, provisional BIGINT NOT NULL, digest TEXT NOT NULL,
  tallies BLOB NOT NULL, estimates TEXT NOT NULL, trust TEXT NOT NULL, legacy TEXT NOT NULL);
CREATE TABLE messages (
  channel BIGINT NOT NULL, day BIGINT NOT NULL, message TEXT NOT NULL, at BIGINT NOT NULL, author TEXT NOT NULL,
  has_left BIGINT NOT NULL, handed BIGINT NOT NULL, attempts BIGINT NOT NULL, acked BIGINT NOT NULL,
  delivered BIGINT NOT NULL, lost BIGINT NOT NULL, censored BIGINT NOT NULL, undecodable BIGINT NOT NULL,
  delivered60 BIGINT NOT NULL, lost60 BIGINT NOT NULL, censored60 BIGINT NOT NULL, undecodable60 BIGINT NOT NULL,
  lacking BIGINT NOT NULL, without TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (channel, day, message));
CREATE INDEX messages_name ON messages (message);
CREATE INDEX messages_lacking ON messages (day, lacking, message);
CREATE TABLE phantoms (
  channel BIGINT NOT NULL, day BIGINT NOT NULL, message TEXT NOT NULL, author TEXT NOT NULL, noticed BIGINT NOT NULL,
  noticed_by BIGINT NOT NULL, counted BIGINT NOT NULL, PRIMARY KEY (channel, day, message));
CREATE TABLE incidents (
  since BIGINT NOT NULL, until BIGINT NOT NULL, open BIGINT NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX incidents_until ON incidents (until);
CREATE INDEX incidents_since ON incidents (since);
CREATE TABLE gaps (since BIGINT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (since, until));
CREATE TABLE service (
  id BIGINT PRIMARY KEY, alive BIGINT NOT NULL, leader TEXT NOT NULL, leads_until BIGINT NOT NULL);
INSERT INTO service VALUES (1, 0, '', 0);
CREATE TABLE notes (name TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE archive_version (version BIGINT NOT NULL);
INSERT INTO archive_version VALUES (1);
