//! The pages of a thread's stack.

/// Gives back the pages below the running frame that deeper frames have left behind: compiling
/// and starting up go deep once, and an idle isolate needs none of it.
#[cfg(target_os = "linux")]
pub(crate) fn give_back() {
    /// Kept below this frame, for the calls that it makes.
    const KEPT: usize = 512;
    let here = 0_u8;
    let here = std::ptr::from_ref(&here) as usize;
    let Some(lowest) = lowest_address() else { return };
    // SAFETY: a question without side effects.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let Ok(page @ 1..) = usize::try_from(page) else { return };
    let start = lowest.next_multiple_of(page);
    let end = (here.saturating_sub(KEPT)) / page * page;
    if end > start {
        // SAFETY: the pages are of this thread's stack and lie below every frame, with room for
        // those of this call; what frames to come read of them, they have written before.
        let failed = unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
        if failed != 0 {
            tracing::debug!("the stack's pages are kept");
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) const fn give_back() {}

/// Where the stack of the calling thread ends, its guard left out.
#[cfg(target_os = "linux")]
fn lowest_address() -> Option<usize> {
    // SAFETY: the attributes are initialised by the first call if it succeeds, read then, and
    // destroyed once.
    unsafe {
        let mut attributes = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return None;
        }
        let (mut address, mut size) = (std::ptr::null_mut(), 0);
        let known = libc::pthread_attr_getstack(&raw const attributes, &raw mut address, &raw mut size) == 0;
        libc::pthread_attr_destroy(&raw mut attributes);
        known.then_some(address as usize)
    }
}
