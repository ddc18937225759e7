use std::cell::Cell;
use std::rc::Rc;

use rquickjs::allocator::Allocator;

/// Requests up to here are small: the engine makes them while it raises an error, and ends the
/// process if it cannot.
const SMALL: usize = 64 * 1024;
/// What small requests may use past the limit, before running code is told to end and after.
const RESERVE: usize = 16 * 1024 * 1024;

/// How much memory an isolate uses, and whether it went over its limit.
///
/// Past the limit, code is interrupted at its next loop or call. Large requests are refused at
/// once; small ones are served from a reserve until the interrupt is seen, since QuickJS aborts
/// when it has no memory left for settling a promise.
#[derive(Debug)]
pub(crate) struct Usage {
    used: Cell<usize>,
    limit: usize,
    refused: Cell<bool>,
    exhausted: Cell<bool>,
}

impl Usage {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { used: Cell::new(0), limit, refused: Cell::new(false), exhausted: Cell::new(false) }
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// What is in use.
    pub(crate) fn bytes(&self) -> usize {
        self.used.get()
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// Whether `size` bytes more may be had; `old` are given back for them.
    fn admits(&self, size: usize, old: usize) -> bool {
        let after = self.used.get().saturating_sub(old).saturating_add(size);
        if after <= self.limit {
            return true;
        }
        self.exhausted.set(true);
        let reserve = if self.refused.get() { 2 * RESERVE } else { RESERVE };
        let admitted = size <= SMALL && after <= self.limit.saturating_add(reserve);
        if !admitted {
            self.refused.set(true);
        }
        admitted
    }

    fn add(&self, size: usize) {
        self.used.set(self.used.get() + size);
    }

    fn subtract(&self, size: usize) {
        self.used.set(self.used.get().saturating_sub(size));
    }
}

/// The C library's allocator with a count.
pub(crate) struct CountingAllocator {
    usage: Rc<Usage>,
}

impl CountingAllocator {
    pub(crate) const fn new(usage: Rc<Usage>) -> Self {
        Self { usage }
    }

    fn counted(&self, pointer: *mut u8) -> *mut u8 {
        if !pointer.is_null() {
            // SAFETY: the C library has just returned the pointer.
            self.usage.add(unsafe { Self::usable_size(pointer) });
        }
        pointer
    }
}

// SAFETY: memory comes from the C library, whose alignment suffices for every C object and whose
// `malloc_usable_size` is what `usable_size` promises; refusals are null pointers.
unsafe impl Allocator for CountingAllocator {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.usage.admits(size, 0) {
            return std::ptr::null_mut();
        }
        // SAFETY: any size is allowed.
        self.counted(unsafe { libc::malloc(size) }.cast())
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        match count.checked_mul(size) {
            // SAFETY: any size is allowed.
            Some(total) if self.usage.admits(total, 0) => {
                self.counted(unsafe { libc::calloc(count, size) }.cast())
            }
            _ => std::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&mut self, pointer: *mut u8) {
        if pointer.is_null() {
            return;
        }
        // SAFETY: the caller got the pointer from this allocator and gives it up.
        unsafe {
            self.usage.subtract(Self::usable_size(pointer));
            libc::free(pointer.cast());
        }
    }

    unsafe fn realloc(&mut self, pointer: *mut u8, new_size: usize) -> *mut u8 {
        // SAFETY: the caller got the pointer from this allocator, or it is null.
        let old = if pointer.is_null() { 0 } else { unsafe { Self::usable_size(pointer) } };
        if new_size > old && !self.usage.admits(new_size, old) {
            return std::ptr::null_mut();
        }
        // SAFETY: as above; on success the old pointer is not used again.
        let moved: *mut u8 = unsafe { libc::realloc(pointer.cast(), new_size) }.cast();
        if !moved.is_null() {
            self.usage.subtract(old);
            self.counted(moved);
        }
        moved
    }

    unsafe fn usable_size(pointer: *mut u8) -> usize {
        // SAFETY: the caller got the pointer from this allocator.
        unsafe { usable_size(pointer) }
    }
}

#[cfg(target_os = "macos")]
unsafe fn usable_size(pointer: *mut u8) -> usize {
    // SAFETY: the caller got the pointer from the C library.
    unsafe { libc::malloc_size(pointer.cast()) }
}

#[cfg(not(target_os = "macos"))]
unsafe fn usable_size(pointer: *mut u8) -> usize {
    // SAFETY: the caller got the pointer from the C library.
    unsafe { libc::malloc_usable_size(pointer.cast()) }
}
