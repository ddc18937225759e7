//! What the SDK's errors mean.

use std::error::Error as StdError;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use tandem_blobs::STORE;
use tandem_contract::{Error, ErrorKind};

/// What went wrong with a request, without the operation's type.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The server refused it.
    Refused {
        /// HTTP's.
        status: u16,
        /// S3's, empty for an answer without a body.
        code: String,
        /// In the server's words.
        message: String,
    },
    /// There was no answer, or none that could be read.
    Unanswered(String),
}

/// What the request was about, for sentences.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) bucket: &'a str,
    pub(crate) key: Option<&'a str>,
}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(refused) => Self::Refused {
                status: refused.raw().status().as_u16(),
                code: refused.err().code().unwrap_or_default().to_owned(),
                message: refused.err().message().unwrap_or_default().to_owned(),
            },
            SdkError::TimeoutError(_) => Self::Unanswered(format!("no answer in time: {}", chain(&error))),
            _ => Self::Unanswered(chain(&error)),
        }
    }
}

impl Failure {
    /// The object is not there.
    pub(crate) fn is_absent(&self) -> bool {
        match self {
            Self::Refused { status: 404, code, .. } => code != "NoSuchBucket" && code != "NoSuchUpload",
            _ => false,
        }
    }

    /// The bucket is not there.
    pub(crate) fn is_no_bucket(&self) -> bool {
        self.has_code("NoSuchBucket")
    }

    /// The range holds no byte of the object.
    pub(crate) fn is_unsatisfiable(&self) -> bool {
        matches!(self, Self::Refused { status: 416, .. }) || self.has_code("InvalidRange")
    }

    /// A condition did not hold, or another writer was at it.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 412, .. })
            || self.has_code("ConditionalRequestConflict")
            || self.has_code("OperationAborted")
    }

    /// The server does not know the operation.
    pub(crate) fn is_unknown_operation(&self) -> bool {
        matches!(self, Self::Refused { status: 405 | 501, .. }) || self.has_code("NotImplemented")
    }

    pub(crate) fn has_code(&self, expected: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == expected)
    }

    /// The error that functions and operators read.
    pub(crate) fn error(&self, site: Site<'_>) -> Error {
        let Site { endpoint, bucket, key } = site;
        let (status, code, said) = match self {
            Self::Unanswered(what) => {
                return Error::unavailable(
                    STORE,
                    format_args!(
                        "s3: {endpoint} does not answer ({what}): is storage.s3.endpoint right, and the server up?"
                    ),
                );
            }
            Self::Refused { status, code, message } => (*status, code.as_str(), message.as_str()),
        };
        let detail =
            |advice: &str| format!("s3: {endpoint}, bucket {bucket}: {status} {code} {said}{advice}");
        let refused = |sentence: &str, advice: &str| {
            Error::new(ErrorKind::Forbidden, sentence).with_detail(detail(advice))
        };
        match (status, code) {
            (_, "NoSuchBucket") => Error::new(
                ErrorKind::NotFound,
                format!("There is no bucket {bucket}: make it, or name another in storage.bucket"),
            )
            .with_detail(detail("")),
            (_, "InvalidBucketName") => Error::new(
                ErrorKind::InvalidArgument,
                format!("The server takes no bucket of the name {bucket}: S3 wants 3 to 63 of `a–z 0–9 . -`"),
            )
            .with_detail(detail("")),
            (_, "KeyTooLongError") => too_long(key.unwrap_or_default()).with_detail(detail("")),
            _ if is_beside_folder(code, said) => Error::new(
                ErrorKind::Conflict,
                format!(
                    "The key {:?} cannot be stored beside others that are there: this server keeps keys as files and folders, and it is both",
                    key.unwrap_or_default()
                ),
            )
            .with_detail(detail("")),
            (412, _) | (_, "ConditionalRequestConflict" | "OperationAborted") => {
                Error::new(ErrorKind::Conflict, "Another writer was at the same object").with_detail(detail(""))
            }
            (_, "InvalidAccessKeyId") => refused("The blob store refuses the credentials", ": it does not know storage.s3.access_key"),
            (_, "SignatureDoesNotMatch") => refused(
                "The blob store refuses the credentials",
                ": storage.s3.secret_key is wrong, or something between changes requests",
            ),
            (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
                refused("The blob store refuses the credentials", ": renew storage.s3.session_token and its keys")
            }
            (_, "RequestTimeTooSkewed") => refused("The blob store refuses the time of the request", ": set this machine's clock"),
            (301 | 307, _) | (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                refused("The bucket is in another region", ": set storage.s3.region to the bucket's")
            }
            (401 | 403, _) => refused(
                &format!("The blob store does not allow this in the bucket {bucket}"),
                ": allow it to the credentials in [storage.s3]",
            ),
            (_, "EntityTooLarge" | "MaxMessageLengthExceeded") => {
                Error::new(ErrorKind::BodyTooLarge, "The object is larger than the blob store takes").with_detail(detail(""))
            }
            (501, _) | (_, "NotImplemented") => Error::not_supported("this operation", "this S3 server").with_detail(detail("")),
            (404, _) => Error::new(ErrorKind::NotFound, format!("There is no bucket {bucket}, or nothing under the key")).with_detail(detail("")),
            (503, _) | (_, "SlowDown" | "TooManyRequests" | "RequestTimeout") => {
                Error::unavailable(STORE, detail(": it is overloaded, or down"))
            }
            (500..=599, _) => Error::unavailable(STORE, detail("")),
            (400, _) if said.is_empty() && code.is_empty() => Error::internal(detail(": is this an S3 server?")),
            _ => Error::internal(detail("")),
        }
    }
}

