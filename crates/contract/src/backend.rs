use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Clock, Entropy, Result};

/// What a backend may use from outside while it opens.
#[derive(Clone)]
pub struct OpenContext {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// Relative paths in a backend's config are relative to this folder.
    pub base: PathBuf,
}

/// Makes one backend of the port `P` (for example `dyn FunctionStore`) from its own part of the
/// config. The runtime's registry erases the type.
#[async_trait]
pub trait BackendFactory<P: ?Sized>: Send + Sync + 'static {
    /// The word that selects it in the config.
    const NAME: &'static str;
    /// Its part of the config; declared with `deny_unknown_fields`, every field documented.
    type Config: DeserializeOwned + Serialize + JsonSchema + Default + Send + Sync + 'static;

    /// Opens the backend.
    ///
    /// # Behavior
    /// - Settings that cannot work are refused now, with the setting's name.
    /// - A server that cannot be reached now is `StoreUnavailable`, within five seconds.
    async fn open(config: Self::Config, context: OpenContext) -> Result<Arc<P>>;
}
