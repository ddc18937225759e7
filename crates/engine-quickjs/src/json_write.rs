//! Plain data to JSON text, without the engine's strings between.
//!
//! Only what needs no script is written here: arrays and objects of the usual prototypes whose
//! properties are values. Anything else (accessors, `toJSON`, proxies, class instances, boxed
//! primitives, BigInts, lone surrogates) is refused before anything of it has run, and left to
//! the scripts.

use rquickjs::qjs::{self, JSValue};

use tandem_cloud::json_text::plain_length;

use crate::layouts::{Layout, Layouts};
use crate::values::{self, Context};

/// What values without a JSON text come to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As `JSON.stringify` has it: left out, or `null`.
    Standard,
    /// They are refused, and so is a negative zero: a reader shall see them.
    Faithful,
    /// As `encode.js` has it: `undefined` is `null`, what it tags or refuses is refused.
    Document,
}

/// Levels of nesting written here; what is cyclic ends here too.
const DEEPEST: usize = 20;
/// Bytes written here: the text stands outside the isolate's memory.
const LONGEST: usize = 1 << 20;
/// Values visited here: nothing interrupts this.
const MOST: usize = 1 << 17;

/// The prototypes and classes of plain data; the values are owned.
pub(crate) struct Plain {
    object: JSValue,
    array: JSValue,
    object_class: qjs::JSClassID,
    array_class: qjs::JSClassID,
    to_json: qjs::JSAtom,
}

/// The end of a key that marks a tagged object, which no document of a function's may look like.
const TAG: &[u8] = b"\"\\u0000\"";

/// The value is not plain data.
pub(crate) struct NotPlain;

impl Plain {
    /// Learns them from a context in which no function has run.
    ///
    /// # Safety
    /// `context` is alive.
    pub(crate) unsafe fn of(context: Context) -> Self {
        // SAFETY: by the contract above; the samples are freed once.
        unsafe {
            let (object, array) = (qjs::JS_NewObject(context), qjs::JS_NewArray(context));
            let plain = Self {
                object: qjs::JS_GetPrototype(context, object),
                array: qjs::JS_GetPrototype(context, array),
                object_class: qjs::JS_GetClassID(object),
                array_class: qjs::JS_GetClassID(array),
                to_json: qjs::JS_NewAtomLen(context, c"toJSON".as_ptr(), 6),
            };
            qjs::JS_FreeValue(context, object);
            qjs::JS_FreeValue(context, array);
            plain
        }
    }

    /// # Safety
    /// `context` is the one it was made for, alive, and this is not used again.
    pub(crate) unsafe fn free(&self, context: Context) {
        // SAFETY: by the contract above.
        unsafe {
            qjs::JS_FreeValue(context, self.object);
            qjs::JS_FreeValue(context, self.array);
            qjs::JS_FreeAtom(context, self.to_json);
        }
    }

    /// Appends the JSON text of `value` to `text`, which holds less than that if it is refused.
    ///
    /// # Safety
    /// `context` is the one it was made for and is alive.
    pub(crate) unsafe fn write(
        &self,
        context: Context,
        layouts: &Layouts,
        value: JSValue,
        mode: Mode,
        text: &mut Vec<u8>,
    ) -> Result<(), NotPlain> {
        // SAFETY: by the contract above.
        unsafe {
            // A function may have put `toJSON` on what everything inherits from.
            for prototype in [self.object, self.array] {
                if qjs::JS_HasProperty(context, prototype, self.to_json) != 0 {
                    return Err(NotPlain);
                }
            }
            let mut writer = Writer { plain: self, context, layouts, mode, text, left: MOST };
            if writer.value(value, 0)? { Ok(()) } else { Err(NotPlain) }
        }
    }
}

struct Writer<'a> {
    plain: &'a Plain,
    context: Context,
    layouts: &'a Layouts,
    mode: Mode,
    text: &'a mut Vec<u8>,
    left: usize,
}

