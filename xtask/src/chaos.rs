//! A server that is overloaded, misused, killed and stopped: each has a promise that is checked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::load::TargetArgs;
use crate::load::client::Answer;
use crate::load::sources::{Kind, RUNAWAYS};
use crate::load::tally::Tally;
use crate::load::target::Target;

#[derive(Args)]
pub(crate) struct ChaosArgs {
    /// Which parts to run; left out, all
    part: Vec<Part>,
    /// Runaway calls in all
    #[arg(long, default_value_t = 120)]
    runaways: usize,
    /// Seconds of each part that drives load
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rounds of killing and stopping
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Runaway calls of every kind: each answered with its code near its limit, nothing left
    Runaways,
    /// Five times as many callers as there are places
    Overload,
    /// A flooded function beside one that is not
    Fairness,
    /// Functions in a hot loop beside one that is not
    Neighbours,
    /// `kill -9` while functions are published
    Kill,
    /// SIGTERM under load
    Stop,
}

const CPU: Duration = Duration::from_millis(300);
const WALL: Duration = Duration::from_millis(1000);
/// How far past its limit an answer may come.
const LATE: Duration = Duration::from_millis(250);

/// How soon a refusal comes, whatever the load.
const REFUSED_WITHIN: Duration = Duration::from_millis(50);

/// Runs one part.
type Run = fn(&ChaosArgs) -> Result<Tally, String>;

pub(crate) fn run(args: &ChaosArgs) -> Result<(), String> {
    let mut failed = Vec::new();
    let parts: [(Part, &str, Run); 6] = [
        (Part::Runaways, "runaways", runaways),
        (Part::Overload, "overload", overload),
        (Part::Fairness, "fairness", fairness),
        (Part::Neighbours, "neighbours", neighbours),
        (Part::Kill, "kill", kill),
        (Part::Stop, "stop", stop),
    ];
    for (part, name, body) in parts {
        if !args.part.is_empty() && !args.part.contains(&part) {
            continue;
        }
        println!("chaos: {name}");
        match body(args).and_then(Tally::verdict) {
            Ok(()) => println!("chaos: {name} holds"),
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

fn runaways(args: &ChaosArgs) -> Result<Tally, String> {
    let settings = [
        "engine.limits.cpu_time=300ms",
        "engine.limits.wall_time=1s",
        "engine.limits.memory=24MiB",
        "engine.isolates=16",
        "telemetry.level=error",
    ];
    let target = Target::start(&args.target, &settings)?;
    let mut client = target.client();
    for kind in &RUNAWAYS {
        client.publish(&format!("runaway-{}", kind.name), kind.source)?;
        client.invoke(&format!("runaway-{}", kind.name), "{}")?;
    }
    std::thread::sleep(WALL);
    let (pid, before) = (target.pid()?, target.holdings()?);
    let mut tally = Tally::default();
    for round in 0..args.runaways {
        let kind = &RUNAWAYS[round % RUNAWAYS.len()];
        let before = stretch();
        let answer = client.invoke(&format!("runaway-{}", kind.name), "{}")?;
        judge(kind, &answer, before.max(stretch()), &mut tally);
        tally.answered(answer.code(), answer.took);
    }
    std::thread::sleep(3 * WALL);
    let after = target.holdings()?;
    println!("chaos: {tally}\nchaos: before {before}, after {after}");
    if target.pid()? != pid || after.threads > before.threads + 16 || after.files > before.files + 16 {
        tally.failed(format!("something is left behind: before {before}, after {after}"));
    }
    if after.resident > before.resident + before.resident / 4 + 64 * 1024 {
        tally.failed(format!("memory is left behind: before {before}, after {after}"));
    }
    Ok(tally)
}

/// Whether a runaway call ended with a code of its own, near the limit that ended it. Time on the
/// processor takes `stretch` times as long on the clock.
fn judge(kind: &Kind, answer: &Answer, stretch: f64, tally: &mut Tally) {
    let (code, took) = (answer.code(), answer.took);
    if !kind.codes.contains(&code.as_str()) {
        tally.failed(format!("{} gave {code} instead of {:?}", kind.name, kind.codes));
    }
    let processor = CPU.mul_f64(stretch);
    if code == "FUNCTION_TIMEOUT" && kind.codes.first() == Some(&"CPU_LIMIT") && processor < WALL / 2 {
        tally.failed(format!("{} ended by wall time, though the processor was there", kind.name));
    }
    let limit = match code.as_str() {
        "CPU_LIMIT" => processor.min(WALL),
        // What ends by itself, or by memory, ends whenever it does before that.
        _ => WALL,
    };
    if took > limit + LATE.mul_f64(stretch) {
        tally.failed(format!("{} was answered {code} after {took:?}, its limit is at {limit:?}", kind.name));
    }
}

/// How much longer than on the processor something takes on the clock, by trying: 1 on a machine
/// with nothing else to do.
fn stretch() -> f64 {
    let on_processor = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok()).map(Duration::from_nanos)
    };
    let (started, before) = (Instant::now(), on_processor());
    while started.elapsed() < Duration::from_millis(60) {
        std::hint::spin_loop();
    }
    let wall = started.elapsed();
    match (before, on_processor()) {
        (Some(before), Some(after)) if after > before => {
            (wall.as_secs_f64() / (after - before).as_secs_f64()).max(1.0)
        }
        _ => 1.0,
    }
}

/// Calls `name` from `clients` threads for `seconds`.
fn drive(target: &Target, name: &str, clients: usize, seconds: u64, seen: &Mutex<Tally>) {
    let end = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let (mut client, mut tally) = (target.client(), Tally::default());
                while Instant::now() < end {
                    match client.invoke(name, "{}") {
                        Ok(answer) => {
                            if answer.status == 503 && answer.header("retry-after").is_none() {
                                tally.failed("503 without Retry-After".to_owned());
                            }
                            let refused = answer.status == 503;
                            tally.answered(
                                if refused { "REFUSED".into() } else { answer.code() },
                                answer.took,
                            );
                            if refused {
                                std::thread::sleep(Duration::from_millis(20));
                            }
                        }
                        Err(error) => tally.failed(error),
                    }
                }
                if let Ok(mut seen) = seen.lock() {
                    seen.merge(tally);
                }
            });
        }
    });
}

