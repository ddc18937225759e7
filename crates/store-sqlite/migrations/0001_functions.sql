-- Functions. Another tool may write rows with `name`, `compiled` and `hash` only.
CREATE TABLE functions (
    name        TEXT PRIMARY KEY NOT NULL,
    source      TEXT,
    language    TEXT,
    compiled    TEXT,
    source_map  TEXT,
    hash        TEXT,
    methods     TEXT,    -- JSON array of upper-case methods
    description TEXT,
    revision    INTEGER,
    created_at  INTEGER, -- milliseconds since 1970-01-01T00:00:00Z
    updated_at  INTEGER
);

-- The highest revision that a name ever had. Its row outlives the function, so that a number is
-- never used for two texts.
CREATE TABLE function_revisions (
    name     TEXT PRIMARY KEY NOT NULL,
    revision INTEGER NOT NULL
) WITHOUT ROWID;

-- What happened, for watchers in any process. Triggers write it, so that changes made by other
-- tools are seen too.
CREATE TABLE function_changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL,
    deleted INTEGER NOT NULL
);

CREATE TRIGGER functions_inserted AFTER INSERT ON functions BEGIN
    INSERT INTO function_revisions (name, revision) VALUES (NEW.name, coalesce(NEW.revision, 1))
        ON CONFLICT (name) DO UPDATE SET revision = coalesce(NEW.revision, revision + 1);
    UPDATE functions SET revision = (SELECT revision FROM function_revisions WHERE name = NEW.name)
        WHERE name = NEW.name AND revision IS NULL;
    INSERT INTO function_changes (name, deleted) VALUES (NEW.name, 0);
    DELETE FROM function_changes WHERE seq <= (SELECT max(seq) FROM function_changes) - 10000;
END;

-- The columns that are listed leave out `revision`: the update inside does not fire it again.
CREATE TRIGGER functions_updated
AFTER UPDATE OF source, language, compiled, source_map, hash, methods, description ON functions BEGIN
    INSERT INTO function_revisions (name, revision) VALUES (NEW.name, coalesce(NEW.revision, 1))
        ON CONFLICT (name) DO UPDATE SET revision = max(revision + 1, coalesce(NEW.revision, 0));
    UPDATE functions SET revision = (SELECT revision FROM function_revisions WHERE name = NEW.name)
        WHERE name = NEW.name AND revision IS OLD.revision;
    INSERT INTO function_changes (name, deleted) VALUES (NEW.name, 0);
    DELETE FROM function_changes WHERE seq <= (SELECT max(seq) FROM function_changes) - 10000;
END;

CREATE TRIGGER functions_renamed AFTER UPDATE OF name ON functions WHEN NEW.name <> OLD.name BEGIN
    INSERT INTO function_changes (name, deleted) VALUES (OLD.name, 1), (NEW.name, 0);
END;

CREATE TRIGGER functions_deleted AFTER DELETE ON functions BEGIN
    INSERT INTO function_changes (name, deleted) VALUES (OLD.name, 1);
    DELETE FROM function_changes WHERE seq <= (SELECT max(seq) FROM function_changes) - 10000;
END;
