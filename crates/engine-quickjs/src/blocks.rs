//! Blocks of middle size that all isolates share.
//!
//! Starting an isolate and compiling a function allocate some forty blocks of 513 to 1032 bytes and
//! free half of them soon. glibc keeps such blocks for the thread that freed them, up to seven of
//! each size, and every isolate has a thread: 20 KiB of each that no other could use. Here freed
//! blocks go to whoever asks next, and empty chunks back to the system.
//!
//! What functions allocate while they run comes from the C library: it takes no lock.

use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;

/// The longest block; glibc keeps none that are longer.
const LONGEST: usize = 1032;
/// The shortest: QuickJS cuts smaller ones from blocks of its own.
const SHORTEST: usize = 513;

/// Sizes of blocks.
const CLASSES: [usize; 8] = [576, 640, 704, 768, 832, 896, 960, 1032];
/// Bytes that are cut into blocks of one size.
const CHUNK: usize = 64 * 1024;
/// Chunks at most: address space, not memory. Beyond that the C library serves.
const CHUNKS: usize = 8192;

/// Marks a chunk that is not cut.
const UNCUT: u8 = u8::MAX;

struct Blocks {
    /// Where the chunks lie, one after the other.
    base: NonNull<u8>,
    /// The class of each chunk; read without the lock for chunks that hold live blocks.
    classes: Box<[AtomicU8]>,
    state: Mutex<State>,
}

// SAFETY: the memory behind `base` is handed out in disjoint pieces, under the lock.
unsafe impl Send for Blocks {}
// SAFETY: as above.
unsafe impl Sync for Blocks {}

#[derive(Default)]
struct State {
    /// Chunks cut so far, by number.
    chunks: Vec<Chunk>,
    /// Chunks that were emptied.
    empty: Vec<usize>,
    /// For each class the chunks that have room.
    roomy: [Vec<usize>; CLASSES.len()],
}

#[derive(Default)]
struct Chunk {
    /// Freed blocks, as offsets.
    free: Vec<u32>,
    /// Offset of what was never handed out.
    next: usize,
    used: usize,
}

static BLOCKS: OnceLock<Option<Blocks>> = OnceLock::new();

fn blocks() -> Option<&'static Blocks> {
    BLOCKS.get_or_init(Blocks::reserve).as_ref()
}

/// Whether blocks of `size` bytes are made here.
pub(crate) fn has(size: usize) -> bool {
    (SHORTEST..=LONGEST).contains(&size)
}

/// A block of at least `size` bytes; `None` for other sizes and when there is no room.
pub(crate) fn alloc(size: usize) -> Option<NonNull<u8>> {
    if !has(size) {
        return None;
    }
    blocks()?.alloc(CLASSES.partition_point(|block| *block < size))
}

/// How long the block at `pointer` is; `None` if it did not come from here.
pub(crate) fn size_of(pointer: *const u8) -> Option<usize> {
    let blocks = BLOCKS.get()?.as_ref()?;
    let class = blocks.classes.get(blocks.offset(pointer)? / CHUNK)?.load(Ordering::Relaxed);
    CLASSES.get(usize::from(class)).copied()
}

/// Takes a block back; `false` if it did not come from here.
///
/// # Safety
/// A pointer that [`alloc`] returned is given back once and not used again.
pub(crate) unsafe fn free(pointer: *mut u8) -> bool {
    let Some(blocks) = BLOCKS.get().and_then(Option::as_ref) else { return false };
    let Some(offset) = blocks.offset(pointer) else { return false };
    blocks.free(offset);
    true
}

impl Blocks {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn reserve() -> Option<Self> {
        // SAFETY: a new mapping, of address space alone until it is touched.
        let base = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            libc::mmap(std::ptr::null_mut(), CHUNKS * CHUNK, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
        };
        if base == libc::MAP_FAILED {
            return None;
        }
        let classes = (0..CHUNKS).map(|_| AtomicU8::new(UNCUT)).collect();
        Some(Self { base: NonNull::new(base.cast())?, classes, state: Mutex::default() })
    }

    /// Other C libraries keep nothing for a thread.
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    const fn reserve() -> Option<Self> {
        None
    }

    fn offset(&self, pointer: *const u8) -> Option<usize> {
        let offset = pointer.addr().checked_sub(self.base.addr().get())?;
        (offset < CHUNKS * CHUNK).then_some(offset)
    }

