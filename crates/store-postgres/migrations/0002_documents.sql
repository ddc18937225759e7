-- Numbers states of collections. A number is never used twice, not even by a transaction that was
-- rolled back: two processes that hold the same one hold the same state.
CREATE SEQUENCE catalog_version;

-- The documents of collection 7 are the table `c7`:
--   seq     the order of insertion
--   id_key  the order-preserving encoding of `_id`
--   body    the document as BSON
--   doc     the document as JSONB, for conditions that the server can look at; NULL where JSONB
--           cannot hold it
CREATE TABLE collections (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text COLLATE "C" NOT NULL UNIQUE,
    version bigint NOT NULL DEFAULT nextval('catalog_version'),
    ids_cut boolean NOT NULL DEFAULT false     -- an `_id` was too long and its key is held in part
);

-- The keys of index 9 are the table `i9` (key, seq).
CREATE TABLE indexes (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection bigint NOT NULL REFERENCES collections ON DELETE CASCADE,
    name       text COLLATE "C" NOT NULL,
    spec       bytea NOT NULL,                 -- BSON
    multikey   boolean NOT NULL DEFAULT false, -- a document had an array at one of the paths
    cut        boolean NOT NULL DEFAULT false, -- a key was too long and is held in part
    UNIQUE (collection, name)
);
