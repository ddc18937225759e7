//! The rewriting for engines that do not carry a context across `await`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use tandem_compiler::async_context::{Names, instrument, module};
use tandem_compiler::load_module;
use tandem_contract::{Language, ModuleFormat};

/// Source and result without the prelude, for an ES module.
const CASES: &[(&str, &str)] = &[
    ("async () => await x", "async () => $r($s(),await x)"),
    (
        "async function f() { return await (await a)(await b) }",
        "async function f() { return $r($s(),await ($r($s(),await a))($r($s(),await b))) }",
    ),
    ("async () => { await await x }", "async () => { $r($s(),await $r($s(),await x)) }"),
    ("async () => `${await x}${-await y}`", "async () => `${$r($s(),await x)}${-$r($s(),await y)}`"),
    (
        "async () => ({ [await k]: await v, ...await r })",
        "async () => ({ [$r($s(),await k)]: $r($s(),await v), ...$r($s(),await r) })",
    ),
    (
        "async () => (await x)?.[await y] + (await t)`u`",
        "async () => ($r($s(),await x))?.[$r($s(),await y)] + ($r($s(),await t))`u`",
    ),
    ("async () => { for (const a of await b) c }", "async () => { for (const a of $r($s(),await b)) c }"),
    ("async () => { const { a = await b } = c }", "async () => { const { a = $r($s(),await b) } = c }"),
    (
        "async () => { try { await a } catch { b } finally { c } }",
        "async () => {let $t=$s(); try { $r($t=$s(),await a) } catch {$r($t); b } finally {$r($t); c } }",
    ),
    (
        "async function f() { 'use x'; try {await a} catch ({ e }) {await b} }",
        "async function f() { 'use x';;let $t=$s(); try {$r($t=$s(),await a)} catch ({ e }) {$r($t);$r($t=$s(),await b)} }",
    ),
    // Each function stands for itself.
    (
        "async () => { try { (async () => await a)() } catch { b } }",
        "async () => { try { (async () => $r($s(),await a))() } catch { b } }",
    ),
    (
        "async () => { try { await a; (() => { try { b } catch { c } })() } catch { d } }",
        "async () => {let $t=$s(); try { $r($t=$s(),await a); (() => { try { b } catch { c } })() } catch {$r($t); d } }",
    ),
    (
        "async () => { for await (const x of y) { z } w }",
        "async () => {let $t=$s(); try{for await (const x of ($t=$s(),y)) {$r($t); z }}finally{$r($t);} w }",
    ),
    (
        "async () => { if (q) a: b: for await (x of await y) for await (z of x) await z; else w }",
        "async () => {let $t=$s(); if (q) try{a: b: for await (x of ($t=$s(),$r($t=$s(),await y))) {$r($t);try{for await (z of ($t=$s(),x)) {$r($t);$r($t=$s(),await z);}}finally{$r($t);}}}finally{$r($t);} else w }",
    ),
    (
        "class A { async m() { await x } static { try { y } catch {} } [z] = async () => await 1 }",
        "class A { async m() { $r($s(),await x) } static { try { y } catch {} } [z] = async () => $r($s(),await 1) }",
    ),
    (
        "async function* g() { yield await x; yield* y }",
        "async function* g() { yield $r($s(),await x); yield* y }",
    ),
    ("await x", "$r($s(),await x)"),
    ("export default await x", "export default $r($s(),await x)"),
    ("for await (const x of y);", "try{for await (const x of ($t=$s(),y)) {$r($t);;}}finally{$r($t);}"),
    ("try { await x } catch {}", "try { $r($t=$s(),await x) } catch {$r($t);}"),
];

#[test]
fn awaits_are_wrapped_and_handlers_restore() {
    for (source, expected) in CASES {
        // An await of its own makes the source an ES module without touching what is tested.
        let names = Names::absent_from(source);
        let result = instrument(source, ModuleFormat::Module, &names).unwrap();
        let import = format!("import {{save as $s, restore as $r}} from \"{}\";", module());
        let code = result.code.strip_prefix(&import).unwrap_or_else(|| panic!("no prelude: {}", result.code));
        let code = code.strip_prefix("let $t=$s();").unwrap_or(code);
        // A loop's body that is an empty statement keeps the space before it.
        assert_eq!(
            code.replace(") {$r($t);;}", "){$r($t);;}"),
            expected.replace(") {$r($t);;}", "){$r($t);;}"),
            "{source}"
        );
        load_module("m", Language::JavaScript, &result.code, None).unwrap();
    }
}

#[test]
fn the_top_level_has_its_variable_only_if_it_needs_it() {
    let names = Names::absent_from("");
    let plain = instrument("await x", ModuleFormat::Module, &names).unwrap();
    assert!(!plain.code.contains("let $t"));
    let tried = instrument("try { await x } catch {}", ModuleFormat::Module, &names).unwrap();
    assert!(tried.code.contains(";let $t=$s();try"));
}

