//! No source makes the compiler panic, overflow a stack or take for ever.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::thread;

use proptest::prelude::*;
use tandem_compiler::async_context::{Names, instrument};
use tandem_compiler::{MAX_SOURCE_BYTES, compile, load_module};
use tandem_contract::{ErrorKind, Language};

/// What can be repeated without an end: an opener, what stands in the middle, a closer.
const NESTED: [(&str, &str, &str); 52] = [
    ("(", "1", ")"),
    ("[", "", "]"),
    ("x={a:", "1", "}"),
    ("{", "", "}"),
    ("f(", "", ")"),
    ("`${", "1", "}`"),
    ("a=>", "1", ""),
    ("(a=1)=>", "1", ""),
    ("()=>{", "", "}"),
    ("function f(){", "", "}"),
    ("class A{m(){", "", "}}"),
    ("class A{a=class{b=", "1", "}}"),
    ("class A extends ", "B", "{}"),
    ("!", "1", ""),
    ("- ", "1", ""),
    ("typeof\n", "1", ""),
    ("new\n", "a", ""),
    ("a?b:", "1", ""),
    ("a=", "1", ""),
    ("a**", "1", ""),
    ("1+", "1", ""),
    ("a.b.", "c", ""),
    ("a!.", "c", ""),
    ("a``", "", ""),
    ("if(a)\n", "b", ""),
    ("if(a);else ", "b", ""),
    ("if(a){}else ", "b", ""),
    ("while(a)\n", "b", ""),
    ("for(;;)", "b", ""),
    ("do ", "b", ";while(1)"),
    ("l:", "b", ""),
    ("try{", "", "}finally{}"),
    ("switch(1){case 1:", "", "}"),
    ("type A=(", "1", ")"),
    ("x as B<", "1", ">"),
    ("let x:A<B,", "1", ">"),
    ("let x:keyof\n", "1", ""),
    ("let x:abstract\nnew()=>", "1", ""),
    ("namespace a.", "b", "{}"),
    ("namespace a{", "b", "}"),
    ("<T>", "1", ""),
    ("<a>", "1", "</a>"),
    ("<!--", "", ""),
    ("/(", "", ")/"),
    ("}/\"/+(", "", ")"),
    ("a\n++/\"/+(", "", ")"),
    ("\"", "", ""),
    ("`", "", ""),
    ("/*", "", ""),
    ("/", "", ""),
    ("\\u{28}(", "", ""),
    ("@(", "x", ")"),
];

#[test]
fn any_depth_of_nesting_is_answered() {
    for (open, middle, close) in NESTED {
        for depth in [30, 490, 4_000, 50_000] {
            for prefix in ["x=", ""] {
                let source = format!("{prefix}{}{middle}{}", open.repeat(depth), close.repeat(depth));
                check(&source);
            }
        }
    }
}

#[test]
fn a_source_that_hides_nesting_is_answered() {
    let deep = "(".repeat(300_000);
    for prelude in [
        "({})/\"/+",
        "x=>{}/\"/+",
        "a++/\"/+",
        "a!/\"/+",
        "return/\"/+",
        "of/'/+",
        "x\u{a0}/\"/+",
        "<!-- `\n",
        "--> `\n",
        "/*\n*/--> `\n",
        "\u{feff}#! `\n",
        "#! `\n",
        "/[/\"]/+",
        "`${`",
        "`${{}}`+",
        "'\\\r\n'+",
        "\"\u{2028}\"+",
        "if(a)/\"/+",
        "a.if(a)/\"/+",
        "({if(a){}})/\"/+",
        "x<y>/\"/+",
        "}`",
        ")'",
        "if\u{2003}(a)\n",
        "'\n",
    ] {
        check(&format!("{prelude}{deep}"));
        check(&format!("x={prelude}{deep}"));
    }
    check(&format!("x=/{}{}/", "(".repeat(100_000), ")".repeat(100_000)));
}

#[test]
fn a_big_flat_source_compiles() {
    let line = "export const NAME = { a: [1, 2, 3].map((x) => x / 2), b: `${1}` }\n";
    let source: String = (0..20_000).map(|i| line.replace("NAME", &format!("v{i}"))).collect();
    compile("big", &source, Language::TypeScript).unwrap();
    let array = format!("module.exports = [{}]", "{ x: 1, y: a / b },\n".repeat(50_000));
    compile("array", &array, Language::JavaScript).unwrap();
    let calls = format!("{}export default 1", "if (a) f(1, 'x')\nelse { g() }\nf(a / b)\n".repeat(20_000));
    compile("calls", &calls, Language::JavaScript).unwrap();
    let functions: String = (0..20_000).map(|i| format!("function f{i}() {{ return /x/ }}\n")).collect();
    compile("functions", &functions, Language::JavaScript).unwrap();
}

