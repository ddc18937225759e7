//! What came of an operation, in a form that is equal when the answers are.

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document, Timestamp};
use tandem_contract::{Error, ErrorKind};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// Debug text, which tells types and the order of fields apart, and is equal for NaN.
    Value(String),
    /// Of one class; the sentence is for people.
    Error(&'static str),
    /// The feature that was refused.
    Refused(String),
}

impl Answer {
    pub(crate) fn of(result: Result<Bson, Error>, unordered: bool) -> Self {
        match result {
            Ok(value) => {
                let value = settled(value);
                let value = match (unordered, value) {
                    (true, Bson::Array(items)) => sorted(items),
                    (_, value) => value,
                };
                Self::Value(format!("{value:?}"))
            }
            Err(error) if error.kind() == ErrorKind::NotSupported => Self::Refused(feature(&error)),
            Err(error) => Self::Error(error.kind().code()),
        }
    }

    /// Whether both refuse the request as wrong: what one does not know, another finds malformed.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Value(_) => false,
            Self::Error(code) => *code == ErrorKind::InvalidArgument.code(),
            Self::Refused(_) => true,
        }
    }
}

/// `$x` of `NOT_SUPPORTED: $x on sqlite`.
fn feature(error: &Error) -> String {
    let message = error.message();
    let message = message.strip_prefix("NOT_SUPPORTED: ").unwrap_or(message);
    message.rsplit_once(" on ").map_or(message, |(feature, _)| feature).to_owned()
}

fn sorted(items: Vec<Bson>) -> Bson {
    let mut items: Vec<(String, Bson)> = items.into_iter().map(|item| (format!("{item:?}"), item)).collect();
    items.sort_by(|left, right| left.0.cmp(&right.0));
    items.into_iter().map(|(_, item)| item).collect()
}

/// What differs from run to run is the same: times of now and ids that a store made.
fn settled(value: Bson) -> Bson {
    match value {
        Bson::DateTime(time) if is_now(time.timestamp_millis() / 1000) => Bson::DateTime(DateTime::MIN),
        Bson::Timestamp(stamp) if is_now(stamp.time.into()) => {
            Bson::Timestamp(Timestamp { time: 0, increment: 0 })
        }
        Bson::ObjectId(id) if is_now(id.timestamp().timestamp_millis() / 1000) => {
            Bson::ObjectId(ObjectId::from_bytes([0xee; 12]))
        }
        Bson::Array(items) => items.into_iter().map(settled).collect(),
        Bson::Document(document) => {
            let fields = document.into_iter().map(|(name, value)| (name, settled(value)));
            Bson::Document(fields.collect::<Document>())
        }
        other => other,
    }
}

fn is_now(seconds: i64) -> bool {
    let now = DateTime::now().timestamp_millis() / 1000;
    (now - seconds).abs() < 86_400
}
