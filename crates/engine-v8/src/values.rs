//! JavaScript values to what ports speak of, and back. `None` means that an exception is pending.

use std::ffi::c_void;

use bytes::{Bytes, BytesMut};
use tandem_contract::{Error, ErrorKind, HostValue};
use tandem_isolate_pool::COPIED_BYTES;

use crate::memory::Usage;

/// The text of a string as UTF-8, each lone surrogate as one U+FFFD.
pub(crate) fn text(scope: &v8::PinScope, value: v8::Local<v8::Value>) -> Option<String> {
    match v8::Local::<v8::String>::try_from(value) {
        Ok(string) => Some(string.to_rust_string_lossy(scope)),
        Err(_) => value.to_string(scope).map(|string| string.to_rust_string_lossy(scope)),
    }
}

/// A copy of the bytes of a view or an `ArrayBuffer`; `None` for any other value. A function may
/// go on writing to what it has passed, so its memory cannot be shared with other threads.
pub(crate) fn bytes(value: v8::Local<v8::Value>) -> Option<Bytes> {
    if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(value) {
        let length = view.byte_length();
        let mut copy = BytesMut::zeroed(length);
        let copied = view.copy_contents(&mut copy);
        copy.truncate(copied);
        return Some(copy.freeze());
    }
    let buffer = v8::Local::<v8::ArrayBuffer>::try_from(value).ok()?;
    let length = buffer.byte_length();
    let Some(data) = buffer.data().filter(|_| length > 0) else { return Some(Bytes::new()) };
    // SAFETY: the buffer has `length` bytes at `data`, and no script runs while they are copied.
    Some(Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), length) }))
}

/// A string; `None`, with an exception pending, when it is longer than V8's can be.
pub(crate) fn string<'s>(scope: &v8::PinScope<'s, '_>, text: &str) -> Option<v8::Local<'s, v8::String>> {
    string_of(scope, text.as_bytes())
}

/// A string of UTF-8 text.
fn string_of<'s>(scope: &v8::PinScope<'s, '_>, text: &[u8]) -> Option<v8::Local<'s, v8::String>> {
    let made = if text.is_ascii() {
        v8::String::new_from_one_byte(scope, text, v8::NewStringType::Normal)
    } else {
        v8::String::new_from_utf8(scope, text, v8::NewStringType::Normal)
    };
    if made.is_none() {
        throw(scope, &Error::new(ErrorKind::MemoryLimit, "Invalid string length"));
    }
    made
}

/// What a host call gives a script.
pub(crate) fn from_host<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    usage: &std::sync::Arc<Usage>,
    value: HostValue,
) -> Option<v8::Local<'s, v8::Value>> {
    Some(match value {
        HostValue::Undefined => v8::undefined(scope).into(),
        HostValue::Bool(value) => v8::Boolean::new(scope, value).into(),
        HostValue::Number(value) => v8::Number::new(scope, value).into(),
        HostValue::Text(text) => string(scope, &text)?.into(),
        HostValue::Json(json) => {
            let text = string_of(scope, &json)?;
            v8::json::parse(scope, text)?
        }
        HostValue::Bytes(bytes) => byte_array(scope, usage, bytes)?.into(),
    })
}

/// A `Uint8Array` over `bytes`: over their own memory if nobody else holds it, else a copy.
fn byte_array<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    usage: &std::sync::Arc<Usage>,
    bytes: Bytes,
) -> Option<v8::Local<'s, v8::Uint8Array>> {
    let length = bytes.len();
    let buffer = if length <= COPIED_BYTES {
        copy(scope, &bytes)?
    } else {
        if !usage.take(length) {
            // As V8 does itself before it gives up: buffers that nobody holds may still be there.
            scope.low_memory_notification();
            if !usage.take(length) {
                usage.exhaust();
                return None;
            }
        }
        let own = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let mut held = Box::new(Held { bytes: own, usage: std::sync::Arc::clone(usage) });
        let data = held.bytes.as_mut_ptr().cast::<c_void>();
        // SAFETY: `give_back` frees what is held when V8 drops the buffer, and nothing else
        // touches it until then.
        let store = unsafe {
            v8::ArrayBuffer::new_backing_store_from_ptr(data, length, give_back, Box::into_raw(held).cast())
        };
        v8::ArrayBuffer::with_backing_store(scope, &store.make_shared())
    };
    v8::Uint8Array::new(scope, buffer, 0, length)
}

fn copy<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: &[u8]) -> Option<v8::Local<'s, v8::ArrayBuffer>> {
    let buffer = v8::ArrayBuffer::new(scope, bytes.len());
    if let Some(data) = buffer.data().filter(|_| !bytes.is_empty()) {
        // SAFETY: the buffer was made with as many bytes, and nothing else has seen it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data.as_ptr().cast(), bytes.len()) };
    }
    Some(buffer)
}

/// Memory of the host's under an `ArrayBuffer`.
struct Held {
    bytes: BytesMut,
    usage: std::sync::Arc<Usage>,
}

unsafe extern "C" fn give_back(_: *mut c_void, length: usize, held: *mut c_void) {
    // SAFETY: V8 calls this once, with what `byte_array` gave it.
    let held = unsafe { Box::from_raw(held.cast::<Held>()) };
    held.usage.give(length);
}

/// Throws a host error as functions see it: `message`, and the code in `code`.
pub(crate) fn throw(scope: &v8::PinScope, error: &Error) {
    let Some(message) = v8::String::new(scope, error.message()) else { return };
    let exception = v8::Exception::error(scope, message);
    if let (Ok(object), Some(key)) =
        (v8::Local::<v8::Object>::try_from(exception), v8::String::new(scope, "code"))
    {
        let code = code(scope, error.kind());
        object.set(scope, key.into(), code);
    }
    scope.throw_exception(exception);
}

/// The code of an error as functions see it.
pub(crate) fn code<'s>(scope: &v8::PinScope<'s, '_>, kind: ErrorKind) -> v8::Local<'s, v8::Value> {
    /// MongoDB's number for a duplicate key.
    const DUPLICATE_KEY: i32 = 11000;
    match kind {
        ErrorKind::DuplicateKey => v8::Integer::new(scope, DUPLICATE_KEY).into(),
        kind => match v8::String::new(scope, kind.code()) {
            Some(code) => code.into(),
            None => v8::undefined(scope).into(),
        },
    }
}

/// Where code comes from, as stacks show it.
pub(crate) fn origin<'s>(
    scope: &v8::PinScope<'s, '_>,
    name: v8::Local<'s, v8::String>,
    is_module: bool,
) -> v8::ScriptOrigin<'s> {
    v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, is_module, None)
}

/// What was caught, as text for the operator.
pub(crate) fn caught_text(scope: &v8::PinnedRef<v8::TryCatch<v8::HandleScope>>) -> String {
    let trace = scope.stack_trace().or_else(|| scope.exception());
    trace.map_or_else(|| "terminated".to_owned(), |value| value.to_rust_string_lossy(scope))
}
