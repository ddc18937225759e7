//! Functions of the host that are a kind and a number. QuickJS's own keep a record, a name and a
//! length each, and an isolate has dozens of these.

use std::ffi::c_void;

use rquickjs::qjs::{self, JSValue};
use tandem_contract::{Error, Result};

use crate::bindings::Arguments;
use crate::values::Context;
use crate::{intrinsics, lazy};

/// What a callable does with its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Calls the intrinsic of that number on its first argument.
    Method,
    /// Reads the lazy global of that number, or sets it if there is an argument.
    Lazy,
}

/// Bits of the opaque pointer that hold the kind.
const KINDS: usize = 4;

/// Makes callables in one runtime.
#[derive(Clone, Copy)]
pub(crate) struct Callables {
    class: qjs::JSClassID,
}

impl Callables {
    /// # Errors
    /// `Internal` when memory does not suffice.
    ///
    /// # Safety
    /// `runtime` is alive and this is its first call for it.
    pub(crate) unsafe fn register(runtime: *mut qjs::JSRuntime) -> Result<Self> {
        let definition = qjs::JSClassDef {
            class_name: c"Function".as_ptr(),
            finalizer: None,
            gc_mark: None,
            call: Some(call),
            exotic: std::ptr::null_mut(),
        };
        let mut class = 0;
        // SAFETY: by the contract above; the definition is copied.
        let failed = unsafe {
            qjs::JS_NewClassID(runtime, &raw mut class);
            qjs::JS_NewClass(runtime, class, &raw const definition) != 0
        };
        if failed { Err(Error::internal("no class for callables")) } else { Ok(Self { class }) }
    }

    /// A function that does `kind` with `number`.
    ///
    /// # Safety
    /// `context` belongs to the runtime and is alive.
    pub(crate) unsafe fn make(self, context: Context, kind: Kind, number: usize) -> JSValue {
        // SAFETY: by the contract above. The pointer is a number that nothing follows.
        unsafe {
            let prototype = qjs::JS_GetFunctionProto(context);
            let object = qjs::JS_NewObjectProtoClass(context, prototype, self.class);
            qjs::JS_FreeValue(context, prototype);
            if !qjs::JS_IsException(object) {
                let packed = number * KINDS + kind as usize;
                qjs::JS_SetOpaque(object, std::ptr::without_provenance_mut::<c_void>(packed));
            }
            object
        }
    }
}

unsafe extern "C" fn call(
    context: Context,
    function: JSValue,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
    _: i32,
) -> JSValue {
    let mut class = 0;
    // SAFETY: QuickJS calls this with a live context, `count` values, and an object of the class.
    unsafe {
        let packed = qjs::JS_GetAnyOpaque(function, &raw mut class).addr();
        let arguments = Arguments::new(context, count, values);
        if packed % KINDS == Kind::Lazy as usize {
            lazy::access(context, packed / KINDS, &arguments)
        } else {
            intrinsics::call_method(context, packed / KINDS, count, values)
        }
    }
}
