use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rquickjs::qjs::{self, JSValue};
use rquickjs::{Context, Runtime};
use tandem_contract::{Error, HostValue, Program, Result};
use tandem_isolate_pool::{Driver, Isolate};

use crate::bindings::{self, Bindings};
use crate::callable::Callables;
use crate::engine::Shared;
use crate::intrinsics::Intrinsics;
use crate::json_write::Plain;
use crate::layouts::Layouts;
use crate::lazy::LazyGlobals;
use crate::memory::{CountingAllocator, Usage};
use crate::modules::{NameResolver, ProgramLoader};
use crate::stack;
use crate::values;

/// One QuickJS runtime with one context. Never leaves its thread.
pub(crate) struct QuickJsIsolate {
    // Dropped in this order, after the values below were freed: a context must go before the
    // bindings that its functions point to.
    context: Context,
    runtime: Runtime,
    bindings: Box<Bindings>,
    start: JSValue,
    settle: JSValue,
    forget: JSValue,
    unhandled: JSValue,
}

impl QuickJsIsolate {
    /// A blank isolate.
    ///
    /// # Errors
    /// `Internal` when memory or the host's scripts do not suffice to start one.
    pub(crate) fn new(shared: &Arc<Shared>, driver: Rc<Driver>) -> Result<Self> {
        let usage = Rc::new(Usage::new(shared.limits.memory));
        let runtime =
            Runtime::new_with_alloc(CountingAllocator::new(Rc::clone(&usage))).map_err(Error::internal)?;
        runtime.set_max_stack_size(shared.limits.stack);
        runtime.set_gc_threshold(usage.collect_from());
        let interrupt = driver.interrupt();
        let watched = Rc::clone(&usage);
        runtime
            .set_interrupt_handler(Some(Box::new(move || interrupt.is_raised() || watched.is_exhausted())));
        runtime.set_loader(NameResolver, ProgramLoader);
        let context = Context::full(&runtime).map_err(Error::internal)?;
        // SAFETY: the runtime has just been made on this thread.
        let callables = unsafe { Callables::register(qjs::JS_GetRuntime(context.as_raw().as_ptr()))? };
        let bindings = Box::new(Bindings {
            born: Instant::now(),
            driver,
            shared: Arc::clone(shared),
            usage,
            program: RefCell::default(),
            modules: RefCell::default(),
            loaded: RefCell::default(),
            rejections: RefCell::default(),
            namespace_of: RefCell::new(qjs::JS_UNDEFINED),
            callables,
            intrinsics: Intrinsics::default(),
            layouts: Layouts::default(),
            lazy: LazyGlobals::default(),
            // SAFETY: the context has just been made on this thread.
            plain: unsafe { Plain::of(context.as_raw().as_ptr()) },
            scratch: RefCell::default(),
            reply_size: Cell::new(0),
        });
        let undefined = qjs::JS_UNDEFINED;
        let mut isolate = Self {
            context,
            runtime,
            bindings,
            start: undefined,
            settle: undefined,
            forget: undefined,
            unhandled: undefined,
        };
        isolate.boot()?;
        isolate.bindings.usage.set_preparing(false);
        Ok(isolate)
    }

    fn raw(&self) -> values::Context {
        self.context.as_raw().as_ptr()
    }

