use oxc::ast::ast::{
    ArrowFunctionBody, ArrowFunctionExpression, AwaitExpression, CatchClause, ForOfStatement, Function,
    FunctionBody, LabeledStatement, Statement, TryStatement,
};
use oxc::ast_visit::{Visit, walk};
use oxc::span::{GetSpan, Span};
use oxc::syntax::scope::ScopeFlags;

use super::edits::{Edit, Insertion};

/// Finds the insertions that a program needs.
pub(super) struct Visitor {
    edits: Vec<Edit>,
    /// Counts the nodes entered and left, to order insertions at one place.
    order: u32,
    /// The function being read and those around it; the module's top level is the first.
    functions: Vec<FunctionState>,
    /// The outermost label of the `for await` that comes next.
    labelled: Option<(Span, u32)>,
    /// Where an ES module's prelude goes.
    prelude: Option<u32>,
}

#[derive(Default)]
struct FunctionState {
    /// Where a variable can be declared; arrow functions without a block have no such place.
    start: Option<(u32, u32, Insertion)>,
    awaits: Vec<(u32, u32)>,
    /// Starts of `catch` and `finally` blocks.
    handlers: Vec<(u32, u32)>,
    has_for_await: bool,
}

impl Visitor {
    pub(super) fn new(prelude: Option<u32>) -> Self {
        let top = FunctionState {
            start: prelude.map(|at| (at, 0, Insertion::Prelude { declare: true })),
            ..FunctionState::default()
        };
        Self { edits: Vec::new(), order: 0, functions: vec![top], labelled: None, prelude }
    }

    pub(super) fn into_edits(mut self) -> Vec<Edit> {
        if let Some(top) = self.functions.pop() {
            self.finish(top);
        }
        let has_prelude = self.edits.iter().any(|edit| matches!(edit.insertion, Insertion::Prelude { .. }));
        if let (Some(at), false, false) = (self.prelude, has_prelude, self.edits.is_empty()) {
            self.add(at, 0, Insertion::Prelude { declare: false });
        }
        self.edits
    }

    fn next(&mut self) -> u32 {
        self.order += 1;
        self.order
    }

    fn add(&mut self, at: u32, order: u32, insertion: Insertion) {
        self.edits.push(Edit { at, order, insertion });
    }

    /// Makes the insertions that depend on the whole function.
    fn finish(&mut self, function: FunctionState) {
        let FunctionState { start, awaits, handlers, has_for_await } = function;
        let waits_in_try = !awaits.is_empty() && !handlers.is_empty();
        let keeps = start.filter(|_| has_for_await || waits_in_try);
        if let Some((at, order, insertion)) = keeps {
            self.add(at, order, insertion);
            handlers.into_iter().for_each(|(at, order)| self.add(at, order, Insertion::Restore));
        }
        let before = if keeps.is_some() { Insertion::BeforeKeptAwait } else { Insertion::BeforeAwait };
        awaits.into_iter().for_each(|(at, order)| self.add(at, order, before));
    }

    fn in_function(&mut self, body: Option<&FunctionBody<'_>>, walk: impl FnOnce(&mut Self)) {
        let order = self.next();
        let start = body.map(|body| match body.directives.last() {
            Some(directive) => (directive.span.end, order, Insertion::Declare { after_directive: true }),
            None => (body.span.start + 1, order, Insertion::Declare { after_directive: false }),
        });
        self.functions.push(FunctionState { start, ..FunctionState::default() });
        walk(self);
        if let Some(function) = self.functions.pop() {
            self.finish(function);
        }
    }

    fn handler(&mut self, block: Span) {
        let order = self.next();
        if let Some(function) = self.functions.last_mut() {
            function.handlers.push((block.start + 1, order));
        }
    }

    fn for_await(&mut self, it: &ForOfStatement<'_>, outer: Span, order: u32) {
        if let Some(function) = self.functions.last_mut() {
            function.has_for_await = true;
        }
        self.add(outer.start, order, Insertion::OpenLoop);
        self.visit_for_statement_left(&it.left);

        let (iterable, body) = (it.right.span(), it.body.span());
        let order = self.next();
        self.add(iterable.start, order, Insertion::BeforeIterable);
        self.visit_expression(&it.right);
        let order = self.next();
        self.add(iterable.end, order, Insertion::CloseParen);

        let order = self.next();
        if matches!(it.body, Statement::BlockStatement(_)) {
            self.add(body.start + 1, order, Insertion::Restore);
            self.visit_statement(&it.body);
        } else {
            self.add(body.start, order, Insertion::OpenBody);
            self.visit_statement(&it.body);
            let order = self.next();
            self.add(body.end, order, Insertion::CloseBody);
        }
        let order = self.next();
        self.add(outer.end, order, Insertion::CloseLoop);
    }
}

impl<'a> Visit<'a> for Visitor {
    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        self.in_function(it.body.as_deref(), |visitor| walk::walk_function(visitor, it, flags));
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        let body = match &it.body {
            ArrowFunctionBody::FunctionBody(body) => Some(&**body),
            _ => None,
        };
        self.in_function(body, |visitor| walk::walk_arrow_function_expression(visitor, it));
    }

    fn visit_await_expression(&mut self, it: &AwaitExpression<'a>) {
        let order = self.next();
        if let Some(function) = self.functions.last_mut() {
            function.awaits.push((it.span.start, order));
        }
        walk::walk_await_expression(self, it);
        let order = self.next();
        self.add(it.span.end, order, Insertion::CloseParen);
    }

    fn visit_try_statement(&mut self, it: &TryStatement<'a>) {
        self.visit_block_statement(&it.block);
        if let Some(handler) = &it.handler {
            self.visit_catch_clause(handler);
        }
        if let Some(finalizer) = &it.finalizer {
            self.handler(finalizer.span);
            self.visit_block_statement(finalizer);
        }
    }

    fn visit_catch_clause(&mut self, it: &CatchClause<'a>) {
        if let Some(parameter) = &it.param {
            self.visit_catch_parameter(parameter);
        }
        self.handler(it.body.span);
        self.visit_block_statement(&it.body);
    }

    fn visit_labeled_statement(&mut self, it: &LabeledStatement<'a>) {
        let mut innermost = &it.body;
        while let Statement::LabeledStatement(labelled) = innermost {
            innermost = &labelled.body;
        }
        if self.labelled.is_none() && matches!(innermost, Statement::ForOfStatement(of) if of.r#await) {
            let order = self.next();
            self.labelled = Some((it.span, order));
        }
        walk::walk_labeled_statement(self, it);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        if !it.r#await {
            return walk::walk_for_of_statement(self, it);
        }
        let (outer, order) = match self.labelled.take() {
            Some(labelled) => labelled,
            None => (it.span, self.next()),
        };
        self.for_await(it, outer, order);
    }
}
