CREATE TABLE collections (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE indexes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    name       TEXT NOT NULL,
    spec       BLOB NOT NULL,              -- BSON
    multikey   INTEGER NOT NULL DEFAULT 0, -- 1 once a document had an array at one of the paths
    UNIQUE (collection, name)
);

-- `seq` is the collection's id shifted left by 36 bits plus a number that grows with each insert:
-- a collection is one contiguous range of the table, in insertion order.
CREATE TABLE documents (
    seq        INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    id_key     BLOB NOT NULL,              -- the order-preserving encoding of `_id`
    body       BLOB NOT NULL               -- BSON
);
CREATE UNIQUE INDEX documents_by_id ON documents (collection, id_key);

CREATE TABLE index_entries (
    index_id INTEGER NOT NULL,
    key      BLOB NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (index_id, key, seq)
) WITHOUT ROWID;

-- Entries of unique indexes have a table of their own, whose key leaves out `seq`: SQLite itself
-- refuses a second document with the same key.
CREATE TABLE unique_entries (
    index_id INTEGER NOT NULL,
    key      BLOB NOT NULL,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (index_id, key)
) WITHOUT ROWID;
