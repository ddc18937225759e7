//! How modules are found and loaded: functions by `@/name`, the host by `@tandem/…`. `None` means
//! that an exception is pending.

use std::sync::Arc;

use tandem_contract::{Error, Module, ModuleFormat, Result};
use v8::script_compiler::{CachedData, CompileOptions, NoCacheReason, Source};

use crate::bindings::{self, Arguments, Bindings, Returned, Scope, text};
use crate::code_cache::Code;
use crate::values;

/// What functions import of another function.
const FUNCTIONS: &str = "@/";
/// What the host offers.
const HOST_MODULES: [&str; 1] = ["@tandem/cloud"];

/// A module whose exports are the properties of an object: the host's own, and CommonJS ones.
pub(crate) struct Synthetic {
    module: v8::Global<v8::Module>,
    exports: v8::Global<v8::Object>,
}

/// Code that was compiled in this isolate and whose cache is made once it has run.
pub(crate) struct Loaded {
    key: String,
    code: LoadedCode,
}

enum LoadedCode {
    Module(v8::Global<v8::UnboundModuleScript>),
    Function(v8::Global<v8::Function>),
}

/// Throws `error`.
fn throw<T>(scope: &Scope, error: &Error) -> Option<T> {
    values::throw(scope, error);
    None
}

/// The module that `specifier` names, loaded if it was not, not yet linked.
fn find<'s>(
    scope: &mut Scope<'s, '_>,
    bindings: &Bindings,
    specifier: &str,
) -> Option<v8::Local<'s, v8::Module>> {
    if let Some(known) = bindings.modules.borrow().get(specifier) {
        return Some(v8::Local::new(scope, known));
    }
    let program = match bindings.program() {
        Ok(program) => program,
        Err(error) => return throw(scope, &error),
    };
    let function = specifier.strip_prefix(FUNCTIONS).map(|name| program.module(name));
    let module = match function {
        Some(Some(module)) if module.format == ModuleFormat::Module => compile(scope, bindings, module)?,
        Some(Some(_)) => synthetic(scope, bindings, specifier)?,
        None if HOST_MODULES.contains(&specifier) => synthetic(scope, bindings, specifier)?,
        _ => return throw(scope, &tandem_cloud::module_not_found(specifier)),
    };
    bindings.modules.borrow_mut().insert(specifier.to_owned(), v8::Global::new(scope, module));
    Some(module)
}

fn compile<'s>(
    scope: &mut Scope<'s, '_>,
    bindings: &Bindings,
    module: &Module,
) -> Option<v8::Local<'s, v8::Module>> {
    let (key, cached, mut source) = source_of(scope, bindings, module)?;
    let compiled =
        v8::script_compiler::compile_module2(scope, &mut source, options(&cached), NoCacheReason::NoReason)?;
    if cached.is_none() {
        let code = compiled.get_unbound_module_script(scope);
        let code = LoadedCode::Module(v8::Global::new(scope, code));
        bindings.uncached.borrow_mut().push(Loaded { key, code });
    }
    Some(compiled)
}

/// The text of a module with its cache, if there is one; the cache must outlive the source.
fn source_of(
    scope: &mut Scope,
    bindings: &Bindings,
    module: &Module,
) -> Option<(String, Option<Arc<Code>>, Source)> {
    // The name is part of the code: stacks show it.
    let key = format!("{}\0{}", module.name, module.hash);
    let cached = bindings.shared.code_cache.get(&key);
    let text = values::string(scope, &module.code)?;
    let name = values::string(scope, &format!("{FUNCTIONS}{}", module.name))?;
    let origin = values::origin(scope, name, module.format == ModuleFormat::Module);
    let source = match &cached {
        Some(code) => Source::new_with_cached_data(text, Some(&origin), CachedData::new(&code.0)),
        None => Source::new(text, Some(&origin)),
    };
    Some((key, cached, source))
}

const fn options(cached: &Option<Arc<Code>>) -> CompileOptions {
    if cached.is_some() { CompileOptions::ConsumeCodeCache } else { CompileOptions::NoCompileOptions }
}

