//! What is counted, in the text format that Prometheus reads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};
use tandem_contract::{Error, Result};

/// Functions that get a label of their own. Invocations of those seen later count as `other`, so
/// that the number of time series stays bounded.
const LABELLED_FUNCTIONS: usize = 1000;

/// The label of functions past the limit.
const OTHER: &str = "other";

/// Upper bounds in seconds: from a tenth of a millisecond, a warm call that only computes, to the
/// default wall time.
const BUCKETS: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InvocationLabels {
    function: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

/// All that the pipeline and the HTTP layer count.
pub struct Metrics {
    /// How long invocations ran, in seconds.
    pub duration: Histogram,
    /// How long invocations over HTTP waited for admission, in seconds.
    pub queue: Histogram,
    invocations: Family<InvocationLabels, Counter>,
    refusals: Family<CodeLabel, Counter>,
    functions: DashMap<String, Arc<FunctionMetrics>>,
    other: Arc<FunctionMetrics>,
    registry: parking_lot::RwLock<Registry>,
}

/// The counters of one function, looked up once when it is loaded.
#[derive(Debug)]
pub struct FunctionMetrics {
    label: String,
    ok: Counter,
    invocations: Family<InvocationLabels, Counter>,
}

impl FunctionMetrics {
    /// Counts an invocation that ended with `code`.
    pub fn invoked(&self, code: &'static str) {
        if code == "OK" {
            self.ok.inc();
        } else {
            let labels = InvocationLabels { function: self.label.clone(), code };
            self.invocations.get_or_create(&labels).inc();
        }
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Arc<Self> {
        let invocations = Family::<InvocationLabels, Counter>::default();
        let refusals = Family::<CodeLabel, Counter>::default();
        let (duration, queue) = (Histogram::default(), Histogram::default());
        let mut registry = Registry::with_prefix("tandem");
        registry.register(
            "invocations",
            "Invocations by function and code, OK for those that returned a value",
            invocations.clone(),
        );
        registry.register(
            "refusals",
            "Requests that were answered with an error before a function ran, by code",
            refusals.clone(),
        );
        registry.register_with_unit(
            "invocation_duration",
            "How long invocations ran",
            Unit::Seconds,
            duration.clone(),
        );
        registry.register_with_unit(
            "queue",
            "How long invocations over HTTP waited for admission",
            Unit::Seconds,
            queue.clone(),
        );
        let other = function_metrics(&invocations, OTHER);
        Arc::new(Self {
            duration,
            queue,
            invocations,
            refusals,
            functions: DashMap::new(),
            other,
            registry: parking_lot::RwLock::new(registry),
        })
    }

    /// The counters of the function `name`.
    pub fn function(&self, name: &str) -> Arc<FunctionMetrics> {
        if let Some(known) = self.functions.get(name) {
            return known.value().clone();
        }
        if self.functions.len() >= LABELLED_FUNCTIONS {
            return self.other.clone();
        }
        let metrics = self.functions.entry(name.to_owned());
        metrics.or_insert_with(|| function_metrics(&self.invocations, name)).value().clone()
    }

    /// Counts a request that no function saw.
    pub fn refused(&self, code: &'static str) {
        self.refusals.get_or_create(&CodeLabel { code }).inc();
    }

    /// Adds figures that are read when the metrics are.
    pub fn register_source(&self, source: impl Fn() -> Vec<Figure> + Send + Sync + 'static) {
        self.registry.write().register_collector(Box::new(Source(Box::new(source))));
    }

    /// Everything, as OpenMetrics text.
    ///
    /// # Errors
    /// `Internal` if a metric cannot be written.
    pub fn encode(&self) -> Result<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry.read())
            .map_err(Error::internal)?;
        Ok(text)
    }
}

fn function_metrics(invocations: &Family<InvocationLabels, Counter>, name: &str) -> Arc<FunctionMetrics> {
    let labels = InvocationLabels { function: name.to_owned(), code: "OK" };
    let ok = invocations.get_or_create(&labels).clone();
    Arc::new(FunctionMetrics { label: name.to_owned(), ok, invocations: invocations.clone() })
}

/// One figure of a source.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Without the prefix `tandem_` and the suffix `_total`.
    pub name: &'static str,
    /// For people.
    pub help: &'static str,
    /// The figure.
    pub value: u64,
    /// Only ever grows.
    pub monotonic: bool,
}

struct Source(Box<dyn Fn() -> Vec<Figure> + Send + Sync>);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl Collector for Source {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for figure in (self.0)() {
            if figure.monotonic {
                let counter = ConstCounter::new(figure.value);
                counter.encode(encoder.encode_descriptor(
                    figure.name,
                    figure.help,
                    None,
                    MetricType::Counter,
                )?)?;
            } else {
                let gauge = ConstGauge::new(i64::try_from(figure.value).unwrap_or(i64::MAX));
                gauge.encode(encoder.encode_descriptor(
                    figure.name,
                    figure.help,
                    None,
                    MetricType::Gauge,
                )?)?;
            }
        }
        Ok(())
    }
}

/// A histogram of durations that takes no lock, unlike the library's own.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// The last one holds what is above every bound.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BUCKETS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.0.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BUCKETS.iter().copied().chain([f64::INFINITY]);
        let counts = self.0.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = Duration::from_nanos(self.0.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_figure() {
        let metrics = Metrics::new();
        let hello = metrics.function("hello");
        hello.invoked("OK");
        hello.invoked("FUNCTION_ERROR");
        metrics.duration.observe(Duration::from_millis(3));
        metrics.duration.observe(Duration::from_secs(60));
        metrics.register_source(|| {
            vec![Figure { name: "isolates", help: "Isolates", value: 7, monotonic: false }]
        });
        let text = metrics.encode().unwrap();
        for line in [
            r#"tandem_invocations_total{function="hello",code="OK"} 1"#,
            r#"tandem_invocations_total{function="hello",code="FUNCTION_ERROR"} 1"#,
            r#"tandem_invocation_duration_seconds_bucket{le="0.0025"} 0"#,
            r#"tandem_invocation_duration_seconds_bucket{le="0.005"} 1"#,
            r#"tandem_invocation_duration_seconds_bucket{le="+Inf"} 2"#,
            "tandem_invocation_duration_seconds_count 2",
            "tandem_isolates 7",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn labels_are_bounded() {
        let metrics = Metrics::new();
        for n in 0..LABELLED_FUNCTIONS + 10 {
            metrics.function(&n.to_string()).invoked("OK");
        }
        assert!(metrics.encode().unwrap().contains(r#"{function="other",code="OK"} 10"#));
    }
}
