//! How modules are found and loaded: functions by `@/name`, the host by `@tandem/…`.

use std::borrow::Cow;
use std::sync::Arc;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::qjs::{self, JSValue};
use rquickjs::{Ctx, Module};
use tandem_compiler::async_context::{self, Names};
use tandem_contract::{Error, ModuleFormat, Result};

use crate::bindings::{Arguments, Bindings, of};
use crate::bytecode::{self, Debug};
use crate::code_cache::Code;
use crate::values::{self, Context, c_string};

/// What functions import of another function.
const FUNCTIONS: &str = "@/";
/// Whether this is what the host offers.
fn is_host_module(specifier: &str) -> bool {
    specifier == "@tandem/cloud" || specifier == async_context::module()
}

/// Finds modules by the names above and by no other.
pub(crate) struct NameResolver;

impl Resolver for NameResolver {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        _base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<String> {
        // SAFETY: the context is alive while it resolves; its bindings are set at its making.
        unsafe {
            let context = ctx.as_raw().as_ptr();
            let known = match name.strip_prefix(FUNCTIONS) {
                Some(function) => {
                    of(context).program().is_ok_and(|program| program.module(function).is_some())
                }
                None => is_host_module(name),
            };
            if known {
                return Ok(name.to_owned());
            }
            values::throw(context, &tandem_cloud::module_not_found(name));
        }
        Err(rquickjs::Error::Exception)
    }
}

/// Loads what [`NameResolver`] found.
pub(crate) struct ProgramLoader;

impl Loader for ProgramLoader {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> rquickjs::Result<Module<'js, Declared>> {
        let context = ctx.as_raw().as_ptr();
        // SAFETY: the context is alive while it loads. A value with the module tag points to a
        // module definition, which the context owns.
        unsafe {
            let module = load(context, name);
            if qjs::JS_IsException(module) {
                return Err(rquickjs::Error::Exception);
            }
            let definition = qjs::JS_VALUE_GET_PTR(module).cast();
            let pointer = std::ptr::NonNull::new(definition).ok_or(rquickjs::Error::Unknown)?;
            LOADED.set(Some(pointer));
            Module::from_load_fn(ctx.clone(), name, take_loaded)
        }
    }
}

thread_local! {
    /// Hands the definition just made to [`take_loaded`] on the same thread.
    static LOADED: std::cell::Cell<Option<std::ptr::NonNull<qjs::JSModuleDef>>> = const { std::cell::Cell::new(None) };
}

unsafe extern "C" fn take_loaded(_: Context, _: *const std::ffi::c_char) -> *mut qjs::JSModuleDef {
    LOADED.take().map_or(std::ptr::null_mut(), std::ptr::NonNull::as_ptr)
}

unsafe fn load(context: Context, specifier: &str) -> JSValue {
    // SAFETY: `context` is alive by the caller's contract.
    unsafe {
        let bindings = of(context);
        if let Some(name) = specifier.strip_prefix(FUNCTIONS)
            && let Ok(program) = bindings.program()
            && program.module(name).is_some_and(|module| module.format == ModuleFormat::Module)
        {
            return bindings.module(context, name).unwrap_or_else(|exception| exception);
        }
        synthetic(context, specifier)
    }
}

/// A module whose exports are the properties of an object: the host's own, and CommonJS ones.
unsafe fn synthetic(context: Context, specifier: &str) -> JSValue {
    // SAFETY: `context` is alive by the caller's contract; values are freed once or given away.
    unsafe {
        let mut arguments = [values::string(context, specifier)];
        let exports = values::call(context, *of(context).namespace_of.borrow(), &mut arguments);
        if qjs::JS_IsException(exports) {
            return exports;
        }
        let module = qjs::JS_NewCModule(context, c_string(specifier).as_ptr(), Some(fill_synthetic));
        if module.is_null() {
            qjs::JS_FreeValue(context, exports);
            return qjs::JS_EXCEPTION;
        }
        for_each_key(context, exports, |name| {
            qjs::JS_AddModuleExport(context, module, name.as_ptr());
        });
        qjs::JS_SetModulePrivateValue(context, module, exports);
        qjs::JS_MKPTR(qjs::JS_TAG_MODULE, module.cast())
    }
}

unsafe extern "C" fn fill_synthetic(context: Context, module: *mut qjs::JSModuleDef) -> i32 {
    // SAFETY: QuickJS calls this once for a module that `synthetic` made.
    unsafe {
        let exports = qjs::JS_GetModulePrivateValue(context, module);
        for_each_key(context, exports, |name| {
            let value = qjs::JS_GetPropertyStr(context, exports, name.as_ptr());
            qjs::JS_SetModuleExport(context, module, name.as_ptr(), value);
        });
        qjs::JS_FreeValue(context, exports);
    }
    0
}

