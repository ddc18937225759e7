use futures_util::{StreamExt as _, stream};
use tandem_contract::{
    Error, ErrorKind, Expected, Function, FunctionDraft, FunctionName, FunctionStore, Result,
};

use super::{Outcome, Run};

/// Functions in a page, as many as a store gives.
const PAGE: usize = 1000;
/// Functions on their way at a time.
const AT_ONCE: usize = 8;

impl Run<'_> {
    pub(super) async fn copy_functions(&mut self) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let page = self.from.functions.list(after.as_deref(), PAGE).await?;
            let (from, to) = (&*self.from.functions, &*self.to.functions);
            let copies = page.functions.into_iter().map(|function| async move {
                let outcome = copy(from, to, &function.name).await;
                (function.name, outcome)
            });
            let mut copies = stream::iter(copies).buffer_unordered(AT_ONCE);
            while let Some((name, outcome)) = copies.next().await {
                self.note(|report| &mut report.functions, || format!("function {name}"), outcome)?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

async fn copy(from: &dyn FunctionStore, to: &dyn FunctionStore, name: &str) -> Result<Outcome> {
    // One that was deleted meanwhile is not there to be copied.
    let Some(function) = from.get(name).await? else { return Ok(Outcome::Unchanged) };
    let draft = draft(function)?;
    if to.get(name).await?.is_some_and(|held| is_same(&held, &draft)) {
        return Ok(Outcome::Unchanged);
    }
    to.put(draft, Expected::Any).await.map(|_| Outcome::Copied)
}

fn draft(function: Function) -> Result<FunctionDraft> {
    let compiled = function.compiled.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidArgument,
            "It is stored without compiled text: publish it at the destination from its source",
        )
    })?;
    Ok(FunctionDraft {
        name: FunctionName::new(function.name)?,
        source: function.source,
        language: function.language,
        compiled,
        source_map: function.source_map,
        hash: function.hash,
        methods: function.methods,
        description: function.description,
    })
}

fn is_same(held: &Function, draft: &FunctionDraft) -> bool {
    held.compiled.as_ref() == Some(&draft.compiled)
        && held.source == draft.source
        && held.language == draft.language
        && held.source_map == draft.source_map
        && held.hash == draft.hash
        && held.methods == draft.methods
        && held.description == draft.description
}
