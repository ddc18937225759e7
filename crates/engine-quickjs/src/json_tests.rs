//! Reading and writing JSON here against the engine's own.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every block here uses a context that `with_context` has just made, on its thread"
)]

use rquickjs::qjs::{self, JSValue};
use rquickjs::{Context, Runtime};

use crate::json_read;
use crate::json_write::{Mode, Plain};
use crate::layouts::Layouts;
use crate::values;

const TEXTS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "123456789",
    "1234567890",
    "-2147483648",
    "2147483648",
    "0.5",
    "-0.5",
    "1e3",
    "1E+3",
    "1e-7",
    "1e21",
    "1e999",
    "-1e999",
    "5e-324",
    "0.1",
    "123456789012345678901234567890",
    "\"\"",
    "\"a\"",
    "\"é\u{4e00}\u{1f600}\"",
    r#""\"\\\/\b\f\n\r\t\u0041\u00e9\u4e00\u0000\u001f\u007f""#,
    r#""\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    "[]",
    "[1,2,3]",
    " [ 1 , \"a\" , null ] ",
    "[[],[[]],{}]",
    "{}",
    r#"{"a":1}"#,
    r#"{"a":1,"a":2,"b":3,"a":4}"#,
    r#"{"2":1,"1":2,"x":3,"0":4}"#,
    r#"{"__proto__":1}"#,
    r#"{"__proto__":{"x":1},"constructor":2,"toString":3}"#,
    r#"{"":"", "\u0061":1, "a":2}"#,
    r#"{"toJSON":1}"#,
    r#"[{"id":1,"tags":["x","y"]},{"id":2,"tags":[]},{"id":3.5,"tags":null}]"#,
    "",
    " ",
    "{",
    "[1,]",
    "{\"a\":1,}",
    "'a'",
    "01",
    "-01",
    "00",
    "+1",
    ".5",
    "1.",
    "1e",
    "1e+",
    "-",
    "NaN",
    "tru",
    "nullx",
    "1 2",
    "[1 2]",
    "[1}",
    "{a:1}",
    "{\"a\"}",
    "{\"a\":}",
    "\"a",
    "\"\t\"",
    r#""\x41""#,
    r#""\u12""#,
    r#""\u+123""#,
    "\u{feff}1",
    "--1",
    "1-1",
    "1e5e5",
    "1.2.3",
];

fn with_context(test: impl FnOnce(values::Context)) {
    let runtime = Runtime::new().unwrap();
    let context = Context::full(&runtime).unwrap();
    test(context.as_raw().as_ptr());
}

/// What the engine writes for a value, which is freed; `None` for an exception.
unsafe fn stringified(context: values::Context, value: JSValue) -> Option<String> {
    unsafe {
        if qjs::JS_IsException(value) {
            values::drop_exception(context);
            return None;
        }
        let undefined = qjs::JS_UNDEFINED;
        let text = qjs::JS_JSONStringify(context, value, undefined, undefined);
        let written = values::text(context, text);
        qjs::JS_FreeValue(context, text);
        qjs::JS_FreeValue(context, value);
        written
    }
}

#[test]
fn reads_what_the_engine_reads() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let wide = format!("[{}0]", "0,".repeat(100_000));
    with_context(|context| {
        for text in TEXTS.iter().copied().chain([&*deep, &*wide]) {
            unsafe {
                let layouts = Layouts::default();
                // Later with the layouts that were read before.
                let read = || stringified(context, json_read::parse(context, &layouts, text.as_bytes()));
                let ours = read();
                for _ in 0..if text.len() < 1000 { 40 } else { 1 } {
                    assert_eq!(read(), ours, "{}", &text[..text.len().min(60)]);
                }
                layouts.clear(context);
                let theirs = stringified(context, values::parse_json(context, text.as_bytes()));
                assert_eq!(ours, theirs, "{}", &text[..text.len().min(60)]);
            }
        }
    });
}

