//! A server under mixed traffic for a long time: everything is answered once and rightly, log
//! lines are complete, and what the process holds stays level.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;

use crate::load::client::Client;
use crate::load::process::Holdings;
use crate::load::sources::{GOOD, Kind, RUNAWAYS};
use crate::load::tally::Tally;
use crate::load::target::Target;
use crate::load::{Random, TargetArgs};

#[derive(Args)]
pub(crate) struct SoakArgs {
    /// How long traffic runs
    #[arg(long, default_value_t = 2)]
    minutes: u64,
    /// Functions that are published
    #[arg(long, default_value_t = 200)]
    functions: u64,
    /// Clients at once
    #[arg(long, default_value_t = 8)]
    clients: u64,
    /// Makes another run of the same traffic, or one of other traffic
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    target: TargetArgs,
}

/// How much more memory may be resident at the end than after the first part of the run.
const GROWTH: f64 = 1.10;

/// Of each hundred calls so many are faults, and so many publishes or deletes.
const FAULTS: u64 = 4;
const CHANGES: u64 = 3;

/// Limits that are soon reached, so that faults take little of the run.
const SETTINGS: [&str; 6] = [
    "engine.limits.wall_time=1500ms",
    "engine.limits.cpu_time=200ms",
    "engine.limits.memory=24MiB",
    "engine.isolates=32",
    "logs.keep=500",
    "telemetry.level=warn,tandem_runtime::http=error",
];

pub(crate) fn run(args: &SoakArgs) -> Result<(), String> {
    let target = Target::start(&args.target, &SETTINGS)?;
    publish_all(&mut target.client(), args.functions)?;
    let started = target.holdings()?;
    println!(
        "soak: {} functions, {} clients, {} minutes; at the start {started}",
        args.functions, args.clients, args.minutes
    );
    let stop = AtomicBool::new(false);
    let counter = AtomicU64::new(0);
    let length = Duration::from_secs(args.minutes * 60);
    let (tally, samples) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..args.clients)
            .map(|number| {
                let (target, stop, counter) = (&target, &stop, &counter);
                scope.spawn(move || drive(target, args, number, stop, counter))
            })
            .collect();
        let samples = sample(&target, length);
        stop.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        for client in clients {
            match client.join() {
                Ok(part) => tally.merge(part),
                Err(_) => tally.failed("a client broke".to_owned()),
            }
        }
        (tally, samples)
    });
    // What still runs when the last client is done ends within its wall time.
    std::thread::sleep(Duration::from_secs(4));
    let mut tally = tally;
    judge(&target, started, &samples, &mut tally);
    tally.verdict()
}

fn publish_all(client: &mut Client, functions: u64) -> Result<(), String> {
    for number in 0..functions {
        let kind = good(number);
        let answer = client.publish(&name(number), kind.source)?;
        if answer.status >= 300 {
            return Err(format!("publishing {} gave {}", name(number), answer.code()));
        }
    }
    for kind in &RUNAWAYS {
        client.publish(&format!("runaway-{}", kind.name), kind.source)?;
    }
    Ok(())
}

fn name(number: u64) -> String {
    format!("soak-{number}-{}", good(number).name)
}

fn good(number: u64) -> &'static Kind {
    &GOOD[usize::try_from(number).unwrap_or(0) % GOOD.len()]
}

fn sample(target: &Target, length: Duration) -> Vec<Holdings> {
    let end = Instant::now() + length;
    let mut samples = Vec::new();
    let mut told = Instant::now();
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(500));
        let Ok(holdings) = target.holdings() else { break };
        samples.push(holdings);
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            println!("soak: {holdings}");
        }
    }
    samples
}

/// One client's traffic until it is told to stop.
fn drive(target: &Target, args: &SoakArgs, number: u64, stop: &AtomicBool, counter: &AtomicU64) -> Tally {
    let mut client = target.client();
    let mut random = Random::new(args.seed * 1000 + number + 1);
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        let n = counter.fetch_add(1, Ordering::Relaxed);
        let choice = random.below(100);
        let function = random.below(args.functions);
        if choice < FAULTS {
            let at = usize::try_from(random.below(RUNAWAYS.len() as u64)).unwrap_or(0);
            if random.below(5) == 0 {
                client.abandon(&name(function));
            } else {
                fault(&mut client, &RUNAWAYS[at], &mut tally);
            }
        } else if choice < FAULTS + CHANGES {
            change(&mut client, function, &mut random, &mut tally);
        } else {
            call(&mut client, function, n, &mut tally);
        }
    }
    tally
}