fn measured(target: &Target, name: &str, clients: usize, seconds: u64) -> Tally {
    let seen = Mutex::default();
    drive(target, name, clients, seconds, &seen);
    seen.into_inner().unwrap_or_default()
}

/// Waits for twenty milliseconds, as a call of a database does.
const WAITS: &str = "export default () => new Promise((r) => setTimeout(r, 20, 1))";

fn overload(args: &ChaosArgs) -> Result<Tally, String> {
    let settings = ["server.max_in_flight=32", "server.queue=16", "server.fairness.factor=0"];
    let target = Target::start(&args.target, &settings)?;
    target.client().publish("waits", WAITS)?;
    measured(&target, "waits", 32, 2);
    let at_capacity = measured(&target, "waits", 32, args.seconds.min(5));
    let before = target.holdings()?;
    let mut tally = measured(&target, "waits", 160, args.seconds);
    let after = target.holdings()?;
    std::thread::sleep(Duration::from_secs(2));
    let recovered = measured(&target, "waits", 32, 2);
    println!(
        "chaos: at capacity {at_capacity}\nchaos: at five times {tally}, refusals' {:.1?}\nchaos: two seconds later {recovered}\nchaos: {before}, then {after}",
        tally.percentile_of("REFUSED", 99)
    );
    if tally.count("OK") == 0
        || tally.count("REFUSED") == 0
        || tally.count("OK") + tally.count("REFUSED") != tally.total()
    {
        tally.failed(format!("answers under overload are neither values nor refusals: {tally}"));
    }
    let (accepted, usual) = (tally.percentile_of("OK", 99), at_capacity.percentile_of("OK", 99));
    if accepted > 2 * usual {
        tally.failed(format!("p99 of what was accepted is {accepted:?}, at capacity {usual:?}"));
    }
    let refused = tally.percentile_of("REFUSED", 99);
    if refused > REFUSED_WITHIN {
        tally.failed(format!("p99 of refusals is {refused:?}"));
    }
    if recovered.count("OK") != recovered.total() {
        tally.failed(format!("service is not normal two seconds later: {recovered}"));
    }
    if after.resident > before.resident * 3 / 2 + 32 * 1024 {
        tally.failed(format!("memory grew under overload: {before}, then {after}"));
    }
    Ok(tally)
}

fn fairness(args: &ChaosArgs) -> Result<Tally, String> {
    let target = Target::start(
        &args.target,
        &["server.max_in_flight=64", "server.queue=64", "engine.limits.wall_time=5s"],
    )?;
    target.client().publish("slow", "export default () => new Promise((r) => setTimeout(r, 2000, 1))")?;
    target.client().publish("quick", "export default () => 1")?;
    let alone = measured(&target, "quick", 2, 2);
    let (slow, quick) = (Mutex::default(), Mutex::default());
    std::thread::scope(|scope| {
        scope.spawn(|| drive(&target, "slow", 200, args.seconds, &slow));
        scope.spawn(|| drive(&target, "quick", 2, args.seconds, &quick));
    });
    let (slow, mut quick) = (slow.into_inner().unwrap_or_default(), quick.into_inner().unwrap_or_default());
    println!("chaos: flooded {slow}\nchaos: beside it {quick}\nchaos: alone {alone}");
    if quick.count("OK") != quick.total() {
        quick.failed(format!("the flood took the other function's places: {quick}"));
    }
    if quick.percentile(99) > alone.percentile(99) + Duration::from_millis(50) {
        quick.failed(format!(
            "p99 is {:?} beside the flood, {:?} alone",
            quick.percentile(99),
            alone.percentile(99)
        ));
    }
    Ok(quick)
}

