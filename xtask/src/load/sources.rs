//! Functions that a run publishes.

/// A function, and what each call of it must come to.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    /// The codes that are right.
    pub(crate) codes: &'static [&'static str],
}

/// Functions that behave.
pub(crate) const GOOD: [Kind; 6] = [
    Kind {
        name: "hello",
        source: "export default ({ body }) => { console.log('hello', body.n); return { n: body.n } }",
        codes: &["OK"],
    },
    Kind {
        name: "async",
        source: "export default async ({ body }) => { console.log('one', body.n); await new Promise((r) => setTimeout(r, 5)); console.log('two', body.n); return { n: body.n } }",
        codes: &["OK"],
    },
    Kind {
        name: "compute",
        source: "export default ({ body }) => { let s = 0; for (let i = 0; i < 20000; i++) s += i % 7; console.log(s); return { n: body.n } }",
        codes: &["OK"],
    },
    Kind {
        name: "document",
        source: "import cloud from '@tandem/cloud'; export default async ({ body }) => { const c = cloud.database().collection('soak'); await c.updateOne({ _id: body.n % 50 }, { $inc: { n: 1 } }, { upsert: true }); await c.findOne({ _id: body.n % 50 }); return { n: body.n } }",
        codes: &["OK"],
    },
    Kind {
        name: "object",
        source: "import cloud from '@tandem/cloud'; export default async ({ body }) => { const b = cloud.storage.bucket(); await b.writeFile(`soak/${body.n % 50}`, 'x'.repeat(2000)); await b.readFile(`soak/${body.n % 50}`); return { n: body.n } }",
        codes: &["OK"],
    },
    Kind {
        name: "lines",
        source: "export default ({ body }) => { for (let i = 0; i < 20; i++) console.log('line', i, body.n); return { n: body.n } }",
        codes: &["OK"],
    },
];

/// Functions that do not: what ends each is in its codes, the usual one first. On a machine that is
/// busy with other things the wall time may be over before the processor time is.
pub(crate) const RUNAWAYS: [Kind; 19] = [
    Kind {
        name: "loop",
        source: "export default () => { for (;;) {} }",
        codes: &["CPU_LIMIT", "FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "loop-caught",
        source: "export default () => { for (;;) { try { for (;;) {} } catch {} finally { continue } } }",
        codes: &["CPU_LIMIT", "FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "loop-async",
        source: "export default async () => { for (;;) await null }",
        codes: &["CPU_LIMIT", "FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "never",
        source: "export default () => new Promise(() => {})",
        codes: &["FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "sleep",
        source: "export default () => new Promise((r) => setTimeout(r, 60000))",
        codes: &["FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "timers",
        source: "export default () => new Promise(() => { setInterval(() => {}, 1) })",
        codes: &["FUNCTION_TIMEOUT", "CPU_LIMIT"],
    },
    Kind {
        name: "arrays",
        source: "export default () => { const a = []; for (;;) a.push(new Array(1000).fill(1)) }",
        codes: &["MEMORY_LIMIT", "CPU_LIMIT", "FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "strings",
        source: "export default () => { let s = 'x'; for (;;) s += s + '1' }",
        codes: &["MEMORY_LIMIT", "CPU_LIMIT", "FUNCTION_ERROR", "FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "buffers",
        source: "export default () => { const a = []; for (;;) a.push(new Uint8Array(1 << 20)) }",
        codes: &["MEMORY_LIMIT", "CPU_LIMIT", "FUNCTION_ERROR", "FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "recursion",
        source: "export default () => { const f = () => f() + 1; return f() }",
        codes: &["FUNCTION_ERROR"],
    },
    Kind {
        name: "regex",
        source: "export default () => /^(a+)+$/.test('a'.repeat(40) + 'b')",
        codes: &["CPU_LIMIT", "OK", "FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "invoke",
        source: "import cloud from '@tandem/cloud'; export default () => cloud.invoke('runaway-invoke')",
        codes: &["INVOKE_DEPTH"],
    },
    Kind {
        name: "spread",
        source: "export default () => [...'.'.repeat(1e9)]",
        codes: &["MEMORY_LIMIT", "CPU_LIMIT", "FUNCTION_ERROR", "FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "log-lines",
        source: "export default () => { for (let i = 0; i < 100_000; i++) console.log('line', i) }",
        codes: &["OK", "CPU_LIMIT", "FUNCTION_TIMEOUT"],
    },
    Kind {
        name: "log-line",
        source: "export default () => { console.log('x'.repeat(10_000_000)) }",
        codes: &["OK", "MEMORY_LIMIT"],
    },
    Kind {
        name: "cyclic",
        source: "export default () => { const a = {}; a.a = a; return a }",
        codes: &["FUNCTION_ERROR"],
    },
    Kind {
        name: "getter",
        source: "export default () => ({ get a() { throw new Error('no') } })",
        codes: &["FUNCTION_ERROR"],
    },
    Kind { name: "non-error", source: "export default () => { throw { a: 1 } }", codes: &["FUNCTION_ERROR"] },
    Kind {
        name: "unhandled",
        source: "export default async () => { Promise.reject(new Error('lost')); await null; return 1 }",
        codes: &["OK"],
    },
];
