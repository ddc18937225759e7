//! Erases typed backend factories, so that a config can pick them by name.
//!
//! The registry knows ports, never backends: [`crate::builtins`] fills it.

use std::fmt;
use std::sync::Arc;

use figment::value::Value;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_contract::{
    BackendFactory, BlobStore, DocumentStore, EngineFactory, EngineLimits, Error, ErrorKind, FunctionStore,
    Host, JsEngine, OpenContext, Result,
};

use crate::config::Backend;

/// Every backend that a config may name, by port. The first one of a port is its default.
pub struct Registry {
    /// `[engine]`.
    pub engines: Port<OpenEngine>,
    /// `[functions]`.
    pub functions: Port<OpenStore<dyn FunctionStore>>,
    /// `[documents]`.
    pub documents: Port<OpenStore<dyn DocumentStore>>,
    /// `[storage]`.
    pub blobs: Port<OpenStore<dyn BlobStore>>,
    /// Variables that other tools share with Tandem, and the keys they set.
    pub variables: &'static [(&'static str, &'static [&'static str])],
}

impl Registry {
    /// A registry that knows no backend.
    pub const fn empty() -> Self {
        Self {
            engines: Port::new("engine"),
            functions: Port::new("functions"),
            documents: Port::new("documents"),
            blobs: Port::new("storage"),
            variables: &[],
        }
    }

    /// What the config may say in each port's section, in the order of the sections.
    pub fn sections(&self) -> [&dyn Choices; 4] {
        [&self.engines, &self.functions, &self.documents, &self.blobs]
    }
}

/// Opens a store of the port `P` from settings that were checked.
pub type OpenStore<P> = fn(serde_json::Value, OpenContext) -> BoxFuture<'static, Result<Arc<P>>>;

/// Opens an engine from settings that were checked.
type OpenJsEngine = fn(serde_json::Value, EngineLimits, Arc<dyn Host>) -> Result<Arc<dyn JsEngine>>;

/// How an engine starts.
#[derive(Clone, Copy)]
pub struct OpenEngine {
    prepare_process: fn(),
    open: OpenJsEngine,
}

/// The backends of one port.
pub struct Port<Open> {
    section: &'static str,
    entries: Vec<Entry<Open>>,
}

struct Entry<Open> {
    name: &'static str,
    state: State<Open>,
}

enum State<Open> {
    Built { settings: SettingsType, open: Open },
    LeftOut { feature: &'static str },
}

impl<P: ?Sized + Send + Sync + 'static> Port<OpenStore<P>> {
    /// Adds a backend of this build.
    pub fn add<F: BackendFactory<P>>(&mut self) {
        let open: OpenStore<P> = |settings, context| {
            Box::pin(async move { F::open(read_settings::<F::Config>(settings)?, context).await })
        };
        self.push(F::NAME, State::Built { settings: SettingsType::of::<F::Config>(), open });
    }

    /// Opens the backend that the config picked.
    ///
    /// # Errors
    /// What the backend's factory gives; `InvalidArgument` when the port has no such backend.
    pub async fn open(&self, backend: &Backend, context: OpenContext) -> Result<Arc<P>> {
        let open = self.opener(&backend.name)?;
        open(backend.settings.expose().clone(), context).await
    }
}

impl Port<OpenEngine> {
    /// Adds an engine of this build.
    pub fn add_engine<F: EngineFactory>(&mut self) {
        let open = OpenEngine {
            prepare_process: F::prepare_process,
            open: |settings, limits, host| F::open(read_settings::<F::Config>(settings)?, limits, host),
        };
        self.push(F::NAME, State::Built { settings: SettingsType::of::<F::Config>(), open });
    }

    /// Prepares the process for the engine that the config picked, while it has one thread. An
    /// engine that does not exist is left to be refused by [`Self::open_engine`].
    pub fn prepare_process(&self, backend: &Backend) {
        if let Ok(engine) = self.opener(&backend.name) {
            (engine.prepare_process)();
        }
    }

