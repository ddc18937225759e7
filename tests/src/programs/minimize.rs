//! Narrows a difference down.

use super::Program;

/// Leaves out whatever the difference does not need: `differs` tells whether it is still there.
pub async fn minimize<F>(program: Program, differs: impl Fn(Program) -> F) -> Program
where
    F: Future<Output = bool>,
{
    let mut smallest = program;
    let mut index = 0;
    while index < smallest.statements.len() {
        let mut candidate = smallest.clone();
        candidate.statements.remove(index);
        if differs(candidate.clone()).await {
            smallest = candidate;
        } else {
            index += 1;
        }
    }
    for request in smallest.requests.clone() {
        let candidate = Program { requests: vec![request], ..smallest.clone() };
        if differs(candidate.clone()).await {
            return candidate;
        }
    }
    smallest
}
