//! Dates from text: ISO 8601 in full; other spellings MongoDB knows are refused by name.

use bson::DateTime;
use tandem_contract::Result;

use super::date::{DAY, Zone, days};
use crate::error::{invalid, not_supported};

/// Parses `YYYY-MM-DD`, then optionally `T` or a space, `HH:MM`, `:SS`, a fraction, and `Z` or an
/// offset. Text without an offset is in `zone`, or UTC.
pub(super) fn parse(text: &str, zone: Option<Zone>) -> Result<DateTime> {
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        // Whatever words there are, a year, a month and a day cannot all be known.
        return Err(invalid(format!("\"{text}\" is not a date")));
    }
    let unknown = || not_supported(format!("the date \"{text}\" other than as YYYY-MM-DDTHH:MM:SS.sssZ"));
    let mut reader = Reader { rest: text };
    let date = reader.date().ok_or_else(unknown)?;
    let (mut time, mut offset) = (0, None);
    if !reader.rest.is_empty() {
        if !(reader.skip("T") || reader.skip(" ")) {
            return Err(unknown());
        }
        time = reader.time().ok_or_else(unknown)?;
        offset = reader.zone().ok_or_else(unknown)?;
    }
    let [year, month, day] = date;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(unknown());
    }
    if day > days_in(year, month) {
        return Err(invalid(format!("\"{text}\" names a day that its month does not have")));
    }
    let offset = match (offset, zone) {
        (Some(_), Some(_)) => return Err(not_supported("a timezone beside a date string that has its own")),
        (Some(offset), None) => offset,
        (None, zone) => zone.map_or(0, |zone| zone.offset),
    };
    Ok(DateTime::from_millis(days(year, month, day) * DAY + time - offset))
}

/// Parses text by a format of `%Y %m %d %H %M %S %L` and literals, each number with all its digits.
pub(super) fn parse_format(text: &str, format: &str, zone: Zone) -> Result<DateTime> {
    let unknown = || not_supported(format!("the date \"{text}\" by the format \"{format}\""));
    super::date_format::check(format)?;
    let mut reader = Reader { rest: text };
    let mut parts = [None; 7];
    let mut letters = format.chars();
    while let Some(character) = letters.next() {
        let letter = if character == '%' { letters.next() } else { None };
        let (index, length) = match letter {
            Some('Y') => (0, 4),
            Some('m') => (1, 2),
            Some('d') => (2, 2),
            Some('H') => (3, 2),
            Some('M') => (4, 2),
            Some('S') => (5, 2),
            Some('L') => (6, 3),
            None if reader.skip(character.encode_utf8(&mut [0; 4])) => continue,
            _ => return Err(unknown()),
        };
        parts[index] = Some(reader.number(length).ok_or_else(unknown)?);
    }
    let [Some(year), Some(month), Some(day), hour, minute, second, milli] = parts else {
        return Err(unknown());
    };
    let time = [hour, minute, second].map(Option::unwrap_or_default);
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && time[0] < 24
        && time[1] < 60
        && time[2] < 60;
    if !reader.rest.is_empty() || !in_range {
        return Err(unknown());
    }
    let time = ((time[0] * 60 + time[1]) * 60 + time[2]) * 1000 + milli.unwrap_or_default();
    Ok(DateTime::from_millis(days(year, month, day) * DAY + time - zone.offset))
}

/// An offset such as `+02`, `+0200` or `-02:30`, in milliseconds.
pub(super) fn offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut reader = Reader { rest: &text[1..] };
    let hours = reader.number(2)?;
    let minutes = if reader.rest.is_empty() {
        0
    } else {
        reader.skip(":");
        reader.number(2)?
    };
    (reader.rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// The days of a month.
pub(super) fn days_in(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days(next_year, next, 1) - days(year, month, 1)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A number of exactly so many digits.
    fn number(&mut self, length: usize) -> Option<i64> {
        let digits = self.rest.get(..length)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.rest = &self.rest[length..];
        digits.parse().ok()
    }

    fn date(&mut self) -> Option<[i64; 3]> {
        let year = self.number(4)?;
        let month = self.skip("-").then(|| self.number(2))??;
        let day = self.skip("-").then(|| self.number(2))??;
        Some([year, month, day])
    }

    fn time(&mut self) -> Option<i64> {
        let hour = self.number(2).filter(|hour| *hour < 24)?;
        let minute = self.skip(":").then(|| self.number(2))?.filter(|minute| *minute < 60)?;
        let mut time = (hour * 60 + minute) * 60_000;
        if self.skip(":") {
            time += self.number(2).filter(|second| *second < 60)? * 1000;
            if self.skip(".") {
                let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
                let padded = format!("{:0<3}", &self.rest[..length]);
                time += padded.get(..3).filter(|_| (1..=9).contains(&length))?.parse::<i64>().ok()?;
                self.rest = &self.rest[length..];
            }
        }
        Some(time)
    }

    /// What is left must be nothing, `Z` or an offset.
    fn zone(&mut self) -> Option<Option<i64>> {
        match self.rest {
            "" => Some(None),
            "Z" => Some(Some(0)),
            rest => offset(rest).map(Some),
        }
    }
}