/// The error of a key whose name in the store is too long.
pub(crate) fn too_long(key: &str) -> Error {
    let start: String = key.chars().take(40).collect();
    Error::new(
        ErrorKind::InvalidArgument,
        format!("The key {start:?}… is too long, or a part of it, for this server"),
    )
}

/// Servers on file systems cannot hold both `d` and `d/x`, and have several words for it.
fn is_beside_folder(code: &str, said: &str) -> bool {
    matches!(code, "XMinioObjectExistsAsDirectory" | "XMinioParentIsObject" | "XMinioObjectParentIsObject")
        || (code == "InternalError" && (said.contains("is a directory") || said.contains("not a directory")))
}

/// An error with all that caused it.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, code: &str, message: &str) -> ErrorKind {
        let failure = Failure::Refused { status, code: code.to_owned(), message: message.to_owned() };
        failure.error(Site { endpoint: "http://s3", bucket: "b", key: Some("k") }).kind()
    }

    #[test]
    fn codes_have_kinds() {
        use ErrorKind::{Conflict, Forbidden, Internal, InvalidArgument, NotFound, StoreUnavailable};
        for (status, code, message, expected) in [
            (404, "NoSuchBucket", "", NotFound),
            (403, "AccessDenied", "", Forbidden),
            (403, "SignatureDoesNotMatch", "", Forbidden),
            (403, "RequestTimeTooSkewed", "", Forbidden),
            (400, "ExpiredToken", "", Forbidden),
            (401, "", "", Forbidden),
            (301, "PermanentRedirect", "", Forbidden),
            (412, "PreconditionFailed", "", Conflict),
            (409, "ConditionalRequestConflict", "", Conflict),
            (500, "InternalError", "again.: cause(is a directory)", Conflict),
            (503, "SlowDown", "", StoreUnavailable),
            (500, "InternalError", "We encountered an internal error", StoreUnavailable),
            (502, "", "", StoreUnavailable),
            (400, "KeyTooLongError", "", InvalidArgument),
            (400, "Surprise", "", Internal),
        ] {
            assert_eq!(kind(status, code, message), expected, "{status} {code}");
        }
    }

    #[test]
    fn what_to_do_is_said() {
        let failure =
            Failure::Refused { status: 404, code: "NoSuchBucket".to_owned(), message: String::new() };
        let error = failure.error(Site { endpoint: "http://s3", bucket: "photos", key: None });
        assert!(error.message().contains("photos") && error.message().contains("storage.bucket"));
        let error = Failure::Unanswered("connection refused".to_owned()).error(Site {
            endpoint: "http://s3:1",
            bucket: "b",
            key: None,
        });
        assert!(
            error.detail().unwrap().contains("http://s3:1")
                && error.detail().unwrap().contains("storage.s3.endpoint")
        );
        assert!(!error.message().contains("refused"));
    }
}
