use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time that the calling thread has used.
pub(crate) fn of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Identifies the calling thread to [`of_thread`] and to the scheduler.
pub(crate) fn this_thread() -> rustix::thread::Pid {
    rustix::thread::gettid()
}

/// Processor time that another thread of this process has used; `None` where the system does not
/// tell. Linux counts nanoseconds in the first field of `schedstat`.
pub(crate) fn of_thread(thread: rustix::thread::Pid) -> Option<Duration> {
    let path = format!("/proc/self/task/{}/schedstat", thread.as_raw_nonzero());
    let text = std::fs::read_to_string(path).ok()?;
    let nanoseconds = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