/// A call of a function that behaves: its own number comes back, and every line it printed.
fn call(client: &mut Client, function: u64, n: u64, tally: &mut Tally) {
    let kind = good(function);
    let answer = match client.invoke(&name(function), &format!("{{\"n\":{n}}}")) {
        Ok(answer) => answer,
        Err(error) => return tally.failed(error),
    };
    let code = answer.code();
    // Another client may have deleted it, and brings it back at once.
    if code == "OK" {
        if answer.body != format!("{{\"n\":{n}}}").as_bytes() {
            tally.failed(format!(
                "{} answered another's value: {}",
                kind.name,
                String::from_utf8_lossy(&answer.body)
            ));
        }
        match answer.lines() {
            Ok(lines) => check_lines(kind, n, &lines, tally),
            Err(error) => tally.failed(format!("the log lines of {} cannot be read: {error}", kind.name)),
        }
    } else if !["FUNCTION_NOT_FOUND", "OVERLOADED"].contains(&code.as_str()) {
        tally.failed(format!("{} gave {code}: {}", kind.name, String::from_utf8_lossy(&answer.body)));
    }
    tally.answered(code, answer.took);
}

fn check_lines(kind: &Kind, n: u64, lines: &[String], tally: &mut Tally) {
    let expected: Vec<String> = match kind.name {
        "hello" => vec![format!("hello {n}")],
        "async" => vec![format!("one {n}"), format!("two {n}")],
        "compute" => vec!["59997".to_owned()],
        "lines" => (0..20).map(|i| format!("line {i} {n}")).collect(),
        _ => Vec::new(),
    };
    if lines != expected {
        tally.failed(format!("{} printed {lines:?} instead of {expected:?}", kind.name));
    }
}

fn fault(client: &mut Client, kind: &Kind, tally: &mut Tally) {
    match client.invoke(&format!("runaway-{}", kind.name), "{}") {
        Err(error) => tally.failed(error),
        Ok(answer) => {
            let code = answer.code();
            if !kind.codes.contains(&code.as_str()) && code != "OVERLOADED" {
                tally.failed(format!("{} gave {code} instead of {:?}", kind.name, kind.codes));
            }
            tally.answered(code, answer.took);
        }
    }
}

/// A new version, or a deletion that is undone: what was acknowledged is what runs.
fn change(client: &mut Client, function: u64, random: &mut Random, tally: &mut Tally) {
    let (name, source) = (name(function), good(function).source);
    if random.below(3) == 0
        && let Err(error) = client.request("DELETE", &format!("/functions/{name}"), "")
    {
        tally.failed(error);
    }
    let version = format!("{source}\n// {}", random.below(u64::MAX));
    match client.publish(&name, &version) {
        Ok(answer) if answer.status < 300 => tally.answered("PUBLISHED".to_owned(), answer.took),
        Ok(answer) => tally.failed(format!("publishing {name} gave {}", answer.code())),
        Err(error) => tally.failed(error),
    }
}

fn judge(target: &Target, started: Holdings, samples: &[Holdings], tally: &mut Tally) {
    println!("soak: {tally}");
    // The first quarter warms up: caches fill, isolates are made.
    let warm = median(samples, samples.len() / 4, samples.len() / 2);
    let end = median(samples, samples.len() * 4 / 5, samples.len());
    println!("soak: resident {} MiB after warming up, {} MiB at the end", warm / 1024, end / 1024);
    #[expect(clippy::cast_precision_loss, reason = "KiB of memory are far below 2^52")]
    if end as f64 > warm as f64 * GROWTH {
        tally.failed(format!("memory grew from {} to {} MiB", warm / 1024, end / 1024));
    }
    match target.holdings() {
        Err(error) => tally.failed(error),
        Ok(after) => {
            println!("soak: afterwards {after}; in flight {}", target.figure("tandem_in_flight"));
            let most = started.threads + 32 + 8;
            if after.threads > most {
                tally.failed(format!(
                    "{} threads are left, {} at the start and 32 isolates",
                    after.threads, started.threads
                ));
            }
            if after.files > started.files + 64 {
                tally.failed(format!("{} files are left, {} at the start", after.files, started.files));
            }
        }
    }
    for (figure, most) in [
        ("tandem_in_flight", 0.0),
        ("tandem_queued", 0.0),
        ("tandem_isolates", 32.0),
        ("tandem_log_records", 500.0),
        ("tandem_body_bytes", 0.0),
    ] {
        let value = target.figure(figure);
        if value > most {
            tally.failed(format!("{figure} is {value}, at most {most} was expected"));
        }
    }
    let complaints: HashSet<String> =
        target.printed().lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect();
    complaints.into_iter().for_each(|line| tally.failed(line));
}

fn median(samples: &[Holdings], from: usize, to: usize) -> u64 {
    let mut resident: Vec<u64> =
        samples.get(from..to).unwrap_or_default().iter().map(|sample| sample.resident).collect();
    resident.sort_unstable();
    resident.get(resident.len() / 2).copied().unwrap_or(0)
}
