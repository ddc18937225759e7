//! How much memory an isolate uses: its heap as V8 counts it, and array buffers as they are
//! allocated here.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::overshoot::Permit;

/// How far the heap may grow past its limit until code is seen to end. V8 ends the process when
/// it cannot have what it asks for, the largest of which is an array's elements of 1 GiB, beside
/// those they are copied from.
const OVERSHOOT: usize = 2 << 30;

/// How much memory an isolate uses, and whether it went over its limit.
pub(crate) struct Usage {
    limit: usize,
    /// Bytes of array buffers.
    buffers: AtomicUsize,
    /// Bytes of the heap after its last full collection.
    heap: AtomicUsize,
    /// The last request for an array buffer was refused. V8 collects garbage and asks again.
    refused: AtomicBool,
    exhausted: AtomicBool,
    isolate: OnceLock<v8::IsolateHandle>,
    permit: Mutex<Option<Permit>>,
}

impl Usage {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            buffers: AtomicUsize::new(0),
            heap: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
            exhausted: AtomicBool::new(false),
            isolate: OnceLock::new(),
            permit: Mutex::new(None),
        }
    }

    /// Whether the isolate has to go.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed) || self.refused.load(Ordering::Relaxed)
    }

    /// Ends the code that runs; the isolate has to go.
    pub(crate) fn exhaust(&self) {
        self.exhausted.store(true, Ordering::Relaxed);
        self.ask_to_end();
    }

    /// Counts `length` bytes; `false` when they cannot be had.
    pub(crate) fn take(&self, length: usize) -> bool {
        let heap = self.heap.load(Ordering::Relaxed);
        let before = self.buffers.fetch_add(length, Ordering::Relaxed);
        let fits = before.saturating_add(length).saturating_add(heap) <= self.limit;
        if !fits {
            self.give(length);
        }
        fits
    }

    pub(crate) fn give(&self, length: usize) {
        self.buffers.fetch_sub(length, Ordering::Relaxed);
    }

    fn allocate(&self, length: usize, zeroed: bool) -> *mut c_void {
        let fits = self.take(length);
        self.refused.store(!fits, Ordering::Relaxed);
        if !fits {
            // The code ends if this was the last try.
            self.ask_to_end();
            return std::ptr::null_mut();
        }
        // SAFETY: `calloc` and `malloc` take any size.
        unsafe { if zeroed { libc::calloc(length.max(1), 1) } else { libc::malloc(length.max(1)) } }
    }

    /// Has code end at its next look, if memory is still out then.
    fn ask_to_end(&self) {
        if let Some(isolate) = self.isolate.get() {
            isolate.request_interrupt(end_if_exhausted, std::ptr::from_ref(self).cast_mut().cast());
        }
    }

    fn measure(&self, heap: usize) {
        self.heap.store(heap, Ordering::Relaxed);
        if heap.saturating_add(self.buffers.load(Ordering::Relaxed)) > self.limit {
            self.exhaust();
        }
    }

    /// The limit of the heap from now on.
    fn near_limit(&self, current: usize) -> usize {
        self.exhaust();
        let mut permit = self.permit.lock();
        if permit.is_some() {
            return current;
        }
        *permit = Some(Permit::wait());
        current.saturating_add(OVERSHOOT)
    }

    /// The isolate is gone or lost.
    pub(crate) fn end_overshoot(&self) {
        *self.permit.lock() = None;
    }
}

/// Gives an isolate's array buffers their memory.
pub(crate) fn allocator(usage: &Arc<Usage>) -> v8::UniqueRef<v8::Allocator> {
    // SAFETY: the table's functions take the handle for the `Usage` that it is, and `forget`
    // gives this count of it back.
    unsafe { v8::new_rust_allocator(Arc::into_raw(Arc::clone(usage)), &ALLOCATOR) }
}

static ALLOCATOR: v8::RustAllocatorVtable<Usage> =
    v8::RustAllocatorVtable { allocate, allocate_uninitialized, free, drop: forget };

unsafe extern "C" fn allocate(usage: &Usage, length: usize) -> *mut c_void {
    usage.allocate(length, true)
}

unsafe extern "C" fn allocate_uninitialized(usage: &Usage, length: usize) -> *mut c_void {
    usage.allocate(length, false)
}

unsafe extern "C" fn free(usage: &Usage, data: *mut c_void, length: usize) {
    // SAFETY: V8 gives back what `Usage::allocate` gave it.
    unsafe { libc::free(data) };
    usage.give(length);
}

unsafe extern "C" fn forget(usage: *const Usage) {
    // SAFETY: `allocator` gave V8 this count.
    drop(unsafe { Arc::from_raw(usage) });
}

unsafe extern "C" fn end_if_exhausted(_: v8::UnsafeRawIsolatePtr, usage: *mut c_void) {
    // SAFETY: the isolate, which runs this, holds the usage.
    let usage = unsafe { &*usage.cast::<Usage>() };
    if usage.is_exhausted()
        && let Some(isolate) = usage.isolate.get()
    {
        usage.exhausted.store(true, Ordering::Relaxed);
        isolate.terminate_execution();
    }
}

/// Keeps `isolate` to the limit of `usage`, which must outlive it.
pub(crate) fn watch(isolate: &mut v8::Isolate, usage: &Arc<Usage>) {
    usage.isolate.get_or_init(|| isolate.thread_safe_handle());
    let data = Arc::as_ptr(usage).cast_mut().cast::<c_void>();
    isolate.add_near_heap_limit_callback(near_limit, data);
    isolate.add_gc_epilogue_callback(collected, data, v8::GCType::kGCTypeMarkSweepCompact);
    isolate.set_oom_error_handler(crate::fatal::out_of_memory);
}

unsafe extern "C" fn near_limit(usage: *mut c_void, current: usize, _: usize) -> usize {
    // SAFETY: by the contract of `watch`.
    unsafe { &*usage.cast::<Usage>() }.near_limit(current)
}

unsafe extern "C" fn collected(
    isolate: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    usage: *mut c_void,
) {
    // SAFETY: V8 calls this on the isolate's thread; `usage` by the contract of `watch`.
    let (mut isolate, usage) =
        unsafe { (v8::Isolate::from_raw_isolate_ptr(isolate), &*usage.cast::<Usage>()) };
    usage.measure(isolate.get_heap_statistics().used_heap_size());
}
