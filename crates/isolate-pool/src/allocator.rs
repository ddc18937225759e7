//! The program's allocator: the C library's, with large blocks kept for a moment ([`large_blocks`]) and a
//! quicker way to blocks of a wider alignment.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::large_blocks::{self, LARGE};

/// What the C library aligns every block to.
const ALIGNMENT: usize = 2 * size_of::<usize>();
/// The widest alignment that is made here, which the tasks of the async runtime have: there is one for
/// every call of the host. The C library would cut such a block out of a larger one and free the rest
/// each time, past its caches.
const WIDEST: usize = 128;
/// Blocks of a wider alignment that are larger than this are the C library's affair.
const MOST: usize = 4096;

/// The allocator. To be a program's `#[global_allocator]`.
#[derive(Debug)]
pub struct Allocator;

const fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= ALIGNMENT
}

const fn is_wide(layout: Layout) -> bool {
    layout.align() > ALIGNMENT && layout.align() <= WIDEST && layout.size() <= MOST
}

/// The block of the C library's that one of `layout` lies in.
const fn around(layout: Layout) -> Layout {
    // SAFETY: both parts are small, and the alignment is a power of two.
    unsafe { Layout::from_size_align_unchecked(layout.size() + layout.align(), ALIGNMENT) }
}

/// A block that begins later in one of the C library's. The byte before it tells how much later.
unsafe fn alloc_wide(layout: Layout) -> *mut u8 {
    // SAFETY: the size is not zero. What is skipped is a multiple of the C library's alignment, at least
    // one and at most `layout.align()`, which are the bytes that were added.
    unsafe {
        let block = System.alloc(around(layout));
        if block.is_null() {
            return block;
        }
        let skipped = layout.align() - block.addr() % layout.align();
        let wide = block.add(skipped);
        wide.sub(1).write(skipped as u8);
        wide
    }
}

unsafe fn free_wide(wide: *mut u8, layout: Layout) {
    // SAFETY: by the caller's contract `alloc_wide` made it, for this layout.
    unsafe {
        let skipped = usize::from(wide.sub(1).read());
        System.dealloc(wide.sub(skipped), around(layout));
    }
}

// SAFETY: what is neither large nor wide is the system's own. Large blocks are at least as long as was asked
// for, aligned as the C library aligns all, and belong to one user at a time; the system's allocator takes
// such blocks from `malloc` as well, so that its `realloc` may have them. A wide block lies in one that is
// its user's alone, and its layout tells that it is wide.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the trait's contract.
        unsafe {
            match layout {
                layout if is_large(layout) => large_blocks::alloc(layout.size()),
                layout if is_wide(layout) => alloc_wide(layout),
                layout => System.alloc(layout),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the trait's contract; a wide block is as long as its layout says.
        unsafe {
            match layout {
                layout if is_large(layout) => large_blocks::alloc_zeroed(layout.size()),
                layout if is_wide(layout) => {
                    let block = alloc_wide(layout);
                    if !block.is_null() {
                        block.write_bytes(0, layout.size());
                    }
                    block
                }
                layout => System.alloc_zeroed(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by the trait's contract; a block holds what the C library says, at least its layout.
        unsafe {
            match layout {
                layout if is_large(layout) => large_blocks::free(block, large_blocks::usable_size(block)),
                layout if is_wide(layout) => free_wide(block, layout),
                layout => System.dealloc(block, layout),
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the trait's contract, which makes the new size a valid one for the alignment; what was
        // taken is as long as the part that is copied and no part of the block.
        unsafe {
            let moves = if layout.align() > ALIGNMENT {
                let new = Layout::from_size_align_unchecked(size, layout.align());
                (is_wide(layout) || is_wide(new)).then(|| self.alloc(new))
            } else if size >= layout.size() {
                large_blocks::take(size)
            } else {
                None
            };
            match moves {
                Some(new) if new.is_null() => new,
                Some(new) => {
                    new.copy_from_nonoverlapping(block, layout.size().min(size));
                    self.dealloc(block, layout);
                    new
                }
                None => System.realloc(block, layout, size),
            }
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
    fn a_wide_block_is_aligned_and_whole() {
        let sizes = [1, 64, 100, 1000, MOST - 1, MOST, MOST + 1, 3 * MOST];
        for align in [32, 64, WIDEST, 4 * WIDEST] {
            for size in sizes {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: each block is used within its size and freed once, as the size that it has.
                unsafe {
                    let blocks: Vec<_> = (0..20).map(|_| Allocator.alloc(layout)).collect();
                    for (at, block) in (0..).zip(&blocks) {
                        assert_eq!(block.addr() % align, 0);
                        block.write_bytes(at, size);
                    }
                    for (at, block) in (0..).zip(blocks) {
                        // Larger and smaller, over the limit of what is made here both ways.
                        let other = sizes[usize::from(at) % sizes.len()];
                        let moved = Allocator.realloc(block, layout, other);
                        assert_eq!(moved.addr() % align, 0);
                        let kept = std::slice::from_raw_parts(moved, size.min(other));
                        assert!(kept.iter().all(|byte| *byte == at));
                        Allocator.dealloc(moved, Layout::from_size_align(other, align).unwrap());
                    }
                    let zeros = Allocator.alloc_zeroed(layout);
                    assert!(std::slice::from_raw_parts(zeros, size).iter().all(|byte| *byte == 0));
                    Allocator.dealloc(zeros, layout);
                }
            }
        }
    }
}
