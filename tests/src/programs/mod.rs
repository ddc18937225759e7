//! Small functions made at random, for comparing engines.
//!
//! A program is a list of statements that run one after another, each guarded, so that a
//! difference can be narrowed down by leaving statements out. What the language leaves to the
//! engine is not generated: the words of an engine's own errors, stacks, locales, the last bit of
//! transcendental functions, dates in other forms than ISO 8601.

mod compare;
mod generator;
mod grammar;
mod minimize;
mod objects;
mod requests;
mod statements;

pub use compare::Seen;
pub use generator::generate;
pub use minimize::minimize;

use crate::case::Step;

/// A function and the requests that it is called with.
#[derive(Clone, Debug)]
pub struct Program {
    /// At the level of the module.
    pub module: Vec<String>,
    /// In the function, in order.
    pub statements: Vec<String>,
    /// What the function ends with: `return …` or `throw …`.
    pub end: String,
    /// The calls, one after another; some are many at once.
    pub requests: Vec<Step>,
}

/// Prints what was caught: the message only where the program chose it.
const PRELUDE: &str = r#"import cloud from "@tandem/cloud";
const caught = (e) => console.log("caught", e instanceof Error ? e.name + (/^u\d/.test(e.message) ? e.message : "") : e, typeof e?.code === "string" ? e.code : "");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
"#;

impl Program {
    /// The text of the function, as JavaScript.
    pub fn source(&self) -> String {
        let mut source = PRELUDE.to_owned();
        for line in &self.module {
            source.push_str(line);
            source.push('\n');
        }
        source.push_str("export default async function (ctx) {\n");
        for statement in &self.statements {
            source.push_str("  ");
            source.push_str(statement);
            source.push('\n');
        }
        source.push_str("  ");
        source.push_str(&self.end);
        source.push_str("\n}\n");
        source
    }
}
