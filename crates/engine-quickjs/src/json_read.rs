//! JSON text to values. Quicker than the engine's own parser: a key that comes again is found
//! without making a string of it, and arrays are made whole.

use std::borrow::Cow;

use rquickjs::qjs::{self, JSValue};

use crate::layouts::{Layout, Layouts};
use crate::values::{self, Context};

/// Levels that are read here; deeper texts are the engine's, which watches its stack.
const DEEPEST: usize = 200;
/// Items of an array that is read here: they stand outside the isolate's memory meanwhile.
const MOST_ITEMS: usize = 1 << 16;
/// Keys remembered of one text.
const KEYS: usize = 64;

/// Why reading stopped.
enum Stop {
    /// Not JSON, or a corner left to the engine's parser.
    Unread,
    /// An exception is pending.
    Exception,
}

/// What `JSON.parse` gives for `text`; an exception is pending when the value is one.
///
/// # Safety
/// `context` is alive and it is called on the isolate's thread.
pub(crate) unsafe fn parse(context: Context, layouts: &Layouts, text: &[u8]) -> JSValue {
    let mut reader = Reader { context, layouts, text, at: 0, keys: [const { None }; KEYS] };
    // SAFETY: by the contract above.
    let read = unsafe { reader.whole() };
    match read {
        Ok(value) => value,
        Err(Stop::Exception) => qjs::JS_EXCEPTION,
        // SAFETY: by the contract above.
        Err(Stop::Unread) => unsafe { values::parse_json(context, text) },
    }
}

struct Reader<'a> {
    context: Context,
    layouts: &'a Layouts,
    text: &'a [u8],
    at: usize,
    /// Keys as they stand in the text, and their atoms, which are owned.
    keys: [Option<(&'a [u8], qjs::JSAtom)>; KEYS],
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        for (_, atom) in self.keys.iter().flatten() {
            // SAFETY: the atom is owned and freed once; the context outlives the reader.
            unsafe { qjs::JS_FreeAtom(self.context, *atom) };
        }
    }
}

// Every unsafe function here is called with the reader's context alive, on its thread.
impl<'a> Reader<'a> {
    unsafe fn whole(&mut self) -> Result<JSValue, Stop> {
        // SAFETY: as for the caller.
        unsafe {
            let value = self.value(0)?;
            self.space();
            if self.at == self.text.len() {
                return Ok(value);
            }
            qjs::JS_FreeValue(self.context, value);
            Err(Stop::Unread)
        }
    }

    unsafe fn value(&mut self, depth: usize) -> Result<JSValue, Stop> {
        self.space();
        // SAFETY: as for the caller.
        unsafe {
            match self.peek() {
                Some(b'{' | b'[') if depth >= DEEPEST => Err(Stop::Unread),
                Some(b'{') => self.object(depth),
                Some(b'[') => self.array(depth),
                Some(b'"') => {
                    let (raw, plain) = self.quoted()?;
                    let text = if plain { Cow::Borrowed(raw) } else { unescaped(raw)? };
                    whole(qjs::JS_NewStringLen(self.context, text.as_ptr().cast(), text.len() as _))
                }
                Some(b't') => self.word(b"true", qjs::JS_MKVAL(qjs::JS_TAG_BOOL, 1)),
                Some(b'f') => self.word(b"false", qjs::JS_MKVAL(qjs::JS_TAG_BOOL, 0)),
                Some(b'n') => self.word(b"null", qjs::JS_NULL),
                _ => self.number(),
            }
        }
    }

    unsafe fn object(&mut self, depth: usize) -> Result<JSValue, Stop> {
        // SAFETY: as for the caller; the object is freed when it is not returned.
        unsafe {
            let object = whole(qjs::JS_NewObject(self.context))?;
            match self.members(object, depth) {
                Ok(()) => Ok(object),
                Err(stop) => {
                    qjs::JS_FreeValue(self.context, object);
                    Err(stop)
                }
            }
        }
    }

    unsafe fn members(&mut self, object: JSValue, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        let mut layout = Layout::default();
        loop {
            self.space();
            // SAFETY: as for the caller. The atom is borrowed from `keys`, where a later key may
            // have its place: it is held for as long as it is used.
            unsafe {
                let atom = qjs::JS_DupAtom(self.context, self.key()?);
                layout.add(atom);
                let added = self.member(object, atom, depth);
                qjs::JS_FreeAtom(self.context, atom);
                added?;
            }
            self.space();
            if self.take(b'}') {
                // SAFETY: as for the caller.
                unsafe { self.layouts.note(self.context, layout, object) };
                return Ok(());
            }
            if !self.take(b',') {
                return Err(Stop::Unread);
            }
        }
    }

    unsafe fn member(&mut self, object: JSValue, key: qjs::JSAtom, depth: usize) -> Result<(), Stop> {
        self.space();
        if !self.take(b':') {
            return Err(Stop::Unread);
        }
        // SAFETY: as for the caller; the object takes over the value.
        unsafe {
            let value = self.value(depth + 1)?;
            let flags = qjs::JS_PROP_C_W_E as i32;
            if qjs::JS_DefinePropertyValue(self.context, object, key, value, flags) < 0 {
                return Err(Stop::Exception);
            }
        }
        Ok(())
    }

