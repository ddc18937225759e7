//! The native functions that the host's scripts call: the synchronous and the asynchronous host
//! call, and what an engine does for `entry.js` and `modules.js`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::CStr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rquickjs::qjs::{self, JSValue};
use tandem_cloud::Finish;
use tandem_contract::{Error, ErrorKind, HostArgs, Level, Program, Result};
use tandem_isolate_pool::Driver;

use crate::callable::Callables;
use crate::code_cache::Code;
use crate::engine::Shared;
use crate::intrinsics::{self, Intrinsics};
use crate::json_write::Plain;
use crate::layouts::Layouts;
use crate::lazy::{self, LazyGlobals};
use crate::memory::Usage;
use crate::modules;
use crate::shortcuts;
use crate::values::{self, Context};

/// What native functions need to know; the context's opaque pointer leads to it.
pub(crate) struct Bindings {
    /// When the isolate was made.
    pub(crate) born: Instant,
    pub(crate) driver: Rc<Driver>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) usage: Rc<Usage>,
    pub(crate) program: RefCell<Option<Arc<Program>>>,
    /// The definition of each ES module that was loaded, by name; the context owns them.
    pub(crate) modules: RefCell<HashMap<String, *mut qjs::JSModuleDef>>,
    /// The code of each module of the program that was loaded, by name; for stacks.
    pub(crate) loaded: RefCell<Vec<(String, Arc<Code>)>>,
    /// Rejections that nothing handles yet: slot, promise, reason. Both values are owned.
    pub(crate) rejections: RefCell<Vec<(u32, JSValue, JSValue)>>,
    /// `namespaceOf` of `entry.js`, owned; `undefined` until the isolate is complete.
    pub(crate) namespace_of: RefCell<JSValue>,
    pub(crate) callables: Callables,
    pub(crate) intrinsics: Intrinsics,
    pub(crate) lazy: LazyGlobals,
    pub(crate) layouts: Layouts,
    pub(crate) plain: Plain,
    /// Where lines are put together.
    pub(crate) scratch: RefCell<Vec<u8>>,
    /// Bytes to make room for when a reply is written.
    pub(crate) reply_size: Cell<usize>,
}

/// The bindings of a context.
///
/// # Safety
/// `context` belongs to an isolate of this crate, whose bindings outlive it.
pub(crate) unsafe fn of<'a>(context: Context) -> &'a Bindings {
    // SAFETY: the isolate sets the pointer before any script runs and drops the context first.
    unsafe { &*qjs::JS_GetContextOpaque(context).cast::<Bindings>() }
}

type Native = unsafe extern "C" fn(Context, JSValue, i32, *mut JSValue) -> JSValue;

const NATIVES: &[(&CStr, Native)] = &[
    (c"load", load),
    (c"sync", sync),
    (c"async", start_call),
    (c"sleep", sleep),
    (c"cancel", cancel),
    (c"finish", finish),
    (c"end", end),
    (c"fail", fail),
    (c"original", original),
    (c"main", main),
    (c"age", age),
    (c"import", modules::import),
    (c"wrapper", modules::wrapper),
    (c"isCommonJs", modules::is_common_js),
    (c"requireModule", modules::require_module),
    (c"notFound", modules::not_found),
    (c"op", shortcuts::op),
    (c"print", shortcuts::print),
    (c"reply", shortcuts::reply),
    (c"asyncPlain", shortcuts::async_plain),
    (c"asyncParts", shortcuts::async_parts),
    (c"defineLazy", lazy::define_lazy),
    (c"capture", intrinsics::capture),
    (c"intrinsic", intrinsics::intrinsic),
];