    fn boot(&mut self) -> Result<()> {
        let context = self.raw();
        let pointer: *const Bindings = &raw const *self.bindings;
        // SAFETY: the bindings are boxed and dropped after the context; the isolate owns the
        // context, and every value is freed once or kept until `drop`.
        unsafe {
            qjs::JS_SetContextOpaque(context, pointer.cast_mut().cast::<c_void>());
            let runtime = qjs::JS_GetRuntime(context);
            qjs::JS_SetHostPromiseRejectionTracker(runtime, Some(track_rejection), std::ptr::null_mut());
            let bootstrap = self
                .bindings
                .shared
                .scripts
                .load(context, "bootstrap.js")
                .ok_or_else(|| Error::internal("the host has no bootstrap script"))?;
            if qjs::JS_IsException(bootstrap) {
                return Err(Error::internal(values::exception_text(context)));
            }
            let module = qjs::JS_NewObject(context);
            let mut arguments = [
                qjs::JS_UNDEFINED,
                qjs::JS_UNDEFINED,
                qjs::JS_DupValue(context, module),
                bindings::host_object(context),
            ];
            let result = values::call(context, bootstrap, &mut arguments);
            qjs::JS_FreeValue(context, bootstrap);
            let failed = qjs::JS_IsException(result);
            qjs::JS_FreeValue(context, result);
            if failed {
                qjs::JS_FreeValue(context, module);
                return Err(Error::internal(values::exception_text(context)));
            }
            let entry = qjs::JS_GetPropertyStr(context, module, c"exports".as_ptr());
            self.start = qjs::JS_GetPropertyStr(context, entry, c"start".as_ptr());
            self.settle = qjs::JS_GetPropertyStr(context, entry, c"settle".as_ptr());
            self.forget = qjs::JS_GetPropertyStr(context, entry, c"forget".as_ptr());
            self.unhandled = qjs::JS_GetPropertyStr(context, entry, c"unhandled".as_ptr());
            self.bindings.namespace_of.replace(qjs::JS_GetPropertyStr(
                context,
                entry,
                c"namespaceOf".as_ptr(),
            ));
            qjs::JS_FreeValue(context, entry);
            qjs::JS_FreeValue(context, module);
        }
        Ok(())
    }

    /// Calls a function of `entry.js` and runs every job that is ready.
    fn enter(&self, function: JSValue, arguments: &mut [JSValue]) {
        let context = self.raw();
        // SAFETY: the isolate owns the context and the function; the arguments are freed by `call`.
        unsafe {
            let result = values::call(context, function, arguments);
            if qjs::JS_IsException(result) {
                // An interrupt: the scripts themselves let nothing else through.
                values::drop_exception(context);
            }
            qjs::JS_FreeValue(context, result);
            self.run_jobs();
            self.report_rejections();
            if !self.must_stop() {
                self.bindings.usage.arenas().keep(qjs::JS_GetRuntime(context));
            }
        }
    }

    /// Gives back what is kept to work quicker.
    fn give_back(&self) {
        let context = self.raw();
        // SAFETY: the context and its runtime are alive, on this thread.
        unsafe {
            self.bindings.layouts.clear(context);
            self.bindings.usage.arenas().give_back(qjs::JS_GetRuntime(context));
        }
    }

    /// # Safety
    /// Called on the isolate's thread with no script running.
    unsafe fn run_jobs(&self) {
        // SAFETY: the runtime is alive with its context.
        unsafe {
            let runtime = qjs::JS_GetRuntime(self.raw());
            let mut context = std::ptr::null_mut();
            loop {
                let ran = qjs::JS_ExecutePendingJob(runtime, &raw mut context);
                if ran == 0 {
                    return;
                }
                if ran < 0 {
                    values::drop_exception(context);
                    if self.must_stop() {
                        return;
                    }
                }
            }
        }
    }

    fn must_stop(&self) -> bool {
        self.bindings.usage.is_exhausted() || self.bindings.driver.interrupt().is_raised()
    }

    /// # Safety
    /// Called on the isolate's thread with no script running.
    unsafe fn report_rejections(&self) {
        let context = self.raw();
        loop {
            let rejections = std::mem::take(&mut *self.bindings.rejections.borrow_mut());
            if rejections.is_empty() {
                return;
            }
            for (slot, promise, reason) in rejections {
                // SAFETY: both values are owned by the list they came from.
                unsafe {
                    qjs::JS_FreeValue(context, promise);
                    let mut arguments = [values::integer(slot), reason];
                    let result = values::call(context, self.unhandled, &mut arguments);
                    if qjs::JS_IsException(result) {
                        values::drop_exception(context);
                    }
                    qjs::JS_FreeValue(context, result);
                }
            }
            if self.must_stop() {
                return;
            }
        }
    }
}

