//! Fills the grammar's patterns at random.

use fastrand::Rng;

use super::grammar::{ANY, PRIMITIVES, Type};
use super::objects::OBJECTS;
use super::statements::{ENDS, STATEMENTS};
use super::{Program, requests};

/// How deep expressions nest inside each other.
const DEPTH: usize = 3;
/// Statements of a program.
const STATEMENTS_AT_MOST: usize = 12;

/// The program of this seed: the same one each time.
pub fn generate(seed: u64) -> Program {
    let mut generator = Generator { rng: Rng::with_seed(seed), variables: Vec::new() };
    let module = vec![format!("const shared = [{}];", generator.guarded_constant())];
    let count = generator.rng.usize(1..=STATEMENTS_AT_MOST);
    let statements = (0..count).map(|_| generator.statement()).collect();
    let end = generator.pattern(ENDS);
    let requests = requests::generate(&mut generator.rng);
    Program { module, statements, end, requests }
}

struct Generator {
    rng: Rng,
    /// Name and type of each variable so far.
    variables: Vec<(String, &'static str)>,
}

impl Generator {
    /// Either declares a variable or does something; what it throws is caught and printed.
    fn statement(&mut self) -> String {
        if self.rng.u8(..) < 90 {
            let kind = ANY[self.rng.usize(..ANY.len())];
            let value = self.expression(kind, DEPTH);
            let name = format!("v{}", self.variables.len());
            self.variables.push((name.clone(), kind));
            return format!("let {name}; try {{ {name} = {value}; }} catch (e) {{ caught(e); }}");
        }
        let statement = self.pattern(STATEMENTS);
        format!("try {{ {statement} }} catch (e) {{ caught(e); }}")
    }

    /// An expression without variables that throws nothing.
    fn guarded_constant(&mut self) -> String {
        let leaves = PRIMITIVES[0].leaves;
        leaves[self.rng.usize(..leaves.len())].to_owned()
    }

    fn pattern(&mut self, patterns: &'static [&'static str]) -> String {
        let pattern = patterns[self.rng.usize(..patterns.len())];
        self.fill(pattern, DEPTH)
    }

    /// Replaces every `{type}` of a pattern; other braces stay as they are.
    fn fill(&mut self, pattern: &str, depth: usize) -> String {
        let mut filled = String::new();
        let mut rest = pattern;
        while let Some(start) = rest.find('{') {
            let (before, after) = rest.split_at(start);
            filled.push_str(before);
            let name = after[1..].split('}').next().unwrap_or_default();
            if name == "any" || types().any(|kind| kind.name == name) {
                filled.push_str(&self.expression(name, depth.saturating_sub(1)));
                rest = &after[name.len() + 2..];
            } else {
                filled.push('{');
                rest = &after[1..];
            }
        }
        filled + rest
    }

    /// In parentheses, so that it can stand anywhere.
    fn expression(&mut self, name: &str, depth: usize) -> String {
        let name = if name == "any" { ANY[self.rng.usize(..ANY.len())] } else { name };
        let known: Vec<usize> =
            (0..self.variables.len()).filter(|&index| self.variables[index].1 == name).collect();
        if !known.is_empty() && self.rng.u8(..) < 80 {
            return self.variables[known[self.rng.usize(..known.len())]].0.clone();
        }
        let Some(Type { leaves, branches, .. }) = types().find(|kind| kind.name == name) else {
            return "undefined".to_owned();
        };
        let deep = depth > 0 && !branches.is_empty() && self.rng.u8(..) < 200;
        let patterns = if deep { branches } else { leaves };
        let pattern = patterns[self.rng.usize(..patterns.len())];
        if deep { format!("({})", self.fill(pattern, depth)) } else { format!("({pattern})") }
    }
}

/// Every type that a variable may have. `any` is each of them.
fn types() -> impl Iterator<Item = &'static Type> {
    PRIMITIVES.iter().chain(OBJECTS)
}

#[cfg(test)]
mod tests {
    use super::generate;

    #[test]
    fn a_seed_gives_the_same_program_each_time() {
        for seed in 0..50 {
            assert_eq!(generate(seed).source(), generate(seed).source());
        }
        assert_ne!(generate(1).source(), generate(2).source());
    }

    #[test]
    fn every_place_is_filled() {
        for seed in 0..500 {
            let source = generate(seed).source();
            for open in ["{any}", "{num}", "{str}", "{obj}", "{arr}"] {
                assert!(!source.contains(open), "{source}");
            }
        }
    }
}
