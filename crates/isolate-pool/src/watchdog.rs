use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::handle::Handle;
use crate::in_flight::InFlight;
use crate::mailbox::Event;
use crate::processor_time;

/// How often running code is looked at. Limits are kept to within about twice this.
pub(crate) const PERIOD: Duration = Duration::from_millis(10);

/// What the watchdog finds about one isolate's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Leave it alone.
    Fine,
    /// It did not yield: give it up.
    Condemned,
}

/// Looks at one thread: enforces the limit on processor time, asks code to end that works for an
/// invocation that is over, and gives up a thread that does not yield.
pub(crate) fn inspect(handle: &Handle, grace: Duration) -> Verdict {
    let Some((busy_for, processor_time_at_start)) = handle.busy() else { return Verdict::Fine };
    if busy_for < PERIOD {
        return Verdict::Fine;
    }
    // What it tells is read at the next look.
    handle.interrupt.nudge();
    let Some(in_flight) = handle.running() else { return Verdict::Fine };
    if !in_flight.is_stopped() && over_processor_time(handle, &in_flight, busy_for, processor_time_at_start) {
        in_flight.stop_for_processor_time();
        handle.mailbox.push(Event::Stop(in_flight.slot));
    }
    if !in_flight.is_stopped() {
        return Verdict::Fine;
    }
    handle.mark_stuck();
    let mut interrupted = handle.interrupted.lock();
    match *interrupted {
        Some((slot, since)) if slot == in_flight.slot => {
            if since.elapsed() > grace {
                Verdict::Condemned
            } else {
                // Other code may have run when it was first asked.
                handle.interrupt(in_flight.slot);
                Verdict::Fine
            }
        }
        _ => {
            *interrupted = Some((in_flight.slot, Instant::now()));
            handle.interrupt(in_flight.slot);
            Verdict::Fine
        }
    }
}

/// The system is asked only when the time on the clock, which is never less, would not suffice.
fn over_processor_time(
    handle: &Handle,
    in_flight: &Arc<InFlight>,
    busy_for: Duration,
    processor_time_at_start: Duration,
) -> bool {
    if !in_flight.exceeds_processor_time(busy_for) {
        return false;
    }
    let now = handle.thread.get().and_then(|thread| processor_time::of_thread(*thread));
    let used = now.map_or(busy_for, |now| now.saturating_sub(processor_time_at_start));
    in_flight.exceeds_processor_time(used)
}
