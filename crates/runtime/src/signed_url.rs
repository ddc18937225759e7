//! Signed URLs that the server itself honours, for blob stores that cannot sign their own.
//!
//! ```text
//! {base}/objects/{bucket}/{key}?expires=1735689600&method=PUT&content-type=image%2Fpng&signature=…
//! ```
//!
//! The signature is an HMAC-SHA256 (RFC 2104) over method, bucket, key, expiry and content type, in
//! base64url without padding. It is made over the values and not over the text of the URL, so that
//! a client that escapes more or fewer characters of it than we do still gets through.
//!
//! Clients and proxies rewrite some paths: `a/../b` becomes `b`, and `a//b` may become `a/b`,
//! escaped or not. A key with such parts is not in the path but in a parameter of its own,
//! `/objects/{bucket}/-?key=a%2F..%2Fb&…`.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use tandem_cloud::storage::UrlSigner;
use tandem_contract::{Bucket, Clock, Error, ErrorKind, Presign, PresignMethod, Result};
use url::Url;

/// Shortest and longest life of a URL; seven days is what S3 allows too.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, with the slashes of a key left as they are.
const ESCAPED_IN_PATH: &AsciiSet = &ESCAPED.remove(b'/');
/// Stands in the path for a key that is in the query.
const KEY_IN_QUERY: &str = "-";

/// Starts what is signed, so that the key could sign other things without one passing for another.
const PURPOSE: &[u8] = b"tandem signed url 1";
/// Rounds of PBKDF2. A signed URL is public, and the secret behind it may have been chosen by a
/// person: without the rounds, a URL would let its bearer try millions of secrets a second.
const ROUNDS: u32 = 50_000;

/// Signs URLs and verifies them.
pub struct SignedUrls {
    secret: Secret,
    /// Without a slash at its end.
    base: String,
    clock: Arc<dyn Clock>,
}

impl SignedUrls {
    /// Signs with a key derived from `secret`, for URLs below `base`: the server's address as
    /// clients see it. Servers with the same secret honour each other's URLs.
    ///
    /// # Errors
    /// `InvalidArgument` when `base` is not the URL of a server.
    pub fn new(secret: &str, base: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let secret = Secret { text: secret.to_owned(), key: OnceLock::new() };
        Self::with_secret(secret, base, clock)
    }

    /// Signs with a key that is given.
    ///
    /// # Errors
    /// `InvalidArgument` when `base` is not the URL of a server.
    pub fn with_key(key: [u8; 32], base: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::with_secret(Secret { text: String::new(), key: OnceLock::from(key) }, base, clock)
    }

    fn with_secret(secret: Secret, base: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let parsed = Url::parse(base).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
        });
        if parsed.is_none() {
            let message =
                format!("{base:?} is not the URL of a server: write one such as https://example.com");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(Self { secret, base: base.trim_end_matches('/').to_owned(), clock })
    }

    /// A URL that lets its bearer do what `presign` says with the object `key`, and nothing else.
    ///
    /// # Errors
    /// `InvalidArgument` when the expiry is not between a second and seven days.
    pub fn sign(&self, bucket: &Bucket, key: &str, presign: &Presign) -> Result<String> {
        if !(SHORTEST..=LONGEST).contains(&presign.expires_in) {
            let message = "The expiry of a signed URL is between 1 second and 7 days (604800 seconds)";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let end = self.clock.wall() + presign.expires_in;
        let end = end.duration_since(UNIX_EPOCH).map_err(Error::internal)?;
        // Rounded up: it lasts as long as was asked for.
        let expires = (end.as_secs() + u64::from(end.subsec_nanos() > 0)).to_string();
        let content_type = match presign.method {
            PresignMethod::Get => None,
            PresignMethod::Put => presign.content_type.as_deref(),
        };
        let claims = Claims {
            method: word(presign.method),
            bucket: bucket.as_str(),
            key,
            expires: &expires,
            content_type,
        };
        let signature = URL_SAFE_NO_PAD.encode(self.mac(&claims)?.finalize().into_bytes());
        Ok(self.url(&claims, &signature))
    }

    /// Verifies the query of a signed URL for a request; gives the key of the object that the
    /// request is for. `path_key` is the part of the path after the bucket, decoded; `content_type`
    /// the header of that name.
    ///
    /// # Errors
    /// `Forbidden` when any part is not as it was signed or the URL has expired. The sentence tells
    /// the caller only which of the two it is; the reason is in the detail.
    pub fn verify(
        &self,
        method: PresignMethod,
        bucket: &Bucket,
        path_key: &str,
        query: &str,
        content_type: Option<&str>,
    ) -> Result<String> {
        let query = Query::parse(query)?;
        let key = match query.key {
            Some(key) if path_key == KEY_IN_QUERY => key,
            Some(_) => return Err(Refusal::TwoKeys.into()),
            None => Cow::Borrowed(path_key),
        };
        let claims = Claims {
            method: &query.method,
            bucket: bucket.as_str(),
            key: &key,
            expires: &query.expires,
            content_type: query.content_type.as_deref(),
        };
        let signature = URL_SAFE_NO_PAD.decode(&*query.signature).map_err(|_| Refusal::Signature)?;
        // In constant time.
        self.mac(&claims)?.verify_slice(&signature).map_err(|_| Refusal::Signature)?;
        // From here on, all parts are known to be ours.
        if claims.method != word(method) {
            return Err(Refusal::Method.into());
        }
        let expires = claims.expires.parse().map_err(|_| Refusal::Signature)?;
        if self.clock.wall() > SystemTime::UNIX_EPOCH + Duration::from_secs(expires) {
            return Err(Refusal::Expired.into());
        }
        match claims.content_type {
            Some(signed) if content_type.map(str::trim) != Some(signed) => Err(Refusal::ContentType.into()),
            _ => Ok(key.into_owned()),
        }
    }

    fn url(&self, claims: &Claims<'_>, signature: &str) -> String {
        let Claims { method, bucket, key, expires, content_type } = *claims;
        let mut url = format!("{}/objects/{bucket}/", self.base);
        let mut key_parameter = String::new();
        if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
            url.push_str(KEY_IN_QUERY);
            key_parameter = format!("key={}&", utf8_percent_encode(key, ESCAPED));
        } else {
            url.extend(utf8_percent_encode(key, ESCAPED_IN_PATH));
        }
        let content_type = content_type
            .map(|text| format!("content-type={}&", utf8_percent_encode(text, ESCAPED)))
            .unwrap_or_default();
        url.push_str(&format!(
            "?{key_parameter}expires={expires}&method={method}&{content_type}signature={signature}"
        ));
        url
    }

    /// What is signed. Each value stands behind its length, so that none runs into the next.
    fn mac(&self, claims: &Claims<'_>) -> Result<Hmac<Sha256>> {
        let Claims { method, bucket, key, expires, content_type } = *claims;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.key()?).map_err(Error::internal)?;
        mac.update(PURPOSE);
        for value in [Some(method), Some(bucket), Some(key), Some(expires), content_type] {
            mac.update(&[u8::from(value.is_some())]);
            let value = value.unwrap_or_default();
            mac.update(&(value.len() as u64).to_be_bytes());
            mac.update(value.as_bytes());
        }
        Ok(mac)
    }
}

