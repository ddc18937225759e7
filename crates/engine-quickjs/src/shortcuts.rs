//! Natives that do in one step what the host's scripts do in many. An engine may lack them: the
//! scripts then go their own way, and come to the same.

use bytes::Bytes;
use rquickjs::qjs::{self, JSValue};
use tandem_contract::{HostArgs, Level, Reply};

use crate::bindings::{Arguments, Bindings, call_number, of};
use crate::json_write::{Mode, NotPlain, length_of};
use crate::values::{self, Context};

/// Bytes kept for the next line.
const SCRATCH: usize = 4096;
/// Bytes made room for before a reply is written, at most; a function's replies have one size
/// more often than not.
const REPLY: usize = 64 * 1024;
/// Bytes made room for before the parts of a request are written.
const REQUEST: usize = 256;

/// `op(name)`: the number of an operation, or `undefined`.
pub(crate) unsafe extern "C" fn op(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: QuickJS calls this with a live context and `count` values.
    unsafe {
        let name = Arguments::new(context, count, values).text(0);
        match of(context).driver.ops().position(|op| op.name == name) {
            Some(id) => qjs::JS_MKVAL(qjs::JS_TAG_INT, i32::try_from(id).unwrap_or(-1)),
            None => qjs::JS_UNDEFINED,
        }
    }
}

/// `print(level, slot, args)`: prints `args` as one line and returns `true`, or does nothing and
/// returns `false` if they are not all plain. Levels are those of `console.js`.
pub(crate) unsafe extern "C" fn print(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    const LEVELS: [Level; 4] = [Level::Info, Level::Warn, Level::Error, Level::Debug];
    // SAFETY: QuickJS calls this with a live context and `count` values.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let (level, slot) = (arguments.number(0), arguments.number(1));
        let bindings = of(context);
        let level = usize::try_from(level).ok().and_then(|level| LEVELS.get(level));
        let running = bindings.driver.invocation(slot).filter(|invocation| !invocation.is_over());
        let (Some(level), Some(invocation)) = (level, running) else { return boolean(false) };
        let mut line = bindings.scratch.take();
        line.clear();
        let printed = match write_line(bindings, context, arguments.get(2), &mut line) {
            Ok(()) => std::str::from_utf8(&line).map(|line| invocation.console.print(*level, line)).is_ok(),
            Err(NotPlain) => false,
        };
        if line.capacity() <= SCRATCH {
            bindings.scratch.replace(line);
        }
        boolean(printed)
    }
}

/// The arguments joined by one space, each as `show` of `console.js` has it.
unsafe fn write_line(
    bindings: &Bindings,
    context: Context,
    list: JSValue,
    line: &mut Vec<u8>,
) -> Result<(), NotPlain> {
    // SAFETY: by the caller's contract the context is alive; `list` is an array that `console.js`
    // has just made, and each item is freed once.
    unsafe {
        let length = length_of(context, list)?;
        for index in 0..length {
            if index > 0 {
                line.push(b' ');
            }
            let item = qjs::JS_GetPropertyUint32(context, list, index);
            // A format string is the scripts' affair.
            let directives = index == 0 && length > 1;
            let written = write_item(bindings, context, item, directives, line);
            qjs::JS_FreeValue(context, item);
            written?;
        }
    }
    Ok(())
}

unsafe fn write_item(
    bindings: &Bindings,
    context: Context,
    item: JSValue,
    directives: bool,
    line: &mut Vec<u8>,
) -> Result<(), NotPlain> {
    // SAFETY: by the caller's contract.
    unsafe {
        if qjs::JS_IsUndefined(item) {
            line.extend_from_slice(b"undefined");
            return Ok(());
        }
        if !qjs::JS_IsString(item) {
            return bindings.plain.write(context, &bindings.layouts, item, Mode::Faithful, line);
        }
        let mut length = 0;
        let pointer = qjs::JS_ToCStringLen(context, &raw mut length, item);
        if pointer.is_null() {
            values::drop_exception(context);
            return Err(NotPlain);
        }
        let text = std::slice::from_raw_parts(pointer.cast::<u8>(), length);
        let refused = directives && text.contains(&b'%');
        if !refused {
            line.extend_from_slice(text);
        }
        qjs::JS_FreeCString(context, pointer);
        if refused { Err(NotPlain) } else { Ok(()) }
    }
}

