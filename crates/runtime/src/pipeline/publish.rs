use tandem_contract::{Error, ErrorKind, Expected, Function, FunctionDraft, FunctionName, Language, Result};

use super::Pipeline;
use super::assemble::find_cycle;
use super::unit::Unit;

/// A function to publish.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Its name.
    pub name: FunctionName,
    /// The source as written.
    pub source: String,
    /// What it is written in.
    pub language: Language,
    /// Upper-case methods it takes; empty means all.
    pub methods: Vec<String>,
    /// For people.
    pub description: String,
    /// What the writer believes the store holds.
    pub expected: Expected,
}

/// A function that was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// As stored.
    pub function: Function,
    /// Whether there was none of this name before.
    pub created: bool,
}

impl Pipeline {
    /// Compiles and stores a function. Once it returns, calls run the new version.
    ///
    /// # Errors
    /// `CompileError` when the source does not compile or imports itself through others: the
    /// version before keeps serving. `Conflict` when the store does not hold what was expected.
    /// Those of the store.
    pub async fn publish(&self, publish: Publish) -> Result<Published> {
        let Publish { name, source, language, methods, description, expected } = publish;
        let draft = compile(name, source, language, methods, description).await?;
        self.refuse_cycle(&draft).await?;
        let name = draft.name.clone();
        let created = self.functions.get(name.as_str()).await?.is_none();
        let stored = self.functions.put(draft, expected).await;
        // Also after an error: the write may have happened before the connection broke.
        self.resolver.changed_here(name.as_str(), false);
        Ok(Published { function: stored?, created })
    }

    /// Deletes a function; `false` when there was none. Once it returns, calls find none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete(&self, name: &FunctionName) -> Result<bool> {
        let deleted = self.functions.delete(name.as_str()).await;
        self.resolver.changed_here(name.as_str(), deleted.is_ok());
        deleted
    }

    async fn refuse_cycle(&self, draft: &FunctionDraft) -> Result<()> {
        let now = self.clock.wall();
        let root = Unit::parse(Function {
            name: draft.name.as_str().to_owned(),
            source: String::new(),
            language: draft.language,
            compiled: Some(draft.compiled.clone()),
            source_map: None,
            hash: draft.hash.clone(),
            methods: Vec::new(),
            description: String::new(),
            revision: 0,
            created_at: now,
            updated_at: now,
        })
        .await?;
        match find_cycle(&mut self.resolver.reader(), root).await? {
            Some(message) => Err(Error::new(ErrorKind::CompileError, message)),
            None => Ok(()),
        }
    }
}

async fn compile(
    name: FunctionName,
    source: String,
    language: Language,
    methods: Vec<String>,
    description: String,
) -> Result<FunctionDraft> {
    let compile = move || {
        let compiled = tandem_compiler::compile(name.as_str(), &source, language)?;
        Ok(FunctionDraft {
            name,
            source,
            language,
            compiled: compiled.code,
            source_map: Some(compiled.source_map),
            hash: compiled.hash,
            methods,
            description,
        })
    };
    tokio::task::spawn_blocking(compile).await.map_err(Error::internal)?
}