#[test]
fn a_source_past_the_limit_is_refused() {
    let source = " ".repeat(MAX_SOURCE_BYTES + 1);
    let error = compile("big", &source, Language::TypeScript).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CompileError);
    compile("full", &source[1..], Language::TypeScript).unwrap();
    check(&"\n".repeat(10 << 20));
}

#[test]
fn odd_characters_are_answered() {
    for source in [
        "\0",
        "a\0b",
        "\u{feff}module.exports = 1",
        "\u{feff}#!x\n",
        "a\rb\r\nc = ;",
        "\"\u{2028}\" + ;",
        "#!x",
        "#!",
        "",
        "\u{2028}\u{2029}=",
        "\\",
        "\\u",
        "\\u{110000}",
        "'\\",
        "`\\",
        "/\\",
        "/[",
        "'\\\u{1f600}",
        "𝒳 = ;",
        "\u{200d}",
        "\u{85}",
    ] {
        check(source);
        check(&source.repeat(3));
    }
    let marked = compile("cr", "let a = 1\rlet b = ;", Language::TypeScript).unwrap_err();
    assert_eq!(marked.location().map(|place| (place.line, place.column)), Some((2, 9)));
}

/// Whatever it says, it must come back, from a thread with the usual stack.
fn check(source: &str) {
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, || answer(source));
        worker.unwrap().join().unwrap();
    });
}

fn answer(source: &str) {
    for language in [Language::TypeScript, Language::JavaScript] {
        match compile("hostile", source, language) {
            Ok(compiled) => {
                let module = load_module("hostile", language, &compiled.code, Some(&compiled.source_map));
                let format = module.unwrap().format;
                let names = Names::absent_from(&compiled.code);
                let instrumented = instrument(&compiled.code, format, &names).unwrap();
                load_module("hostile", language, &instrumented.code, None).unwrap();
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::CompileError, "{error}");
                assert!(!error.message().contains("gave up"), "a pass panicked on {:.200}", source);
                if let Some(place) = error.location() {
                    assert!(place.frame.len() < 4_000);
                }
            }
        }
    }
    let _ = load_module("hostile", Language::JavaScript, source, Some(source));
}

const SEED: &str = r#"import cloud, { type A } from "@/x"; enum E { A = 1, B = A << 2 }
@dec class C<T> extends D { #p?: T; static async *m(@q a = await, ...b) { for await (const x of y) z: { break z } } }
namespace N { export let a = `${{}}/${/[/]/g}` } export default async ({ a, b: [c] }) => { try { using q = await r; } catch { return a?.b!.c as T } };
"#;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_text_is_answered(source in any::<String>()) {
        answer(&source);
    }

    #[test]
    fn any_mixture_of_tokens_is_answered(tokens in proptest::collection::vec(proptest::sample::select(vec![
        "(", ")", "[", "]", "{", "}", "<", ">", "=>", "=", "/", "`", "${", "\"", "'", "\n", ";", ",", ".", "?", ":", "!", "+", "@", "#",
        "a", "1", "async ", "await ", "function ", "class ", "enum ", "import ", "export ", "default ", "const ", "let ", "for ", "of ", "if ",
        "else ", "return ", "yield ", "new ", "type ", "as ", "using ", "namespace ", "abstract ", "static ", "try", "catch", "accessor ", "declare ", "\u{2028}", "\u{feff}",
    ]), 0..40)) {
        answer(&tokens.concat());
    }

    #[test]
    fn a_damaged_source_is_answered(
        cuts in proptest::collection::vec((0..SEED.len(), 0..20_usize, "[\\[\\](){}<>`'\"/;,=. a-z\n]{0,4}"), 1..6),
    ) {
        let mut source = SEED.to_owned();
        for (start, length, text) in cuts {
            let start = start.min(source.len());
            let end = (start + length).min(source.len());
            source.replace_range(start..end, &text);
        }
        answer(&source);
    }
}
