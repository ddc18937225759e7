use std::sync::OnceLock;

use rquickjs::qjs;
use tandem_cloud::Script;

use crate::bytecode;
use crate::values::Context;

/// The host's scripts as bytecode, compiled when an isolate first loads them and kept for all.
pub(crate) struct Scripts {
    entries: Vec<(Script, OnceLock<Vec<u8>>)>,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self { entries: tandem_cloud::scripts().iter().map(|script| (*script, OnceLock::new())).collect() }
    }

    /// The script called `name` as a function of `exports`, `require`, `module` and `host`;
    /// `None` when there is none. An exception is pending when the value is one.
    ///
    /// # Safety
    /// `context` is alive and it is called on the isolate's thread.
    pub(crate) unsafe fn load(&self, context: Context, name: &str) -> Option<qjs::JSValue> {
        let (script, compiled) = self.entries.iter().find(|(script, _)| script.name == name)?;
        if let Some(code) = compiled.get() {
            // SAFETY: by the contract above; the bytecode was made below.
            return Some(unsafe { bytecode::run(context, code) });
        }
        let text =
            format!("(function (exports, require, module, host) {{\"use strict\";\n{}\n}})", script.source);
        // SAFETY: by the contract above.
        unsafe {
            let function = bytecode::compile_script(context, &text, &format!("tandem:{name}"));
            if qjs::JS_IsException(function) {
                return Some(function);
            }
            let Some(code) = bytecode::write(context, function, bytecode::Debug::Strip) else {
                return Some(qjs::JS_EvalFunction(context, function));
            };
            // What was compiled holds the script's text, which functions could read.
            qjs::JS_FreeValue(context, function);
            Some(bytecode::run(context, compiled.get_or_init(|| code)))
        }
    }
}