impl UrlSigner for SignedUrls {
    fn sign(&self, bucket: &Bucket, key: &str, presign: &Presign) -> Result<String> {
        self.sign(bucket, key, presign)
    }
}

impl fmt::Debug for SignedUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedUrls").field("base", &self.base).finish_non_exhaustive()
    }
}

/// What a URL says and its signature vouches for.
struct Claims<'a> {
    method: &'a str,
    bucket: &'a str,
    key: &'a str,
    expires: &'a str,
    content_type: Option<&'a str>,
}

const fn word(method: PresignMethod) -> &'static str {
    match method {
        PresignMethod::Get => "GET",
        PresignMethod::Put => "PUT",
    }
}

/// The parameters of a signed URL, each at most once and none besides.
#[derive(Default)]
struct Query<'q> {
    expires: Cow<'q, str>,
    method: Cow<'q, str>,
    signature: Cow<'q, str>,
    content_type: Option<Cow<'q, str>>,
    key: Option<Cow<'q, str>>,
}

impl<'q> Query<'q> {
    fn parse(query: &'q str) -> Result<Self, Refusal> {
        let (mut expires, mut method, mut signature, mut content_type, mut key) = Default::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot: &mut Option<Cow<'q, str>> = match &*name {
                "expires" => &mut expires,
                "method" => &mut method,
                "signature" => &mut signature,
                "content-type" => &mut content_type,
                "key" => &mut key,
                _ => return Err(Refusal::Parameters),
            };
            if slot.replace(value).is_some() {
                return Err(Refusal::Parameters);
            }
        }
        match (expires, method, signature) {
            (Some(expires), Some(method), Some(signature)) => {
                Ok(Self { expires, method, signature, content_type, key })
            }
            _ => Err(Refusal::Parameters),
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Parameters,
    TwoKeys,
    Signature,
    Method,
    Expired,
    ContentType,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let reason = match refusal {
            Refusal::Parameters => "a parameter is missing, unknown or repeated",
            Refusal::TwoKeys => "the key is in the path and in the query",
            Refusal::Signature => "the signature does not fit",
            Refusal::Method => "it was signed for another method",
            Refusal::Expired => "it has expired",
            Refusal::ContentType => "it was signed for another content type",
        };
        let message = match refusal {
            Refusal::Expired => "The signed URL has expired: ask for a new one",
            _ => {
                "The signed URL is not valid for this request: use it unchanged, with the method and content type it was made for"
            }
        };
        Self::new(ErrorKind::Forbidden, message).with_detail(format_args!("signed URL: {reason}"))
    }
}

/// Where the key comes from. It is derived when it is first needed: most servers never sign.
struct Secret {
    text: String,
    key: OnceLock<[u8; 32]>,
}

impl Secret {
    fn key(&self) -> Result<&[u8; 32]> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = derive(self.text.as_bytes())?;
        Ok(self.key.get_or_init(|| key))
    }
}

/// The first block of PBKDF2-HMAC-SHA256 (RFC 8018 §5.2) with [`PURPOSE`] as the salt.
fn derive(secret: &[u8]) -> Result<[u8; 32]> {
    pbkdf2(secret, PURPOSE, ROUNDS)
}

fn pbkdf2(secret: &[u8], salt: &[u8], rounds: u32) -> Result<[u8; 32]> {
    let keyed = Hmac::<Sha256>::new_from_slice(secret).map_err(Error::internal)?;
    let mut block: [u8; 32] =
        keyed.clone().chain_update(salt).chain_update(1_u32.to_be_bytes()).finalize().into_bytes().into();
    let mut key = block;
    for _ in 1..rounds {
        block = keyed.clone().chain_update(block).finalize().into_bytes().into();
        for (sum, byte) in key.iter_mut().zip(block) {
            *sum ^= byte;
        }
    }
    Ok(key)
}

#[cfg(test)]
#[path = "signed_url_tests.rs"]
mod tests;