impl Isolate for QuickJsIsolate {
    fn load(&mut self, program: Arc<Program>) {
        self.bindings.program.replace(Some(program));
    }

    fn start(&mut self, slot: u32) {
        self.enter(self.start, &mut [values::integer(slot)]);
    }

    fn settle(&mut self, slot: u32, call: u32, result: Result<HostValue>) {
        let context = self.raw();
        // SAFETY: the isolate owns the context; `enter` frees the values.
        let (ok, value, code) = unsafe {
            match result {
                Ok(value) => (true, values::from_host(context, value), qjs::JS_UNDEFINED),
                Err(error) => {
                    (false, values::string(context, error.message()), values::code(context, error.kind()))
                }
            }
        };
        // SAFETY: as above.
        let (ok, value) = unsafe {
            if qjs::JS_IsException(value) {
                let text = values::exception_text(context);
                (false, values::string(context, text.trim()))
            } else {
                (ok, value)
            }
        };
        let ok = qjs::JS_MKVAL(qjs::JS_TAG_BOOL, ok.into());
        self.enter(self.settle, &mut [values::integer(slot), values::integer(call), ok, value, code]);
    }

    fn forget(&mut self, slot: u32) {
        self.enter(self.forget, &mut [values::integer(slot)]);
    }

    fn rest(&mut self) {
        self.give_back();
        // SAFETY: the runtime is alive and runs nothing.
        unsafe { qjs::JS_RunGC(qjs::JS_GetRuntime(self.raw())) };
        // A collection while code ran has set it to little more than what was in use.
        self.runtime.set_gc_threshold(self.bindings.usage.collect_from());
        stack::give_back();
    }

    fn is_exhausted(&self) -> bool {
        self.bindings.usage.is_exhausted()
    }
}

impl Drop for QuickJsIsolate {
    fn drop(&mut self) {
        self.give_back();
        let context = self.raw();
        // QuickJS aborts if a runtime is freed while values are held.
        // SAFETY: each value is owned by the isolate or its bindings and freed once.
        unsafe {
            for value in [self.start, self.settle, self.forget, self.unhandled] {
                qjs::JS_FreeValue(context, value);
            }
            qjs::JS_FreeValue(context, self.bindings.namespace_of.replace(qjs::JS_UNDEFINED));
            self.bindings.intrinsics.free(context);
            self.bindings.lazy.free(context);
            self.bindings.plain.free(context);
            for (_, promise, reason) in self.bindings.rejections.take() {
                qjs::JS_FreeValue(context, promise);
                qjs::JS_FreeValue(context, reason);
            }
            qjs::JS_SetHostPromiseRejectionTracker(qjs::JS_GetRuntime(context), None, std::ptr::null_mut());
        }
        self.runtime.set_interrupt_handler(None);
    }
}

/// Keeps the promises that were rejected until somebody handles them or the jobs run out.
unsafe extern "C" fn track_rejection(
    context: values::Context,
    promise: JSValue,
    reason: JSValue,
    is_handled: bool,
    _: *mut c_void,
) {
    // SAFETY: QuickJS calls this with a live context; the values are duplicated to be kept.
    unsafe {
        let bindings = bindings::of(context);
        let mut rejections = bindings.rejections.borrow_mut();
        if is_handled {
            let known = qjs::JS_VALUE_GET_PTR(promise);
            if let Some(index) =
                rejections.iter().position(|(_, other, _)| qjs::JS_VALUE_GET_PTR(*other) == known)
            {
                let (_, promise, reason) = rejections.swap_remove(index);
                qjs::JS_FreeValue(context, promise);
                qjs::JS_FreeValue(context, reason);
            }
        } else {
            let slot = bindings.driver.interrupt().running().load(Ordering::Relaxed);
            rejections.push((slot, qjs::JS_DupValue(context, promise), qjs::JS_DupValue(context, reason)));
        }
    }
}
