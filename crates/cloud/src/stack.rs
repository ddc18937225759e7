//! Stacks as people read them: places in the sources as they were written, nothing of the host,
//! the same text whichever engine made them.

use std::fmt::Write as _;

use tandem_contract::{ErrorKind, Program};

/// Rewrites a stack that an engine made. The header stays; of the frames, those in functions of
/// `program` are kept, each as `    at name (file:line:column)`. `uninstrumented` takes a module's
/// name with a place in the text that the engine loaded, and gives the place in `Module::code`.
pub fn original(
    stack: &str,
    program: &Program,
    uninstrumented: impl Fn(&str, u32, u32) -> (u32, u32),
) -> String {
    let mut text = String::with_capacity(stack.len());
    for line in stack.lines() {
        let Some(frame) = line.trim_start().strip_prefix("at ") else {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
            continue;
        };
        let Some(Frame { function, module, line, column }) = Frame::parse(frame) else { continue };
        let Some(found) = program.module(module) else { continue };
        let (line, column) = uninstrumented(module, line, column);
        let column = start_of_chain(&found.code, line, column);
        let mapped = found.map.as_ref().and_then(|map| map.original(line, column));
        // Writing to a string does not fail.
        let _ = match mapped {
            Some((file, line, column)) => write!(text, "\n    at {function} ({file}:{line}:{column})"),
            None => write!(text, "\n    at {function} ({module}.js:{line}:{column})"),
        };
    }
    text
}

/// The column at which the chain of names begins that `column` is in, `new` included: of
/// `new a.B()` one engine points at `new`, another at `B`. Columns are in UTF-16 code units, from 1.
fn start_of_chain(code: &str, line: u32, column: u32) -> u32 {
    let is_name = |unit: u16| match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii() => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'#'),
        _ => true,
    };
    let is_linked =
        |before: &[u16]| matches!(before, [.., unit] if is_name(*unit) || *unit == u16::from(b'.'));
    let end = column.saturating_sub(1) as usize;
    let text = code.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
    let units: Vec<u16> = text.encode_utf16().collect();
    if units.len() < end {
        return column;
    }
    let mut start = end;
    let is_optional = |start: usize| {
        units.get(start) == Some(&u16::from(b'.')) && units[..start].ends_with(&[u16::from(b'?')])
    };
    while is_linked(&units[..start]) || is_optional(start) {
        start -= 1;
    }
    let mut before = &units[..start];
    while let [rest @ .., unit] = before
        && *unit == u16::from(b' ')
    {
        before = rest;
    }
    if let Some(rest) = before.strip_suffix(&NEW)
        && before.len() < start
        && !is_linked(rest)
    {
        start = rest.len();
    }
    u32::try_from(start + 1).unwrap_or(column)
}

const NEW: [u16; 3] = [b'n' as u16, b'e' as u16, b'w' as u16];

/// A frame of a stack, in the form that both engines share: `name (@/module:line:column)`, or the
/// place alone for code outside every function.
struct Frame<'a> {
    function: &'a str,
    module: &'a str,
    line: u32,
    column: u32,
}

impl<'a> Frame<'a> {
    fn parse(frame: &'a str) -> Option<Self> {
        // What an engine knows of callers that await is not in every engine's stacks.
        if frame.starts_with("async ") {
            return None;
        }
        let (function, place) = match frame.rfind(" (") {
            Some(split) => (&frame[..split], frame[split + 2..].strip_suffix(')')?),
            None => ("", frame),
        };
        let (rest, column) = place.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        let module = file.strip_prefix("@/")?;
        let function = function.strip_prefix("new ").unwrap_or(function);
        let function = function.split_once(" [as ").map_or(function, |(function, _)| function);
        let function = function.rsplit('.').next().unwrap_or(function);
        let function = if function.is_empty() { "<anonymous>" } else { function };
        Some(Self { function, module, line: line.parse().ok()?, column: column.parse().ok()? })
    }
}

/// The kind of the reply to an invocation whose function let an error through; `code` is that of
/// an error that the host made, `None` for every other. What the caller has to know of the
/// runtime keeps its code; the rest is the function's own failure.
pub fn reply_kind(code: Option<&str>) -> ErrorKind {
    const KEPT: [ErrorKind; 6] = [
        ErrorKind::NotAFunction,
        ErrorKind::InvokeDepth,
        ErrorKind::StoreUnavailable,
        ErrorKind::Overloaded,
        ErrorKind::ShuttingDown,
        ErrorKind::Internal,
    ];
    KEPT.into_iter().find(|kind| Some(kind.code()) == code).unwrap_or(ErrorKind::FunctionError)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tandem_contract::{Module, ModuleFormat, SourceMapper};

    use super::*;

    struct Shifted;

    impl SourceMapper for Shifted {
        fn original(&self, line: u32, column: u32) -> Option<(&str, u32, u32)> {
            Some(("hello.ts", line + 10, column))
        }
    }

    fn program() -> Program {
        Program {
            name: "hello".into(),
            hash: "1".into(),
            modules: vec![Module {
                name: "hello".into(),
                format: ModuleFormat::Module,
                code: "".into(),
                hash: "1".into(),
                imports: Vec::new(),
                map: Some(Arc::new(Shifted)),
            }],
        }
    }

    #[test]
    fn both_engines_read_alike() {
        let quickjs = "Error: boom\n    at inner (@/hello:2:9)\n    at run (tandem:entry.js:40:7)\n    at map (native)\n    at <anonymous> (@/hello:5:3)\n";
        let v8 = "Error: boom\n    at Object.inner (@/hello:2:9)\n    at Array.map (<anonymous>)\n    at @/hello:5:3\n    at async run (tandem:entry.js:40:7)";
        let expected = "Error: boom\n    at inner (hello.ts:12:9)\n    at <anonymous> (hello.ts:15:3)";
        assert_eq!(original(quickjs, &program(), |_, line, column| (line, column)), expected);
        assert_eq!(original(v8, &program(), |_, line, column| (line, column)), expected);
    }

    #[test]
    fn engines_that_point_at_parts_of_a_call_agree() {
        let starts = |text: &str, columns: &[u32]| -> Vec<u32> {
            columns.iter().map(|column| start_of_chain(text, 1, *column)).collect()
        };
        assert_eq!(starts("  throw new Error('boom')", &[9, 13]), [9, 9]);
        assert_eq!(starts("await a.b?.c.d()", &[7, 9, 11, 12, 14]), [7; 5]);
        assert_eq!(starts("f(renew x)", &[9]), [9]);
        assert_eq!(starts("a().b()", &[5, 6]), [4, 4]);
        assert_eq!(starts("short", &[80]), [80]);
    }

    #[test]
    fn what_is_no_frame_stays() {
        assert_eq!(original("a\n  b", &program(), |_, line, column| (line, column)), "a\n  b");
    }
}
