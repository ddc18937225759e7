//! The native functions that the host's scripts call: the synchronous and the asynchronous host
//! call, and what an engine does for `entry.js` and `modules.js`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tandem_cloud::Finish;
use tandem_contract::{Error, ErrorKind, HostArgs, Level, Program, Result};
use tandem_isolate_pool::Driver;
use v8::MapFnTo as _;

use crate::engine::Shared;
use crate::function_text;
use crate::memory::Usage;
use crate::modules::{self, Loaded, Synthetic};
use crate::rejections::Rejection;
use crate::values;

/// The native that is no part of `host`.
const FUNCTION_TEXT: &str = "Function.prototype.toString";
/// Where an isolate keeps the pointer to its bindings.
const SLOT: u32 = 0;

/// What native functions need to know; a data slot of the isolate leads to it.
pub(crate) struct Bindings {
    /// When the isolate was made.
    pub(crate) born: Instant,
    pub(crate) driver: Rc<Driver>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) program: RefCell<Option<Arc<Program>>>,
    /// Each module that was loaded, by specifier.
    pub(crate) modules: RefCell<HashMap<String, v8::Global<v8::Module>>>,
    /// What the modules export that no text of a function's stands behind.
    pub(crate) synthetic: RefCell<Vec<Synthetic>>,
    /// Code that no cache holds yet.
    pub(crate) uncached: RefCell<Vec<Loaded>>,
    /// Rejections that nothing handles yet.
    pub(crate) rejections: RefCell<Vec<Rejection>>,
    /// `namespaceOf` of `entry.js`.
    pub(crate) namespace_of: v8::Global<v8::Function>,
    /// V8's own `Function.prototype.toString`.
    pub(crate) function_text: v8::Global<v8::Function>,
    /// `id` as a string.
    pub(crate) id: v8::Global<v8::String>,
    pub(crate) context: v8::Global<v8::Context>,
    /// The code that runs was told to end since the last event.
    pub(crate) ended: Cell<bool>,
}

/// Leads natives of `isolate` to `bindings`.
///
/// # Safety
/// `bindings` stay where they are until the isolate is gone.
pub(crate) unsafe fn attach(isolate: &mut v8::Isolate, bindings: *const Bindings) {
    isolate.set_data(SLOT, bindings.cast_mut().cast());
}

/// The bindings of an isolate of this crate, which outlive it.
///
/// # Errors
/// `Internal` while a snapshot is made: scripts call the host for an invocation only.
pub(crate) fn of<'a>(isolate: &v8::Isolate) -> Result<&'a Bindings> {
    let bindings = isolate.get_data(SLOT).cast::<Bindings>();
    // SAFETY: by the contract of `attach`, or null.
    unsafe { bindings.as_ref() }
        .ok_or_else(|| Error::internal("a script called the host before any invocation"))
}

pub(crate) type Scope<'s, 'i> = v8::PinScope<'s, 'i>;
pub(crate) type Arguments<'s> = v8::FunctionCallbackArguments<'s>;
pub(crate) type Returned<'s> = v8::ReturnValue<'s, v8::Value>;

/// Native functions by name. Each takes the scope, the arguments and the place for what it returns;
/// an error is thrown, unless an exception is pending already.
macro_rules! natives {
    ($($name:expr => $function:path,)*) => {
        vec![$(($name, {
            fn native(scope: &mut Scope, arguments: Arguments, mut returned: Returned) {
                if let Err(error) = $function(scope, &arguments, &mut returned) {
                    values::throw(scope, &error);
                }
            }
            native.map_fn_to()
        })),*]
    };
}

/// The natives, the same pointers for the life of the process: snapshots refer to them.
pub(crate) fn natives() -> &'static [(&'static str, v8::FunctionCallback)] {
    static NATIVES: OnceLock<Vec<(&'static str, v8::FunctionCallback)>> = OnceLock::new();
    NATIVES.get_or_init(|| {
        natives![
            "load" => load,
            "sync" => sync,
            "async" => start_call,
            "sleep" => sleep,
            "cancel" => cancel,
            "finish" => finish,
            "end" => end,
            "fail" => fail,
            "original" => original,
            "main" => main,
            "age" => age,
            "import" => modules::import,
            "wrapper" => modules::wrapper,
            "isCommonJs" => modules::is_common_js,
            "requireModule" => modules::require_module,
            "notFound" => modules::not_found,
            FUNCTION_TEXT => function_text::text,
        ]
    })
}

/// Makes the `host` object; `factories` has each script as a function.
pub(crate) fn host_object<'s>(
    scope: &mut Scope<'s, '_>,
    factories: v8::Local<'s, v8::Object>,
    ops: &[&str],
) -> Option<v8::Local<'s, v8::Object>> {
    let host = v8::Object::new(scope);
    for (name, function) in natives() {
        if *name != FUNCTION_TEXT {
            let function = native(scope, *function)?;
            set(scope, host, name, function.into())?;
        }
    }
    set(scope, host, "factories", factories.into())?;
    let ops = list(scope, ops)?;
    set(scope, host, "ops", ops)?;
    let primordials = list(scope, tandem_cloud::primordials())?;
    set(scope, host, "primordials", primordials)?;
    let continuation = continuation(scope)?;
    set(scope, host, "continuation", continuation.into())?;
    Some(host)
}

