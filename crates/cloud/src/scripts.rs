/// A script of the host: a CommonJS module that other scripts `require` by its file name.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Its file's name, without the folder: `console.js`. Unique among all scripts.
    pub name: &'static str,
    /// Its text: the body of `function (exports, require, module, host)`.
    pub source: &'static str,
}

/// Scripts that most invocations run. An engine whose isolates start from a snapshot loads them into
/// it.
pub const FREQUENT: &[&str] = &[
    "call.js",
    "console.js",
    "context.js",
    "entry.js",
    "invocation-context.js",
    "lines.js",
    "modules.js",
    "partial-context.js",
    "schedule.js",
    "timers.js",
];

/// Every script, in order of path.
pub fn scripts() -> &'static [Script] {
    SCRIPTS
}

/// `name` is what follows the last slash, so that the list below says each path once.
macro_rules! scripts {
    ($($path:literal,)*) => {
        &[$(Script { name: file_name($path), source: include_str!(concat!("../js/", $path)) },)*]
    };
}

const SCRIPTS: &[Script] = scripts![
    "bootstrap.js",
    "bson.js",
    "bson/encode-failure.js",
    "bson/encode.js",
    "bson/numbers.js",
    "bson/object-id.js",
    "bson/other-types.js",
    "bson/revive.js",
    "bson/tags.js",
    "call.js",
    "cloud-module.js",
    "cloud.js",
    "collation.js",
    "console.js",
    "context.js",
    "database.js",
    "database/collection.js",
    "database/cursor.js",
    "database/find-cursor.js",
    "database/requests.js",
    "database/sql.js",
    "database/transaction.js",
    "database/write-errors.js",
    "differences.js",
    "entry.js",
    "failure.js",
    "fixed-buffers.js",
    "host-errors.js",
    "inspect.js",
    "invocation-context.js",
    "invoke.js",
    "kinds.js",
    "lines.js",
    "modules.js",
    "neutral.js",
    "no-eval.js",
    "partial-context.js",
    "primordials.js",
    "schedule.js",
    "storage.js",
    "timers.js",
    "types.js",
    "web/abort.js",
    "web/base64.js",
    "web/blob.js",
    "web/body.js",
    "web/brands.js",
    "web/bytes.js",
    "web/class.js",
    "web/crypto.js",
    "web/dom-exception.js",
    "web/encoding.js",
    "web/events.js",
    "web/fetch.js",
    "web/form-data.js",
    "web/globals.js",
    "web/headers.js",
    "web/performance.js",
    "web/remote-streams.js",
    "web/request.js",
    "web/response.js",
    "web/search-params.js",
    "web/stream-core.js",
    "web/streams.js",
    "web/structured-clone.js",
    "web/time-origin.js",
    "web/url.js",
    "web/writable-streams.js",
];

const fn file_name(path: &'static str) -> &'static str {
    let bytes = path.as_bytes();
    let mut start = bytes.len();
    while start > 0 && bytes[start - 1] != b'/' {
        start -= 1;
    }
    path.split_at(start).1
}