/// Calls `visit` with each enumerable string key.
unsafe fn for_each_key(context: Context, object: JSValue, mut visit: impl FnMut(&std::ffi::CStr)) {
    let mut keys = std::ptr::null_mut();
    let mut count = 0;
    let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY) as i32;
    // SAFETY: `context` is alive by the caller's contract; the key list is freed below.
    unsafe {
        if qjs::JS_GetOwnPropertyNames(context, &raw mut keys, &raw mut count, object, flags) < 0 {
            values::drop_exception(context);
            return;
        }
        for index in 0..count as usize {
            let name = qjs::JS_AtomToCStringLen(context, std::ptr::null_mut(), (*keys.add(index)).atom);
            if !name.is_null() {
                visit(std::ffi::CStr::from_ptr(name));
                qjs::JS_FreeCString(context, name);
            }
        }
        qjs::JS_FreePropertyEnum(context, keys, count);
    }
}

impl Bindings {
    /// The ES module `name`, not yet linked.
    ///
    /// # Safety
    /// `context` is the one of these bindings and is alive.
    unsafe fn module(&self, context: Context, name: &str) -> Result<JSValue, JSValue> {
        if let Some(known) = self.modules.borrow().get(name) {
            return Ok(qjs::JS_MKPTR(qjs::JS_TAG_MODULE, known.cast()));
        }
        // SAFETY: by the contract above. Compiling a module already declares it to the context,
        // so what was compiled is used and not read back.
        let module = unsafe {
            let Found { code, compiled } = self.code(context, name)?;
            compiled.unwrap_or_else(|| bytecode::read(context, &code.bytecode))
        };
        // SAFETY: a value with the module tag points to a definition, which the context owns.
        unsafe {
            if qjs::JS_IsException(module) {
                return Err(module);
            }
            self.modules.borrow_mut().insert(name.to_owned(), qjs::JS_VALUE_GET_PTR(module).cast());
        }
        Ok(module)
    }

    /// The code of the function `name`, compiled if no isolate did so before.
    ///
    /// # Safety
    /// `context` is the one of these bindings and is alive.
    unsafe fn code(&self, context: Context, name: &str) -> Result<Found, JSValue> {
        // SAFETY: by the contract above.
        let fail = |error: Error| unsafe { values::throw(context, &error) };
        let program = self.program().map_err(fail)?;
        let module = program.module(name).ok_or_else(|| fail(tandem_cloud::module_not_found(name)))?;
        // The name is part of the bytecode: stacks show it.
        let key = format!("{name}\0{}", module.hash);
        let (code, compiled) = match self.shared.code_cache.get(&key) {
            Some(code) => (code, None),
            None => {
                self.usage.set_preparing(true);
                // SAFETY: by the contract above.
                let compiled = unsafe { compile(context, module) };
                self.usage.set_preparing(false);
                let (code, compiled) = compiled?;
                let code = Arc::new(code);
                self.shared.code_cache.put(key, Arc::clone(&code));
                (code, Some(compiled))
            }
        };
        self.loaded.borrow_mut().push((name.to_owned(), Arc::clone(&code)));
        Ok(Found { code, compiled })
    }
}

/// A module's code.
struct Found {
    code: Arc<Code>,
    /// What this context has just compiled, owned; `None` if some isolate made the bytecode before.
    compiled: Option<JSValue>,
}

/// Compiles a module so that it keeps its invocation across awaits.
///
/// # Safety
/// `context` is alive.
unsafe fn compile(context: Context, module: &tandem_contract::Module) -> Result<(Code, JSValue), JSValue> {
    // SAFETY: by the contract above.
    unsafe {
        let names = Names::absent_from(&module.code);
        let instrumented = async_context::instrument(&module.code, module.format, &names)
            .map_err(|error| values::throw(context, &error))?;
        let file = format!("{FUNCTIONS}{}", module.name);
        let wrapper = match module.format {
            ModuleFormat::Module => String::new(),
            ModuleFormat::CommonJs => {
                // In a scope of their own: the function's `arguments` must not hold them. A block,
                // since QuickJS would keep the whole text once more for a function around it.
                let Names { save, restore, context } = &names;
                format!(
                    "{{const {{save: {save}, restore: {restore}}} = {context};\
                     (function (exports, require, module) {{"
                )
            }
        };
        let compiled = match module.format {
            ModuleFormat::Module => bytecode::compile_module(context, &instrumented.code, &file),
            ModuleFormat::CommonJs => {
                let text = format!("{wrapper}{}\n}})}}", without_hashbang(&instrumented.code));
                bytecode::compile_script(context, &text, &file)
            }
        };
        if qjs::JS_IsException(compiled) {
            return Err(compiled);
        }
        let holder = names.context;
        let bytecode = bytecode::write(context, compiled, Debug::Keep)
            .ok_or_else(|| values::throw(context, &Error::internal("the bytecode cannot be written")))?;
        let wrapper = u32::try_from(wrapper.len()).unwrap_or(0);
        Ok((Code { bytecode, columns: instrumented.columns, wrapper, holder }, compiled))
    }
}

