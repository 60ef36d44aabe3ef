/**
 * The file format, version 1. docs/internals/embedded-engine.md explains it; test/frozen/format-1.db is a frozen copy that
 * every later version must migrate. Never edit a shipped version: add the next one and a step in migrate.ts.
 *
 * Positions are dense per channel, from 1. A block's row id is `channel << 44 | first position`: reading a channel in
 * order is a walk along the primary key, with no index to keep. 44 bits of position: 17 × 10¹² messages a channel; 19 of
 * channel: 524,287 channels. The SQL writes them out (`<< 44`, `& 17592186044415`).
 */

/** "Sluc" in the SQLite header (PRAGMA application_id): how a bus file is told from any other database. */
export const applicationId: number = 0x536c7563

/** PRAGMA user_version. */
export const formatVersion: number = 1

/**
 * `proof` of the rows that steer everything: a sum of the row's numbers with different odd factors, which SQLite itself
 * keeps up to date (a stored generated column). One flipped bit in any of them, or in the proof, is a sum that is wrong.
 * Readers demand `proof = <the sum>`. Numbers stay below 2^44 by far, so that nothing overflows.
 */
export const stateProof: string = '(commit_seq * 3 + change_seq * 5 + coalesce(next_due_ms, -1) * 7 + checkpoints * 11 + format * 13)'
export const channelProof: string =
  '(id * 3 + partitions * 5 + next_position * 7 + first_position * 11 + last_stored_at_ms * 13 + kept_bytes * 17 + group_count * 19 + ' +
  'coalesce(retention_age_ms, -1) * 23 + coalesce(retention_bytes, -1) * 29 + retention_keeps * 31 + unrouted * 37 + trimmed_unread * 41)'
export const groupProof: string =
  '(id * 3 + channel_id * 5 + coalesce(concurrency, -1) * 7 + ephemeral * 11 + paused * 13 + start_position * 17 + provisional * 19)'
export const partitionProof: string =
  '(group_id * 3 + modulus * 5 + residue * 7 + coalesce(owner, -1) * 11 + epoch * 13 + cursor * 17 + length(done) * 19 + done_count * 23 + ' +
  'claimed * 29 + suspect_before * 31 + deaths * 37)'
export const attemptProof: string = '(group_id * 3 + position * 5 + attempt * 7 + deliveries * 11 + not_before_ms * 13 + first_delivered_at_ms * 17)'
export const laneProof: string =
  "(id * 3 + group_id * 5 + lane_sum * 7 + hash * 11 + due_at_ms * 13 + count * 17 + news * 19 + CASE state WHEN 'suspended' THEN 1 WHEN 'parked' THEN 2 ELSE 3 END * 23)"
export const entryProof: string =
  '(id * 3 + lane_id * 5 + seq * 7 + attempt * 11 + deliveries * 13 + not_before_ms * 17 + coalesce(first_delivered_at_ms, -1) * 19 + size_bytes * 23)'