// Every unsafe function here is called with the writer's context alive, on its thread, and with
// values that belong to it.
impl Writer<'_> {
    /// `false` for what has no JSON text, in the standard mode alone.
    unsafe fn value(&mut self, value: JSValue, depth: usize) -> Result<bool, NotPlain> {
        self.left = self.left.checked_sub(1).ok_or(NotPlain)?;
        // SAFETY: as for the caller.
        unsafe {
            match qjs::JS_VALUE_GET_NORM_TAG(value) {
                qjs::JS_TAG_STRING | qjs::JS_TAG_STRING_ROPE => self.string(value)?,
                qjs::JS_TAG_INT => self.integer(qjs::JS_VALUE_GET_INT(value)),
                qjs::JS_TAG_FLOAT64 => self.float(value)?,
                qjs::JS_TAG_BOOL => {
                    let word = if qjs::JS_VALUE_GET_BOOL(value) { "true" } else { "false" };
                    self.text.extend_from_slice(word.as_bytes());
                }
                qjs::JS_TAG_NULL => self.text.extend_from_slice(b"null"),
                qjs::JS_TAG_UNDEFINED | qjs::JS_TAG_SYMBOL if self.mode == Mode::Standard => {
                    return Ok(false);
                }
                qjs::JS_TAG_UNDEFINED if self.mode == Mode::Document => {
                    self.text.extend_from_slice(b"null");
                }
                qjs::JS_TAG_OBJECT => return self.composite(value, depth),
                _ => return Err(NotPlain),
            }
        }
        Ok(true)
    }

    unsafe fn composite(&mut self, value: JSValue, depth: usize) -> Result<bool, NotPlain> {
        if depth > DEEPEST || self.text.len() > LONGEST {
            return Err(NotPlain);
        }
        // SAFETY: as for the caller. Neither class has a hook that asking for the prototype runs.
        unsafe {
            let class = qjs::JS_GetClassID(value);
            if class != self.plain.object_class && class != self.plain.array_class {
                return Err(NotPlain);
            }
            let prototype = qjs::JS_GetPrototype(self.context, value);
            let is = |known: JSValue| {
                qjs::JS_IsObject(prototype)
                    && qjs::JS_VALUE_GET_PTR(prototype) == qjs::JS_VALUE_GET_PTR(known)
            };
            let (object, array) = (is(self.plain.object) || qjs::JS_IsNull(prototype), is(self.plain.array));
            qjs::JS_FreeValue(self.context, prototype);
            if class == self.plain.array_class && array {
                self.array(value, depth)?;
            } else if class == self.plain.object_class && object {
                self.object(value, depth)?;
            } else {
                return Err(NotPlain);
            }
        }
        Ok(true)
    }

    unsafe fn array(&mut self, array: JSValue, depth: usize) -> Result<(), NotPlain> {
        // SAFETY: as for the caller.
        unsafe {
            let length = length_of(self.context, array)?;
            self.text.push(b'[');
            for index in 0..length {
                if index > 0 {
                    self.text.push(b',');
                }
                let atom = qjs::JS_NewAtomUInt32(self.context, index);
                let written = self.property(array, atom, depth);
                qjs::JS_FreeAtom(self.context, atom);
                if !written? {
                    self.text.extend_from_slice(b"null");
                }
            }
        }
        self.text.push(b']');
        Ok(())
    }

    unsafe fn object(&mut self, object: JSValue, depth: usize) -> Result<(), NotPlain> {
        let (mut keys, mut count) = (std::ptr::null_mut(), 0);
        let flags = (qjs::JS_GPN_STRING_MASK | qjs::JS_GPN_ENUM_ONLY) as i32;
        // SAFETY: as for the caller; the list is freed once, and its atoms are used before that.
        unsafe {
            if qjs::JS_GetOwnPropertyNames(self.context, &raw mut keys, &raw mut count, object, flags) < 0 {
                values::drop_exception(self.context);
                return Err(NotPlain);
            }
            let written = self.members(object, keys, count as usize, depth);
            qjs::JS_FreePropertyEnum(self.context, keys, count);
            written
        }
    }

    unsafe fn members(
        &mut self,
        object: JSValue,
        keys: *const qjs::JSPropertyEnum,
        count: usize,
        depth: usize,
    ) -> Result<(), NotPlain> {
        self.text.push(b'{');
        let first = self.text.len();
        let mut layout = Layout::default();
        for index in 0..count {
            let start = self.text.len();
            if start > first {
                self.text.push(b',');
            }
            // SAFETY: as for the caller; `keys` holds `count` of them.
            unsafe {
                let atom = (*keys.add(index)).atom;
                layout.add(atom);
                self.key(atom)?;
                if self.mode == Mode::Document && self.text.ends_with(TAG) {
                    return Err(NotPlain);
                }
                self.text.push(b':');
                if !self.property(object, atom, depth)? {
                    self.text.truncate(start);
                }
            }
        }
        self.text.push(b'}');
        // SAFETY: as for the caller.
        unsafe { self.layouts.note(self.context, layout, object) };
        Ok(())
    }

    /// Writes an own property; one that would run code, or is none, is refused.
    unsafe fn property(
        &mut self,
        object: JSValue,
        atom: qjs::JSAtom,
        depth: usize,
    ) -> Result<bool, NotPlain> {
        let undefined = qjs::JS_UNDEFINED;
        let mut found =
            qjs::JSPropertyDescriptor { flags: 0, value: undefined, getter: undefined, setter: undefined };
        // SAFETY: as for the caller; what the descriptor holds is freed once.
        unsafe {
            match qjs::JS_GetOwnProperty(self.context, &raw mut found, object, atom) {
                1 => {}
                0 => return Err(NotPlain),
                _ => {
                    values::drop_exception(self.context);
                    return Err(NotPlain);
                }
            }
            let accessor = found.flags & qjs::JS_PROP_GETSET as i32 != 0;
            let written = if accessor { Err(NotPlain) } else { self.value(found.value, depth + 1) };
            qjs::JS_FreeValue(self.context, found.value);
            qjs::JS_FreeValue(self.context, found.getter);
            qjs::JS_FreeValue(self.context, found.setter);
            written
        }
    }

    unsafe fn key(&mut self, atom: qjs::JSAtom) -> Result<(), NotPlain> {
        let mut length = 0;
        // SAFETY: as for the caller; the text is copied and freed.
        unsafe {
            let pointer = qjs::JS_AtomToCStringLen(self.context, &raw mut length, atom);
            self.quote(pointer, length as usize)
        }
    }

    unsafe fn string(&mut self, value: JSValue) -> Result<(), NotPlain> {
        let mut length = 0;
        // SAFETY: as for `key`.
        unsafe {
            let pointer = qjs::JS_ToCStringLen(self.context, &raw mut length, value);
            self.quote(pointer, length)
        }
    }

    /// Quotes a text of the engine's, and frees it.
    unsafe fn quote(&mut self, pointer: *const std::ffi::c_char, length: usize) -> Result<(), NotPlain> {
        // SAFETY: as for the caller; a text of the engine's is `length` bytes long.
        unsafe {
            if pointer.is_null() {
                values::drop_exception(self.context);
                return Err(NotPlain);
            }
            let text = std::slice::from_raw_parts(pointer.cast::<u8>(), length);
            let fits = self.text.len() + length <= LONGEST;
            // Lone surrogates are the one thing that makes it invalid.
            let quoted = if fits && std::str::from_utf8(text).is_ok() {
                quote_into(self.text, text);
                Ok(())
            } else {
                Err(NotPlain)
            };
            qjs::JS_FreeCString(self.context, pointer);
            quoted
        }
    }

    fn integer(&mut self, number: i32) {
        let mut digits = [0; 11];
        let mut start = digits.len();
        let mut rest = number.unsigned_abs();
        loop {
            start -= 1;
            digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            start -= 1;
            digits[start] = b'-';
        }
        self.text.extend_from_slice(&digits[start..]);
    }

    unsafe fn float(&mut self, value: JSValue) -> Result<(), NotPlain> {
        // SAFETY: as for the caller; the text is copied and freed.
        unsafe {
            let number = qjs::JS_VALUE_GET_FLOAT64(value);
            let odd = !number.is_finite() || (number == 0.0 && number.is_sign_negative());
            if odd && self.mode != Mode::Standard {
                return Err(NotPlain);
            }
            if !number.is_finite() {
                self.text.extend_from_slice(b"null");
                return Ok(());
            }
            let text = values::text(self.context, value).ok_or(NotPlain);
            if text.is_err() {
                values::drop_exception(self.context);
            }
            self.text.extend_from_slice(text?.as_bytes());
        }
        Ok(())
    }
}

/// The length of an array, which is a property of its own.
///
/// # Safety
/// `context` is alive and `array` is an array of it.
pub(crate) unsafe fn length_of(context: Context, array: JSValue) -> Result<u32, NotPlain> {
    let mut length = 0;
    // SAFETY: by the contract above.
    unsafe {
        if qjs::JS_GetLength(context, array, &raw mut length) < 0 {
            values::drop_exception(context);
            return Err(NotPlain);
        }
    }
    u32::try_from(length).map_err(|_| NotPlain)
}

/// A string as `JSON.stringify` writes it.
fn quote_into(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = plain_length(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(byte) = rest.get(plain) else { break };
        escape_into(out, *byte);
        rest = &rest[plain + 1..];
    }
    out.push(b'"');
}

fn escape_into(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        8 => out.extend_from_slice(b"\\b"),
        9 => out.extend_from_slice(b"\\t"),
        10 => out.extend_from_slice(b"\\n"),
        12 => out.extend_from_slice(b"\\f"),
        13 => out.extend_from_slice(b"\\r"),
        control => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let low = HEX[usize::from(control & 15)];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (control >> 4), low]);
        }
    }
}
