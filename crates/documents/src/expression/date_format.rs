use bson::DateTime;
use tandem_contract::Result;

use super::date::{Moment, Zone};
use crate::error::{invalid, not_supported};

/// The default of `$dateToString`; its `Z` is literal, whatever the zone.
pub(super) const ISO: &str = "%Y-%m-%dT%H:%M:%S.%LZ";

/// A date as `2021-03-14T15:09:26.535Z`.
pub(super) fn iso(date: DateTime) -> Result<String> {
    format(ISO, date.timestamp_millis(), Zone::UTC)
}

/// Refuses a format with a letter that does not exist.
pub(super) fn check(format: &str) -> Result<()> {
    let mut rest = format.chars();
    while let Some(character) = rest.next() {
        if character == '%' && !rest.next().is_some_and(|letter| "dGHjLmMSuUVwYzZ%".contains(letter)) {
            return Err(invalid(format!(
                "The date format \"{format}\" has a % with no known letter after it"
            )));
        }
    }
    Ok(())
}

/// Formats milliseconds by a format that passed [`check`].
pub(super) fn format(format: &str, millis: i64, zone: Zone) -> Result<String> {
    let moment = Moment::new(millis, zone);
    if !(0..=9999).contains(&moment.year) {
        return Err(not_supported("dates as strings outside the years 0 to 9999"));
    }
    let mut out = String::with_capacity(format.len() + 8);
    let mut rest = format.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let minutes = zone.offset / 60_000;
        let text = match rest.next().unwrap_or('%') {
            'd' => format!("{:02}", moment.day),
            'G' => format!("{:04}", moment.iso_week().1),
            'H' => format!("{:02}", moment.hour()),
            'j' => format!("{:03}", moment.day_of_year()),
            'L' => format!("{:03}", moment.millisecond()),
            'm' => format!("{:02}", moment.month),
            'M' => format!("{:02}", moment.minute()),
            'S' => format!("{:02}", moment.second()),
            'u' => moment.iso_day_of_week().to_string(),
            'U' => format!("{:02}", moment.week()),
            'V' => format!("{:02}", moment.iso_week().0),
            'w' => moment.day_of_week().to_string(),
            'Y' => format!("{:04}", moment.year),
            'z' => {
                let sign = if minutes < 0 { '-' } else { '+' };
                format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
            'Z' => minutes.to_string(),
            other => other.to_string(),
        };
        out.push_str(&text);
    }
    Ok(out)
}
