//! The configuration: what may be set, where it is read from, and what it comes to.
//!
//! Later sources win: built-in defaults, the variables that other tools share with Tandem
//! (`MONGO_URL` and the like), the files, `TANDEM_SECTION__KEY` variables, `--set`.

mod backend;
mod effective;
mod error;
mod layers;
mod load;
mod mask;
mod reference;
mod rules;
mod sections;
mod server;
mod shape;
mod token;
mod tree;
mod words;

pub use backend::{Backend, Settings};
pub use effective::{Effective, Setting};
pub use error::{ConfigError, Problem};
pub use layers::{DEFAULT_FILE, Origin, Sources};
pub use load::{Loaded, load};
pub(crate) use mask::url_passwords as mask_url_passwords;
pub use reference::{configuration_markdown, json_schema};
pub use sections::{
    Config, DocumentsConfig, EngineConfig, EnvConfig, FetchConfig, FunctionsConfig, LimitsConfig, LogFormat,
    LogsConfig, StorageConfig, TelemetryConfig,
};
pub use server::{CorsConfig, FairnessConfig, ServerConfig, TlsConfig, Weight};
pub use tandem_contract::settings::{ByteSize, Duration, Secret};
pub use token::{Token, token};
