-- The first format; docs/file-format.md has the byte tables. A file that was released is never changed: add another.

-- One row per key, under its latest change. The large column stands last, so that reading the others never follows an
-- overflow page. A rowid table: WITHOUT ROWID would spill every row of 1 KiB.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,          -- the upper 63 bits of key_hash
    key_hash BLOB NOT NULL,          -- HMAC-SHA256(index key, key)
    sealed_meta BLOB NOT NULL,       -- key name and every other column but accessed_at
    version BLOB NOT NULL,           -- hybrid logical clock and node, 16 bytes
    change_seq INTEGER NOT NULL,
    origin INTEGER NOT NULL,         -- 0 written here, 1 read from the remote
    base BLOB,                       -- what the remote may hold, 16 bytes each; NULL if nothing is known
    expires_at INTEGER NOT NULL,     -- Unix milliseconds
    stale_at INTEGER NOT NULL,
    accessed_at INTEGER NOT NULL,
    key_fingerprint BLOB,            -- the key that sealed the value; NULL in a plain namespace and for a tombstone
    value BLOB                       -- NULL is a tombstone
) STRICT;

-- The feed, and sweeping: who walks it sees what was written where and what has expired, and touches no other row. Not
-- UNIQUE, because checking that costs another descent of each write, and the sequence is drawn where nobody else draws.
CREATE INDEX entries_by_change ON entries (change_seq, origin, expires_at);
-- Eviction. accessed_at moves once a minute at most, so that overwriting a row seldom touches this index.
CREATE INDEX entries_by_access ON entries (accessed_at);

-- Keys whose id another key holds in `entries`. Never without that other row: deleting it moves one of these there.
CREATE TABLE overflow (
    row INTEGER PRIMARY KEY,
    id INTEGER NOT NULL,
    key_hash BLOB NOT NULL,
    sealed_meta BLOB NOT NULL,
    version BLOB NOT NULL,
    change_seq INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    base BLOB,
    expires_at INTEGER NOT NULL,
    stale_at INTEGER NOT NULL,
    accessed_at INTEGER NOT NULL,
    key_fingerprint BLOB,
    value BLOB
) STRICT;

CREATE UNIQUE INDEX overflow_by_key ON overflow (key_hash);
CREATE INDEX overflow_by_id ON overflow (id);
CREATE INDEX overflow_by_change ON overflow (change_seq, origin, expires_at);
CREATE INDEX overflow_by_access ON overflow (accessed_at);

-- Changes that could not be settled yet but that the watermark has passed.
CREATE TABLE parked (
    change_seq INTEGER PRIMARY KEY,
    key_hash BLOB NOT NULL,
    sealed BLOB NOT NULL,            -- key name and reason
    parked_at INTEGER NOT NULL
) STRICT;

-- Changes given up on.
CREATE TABLE dead_letters (
    change_seq INTEGER PRIMARY KEY,
    key_hash BLOB NOT NULL,
    sealed BLOB NOT NULL,            -- key name, error code and message
    dead_at INTEGER NOT NULL
) STRICT;

-- Values that lost against the remote's, kept for the report; bounded.
CREATE TABLE conflicts (
    conflict INTEGER PRIMARY KEY,
    key_hash BLOB NOT NULL,
    change_seq INTEGER NOT NULL,
    sealed_meta BLOB NOT NULL,
    key_fingerprint BLOB,
    value BLOB,
    lost_at INTEGER NOT NULL
) STRICT;

CREATE INDEX conflicts_by_key ON conflicts (key_hash);

-- What was sent to which bucket of the remote.
CREATE TABLE marks (
    bucket INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL             -- the highest change_seq sent to it
) STRICT;

-- Identity, keys, clock and watermark of the file; every row is sealed or carries a checksum.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Which of these files were applied.
CREATE TABLE migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum BLOB NOT NULL,          -- SHA-256 of the file
    applied_at INTEGER NOT NULL
) STRICT;
