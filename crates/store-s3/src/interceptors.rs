//! What is added to requests and read from answers besides what the SDK does.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    FinalizerInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_types::date_time::{DateTime, Format};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

/// Notes which server answers: the first `Server` header that is seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerName(Arc<OnceLock<String>>);

impl ServerName {
    /// Whether the server is SeaweedFS; `false` before it has answered anything.
    pub(crate) fn is_seaweedfs(&self) -> bool {
        self.begins_with("SeaweedFS")
    }

    /// Whether the server is MinIO, or one with its front end; `false` before it has answered.
    pub(crate) fn is_minio(&self) -> bool {
        self.begins_with("MinIO")
    }

    fn begins_with(&self, start: &str) -> bool {
        self.0.get().is_some_and(|name| name.starts_with(start))
    }
}

impl Intercept for ServerName {
    fn name(&self) -> &'static str {
        "ServerName"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.get().is_none()
            && let Some(name) = context.response().headers().get("server")
        {
            // Another answer may have told it meanwhile, the same.
            let _ = self.0.set(name.to_owned());
        }
        Ok(())
    }
}

/// Notes how the tries of a write went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tries(Arc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    answered_at: OnceLock<SystemTime>,
    in_doubt: AtomicBool,
}

impl Tries {
    /// The `Date` of the answer, by the server's own clock and in whole seconds; `None` without one.
    pub(crate) fn answered_at(&self) -> Option<SystemTime> {
        self.0.answered_at.get().copied()
    }

    /// Whether a try may have been done although it failed: there was no answer, or one of a server
    /// that broke down over it. What a later try is told may then be about the write itself.
    pub(crate) fn left_doubt(&self) -> bool {
        self.0.in_doubt.load(Ordering::Relaxed)
    }
}

impl Intercept for Tries {
    fn name(&self) -> &'static str {
        "Tries"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        if let Some(time) = date.and_then(|date| SystemTime::try_from(date).ok()) {
            // A retried request keeps the date of its first answer, a moment earlier.
            let _ = self.0.answered_at.set(time);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Err(error)) = context.output_or_error() else { return Ok(()) };
        let undone = match context.response().map(|answer| answer.status().as_u16()) {
            // 503 is how a server says that it did not begin.
            Some(status) => status < 500 || status == 503,
            None => error.as_connector_error().is_some_and(|error| was_refused(error)),
        };
        if !undone {
            self.0.in_doubt.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Nobody listened, so nothing was sent.
fn was_refused(error: &(dyn StdError + 'static)) -> bool {
    successors(Some(error), |error| (**error).source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Adds `Content-MD5`, which some servers demand of `DeleteObjects` in place of the newer checksums.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContentMd5;

impl Intercept for ContentMd5 {
    fn name(&self) -> &'static str {
        "ContentMd5"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(body) = request.body().bytes() {
            let digest = STANDARD.encode(Md5::digest(body));
            request.headers_mut().insert("content-md5", digest);
        }
        Ok(())
    }
}
