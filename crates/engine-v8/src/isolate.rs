use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tandem_contract::{Error, ErrorKind, HostValue, Program, Result};
use tandem_isolate_pool::{Driver, Isolate};

use crate::bindings::{self, Bindings};
use crate::engine::Shared;
use crate::interrupts;
use crate::memory::{self, Usage};
use crate::modules;
use crate::platform;
use crate::rejections;
use crate::snapshot;
use crate::stack;
use crate::values;

/// One V8 isolate with one context. Never leaves its thread.
pub(crate) struct V8Isolate {
    entry: Entry,
    // Dropped before the bindings, which its callbacks point to.
    isolate: v8::OwnedIsolate,
    bindings: Box<Bindings>,
    events: u32,
}

/// Events between two looks at what V8 has put off, such as parts of a collection. All of it can
/// wait: V8 does it itself when it needs it.
const TASKS_EVERY: u32 = 32;

/// Functions of `entry.js`.
struct Entry {
    start: v8::Global<v8::Function>,
    settle: v8::Global<v8::Function>,
    forget: v8::Global<v8::Function>,
    unhandled: v8::Global<v8::Function>,
}

thread_local! {
    /// The bindings of this thread's isolate, for a callback that is not told whose it is.
    static CURRENT: Cell<*const Bindings> = const { Cell::new(std::ptr::null()) };
}

impl V8Isolate {
    /// A blank isolate.
    ///
    /// # Errors
    /// `Internal` when the host's scripts do not run.
    pub(crate) fn new(shared: &Arc<Shared>, driver: Rc<Driver>) -> Result<Self> {
        let born = Instant::now();
        let ops: Vec<&str> = driver.ops().map(|op| op.name).collect();
        let usage = Arc::new(Usage::new(shared.limits.memory));
        let params = v8::CreateParams::default()
            .snapshot_blob(snapshot::of(&ops)?.into())
            .external_references(snapshot::references().into())
            .array_buffer_allocator(memory::allocator(&usage))
            .allow_atomics_wait(false)
            .heap_limits(0, shared.limits.memory);
        let mark = 0_u8;
        let stack = std::ptr::from_ref(&mark).addr().saturating_sub(shared.limits.stack);
        // SAFETY: the thread was started with more stack than scripts may use.
        let params = unsafe { params.set_stack_limit(std::ptr::without_provenance_mut(stack)) };
        let mut isolate = v8::Isolate::new(params);
        memory::watch(&mut isolate, &usage);
        isolate.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
        isolate.set_promise_reject_callback(rejections::track);
        isolate.set_prepare_stack_trace_callback(stack::text);
        isolate.set_host_import_module_dynamically_callback(modules::import_dynamically);
        let (entry, bindings) = {
            v8::scope!(let scope, &mut isolate);
            let context = v8::Context::new(scope, v8::ContextOptions::default());
            context.set_allow_generation_from_strings(false);
            let scope = &mut v8::ContextScope::new(scope, context);
            remove_late_globals(scope);
            let mut functions = Vec::new();
            for index in 0..=snapshot::ENTRY.len() {
                let function = scope
                    .get_context_data_from_snapshot_once::<v8::Function>(index)
                    .map_err(Error::internal)?;
                functions.push(v8::Global::new(scope, function));
            }
            let [start, settle, forget, unhandled, namespace_of, function_text] =
                functions.try_into().map_err(|_| Error::internal("a snapshot is incomplete"))?;
            let id = values::string(scope, "id").ok_or_else(|| Error::internal("no memory"))?;
            let bindings = Box::new(Bindings {
                born,
                driver,
                shared: Arc::clone(shared),
                usage,
                program: RefCell::default(),
                modules: RefCell::default(),
                synthetic: RefCell::default(),
                uncached: RefCell::default(),
                rejections: RefCell::default(),
                namespace_of,
                function_text,
                id: v8::Global::new(scope, id),
                context: v8::Global::new(scope, context),
                ended: Cell::new(false),
            });
            (Entry { start, settle, forget, unhandled }, bindings)
        };
        CURRENT.set(&raw const *bindings);
        // SAFETY: the bindings are boxed and dropped after the isolate.
        unsafe {
            bindings::attach(&mut isolate, &raw const *bindings);
            interrupts::watch(&isolate, &raw const *bindings);
        }
        Ok(Self { entry, isolate, bindings, events: 0 })
    }

