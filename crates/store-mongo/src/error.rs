//! What a driver's error means to a caller.

use mongodb::error::{Error as DriverError, ErrorKind as Kind, TRANSIENT_TRANSACTION_ERROR, WriteFailure};
use tandem_contract::{Error, ErrorKind};

pub(crate) const BACKEND: &str = "mongo";

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

    /// Translates a driver's error; its own words go to the detail, but for what the server says
    /// of the caller's own arguments.
    pub(crate) fn error(self, error: DriverError) -> Error {
        if error.contains_label(TRANSIENT_TRANSACTION_ERROR) {
            return lost(&error);
        }
        match &*error.kind {
            Kind::Command(command) => self.by_code(command.code, &command.message, &error),
            Kind::Write(WriteFailure::WriteError(write)) => self.by_code(write.code, &write.message, &error),
            Kind::Write(WriteFailure::WriteConcernError(_)) => self.unconfirmed(&error),
            Kind::InsertMany(many) => match many.write_errors.as_deref() {
                Some([first, ..]) => self.by_code(first.code, &first.message, &error),
                _ => self.unconfirmed(&error),
            },
            Kind::InvalidArgument { message, .. } => Error::new(ErrorKind::InvalidArgument, message.clone()),
            Kind::Bson(_) | Kind::BsonSerialization(_) => {
                Error::new(ErrorKind::InvalidArgument, "A value cannot be written as BSON").with_detail(error)
            }
            Kind::SessionsNotSupported => Error::not_supported("transactions", BACKEND),
            Kind::Io(_)
            | Kind::ConnectionPoolCleared { .. }
            | Kind::ServerSelection { .. }
            | Kind::DnsResolve { .. }
            | Kind::Authentication { .. }
            | Kind::InvalidTlsConfig { .. }
            | Kind::Shutdown => self.unavailable(&error),
            _ => Error::internal(error),
        }
    }

    /// The store did not answer in the time that the caller gave it.
    pub(crate) fn timed_out(self, detail: &str) -> Error {
        Error::new(ErrorKind::StoreUnavailable, format!("The {} timed out", self.name())).with_detail(detail)
    }

    pub(crate) fn unavailable(self, detail: impl std::fmt::Display) -> Error {
        Error::unavailable(self.name(), detail)
    }

    fn unconfirmed(self, error: &DriverError) -> Error {
        let message =
            format!("The {} took a write that the majority of its members has not confirmed", self.name());
        Error::new(ErrorKind::StoreUnavailable, message).with_detail(error)
    }

    /// Codes: <https://www.mongodb.com/docs/manual/reference/error-codes/>.
    pub(crate) fn by_code(self, code: i32, message: &str, error: &dyn std::fmt::Display) -> Error {
        let of = |kind: ErrorKind, text: &str| Error::new(kind, shown(text)).with_detail(error);
        match code {
            11000 | 11001 => of(ErrorKind::DuplicateKey, message),
            // MaxTimeMSExpired, ExceededTimeLimit, Interrupted, CursorNotFound, CursorKilled
            50 | 262 | 11601 | 43 | 237 => self.timed_out(&error.to_string()),
            // WriteConflict, SnapshotUnavailable, NoSuchTransaction, TransactionTooOld
            112 | 246 | 251 | 225 => lost(error),
            26 | 27 => of(ErrorKind::NotFound, "There is no such collection or index"),
            // IndexOptionsConflict, IndexKeySpecsConflict
            85 | 86 => of(ErrorKind::Conflict, message),
            // OperationNotSupportedInTransaction
            263 => Error::not_supported("this operation inside a transaction", BACKEND).with_detail(error),
            // IllegalOperation: what a server outside of a replica set says of transactions.
            20 if message.starts_with("Transaction numbers") => Error::not_supported("transactions", BACKEND),
            13 => of(ErrorKind::Forbidden, "The user of the database may not do this"),
            code if is_unavailable(code) => self.unavailable(error),
            code if is_about_arguments(code) => of(ErrorKind::InvalidArgument, message),
            // InternalError, UnknownError, ProtocolError, InterruptedDueToStorageChange
            1 | 8 | 17 | 355 => Error::internal(error),
            // Of others the kind is known, and not whether a person may read what they say.
            code => {
                of(ErrorKind::InvalidArgument, &format!("The database refused the operation (code {code})"))
            }
        }
    }
}

/// Another transaction won; this one may be tried again.
fn lost(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Conflict, "The transaction lost against another: try it again").with_detail(error)
}

/// HostUnreachable, HostNotFound, AuthenticationFailed, WriteConcernFailed and its like,
/// NetworkTimeout, ShutdownInProgress, PrimarySteppedDown, SocketException, NotWritablePrimary,
/// InterruptedAtShutdown, InterruptedDueToReplStateChange, NotPrimaryNoSecondaryOk,
/// NotPrimaryOrSecondary, ReadConcernMajorityNotAvailableYet, no space left.
const fn is_unavailable(code: i32) -> bool {
    matches!(
        code,
        6 | 7
            | 18
            | 64
            | 79
            | 89
            | 91
            | 100
            | 134
            | 189
            | 9001
            | 10058
            | 10107
            | 11600
            | 11602
            | 13435
            | 13436
            | 14031
    )
}

/// Codes whose sentences are about the query, update, document or index that the caller gave.
/// Those above 10000 number single checks of the parsers.
const fn is_about_arguments(code: i32) -> bool {
    match code {
        2..=5 | 9 | 14 | 15 | 16 | 20 | 21 | 22 | 28 | 29 | 31..=34 | 40 | 44 | 45 | 47 => true,
        52..=58 | 61 | 66..=68 | 72 | 73 | 75 | 82..=84 | 92 | 93 | 99 | 103 | 107 | 109 | 111 | 121 => true,
        131 | 145 | 146 | 165 | 167..=173 | 177 | 181 | 188 | 191 | 197 | 201 | 207 | 216 | 219 => true,
        221 | 224 | 226 | 227 | 229 | 232 | 235 | 238 | 239 | 241 | 242 | 244 | 257 | 258 | 278 | 281 => true,
        284 | 289..=292 | 296 | 303 | 309 | 322 | 334 | 352 | 361 | 370 => true,
        code => code > 10_000,
    }
}

/// A server's sentence, cut to what a person reads. Names of databases are the operator's.
fn shown(message: &str) -> String {
    const LONGEST: usize = 600;
    let message = strip_database(message);
    match message.len() > LONGEST {
        true => format!("{}…", &message[..message.floor_char_boundary(LONGEST)]),
        false => message,
    }
}

/// `collection: tandem.users index: …` and `tandem.users …` name the collection only.
fn strip_database(message: &str) -> String {
    const BEFORE: &str = " collection: ";
    let Some(start) = message.find(BEFORE).map(|at| at + BEFORE.len()) else {
        return message.to_owned();
    };
    let (before, rest) = message.split_at(start);
    let name = rest.split_once(' ').map_or(rest, |(name, _)| name);
    match name.find('.') {
        Some(dot) => format!("{before}{}", &rest[dot + 1..]),
        None => message.to_owned(),
    }
}
