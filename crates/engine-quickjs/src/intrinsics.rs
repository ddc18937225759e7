//! The intrinsics of `primordials.js`, captured before any function runs. The engine holds them
//! as values; what scripts call is made when a script first asks for it.

use std::cell::RefCell;
use std::ffi::CStr;
use std::sync::OnceLock;

use rquickjs::qjs::{self, JSAtom, JSValue};
use tandem_contract::Error;

use crate::bindings::{Arguments, of};
use crate::callable::Kind;
use crate::values::{self, Context};

/// The intrinsics of the scripts that this engine loads, sorted.
fn names() -> &'static [&'static str] {
    static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
    // Its dates, numbers and letters are neutral by themselves: `host.isNeutral`.
    NAMES.get_or_init(|| tandem_cloud::primordials_of(|script| script != "neutral.js"))
}

/// Where a name leads, once an isolate has found out; the same in all of them.
#[derive(Clone, Copy)]
struct Place {
    /// How many bytes of the name are its holder's; 0 if it names a value.
    holder: usize,
    /// A method is given out as a function that takes its receiver first.
    is_method: bool,
}

/// Those of [`names`], in that order.
static PLACES: OnceLock<Vec<Place>> = OnceLock::new();

/// The captured values, owned, in the order of [`names`].
#[derive(Default)]
pub(crate) struct Intrinsics {
    captured: RefCell<Vec<JSValue>>,
}

impl Intrinsics {
    /// # Safety
    /// `context` is the one they were captured in, alive, and this is not used again.
    pub(crate) unsafe fn free(&self, context: Context) {
        for value in self.captured.take() {
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
    // SAFETY: QuickJS calls this with a live context and `count` values; what is made is freed
    // once or kept until `Intrinsics::free`.
    unsafe {
        let global = qjs::JS_GetGlobalObject(context);
        let unnamed = Arguments::new(context, count, values).get(0);
        let scope = Scope { context, global, unnamed };
        let known = PLACES.get();
        let mut captured = Vec::with_capacity(names().len());
        let mut places = Vec::new();
        let mut missing = None;
        for (index, name) in names().iter().enumerate() {
            match scope.find(name, known.map(|places| places[index])) {
                Some((value, place)) => {
                    captured.push(value);
                    if known.is_none() {
                        places.push(place);
                    }
                }
                None => missing = missing.or(Some(name)),
            }
        }
        qjs::JS_FreeValue(context, global);
        of(context).intrinsics.captured.replace(captured);
        if let Some(name) = missing {
            return values::throw(context, &Error::internal(format!("no intrinsic is called {name}")));
        }
        PLACES.get_or_init(|| places);
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
        let bindings = of(context);
        let number = names().binary_search_by(|known| (*known).cmp(&name)).ok();
        let is_method = |number: usize| PLACES.get().is_some_and(|places| places[number].is_method);
        match number.and_then(|number| Some((number, *bindings.intrinsics.captured.borrow().get(number)?))) {
            Some((number, _)) if is_method(number) => bindings.callables.make(context, Kind::Method, number),
            Some((_, value)) => qjs::JS_DupValue(context, value),
            None => values::throw(context, &Error::internal(format!("no intrinsic is called {name}"))),
        }
    }
}

/// Calls the method of that number on the first argument with the others.
///
/// # Safety
/// `context` is alive, belongs to an isolate of this crate, and there are `count` values.
pub(crate) unsafe fn call_method(
    context: Context,
    number: usize,
    count: i32,
    values: *mut JSValue,
) -> JSValue {
    // SAFETY: by the contract above. The list is not changed after `capture`, and not borrowed
    // during the call, which may end up here again.
    unsafe {
        let Some(method) = of(context).intrinsics.captured.borrow().get(number).copied() else {
            return qjs::JS_UNDEFINED;
        };
        if count < 1 {
            return qjs::JS_Call(context, method, qjs::JS_UNDEFINED, 0, values);
        }
        qjs::JS_Call(context, method, *values, count - 1, values.add(1))
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
    unsafe fn find(&self, name: &str, known: Option<Place>) -> Option<(JSValue, Place)> {
        // SAFETY: as for the caller.
        unsafe {
            if known.is_none_or(|place| place.holder == 0)
                && let Some(value) = self.named(name)
            {
                return Some((value, Place { holder: 0, is_method: false }));
            }
            let lengths = known.map_or((3..name.len()).rev(), |place| (place.holder..place.holder + 1).rev());
            for length in lengths {
                let Some(holder) = self.named(&name[..length]) else { continue };
                let found = self.of_holder(holder, &name[length..]);
                qjs::JS_FreeValue(self.context, holder);
                if let Some((value, is_method)) = found {
                    return Some((value, Place { holder: length, is_method }));
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

    /// The value, and whether it is a method.
    unsafe fn of_holder(&self, holder: JSValue, part: &str) -> Option<(JSValue, bool)> {
        // SAFETY: as for the caller.
        unsafe {
            if let Some(part) = part.strip_prefix("Prototype").filter(|part| !part.is_empty()) {
                let prototype = values::property(self.context, holder, c"prototype")?;
                let found = self.of_prototype(prototype, part);
                qjs::JS_FreeValue(self.context, prototype);
                return found.map(|method| (method, true));
            }
            let key = self.key(holder, part);
            let value = self.get(holder, key);
            qjs::JS_FreeAtom(self.context, key);
            value.map(|value| (value, false))
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
