//! `Function.prototype.toString`, which shows nothing of the host's scripts, and of what is native
//! what every engine shows.

use tandem_contract::{Error, Result};

use crate::bindings::{self, Arguments, Returned, Scope};
use crate::values;

/// What V8's own text of a native function ends in.
const NATIVE: &str = "{ [native code] }";
/// What scripts of the host are called.
const HOST: &str = "tandem:";

/// Puts the native `text` in the place of the one that V8 has. `None` when memory ends.
pub(crate) fn replace(scope: &mut Scope, text: v8::FunctionCallback) -> Option<()> {
    let global = scope.get_current_context().global(scope);
    let function = bindings::property(scope, global, "Function")?.to_object(scope)?;
    let prototype = bindings::property(scope, function, "prototype")?.to_object(scope)?;
    let own = bindings::property(scope, prototype, "toString")?;
    let replacement = v8::Function::builder_raw(text)
        .data(own)
        .constructor_behavior(v8::ConstructorBehavior::Throw)
        .build(scope)?;
    let name = values::string(scope, "toString")?;
    replacement.set_name(name);
    prototype.define_own_property(
        scope,
        name.into(),
        replacement.into(),
        v8::PropertyAttribute::DONT_ENUM,
    )?;
    Some(())
}

/// `Function.prototype.toString()`.
pub(crate) fn text(scope: &mut Scope, arguments: &Arguments, returned: &mut Returned) -> Result<()> {
    let own: v8::Local<v8::Function> = arguments.data().try_into().map_err(Error::internal)?;
    let this = arguments.this();
    let Some(text) = own.call(scope, this.into(), &[]) else { return Ok(()) };
    let is_native = text.to_rust_string_lossy(scope).ends_with(NATIVE);
    if !is_native && !is_of_host(scope, this) {
        returned.set(text);
        return Ok(());
    }
    let Some(name) = bindings::property(scope, this, "name") else { return Ok(()) };
    let name =
        if name.is_undefined() { String::new() } else { values::text(scope, name).unwrap_or_default() };
    if let Some(text) = values::string(scope, &format!("function {name}() {{\n    [native code]\n}}")) {
        returned.set(text.into());
    }
    Ok(())
}

fn is_of_host(scope: &mut Scope, object: v8::Local<v8::Object>) -> bool {
    let Ok(function) = v8::Local::<v8::Function>::try_from(object) else { return false };
    let name = function.get_script_origin(scope).resource_name();
    name.is_some_and(|name| name.to_rust_string_lossy(scope).starts_with(HOST))
}
