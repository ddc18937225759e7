//! The start-up snapshot: a context in which the host's scripts have run, from which isolates are
//! made without running them again.

use parking_lot::Mutex;
use tandem_contract::{Error, Result};

use crate::bindings;
use crate::scripts;
use crate::values;

/// Functions of `entry.js` that the engine calls, in the order in which a snapshot holds them; V8's
/// own `Function.prototype.toString` follows them.
pub(crate) const ENTRY: [&str; 5] = ["start", "settle", "forget", "unhandled", "namespaceOf"];

/// A snapshot and the operations that its scripts know.
struct Snapshot {
    ops: Vec<String>,
    blob: &'static [u8],
}

/// The snapshot for a host with these operations; the first isolate makes it. It is kept for the
/// life of the process, which has one host.
///
/// # Errors
/// `Internal` when the host's scripts do not run.
pub(crate) fn of(ops: &[&str]) -> Result<&'static [u8]> {
    static MADE: Mutex<Vec<Snapshot>> = Mutex::new(Vec::new());
    let mut made = MADE.lock();
    if let Some(known) = made.iter().find(|known| known.ops == ops) {
        return Ok(known.blob);
    }
    let blob: &'static [u8] = make(ops)?.to_vec().leak();
    made.push(Snapshot { ops: ops.iter().map(|op| (*op).to_owned()).collect(), blob });
    Ok(blob)
}

/// What a snapshot refers to in this process, in an order that does not change.
pub(crate) fn references() -> Vec<v8::ExternalReference> {
    let natives =
        bindings::natives().iter().map(|(_, function)| v8::ExternalReference { function: *function });
    let texts = scripts::texts().iter().map(|script| {
        let pointer = std::ptr::from_ref(&script.text).cast_mut().cast();
        v8::ExternalReference { pointer }
    });
    natives.chain(texts).collect()
}

fn make(ops: &[&str]) -> Result<v8::StartupData> {
    let mut isolate = v8::Isolate::snapshot_creator(Some(references().into()), None);
    let booted = {
        v8::scope!(let scope, &mut isolate);
        let context = v8::Context::new(scope, v8::ContextOptions::default());
        let scope = &mut v8::ContextScope::new(scope, context);
        let booted = boot(scope, ops);
        scope.set_default_context(context);
        booted.map(|functions| {
            for function in functions {
                scope.add_context_data(context, function);
            }
        })
    };
    // An isolate of this kind can only be dropped by making its snapshot.
    let blob = isolate.create_blob(v8::FunctionCodeHandling::Keep);
    booted?;
    blob.ok_or_else(|| Error::internal("V8 made no snapshot"))
}

/// Runs `bootstrap.js` and gives what the engine calls: see [`ENTRY`].
fn boot<'s>(scope: &mut v8::PinScope<'s, '_>, ops: &[&str]) -> Result<Vec<v8::Local<'s, v8::Function>>> {
    let no_memory = || Error::internal("no memory for the host's scripts");
    let factories = v8::Object::new(scope);
    let mut bootstrap = None;
    for script in scripts::texts() {
        let factory = scripts::compile(scope, script)?;
        if script.name == "bootstrap.js" {
            bootstrap = Some(factory);
        }
        let name = values::string(scope, script.name).ok_or_else(no_memory)?;
        factories.create_data_property(scope, name.into(), factory.into());
    }
    let bootstrap = bootstrap.ok_or_else(|| Error::internal("the host has no bootstrap script"))?;
    let host = bindings::host_object(scope, factories, ops).ok_or_else(no_memory)?;
    let function_text = bindings::replace_function_text(scope).ok_or_else(no_memory)?;
    let undefined = v8::undefined(scope).into();
    let module = v8::Object::new(scope);
    v8::tc_scope!(let scope, scope);
    if bootstrap.call(scope, undefined, &[undefined, undefined, module.into(), host.into()]).is_none() {
        return Err(Error::internal(values::caught_text(scope)));
    }
    let exports = bindings::property(scope, module, "exports").ok_or_else(no_memory)?;
    let exports: v8::Local<v8::Object> = exports.try_into().map_err(Error::internal)?;
    let require = bindings::property(scope, exports, "require").ok_or_else(no_memory)?;
    let require: v8::Local<v8::Function> = require.try_into().map_err(Error::internal)?;
    for name in tandem_cloud::FREQUENT {
        let name = values::string(scope, name).ok_or_else(no_memory)?;
        if require.call(scope, undefined, &[name.into()]).is_none() {
            return Err(Error::internal(values::caught_text(scope)));
        }
    }
    let entry = ENTRY.iter().map(|name| {
        let function = bindings::property(scope, exports, name).ok_or_else(no_memory)?;
        function.try_into().map_err(Error::internal)
    });
    entry.chain([Ok(function_text)]).collect()
}
