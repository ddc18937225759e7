use std::fmt::Write as _;
use std::path::Path;

use tandem_contract::settings::Secret;
use tandem_contract::{Entropy, Error, ErrorKind, Result};

use super::Config;
use super::rules::{TOKEN_RULE, is_token};

/// The develop token of a server.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub secret: Secret,
    /// Whether it was made now, because none was configured.
    pub made: bool,
}

/// The token that `config` names, or a new one.
///
/// # Errors
/// `InvalidArgument` when the token file cannot be read or holds no token, and when there is no
/// token and the server would listen beyond loopback.
pub fn token(config: &Config, base: &Path, entropy: &dyn Entropy) -> Result<Token> {
    let server = &config.server;
    if let Some(secret) = &server.token {
        return Ok(Token { secret: secret.clone(), made: false });
    }
    if let Some(path) = &server.token_file {
        return Ok(Token { secret: read(&base.join(path), path)?, made: false });
    }
    if !server.listen.ip().is_loopback() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "the server has no token and would listen on {}, where others can reach it: set `server.token` \
                 (variable TANDEM_SERVER__TOKEN) or `server.token_file`, or listen on 127.0.0.1",
                server.listen
            ),
        ));
    }
    // 32 bytes are as hard to guess as the key of any cipher in use.
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes)?;
    let mut text = String::with_capacity(64);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(Token { secret: Secret::new(text), made: true })
}

fn read(file: &Path, named: &Path) -> Result<Secret> {
    let named = named.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Error::new(
            ErrorKind::InvalidArgument,
            format!("`server.token_file`: {named} cannot be read: {error}"),
        )
    })?;
    let token = text.trim();
    if is_token(token) {
        Ok(Secret::new(token))
    } else {
        Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("`server.token_file`: the token in {named} {TOKEN_RULE}"),
        ))
    }
}
