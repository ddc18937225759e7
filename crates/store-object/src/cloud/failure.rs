//! What `object_store`'s errors mean.

use object_store::Error as StoreError;
use tandem_blobs::STORE;
use tandem_contract::{Bucket, Error, ErrorKind};

/// The error that functions and operators read. That an object is not there is the caller's to
/// know; here it means the bucket.
pub(super) fn error(cloud: &str, bucket: &Bucket, error: &StoreError) -> Error {
    let detail = format!("{cloud}: bucket {bucket}: {}", without_secrets(&chain(error)));
    match error {
        StoreError::NotFound { .. } => Error::new(
            ErrorKind::NotFound,
            format!("There is no bucket {bucket}: make it, or name another in storage.bucket"),
        )
        .with_detail(detail),
        StoreError::PermissionDenied { .. } => Error::new(
            ErrorKind::Forbidden,
            format!("The blob store does not allow this in the bucket {bucket}"),
        )
        .with_detail(format_args!("{detail}: allow it to the credentials in [storage.{cloud}]")),
        StoreError::Unauthenticated { .. } => {
            Error::new(ErrorKind::Forbidden, "The blob store refuses the credentials")
                .with_detail(format_args!("{detail}: are those in [storage.{cloud}] right?"))
        }
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => {
            Error::new(ErrorKind::Conflict, "Another writer was at the same object").with_detail(detail)
        }
        StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => {
            Error::not_supported("this operation", cloud).with_detail(detail)
        }
        StoreError::InvalidPath { .. } => Error::internal(detail),
        _ => Error::unavailable(
            STORE,
            format_args!("{detail}: is the address in [storage.{cloud}] right, and the server up?"),
        ),
    }
}

fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
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

/// A shared access signature is part of a URL, and URLs are part of errors.
fn without_secrets(text: &str) -> String {
    let mut parts = text.split("sig=");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|char: char| !(char.is_ascii_alphanumeric() || "%+/=-_".contains(char)))
            .unwrap_or(part.len());
        clean.push_str("sig=******");
        clean.push_str(&part[end..]);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_masked() {
        assert_eq!(
            without_secrets("at https://x/?sv=1&sig=aB%2F+c=&se=2: no"),
            "at https://x/?sv=1&sig=******&se=2: no"
        );
        assert_eq!(without_secrets("plain"), "plain");
    }
}
