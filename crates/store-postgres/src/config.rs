use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tandem_contract::settings::{Duration, Secret};
use tandem_contract::{Error, ErrorKind, Result};

/// Settings of the `postgres` backend. Functions and documents with the same `url` and `schema`
/// share one set of connections and must then have the same settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    /// Where the server is and who connects: `postgres://user:password@host:5432/database`. For TLS
    /// add `?sslmode=verify-full`, and `&sslrootcert=FILE` for a certificate authority of your own.
    pub url: Secret,
    /// The schema that holds everything; made when missing, and brought up to date at the start.
    /// Lower-case letters, digits and `_`, at most 40. `cloud.sql` works in another one, named
    /// with `_sql` at the end.
    pub schema: String,
    /// A role that statements of `cloud.sql` run as; the user of `url` must be allowed to `SET ROLE` to
    /// it. It needs no rights of its own. Left out, they run as that user and reach all that it may
    /// reach, but for `schema` and the server's own catalogs, which a check of their words bars.
    pub sql_role: Option<String>,
    /// Connections at most, 2 to 500; the change feed and health checks take up to three more.
    pub connections: u32,
    /// How long a call waits for a free connection before it fails.
    pub connection_wait: Duration,
    /// How long making a connection may take, at most a second and a half.
    pub connect_timeout: Duration,
    /// After so long a connection that nobody used is closed.
    pub idle_timeout: Duration,
    /// After so long a connection is closed after its use, so that a fail-over is noticed.
    pub max_lifetime: Duration,
    /// How long a statement may run on the server, whoever waits for it.
    pub statement_timeout: Duration,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            schema: "tandem".to_owned(),
            sql_role: None,
            connections: 20,
            connection_wait: Duration::from_millis(1500),
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(1800),
            statement_timeout: Duration::from_secs(60),
        }
    }
}

impl PostgresConfig {
    /// # Errors
    /// `InvalidArgument` with the name of a setting that cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        if self.url.is_empty() {
            return refuse("postgres.url is missing: postgres://user:password@host:5432/database");
        }
        if !is_plain(&self.schema, 40) || self.schema.starts_with("pg_") {
            return refuse(
                "postgres.schema must be 1 to 40 lower-case letters, digits and `_`, not starting with a digit or pg_",
            );
        }
        if self.sql_role.as_deref().is_some_and(|role| !is_plain(role, 60)) {
            return refuse("postgres.sql_role must be 1 to 60 lower-case letters, digits and `_`");
        }
        if !(2..=500).contains(&self.connections) {
            return refuse("postgres.connections must be 2 to 500");
        }
        let connect = self.connect_timeout.get();
        if connect.is_zero() || connect > std::time::Duration::from_millis(1500) {
            return refuse("postgres.connect_timeout must be above 0 and at most 1500ms");
        }
        let limits = [
            ("connection_wait", self.connection_wait),
            ("idle_timeout", self.idle_timeout),
            ("max_lifetime", self.max_lifetime),
            ("statement_timeout", self.statement_timeout),
        ];
        match limits.iter().find(|(_, limit)| limit.get().is_zero()) {
            Some((name, _)) => refuse(&format!("postgres.{name} must be above 0")),
            None => Ok(()),
        }
    }

    /// How the store connects.
    ///
    /// # Errors
    /// `InvalidArgument` for a URL that cannot be read; the URL itself is not repeated.
    pub(crate) fn options(&self) -> Result<PgConnectOptions> {
        // Every statement of the store is made for the indexes that are there, and each is planned
        // once a connection.
        Ok(self.common_options(&self.schema)?.options([
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
        ]))
    }

    /// How `cloud.sql` connects.
    ///
    /// # Errors
    /// As [`PostgresConfig::options`].
    pub(crate) fn sql_options(&self) -> Result<PgConnectOptions> {
        self.common_options(&self.sql_schema())
    }

    fn common_options(&self, schema: &str) -> Result<PgConnectOptions> {
        let options = PgConnectOptions::from_str(self.url.expose()).map_err(|_| {
            Error::new(
                ErrorKind::InvalidArgument,
                "postgres.url cannot be read: postgres://user:password@host:5432/database?sslmode=verify-full",
            )
        })?;
        // Statements are the store's own business; the driver would log texts that functions wrote.
        let name = options.get_application_name().unwrap_or("tandem").to_owned();
        Ok(options
            .application_name(&name)
            .statement_cache_capacity(512)
            .options([
                // The only place where names are looked for.
                ("search_path", schema),
                ("statement_timeout", &self.statement_timeout.get().as_millis().to_string()),
                ("idle_in_transaction_session_timeout", "120000"),
                ("client_min_messages", "warning"),
                ("jit", "off"),
            ])
            .disable_statement_logging())
    }

    /// The schema that `cloud.sql` works in.
    pub(crate) fn sql_schema(&self) -> String {
        format!("{}_sql", self.schema)
    }
}

fn refuse<T>(message: &str) -> Result<T> {
    Err(Error::new(ErrorKind::InvalidArgument, message))
}

/// Whether a name needs no quotes and no escaping in SQL.
fn is_plain(name: &str, longest: usize) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (1..=longest).contains(&name.len())
        && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
        && name.bytes().next().is_some_and(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut PostgresConfig)) -> PostgresConfig {
        let mut config = PostgresConfig { url: Secret::new("postgres://localhost/x"), ..Default::default() };
        change(&mut config);
        config
    }

    #[test]
    fn settings_that_cannot_work_are_refused_by_name() {
        assert!(with(|_| ()).check().is_ok());
        for (name, config) in [
            ("postgres.url", PostgresConfig::default()),
            ("postgres.schema", with(|config| config.schema = "a\"; drop".into())),
            ("postgres.schema", with(|config| config.schema = "pg_mine".into())),
            ("postgres.sql_role", with(|config| config.sql_role = Some("A".into()))),
            ("postgres.connections", with(|config| config.connections = 1)),
            ("postgres.connect_timeout", with(|config| config.connect_timeout = Duration::from_secs(2))),
            ("postgres.idle_timeout", with(|config| config.idle_timeout = Duration::default())),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated() {
        let config = with(|config| config.url = Secret::new("postgres://me:swordfish@host:port/x"));
        let error = config.options().unwrap_err();
        assert!(error.message().contains("postgres.url"));
        assert!(!error.to_string().contains("swordfish"), "{error}");
    }
}
