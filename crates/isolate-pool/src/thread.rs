use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tandem_contract::{Error, ErrorKind, HostValue, Result};

use crate::driver::Driver;
use crate::handle::Handle;
use crate::isolate::{Isolate, IsolateFactory};
use crate::mailbox::Event;
use crate::meter::Meter;
use crate::processor_time;
use crate::scheduling;
use crate::trim;

/// How long an isolate waits before it gives back what it only needs while it runs.
const REST_AFTER: Duration = Duration::from_millis(250);

/// How an isolate's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was evicted or outdated and ran everything to its end.
    Idle,
    /// It went over a limit.
    Discarded,
    /// Its thread had been given up.
    Condemned,
}

/// Makes an isolate on this thread and runs it to its end.
///
/// # Errors
/// `Internal` when the engine cannot make one; everything that was sent to it is answered so.
pub(crate) fn run<F: IsolateFactory>(factory: &F, handle: &Arc<Handle>, driver: Rc<Driver>) -> Result<End> {
    handle.thread.get_or_init(processor_time::this_thread);
    scheduling::run_in_batches();
    scheduling::wake_on_time();
    match factory.create(Rc::clone(&driver)) {
        Ok(isolate) => {
            let end = Loop { isolate, handle, driver, meter: Meter::start(), interrupted: false }.run();
            trim::heap();
            Ok(end)
        }
        Err(error) => {
            handle.retire();
            refuse_all(handle, &driver, &error);
            Err(error)
        }
    }
}

fn refuse_all(handle: &Handle, driver: &Driver, error: &Error) {
    let mut events = VecDeque::new();
    while !handle.is_finished() {
        handle.mailbox.wait(&mut events, None);
        for event in events.drain(..) {
            if let Event::Start(in_flight) = event {
                let slot = in_flight.slot;
                driver.begin(in_flight);
                driver.finish(slot, Err(error.clone()));
            }
        }
    }
}

struct Loop<'a, I> {
    isolate: I,
    handle: &'a Arc<Handle>,
    driver: Rc<Driver>,
    meter: Meter,
    interrupted: bool,
}

impl<I: Isolate> Loop<'_, I> {
    fn run(mut self) -> End {
        let mut events = VecDeque::new();
        let mut now = Instant::now();
        let mut rested = false;
        while !self.handle.is_finished() {
            if !self.handle.mailbox.take(&mut events) {
                self.settle();
                self.meter.rest();
                self.handle.set_without_rest(Duration::ZERO);
                let rest = (!rested).then(|| now + REST_AFTER);
                let until = self.driver.next_timer().into_iter().chain(rest).min();
                self.handle.mailbox.wait(&mut events, until);
                now = Instant::now();
                if !events.is_empty() {
                    rested = false;
                } else if rest.is_some_and(|rest| rest <= now) {
                    self.isolate.rest();
                    self.meter.leave_out();
                    now = Instant::now();
                    rested = true;
                }
            }
            while let Some(event) = events.pop_front() {
                now = self.process(event, now);
                if self.handle.is_condemned() {
                    return End::Condemned;
                }
                if self.isolate.is_exhausted() {
                    return self.exhausted(events);
                }
            }
            while let Some((slot, call)) = self.driver.due_timer(now) {
                let result = Ok(HostValue::Undefined);
                now = self.process(Event::Settle { slot, call, result }, now);
                if self.isolate.is_exhausted() {
                    return self.exhausted(events);
                }
            }
        }
        if self.handle.is_condemned() {
            End::Condemned
        } else if self.interrupted {
            End::Discarded
        } else {
            End::Idle
        }
    }

    /// Runs one event, which begins now; gives the time at its end.
    fn process(&mut self, event: Event, began: Instant) -> Instant {
        let slot = match &event {
            Event::Load(_) | Event::Wake => 0,
            Event::Start(in_flight) => in_flight.slot,
            Event::Settle { slot, .. } | Event::Stop(slot) => *slot,
            Event::Relay(turn) => turn.slot(),
        };
        let charged = match &event {
            Event::Start(in_flight) => Some(Arc::clone(in_flight)),
            _ => self.driver.in_flight(slot),
        };
        self.driver.set_running(slot);
        self.handle.begin_event(began, self.meter.estimate());
        self.dispatch(event);
        self.handle.end_event();
        self.driver.set_running(0);
        self.settle_interrupt();
        let ended = Instant::now();
        if self.meter.add(charged, ended.saturating_duration_since(began)) {
            self.settle();
        }
        ended
    }

    /// Charges invocations for what ran, and stops those that have used up their processor time.
    fn settle(&mut self) {
        for in_flight in self.meter.settle() {
            if !in_flight.is_stopped() {
                in_flight.stop_for_processor_time();
                self.handle.mailbox.push(Event::Stop(in_flight.slot));
            }
        }
        self.handle.set_without_rest(self.meter.without_rest());
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Load(program) => self.isolate.load(program),
            Event::Start(in_flight) => {
                let slot = in_flight.slot;
                let stopped = in_flight.is_stopped();
                self.driver.begin(in_flight);
                if stopped {
                    self.driver.drop_stopped(slot);
                } else {
                    self.isolate.start(slot);
                }
            }
            Event::Settle { slot, call, result } => {
                if self.driver.in_flight(slot).is_some_and(|in_flight| !in_flight.is_stopped()) {
                    self.isolate.settle(slot, call, result);
                }
            }
            Event::Relay(turn) => {
                if let Some(answer) = turn.take() {
                    self.dispatch(answer);
                }
            }
            Event::Stop(slot) => {
                if self.driver.drop_stopped(slot) {
                    self.isolate.forget(slot);
                }
            }
            Event::Wake => {}
        }
    }

    /// After an interrupt no new invocation comes here: what the code was doing when it ended is
    /// not known to be consistent.
    fn settle_interrupt(&mut self) {
        if self.handle.interrupted.lock().take().is_some() {
            self.interrupted = true;
            self.handle.interrupt.clear();
            self.handle.retire();
        }
    }

    fn exhausted(self, events: VecDeque<Event>) -> End {
        self.handle.retire();
        let error = || Error::new(ErrorKind::MemoryLimit, "The function ran out of memory");
        self.driver.fail_all(error);
        drop(self.isolate);
        for event in events {
            if let Event::Start(in_flight) = event {
                let slot = in_flight.slot;
                self.driver.begin(in_flight);
                self.driver.finish(slot, Err(error()));
            }
        }
        refuse_all(self.handle, &self.driver, &error());
        if self.handle.is_condemned() { End::Condemned } else { End::Discarded }
    }
}
