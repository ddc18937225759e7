//! What a driver's error means to a caller.

use sqlx::Error as SqlError;
use tandem_contract::{Error, ErrorKind};

/// Names the port that an error came through, for its message.
#[derive(Clone, Copy, Debug)]
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
            SqlError::Database(database) => match database.code().and_then(|code| code.parse().ok()) {
                Some(code) => self.by_code(code, &error),
                None => Error::internal(&error),
            },
            SqlError::PoolClosed => self.unavailable("it is closed"),
            SqlError::PoolTimedOut => self.timed_out("no connection became free"),
            SqlError::Io(_) | SqlError::WorkerCrashed => self.unavailable(&error.to_string()),
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

    /// `code` is a result code with its extension: <https://sqlite.org/rescode.html>.
    fn by_code(self, code: u32, error: &SqlError) -> Error {
        const PRIMARY: u32 = 0xff;
        const CONSTRAINT_PRIMARY_KEY: u32 = 1555;
        const CONSTRAINT_UNIQUE: u32 = 2067;
        match (code, code & PRIMARY) {
            (CONSTRAINT_PRIMARY_KEY | CONSTRAINT_UNIQUE, _) => {
                Error::new(ErrorKind::DuplicateKey, "E11000 duplicate key error").with_detail(error)
            }
            // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN
            (_, 5 | 6 | 8 | 10 | 13 | 14) => self.unavailable(&error.to_string()),
            // INTERRUPT
            (_, 9) => self.timed_out(&error.to_string()),
            _ => Error::internal(error),
        }
    }
}
