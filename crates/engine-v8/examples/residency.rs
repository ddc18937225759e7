//! What isolates cost on a thread of their own, and several to a thread with explicit enter and
//! exit: `cargo run --release -p tandem-engine-v8 --example residency -- threads|shared COUNT`.
//!
//! Prints resident memory and processor time to make an isolate, and processor time and latency
//! of a call, JSON in and JSON out, that goes round all isolates with 16 in flight. The figures
//! behind the choice in docs/ARCHITECTURE.md.

use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Calls in flight at a time.
const IN_FLIGHT: usize = 16;
/// Calls measured.
const CALLS: usize = 100_000;

const SOURCE: &str = "
  const seen = new Map();
  globalThis.main = (text) => {
    const body = JSON.parse(text);
    seen.set(body.id, (seen.get(body.id) ?? 0) + 1);
    return JSON.stringify({ id: body.id, greeting: `Hello, ${body.name}!` });
  };";

/// An isolate with its function. It is entered for as long as it is used.
struct Resident {
    isolate: v8::OwnedIsolate,
    context: v8::Global<v8::Context>,
    function: v8::Global<v8::Function>,
}

impl Resident {
    fn new() -> Result<Self, Box<dyn Error>> {
        let mut isolate = v8::Isolate::new(v8::CreateParams::default().heap_limits(0, 128 << 20));
        let (context, function) = {
            v8::scope!(let scope, &mut isolate);
            let context = v8::Context::new(scope, v8::ContextOptions::default());
            let scope = &mut v8::ContextScope::new(scope, context);
            let source = v8::String::new(scope, SOURCE).ok_or("no memory")?;
            let script = v8::Script::compile(scope, source, None).ok_or("the source does not compile")?;
            let function: v8::Local<v8::Function> =
                script.run(scope).ok_or("the source does not run")?.try_into()?;
            (v8::Global::new(scope, context), v8::Global::new(scope, function))
        };
        Ok(Self { isolate, context, function })
    }

    fn call(&mut self, body: &str) -> Option<String> {
        v8::scope_with_context!(let scope, &mut self.isolate, &self.context);
        let function = v8::Local::new(scope, &self.function);
        let body = v8::String::new(scope, body)?;
        let undefined = v8::undefined(scope).into();
        let value = function.call(scope, undefined, &[body.into()])?;
        Some(value.to_rust_string_lossy(scope))
    }
}

/// A call of the isolate at a place of its thread, and where the answer goes.
type Call = (usize, String, Sender<Option<String>>);

fn own_thread(calls: &Receiver<Call>, made: &Sender<()>) {
    let Ok(mut resident) = Resident::new() else { return };
    if made.send(()).is_err() {
        return;
    }
    for (_, body, answer) in calls {
        drop(answer.send(resident.call(&body)));
    }
}

fn shared_thread(count: usize, calls: &Receiver<Call>, made: &Sender<()>) {
    let mut residents = Vec::new();
    for _ in 0..count {
        let Ok(resident) = Resident::new() else { return };
        // SAFETY: it was entered when it was made.
        unsafe { resident.isolate.exit() };
        residents.push(resident);
        if made.send(()).is_err() {
            return;
        }
    }
    for (index, body, answer) in calls {
        let resident = &mut residents[index];
        // SAFETY: no other isolate is entered; exited below.
        unsafe { resident.isolate.enter() };
        let value = resident.call(&body);
        // SAFETY: entered above.
        unsafe { resident.isolate.exit() };
        drop(answer.send(value));
    }
    for resident in residents {
        // SAFETY: an isolate has to be the entered one when it goes, and exits itself.
        unsafe { resident.isolate.enter() };
    }
}

/// The way to an isolate's thread, and its place there.
type Way = (Sender<Call>, usize);

/// Starts the isolates; gives for each the way to its thread and its place there.
fn start(model: &str, count: usize) -> Result<Vec<Way>, Box<dyn Error>> {
    let (made, ready) = channel();
    let mut ways = Vec::new();
    match model {
        "threads" => {
            for _ in 0..count {
                let (way, calls) = channel();
                let made = made.clone();
                thread::Builder::new().stack_size(2 << 20).spawn(move || own_thread(&calls, &made))?;
                ways.push((way, 0));
            }
        }
        "shared" => {
            let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(count);
            let mut shared = Vec::new();
            for index in 0..threads {
                let (way, calls) = channel();
                let made = made.clone();
                let own = count / threads + usize::from(index < count % threads);
                thread::Builder::new()
                    .stack_size(2 << 20)
                    .spawn(move || shared_thread(own, &calls, &made))?;
                shared.push(way);
            }
            ways.extend((0..count).map(|index| (shared[index % threads].clone(), index / threads)));
        }
        _ => return Err("the first argument is threads or shared".into()),
    }
    for _ in 0..count {
        ready.recv()?;
    }
    Ok(ways)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().unwrap_or_default();
    let count: usize = arguments.next().unwrap_or_default().parse()?;
    v8::V8::set_flags_from_string("--single-threaded-gc --no-turboshaft-loop-unrolling");
    v8::V8::initialize_platform(v8::new_default_platform(1, false).make_shared());
    v8::V8::initialize();

    let (memory, time) = (resident_bytes()?, processor_time()?);
    let ways = start(&model, count)?;
    let each = |total: Duration| total.as_secs_f64() * 1e6 / count as f64;
    println!(
        "{model} {count}: {:.2} MiB and {:.0} us of processor time an isolate",
        (resident_bytes()?.saturating_sub(memory)) as f64 / count as f64 / f64::from(1 << 20),
        each(processor_time()? - time),
    );

    let (answer, answers) = channel();
    let send = |number: usize| {
        let (way, place) = &ways[number % count];
        let body = format!(r#"{{"id":{},"name":"Ada"}}"#, number % 100);
        drop(way.send((*place, body, answer.clone())));
    };
    let mut sent = std::collections::VecDeque::new();
    let mut latencies = Vec::with_capacity(CALLS);
    let time = processor_time()?;
    for number in 0..CALLS + IN_FLIGHT {
        if number >= IN_FLIGHT {
            answers.recv()?.ok_or("a call failed")?;
            latencies.push(sent.pop_front().map_or(Duration::ZERO, |at: Instant| at.elapsed()));
        }
        if number < CALLS {
            sent.push_back(Instant::now());
            send(number);
        }
    }
    let used = (processor_time()? - time).as_secs_f64() * 1e6 / CALLS as f64;
    latencies.sort();
    println!(
        "  {used:.1} us of processor time a call, median {:?}, p99 {:?}",
        latencies[CALLS / 2],
        latencies[CALLS * 99 / 100]
    );
    println!(
        "  {:.2} MiB an isolate afterwards",
        (resident_bytes()?.saturating_sub(memory)) as f64 / count as f64 / f64::from(1 << 20)
    );
    Ok(())
}

/// Resident memory of this process.
fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? << 10)
}

/// Processor time of all threads of this process so far.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is there and writable.
    if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) } != 0 {
        return Err("the process has no clock".into());
    }
    Ok(Duration::new(time.tv_sec.try_into()?, time.tv_nsec.try_into()?))
}