    fn alloc(&self, class: usize) -> Option<NonNull<u8>> {
        let size = *CLASSES.get(class)?;
        let mut state = self.state.lock();
        let state = &mut *state;
        let number = match state.roomy[class].last() {
            Some(number) => *number,
            None => {
                let number = state.empty.pop().unwrap_or_else(|| {
                    state.chunks.push(Chunk::default());
                    state.chunks.len() - 1
                });
                if number >= CHUNKS {
                    state.chunks.pop();
                    return None;
                }
                self.classes[number].store(u8::try_from(class).ok()?, Ordering::Relaxed);
                state.roomy[class].push(number);
                number
            }
        };
        let chunk = &mut state.chunks[number];
        let offset = match chunk.free.pop() {
            Some(offset) => offset as usize,
            None => {
                let offset = chunk.next;
                chunk.next += size;
                offset
            }
        };
        chunk.used += 1;
        if chunk.is_full(size) {
            state.roomy[class].pop();
        }
        // SAFETY: within the mapping.
        Some(unsafe { self.base.add(number * CHUNK + offset) })
    }

    fn free(&self, offset: usize) {
        let number = offset / CHUNK;
        let class = usize::from(self.classes[number].load(Ordering::Relaxed));
        let Some(size) = CLASSES.get(class).copied() else { return };
        let mut state = self.state.lock();
        let state = &mut *state;
        let chunk = &mut state.chunks[number];
        let was_full = chunk.is_full(size);
        chunk.used -= 1;
        if chunk.used > 0 {
            // A chunk is 64 KiB: its offsets fit.
            chunk.free.extend(u32::try_from(offset % CHUNK));
            if was_full {
                state.roomy[class].push(number);
            }
            return;
        }
        *chunk = Chunk::default();
        state.roomy[class].retain(|other| *other != number);
        state.empty.push(number);
        self.classes[number].store(UNCUT, Ordering::Relaxed);
        self.give_back(number);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn give_back(&self, number: usize) {
        // SAFETY: the chunk lies within the mapping and no block of it is in use. Should the call
        // fail, its pages stay.
        unsafe { libc::madvise(self.base.add(number * CHUNK).as_ptr().cast(), CHUNK, libc::MADV_DONTNEED) };
    }

    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    const fn give_back(&self, _: usize) {}
}

impl Chunk {
    fn is_full(&self, size: usize) -> bool {
        self.free.is_empty() && self.next + size > CHUNK
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

    use super::*;

    /// A small generator, so that the test needs no crate.
    fn random(state: &mut u64) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*state >> 33).unwrap()
    }

    fn churn(seed: u64) {
        let mut state = seed;
        let mut live: Vec<(NonNull<u8>, usize, u8)> = Vec::new();
        for step in 0..20_000 {
            let grows = (step / 2_000) % 2 == 0;
            if live.is_empty() || random(&mut state) % 3 < if grows { 2 } else { 1 } {
                let size = SHORTEST + random(&mut state) % (LONGEST - SHORTEST + 1);
                let block = alloc(size).unwrap();
                assert!(size_of(block.as_ptr()).unwrap() >= size);
                let mark = u8::try_from(random(&mut state) % 256).unwrap();
                // SAFETY: the block is that long.
                unsafe { block.write_bytes(mark, size) };
                live.push((block, size, mark));
            } else {
                let (block, size, mark) = live.swap_remove(random(&mut state) % live.len());
                // SAFETY: the block is still ours; what nobody else wrote is what we wrote.
                unsafe {
                    let bytes = std::slice::from_raw_parts(block.as_ptr(), size);
                    assert!(bytes.iter().all(|byte| *byte == mark), "somebody else has the block too");
                    assert!(free(block.as_ptr()));
                }
            }
        }
        for (block, _, _) in live {
            // SAFETY: each is given back once.
            assert!(unsafe { free(block.as_ptr()) });
        }
    }

    #[test]
    fn nobody_shares_a_block() {
        std::thread::scope(|scope| {
            for seed in 1..=4 {
                scope.spawn(move || churn(seed));
            }
        });
        let state = blocks().unwrap().state.lock();
        assert!(state.chunks.iter().all(|chunk| chunk.used == 0));
        assert!(state.roomy.iter().all(Vec::is_empty), "empty chunks belong to no size");
    }

    #[test]
    fn other_sizes_and_other_pointers_are_not_ours() {
        assert!(alloc(SHORTEST - 1).is_none() && alloc(LONGEST + 1).is_none());
        let other = Box::new(0_u8);
        assert_eq!(size_of(&raw const *other), None);
    }
}
