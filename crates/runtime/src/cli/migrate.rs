use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tandem_contract::Bucket;

use super::args::{MigrateArgs, Part};
use super::failure::{Exit, Failure};
use super::output::{self, BAD, GOOD};
use super::running;
use crate::builtins;
use crate::config::{Config, Sources, load};
use crate::migrate::{Plan, Report, Tally, migrate};
use crate::registry::Registry;
use crate::stores::Stores;

/// How often the progress on a terminal changes.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// `tandem migrate`
pub(super) fn run(args: &MigrateArgs) -> Result<(), Failure> {
    let registry = builtins::registry();
    let from = read(&args.from, &registry)?;
    let to = read(&args.to, &registry)?;
    let plan = plan(args, &from, &to)?;
    running::block_on(async {
        let context = running::context();
        let source = Stores::open(&from, &registry, &context).await?;
        let destination = match Stores::open(&to, &registry, &context).await {
            Ok(destination) => destination,
            Err(error) => {
                source.close().await;
                return Err(error.into());
            }
        };
        let progress = Progress::new();
        let done = migrate(&source, &destination, &plan, &|report| progress.show(report)).await;
        progress.clear();
        destination.close().await;
        source.close().await;
        match done {
            Ok(report) => finish(args, &report),
            Err(error) => {
                output::note("what was copied stays: the same command goes on from there");
                Err(error.into())
            }
        }
    })
}

/// Variables of this process would be the settings of both sides, so only the files count.
fn read(files: &[std::path::PathBuf], registry: &Registry) -> Result<Config, Failure> {
    let mut sources = Sources::of_process(files.to_vec(), Vec::new());
    sources.variables.clear();
    Ok(load(&sources, registry)?.config)
}

fn plan(args: &MigrateArgs, from: &Config, to: &Config) -> Result<Plan, Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let wanted = |part: Part| args.only.is_empty() || args.only.contains(&part);
    let bucket = |name: &str| Bucket::new(name).map_err(|error| usage(error.message().to_owned()));
    let mut buckets = Vec::new();
    if wanted(Part::Objects) {
        buckets.push((bucket(&from.storage.bucket)?, bucket(&to.storage.bucket)?));
        let others = from.storage.buckets.iter().chain(&args.bucket).filter(|name| *name != "*");
        for name in others {
            let pair = (bucket(name)?, bucket(name)?);
            if !buckets.contains(&pair) {
                buckets.push(pair);
            }
        }
    }
    let plan = Plan { functions: wanted(Part::Functions), documents: wanted(Part::Documents), buckets };
    let same = [
        (plan.functions, from.functions.selected == to.functions.selected, "functions"),
        (plan.documents, from.documents.selected == to.documents.selected, "documents"),
        (
            plan.buckets.iter().any(|(source, destination)| source == destination),
            from.storage.selected == to.storage.selected,
            "objects",
        ),
    ];
    match same.into_iter().find(|(wanted, same, _)| *wanted && *same) {
        Some((.., what)) => {
            let others = "leave them out with --only";
            Err(usage(format!("both configurations keep {what} in the same place; {others}")))
        }
        None => Ok(plan),
    }
}

fn finish(args: &MigrateArgs, report: &Report) -> Result<(), Failure> {
    if args.json {
        output::json(report);
    } else {
        for failure in &report.failures {
            output::note(format_args!("{BAD}failed{BAD:#} {}: {}", failure.what, failure.why));
        }
        for (what, tally) in tallies(report) {
            output::line(format_args!("{GOOD}{what:9}{GOOD:#} {}", said(tally)));
        }
        output::line(format_args!(
            "{} collections, {} bytes of objects written",
            report.collections, report.object_bytes
        ));
    }
    if report.failures.is_empty() { Ok(()) } else { Err(Failure::said(Exit::Failed)) }
}

fn tallies(report: &Report) -> [(&'static str, &Tally); 4] {
    [
        ("functions", &report.functions),
        ("documents", &report.documents),
        ("indexes", &report.indexes),
        ("objects", &report.objects),
    ]
}

fn said(tally: &Tally) -> String {
    let mut text = format!("{} copied, {} there already", tally.copied, tally.unchanged);
    if tally.failed > 0 {
        let _ = write!(text, ", {} failed", tally.failed);
    }
    text
}

/// One line that changes, on terminals only.
struct Progress(Option<Mutex<Instant>>);

impl Progress {
    fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(|| Mutex::new(Instant::now())))
    }

    fn show(&self, report: &Report) {
        let Some(last) = &self.0 else { return };
        let Ok(mut last) = last.try_lock() else { return };
        if last.elapsed() < PROGRESS_EVERY {
            return;
        }
        *last = Instant::now();
        let done = |tally: &Tally| tally.copied + tally.unchanged + tally.failed;
        let parts = tallies(report).map(|(what, tally)| format!("{} {what}", done(tally)));
        // The terminal may be gone; the copy goes on.
        let _ = write!(anstream::stderr().lock(), "\r\x1b[K{}", parts.join(", "));
    }

    fn clear(&self) {
        if self.0.is_some() {
            let _ = write!(anstream::stderr().lock(), "\r\x1b[K");
        }
    }
}