unsafe fn evaluated(context: values::Context, script: &str) -> JSValue {
    let text = values::c_string(script);
    unsafe {
        let length = script.len() as _;
        let global = qjs::JS_EVAL_TYPE_GLOBAL as i32;
        let value = qjs::JS_Eval(context, text.as_ptr(), length, c"test".as_ptr(), global);
        assert!(!qjs::JS_IsException(value), "{script}: {}", values::exception_text(context));
        value
    }
}

/// What is written of a script's value in a mode, and what the engine writes of it.
fn both(script: &str, mode: Mode) -> (Option<String>, Option<String>) {
    let mut written = (None, None);
    with_context(|context| unsafe {
        let plain = Plain::of(context);
        let value = evaluated(context, script);
        let (layouts, mut text) = (Layouts::default(), Vec::new());
        let ours = plain.write(context, &layouts, value, mode, &mut text).is_ok();
        layouts.clear(context);
        written = (ours.then(|| String::from_utf8(text).unwrap()), stringified(context, value));
        plain.free(context);
    });
    written
}

#[test]
fn writes_what_the_engine_writes() {
    for text in TEXTS.iter().filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()) {
        let (ours, theirs) = both(&format!("({text})"), Mode::Standard);
        if !text.contains("__proto__") && !text.contains("\\ud800") {
            assert!(ours.is_some(), "{text}");
        }
        assert!(ours.is_none() || ours == theirs, "{text}: {ours:?}");
    }
    for script in [
        "({a: undefined, b: 1, c: undefined})",
        "[undefined, Symbol('x'), NaN, -Infinity, -0]",
        "({a: NaN, [Symbol('s')]: 1})",
        "Object.defineProperty({a: 1}, 'hidden', {value: 1})",
        "Object.assign(Object.create(null), {x: [1.5, 1e21, 1e-7, 0.1 + 0.2]})",
        "'abc'.repeat(3) + 'é'",
        "({s: 'x'.repeat(100) + 'y'.repeat(5000)})",
        "[...Array(300).keys()]",
    ] {
        let (ours, theirs) = both(script, Mode::Standard);
        assert!(ours.is_some(), "{script}");
        assert_eq!(ours, theirs, "{script}");
    }
}

#[test]
fn refuses_what_may_run_code_or_is_not_plain() {
    for script in [
        "({get a() { globalThis.ran = true; return 1 }})",
        "Object.defineProperty([1, 2], 0, {get() { globalThis.ran = true }, enumerable: true})",
        "new Proxy({}, {ownKeys() { globalThis.ran = true; return [] }})",
        "new Proxy([], {getPrototypeOf() { globalThis.ran = true; return null }})",
        "({toJSON() { globalThis.ran = true; return 1 }})",
        "new (class { x = 1 })",
        "new (class extends Array {})",
        "new Date(0)",
        "new Number(1)",
        "new Map()",
        "new Uint8Array(2)",
        "(() => 1)",
        "[() => 1]",
        "1n",
        "[1n]",
        "'\\ud800'",
        "[, 1]",
        "(() => { const a = []; a.push(a); return a })()",
        "'x'.repeat(2 << 20)",
        "(Object.prototype.toJSON = () => { globalThis.ran = true }, {})",
        "(Array.prototype.toJSON = () => { globalThis.ran = true }, [])",
    ] {
        with_context(|context| unsafe {
            let plain = Plain::of(context);
            let value = evaluated(context, script);
            let layouts = Layouts::default();
            let refused = plain.write(context, &layouts, value, Mode::Standard, &mut Vec::new()).is_err();
            assert!(refused, "{script}");
            layouts.clear(context);
            qjs::JS_FreeValue(context, value);
            let ran = evaluated(context, "globalThis.ran === true");
            assert!(!qjs::JS_VALUE_GET_BOOL(ran), "{script}");
            plain.free(context);
        });
    }
}

#[test]
fn what_a_reader_would_miss_is_not_faithful() {
    for script in ["[undefined]", "({a: undefined})", "NaN", "[-0]", "Infinity", "Symbol()"] {
        assert_eq!(both(script, Mode::Faithful).0, None, "{script}");
    }
    assert_eq!(
        both("({a: [1, 'x', null, true, 1.5]})", Mode::Faithful).0.unwrap(),
        r#"{"a":[1,"x",null,true,1.5]}"#
    );
}
