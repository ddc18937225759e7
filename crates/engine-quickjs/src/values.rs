//! JavaScript values to what ports speak of, and back.

use std::ffi::{CStr, CString, c_void};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use rquickjs::qjs;
use tandem_contract::{Error, ErrorKind, HostValue};
use tandem_isolate_pool::COPIED_BYTES;

use crate::bindings;
use crate::json_read;
use crate::memory::Usage;

/// The context of running code. Everything here is called on its isolate's thread only.
pub(crate) type Context = *mut qjs::JSContext;

/// The text of a value as UTF-8, each lone surrogate as one U+FFFD. `None` when the value has no
/// text or memory ran out; the exception is pending then.
///
/// # Safety
/// `context` is alive and `value` belongs to it.
pub(crate) unsafe fn text(context: Context, value: qjs::JSValue) -> Option<String> {
    let mut length = 0;
    // SAFETY: by the contract above; the pointer is freed below and not used after.
    unsafe {
        let pointer = qjs::JS_ToCStringLen(context, &raw mut length, value);
        if pointer.is_null() {
            return None;
        }
        let bytes = std::slice::from_raw_parts(pointer.cast::<u8>(), length);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => replace_surrogates(bytes),
        };
        qjs::JS_FreeCString(context, pointer);
        Some(text)
    }
}

/// QuickJS writes a lone surrogate as the three bytes that UTF-8 would have for it.
fn replace_surrogates(bytes: &[u8]) -> String {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        if first == 0xED && tail.len() >= 2 && tail[0] >= 0xA0 {
            clean.extend_from_slice("\u{FFFD}".as_bytes());
            rest = &tail[2..];
        } else {
            clean.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&clean).into_owned()
}

/// A copy of the bytes of a `Uint8Array` or an `ArrayBuffer`; `None` for any other value.
///
/// # Safety
/// `context` is alive and `value` belongs to it.
pub(crate) unsafe fn bytes(context: Context, value: qjs::JSValue) -> Option<Bytes> {
    let mut length = 0;
    // SAFETY: by the contract above; the slice is copied before any script can run.
    unsafe {
        if !qjs::JS_IsObject(value) {
            return None;
        }
        let pointer = if qjs::JS_IsArrayBuffer(value) {
            qjs::JS_GetArrayBuffer(context, &raw mut length, value)
        } else if qjs::JS_GetTypedArrayType(value) >= 0 {
            qjs::JS_GetUint8Array(context, &raw mut length, value)
        } else {
            return None;
        };
        if pointer.is_null() {
            // An empty or detached array; a wrong type has left an exception.
            drop_exception(context);
            return Some(Bytes::new());
        }
        Some(Bytes::copy_from_slice(std::slice::from_raw_parts(pointer, length as usize)))
    }
}

/// What a host call gives a script; an exception is pending when the result is one.
///
/// # Safety
/// `context` is alive and has bindings.
pub(crate) unsafe fn from_host(context: Context, value: HostValue) -> qjs::JSValue {
    // SAFETY: by the contract above; pointers are to live buffers of the lengths given.
    unsafe {
        match value {
            HostValue::Undefined => qjs::JS_UNDEFINED,
            HostValue::Bool(value) => qjs::JS_MKVAL(qjs::JS_TAG_BOOL, value.into()),
            HostValue::Number(value) => qjs::JS_NewFloat64(value),
            HostValue::Text(text) => string(context, &text),
            HostValue::Json(json) => json_read::parse(context, &bindings::of(context).layouts, &json),
            HostValue::Bytes(bytes) => byte_array(context, bytes),
        }
    }
}

/// A `Uint8Array` over `bytes`: over their own memory if nobody else holds it, else a copy.
///
/// # Safety
/// `context` is alive and has bindings.
unsafe fn byte_array(context: Context, bytes: Bytes) -> qjs::JSValue {
    // SAFETY: by the contract above; a copy is of as many bytes as there are.
    let copy = |bytes: &[u8]| unsafe { qjs::JS_NewUint8ArrayCopy(context, bytes.as_ptr(), bytes.len() as _) };
    if bytes.len() <= COPIED_BYTES {
        return copy(&bytes);
    }
    match bytes.try_into_mut() {
        // SAFETY: by the contract above.
        Ok(own) => unsafe { array_over(context, own) },
        Err(shared) => copy(&shared),
    }
}

