//! The runtime around the ports: configuration, the registry of backends, the invoke pipeline,
//! HTTP and the command line of the binary `tandem`.

pub mod app;
pub mod builtins;
pub mod cli;
pub mod config;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod migrate;
pub mod pipeline;
pub mod registry;
pub mod signed_url;
pub mod stores;
pub mod telemetry;
