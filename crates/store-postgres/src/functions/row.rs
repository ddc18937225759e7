//! Rows of the table `functions`, with the defaults for what another tool left out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use tandem_contract::{
    Error, ErrorKind, Function, FunctionDraft, FunctionSummary, Language, Result, Revision,
};

/// What the store knows of a name before a write.
pub(super) struct Held {
    /// Of the row; `None` when there is none.
    pub(super) revision: Option<Revision>,
    pub(super) created_at: Option<i64>,
}

/// Reads what is held of a name. Other writers of it wait until the transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, name: &str) -> sqlx::Result<Held> {
    const LOCK: &str = "INSERT INTO function_revisions AS held (name, revision) VALUES ($1, 0)
        ON CONFLICT (name) DO UPDATE SET revision = held.revision";
    const READ: &str = "SELECT coalesce(revision, 1), (extract(epoch FROM created_at) * 1000)::bigint
        FROM functions WHERE name = $1 FOR UPDATE";
    sqlx::query(LOCK).bind(name).execute(&mut *connection).await?;
    let row = sqlx::query(READ).bind(name).fetch_optional(connection).await?;
    Ok(match row {
        Some(row) => {
            Held { revision: Some(row.try_get::<i64, _>(0)?.unsigned_abs()), created_at: row.try_get(1)? }
        }
        None => Held { revision: None, created_at: None },
    })
}

/// Writes the row; returns the revision that the trigger gave it.
pub(super) async fn write(
    connection: &mut PgConnection,
    draft: &FunctionDraft,
    exists: bool,
    created_at: i64,
    updated_at: i64,
) -> sqlx::Result<Revision> {
    const INSERT: &str = "INSERT INTO functions
            (name, source, language, compiled, source_map, hash, methods, description, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, to_timestamp($9::float8 / 1000), to_timestamp($10::float8 / 1000))
        RETURNING revision";
    // Without a revision of its own the trigger gives the next one.
    const UPDATE: &str = "UPDATE functions SET source = $2, language = $3, compiled = $4, source_map = $5,
            hash = $6, methods = $7, description = $8, created_at = to_timestamp($9::float8 / 1000),
            updated_at = to_timestamp($10::float8 / 1000), revision = NULL
        WHERE name = $1 RETURNING revision";
    // Milliseconds since 1970 are exact as doubles.
    let revision: i64 = sqlx::query_scalar(if exists { UPDATE } else { INSERT })
        .bind(draft.name.as_str())
        .bind(&draft.source)
        .bind(language_word(draft.language))
        .bind(&draft.compiled)
        .bind(draft.source_map.as_deref())
        .bind(&draft.hash)
        .bind(&draft.methods)
        .bind(&draft.description)
        .bind(created_at as f64)
        .bind(updated_at as f64)
        .fetch_one(connection)
        .await?;
    Ok(revision.unsigned_abs())
}

/// Postgres' text holds every character but one.
///
/// # Errors
/// `InvalidArgument` naming the field that has a NUL.
pub(super) fn check_text(draft: &FunctionDraft) -> Result<()> {
    let fields = [
        ("source", draft.source.as_str()),
        ("compiled text", draft.compiled.as_str()),
        ("source map", draft.source_map.as_deref().unwrap_or_default()),
        ("hash", draft.hash.as_str()),
        ("description", draft.description.as_str()),
    ];
    let methods = draft.methods.iter().map(|method| ("methods", method.as_str()));
    match fields.into_iter().chain(methods).find(|(_, text)| text.contains('\0')) {
        None => Ok(()),
        Some((field, _)) => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "Function {:?}: the {field} holds a NUL character, which Postgres cannot store; write it as \\0",
                draft.name.as_str()
            ),
        )),
    }
}

/// What a later read will return for `draft`.
pub(super) fn stored(
    draft: &FunctionDraft,
    revision: Revision,
    created_at: i64,
    updated_at: i64,
) -> Function {
    let draft = draft.clone();
    Function {
        name: draft.name.as_str().to_owned(),
        source: draft.source,
        language: draft.language,
        compiled: Some(draft.compiled),
        source_map: draft.source_map,
        hash: draft.hash,
        methods: draft.methods,
        description: draft.description,
        revision,
        created_at: from_millis(created_at),
        updated_at: from_millis(updated_at),
    }
}

pub(super) async fn delete(connection: &mut PgConnection, name: &str) -> sqlx::Result<bool> {
    let done = sqlx::query("DELETE FROM functions WHERE name = $1").bind(name).execute(connection).await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn ping(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT 1 FROM functions LIMIT 1").fetch_optional(connection).await.map(drop)
}

pub(super) async fn read(connection: &mut PgConnection, name: &str) -> sqlx::Result<Option<Function>> {
    const READ: &str = "SELECT name, language, hash, methods, description, revision,
            (extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM updated_at) * 1000)::bigint,
            compiled, source, source_map
        FROM functions WHERE name = $1";
    let row = sqlx::query(READ).bind(name).fetch_optional(connection).await?;
    row.as_ref().map(function).transpose()
}

pub(super) async fn page(
    connection: &mut PgConnection,
    after: &str,
    limit: usize,
) -> sqlx::Result<Vec<FunctionSummary>> {
    // Without a hash it is computed from the compiled text, which is read for such rows only.
    const PAGE: &str = "SELECT name, language, hash, methods, description, revision,
            (extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM updated_at) * 1000)::bigint,
            CASE WHEN hash IS NULL THEN compiled END
        FROM functions WHERE name > $1 ORDER BY name LIMIT $2";
    let rows = sqlx::query(PAGE)
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await?;
    rows.iter().map(summary).collect()
}

fn function(row: &PgRow) -> sqlx::Result<Function> {
    let summary = summary(row)?;
    Ok(Function {
        name: summary.name,
        source: row.try_get::<Option<String>, _>(9)?.unwrap_or_default(),
        language: summary.language,
        compiled: row.try_get(8)?,
        source_map: row.try_get(10)?,
        hash: summary.hash,
        methods: summary.methods,
        description: summary.description,
        revision: summary.revision,
        created_at: summary.created_at,
        updated_at: summary.updated_at,
    })
}

fn summary(row: &PgRow) -> sqlx::Result<FunctionSummary> {
    let hash = match row.try_get::<Option<String>, _>(2)? {
        Some(hash) => hash,
        None => row.try_get::<Option<String>, _>(8)?.map(|text| sha256(&text)).unwrap_or_default(),
    };
    let created_at = row.try_get::<Option<i64>, _>(6)?.unwrap_or(0);
    let methods: Option<Vec<Option<String>>> = row.try_get(3)?;
    Ok(FunctionSummary {
        name: row.try_get(0)?,
        language: language(row.try_get::<Option<String>, _>(1)?.as_deref()),
        hash,
        methods: methods.unwrap_or_default().into_iter().flatten().collect(),
        description: row.try_get::<Option<String>, _>(4)?.unwrap_or_default(),
        revision: row.try_get::<Option<i64>, _>(5)?.unwrap_or(1).unsigned_abs(),
        created_at: from_millis(created_at),
        updated_at: from_millis(row.try_get::<Option<i64>, _>(7)?.unwrap_or(created_at)),
    })
}

const fn language_word(language: Language) -> &'static str {
    match language {
        Language::TypeScript => "typescript",
        Language::JavaScript => "javascript",
    }
}

fn language(word: Option<&str>) -> Language {
    match word {
        Some("javascript") => Language::JavaScript,
        _ => Language::TypeScript,
    }
}

fn sha256(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

pub(super) fn to_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn from_millis(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