/// # Safety
/// As for [`byte_array`].
unsafe fn array_over(context: Context, bytes: BytesMut) -> qjs::JSValue {
    let length = bytes.len();
    // SAFETY: by the contract above. `resize_held` frees what is held when QuickJS drops the buffer, and
    // nothing else touches it until then; a buffer that could not be made was given nothing.
    unsafe {
        let usage = Rc::clone(&bindings::of(context).usage);
        if usage.should_collect_for(length) {
            qjs::JS_RunGC(qjs::JS_GetRuntime(context));
            usage.collected_for_array();
        }
        if !usage.take(length) {
            return qjs::JS_ThrowOutOfMemory(context);
        }
        let held = Box::into_raw(Box::new(Held { bytes, usage, counted: length }));
        let data = (*held).bytes.as_mut_ptr();
        let mut buffer =
            qjs::JS_NewArrayBuffer(context, data, length as _, 0, Some(resize_held), held.cast(), false);
        if qjs::JS_IsException(buffer) {
            drop(Box::from_raw(held));
            return buffer;
        }
        let array =
            qjs::JS_NewTypedArray(context, 1, &raw mut buffer, qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT8);
        qjs::JS_FreeValue(context, buffer);
        array
    }
}

/// Memory of the host's under an `ArrayBuffer`.
struct Held {
    bytes: BytesMut,
    usage: Rc<Usage>,
    counted: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.usage.give(self.counted);
    }
}

/// Frees what is held, or makes it as long as the buffer that it moves to (`transfer`).
unsafe extern "C" fn resize_held(
    _: *mut qjs::JSRuntime,
    held: *mut c_void,
    _: *mut c_void,
    length: qjs::size_t,
) -> *mut c_void {
    let length = length as usize;
    // SAFETY: QuickJS calls this with what `array_over` gave it, and for the last time with zero.
    unsafe {
        let held = held.cast::<Held>();
        if length == 0 {
            drop(Box::from_raw(held));
            return std::ptr::null_mut();
        }
        let held = &mut *held;
        match length.checked_sub(held.counted) {
            Some(more) if !held.usage.take(more) => return std::ptr::null_mut(),
            Some(_) => {}
            None => held.usage.give(held.counted - length),
        }
        held.counted = length;
        held.bytes.resize(length, 0);
        held.bytes.as_mut_ptr().cast()
    }
}

/// # Safety
/// `context` is alive.
pub(crate) unsafe fn string(context: Context, text: &str) -> qjs::JSValue {
    // SAFETY: by the contract above; the buffer is copied.
    unsafe { qjs::JS_NewStringLen(context, text.as_ptr().cast(), text.len() as _) }
}

/// A number as a property key is quick with: an integer where it fits.
pub(crate) fn integer(number: u32) -> qjs::JSValue {
    i32::try_from(number).map_or_else(
        |_| qjs::JS_NewFloat64(f64::from(number)),
        |number| qjs::JS_MKVAL(qjs::JS_TAG_INT, number),
    )
}

/// # Safety
/// `context` is alive.
pub(crate) unsafe fn parse_json(context: Context, json: &[u8]) -> qjs::JSValue {
    // The parser needs a NUL after the text, which is not part of it.
    let mut terminated = Vec::with_capacity(json.len() + 1);
    terminated.extend_from_slice(json);
    terminated.push(0);
    // SAFETY: by the contract above; the parser reads up to the NUL at most.
    unsafe { qjs::JS_ParseJSON(context, terminated.as_ptr().cast(), json.len() as _, c"<json>".as_ptr()) }
}