    /// The atom of the key at this place; it belongs to `keys`.
    unsafe fn key(&mut self) -> Result<qjs::JSAtom, Stop> {
        if self.peek() != Some(b'"') {
            return Err(Stop::Unread);
        }
        let (raw, plain) = self.quoted()?;
        let ends = raw.first().map_or(0, |byte| usize::from(*byte)) * 31
            + raw.last().map_or(0, |byte| usize::from(*byte)) * 7;
        let place = (ends + raw.len()) % KEYS;
        if let Some((known, atom)) = &self.keys[place]
            && *known == raw
        {
            return Ok(*atom);
        }
        let text = if plain { Cow::Borrowed(raw) } else { unescaped(raw)? };
        // SAFETY: as for the caller; an atom that gives its place to another is freed once.
        unsafe {
            let atom = qjs::JS_NewAtomLen(self.context, text.as_ptr().cast(), text.len() as _);
            if atom == qjs::JS_ATOM_NULL {
                return Err(Stop::Exception);
            }
            if let Some((_, old)) = self.keys[place].replace((raw, atom)) {
                qjs::JS_FreeAtom(self.context, old);
            }
            Ok(atom)
        }
    }

    unsafe fn array(&mut self, depth: usize) -> Result<JSValue, Stop> {
        let mut items = Vec::new();
        // SAFETY: as for the caller. The array takes over the items, even when it cannot be made.
        unsafe {
            match self.items(&mut items, depth) {
                Ok(()) => {
                    let count = i32::try_from(items.len()).unwrap_or(i32::MAX);
                    whole(qjs::JS_NewArrayFrom(self.context, count, items.as_ptr()))
                }
                Err(stop) => {
                    for item in items {
                        qjs::JS_FreeValue(self.context, item);
                    }
                    Err(stop)
                }
            }
        }
    }

    unsafe fn items(&mut self, items: &mut Vec<JSValue>, depth: usize) -> Result<(), Stop> {
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            if items.len() == MOST_ITEMS {
                return Err(Stop::Unread);
            }
            // SAFETY: as for the caller.
            items.push(unsafe { self.value(depth + 1)? });
            self.space();
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(Stop::Unread);
            }
        }
    }

    /// The inside of the string that starts here, and whether it is what it says, without escapes.
    fn quoted(&mut self) -> Result<(&'a [u8], bool), Stop> {
        let start = self.at + 1;
        let mut plain = true;
        let mut at = start;
        loop {
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    at += 2;
                }
                Some(0..0x20) | None => return Err(Stop::Unread),
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok((&self.text[start..at], plain))
    }

    fn number(&mut self) -> Result<JSValue, Stop> {
        let start = self.at;
        let rest = &self.text[start..];
        let end =
            rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let number = &rest[..end.unwrap_or(rest.len())];
        let digits = number.strip_prefix(b"-").unwrap_or(number);
        self.at += number.len();
        if digits.is_empty() || (digits[0] == b'0' && digits.len() > 1) {
            // `0.5` comes here too, and is the general case's.
            return general_number(number);
        }
        if digits.len() > 9 || digits == b"0" || !digits.iter().all(u8::is_ascii_digit) {
            return general_number(number);
        }
        let size = digits.iter().fold(0, |size, digit| size * 10 + i32::from(digit - b'0'));
        Ok(qjs::JS_MKVAL(qjs::JS_TAG_INT, if number.len() > digits.len() { -size } else { size }))
    }

    fn word(&mut self, word: &[u8], value: JSValue) -> Result<JSValue, Stop> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Stop::Unread);
        }
        self.at += word.len();
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }
}

fn whole(value: JSValue) -> Result<JSValue, Stop> {
    // SAFETY: only the tag is looked at.
    if unsafe { qjs::JS_IsException(value) } { Err(Stop::Exception) } else { Ok(value) }
}

/// Any number that JSON's grammar has, as the double nearest to it.
fn general_number(text: &[u8]) -> Result<JSValue, Stop> {
    if !is_number(text) {
        return Err(Stop::Unread);
    }
    let text = std::str::from_utf8(text).map_err(|_| Stop::Unread)?;
    let number: f64 = text.parse().map_err(|_| Stop::Unread)?;
    if text == "0" { Ok(qjs::JS_MKVAL(qjs::JS_TAG_INT, 0)) } else { Ok(qjs::JS_NewFloat64(number)) }
}

fn is_number(text: &[u8]) -> bool {
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(rest);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return false;
    }
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(rest) => {
            let (fraction, rest) = digits(rest);
            if fraction.is_empty() {
                return false;
            }
            rest
        }
    };
    let Some(rest) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else {
        return rest.is_empty();
    };
    let rest = rest.strip_prefix(b"-").or_else(|| rest.strip_prefix(b"+")).unwrap_or(rest);
    let (exponent, rest) = digits(rest);
    !exponent.is_empty() && rest.is_empty()
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// The text that the inside of a string stands for. Surrogates are left to the engine, since a
/// lone one has no UTF-8.
fn unescaped(raw: &[u8]) -> Result<Cow<'static, [u8]>, Stop> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
        text.extend_from_slice(&rest[..place]);
        let (escape, after) = rest[place + 1..].split_first().ok_or(Stop::Unread)?;
        rest = after;
        let byte = match escape {
            b'"' | b'\\' | b'/' => *escape,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let hex = rest.get(..4).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
                let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok()).ok_or(Stop::Unread)?;
                let code = u32::from_str_radix(hex, 16).map_err(|_| Stop::Unread)?;
                let character = char::from_u32(code).ok_or(Stop::Unread)?;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[4..];
                continue;
            }
            _ => return Err(Stop::Unread),
        };
        text.push(byte);
    }
    text.extend_from_slice(rest);
    Ok(Cow::Owned(text))
}
