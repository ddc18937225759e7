//! The text of `error.stack`. Made here, so that a function's `Error.prepareStackTrace` has no say in
//! it, as on every engine.

/// What V8 puts before an error that nobody caught.
const UNCAUGHT: &str = "Uncaught ";

/// The error as a line, then a line for each place.
pub(crate) fn text<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Value>,
    sites: v8::Local<'s, v8::Array>,
) -> v8::Local<'s, v8::Value> {
    let header = v8::Exception::create_message(scope, error).get(scope).to_rust_string_lossy(scope);
    let mut text = header.strip_prefix(UNCAUGHT).unwrap_or(&header).to_owned();
    {
        v8::tc_scope!(let scope, scope);
        for index in 0..sites.length() {
            // V8's own objects: their `toString` is out of a function's reach.
            let site = sites.get_index(scope, index).and_then(|site| site.to_string(scope));
            if let Some(site) = site {
                text.push_str("\n    at ");
                text.push_str(&site.to_rust_string_lossy(scope));
            }
        }
    }
    match v8::String::new(scope, &text) {
        Some(text) => text.into(),
        None => v8::undefined(scope).into(),
    }
}