/// Calls `function` with `arguments`, which it frees.
///
/// # Safety
/// `context` is alive and the values belong to it.
pub(crate) unsafe fn call(
    context: Context,
    function: qjs::JSValue,
    arguments: &mut [qjs::JSValue],
) -> qjs::JSValue {
    // SAFETY: by the contract above; each argument is freed once.
    unsafe {
        let count = i32::try_from(arguments.len()).unwrap_or(0);
        let result = qjs::JS_Call(context, function, qjs::JS_UNDEFINED, count, arguments.as_mut_ptr());
        for argument in arguments {
            qjs::JS_FreeValue(context, *argument);
        }
        result
    }
}

/// Throws a host error as functions see it: `message`, and the code in `code`.
///
/// # Safety
/// `context` is alive.
pub(crate) unsafe fn throw(context: Context, error: &Error) -> qjs::JSValue {
    // SAFETY: by the contract above; the error object is given to `JS_Throw`.
    unsafe {
        let object = qjs::JS_NewError(context);
        if qjs::JS_IsException(object) {
            return object;
        }
        let message = string(context, error.message());
        let writable = (qjs::JS_PROP_WRITABLE | qjs::JS_PROP_CONFIGURABLE) as i32;
        qjs::JS_DefinePropertyValueStr(context, object, c"message".as_ptr(), message, writable);
        qjs::JS_SetPropertyStr(context, object, c"code".as_ptr(), code(context, error.kind()));
        qjs::JS_Throw(context, object)
    }
}

/// The code of an error as functions see it.
///
/// # Safety
/// `context` is alive.
pub(crate) unsafe fn code(context: Context, kind: ErrorKind) -> qjs::JSValue {
    /// MongoDB's number for a duplicate key.
    const DUPLICATE_KEY: i32 = 11000;
    match kind {
        ErrorKind::DuplicateKey => qjs::JS_MKVAL(qjs::JS_TAG_INT, DUPLICATE_KEY),
        // SAFETY: by the contract above.
        kind => unsafe { string(context, kind.code()) },
    }
}

/// Takes the pending exception and drops it.
///
/// # Safety
/// `context` is alive.
pub(crate) unsafe fn drop_exception(context: Context) {
    // SAFETY: by the contract above; the value is freed once.
    unsafe { qjs::JS_FreeValue(context, qjs::JS_GetException(context)) }
}

/// Takes the pending exception as text, for the operator.
///
/// # Safety
/// `context` is alive.
pub(crate) unsafe fn exception_text(context: Context) -> String {
    // SAFETY: by the contract above; values are freed once.
    unsafe {
        let exception = qjs::JS_GetException(context);
        let whole = text(context, exception);
        let stack = property(context, exception, c"stack").and_then(|stack| {
            let text = text(context, stack);
            qjs::JS_FreeValue(context, stack);
            text
        });
        qjs::JS_FreeValue(context, exception);
        if whole.is_none() {
            drop_exception(context);
        }
        format!("{}\n{}", whole.unwrap_or_default(), stack.unwrap_or_default())
    }
}

/// # Safety
/// `context` is alive and `object` belongs to it.
pub(crate) unsafe fn property(context: Context, object: qjs::JSValue, name: &CStr) -> Option<qjs::JSValue> {
    // SAFETY: by the contract above.
    unsafe {
        if !qjs::JS_IsObject(object) {
            return None;
        }
        let value = qjs::JS_GetPropertyStr(context, object, name.as_ptr());
        if qjs::JS_IsException(value) {
            drop_exception(context);
            return None;
        }
        Some(value)
    }
}

/// A C string of `text`, cut at a NUL.
pub(crate) fn c_string(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::replace_surrogates;

    #[test]
    fn a_lone_surrogate_is_one_replacement_character() {
        assert_eq!(replace_surrogates(b"a\xED\xA0\x80b\xED\xBF\xBFc"), "a\u{FFFD}b\u{FFFD}c");
    }

    #[test]
    fn other_characters_with_the_same_first_byte_stay() {
        let text = "\u{D000}\u{D7FF}".as_bytes();
        assert_eq!(replace_surrogates(text), "\u{D000}\u{D7FF}");
    }
}
