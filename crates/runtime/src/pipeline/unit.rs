use std::sync::Arc;

use tandem_contract::{Error, ErrorKind, Function, Language, Module, Result, Revision};

/// A longer text is parsed on a blocking thread: about a millisecond of an asynchronous one.
const PARSE_INLINE: usize = 64 * 1024;

/// One function as its store holds it, its text parsed. Programs are assembled from units.
pub(super) struct Unit {
    pub(super) name: Arc<str>,
    pub(super) methods: Vec<String>,
    pub(super) text: Text,
    version: Version,
}

/// What a unit's compiled text came to.
pub(super) enum Text {
    Loaded(Module),
    NotCompiled,
    Refused(Error),
}

/// Two rows with the same version are the same function.
#[derive(PartialEq, Eq)]
pub(super) struct Version {
    revision: Revision,
    hash: String,
    compiled: bool,
    methods: Vec<String>,
}

impl Version {
    pub(super) fn of(function: &Function) -> Self {
        Self {
            revision: function.revision,
            hash: function.hash.clone(),
            compiled: function.compiled.is_some(),
            methods: function.methods.clone(),
        }
    }
}

impl Unit {
    pub(super) async fn parse(function: Function) -> Result<Arc<Self>> {
        let version = Version::of(&function);
        let Function { name, language, compiled, source_map, methods, .. } = function;
        let name: Arc<str> = name.into();
        let text = match compiled {
            None => Text::NotCompiled,
            Some(code) => {
                let parsed = if code.len() <= PARSE_INLINE {
                    load(&name, language, &code, source_map.as_deref())
                } else {
                    let name = name.clone();
                    let parse = move || load(&name, language, &code, source_map.as_deref());
                    tokio::task::spawn_blocking(parse).await.map_err(Error::internal)?
                };
                parsed.map_or_else(Text::Refused, Text::Loaded)
            }
        };
        Ok(Arc::new(Self { name, methods, text, version }))
    }

    pub(super) fn is(&self, version: &Version) -> bool {
        self.version == *version
    }

    /// Whether a store's listing shows this very version. A listing tells neither the text nor
    /// whether there is one.
    pub(super) fn is_listed_as(&self, revision: Revision, hash: &str, methods: &[String]) -> bool {
        self.version.revision == revision && self.version.hash == hash && self.version.methods == methods
    }

    pub(super) fn imports(&self) -> &[String] {
        match &self.text {
            Text::Loaded(module) => &module.imports,
            Text::NotCompiled | Text::Refused(_) => &[],
        }
    }
}

fn load(name: &str, language: Language, code: &str, map: Option<&str>) -> Result<Module> {
    tandem_compiler::load_module(name, language, code, map).map_err(|error| {
        let refused = Error::new(
            ErrorKind::FunctionError,
            format!("Function {name:?} cannot be loaded: {}", error.message()),
        );
        match error.location() {
            Some(location) => refused.with_location(location.clone()),
            None => refused,
        }
    })
}
