//! The intrinsics of `primordials.js`, captured before any function runs. The engine holds them
//! as values; what scripts call is made when a script first asks for it.

use std::cell::RefCell;
use std::ffi::CStr;
use std::sync::OnceLock;

use rquickjs::qjs::{self, JSAtom, JSValue};
use tandem_contract::Error;

use crate::bindings::{Arguments, of};
use crate::values::{self, Context};

/// How a captured value is given to scripts.
#[derive(Clone, Copy)]
enum Kind {
    /// As it is.
    Value,
    /// A method, taking its receiver first.
    Method,
}

/// The intrinsics of the scripts that this engine loads, sorted.
fn names() -> &'static [&'static str] {
    static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
    // Its dates, numbers and letters are neutral by themselves: `host.isNeutral`.
    NAMES.get_or_init(|| tandem_cloud::primordials_of(|script| script != "neutral.js"))
}

/// The captured values, owned, in the order of [`names`].
#[derive(Default)]
pub(crate) struct Intrinsics {
    captured: RefCell<Vec<(JSValue, Kind)>>,
}

impl Intrinsics {
    /// # Safety
    /// `context` is the one they were captured in, alive, and this is not used again.
    pub(crate) unsafe fn free(&self, context: Context) {
        for (value, _) in self.captured.take() {
            // SAFETY: by the contract above.
            unsafe { qjs::JS_FreeValue(context, value) };
        }
    }
}

/// `capture(unnamed)`: takes every intrinsic that scripts ask for; `unnamed` holds those that no
/// global names.
pub(crate) unsafe extern "C" fn capture(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    /// How much of each name is its holder's, once an isolate has found out.
    static SPLITS: OnceLock<Vec<usize>> = OnceLock::new();
    // SAFETY: QuickJS calls this with a live context and `count` values; what is made is freed
    // once or kept until `Intrinsics::free`.
    unsafe {
        let global = qjs::JS_GetGlobalObject(context);
        let unnamed = Arguments::new(context, count, values).get(0);
        let scope = Scope { context, global, unnamed };
        let mut splits = Vec::new();
        let mut missing = None;
        for (index, name) in names().iter().enumerate() {
            let known = SPLITS.get().map(|splits| splits[index]);
            match scope.find(name, known) {
                Some((value, kind, split)) => {
                    of(context).intrinsics.captured.borrow_mut().push((value, kind));
                    splits.push(split);
                }
                None => missing = missing.or(Some(name)),
            }
        }
        qjs::JS_FreeValue(context, global);
        if let Some(name) = missing {
            return values::throw(context, &Error::internal(format!("no intrinsic is called {name}")));
        }
        SPLITS.get_or_init(|| splits);
    }
    qjs::JS_UNDEFINED
}

/// `intrinsic(name)`: one of those captured.
pub(crate) unsafe extern "C" fn intrinsic(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: QuickJS calls this with a live context and `count` values.
    unsafe {
        let name = Arguments::new(context, count, values).text(0);
        let place = names().binary_search_by(|known| (*known).cmp(&name)).ok();
        let captured = of(context).intrinsics.captured.borrow();
        match place.and_then(|place| captured.get(place)) {
            Some((value, Kind::Value)) => qjs::JS_DupValue(context, *value),
            Some((value, Kind::Method)) => {
                let mut data = *value;
                qjs::JS_NewCFunctionData(context, Some(call_method), 0, 0, 1, &raw mut data)
            }
            None => values::throw(context, &Error::internal(format!("no intrinsic is called {name}"))),
        }
    }
}

/// Calls the method in `data` on the first argument with the others.
unsafe extern "C" fn call_method(
    context: Context,
    _: JSValue,
    count: i32,
    values: *mut JSValue,
    _: i32,
    data: *mut JSValue,
) -> JSValue {
    // SAFETY: QuickJS calls this with a live context, `count` values and the data it was made with.
    unsafe {
        if count < 1 {
            return qjs::JS_Call(context, *data, qjs::JS_UNDEFINED, 0, values);
        }
        qjs::JS_Call(context, *data, *values, count - 1, values.add(1))
    }
}

/// Where names are looked up, by the rules that `primordials.js` states.
struct Scope {
    context: Context,
    global: JSValue,
    unnamed: JSValue,
}

// Every unsafe function here is called with the scope's context alive, on its thread; the values
// they return are the caller's to free.
impl Scope {
    /// The value, how it is given out, and how many bytes of the name are its holder's (0: none).
    unsafe fn find(&self, name: &str, known: Option<usize>) -> Option<(JSValue, Kind, usize)> {
        // SAFETY: as for the caller.
        unsafe {
            if known.is_none_or(|length| length == 0)
                && let Some(value) = self.named(name)
            {
                return Some((value, Kind::Value, 0));
            }
            let lengths = known.map_or((3..name.len()).rev(), |length| (length..length + 1).rev());
            for length in lengths {
                let Some(holder) = self.named(&name[..length]) else { continue };
                let found = self.of_holder(holder, &name[length..]);
                qjs::JS_FreeValue(self.context, holder);
                if let Some((value, kind)) = found {
                    return Some((value, kind, length));
                }
            }
        }
        None
    }