fn neighbours(args: &ChaosArgs) -> Result<Tally, String> {
    let target = Target::start(&args.target, &["engine.limits.cpu_time=20s", "engine.limits.wall_time=60s"])?;
    target.client().publish("ninth", "export default () => 1")?;
    for n in 0..8 {
        target.client().publish(&format!("hot-{n}"), "export default () => { for (;;) {} }")?;
    }
    let alone = measured(&target, "ninth", 1, 2);
    let mut tally = std::thread::scope(|scope| {
        for n in 0..8 {
            let mut client = target.client();
            scope.spawn(move || client.invoke(&format!("hot-{n}"), "{}"));
        }
        std::thread::sleep(Duration::from_millis(500));
        measured(&target, "ninth", 1, args.seconds.min(8))
    });
    println!("chaos: beside eight hot loops {tally}\nchaos: alone {alone}");
    if tally.percentile(99) > alone.percentile(99) + Duration::from_millis(20) {
        tally.failed(format!(
            "p99 is {:?} beside hot loops, {:?} alone",
            tally.percentile(99),
            alone.percentile(99)
        ));
    }
    Ok(tally)
}

fn kill(args: &ChaosArgs) -> Result<Tally, String> {
    let mut target = Target::start(&args.target, &["telemetry.level=error"])?;
    let mut tally = Tally::default();
    for round in 0..args.rounds {
        let (name, port) = (format!("killed-{round}"), target.port());
        let publishing = std::thread::spawn({
            let name = name.clone();
            move || {
                let mut client = crate::load::client::Client::new(port);
                let mut acknowledged = 0_u64;
                while let Ok(answer) =
                    client.publish(&name, &format!("export default () => {}", acknowledged + 1))
                {
                    if answer.status < 300 {
                        acknowledged += 1;
                    }
                }
                acknowledged
            }
        });
        std::thread::sleep(Duration::from_millis(100 + 61 * round));
        target.kill();
        let acknowledged = publishing.join().map_err(|_| "the publisher broke")?;
        target.spawn()?;
        let answer = target.client().invoke(&name, "{}")?;
        let found: u64 = String::from_utf8_lossy(&answer.body).parse().unwrap_or(0);
        if found != acknowledged && found != acknowledged + 1 {
            tally.failed(format!("{acknowledged} versions were acknowledged, {found} is served"));
        }
        tally.answered(answer.code(), answer.took);
    }
    Ok(tally)
}

fn stop(args: &ChaosArgs) -> Result<Tally, String> {
    let mut target = Target::start(&args.target, &["telemetry.level=error"])?;
    let mut tally = Tally::default();
    for _ in 0..args.rounds {
        target.client().publish("waits", WAITS)?;
        let (port, stopping) = (target.port(), AtomicBool::new(false));
        let (part, status) = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..16).map(|_| scope.spawn(|| until_stopped(port, &stopping))).collect();
            std::thread::sleep(Duration::from_millis(500));
            stopping.store(true, Ordering::SeqCst);
            let status = target.signal().and_then(|()| target.wait(Duration::from_secs(20)));
            let mut part = Tally::default();
            clients.into_iter().for_each(|client| part.merge(client.join().unwrap_or_default()));
            (part, status)
        });
        tally.merge(part);
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => tally.failed(format!("the server ended with {status}")),
            Err(error) => tally.failed(error),
        }
        target.spawn()?;
    }
    println!("chaos: {tally}");
    Ok(tally)
}

/// Calls until the server is gone. An answer that began must come to its end.
fn until_stopped(port: u16, stopping: &AtomicBool) -> Tally {
    let (mut client, mut tally) = (crate::load::client::Client::new(port), Tally::default());
    loop {
        match client.invoke("waits", "{}") {
            Ok(answer) if ["OK", "SHUTTING_DOWN"].contains(&answer.code().as_str()) => {
                tally.answered(answer.code(), answer.took);
            }
            Ok(answer) => tally.failed(format!("stopping gave {}", answer.code())),
            // A connection that cannot be opened, or is closed before a request is read, was not accepted.
            Err(_) if stopping.load(Ordering::SeqCst) => return tally,
            Err(error) => {
                tally.failed(error);
                return tally;
            }
        }
    }
}