#[test]
fn commonjs_gets_no_import() {
    let source = "'use strict'; module.exports = async () => await x;";
    let result = instrument(source, ModuleFormat::CommonJs, &Names::absent_from(source)).unwrap();
    assert_eq!(result.code, "'use strict'; module.exports = async () => $r($s(),await x);");
}

#[test]
fn a_text_without_await_is_left_alone() {
    for source in [
        "export default () => 1",
        "export const awaiting = a.await;",
        "// await\nexport {}",
        "export default 'await'",
    ] {
        let result = instrument(source, ModuleFormat::Module, &Names::absent_from(source)).unwrap();
        assert!(!result.is_changed());
        assert_eq!(result.columns.original(1, 17), (1, 17));
    }
}

#[test]
fn names_do_not_occur_in_the_text() {
    let names = Names::absent_from("$s $s0 $r");
    assert_eq!((names.save.as_str(), names.restore.as_str(), names.context.as_str()), ("$s1", "$r0", "$t"));
}

#[test]
fn a_hashbang_stays_first() {
    let source = "#!/bin/x\r\nawait 1";
    let result = instrument(source, ModuleFormat::Module, &Names::absent_from(source)).unwrap();
    assert!(result.code.starts_with("#!/bin/x\r\nimport {"));
    assert_eq!(result.columns.original(1, 4), (1, 4));
}

/// Pieces of a function's body; `{}` is where an expression goes.
const STATEMENTS: [&str; 14] = [
    "a({});\n",
    "const x = {};",
    "try { {} } catch (e) { {} } finally { {} }\n",
    "for await (const x of {}) { {} }",
    "l: for await (const x of {}) a({});\r\n",
    "if ({}) for await (x of y) z; else {}\n",
    "const g = async () => {};",
    "const h = async () => { 'use x'; return {}; };\n",
    "class C { async [{}]() { {} } static { a } }",
    "'𝒳é'; {};\u{2028}",
    "`${{}}\n${{}}`;",
    "async function* k() { yield {}; }",
    "while ({}) { continue }",
    "({ a: {}, ...{} })?.b;",
];
const EXPRESSIONS: [&str; 8] = [
    "1",
    "await a",
    "(await a).b",
    "await (await b)(c)",
    "[await a, /* 𝒳 */ await b]",
    "-(await a)",
    "`é${await a}`",
    "await async function () { await a }()",
];

fn body() -> impl Strategy<Value = String> {
    let statement =
        (proptest::sample::select(STATEMENTS.to_vec()), proptest::sample::select(EXPRESSIONS.to_vec()))
            .prop_map(|(statement, expression)| format!("{{{}}}", statement.replace("{}", expression)));
    proptest::collection::vec(statement, 1..8).prop_map(|statements| statements.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn instrumented_text_parses_and_every_place_maps_back(body in body(), top in any::<bool>(), commonjs in any::<bool>()) {
        let (source, format) = match (commonjs, top) {
            (true, _) => (format!("module.exports = async () => {{ {body} }}"), ModuleFormat::CommonJs),
            (false, true) => (format!("{body};export {{}}"), ModuleFormat::Module),
            (false, false) => (format!("export default async function () {{ {body} }}"), ModuleFormat::Module),
        };
        let names = Names { save: "$S".into(), restore: "$R".into(), context: "$T".into() };
        let result = instrument(&source, format, &names).unwrap();
        let module = load_module("m", Language::JavaScript, &result.code, None);
        prop_assert!(module.is_ok_and(|module| module.format == format), "{}", result.code);

        // What was inserted is taken out again by walking both texts, place by place.
        let (old, new) = (places(&source), places(&result.code));
        prop_assert_eq!(old.last().unwrap().0, new.last().unwrap().0, "no line is added");
        let mut kept = old.iter();
        let mut next = kept.next();
        for &(line, column, char) in &new {
            let mapped = result.columns.original(line, column);
            if next.is_some_and(|&(old_line, old_column, old_char)| (old_line, old_column) == mapped && old_char == char && !inserted(&result.columns, line, column)) {
                next = kept.next();
            }
        }
        prop_assert!(next.is_none(), "{:?} is nowhere in {}", next, result.code);
    }
}

/// Whether the place before it maps to the same place, as those within an insertion do.
fn inserted(columns: &tandem_compiler::async_context::ColumnMap, line: u32, column: u32) -> bool {
    columns.original(line, column) == columns.original(line, column + 1)
}

/// Line, column and character of every place, as engines count.
fn places(text: &str) -> Vec<(u32, u32, char)> {
    let (mut line, mut column) = (1, 1);
    let mut places = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        places.push((line, column, char));
        let ends =
            matches!(char, '\n' | '\u{2028}' | '\u{2029}') || (char == '\r' && chars.peek() != Some(&'\n'));
        if ends {
            (line, column) = (line + 1, 1);
        } else {
            column += u32::try_from(char.len_utf16()).unwrap();
        }
    }
    places
}
