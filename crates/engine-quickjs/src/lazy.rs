//! Globals that cost next to nothing until they are touched.

use std::cell::{Cell, RefCell};

use rquickjs::qjs::{self, JSAtom, JSValue};

use crate::bindings::{Arguments, of};
use crate::callable::Kind;
use crate::values::Context;

/// The names of the lazy globals, and the function that makes their values; all owned.
pub(crate) struct LazyGlobals {
    names: RefCell<Vec<JSAtom>>,
    load: Cell<JSValue>,
}

impl Default for LazyGlobals {
    fn default() -> Self {
        Self { names: RefCell::default(), load: Cell::new(qjs::JS_UNDEFINED) }
    }
}

impl LazyGlobals {
    /// # Safety
    /// `context` is the one they were defined in, alive, and this is not used again.
    pub(crate) unsafe fn free(&self, context: Context) {
        // SAFETY: by the contract above.
        unsafe {
            for name in self.names.take() {
                qjs::JS_FreeAtom(context, name);
            }
            qjs::JS_FreeValue(context, self.load.replace(qjs::JS_UNDEFINED));
        }
    }
}

/// `defineLazy(names, load)`, called once: when one of them is touched, `load(name)` makes the value.
pub(crate) unsafe extern "C" fn define_lazy(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: QuickJS calls this with a live context and `count` values; `names` is an array of
    // the host's own. What is made is freed once or given away.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let bindings = of(context);
        bindings.lazy.load.set(qjs::JS_DupValue(context, arguments.get(1)));
        let mut length = 0;
        if qjs::JS_GetLength(context, arguments.get(0), &raw mut length) < 0 {
            return qjs::JS_EXCEPTION;
        }
        let global = qjs::JS_GetGlobalObject(context);
        let length = u32::try_from(length).unwrap_or(0);
        bindings.lazy.names.borrow_mut().reserve_exact(length as usize);
        for index in 0..length {
            let name = qjs::JS_GetPropertyUint32(context, arguments.get(0), index);
            let atom = qjs::JS_ValueToAtom(context, name);
            qjs::JS_FreeValue(context, name);
            bindings.lazy.names.borrow_mut().push(atom);
            // One function reads and writes.
            let access = bindings.callables.make(context, Kind::Lazy, index as usize);
            let set = qjs::JS_DupValue(context, access);
            let flags = qjs::JS_PROP_CONFIGURABLE as i32;
            qjs::JS_DefinePropertyGetSet(context, global, atom, access, set, flags);
        }
        qjs::JS_FreeValue(context, global);
    }
    qjs::JS_UNDEFINED
}

/// Reads the lazy global of that number, or sets it to the argument if there is one.
///
/// # Safety
/// `context` is alive and belongs to an isolate of this crate.
pub(crate) unsafe fn access(context: Context, number: usize, arguments: &Arguments) -> JSValue {
    // SAFETY: by the contract above; what is made is freed once or given away.
    unsafe {
        let lazy = &of(context).lazy;
        let Some(name) = lazy.names.borrow().get(number).copied() else { return qjs::JS_UNDEFINED };
        if !arguments.is_empty() {
            define(context, name, qjs::JS_DupValue(context, arguments.get(0)));
            return qjs::JS_UNDEFINED;
        }
        let mut text = [qjs::JS_AtomToString(context, name)];
        let value = qjs::JS_Call(context, lazy.load.get(), qjs::JS_UNDEFINED, 1, text.as_mut_ptr());
        qjs::JS_FreeValue(context, text[0]);
        if !qjs::JS_IsException(value) {
            define(context, name, qjs::JS_DupValue(context, value));
        }
        value
    }
}

/// Makes a global what it would have been all along, and takes over the value.
unsafe fn define(context: Context, name: JSAtom, value: JSValue) {
    // SAFETY: by the caller's contract the context is alive.
    unsafe {
        let global = qjs::JS_GetGlobalObject(context);
        let flags = (qjs::JS_PROP_WRITABLE | qjs::JS_PROP_CONFIGURABLE) as i32;
        qjs::JS_DefinePropertyValue(context, global, name, value, flags);
        qjs::JS_FreeValue(context, global);
    }
}
