//! QuickJS bytecode: made here, read here, never stored or sent.

use rquickjs::qjs;

use crate::values::{Context, c_string, drop_exception};

/// Whether places in the source are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Debug {
    Keep,
    Strip,
}

/// Compiles a script without running it; an exception is pending when the value is one.
///
/// # Safety
/// `context` is alive.
pub(crate) unsafe fn compile_script(context: Context, text: &str, file: &str) -> qjs::JSValue {
    // SAFETY: by the contract above.
    unsafe { compile(context, text, file, qjs::JS_EVAL_TYPE_GLOBAL) }
}

/// Compiles a module without linking it.
///
/// # Safety
/// `context` is alive.
pub(crate) unsafe fn compile_module(context: Context, text: &str, file: &str) -> qjs::JSValue {
    // SAFETY: by the contract above.
    unsafe { compile(context, text, file, qjs::JS_EVAL_TYPE_MODULE) }
}

unsafe fn compile(context: Context, text: &str, file: &str, kind: u32) -> qjs::JSValue {
    let file = c_string(file);
    // The parser reads a NUL after the text.
    let mut terminated = Vec::with_capacity(text.len() + 1);
    terminated.extend_from_slice(text.as_bytes());
    terminated.push(0);
    let flags = (kind | qjs::JS_EVAL_FLAG_COMPILE_ONLY) as i32;
    // SAFETY: `context` is alive by the caller's contract; the text ends in a NUL that its length
    // leaves out.
    unsafe { qjs::JS_Eval(context, terminated.as_ptr().cast(), text.len() as _, file.as_ptr(), flags) }
}

/// Writes what compiling gave; `None` when it cannot be written, which costs a later recompile.
///
/// # Safety
/// `context` is alive and `code` belongs to it.
pub(crate) unsafe fn write(context: Context, code: qjs::JSValue, debug: Debug) -> Option<Vec<u8>> {
    let mut flags = qjs::JS_WRITE_OBJ_BYTECODE;
    if debug == Debug::Strip {
        flags |= qjs::JS_WRITE_OBJ_STRIP_SOURCE | qjs::JS_WRITE_OBJ_STRIP_DEBUG;
    }
    let mut length = 0;
    // SAFETY: by the contract above; the buffer is copied, then freed once.
    unsafe {
        let buffer = qjs::JS_WriteObject(context, &raw mut length, code, flags as i32);
        if buffer.is_null() {
            drop_exception(context);
            return None;
        }
        let bytes = std::slice::from_raw_parts(buffer, length as usize).to_vec();
        qjs::js_free(context, buffer.cast());
        Some(bytes)
    }
}

/// Reads what [`write`] wrote, without running it.
///
/// # Safety
/// `context` is alive and `code` was made by [`write`] in this process.
pub(crate) unsafe fn read(context: Context, code: &[u8]) -> qjs::JSValue {
    let flags = qjs::JS_READ_OBJ_BYTECODE as i32;
    // SAFETY: by the contract above.
    unsafe { qjs::JS_ReadObject(context, code.as_ptr(), code.len() as _, flags) }
}

/// Reads a script that [`write`] wrote and runs it.
///
/// # Safety
/// As for [`read`].
pub(crate) unsafe fn run(context: Context, code: &[u8]) -> qjs::JSValue {
    // SAFETY: by the contract above; `JS_EvalFunction` frees what it runs.
    unsafe {
        let function = read(context, code);
        if qjs::JS_IsException(function) { function } else { qjs::JS_EvalFunction(context, function) }
    }
}
