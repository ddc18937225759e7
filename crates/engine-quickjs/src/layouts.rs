//! Layouts of objects, kept while an isolate works.
//!
//! QuickJS has one layout for all objects that got the same keys in the same order, and a key more
//! costs a look-up, as long as an object with the layout of that step is alive. Where none is, it
//! builds the layout key by key. What an invocation makes is gone with it, and the next one would
//! build the same layouts again: so an object of each step is kept of those that come again.

use std::cell::{Cell, RefCell};

use rquickjs::qjs::{self, JSAtom, JSValue};
use rustc_hash::FxHashSet;

use crate::values::{self, Context};

/// Layouts kept at a time, and those that came once and are remembered.
const MOST: usize = 64;
/// Objects that pass before layouts are noted: a function that is called once in a while has no use
/// for them, and memory for it.
const PASS: u32 = 32;
/// Keys of a layout that is kept: its objects have as many steps.
const MOST_KEYS: u32 = 16;

/// The keys of an object so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Layout {
    hash: u64,
    keys: u32,
}

impl Layout {
    /// One more key.
    pub(crate) fn add(&mut self, key: JSAtom) {
        /// An odd number of 64 bits without a pattern, as multiplicative hashing wants: 2^64 over
        /// the golden ratio.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        self.hash = (self.hash.rotate_left(5) ^ u64::from(key)).wrapping_mul(SPREAD);
        self.keys += 1;
    }
}

/// The layouts of one isolate, by hash. Two layouts of one hash do no harm: the second is not kept.
#[derive(Default)]
pub(crate) struct Layouts {
    passed: Cell<u32>,
    /// Those that came once.
    once: RefCell<FxHashSet<u64>>,
    /// Those that came again.
    kept: RefCell<FxHashSet<u64>>,
    /// The objects that keep them, which are owned.
    steps: RefCell<Vec<JSValue>>,
}

impl Layouts {
    /// Notes that `object` has `layout`.
    ///
    /// # Safety
    /// `context` is the isolate's and `object` belongs to it.
    pub(crate) unsafe fn note(&self, context: Context, layout: Layout, object: JSValue) {
        if layout.keys == 0 || layout.keys > MOST_KEYS {
            return;
        }
        if self.passed.get() < PASS {
            self.passed.set(self.passed.get() + 1);
            return;
        }
        let mut kept = self.kept.borrow_mut();
        if kept.len() == MOST || kept.contains(&layout.hash) {
            return;
        }
        let mut once = self.once.borrow_mut();
        if once.remove(&layout.hash) {
            kept.insert(layout.hash);
            // SAFETY: by the contract above.
            self.steps.borrow_mut().extend(unsafe { make_steps(context, object) });
            return;
        }
        if once.len() == MOST {
            // Objects used as dictionaries.
            once.clear();
        }
        once.insert(layout.hash);
    }

    /// Forgets them all.
    ///
    /// # Safety
    /// `context` is the isolate's and alive.
    pub(crate) unsafe fn clear(&self, context: Context) {
        self.passed.set(0);
        self.once.take();
        self.kept.take();
        for step in self.steps.take() {
            // SAFETY: the value is owned and freed once.
            unsafe { qjs::JS_FreeValue(context, step) };
        }
    }
}

/// An object for each step on the way to the layout of `object`.
unsafe fn make_steps(context: Context, object: JSValue) -> Vec<JSValue> {
    let (mut keys, mut count) = (std::ptr::null_mut(), 0);
    let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY) as i32;
    let mut steps = Vec::new();
    // SAFETY: by the caller's contract; the list is freed once and its atoms are used before that.
    unsafe {
        if qjs::JS_GetOwnPropertyNames(context, &raw mut keys, &raw mut count, object, flags) < 0 {
            values::drop_exception(context);
            return steps;
        }
        for end in 1..=count as usize {
            let step = qjs::JS_NewObject(context);
            let keys = std::slice::from_raw_parts(keys, end);
            if qjs::JS_IsException(step) || !define(context, step, keys) {
                values::drop_exception(context);
                qjs::JS_FreeValue(context, step);
                break;
            }
            steps.push(step);
        }
        qjs::JS_FreePropertyEnum(context, keys, count);
    }
    steps
}

unsafe fn define(context: Context, object: JSValue, keys: &[qjs::JSPropertyEnum]) -> bool {
    // SAFETY: by the caller's contract.
    keys.iter().all(|key| unsafe {
        let flags = qjs::JS_PROP_C_W_E as i32;
        qjs::JS_DefinePropertyValue(context, object, key.atom, qjs::JS_UNDEFINED, flags) >= 0
    })
}
