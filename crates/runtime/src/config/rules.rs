use tandem_contract::Bucket;

use super::Config;

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
