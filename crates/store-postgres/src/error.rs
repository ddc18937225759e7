//! What a driver's error means to a caller.

use sqlx::Error as SqlError;
use sqlx::postgres::PgDatabaseError;
use tandem_contract::{Error, ErrorKind};

/// Names the port that an error came through, for its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Functions,
    Documents,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Functions => "function store",
            Self::Documents => "document store",
        }
    }

    /// Translates a driver's error; its own words go to the detail.
    pub(crate) fn error(self, error: SqlError) -> Error {
        match &error {
            SqlError::Database(_) => self.by_code(code(&error), &error),
            SqlError::PoolClosed => self.unavailable("it is closed"),
            SqlError::PoolTimedOut => self.timed_out("no connection became free"),
            _ if is_of_connection(&error) => self.unavailable(&error.to_string()),
            _ => Error::internal(&error),
        }
    }

    /// The store did not answer in the time that the caller gave it.
    pub(crate) fn timed_out(self, detail: &str) -> Error {
        Error::new(ErrorKind::StoreUnavailable, format!("The {} timed out", self.name())).with_detail(detail)
    }

    pub(crate) fn unavailable(self, detail: &str) -> Error {
        Error::unavailable(self.name(), detail)
    }

    /// `code` is an SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    fn by_code(self, code: &str, error: &SqlError) -> Error {
        match code {
            UNIQUE_VIOLATION => {
                Error::new(ErrorKind::DuplicateKey, "E11000 duplicate key error").with_detail(error)
            }
            // Serialization failure, deadlock, a failed transaction; a table that is gone because its
            // collection or index was dropped or made anew meanwhile.
            "40001" | "40P01" | "25P02" | "42P01" => Error::new(
                ErrorKind::Conflict,
                "The operation lost against another one that ran at the same time: try again",
            )
            .with_detail(error),
            // Cancelled, or waited too long for a lock.
            "57014" | "55P03" => self.timed_out(&error.to_string()),
            // Connection, resources, operator, system, read-only after a fail-over, wrong password.
            _ if ["08", "53", "57", "58", "28"].contains(&code.get(..2).unwrap_or_default())
                || code == "25006" =>
            {
                self.unavailable(&error.to_string())
            }
            _ => Error::internal(error),
        }
    }
}

pub(crate) const UNIQUE_VIOLATION: &str = "23505";

/// The SQLSTATE of a server's error; empty for others.
pub(crate) fn code(error: &SqlError) -> &str {
    postgres(error).map_or("", PgDatabaseError::code)
}

pub(crate) fn postgres(error: &SqlError) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
}

/// Whether the connection is of no more use: it broke, or the server is ending it.
pub(crate) fn is_of_connection(error: &SqlError) -> bool {
    match error {
        SqlError::Database(_) => {
            // Shut down, crashed, starting, idle too long; protocol violation.
            matches!(code(error), "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "08P01")
        }
        SqlError::Io(_) | SqlError::Tls(_) | SqlError::Protocol(_) | SqlError::WorkerCrashed => true,
        _ => false,
    }
}