export const schema: string = `
CREATE TABLE state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  commit_seq INTEGER NOT NULL,
  change_seq INTEGER NOT NULL,
  next_due_ms INTEGER,
  checkpoints INTEGER NOT NULL,
  bus_id TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  format INTEGER NOT NULL,
  proof INTEGER NOT NULL GENERATED ALWAYS AS ${stateProof} STORED
);
CREATE TABLE channel (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  partitions INTEGER NOT NULL,
  next_position INTEGER NOT NULL DEFAULT 1,
  first_position INTEGER NOT NULL DEFAULT 1,
  last_stored_at_ms INTEGER NOT NULL DEFAULT 0,
  kept_bytes INTEGER NOT NULL DEFAULT 0,
  group_count INTEGER NOT NULL DEFAULT 0,
  unrouted INTEGER NOT NULL DEFAULT 0,
  trimmed_unread INTEGER NOT NULL DEFAULT 0,
  retention_age_ms INTEGER,
  retention_bytes INTEGER,
  retention_keeps INTEGER NOT NULL DEFAULT 1,
  proof INTEGER NOT NULL GENERATED ALWAYS AS ${channelProof} STORED
);
CREATE TABLE block (
  id INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  stored_at_ms INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  data BLOB NOT NULL
);
CREATE TABLE consumer_group (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  channel_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  order_by TEXT NOT NULL,
  concurrency INTEGER,
  ephemeral INTEGER NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0,
  start_position INTEGER NOT NULL,
  provisional INTEGER NOT NULL DEFAULT 0,
  proof INTEGER NOT NULL GENERATED ALWAYS AS ${groupProof} STORED,
  UNIQUE (channel_id, name)
);
CREATE TABLE partition (
  group_id INTEGER NOT NULL,
  modulus INTEGER NOT NULL,
  residue INTEGER NOT NULL,
  owner INTEGER,
  epoch INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  done TEXT NOT NULL,
  done_count INTEGER NOT NULL,
  claimed INTEGER NOT NULL,
  suspect_before INTEGER NOT NULL,
  deaths INTEGER NOT NULL,
  needs_type TEXT,
  proof INTEGER NOT NULL GENERATED ALWAYS AS ${partitionProof} STORED,
  PRIMARY KEY (group_id, modulus, residue)
) WITHOUT ROWID;
CREATE TABLE process (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  instance TEXT NOT NULL,
  service TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  pid_namespace TEXT NOT NULL,
  pid INTEGER NOT NULL,
  pid_started TEXT NOT NULL,
  deadline_ms REAL NOT NULL
);
CREATE TABLE member (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  process_id INTEGER NOT NULL,
  group_id INTEGER NOT NULL,
  types TEXT NOT NULL,
  in_flight INTEGER NOT NULL
);
CREATE INDEX member_by_group ON member (group_id);
CREATE TABLE group_type (
  group_id INTEGER NOT NULL,
  type TEXT NOT NULL,
  announced_at_ms INTEGER NOT NULL,
  PRIMARY KEY (group_id, type)
) WITHOUT ROWID;
CREATE TABLE attempt (
  group_id INTEGER NOT NULL,
  position INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  deliveries INTEGER NOT NULL,
  not_before_ms INTEGER NOT NULL,
  first_delivered_at_ms INTEGER NOT NULL,
  note TEXT,
  proof INTEGER NOT NULL GENERATED ALWAYS AS ${attemptProof} STORED,
  PRIMARY KEY (group_id, position)
) WITHOUT ROWID;
CREATE TABLE lot_lane (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  group_id INTEGER NOT NULL,
  lane TEXT NOT NULL,
  lane_sum INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  state TEXT NOT NULL,
  due_at_ms INTEGER NOT NULL,
  count INTEGER NOT NULL,
  news INTEGER NOT NULL,
  proof INTEGER NOT NULL GENERATED ALWAYS AS ${laneProof} STORED,
  UNIQUE (group_id, lane)
);
CREATE INDEX lot_lane_news ON lot_lane (group_id, news) WHERE news > 0;
CREATE TABLE lot_entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  lane_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  position INTEGER NOT NULL,
  stored_at_ms INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  deliveries INTEGER NOT NULL,
  not_before_ms INTEGER NOT NULL,
  first_delivered_at_ms INTEGER,
  note TEXT,
  redrives INTEGER NOT NULL,
  attributes TEXT NOT NULL,
  body NOT NULL,
  size_bytes INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  proof INTEGER NOT NULL GENERATED ALWAYS AS ${entryProof} STORED
);
CREATE UNIQUE INDEX lot_entry_in_order ON lot_entry (lane_id, seq);
CREATE TABLE dead_letter (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  group_id INTEGER NOT NULL,
  lane TEXT NOT NULL,
  parks INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  type TEXT NOT NULL,
  key TEXT,
  fingerprint TEXT NOT NULL,
  position INTEGER NOT NULL,
  stored_at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  redrives INTEGER NOT NULL,
  attributes TEXT NOT NULL,
  body NOT NULL,
  size_bytes INTEGER NOT NULL,
  checksum INTEGER NOT NULL
);
CREATE INDEX dead_letter_by_group ON dead_letter (group_id, id);
CREATE INDEX dead_letter_by_lane ON dead_letter (group_id, lane) WHERE parks = 1;
CREATE TABLE delayed (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  channel_id INTEGER NOT NULL,
  due_at_ms INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  attributes TEXT NOT NULL,
  body NOT NULL,
  size_bytes INTEGER NOT NULL,
  checksum INTEGER NOT NULL
);
CREATE INDEX delayed_by_due ON delayed (due_at_ms, id);
CREATE INDEX delayed_by_message ON delayed (channel_id, message_id);
CREATE TABLE deduplication (
  channel_id INTEGER NOT NULL,
  key TEXT NOT NULL,
  message_id TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  PRIMARY KEY (channel_id, key)
) WITHOUT ROWID;
CREATE INDEX deduplication_by_expiry ON deduplication (expires_at_ms);
CREATE TABLE schedule (
  name TEXT PRIMARY KEY,
  cron TEXT NOT NULL,
  time_zone TEXT NOT NULL,
  next_at_ms INTEGER NOT NULL,
  message TEXT NOT NULL,
  body NOT NULL,
  checksum INTEGER NOT NULL
) WITHOUT ROWID;
`
