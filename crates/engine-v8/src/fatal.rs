//! What V8 does where it cannot go on: it would end the process. Whatever code can bring about costs
//! its thread instead, which answers what is in flight there and stays where it is for ever. Only a
//! broken invariant of V8 itself still ends the process: nothing after it could be trusted.

use std::ffi::{c_char, c_int};

use crate::isolate::lose_current;

/// How V8 begins what it says of sizes that code asks for and its objects cannot have.
const INVALID_SIZE: &str = "Fatal JavaScript invalid size error";

/// Takes over V8's ways of ending the process; V8 has not started yet.
pub(crate) fn take_over() {
    v8::V8::set_fatal_error_handler(check_failed);
    // Sizes that V8 refuses last of all come by no handler: it says so and traps.
    #[expect(unsafe_code, reason = "no crate here sets a handler that does not return")]
    // SAFETY: the structure is plain data, its handler has the form that the flags ask for, and it
    // runs where V8 traps, which is like a call: V8 holds no lock of ours there.
    let failed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = trapped as extern "C" fn(c_int) as libc::sighandler_t;
        libc::sigaction(libc::SIGTRAP, &raw const action, std::ptr::null_mut()) != 0
    };
    debug_assert!(!failed, "SIGTRAP can be handled");
}

/// V8 has no memory left.
pub(crate) unsafe extern "C" fn out_of_memory(_: *const c_char, _: &v8::OomDetails) {
    lose_current();
    stay();
}

fn check_failed(file: &str, line: i32, message: &str) {
    if message.starts_with(INVALID_SIZE) && lose_current() {
        stay();
    }
    eprintln!("V8 at {file}:{line}: {message}");
    std::process::abort();
}

extern "C" fn trapped(signal: c_int) {
    if lose_current() {
        stay();
    }
    // Not a thread of an isolate. The process ends as soon as this returns.
    #[expect(unsafe_code, reason = "no crate here wraps the call")]
    // SAFETY: the call may be made in a handler.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
    }
}

fn stay() -> ! {
    loop {
        std::thread::park();
    }
}
