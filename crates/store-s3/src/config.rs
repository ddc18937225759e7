//! The settings.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_contract::settings::{ByteSize, Duration, Secret};
use tandem_contract::{Error, ErrorKind, Result};
use url::Url;

/// Smallest part that S3 takes, the last one apart.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const SMALLEST_PART: u64 = 5 << 20;
/// Largest part that S3 takes.
const LARGEST_PART: u64 = 5 << 30;

/// Keeps objects in an S3-compatible store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// The server's address: `http://127.0.0.1:9000`. Left out: Amazon S3 in `region`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The address under which clients reach the same server, for presigned URLs. Left out:
    /// `endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_endpoint: Option<String>,
    /// The region that requests are signed for. Left out: that of the environment or the profile,
    /// or else `us-east-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The access key. Left out, with `secret_key`: the variables `AWS_…`, a profile, a web
    /// identity, or the role of the container or instance, in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key: Option<Secret>,
    /// The secret of `access_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<Secret>,
    /// The token that goes with temporary keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Secret>,
    /// The profile of `~/.aws` to take credentials and region from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whether the bucket is in the path (`host/bucket/key`) or in the host (`bucket.host/key`).
    /// Left out: in the path when `endpoint` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// A file of PEM certificates to trust besides those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether a write makes a bucket that does not exist.
    pub create_buckets: bool,
    /// How keys are stored.
    pub key_names: KeyNames,
    /// How the server orders its listings.
    pub listing: ListingOrder,
    /// The size of the parts of a large upload, at least 5 MiB. An upload holds up to three in
    /// memory; an object has at most 10,000.
    pub part_size: ByteSize,
    /// Objects in memory that are larger than this are sent in parts.
    pub multipart_above: ByteSize,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long one try of a request may take until its answer begins.
    pub request_timeout: Duration,
    /// How often a request that can be repeated is tried.
    pub attempts: u32,
}

impl Default for S3Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            public_endpoint: None,
            region: None,
            access_key: None,
            secret_key: None,
            session_token: None,
            profile: None,
            path_style: None,
            ca_file: None,
            create_buckets: false,
            key_names: KeyNames::Auto,
            listing: ListingOrder::Auto,
            part_size: ByteSize::mib(8),
            multipart_above: ByteSize::mib(32),
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(30),
            attempts: 4,
        }
    }
}

/// How keys are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyNames {
    /// `exact` on Amazon S3, `portable` where `endpoint` is set.
    #[default]
    Auto,
    /// Every key under its own name. For servers that hold every key as S3 does.
    Exact,
    /// Keys that servers on file systems cannot hold (empty parts, `.` and `..`, backslashes, control
    /// characters, parts of more than 255 bytes) under names in `.tandem/keys/`; all others under
    /// their own.
    Portable,
}

/// How a server orders its listings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListingOrder {
    /// `by_folder` for SeaweedFS, by the name in its answers; `by_key` for all others.
    #[default]
    Auto,
    /// In byte order of key, as S3 does.
    ByKey,
    /// Folder by folder, as a file system does; costs a request for each folder.
    ByFolder,
}

impl S3Config {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// `InvalidArgument` that names the setting.
    pub(crate) fn check(&self) -> Result<()> {
        for (name, value) in [("endpoint", &self.endpoint), ("public_endpoint", &self.public_endpoint)] {
            if let Some(value) = value {
                check_endpoint(name, value)?;
            }
        }
        if self.public_endpoint.is_some() && self.endpoint.is_none() {
            return Err(refuse("public_endpoint", "is for a server of your own: set `endpoint` too"));
        }
        if self.access_key.is_some() != self.secret_key.is_some() {
            let (there, absent) = if self.access_key.is_some() {
                ("access_key", "secret_key")
            } else {
                ("secret_key", "access_key")
            };
            return Err(refuse(absent, &format!("is missing: `{there}` is set, and both are needed")));
        }
        if self.session_token.is_some() && self.access_key.is_none() {
            return Err(refuse(
                "session_token",
                "goes with `access_key` and `secret_key`, which are not set",
            ));
        }
        if !(SMALLEST_PART..=LARGEST_PART).contains(&self.part_size.get()) {
            return Err(refuse("part_size", "is between 5MiB and 5GiB"));
        }
        if self.multipart_above.get() > LARGEST_PART {
            return Err(refuse("multipart_above", "is at most 5GiB: S3 takes no more in one request"));
        }
        if self.attempts == 0 {
            return Err(refuse("attempts", "is at least 1"));
        }
        for (name, value) in
            [("connect_timeout", self.connect_timeout), ("request_timeout", self.request_timeout)]
        {
            if value.get().is_zero() {
                return Err(refuse(name, "is more than nothing"));
            }
        }
        Ok(())
    }

    /// Whether keys that not every server holds are stored under other names.
    pub(crate) fn is_portable(&self) -> bool {
        match self.key_names {
            KeyNames::Auto => self.endpoint.is_some(),
            KeyNames::Exact => false,
            KeyNames::Portable => true,
        }
    }

    /// Whether the bucket is in the path of a URL.
    pub(crate) fn is_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }
}

fn check_endpoint(name: &str, value: &str) -> Result<()> {
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        return Err(refuse(name, "is not an address: write one such as https://s3.example.com"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(name, "holds a user or password: those are `access_key` and `secret_key`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse(name, "ends after host, port and path"));
    }
    Ok(())
}

/// The error of a setting that cannot work. What was given is not quoted: it may be a secret.
pub(crate) fn refuse(setting: &str, fault: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("storage.s3.{setting} {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: &S3Config) -> String {
        let error = config.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        error.message().to_owned()
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let base = S3Config::default();
        base.check().unwrap();
        let key = Some(Secret::new("hush"));
        for (setting, config) in [
            ("endpoint", S3Config { endpoint: Some("127.0.0.1:9000".to_owned()), ..base.clone() }),
            ("endpoint", S3Config { endpoint: Some("http://user:hush@host".to_owned()), ..base.clone() }),
            ("endpoint", S3Config { endpoint: Some("http://host/?a=b".to_owned()), ..base.clone() }),
            ("public_endpoint", S3Config { public_endpoint: Some("http://host".to_owned()), ..base.clone() }),
            ("secret_key", S3Config { access_key: key.clone(), ..base.clone() }),
            ("access_key", S3Config { secret_key: key.clone(), ..base.clone() }),
            ("session_token", S3Config { session_token: key, ..base.clone() }),
            ("part_size", S3Config { part_size: ByteSize::mib(1), ..base.clone() }),
            ("attempts", S3Config { attempts: 0, ..base.clone() }),
            ("connect_timeout", S3Config { connect_timeout: Duration::from_secs(0), ..base }),
        ] {
            let message = refused(&config);
            assert!(message.starts_with(&format!("storage.s3.{setting} ")), "{message}");
            assert!(!message.contains("hush"), "{message}");
        }
    }
}