    unsafe fn named(&self, name: &str) -> Option<JSValue> {
        // SAFETY: as for the caller.
        unsafe {
            let atom = qjs::JS_NewAtomLen(self.context, name.as_ptr().cast(), name.len() as _);
            let found = self.get(self.unnamed, atom).or_else(|| self.get(self.global, atom));
            qjs::JS_FreeAtom(self.context, atom);
            found
        }
    }

    unsafe fn of_holder(&self, holder: JSValue, part: &str) -> Option<(JSValue, Kind)> {
        // SAFETY: as for the caller.
        unsafe {
            if let Some(part) = part.strip_prefix("Prototype").filter(|part| !part.is_empty()) {
                let prototype = values::property(self.context, holder, c"prototype")?;
                let found = self.of_prototype(prototype, part);
                qjs::JS_FreeValue(self.context, prototype);
                return found.map(|method| (method, Kind::Method));
            }
            let key = self.key(holder, part);
            let value = self.get(holder, key);
            qjs::JS_FreeAtom(self.context, key);
            value.map(|value| (value, Kind::Value))
        }
    }

    unsafe fn of_prototype(&self, prototype: JSValue, part: &str) -> Option<JSValue> {
        // SAFETY: as for the caller.
        unsafe {
            let (method, _) = self.own(prototype, part);
            method.or_else(|| part.strip_prefix("Get").and_then(|part| self.own(prototype, part).1))
        }
    }

    /// The function that an own property holds, and the one that reads it.
    unsafe fn own(&self, object: JSValue, part: &str) -> (Option<JSValue>, Option<JSValue>) {
        let undefined = qjs::JS_UNDEFINED;
        let mut found =
            qjs::JSPropertyDescriptor { flags: 0, value: undefined, getter: undefined, setter: undefined };
        // SAFETY: as for the caller; what the descriptor holds is returned or freed.
        unsafe {
            let key = self.key(object, part);
            let status = qjs::JS_GetOwnProperty(self.context, &raw mut found, object, key);
            qjs::JS_FreeAtom(self.context, key);
            if status != 1 {
                if status < 0 {
                    values::drop_exception(self.context);
                }
                return (None, None);
            }
            qjs::JS_FreeValue(self.context, found.setter);
            let function = |value: JSValue| {
                if qjs::JS_IsFunction(self.context, value) {
                    return Some(value);
                }
                qjs::JS_FreeValue(self.context, value);
                None
            };
            (function(found.value), function(found.getter))
        }
    }

    /// The key that a part of a name stands for.
    unsafe fn key(&self, holder: JSValue, part: &str) -> JSAtom {
        let atom_of = |text: &str| {
            // SAFETY: as for the caller.
            unsafe { qjs::JS_NewAtomLen(self.context, text.as_ptr().cast(), text.len() as _) }
        };
        // SAFETY: as for the caller; an atom that is not returned is freed.
        unsafe {
            let atom = atom_of(part);
            if qjs::JS_HasProperty(self.context, holder, atom) == 1 {
                return atom;
            }
            qjs::JS_FreeAtom(self.context, atom);
            let symbol = part.strip_prefix("Symbol").filter(|part| !part.is_empty());
            if let Some(symbol) = symbol.and_then(|symbol| self.symbol(&lower(symbol))) {
                return symbol;
            }
            atom_of(&lower(part))
        }
    }

    unsafe fn symbol(&self, name: &str) -> Option<JSAtom> {
        const SYMBOL: &CStr = c"Symbol";
        // SAFETY: as for the caller.
        unsafe {
            let symbols = qjs::JS_GetPropertyStr(self.context, self.global, SYMBOL.as_ptr());
            let symbol = values::property(self.context, symbols, &values::c_string(name));
            qjs::JS_FreeValue(self.context, symbols);
            let symbol = symbol.filter(|symbol| !qjs::JS_IsUndefined(*symbol))?;
            let atom = qjs::JS_ValueToAtom(self.context, symbol);
            qjs::JS_FreeValue(self.context, symbol);
            Some(atom)
        }
    }

    unsafe fn get(&self, object: JSValue, key: JSAtom) -> Option<JSValue> {
        // SAFETY: as for the caller.
        unsafe {
            let value = qjs::JS_GetProperty(self.context, object, key);
            if qjs::JS_IsException(value) {
                values::drop_exception(self.context);
                return None;
            }
            if qjs::JS_IsUndefined(value) || qjs::JS_IsNull(value) { None } else { Some(value) }
        }
    }
}

fn lower(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
