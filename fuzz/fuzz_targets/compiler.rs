//! A source compiles or is refused with a place in it; what was compiled can be loaded and
//! instrumented, and stays valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_compiler::async_context::{Names, instrument};
use tandem_compiler::{compile, load_module};
use tandem_contract::Language;

fuzz_target!(|data: &str| {
    for language in [Language::TypeScript, Language::JavaScript] {
        let compiled = match compile("fuzz", data, language) {
            Ok(compiled) => compiled,
            Err(error) => {
                assert!(!error.message().is_empty());
                continue;
            }
        };
        let module = load_module("fuzz", language, &compiled.code, None).expect("what was compiled loads");
        let names = Names::absent_from(&module.code);
        let text = instrument(&module.code, module.format, &names).expect("what loads can be instrumented");
        assert_eq!(text.code.lines().count(), module.code.lines().count(), "no line moves");
    }
});