fn synthetic<'s>(
    scope: &mut Scope<'s, '_>,
    bindings: &Bindings,
    specifier: &str,
) -> Option<v8::Local<'s, v8::Module>> {
    let name = values::string(scope, specifier)?;
    let namespace_of = v8::Local::new(scope, &bindings.namespace_of);
    let undefined = v8::undefined(scope).into();
    let exports = namespace_of.call(scope, undefined, &[name.into()])?;
    let exports = exports.to_object(scope)?;
    let keys = exports.get_own_property_names(scope, v8::GetPropertyNamesArgs::default())?;
    let mut names = Vec::new();
    for index in 0..keys.length() {
        names.push(keys.get_index(scope, index)?.to_string(scope)?);
    }
    let module = v8::Module::create_synthetic_module(scope, name, &names, fill);
    bindings
        .synthetic
        .borrow_mut()
        .push(Synthetic { module: v8::Global::new(scope, module), exports: v8::Global::new(scope, exports) });
    Some(module)
}

/// Gives a synthetic module its exports.
fn fill<'s>(
    context: v8::Local<'s, v8::Context>,
    module: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Value>> {
    // SAFETY: V8 calls this on the isolate's thread, in a context of this crate.
    v8::callback_scope!(unsafe scope, context);
    let bindings = bindings::of(scope).ok()?;
    let exports = {
        let mut synthetic = bindings.synthetic.borrow_mut();
        let index = synthetic.iter().position(|known| known.module == module)?;
        v8::Local::new(scope, synthetic.swap_remove(index).exports)
    };
    let keys = exports.get_own_property_names(scope, v8::GetPropertyNamesArgs::default())?;
    for index in 0..keys.length() {
        let name = keys.get_index(scope, index)?.to_string(scope)?;
        let value = exports.get(scope, name.into())?;
        module.set_synthetic_module_export(scope, name, value)?;
    }
    let resolver = v8::PromiseResolver::new(scope)?;
    let undefined = v8::undefined(scope).into();
    resolver.resolve(scope, undefined)?;
    Some(resolver.get_promise(scope).into())
}

/// What an import of a module leads to.
fn resolve<'s>(
    context: v8::Local<'s, v8::Context>,
    specifier: v8::Local<'s, v8::String>,
    _attributes: v8::Local<'s, v8::FixedArray>,
    _referrer: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Module>> {
    // SAFETY: V8 calls this on the isolate's thread, in a context of this crate.
    v8::callback_scope!(unsafe scope, context);
    let specifier = specifier.to_rust_string_lossy(scope);
    match bindings::of(scope) {
        Ok(bindings) => find(scope, bindings, &specifier),
        Err(error) => throw(scope, &error),
    }
}

/// Links and runs a module; gives its namespace and a promise of its end.
fn evaluate<'s>(
    scope: &mut Scope<'s, '_>,
    specifier: &str,
) -> Option<(v8::Local<'s, v8::Value>, v8::Local<'s, v8::Promise>)> {
    let bindings = match bindings::of(scope) {
        Ok(bindings) => bindings,
        Err(error) => return throw(scope, &error),
    };
    let module = find(scope, bindings, specifier)?;
    module.instantiate_module(scope, resolve)?;
    let promise = module.evaluate(scope)?;
    let promise: v8::Local<v8::Promise> = promise.try_into().ok()?;
    Some((module.get_module_namespace(), promise))
}

/// A promise of the namespace of the module that `specifier` names.
fn import_by_name<'s>(scope: &mut Scope<'s, '_>, specifier: &str) -> Option<v8::Local<'s, v8::Promise>> {
    let (namespace, promise) = evaluate(scope, specifier)?;
    let give = v8::Function::builder(|_: &mut Scope, arguments: Arguments, mut returned: Returned| {
        returned.set(arguments.data())
    });
    let give = give.data(namespace).build(scope)?;
    promise.then(scope, give)
}

/// `import(specifier)` in a function.
pub(crate) fn import_dynamically<'s>(
    scope: &mut Scope<'s, '_>,
    _options: v8::Local<'s, v8::Data>,
    _referrer: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    _attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    let resolver = v8::PromiseResolver::new(scope)?;
    let specifier = specifier.to_rust_string_lossy(scope);
    {
        v8::tc_scope!(let scope, scope);
        match import_by_name(scope, &specifier) {
            Some(promise) => {
                resolver.resolve(scope, promise.into())?;
            }
            None => {
                let thrown = scope.exception().filter(|_| !scope.has_terminated())?;
                scope.reset();
                resolver.reject(scope, thrown)?;
            }
        }
    }
    Some(resolver.get_promise(scope))
}

