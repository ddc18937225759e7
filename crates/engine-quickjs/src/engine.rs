use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_contract::{
    EngineFactory, EngineLimits, EngineMetrics, Host, Invocation, JsEngine, Outcome, Program, Result,
};
use tandem_isolate_pool::{CodeCache, Driver, IsolateFactory, IsolatePool};

use crate::code_cache::Code;
use crate::isolate::QuickJsIsolate;
use crate::scripts::Scripts;

/// Settings of QuickJS alone. It has none yet: what bounds isolates is the same for every engine.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuickJsConfig {}

/// Opens QuickJS.
pub struct QuickJsFactory;

impl EngineFactory for QuickJsFactory {
    const NAME: &'static str = "quickjs";
    type Config = QuickJsConfig;

    fn open(_config: QuickJsConfig, limits: EngineLimits, host: Arc<dyn Host>) -> Result<Arc<dyn JsEngine>> {
        let shared = Arc::new(Shared { limits, scripts: Scripts::new(), code_cache: CodeCache::default() });
        let pool = IsolatePool::new(Isolates { shared }, limits, host)?;
        Ok(Arc::new(QuickJs { pool }))
    }
}

/// What all isolates have in common.
pub(crate) struct Shared {
    pub(crate) limits: EngineLimits,
    pub(crate) scripts: Scripts,
    pub(crate) code_cache: CodeCache<Code>,
}

struct Isolates {
    shared: Arc<Shared>,
}

impl IsolateFactory for Isolates {
    type Isolate = QuickJsIsolate;

    fn create(&self, driver: Rc<Driver>) -> Result<QuickJsIsolate> {
        QuickJsIsolate::new(&self.shared, driver)
    }
}

struct QuickJs {
    pool: IsolatePool<Isolates>,
}

impl JsEngine for QuickJs {
    fn invoke(&self, program: Arc<Program>, invocation: Arc<Invocation>) -> BoxFuture<'static, Outcome> {
        Box::pin(self.pool.invoke(program, invocation))
    }

    fn retire(&self, name: &str, keep_hash: Option<&str>) {
        self.pool.retire(name, keep_hash);
    }

    fn metrics(&self) -> EngineMetrics {
        let cache = &self.pool.factory().shared.code_cache;
        EngineMetrics {
            code_cache_hits: cache.hits(),
            code_cache_misses: cache.misses(),
            ..self.pool.metrics()
        }
    }

    fn shutdown(&self, grace: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.pool.shutdown(grace))
    }
}