/// `reply(slot, value)`: answers with the JSON text of `value` and returns `true`, or does nothing
/// and returns `false` if it is not plain.
pub(crate) unsafe extern "C" fn reply(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: QuickJS calls this with a live context and `count` values.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let bindings = of(context);
        let mut text = Vec::with_capacity(bindings.reply_size.get());
        if bindings.write_plain(context, arguments.get(1), &mut text).is_err() {
            return boolean(false);
        }
        bindings.reply_size.set((text.len() + text.len() / 8).clamp(64, REPLY));
        bindings.driver.finish(arguments.number(0), Ok(Reply::Json(Bytes::from(text))));
        boolean(true)
    }
}

/// `asyncPlain(op, slot, text, value)`: starts an asynchronous operation with the JSON text of
/// `value` for its bytes, none for `undefined`; the number with which the answer will come, or
/// `undefined` if the value is not plain.
pub(crate) unsafe extern "C" fn async_plain(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: QuickJS calls this with a live context and `count` values.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let bindings = of(context);
        let mut json = Vec::new();
        let value = arguments.get(3);
        if !qjs::JS_IsUndefined(value) && bindings.write_plain(context, value, &mut json).is_err() {
            return qjs::JS_UNDEFINED;
        }
        let bytes = (!json.is_empty()).then(|| Bytes::from(json));
        let args = HostArgs { text: arguments.text(2), bytes };
        call_number(context, bindings.driver.call(arguments.number(1), arguments.number(0), args))
    }
}

/// `asyncParts(op, slot, head, parts)`: starts an asynchronous operation with the text of a request, as
/// `encode.js` makes it of the same head and parts; the number with which the answer will come, or
/// `undefined` if a part is not plain.
pub(crate) unsafe extern "C" fn async_parts(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: QuickJS calls this with a live context and `count` values.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let bindings = of(context);
        let mut text = arguments.text(2).into_bytes();
        text.reserve(REQUEST);
        if write_parts(bindings, context, arguments.get(3), &mut text).is_err() {
            return qjs::JS_UNDEFINED;
        }
        let Ok(text) = String::from_utf8(text) else { return qjs::JS_UNDEFINED };
        let args = HostArgs { text, bytes: None };
        call_number(context, bindings.driver.call(arguments.number(1), arguments.number(0), args))
    }
}

/// Adds the fields of a request, names and values in turn, to its head. `undefined` is left out.
unsafe fn write_parts(
    bindings: &Bindings,
    context: Context,
    parts: JSValue,
    text: &mut Vec<u8>,
) -> Result<(), NotPlain> {
    // SAFETY: by the caller's contract the context is alive; `parts` is an array that a script of the
    // host's has just made, and each item is freed once.
    unsafe {
        for at in (0..length_of(context, parts)?).step_by(2) {
            let value = qjs::JS_GetPropertyUint32(context, parts, at + 1);
            let written = if qjs::JS_IsUndefined(value) {
                Ok(())
            } else {
                let name = qjs::JS_GetPropertyUint32(context, parts, at);
                let written = write_part(bindings, context, name, value, text);
                qjs::JS_FreeValue(context, name);
                written
            };
            qjs::JS_FreeValue(context, value);
            written?;
        }
    }
    text.push(b'}');
    Ok(())
}

unsafe fn write_part(
    bindings: &Bindings,
    context: Context,
    name: JSValue,
    value: JSValue,
    text: &mut Vec<u8>,
) -> Result<(), NotPlain> {
    if !text.ends_with(b"{") {
        text.push(b',');
    }
    // SAFETY: by the caller's contract.
    unsafe {
        let (plain, layouts) = (&bindings.plain, &bindings.layouts);
        plain.write(context, layouts, name, Mode::Document, text)?;
        text.push(b':');
        plain.write(context, layouts, value, Mode::Document, text)
    }
}

impl Bindings {
    unsafe fn write_plain(
        &self,
        context: Context,
        value: JSValue,
        text: &mut Vec<u8>,
    ) -> Result<(), NotPlain> {
        // SAFETY: by the caller's contract the context is alive and has these bindings.
        unsafe { self.plain.write(context, &self.layouts, value, Mode::Standard, text) }
    }
}

fn boolean(value: bool) -> JSValue {
    qjs::JS_MKVAL(qjs::JS_TAG_BOOL, value.into())
}