/// A native as a function. It is given no data: a snapshot keeps that apart from the context, with
/// a copy of everything that it leads to.
fn native<'s>(scope: &Scope<'s, '_>, function: v8::FunctionCallback) -> Option<v8::Local<'s, v8::Function>> {
    v8::Function::builder_raw(function).constructor_behavior(v8::ConstructorBehavior::Throw).build(scope)
}

/// Puts the native `Function.prototype.toString` in the place of V8's own, which it gives.
pub(crate) fn replace_function_text<'s>(scope: &mut Scope<'s, '_>) -> Option<v8::Local<'s, v8::Function>> {
    let (_, text) = natives().iter().find(|(name, _)| *name == FUNCTION_TEXT)?;
    let text = native(scope, *text)?;
    function_text::replace(scope, text)
}

/// V8's own value that follows each continuation, as `get` and `set`.
fn continuation<'s>(scope: &mut Scope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
    let extras = scope.get_current_context().get_extras_binding_object(scope);
    let continuation = v8::Object::new(scope);
    for (name, extra) in
        [("get", "getContinuationPreservedEmbedderData"), ("set", "setContinuationPreservedEmbedderData")]
    {
        let function = property(scope, extras, extra)?;
        set(scope, continuation, name, function)?;
    }
    Some(continuation)
}

fn set(
    scope: &Scope,
    object: v8::Local<v8::Object>,
    name: &str,
    value: v8::Local<v8::Value>,
) -> Option<bool> {
    let name = values::string(scope, name)?;
    object.create_data_property(scope, name.into(), value)
}

/// A property of an object; `None`, with an exception pending, when a getter throws.
pub(crate) fn property<'s>(
    scope: &Scope<'s, '_>,
    object: v8::Local<v8::Object>,
    name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let name = values::string(scope, name)?;
    object.get(scope, name.into())
}

fn list<'s>(scope: &Scope<'s, '_>, items: &[&str]) -> Option<v8::Local<'s, v8::Value>> {
    let items: Option<Vec<v8::Local<v8::Value>>> =
        items.iter().map(|item| values::string(scope, item).map(Into::into)).collect();
    Some(v8::Array::new_with_elements(scope, &items?).into())
}

/// `undefined` for what is not a number.
fn number(scope: &Scope, arguments: &Arguments, index: i32) -> u32 {
    arguments.get(index).uint32_value(scope).unwrap_or(0)
}

/// `undefined` and what has no text give an empty string.
pub(crate) fn text(scope: &Scope, arguments: &Arguments, index: i32) -> String {
    optional_text(scope, arguments, index).unwrap_or_default()
}

fn optional_text(scope: &Scope, arguments: &Arguments, index: i32) -> Option<String> {
    let value = arguments.get(index);
    if value.is_null_or_undefined() { None } else { values::text(scope, value) }
}

fn host_args(scope: &Scope, arguments: &Arguments, at: i32) -> HostArgs {
    HostArgs { text: text(scope, arguments, at), bytes: values::bytes(arguments.get(at + 1)) }
}

/// `load(name)`: the script of that name as a function.
fn load(scope: &mut Scope, arguments: &Arguments, returned: &mut Returned) -> Result<()> {
    let Some(factories) = property(scope, arguments.this(), "factories") else { return Ok(()) };
    let factories: v8::Local<v8::Object> = factories.try_into().map_err(Error::internal)?;
    if let Some(factory) = factories.get(scope, arguments.get(0)) {
        returned.set(factory);
    }
    Ok(())
}

/// `sync(op, slot, text?, bytes?)`: what the operation answers.
fn sync(scope: &mut Scope, arguments: &Arguments, returned: &mut Returned) -> Result<()> {
    let bindings = of(scope)?;
    let (op, slot) = (number(scope, arguments, 0), number(scope, arguments, 1));
    let value = bindings.driver.sync(slot, op, host_args(scope, arguments, 2))?;
    if let Some(value) = values::from_host(scope, &bindings.usage, value) {
        returned.set(value);
    }
    Ok(())
}