/// Makes the `host` object.
///
/// # Safety
/// `context` is alive and its bindings are set.
pub(crate) unsafe fn host_object(context: Context) -> JSValue {
    // SAFETY: by the contract above; `JS_SetPropertyStr` takes over the values. The buffer of
    // `running` is an atomic of the driver's, which outlives the context; scripts write it on
    // the isolate's thread only, four aligned bytes at a time.
    unsafe {
        let host = qjs::JS_NewObject(context);
        for (name, function) in NATIVES {
            let value = qjs::JS_NewCFunction2(
                context,
                Some(*function),
                name.as_ptr(),
                0,
                qjs::JSCFunctionEnum_JS_CFUNC_generic,
                0,
            );
            qjs::JS_SetPropertyStr(context, host, name.as_ptr(), value);
        }
        let bindings = of(context);
        let interrupt = bindings.driver.interrupt();
        let cell = interrupt.running().as_ptr().cast::<u8>();
        let buffer = qjs::JS_NewArrayBuffer(context, cell, 4, 0, None, std::ptr::null_mut(), false);
        let mut arguments = [buffer];
        let array = qjs::JS_NewTypedArray(
            context,
            1,
            arguments.as_mut_ptr(),
            qjs::JSTypedArrayEnum_JS_TYPED_ARRAY_UINT32,
        );
        qjs::JS_FreeValue(context, buffer);
        qjs::JS_SetPropertyStr(context, host, c"running".as_ptr(), array);
        let neutral = qjs::JS_MKVAL(qjs::JS_TAG_BOOL, 1);
        qjs::JS_SetPropertyStr(context, host, c"isNeutral".as_ptr(), neutral);
        host
    }
}

/// The arguments of a native call.
pub(crate) struct Arguments {
    context: Context,
    values: *const JSValue,
    count: usize,
}

impl Arguments {
    /// # Safety
    /// They are the ones that QuickJS passed to the native function that is running.
    pub(crate) unsafe fn new(context: Context, count: i32, values: *const JSValue) -> Self {
        Self { context, values, count: usize::try_from(count).unwrap_or(0) }
    }

    pub(crate) fn get(&self, index: usize) -> JSValue {
        // SAFETY: in bounds of what QuickJS passed.
        if index < self.count { unsafe { *self.values.add(index) } } else { qjs::JS_UNDEFINED }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn number(&self, index: usize) -> u32 {
        let mut number = 0;
        // SAFETY: the context is alive during the call.
        let failed = unsafe { qjs::JS_ToInt32(self.context, &raw mut number, self.get(index)) } != 0;
        if failed {
            // SAFETY: as above.
            unsafe { values::drop_exception(self.context) };
        }
        number.cast_unsigned()
    }

    /// `undefined` and what has no text give an empty string.
    pub(crate) fn text(&self, index: usize) -> String {
        self.optional_text(index).unwrap_or_default()
    }

    fn optional_text(&self, index: usize) -> Option<String> {
        let value = self.get(index);
        // SAFETY: the context is alive during the call and the value belongs to it.
        unsafe {
            if qjs::JS_IsUndefined(value) || qjs::JS_IsNull(value) {
                return None;
            }
            let text = values::text(self.context, value);
            if text.is_none() {
                values::drop_exception(self.context);
            }
            text
        }
    }

    fn host_args(&self, text: usize, bytes: usize) -> HostArgs {
        // SAFETY: as above.
        let bytes = unsafe { values::bytes(self.context, self.get(bytes)) };
        HostArgs { text: self.text(text), bytes }
    }
}

/// `load(name)`: the script of that name as a function.
unsafe extern "C" fn load(context: Context, _: JSValue, count: i32, values: *mut JSValue) -> JSValue {
    // SAFETY: QuickJS calls this with a live context and `count` values.
    unsafe {
        let name = Arguments::new(context, count, values).text(0);
        of(context).shared.scripts.load(context, &name).unwrap_or_else(|| {
            values::throw(context, &Error::internal(format!("no script is called {name}")))
        })
    }
}

/// `sync(op, slot, text?, bytes?)`: what the operation answers.
unsafe extern "C" fn sync(context: Context, _: JSValue, count: i32, values: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let (op, slot) = (arguments.number(0), arguments.number(1));
        match of(context).driver.sync(slot, op, arguments.host_args(2, 3)) {
            Ok(value) => values::from_host(context, value),
            Err(error) => values::throw(context, &error),
        }
    }
}

/// `async(op, slot, text?, bytes?)`: the number with which the answer will come.
unsafe extern "C" fn start_call(context: Context, _: JSValue, count: i32, values: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let (op, slot) = (arguments.number(0), arguments.number(1));
        call_number(context, of(context).driver.call(slot, op, arguments.host_args(2, 3)))
    }
}