    /// Calls a function of `entry.js` and runs every job that is ready.
    fn enter(
        &mut self,
        function: impl FnOnce(&Entry) -> &v8::Global<v8::Function>,
        arguments: impl for<'s> FnOnce(&mut v8::PinScope<'s, '_>, &Bindings) -> Vec<v8::Local<'s, v8::Value>>,
    ) {
        let bindings = &*self.bindings;
        {
            v8::scope_with_context!(let scope, &mut self.isolate, &bindings.context);
            v8::tc_scope!(let scope, scope);
            let arguments = arguments(scope, bindings);
            let function = v8::Local::new(scope, function(&self.entry));
            let undefined = v8::undefined(scope).into();
            // Nothing but an interrupt: the scripts themselves let no exception through.
            function.call(scope, undefined, &arguments);
            if !settle_interrupt(scope, bindings) {
                return;
            }
            scope.perform_microtask_checkpoint();
            if !settle_interrupt(scope, bindings) || !report_rejections(scope, &self.entry, bindings) {
                return;
            }
            // Not at the very first event: whoever called for it waits.
            if self.events > 0 && !bindings.uncached.borrow().is_empty() {
                modules::cache(scope, bindings);
            }
        }
        self.events = self.events.wrapping_add(1);
        if self.events.is_multiple_of(TASKS_EVERY) {
            platform::run_tasks(&self.isolate);
        }
    }
}

/// V8 adds these to each context, after what a snapshot holds: the host's scripts, which take them
/// away on every engine, have run by then.
fn remove_late_globals(scope: &mut v8::PinScope) {
    let global = scope.get_current_context().global(scope);
    for name in ["SharedArrayBuffer", "WebAssembly"] {
        if let Some(name) = values::string(scope, name) {
            global.delete(scope, name.into());
        }
    }
}

/// Lets code run again after it was ended for one invocation: those of others go on. `false` when
/// the isolate has to go: nothing may run in it any more.
fn settle_interrupt(scope: &v8::Isolate, bindings: &Bindings) -> bool {
    let goes_on = !bindings.usage.is_exhausted();
    if bindings.ended.take() && goes_on {
        scope.cancel_terminate_execution();
    }
    goes_on
}

/// `false` when the isolate has to go.
fn report_rejections(scope: &mut v8::PinScope, entry: &Entry, bindings: &Bindings) -> bool {
    loop {
        let rejections = bindings.rejections.take();
        if rejections.is_empty() {
            return true;
        }
        for rejection in rejections {
            let slot = slot_value(scope, rejection.slot);
            let reason = v8::Local::new(scope, rejection.reason);
            let unhandled = v8::Local::new(scope, &entry.unhandled);
            let undefined = v8::undefined(scope).into();
            unhandled.call(scope, undefined, &[slot, reason]);
            if !settle_interrupt(scope, bindings) {
                return false;
            }
        }
    }
}

fn slot_value<'s>(scope: &v8::PinScope<'s, '_>, slot: u32) -> v8::Local<'s, v8::Value> {
    v8::Integer::new_from_unsigned(scope, slot).into()
}

impl Isolate for V8Isolate {
    fn load(&mut self, program: Arc<Program>) {
        self.bindings.program.replace(Some(program));
    }

    fn start(&mut self, slot: u32) {
        self.enter(|entry| &entry.start, |scope, _| vec![slot_value(scope, slot)]);
    }

    fn settle(&mut self, slot: u32, call: u32, result: Result<HostValue>) {
        self.enter(
            |entry| &entry.settle,
            |scope, bindings| {
                let undefined = v8::undefined(scope).into();
                let (ok, value, code) = match result {
                    Ok(value) => answer(scope, bindings, value),
                    Err(error) => {
                        let message = values::string(scope, error.message()).map_or(undefined, Into::into);
                        (false, message, values::code(scope, error.kind()))
                    }
                };
                let ok = v8::Boolean::new(scope, ok).into();
                vec![slot_value(scope, slot), slot_value(scope, call), ok, value, code]
            },
        );
    }

    fn forget(&mut self, slot: u32) {
        self.enter(|entry| &entry.forget, |scope, _| vec![slot_value(scope, slot)]);
    }

    fn is_exhausted(&self) -> bool {
        self.bindings.usage.is_exhausted()
    }
}

/// What the host answered as arguments of `settle`: a value that cannot be made rejects.
fn answer<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bindings: &Bindings,
    value: HostValue,
) -> (bool, v8::Local<'s, v8::Value>, v8::Local<'s, v8::Value>) {
    let undefined = v8::undefined(scope).into();
    v8::tc_scope!(let scope, scope);
    match values::from_host(scope, &bindings.usage, value) {
        Some(value) => (true, value, undefined),
        None => {
            let message =
                scope.exception().map_or_else(String::new, |value| value.to_rust_string_lossy(scope));
            (false, values::string(scope, &message).map_or(undefined, Into::into), undefined)
        }
    }
}

impl Drop for V8Isolate {
    fn drop(&mut self) {
        CURRENT.set(std::ptr::null());
        // They belong to the isolate.
        self.bindings.modules.take();
        self.bindings.synthetic.take();
        self.bindings.uncached.take();
        self.bindings.rejections.take();
    }
}

/// Answers everything in flight in this thread's isolate, which runs no code from here on; `false`
/// when the thread has none.
pub(crate) fn lose_current() -> bool {
    // SAFETY: the isolate was made on this thread, and takes the pointer back when it is dropped.
    let Some(bindings) = (unsafe { CURRENT.get().as_ref() }) else { return false };
    bindings.driver.lose(&Error::new(ErrorKind::MemoryLimit, "The function ran out of memory"));
    bindings.usage.end_overshoot();
    true
}
