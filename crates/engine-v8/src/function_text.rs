//! `Function.prototype.toString`, which shows nothing of the host's scripts, and of what is native
//! what every engine shows.

use tandem_contract::Result;

use crate::bindings::{self, Arguments, Returned, Scope};
use crate::values;

/// What V8's own text of a native function ends in.
const NATIVE: &str = "{ [native code] }";
/// What scripts of the host are called.
const HOST: &str = "tandem:";

/// Puts `text` in the place of the one that V8 has, which it gives. `None` when memory ends.
pub(crate) fn replace<'s>(
    scope: &mut Scope<'s, '_>,
    text: v8::Local<v8::Function>,
) -> Option<v8::Local<'s, v8::Function>> {
    let global = scope.get_current_context().global(scope);
    let function = bindings::property(scope, global, "Function")?.to_object(scope)?;
    let prototype = bindings::property(scope, function, "prototype")?.to_object(scope)?;
    let own = bindings::property(scope, prototype, "toString")?;
    let name = values::string(scope, "toString")?;
    text.set_name(name);
    prototype.define_own_property(scope, name.into(), text.into(), v8::PropertyAttribute::DONT_ENUM)?;
    own.try_into().ok()
}

/// `Function.prototype.toString()`.
pub(crate) fn text(scope: &mut Scope, arguments: &Arguments, returned: &mut Returned) -> Result<()> {
    let own = v8::Local::new(scope, &bindings::of(scope)?.function_text);
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
