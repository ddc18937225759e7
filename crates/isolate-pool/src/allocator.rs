//! The program's allocator: mimalloc, and large blocks kept for a moment ([`large_blocks`]).
//!
//! A call of the host allocates on the isolate's thread what a thread of the runtime frees, and the other
//! way round, and its future is larger than what the C library keeps per thread; that was an eighth of the
//! processor time of a query.

use std::alloc::{GlobalAlloc, Layout};

use mimalloc::MiMalloc;

use crate::large_blocks::{self, LARGE};

/// What the C library aligns every block to.
const ALIGNMENT: usize = 2 * size_of::<usize>();

/// The allocator. To be a program's `#[global_allocator]`.
#[derive(Debug)]
pub struct Allocator;

const fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= ALIGNMENT
}

// SAFETY: a layout alone tells whose a block is. Large ones are the C library's, at least as long as was asked
// for, aligned as it aligns all, and belong to one user at a time; all others are mimalloc's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return large_blocks::alloc(layout.size());
        }
        // SAFETY: by the trait's contract.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return large_blocks::alloc_zeroed(layout.size());
        }
        // SAFETY: by the trait's contract.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by the trait's contract; a large block holds what the C library says, at least its layout.
        unsafe {
            if is_large(layout) {
                large_blocks::free(block, large_blocks::usable_size(block));
            } else {
                MiMalloc.dealloc(block, layout);
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the trait's contract, which makes the new size a valid one for the alignment; what was
        // taken is as long as the part that is copied and no part of the block.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            let moved = match (is_large(layout), is_large(new)) {
                (false, false) => return MiMalloc.realloc(block, layout, size),
                (true, true) => {
                    let kept = if size >= layout.size() { large_blocks::take(size) } else { None };
                    match kept {
                        Some(kept) => kept,
                        None => return libc::realloc(block.cast(), size).cast(),
                    }
                }
                _ => self.alloc(new),
            };
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::large_blocks::{give_back, kept_bytes};

    /// One test, since all share what is kept.
    #[test]
    fn a_freed_block_is_there_for_a_moment() {
        let layout = |size| Layout::from_size_align(size, 8).unwrap();
        let (first, other) = (3 * LARGE, 5 * LARGE);
        // SAFETY: each block is used within its size and freed once.
        unsafe {
            let block = Allocator.alloc(layout(first));
            block.write_bytes(1, first);
            Allocator.dealloc(block, layout(first));
            // Not for one that would leave most of it unused, or is larger.
            for size in [LARGE, other] {
                let another = Allocator.alloc(layout(size));
                assert_ne!(another, block);
                libc::free(another.cast());
            }
            let again = Allocator.alloc_zeroed(layout(first));
            assert_eq!(again, block);
            assert!(std::slice::from_raw_parts(again, first).iter().all(|byte| *byte == 0));
            // One that grows takes what is kept, and leaves its own.
            again.write(7);
            let longer = Allocator.alloc(layout(other));
            Allocator.dealloc(longer, layout(other));
            let grown = Allocator.realloc(again, layout(first), other);
            assert_eq!((grown, grown.read()), (longer, 7));
            assert_eq!(Allocator.alloc(layout(first)), again);
            Allocator.dealloc(again, layout(first));
            Allocator.dealloc(grown, layout(other));
            assert!(give_back(Duration::from_secs(3600)), "it is too early");
            assert!(!give_back(Duration::ZERO));
            let many: Vec<_> =
                (0..=large_blocks::MOST / other).map(|_| Allocator.alloc(layout(other))).collect();
            for block in many {
                Allocator.dealloc(block, layout(other));
                assert!(kept_bytes() <= large_blocks::MOST);
            }
            assert!(kept_bytes() > large_blocks::MOST - other - LARGE);
            assert!(!give_back(Duration::ZERO));
        }
    }

    #[test]
    fn a_block_that_grows_or_shrinks_keeps_what_it_held() {
        const LONGEST: usize = LARGE + 4096;
        let sizes = [1, 100, 4000, LARGE - 1, LARGE, LONGEST];
        for align in [1, ALIGNMENT, 64, 4096] {
            for (size, other) in sizes.iter().flat_map(|size| sizes.map(|other| (*size, other))) {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: each block is used within its size and freed once, as the size that it has.
                unsafe {
                    let block = Allocator.alloc(layout);
                    block.write_bytes(7, size);
                    let moved = Allocator.realloc(block, layout, other);
                    assert_eq!(moved.addr() % align, 0);
                    let kept = std::slice::from_raw_parts(moved, size.min(other));
                    assert!(kept.iter().all(|byte| *byte == 7), "{size} to {other}, aligned to {align}");
                    moved.write_bytes(7, other);
                    let other = Layout::from_size_align(other, align).unwrap();
                    Allocator.dealloc(moved, other);
                    let zeros = Allocator.alloc_zeroed(other);
                    assert_eq!(zeros.addr() % align, 0);
                    assert!(std::slice::from_raw_parts(zeros, other.size()).iter().all(|byte| *byte == 0));
                    Allocator.dealloc(zeros, other);
                }
            }
        }
    }
}