/// `sleep(slot, milliseconds)`: the number with which the timer will fire.
unsafe extern "C" fn sleep(context: Context, _: JSValue, count: i32, values: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let duration = Duration::from_millis(arguments.number(1).into());
        call_number(context, of(context).driver.sleep(arguments.number(0), duration))
    }
}

/// The number of a call as a script sees it, or the exception that refused it.
///
/// # Safety
/// `context` is alive.
pub(crate) unsafe fn call_number(context: Context, call: Result<u32>) -> JSValue {
    match call {
        Ok(call) => values::integer(call),
        // SAFETY: `context` is alive by the caller's contract.
        Err(error) => unsafe { values::throw(context, &error) },
    }
}

/// `cancel(slot, call)`.
unsafe extern "C" fn cancel(context: Context, _: JSValue, count: i32, values: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        of(context).driver.cancel(arguments.number(0), arguments.number(1));
    }
    qjs::JS_UNDEFINED
}

/// `finish(slot, kind, text?, bytes?)`, with the kinds of `entry.js`.
unsafe extern "C" fn finish(context: Context, _: JSValue, count: i32, values: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let (slot, kind) = (arguments.number(0), arguments.number(1));
        let HostArgs { text, bytes } = arguments.host_args(2, 3);
        let driver = &of(context).driver;
        match Finish::read(kind, text, bytes) {
            Ok(Finish::Whole(reply)) => driver.finish(slot, Ok(reply)),
            Ok(Finish::Stream { status, headers }) => driver.begin_stream(slot, status, headers),
            Err(error) => driver.finish(slot, Err(error)),
        }
    }
    qjs::JS_UNDEFINED
}

/// `end(slot, message?)`: the streamed body is complete, or broke off with an error.
unsafe extern "C" fn end(context: Context, _: JSValue, count: i32, values: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        of(context).driver.end_stream(arguments.number(0), arguments.optional_text(1));
    }
    qjs::JS_UNDEFINED
}

/// `fail(slot, code?, message, stack)`: the function threw.
unsafe extern "C" fn fail(context: Context, _: JSValue, count: i32, values: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let bindings = of(context);
        let slot = arguments.number(0);
        if bindings.usage.is_exhausted() {
            // Whatever the function made of it, it failed for want of memory; the isolate's thread
            // answers so and throws the isolate away.
            return qjs::JS_UNDEFINED;
        }
        bindings.driver.print(slot, Level::Error, &bindings.original(&arguments.text(3)));
        let kind = tandem_cloud::stack::reply_kind(arguments.optional_text(1).as_deref());
        bindings.driver.finish(slot, Err(Error::new(kind, arguments.text(2))));
    }
    qjs::JS_UNDEFINED
}

/// `original(stack)`: the stack with places in the sources as they were written.
unsafe extern "C" fn original(context: Context, _: JSValue, count: i32, values: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    unsafe {
        let stack = Arguments::new(context, count, values).text(0);
        values::string(context, &of(context).original(&stack))
    }
}

/// `main()`: the name of the function that is invoked.
unsafe extern "C" fn main(context: Context, _: JSValue, _: i32, _: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    unsafe {
        match of(context).program() {
            Ok(program) => values::string(context, &program.name),
            Err(error) => values::throw(context, &error),
        }
    }
}

/// `age()`: milliseconds since the isolate was made.
unsafe extern "C" fn age(context: Context, _: JSValue, _: i32, _: *mut JSValue) -> JSValue {
    // SAFETY: as for `load`.
    let age = unsafe { of(context) }.born.elapsed();
    qjs::JS_NewFloat64(age.as_secs_f64() * 1e3)
}

impl Bindings {
    pub(crate) fn program(&self) -> Result<Arc<Program>> {
        let program = self.program.borrow().clone();
        program.ok_or_else(|| Error::new(ErrorKind::Internal, "The isolate has no function"))
    }

    fn original(&self, stack: &str) -> String {
        let Ok(program) = self.program() else { return stack.to_owned() };
        let loaded = self.loaded.borrow();
        tandem_cloud::stack::original(stack, &program, |name, line, column| {
            loaded
                .iter()
                .find(|(loaded, _)| loaded == name)
                .map_or((line, column), |(_, code)| code.original(line, column))
        })
    }
}
