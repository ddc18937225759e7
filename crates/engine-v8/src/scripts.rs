use std::fmt::Write as _;
use std::sync::OnceLock;

use tandem_contract::{Error, Result};

use crate::values;

/// A script of the host as text that V8 reads in place, in every isolate.
pub(crate) struct ScriptText {
    pub(crate) name: &'static str,
    pub(crate) text: v8::OneByteConst,
}

/// The host's scripts, made once a process and never freed: snapshots point to them.
pub(crate) fn texts() -> &'static [ScriptText] {
    static TEXTS: OnceLock<&'static [ScriptText]> = OnceLock::new();
    TEXTS.get_or_init(|| tandem_cloud::scripts().iter().map(text_of).collect::<Vec<_>>().leak())
}

/// What each script is a function of.
const PARAMETERS: [&str; 4] = ["exports", "require", "module", "host"];

/// A snapshot holds the code of these, and the text of the others: each isolate reads all of the
/// snapshot.
fn is_frequent(name: &str) -> bool {
    tandem_cloud::FREQUENT.contains(&name)
}

fn text_of(script: &tandem_cloud::Script) -> ScriptText {
    let text = ascii(script.source);
    let text = if is_frequent(script.name) {
        format!("\"use strict\";\n{text}")
    } else {
        // Not in parentheses: V8 would compile it at once.
        format!("[function ({}) {{\"use strict\";\n{text}\n}}][0]", PARAMETERS.join(", "))
    };
    let text: &'static str = text.leak();
    ScriptText { name: script.name, text: v8::String::create_external_onebyte_const(text.as_bytes()) }
}

/// Writes what is not ASCII as escapes. Scripts have such characters in comments and strings only.
fn ascii(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// The script called `name` as a function of `exports`, `require`, `module` and `host`.
///
/// # Errors
/// `Internal` when it does not compile.
pub(crate) fn compile<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    script: &'static ScriptText,
) -> Result<v8::Local<'s, v8::Function>> {
    v8::tc_scope!(let scope, scope);
    let no_memory = || Error::internal("no memory for the host's scripts");
    let text = v8::String::new_from_onebyte_const(scope, &script.text).ok_or_else(no_memory)?;
    let name = values::string(scope, &format!("tandem:{}", script.name)).ok_or_else(no_memory)?;
    let origin = values::origin(scope, name, false);
    if !is_frequent(script.name) {
        let factory = v8::Script::compile(scope, text, Some(&origin)).and_then(|script| script.run(scope));
        let factory = factory.and_then(|factory| factory.try_cast::<v8::Function>().ok());
        return factory.ok_or_else(|| Error::internal(values::caught_text(scope)));
    }
    let mut source = v8::script_compiler::Source::new(text, Some(&origin));
    let mut parameters = Vec::new();
    for parameter in PARAMETERS {
        parameters.push(values::string(scope, parameter).ok_or_else(no_memory)?);
    }
    let compiled = v8::script_compiler::compile_function(
        scope,
        &mut source,
        &parameters,
        &[],
        v8::script_compiler::CompileOptions::EagerCompile,
        v8::script_compiler::NoCacheReason::NoReason,
    );
    compiled.ok_or_else(|| Error::internal(values::caught_text(scope)))
}

#[cfg(test)]
mod tests {
    use super::ascii;

    #[test]
    fn what_is_not_ascii_is_escaped() {
        assert_eq!(ascii("a … 😀"), "a \\u2026 \\ud83d\\ude00");
    }
}