/// `async(op, slot, text?, bytes?)`: the number with which the answer will come.
fn start_call(scope: &mut Scope, arguments: &Arguments, returned: &mut Returned) -> Result<()> {
    let (op, slot) = (number(scope, arguments, 0), number(scope, arguments, 1));
    let call = of(scope)?.driver.call(slot, op, host_args(scope, arguments, 2))?;
    returned.set_uint32(call);
    Ok(())
}

/// `sleep(slot, milliseconds)`: the number with which the timer will fire.
fn sleep(scope: &mut Scope, arguments: &Arguments, returned: &mut Returned) -> Result<()> {
    let duration = Duration::from_millis(number(scope, arguments, 1).into());
    let call = of(scope)?.driver.sleep(number(scope, arguments, 0), duration)?;
    returned.set_uint32(call);
    Ok(())
}

/// `cancel(slot, call)`.
fn cancel(scope: &mut Scope, arguments: &Arguments, _: &mut Returned) -> Result<()> {
    of(scope)?.driver.cancel(number(scope, arguments, 0), number(scope, arguments, 1));
    Ok(())
}

/// `finish(slot, kind, text?, bytes?)`, with the kinds of `entry.js`.
fn finish(scope: &mut Scope, arguments: &Arguments, _: &mut Returned) -> Result<()> {
    let driver = &of(scope)?.driver;
    let (slot, kind) = (number(scope, arguments, 0), number(scope, arguments, 1));
    let HostArgs { text, bytes } = host_args(scope, arguments, 2);
    match Finish::read(kind, text, bytes) {
        Ok(Finish::Whole(reply)) => driver.finish(slot, Ok(reply)),
        Ok(Finish::Stream { status, headers }) => driver.begin_stream(slot, status, headers),
        Err(error) => driver.finish(slot, Err(error)),
    }
    Ok(())
}

/// `end(slot, message?)`: the streamed body is complete, or broke off with an error.
fn end(scope: &mut Scope, arguments: &Arguments, _: &mut Returned) -> Result<()> {
    let message = optional_text(scope, arguments, 1);
    of(scope)?.driver.end_stream(number(scope, arguments, 0), message);
    Ok(())
}

/// `fail(slot, code?, message, stack)`: the function threw.
fn fail(scope: &mut Scope, arguments: &Arguments, _: &mut Returned) -> Result<()> {
    let bindings = of(scope)?;
    let slot = number(scope, arguments, 0);
    if bindings.usage.is_exhausted() {
        // Whatever the function made of it, it failed for want of memory; the isolate's thread
        // answers so and throws the isolate away.
        return Ok(());
    }
    bindings.driver.print(slot, Level::Error, &bindings.original(&text(scope, arguments, 3)));
    let kind = tandem_cloud::stack::reply_kind(optional_text(scope, arguments, 1).as_deref());
    bindings.driver.finish(slot, Err(Error::new(kind, text(scope, arguments, 2))));
    Ok(())
}

/// `original(stack)`: the stack with places in the sources as they were written.
fn original(scope: &mut Scope, arguments: &Arguments, returned: &mut Returned) -> Result<()> {
    let stack = of(scope)?.original(&text(scope, arguments, 0));
    if let Some(stack) = values::string(scope, &stack) {
        returned.set(stack.into());
    }
    Ok(())
}

/// `main()`: the name of the function that is invoked.
fn main(scope: &mut Scope, _: &Arguments, returned: &mut Returned) -> Result<()> {
    let program = of(scope)?.program()?;
    if let Some(name) = values::string(scope, &program.name) {
        returned.set(name.into());
    }
    Ok(())
}

/// `age()`: milliseconds since the isolate was made.
fn age(scope: &mut Scope, _: &Arguments, returned: &mut Returned) -> Result<()> {
    returned.set_double(of(scope)?.born.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

impl Bindings {
    pub(crate) fn program(&self) -> Result<Arc<Program>> {
        let program = self.program.borrow().clone();
        program.ok_or_else(|| Error::new(ErrorKind::Internal, "The isolate has no function"))
    }

    fn original(&self, stack: &str) -> String {
        let Ok(program) = self.program() else { return stack.to_owned() };
        // V8 loads the text as it is.
        tandem_cloud::stack::original(stack, &program, |_, line, column| (line, column))
    }

    /// The slot of the invocation that the running code belongs to.
    pub(crate) fn current_slot(&self, scope: &mut v8::PinScope<'_, '_, ()>) -> Option<u32> {
        let context = v8::Local::new(scope, &self.context);
        let scope = &v8::ContextScope::new(scope, context);
        let invocation = scope.get_continuation_preserved_embedder_data();
        let invocation: v8::Local<v8::Object> = invocation.try_into().ok()?;
        let id = v8::Local::new(scope, &self.id);
        // A plain data property: no code of a function's runs.
        invocation.get(scope, id.into())?.uint32_value(scope)
    }
}