    /// Opens the engine that the config picked.
    ///
    /// # Errors
    /// What the engine's factory gives; `InvalidArgument` when there is no such engine.
    pub fn open_engine(
        &self,
        backend: &Backend,
        limits: EngineLimits,
        host: Arc<dyn Host>,
    ) -> Result<Arc<dyn JsEngine>> {
        let engine = self.opener(&backend.name)?;
        (engine.open)(backend.settings.expose().clone(), limits, host)
    }
}

impl<Open: Copy> Port<Open> {
    const fn new(section: &'static str) -> Self {
        Self { section, entries: Vec::new() }
    }

    /// Lists a backend that this build goes without.
    pub fn left_out(&mut self, name: &'static str, feature: &'static str) {
        self.push(name, State::LeftOut { feature });
    }

    fn push(&mut self, name: &'static str, state: State<Open>) {
        self.entries.retain(|entry| entry.name != name);
        self.entries.push(Entry { name, state });
    }

    fn opener(&self, name: &str) -> Result<Open> {
        match self.entries.iter().find(|entry| entry.name == name) {
            Some(Entry { state: State::Built { open, .. }, .. }) => Ok(*open),
            _ => Err(Error::new(ErrorKind::InvalidArgument, self.refusal(name))),
        }
    }
}

/// What a config may say in the section of one port.
pub trait Choices {
    /// The section's name.
    fn section(&self) -> &'static str;
    /// Every known backend, those left out of the build too.
    fn names(&self) -> Vec<&'static str>;
    /// The backend of a config that names none: the first of this build.
    fn default_name(&self) -> Option<&'static str>;
    /// The settings of a backend of this build; `None` for any other name.
    fn settings(&self, name: &str) -> Option<SettingsType>;
    /// The Cargo feature of a backend left out of the build.
    fn feature(&self, name: &str) -> Option<&'static str>;
    /// Why `name` cannot be picked, and what to do.
    fn refusal(&self, name: &str) -> String;
}

impl<Open> Choices for Port<Open> {
    fn section(&self) -> &'static str {
        self.section
    }

    fn names(&self) -> Vec<&'static str> {
        self.entries.iter().map(|entry| entry.name).collect()
    }

    fn default_name(&self) -> Option<&'static str> {
        self.entries.iter().find(|entry| matches!(entry.state, State::Built { .. })).map(|entry| entry.name)
    }

    fn settings(&self, name: &str) -> Option<SettingsType> {
        self.entries.iter().find_map(|entry| match &entry.state {
            State::Built { settings, .. } if entry.name == name => Some(*settings),
            _ => None,
        })
    }

    fn feature(&self, name: &str) -> Option<&'static str> {
        self.entries.iter().find_map(|entry| match &entry.state {
            State::LeftOut { feature } if entry.name == name => Some(*feature),
            _ => None,
        })
    }

    fn refusal(&self, name: &str) -> String {
        let section = self.section;
        match self.feature(name) {
            Some(feature) => format!(
                "{section}.backend = {name:?} needs a build with the feature `{feature}`: cargo build --features {feature}"
            ),
            None => format!(
                "{section}.backend = {name:?} is not a backend that Tandem knows; known: {}",
                self.names().join(", ")
            ),
        }
    }
}

/// The type of a backend's settings, erased.
#[derive(Clone, Copy)]
pub struct SettingsType {
    /// Describes it.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Its default values.
    pub defaults: fn() -> Result<Value, Box<figment::Error>>,
    /// Whether a value is one of it.
    pub check: fn(&Value) -> Result<(), Box<figment::Error>>,
}

impl SettingsType {
    fn of<C: DeserializeOwned + Serialize + JsonSchema + Default>() -> Self {
        Self {
            schema: C::json_schema,
            defaults: || Value::serialize(C::default()).map_err(Box::new),
            check: |value| C::deserialize(value).map(drop).map_err(Box::new),
        }
    }
}

impl fmt::Debug for SettingsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SettingsType")
    }
}

/// The error keeps serde's words for the operator only: they may quote a secret.
fn read_settings<C: DeserializeOwned>(settings: serde_json::Value) -> Result<C> {
    serde_json::from_value(settings).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, "A backend's settings do not fit its type")
            .with_detail(format!("{:?} at column {}", error.classify(), error.column()))
    })
}
