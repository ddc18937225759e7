-- Functions. Another tool may write rows with `name`, `compiled` and `hash` only. Names compare by
-- bytes, so that pages come in the same order on every server.
CREATE TABLE functions (
    name        text COLLATE "C" PRIMARY KEY,
    source      text,
    language    text,
    compiled    text,
    source_map  text,
    hash        text,
    methods     text[],
    description text,
    revision    bigint,
    created_at  timestamptz,
    updated_at  timestamptz
);

-- The highest revision that a name ever had. Its row outlives the function, so that a number is
-- never used for two texts. Writers of a function queue up for it.
CREATE TABLE function_revisions (
    name     text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL
);

-- Other tools may come with another search path.
CREATE FUNCTION number_function() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO function_revisions AS held (name, revision) VALUES (NEW.name, coalesce(NEW.revision, 1))
        ON CONFLICT (name) DO UPDATE SET revision = greatest(held.revision + 1, coalesce(NEW.revision, 0))
        RETURNING held.revision INTO NEW.revision;
    RETURN NEW;
END $$;

CREATE TRIGGER number_inserted BEFORE INSERT ON functions
    FOR EACH ROW EXECUTE FUNCTION number_function();

CREATE TRIGGER number_updated BEFORE UPDATE ON functions
    FOR EACH ROW WHEN (NEW.* IS DISTINCT FROM OLD.*) EXECUTE FUNCTION number_function();

-- Tells every process that listens: `P` and the name, `D` and the name, or nothing when a name is
-- too long for a notification, which means to read everything again.
CREATE FUNCTION announce_function() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    channel CONSTANT text := 'functions_' || TG_TABLE_SCHEMA;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_notify(channel, '');
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' AND (TG_OP = 'DELETE' OR OLD.name <> NEW.name) THEN
        PERFORM pg_notify(channel, CASE WHEN octet_length(OLD.name) > 4000 THEN '' ELSE 'D' || OLD.name END);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pg_notify(channel, CASE WHEN octet_length(NEW.name) > 4000 THEN '' ELSE 'P' || NEW.name END);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON functions
    FOR EACH ROW EXECUTE FUNCTION announce_function();

CREATE TRIGGER announce_all AFTER TRUNCATE ON functions
    FOR EACH STATEMENT EXECUTE FUNCTION announce_function();
