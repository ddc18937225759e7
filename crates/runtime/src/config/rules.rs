use tandem_contract::Bucket;

use super::{Config, ServerConfig};

/// A key and what is wrong with its value.
type Broken = (Vec<String>, String);

/// Rules that a type alone does not hold.
pub(super) fn broken(config: &Config) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut rule = |key: &str, holds: bool, message: &str| {
        if !holds {
            broken.push((key.split('.').map(str::to_owned).collect(), message.to_owned()));
        }
    };
    let (server, engine, limits) = (&config.server, &config.engine, &config.engine.limits);
    rule("server.body_limit", server.body_limit.get() > 0, "must be more than 0B");
    rule("server.max_in_flight", server.max_in_flight > 0, "must be at least 1");
    rule("server.token", server.token.as_ref().is_none_or(|token| is_token(token.expose())), TOKEN_RULE);
    let public = server.public_url.as_deref().is_none_or(is_origin);
    rule(
        "server.public_url",
        public,
        "must be a URL of scheme http or https, such as \"https://api.example.com\"",
    );
    door(server, &mut rule);
    rule("engine.isolates", engine.isolates > 0, "must be at least 1");
    rule("engine.isolates_per_function", engine.isolates_per_function > 0, "must be at least 1");
    rule("engine.concurrency", engine.concurrency > 0, "must be at least 1");
    rule("engine.limits.wall_time", !limits.wall_time.get().is_zero(), "must be more than 0s");
    rule("engine.limits.cpu_time", !limits.cpu_time.get().is_zero(), "must be more than 0s");
    // Below these an engine cannot even load its own scripts.
    rule("engine.limits.memory", limits.memory.get() >= 4 << 20, "must be at least 4MiB");
    rule("engine.limits.stack", limits.stack.get() >= 128 << 10, "must be at least 128KiB");
    rule("engine.limits.stack", limits.stack.get() <= 1 << 30, "must be at most 1GiB");
    rule("logs.line_limit", config.logs.line_limit.get() > 0, "must be more than 0B");
    let level = tracing_subscriber::EnvFilter::try_new(&config.telemetry.level);
    rule(
        "telemetry.level",
        level.is_ok(),
        "must be error, warn, info, debug, trace, off or a list such as \"info,tandem_runtime=debug\"",
    );
    for entry in &config.fetch.allow {
        rule(
            "fetch.allow",
            is_fetch_rule(entry),
            &format!("{entry:?} must be a host such as \"api.example.com\", \"*.example.com\" or \"*\""),
        );
    }
    let buckets = config
        .storage
        .buckets
        .iter()
        .filter(|bucket| *bucket != "*")
        .map(|bucket| ("storage.buckets", bucket));
    for (key, bucket) in buckets.chain([("storage.bucket", &config.storage.bucket)]) {
        if let Err(error) = Bucket::new(bucket.as_str()) {
            rule(key, false, error.message());
        }
    }
    broken
}

/// Rules of the sections of `[server]` that are about connections.
fn door(server: &ServerConfig, rule: &mut impl FnMut(&str, bool, &str)) {
    rule("server.max_connections", server.max_connections > 0, "must be at least 1");
    rule("server.uri_limit", (256..=1 << 20).contains(&server.uri_limit.get()), "must be from 256B to 1MiB");
    rule(
        "server.head_limit",
        (1 << 10..=1 << 24).contains(&server.head_limit.get()),
        "must be from 1KiB to 16MiB",
    );
    for (key, timeout) in [
        ("server.head_timeout", server.head_timeout),
        ("server.body_timeout", server.body_timeout),
        ("server.idle_timeout", server.idle_timeout),
    ] {
        rule(key, timeout.get() >= std::time::Duration::from_secs(1), "must be at least 1s");
    }
    let factor = server.fairness.factor;
    rule(
        "server.fairness.factor",
        factor == 0.0 || (0.1..=1000.0).contains(&factor),
        "must be 0, or from 0.1 to 1000",
    );
    let both = server.tls.cert.is_some() == server.tls.key.is_some();
    rule("server.tls", both, "needs both `cert` and `key`");
    let cors = &server.cors;
    for origin in cors.origins.iter().filter(|origin| *origin != "*") {
        let message = format!("{origin:?} must be an origin such as \"https://app.example.com\", or \"*\"");
        rule("server.cors.origins", is_exact_origin(origin), &message);
    }
    let any = cors.origins.iter().any(|origin| origin == "*");
    rule("server.cors.credentials", !(cors.credentials && any), "cannot be true while `origins` allows all");
    for (key, names) in [
        ("server.cors.methods", &cors.methods),
        ("server.cors.headers", &cors.headers),
        ("server.cors.expose", &cors.expose),
    ] {
        for name in names {
            let token = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
            rule(key, token, &format!("{name:?} is not a name"));
        }
    }
}

/// An origin as browsers write it: nothing after the port, lower case, no default port.
fn is_exact_origin(text: &str) -> bool {
    url::Url::parse(text)
        .is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == text)
}

/// What a token must be to fit into a header.
pub(super) const TOKEN_RULE: &str = "must be 1 to 512 visible ASCII characters without spaces";

/// Whether `token` follows [`TOKEN_RULE`].
pub(super) fn is_token(token: &str) -> bool {
    (1..=512).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_fetch_rule(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let host = text.strip_prefix("*.").unwrap_or(text);
    !host.is_empty() && !host.contains(['*', '/', ' ', '@'])
}