/// A hashbang is allowed at the very start only: in a wrapper it becomes a comment of its length.
fn without_hashbang(code: &str) -> Cow<'_, str> {
    match code.strip_prefix("#!") {
        Some(rest) => Cow::Owned(format!("//{rest}")),
        None => Cow::Borrowed(code),
    }
}

/// `import()`: a promise of the namespace of the program's own module.
pub(crate) unsafe extern "C" fn import(context: Context, _: JSValue, _: i32, _: *mut JSValue) -> JSValue {
    // SAFETY: QuickJS calls this with a live context.
    unsafe {
        match of(context).program() {
            Ok(program) => load_by_name(context, &program.name),
            Err(error) => values::throw(context, &error),
        }
    }
}

unsafe fn load_by_name(context: Context, name: &str) -> JSValue {
    let specifier = c_string(&format!("{FUNCTIONS}{name}"));
    // SAFETY: `context` is alive by the caller's contract.
    unsafe { qjs::JS_LoadModule(context, c"".as_ptr(), specifier.as_ptr()) }
}

/// `wrapper(name, context)`: the CommonJS module as a function of `exports`, `require` and `module`;
/// `context` holds what awaits call.
pub(crate) unsafe extern "C" fn wrapper(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: QuickJS calls this with a live context and `count` values.
    unsafe {
        let arguments = Arguments::new(context, count, values);
        let Found { code, compiled } = match of(context).code(context, &arguments.text(0)) {
            Ok(found) => found,
            Err(exception) => return exception,
        };
        let script = compiled.unwrap_or_else(|| bytecode::read(context, &code.bytecode));
        if qjs::JS_IsException(script) {
            return script;
        }
        // The text reads this before any of the module's own runs, and nothing finds it afterwards.
        let global = qjs::JS_GetGlobalObject(context);
        let holder = qjs::JS_NewAtomLen(context, code.holder.as_ptr().cast(), code.holder.len() as _);
        let value = qjs::JS_DupValue(context, arguments.get(1));
        let flags = (qjs::JS_PROP_CONFIGURABLE | qjs::JS_PROP_THROW) as i32;
        let defined = qjs::JS_DefinePropertyValue(context, global, holder, value, flags);
        let result = if defined < 0 {
            qjs::JS_FreeValue(context, script);
            qjs::JS_EXCEPTION
        } else {
            let result = qjs::JS_EvalFunction(context, script);
            qjs::JS_DeleteProperty(context, global, holder, 0);
            result
        };
        qjs::JS_FreeAtom(context, holder);
        qjs::JS_FreeValue(context, global);
        result
    }
}

/// `isCommonJs(name)`.
pub(crate) unsafe extern "C" fn is_common_js(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: as for `wrapper`.
    unsafe {
        let name = Arguments::new(context, count, values).text(0);
        let found = of(context).program().and_then(|program| {
            let module = program.module(&name).ok_or_else(|| tandem_cloud::module_not_found(&name))?;
            Ok(module.format == ModuleFormat::CommonJs)
        });
        match found {
            Ok(found) => qjs::JS_MKVAL(qjs::JS_TAG_BOOL, found.into()),
            Err(error) => values::throw(context, &error),
        }
    }
}

/// `requireModule(name)`: the namespace of an ES module that finishes without waiting.
pub(crate) unsafe extern "C" fn require_module(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: as for `wrapper`; the promise is freed once.
    unsafe {
        let name = Arguments::new(context, count, values).text(0);
        let module = match of(context).module(context, &name) {
            Ok(module) => module,
            Err(exception) => return exception,
        };
        if qjs::JS_ResolveModule(context, module) < 0 {
            return qjs::JS_EXCEPTION;
        }
        let promise = qjs::JS_EvalFunction(context, qjs::JS_DupValue(context, module));
        if qjs::JS_IsException(promise) {
            return promise;
        }
        let state = qjs::JS_PromiseState(context, promise);
        let result = qjs::JS_PromiseResult(context, promise);
        qjs::JS_FreeValue(context, promise);
        match state {
            qjs::JSPromiseStateEnum_JS_PROMISE_FULFILLED => {
                qjs::JS_FreeValue(context, result);
                qjs::JS_GetModuleNamespace(context, qjs::JS_VALUE_GET_PTR(module).cast())
            }
            qjs::JSPromiseStateEnum_JS_PROMISE_REJECTED => qjs::JS_Throw(context, result),
            _ => {
                qjs::JS_FreeValue(context, result);
                values::throw(context, &tandem_cloud::require_of_async_module(&name))
            }
        }
    }
}

/// `notFound(specifier)`: throws what importing it would.
pub(crate) unsafe extern "C" fn not_found(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: as for `wrapper`.
    unsafe {
        let specifier = Arguments::new(context, count, values).text(0);
        values::throw(context, &tandem_cloud::module_not_found(&specifier))
    }
}
