//! Promises that were rejected and that nothing handles yet.

use crate::bindings;

/// A promise without a handler and what it was rejected with.
pub(crate) struct Rejection {
    /// The invocation that rejected it.
    pub(crate) slot: u32,
    promise: v8::Global<v8::Promise>,
    pub(crate) reason: v8::Global<v8::Value>,
}

/// Keeps the promises that were rejected until somebody handles them or the jobs run out.
pub(crate) unsafe extern "C" fn track(message: v8::PromiseRejectMessage) {
    // SAFETY: V8 calls this on the isolate's thread with a live context.
    v8::callback_scope!(unsafe scope, &message);
    let Ok(bindings) = bindings::of(scope) else { return };
    let promise = message.get_promise();
    let mut rejections = bindings.rejections.borrow_mut();
    match message.get_event() {
        v8::PromiseRejectEvent::PromiseRejectWithNoHandler => {
            let Some(reason) = message.get_value() else { return };
            rejections.push(Rejection {
                slot: bindings.current_slot(scope).unwrap_or(0),
                promise: v8::Global::new(scope, promise),
                reason: v8::Global::new(scope, reason),
            });
        }
        v8::PromiseRejectEvent::PromiseHandlerAddedAfterReject => {
            if let Some(index) = rejections.iter().position(|known| known.promise == promise) {
                rejections.swap_remove(index);
            }
        }
        _ => {}
    }
}
