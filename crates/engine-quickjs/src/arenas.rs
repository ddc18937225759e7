//! Arenas that stay while an isolate works.
//!
//! QuickJS cuts small blocks from arenas, each for blocks of one size, and gives an arena back when
//! its last block is freed. With one small request after the other, the arenas for what a request
//! makes would be made for each of them: a block taken from each arena and not given back keeps it.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;

use rquickjs::qjs;

/// Sizes of blocks with their heads, in bytes (`arena_block_sizes` in quickjs.c).
const BLOCKS: [usize; 31] = [
    16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 144, 160, 176, 192, 208, 224, 240, 256,
    288, 320, 352, 384, 416, 448, 480, 512,
];
/// The head of a block (`JSMallocBlockHeader`).
const BLOCK_HEAD: usize = 8;
/// The head of an arena (`JSArena`).
const ARENA_HEAD: usize = 40;
/// What an arena may have in all (`JS_ARENA_SIZE`).
const ARENA: usize = 4096;

/// Arenas made until those that were made over and over are looked for.
const LOOK_AFTER: u32 = 32;
/// An arena that was made so often meanwhile is one to keep.
const OFTEN: u8 = 6;
/// Arenas of one size that are kept.
const MOST: u8 = 4;

/// Bytes that the engine asks for to make an arena for blocks of the size with that index.
const fn arena_size(index: usize) -> usize {
    ARENA_HEAD + (ARENA - ARENA_HEAD) / BLOCKS[index] * BLOCKS[index]
}

/// The least that an arena may have.
const SMALLEST: usize = ARENA - 512;

/// What is known of an isolate's arenas.
#[derive(Debug)]
pub(crate) struct Arenas {
    /// Made since the last look.
    made: Cell<u32>,
    /// Of those, by the index of their blocks' size.
    made_by_size: RefCell<[u8; BLOCKS.len()]>,
    kept_by_size: RefCell<[u8; BLOCKS.len()]>,
    /// Blocks that keep arenas.
    kept: RefCell<Vec<*mut c_void>>,
}

impl Arenas {
    pub(crate) const fn new() -> Self {
        Self {
            made: Cell::new(0),
            made_by_size: RefCell::new([0; BLOCKS.len()]),
            kept_by_size: RefCell::new([0; BLOCKS.len()]),
            kept: RefCell::new(Vec::new()),
        }
    }

    /// Notes that the engine asked for so many bytes, which may be for an arena.
    pub(crate) fn note(&self, bytes: usize) {
        if !(SMALLEST..=ARENA).contains(&bytes) {
            return;
        }
        self.made.set(self.made.get() + 1);
        let mut made = self.made_by_size.borrow_mut();
        for (index, made) in made.iter_mut().enumerate() {
            if arena_size(index) == bytes {
                *made = made.saturating_add(1);
            }
        }
    }

    /// Keeps those that are made over and over. To be called when no script runs.
    ///
    /// # Safety
    /// `runtime` is the one whose arenas are noted here and is alive.
    pub(crate) unsafe fn keep(&self, runtime: *mut qjs::JSRuntime) {
        if self.made.get() < LOOK_AFTER {
            return;
        }
        let made = self.made_by_size.replace([0; BLOCKS.len()]);
        for (index, made) in made.into_iter().enumerate() {
            let kept = self.kept_by_size.borrow()[index];
            if made < OFTEN || kept == MOST {
                continue;
            }
            // SAFETY: by the contract above.
            if let Some(block) = unsafe { self.first_block(runtime, index) } {
                self.kept.borrow_mut().push(block);
                self.kept_by_size.borrow_mut()[index] = kept + 1;
            }
        }
        // Those made while looking do not count.
        self.made_by_size.replace([0; BLOCKS.len()]);
        self.made.set(0);
    }

    /// The first block of a new arena.
    unsafe fn first_block(&self, runtime: *mut qjs::JSRuntime, index: usize) -> Option<*mut c_void> {
        let size = BLOCKS[index];
        let before = self.made.get();
        let mut others = Vec::new();
        let mut first = None;
        // SAFETY: by the caller's contract; every block but the first of an arena is given back.
        unsafe {
            // As many as would fill two arenas that have room still.
            for _ in 0..=2 * ARENA / size {
                let block = qjs::js_malloc_rt(runtime, (size - BLOCK_HEAD) as _);
                if block.is_null() {
                    break;
                }
                if self.made.get() > before {
                    first = Some(block);
                    break;
                }
                others.push(block);
            }
            for block in others {
                qjs::js_free_rt(runtime, block);
            }
        }
        first
    }

    /// Gives all that is kept back.
    ///
    /// # Safety
    /// As for [`Self::keep`].
    pub(crate) unsafe fn give_back(&self, runtime: *mut qjs::JSRuntime) {
        for block in self.kept.take() {
            // SAFETY: by the contract above; a block is given back once.
            unsafe { qjs::js_free_rt(runtime, block) };
        }
        self.kept_by_size.replace([0; BLOCKS.len()]);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use rquickjs::{Context, Runtime};

    use super::*;
    use crate::memory::{CountingAllocator, Usage};

    /// The sizes above are the engine's own, and what is kept is given back.
    #[test]
    fn arenas_of_every_size_are_known_and_kept() {
        let usage = Rc::new(Usage::new(64 << 20));
        let runtime = Runtime::new_with_alloc(CountingAllocator::new(Rc::clone(&usage))).unwrap();
        let context = Context::full(&runtime).unwrap();
        usage.set_preparing(false);
        // SAFETY: the runtime is the one that notes its arenas here, and runs nothing.
        context.with(|context| unsafe {
            let engine = qjs::JS_GetRuntime(context.as_raw().as_ptr());
            let arenas = usage.arenas();
            for (index, size) in BLOCKS.into_iter().enumerate() {
                arenas.made_by_size.replace([0; BLOCKS.len()]);
                let block = arenas.first_block(engine, index).unwrap();
                assert_eq!(arenas.made_by_size.borrow()[index], 1, "blocks of {size} bytes");
                qjs::js_free_rt(engine, block);
            }
            arenas.made.set(LOOK_AFTER);
            arenas.made_by_size.replace([OFTEN; BLOCKS.len()]);
            let before = usage.bytes();
            arenas.keep(engine);
            assert_eq!(arenas.kept.borrow().len(), BLOCKS.len());
            assert!(usage.bytes() > before + BLOCKS.len() * SMALLEST / 2);
            arenas.give_back(engine);
            assert!(usage.bytes() <= before, "{} bytes stay", usage.bytes() - before);
        });
    }
}
