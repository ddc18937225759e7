//! The Web APIs, `console` and `cloud.storage`: each file in `web/` is a function that collects
//! what is not as it should be.

use crate::server::Server;

async fn check(file: &str) {
    let server = Server::start().await;
    let source = format!(
        "import cloud from '@tandem/cloud';\nexport default async () => {{\n{}\n{file}\nreturn wrong;\n}}",
        include_str!("web/prelude.js"),
    );
    assert_eq!(server.run(&source).await, "[]");
}

#[tokio::test]
async fn addresses() {
    check(include_str!("web/url.js")).await;
}

#[tokio::test]
async fn text_and_randomness() {
    check(include_str!("web/text.js")).await;
}

#[tokio::test]
async fn requests_and_responses() {
    check(include_str!("web/bodies.js")).await;
}

#[tokio::test]
async fn streams() {
    check(include_str!("web/streams.js")).await;
}

#[tokio::test]
async fn events_and_clones() {
    check(include_str!("web/abort.js")).await;
}

#[tokio::test]
async fn files() {
    check(include_str!("web/files.js")).await;
}

/// Each expression is one call's arguments; beside it the line.
const LINES: &[(&str, &str)] = &[
    (r#"{id: 1, user: {name: "x"}}"#, r#"{"id":1,"user":{"name":"x"}}"#),
    (r#""a", 1, true, null, undefined"#, "a 1 true null undefined"),
    (
        r#"{a: undefined, b() {}, c: 10n, d: Symbol("q"), e: -0, f: NaN}"#,
        r#"{"a":undefined,"b":[Function: b],"c":10n,"d":Symbol(q),"e":-0,"f":NaN}"#,
    ),
    ("(() => { const o = {n: 1}; o.me = o; return o })()", r#"{"n":1,"me":[Circular]}"#),
    (r#"new Error("boom")"#, "Error: boom"),
    (r#"{e: new TypeError("x")}"#, r#"{"e":"TypeError: x"}"#),
    (r#"new Error("a", {cause: new RangeError("b")})"#, "Error: a [cause: RangeError: b]"),
    (r#"new Map([["a", 1], ["b", {c: 1}]])"#, r#"Map(2) {"a" => 1, "b" => {"c":1}}"#),
    (r#"new Set([1, "x"])"#, r#"Set(2) {1, "x"}"#),
    ("class Foo {}", "[class Foo]"),
    ("() => {}", "[Function: (anonymous)]"),
    ("new Date(0), {d: new Date(0)}", r#"1970-01-01T00:00:00.000Z {"d":"1970-01-01T00:00:00.000Z"}"#),
    ("/x/g, new Uint8Array([1, 2, 3]), Promise.resolve(1)", "/x/g Uint8Array(3) [1,2,3] [Promise]"),
    (r#"{get x() { throw new Error("no") }}"#, r#"{"x":[Threw: no]}"#),
    (r#"new Proxy({a: 1}, {get() { throw new Error("p") }})"#, r#"{"a":[Threw: p]}"#),
    (r#""%s is %d %% %j", "Bob", 42, {a: 1}, "rest""#, r#"Bob is 42 % {"a":1} rest"#),
    (r#""100%", "%s""#, "100% %s"),
    (r#"[1, , "a"], {toJSON: () => ({z: 1})}, new Number(3)"#, r#"[1,undefined,"a"] {"z":1} [Number: 3]"#),
];

#[tokio::test]
async fn console_lines() {
    let server = Server::start().await;
    let calls: String = LINES.iter().map(|(arguments, _)| format!("console.log({arguments});\n")).collect();
    let outcome = server.outcome(&format!("export default () => {{\n{calls}}}")).await;
    let expected: Vec<&str> = LINES.iter().map(|(_, line)| *line).collect();
    assert_eq!(outcome.logs, expected);
}

#[tokio::test]
async fn console_never_fails_and_always_ends() {
    let server = Server::start().await;
    let outcome = server
        .outcome(
            r#"export default () => {
              let deep = {};
              for (let level = 0, at = deep; level < 100000; level++) at = at.x = {};
              console.log(deep);
              const wide = {};
              for (let level = 0, at = wide; level < 40; level++) at = at.a = at.b = {};
              console.log(wide);
              console.log(Array.from({ length: 200000 }, () => new Map()));
              console.log({ get toJSON() { throw 1 } }, { toJSON() { return this } }, new Proxy({}, { ownKeys() { throw 1 } }));
              console.log(Object.create(Error.prototype), Object.assign(new Error(), { name: Symbol(), message: { } }));
              console.warn("w"); console.error("e"); console.debug("d"); console.info("i"); console.assert(false, "a"); console.table([1]);
              return "done";
            }"#,
        )
        .await;
    assert!(outcome.result.is_ok(), "{:?}", outcome.result.err());
    let expected = ["[WARN] w", "[ERROR] e", "[DEBUG] d", "i", "[ERROR] Assertion failed: a", "[1]"];
    assert_eq!(&outcome.logs[5..], &expected);
}
