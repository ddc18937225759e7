//! Rows of the table `functions`, with the defaults for what another tool left out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tandem_contract::{Error, Function, FunctionDraft, FunctionSummary, Language, Result, Revision};

use super::store_error;

/// What the store knows of a name before a write.
#[derive(Default)]
pub(super) struct Held {
    /// Of the row; `None` when there is none.
    pub(super) revision: Option<Revision>,
    pub(super) created_at: Option<i64>,
    /// The highest that the name ever had.
    pub(super) last_revision: Revision,
}

pub(super) async fn held(connection: &mut SqliteConnection, name: &str) -> Result<Held> {
    const READ: &str =
        "SELECT f.name IS NOT NULL, coalesce(f.revision, 1), f.created_at, coalesce(r.revision, 0)
        FROM (SELECT ?1 AS name) AS n
        LEFT JOIN functions AS f ON f.name = n.name
        LEFT JOIN function_revisions AS r ON r.name = n.name";
    let row = sqlx::query(READ).bind(name).fetch_one(connection).await.map_err(store_error)?;
    let exists: bool = column(&row, 0)?;
    let revision: i64 = column(&row, 1)?;
    let last: i64 = column(&row, 3)?;
    Ok(Held {
        revision: exists.then_some(revision.unsigned_abs()),
        created_at: integer(&row, 2),
        last_revision: last.unsigned_abs(),
    })
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    draft: &FunctionDraft,
    revision: Revision,
    created_at: i64,
    updated_at: i64,
) -> Result<()> {
    const WRITE: &str = "INSERT INTO functions
            (name, source, language, compiled, source_map, hash, methods, description, revision, created_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (name) DO UPDATE SET
            source = ?2, language = ?3, compiled = ?4, source_map = ?5, hash = ?6, methods = ?7,
            description = ?8, revision = ?9, created_at = ?10, updated_at = ?11";
    let methods = serde_json::to_string(&draft.methods).map_err(Error::internal)?;
    sqlx::query(WRITE)
        .bind(draft.name.as_str())
        .bind(&draft.source)
        .bind(language_word(draft.language))
        .bind(&draft.compiled)
        .bind(draft.source_map.as_deref())
        .bind(&draft.hash)
        .bind(methods)
        .bind(&draft.description)
        .bind(revision.cast_signed())
        .bind(created_at)
        .bind(updated_at)
        .execute(connection)
        .await
        .map_err(store_error)?;
    Ok(())
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

pub(super) async fn delete(connection: &mut SqliteConnection, name: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM functions WHERE name = ?").bind(name).execute(connection).await;
    Ok(done.map_err(store_error)?.rows_affected() > 0)
}

pub(super) async fn read(connection: &mut SqliteConnection, name: &str) -> Result<Option<Function>> {
    const READ: &str = "SELECT name, language, hash, methods, description, revision, created_at, updated_at,
            compiled, source, source_map
        FROM functions WHERE name = ?";
    let row = sqlx::query(READ).bind(name).fetch_optional(connection).await.map_err(store_error)?;
    row.as_ref().map(function).transpose()
}

pub(super) async fn page(
    connection: &mut SqliteConnection,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<FunctionSummary>> {
    // Without a hash it is computed from the compiled text, which is read for such rows only.
    const PAGE: &str = "SELECT name, language, hash, methods, description, revision, created_at, updated_at,
            CASE WHEN hash IS NULL THEN compiled END
        FROM functions WHERE name > ? ORDER BY name LIMIT ?";
    let rows = sqlx::query(PAGE)
        .bind(after.unwrap_or(""))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.iter().map(summary).collect()
}

fn function(row: &SqliteRow) -> Result<Function> {
    let summary = summary(row)?;
    Ok(Function {
        name: summary.name,
        source: column::<Option<String>>(row, 9)?.unwrap_or_default(),
        language: summary.language,
        compiled: column(row, 8)?,
        source_map: column(row, 10)?,
        hash: summary.hash,
        methods: summary.methods,
        description: summary.description,
        revision: summary.revision,
        created_at: summary.created_at,
        updated_at: summary.updated_at,
    })
}

fn summary(row: &SqliteRow) -> Result<FunctionSummary> {
    let name: String = column(row, 0)?;
    let methods = match column::<Option<String>>(row, 3)?.filter(|text| !text.is_empty()) {
        Some(text) => serde_json::from_str(&text).map_err(|error| {
            Error::internal(format!("function {name:?}: `methods` is not a JSON array of strings: {error}"))
        })?,
        None => Vec::new(),
    };
    let hash = match column::<Option<String>>(row, 2)? {
        Some(hash) => hash,
        None => column::<Option<String>>(row, 8)?.map(|text| sha256(&text)).unwrap_or_default(),
    };
    let created_at = integer(row, 6).unwrap_or(0);
    Ok(FunctionSummary {
        language: language(column::<Option<String>>(row, 1)?.as_deref()),
        hash,
        methods,
        description: column::<Option<String>>(row, 4)?.unwrap_or_default(),
        revision: integer(row, 5).unwrap_or(1).unsigned_abs(),
        created_at: from_millis(created_at),
        updated_at: from_millis(integer(row, 7).unwrap_or(created_at)),
        name,
    })
}

fn column<'r, T>(row: &'r SqliteRow, at: usize) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(at).map_err(store_error)
}

/// A number, or nothing for `NULL` and for what another tool stored in its own notation.
fn integer(row: &SqliteRow, at: usize) -> Option<i64> {
    row.try_get::<Option<i64>, _>(at).ok().flatten()
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
