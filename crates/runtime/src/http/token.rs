use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tandem_contract::{Error, ErrorKind, Result};

/// The header that carries the develop token.
pub(super) const DEVELOP_TOKEN: &str = "x-develop-token";

/// The develop token, as its hash: hashes have one length, so that comparing them in constant
/// time tells nothing about the token's.
pub(super) struct Token([u8; 32]);

impl Token {
    /// The token `text`.
    pub(super) fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Checks a request.
    ///
    /// # Errors
    /// `InvalidToken` when the header is missing or holds anything else.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<()> {
        let sent = headers.get(DEVELOP_TOKEN).map_or(&[][..], |value| value.as_bytes());
        let hash: [u8; 32] = Sha256::digest(sent).into();
        if bool::from(hash.ct_eq(&self.0)) && !sent.is_empty() {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::InvalidToken, "Invalid token"))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_token_passes() {
        let token = Token::new("secret");
        let check = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(DEVELOP_TOKEN, HeaderValue::from_str(value).unwrap());
            }
            token.check(&headers).is_ok()
        };
        assert!(check(Some("secret")));
        for wrong in [None, Some(""), Some("Secret"), Some("secret2"), Some("secre")] {
            assert!(!check(wrong), "{wrong:?}");
        }
        assert!(Token::new("").check(&HeaderMap::new()).is_err());
    }
}