/// `import()`: a promise of the namespace of the program's own module.
pub(crate) fn import(scope: &mut Scope, _: &Arguments, returned: &mut Returned) -> Result<()> {
    let program = bindings::of(scope)?.program()?;
    if let Some(promise) = import_by_name(scope, &format!("{FUNCTIONS}{}", program.name)) {
        returned.set(promise.into());
    }
    Ok(())
}

/// `wrapper(name)`: a CommonJS module as a function of `exports`, `require` and `module`.
pub(crate) fn wrapper(scope: &mut Scope, arguments: &Arguments, returned: &mut Returned) -> Result<()> {
    let bindings = bindings::of(scope)?;
    let name = text(scope, arguments, 0);
    let program = bindings.program()?;
    let module = program.module(&name).ok_or_else(|| tandem_cloud::module_not_found(&name))?;
    if let Some(function) = compile_wrapper(scope, bindings, module) {
        returned.set(function.into());
    }
    Ok(())
}

fn compile_wrapper<'s>(
    scope: &mut Scope<'s, '_>,
    bindings: &Bindings,
    module: &Module,
) -> Option<v8::Local<'s, v8::Function>> {
    let (key, cached, mut source) = source_of(scope, bindings, module)?;
    let mut parameters = Vec::new();
    for parameter in ["exports", "require", "module"] {
        parameters.push(values::string(scope, parameter)?);
    }
    let function = v8::script_compiler::compile_function(
        scope,
        &mut source,
        &parameters,
        &[],
        options(&cached),
        NoCacheReason::NoReason,
    )?;
    if cached.is_none() {
        let code = LoadedCode::Function(v8::Global::new(scope, function));
        bindings.uncached.borrow_mut().push(Loaded { key, code });
    }
    Some(function)
}

/// `isCommonJs(name)`.
pub(crate) fn is_common_js(scope: &mut Scope, arguments: &Arguments, returned: &mut Returned) -> Result<()> {
    let name = text(scope, arguments, 0);
    let program = bindings::of(scope)?.program()?;
    let module = program.module(&name).ok_or_else(|| tandem_cloud::module_not_found(&name))?;
    returned.set_bool(module.format == ModuleFormat::CommonJs);
    Ok(())
}

/// `requireModule(name)`: the namespace of an ES module that finishes without waiting.
pub(crate) fn require_module(
    scope: &mut Scope,
    arguments: &Arguments,
    returned: &mut Returned,
) -> Result<()> {
    let name = text(scope, arguments, 0);
    let Some((namespace, promise)) = evaluate(scope, &format!("{FUNCTIONS}{name}")) else { return Ok(()) };
    match promise.state() {
        v8::PromiseState::Fulfilled => returned.set(namespace),
        v8::PromiseState::Rejected => {
            promise.mark_as_handled();
            let reason = promise.result(scope);
            scope.throw_exception(reason);
        }
        v8::PromiseState::Pending => return Err(tandem_cloud::require_of_async_module(&name)),
    }
    Ok(())
}

/// `notFound(specifier)`: throws what importing it would.
pub(crate) fn not_found(scope: &mut Scope, arguments: &Arguments, _: &mut Returned) -> Result<()> {
    Err(tandem_cloud::module_not_found(&text(scope, arguments, 0)))
}

/// Makes the caches of what this isolate compiled, the functions that have run included.
pub(crate) fn cache(scope: &mut Scope, bindings: &Bindings) {
    for Loaded { key, code } in bindings.uncached.take() {
        let cache = match code {
            LoadedCode::Module(script) => v8::Local::new(scope, script).create_code_cache(),
            LoadedCode::Function(function) => v8::Local::new(scope, function).create_code_cache(),
        };
        if let Some(cache) = cache {
            bindings.shared.code_cache.put(key, Arc::new(Code(cache.to_vec())));
        }
    }
}
