use std::cell::Cell;
use std::rc::Rc;

use rquickjs::allocator::Allocator;
use tandem_isolate_pool::large_blocks;

use crate::arenas::Arenas;
use crate::blocks;

/// Requests up to here are small: the engine makes them while it raises an error, and ends the
/// process if it cannot.
const SMALL: usize = 64 * 1024;
/// What small requests may use past the limit, before running code is told to end and after.
const RESERVE: usize = 16 * 1024 * 1024;

/// Bytes in use from which on running code is held up to collect garbage: four times what an isolate
/// starts with. What is garbage below that goes while the isolate rests.
const COLLECT_FROM: usize = 1 << 20;

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
    preparing: Cell<bool>,
    collect_arrays_from: Cell<usize>,
    arenas: Arenas,
}

impl Usage {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            used: Cell::new(0),
            collect_arrays_from: Cell::new(COLLECT_FROM),
            limit,
            refused: Cell::new(false),
            exhausted: Cell::new(false),
            preparing: Cell::new(true),
            arenas: Arenas::new(),
        }
    }

    /// What is in use.
    pub(crate) fn bytes(&self) -> usize {
        self.used.get()
    }

    /// Bytes in use from which on garbage is worth looking for again, once it has been collected.
    pub(crate) fn collect_from(&self) -> usize {
        COLLECT_FROM.min(self.limit / 2).max(self.bytes().saturating_mul(3) / 2)
    }

    /// Whether garbage is worth looking for before an array buffer gets `size` bytes of the host's:
    /// QuickJS itself looks at what it allocated alone.
    pub(crate) fn should_collect_for(&self, size: usize) -> bool {
        self.bytes().saturating_add(size) > self.collect_arrays_from.get().min(self.limit)
    }

    /// Notes that garbage was collected for an array buffer.
    pub(crate) fn collected_for_array(&self) {
        self.collect_arrays_from.set(self.collect_from());
    }

    /// What is known of the engine's arenas.
    pub(crate) const fn arenas(&self) -> &Arenas {
        &self.arenas
    }

    /// Tells whether the engine is starting or compiling, or runs what a function has it do.
    pub(crate) fn set_preparing(&self, preparing: bool) {
        self.preparing.set(preparing);
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

    /// Counts memory of the host's under an array buffer; `false` when there is not so much left.
    pub(crate) fn take(&self, size: usize) -> bool {
        let admitted = self.admits(size, 0);
        if admitted {
            self.add(size);
        }
        admitted
    }

    /// Counts what was taken no more.
    pub(crate) fn give(&self, size: usize) {
        self.subtract(size);
    }
}

/// Memory of the C library, or of [`blocks`] while the engine prepares something, with a count.
pub(crate) struct CountingAllocator {
    usage: Rc<Usage>,
}

impl CountingAllocator {
    pub(crate) const fn new(usage: Rc<Usage>) -> Self {
        Self { usage }
    }

    fn block(&self, size: usize) -> Option<*mut u8> {
        let block = if self.usage.preparing.get() { blocks::alloc(size) } else { None };
        block.map(std::ptr::NonNull::as_ptr)
    }

    /// Memory that is not counted yet.
    fn obtain(&self, size: usize) -> *mut u8 {
        self.block(size).unwrap_or_else(|| large_blocks::alloc(size))
    }

    fn counted(&self, pointer: *mut u8) -> *mut u8 {
        if !pointer.is_null() {
            // SAFETY: it has just been allocated.
            self.usage.add(unsafe { Self::usable_size(pointer) });
        }
        pointer
    }
}

// SAFETY: what the C library and `blocks` return is at least as long as was asked for and aligned
// for a pointer; `usable_size` knows both kinds; refusals are null pointers.
unsafe impl Allocator for CountingAllocator {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.usage.admits(size, 0) {
            return std::ptr::null_mut();
        }
        if !self.usage.preparing.get() {
            self.usage.arenas.note(size);
        }
        self.counted(self.obtain(size))
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        let Some(total) = count.checked_mul(size).filter(|total| self.usage.admits(*total, 0)) else {
            return std::ptr::null_mut();
        };
        let pointer = match self.block(total) {
            Some(block) => {
                // SAFETY: the block is at least that long.
                unsafe { block.write_bytes(0, total) };
                block
            }
            None => large_blocks::alloc_zeroed(total),
        };
        self.counted(pointer)
    }

    unsafe fn dealloc(&mut self, pointer: *mut u8) {
        if pointer.is_null() {
            return;
        }
        // SAFETY: the caller got the pointer from this allocator and gives it up.
        unsafe {
            let size = Self::usable_size(pointer);
            self.usage.subtract(size);
            if !blocks::free(pointer) {
                large_blocks::free(pointer, size);
            }
        }
    }

    unsafe fn realloc(&mut self, pointer: *mut u8, new_size: usize) -> *mut u8 {
        if pointer.is_null() {
            return self.alloc(new_size);
        }
        // SAFETY: the caller got the pointer from this allocator; on success it is not used again.
        unsafe {
            let old = Self::usable_size(pointer);
            if new_size <= old && blocks::size_of(pointer).is_some() {
                return pointer;
            }
            if new_size > old && !self.usage.admits(new_size, old) {
                return std::ptr::null_mut();
            }
            let is_block = blocks::size_of(pointer).is_some();
            if is_block || (self.usage.preparing.get() && blocks::has(new_size)) {
                let moved = self.obtain(new_size);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(pointer, old.min(new_size));
                    self.dealloc(pointer);
                }
                return self.counted(moved);
            }
            let moved: *mut u8 = libc::realloc(pointer.cast(), new_size).cast();
            if !moved.is_null() {
                self.usage.subtract(old);
                self.counted(moved);
            }
            moved
        }
    }

    unsafe fn usable_size(pointer: *mut u8) -> usize {
        // SAFETY: the caller got the pointer from this allocator.
        blocks::size_of(pointer).unwrap_or_else(|| unsafe { large_blocks::usable_size(pointer) })
    }
}
