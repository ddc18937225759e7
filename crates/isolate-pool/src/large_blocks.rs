//! Large blocks of memory, kept for a moment after they are freed.
//!
//! The system gives memory page by page, each of them cleared: 16 MiB take it longer than many a store
//! needs to send them. Kept for ever, as the C library would, they make a process several times as
//! large as what it uses. So a few are kept, and go back when nobody wanted them for a second
//! ([`trim`]).

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::trim;

/// Blocks of so many bytes are large. Those below are the C library's.
pub const LARGE: usize = 1 << 20;
/// Bytes that are kept at most, enough for a block of 16 MiB with its head, and in how many blocks.
pub(crate) const MOST: usize = 17 << 20;
const BLOCKS: usize = 17;
/// A block that is free.
#[derive(Clone, Copy)]
struct Kept {
    address: usize,
    size: usize,
    since: Instant,
}

/// The blocks that are kept, and their bytes in all.
static KEPT: Mutex<([Option<Kept>; BLOCKS], usize)> = Mutex::new(([None; BLOCKS], 0));

/// A block of any size, of memory that may hold anything; null where there is none.
///
/// It is a block of the C library's, and may be given to `realloc` and `free` too.
pub fn alloc(size: usize) -> *mut u8 {
    // SAFETY: any size is allowed.
    take(size).unwrap_or_else(|| unsafe { libc::malloc(size) }.cast())
}

/// A block of zeros, of any size; null where there is none.
pub fn alloc_zeroed(size: usize) -> *mut u8 {
    match take(size) {
        Some(block) => {
            // SAFETY: the block is at least that long, and nobody else has it.
            unsafe { block.write_bytes(0, size) };
            block
        }
        // SAFETY: any size is allowed.
        None => unsafe { libc::calloc(1, size) }.cast(),
    }
}

/// Frees a block, or keeps it for the next.
///
/// # Safety
/// `block` is one of the C library's that nobody uses any more, and holds `size` bytes.
pub unsafe fn free(block: *mut u8, size: usize) {
    if keep(block, size) {
        trim::start();
    } else {
        // SAFETY: by the contract above.
        unsafe { libc::free(block.cast()) };
    }
}

/// A kept block of the size asked for, or a little more: the rest would be lost to its user.
pub(crate) fn take(size: usize) -> Option<*mut u8> {
    if size < LARGE {
        return None;
    }
    let mut kept = KEPT.lock();
    let (blocks, all) = &mut *kept;
    let fits = |block: &Kept| (size..=size.saturating_add(size / 8)).contains(&block.size);
    let slot = blocks
        .iter_mut()
        .filter(|slot| slot.as_ref().is_some_and(fits))
        .min_by_key(|slot| slot.map_or(0, |block| block.size))?;
    let block = slot.take()?;
    *all -= block.size;
    Some(std::ptr::with_exposed_provenance_mut(block.address))
}

fn keep(block: *mut u8, size: usize) -> bool {
    if size < LARGE {
        return false;
    }
    let mut kept = KEPT.lock();
    let (blocks, all) = &mut *kept;
    let Some(slot) = blocks.iter_mut().find(|slot| slot.is_none()).filter(|_| *all + size <= MOST) else {
        return false;
    };
    *slot = Some(Kept { address: block.expose_provenance(), size, since: Instant::now() });
    *all += size;
    true
}

/// Gives back what nobody wanted for so long; tells whether anything is left.
pub(crate) fn give_back(after: Duration) -> bool {
    let mut kept = KEPT.lock();
    let (blocks, all) = &mut *kept;
    for slot in blocks.iter_mut() {
        if let Some(block) = slot.take_if(|block| block.since.elapsed() >= after) {
            *all -= block.size;
            // SAFETY: `free` was given it, and nobody can take it any more.
            unsafe { libc::free(std::ptr::with_exposed_provenance_mut(block.address)) };
        }
    }
    *all > 0
}

/// What a block holds, which may be more than was asked for.
///
/// # Safety
/// `block` is one of the C library's and in use.
#[cfg(not(target_os = "macos"))]
pub unsafe fn usable_size(block: *mut u8) -> usize {
    // SAFETY: by the contract above.
    unsafe { libc::malloc_usable_size(block.cast()) }
}

/// What a block holds, which may be more than was asked for.
///
/// # Safety
/// `block` is one of the C library's and in use.
#[cfg(target_os = "macos")]
pub unsafe fn usable_size(block: *mut u8) -> usize {
    // SAFETY: by the contract above.
    unsafe { libc::malloc_size(block.cast()) }
}

/// Bytes that are kept.
#[cfg(test)]
pub(crate) fn kept_bytes() -> usize {
    KEPT.lock().1
}
