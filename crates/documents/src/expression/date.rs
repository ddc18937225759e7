//! The calendar: dates as their parts in a time zone, and operators that read them.

use bson::{Bson, DateTime, doc};
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::operators::Named;
use super::{Value, date_format, date_parse, is_nullish, type_name};
use crate::error::{invalid, not_supported};
use crate::number::Number;

const PART: &[&str] = &["date", "timezone"];

const fn part(name: &'static str) -> Named {
    Named::new(name, PART, 1, read_part).bare().folding()
}

pub(super) const NAMED: &[Named] = &[
    part("$year"),
    part("$month"),
    part("$dayOfMonth"),
    part("$dayOfWeek"),
    part("$dayOfYear"),
    part("$hour"),
    part("$minute"),
    part("$second"),
    part("$millisecond"),
    part("$week"),
    part("$isoWeek"),
    part("$isoWeekYear"),
    part("$isoDayOfWeek"),
    Named::new("$dateToString", &["date", "format", "timezone", "onNull"], 1, to_string).folding(),
    Named::new("$dateFromString", &["dateString", "timezone", "format", "onError", "onNull"], 1, from_string)
        .folding(),
    Named::new("$dateToParts", &["date", "timezone", "iso8601"], 1, to_parts).folding(),
    Named::new("$dateFromParts", FROM_PARTS, 0, from_parts).folding(),
];

const FROM_PARTS: &[&str] = &[
    "year",
    "month",
    "day",
    "isoWeekYear",
    "isoWeek",
    "isoDayOfWeek",
    "hour",
    "minute",
    "second",
    "millisecond",
    "timezone",
];

pub(super) const DAY: i64 = 86_400_000;

/// A fixed offset from UTC, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    pub(super) offset: i64,
}

impl Zone {
    pub(super) const UTC: Self = Self { offset: 0 };

    /// Reads `UTC`, `GMT`, `+02`, `+0200` or `+02:00`.
    fn parse(name: &str) -> Result<Self> {
        if matches!(name, "UTC" | "GMT") {
            return Ok(Self::UTC);
        }
        let offset = date_parse::offset(name);
        offset.map(|offset| Self { offset }).ok_or_else(|| not_supported(format!("the time zone \"{name}\"")))
    }
}

/// The zone an operator was given: UTC by default, `None` when it is null.
pub(super) fn zone(name: &str, argument: Option<Value>) -> Result<Option<Zone>> {
    match argument {
        None => Ok(Some(Zone::UTC)),
        Some(Some(Bson::String(zone))) => Zone::parse(&zone).map(Some),
        Some(value) if is_nullish(&value) => Ok(None),
        Some(value) => {
            Err(invalid(format!("{name} needs a string as its timezone, not {}", type_name(&value))))
        }
    }
}

/// The milliseconds of a date, a timestamp or an `ObjectId`.
pub(super) fn millis(name: &str, value: &Value) -> Result<i64> {
    match value {
        Some(Bson::DateTime(date)) => Ok(date.timestamp_millis()),
        Some(Bson::Timestamp(timestamp)) => Ok(i64::from(timestamp.time) * 1000),
        Some(Bson::ObjectId(id)) => Ok(id.timestamp().timestamp_millis()),
        value => Err(invalid(format!("{name} needs a date, not {}", type_name(value)))),
    }
}

/// A moment in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Days since 1970-01-01.
    pub(super) days: i64,
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    /// Milliseconds since midnight.
    pub(super) time: i64,
}

impl Moment {
    pub(super) fn new(millis: i64, zone: Zone) -> Self {
        let local = millis.saturating_add(zone.offset);
        let days = local.div_euclid(DAY);
        let (year, month, day) = civil(days);
        Self { days, year, month, day, time: local.rem_euclid(DAY) }
    }

    pub(super) fn hour(self) -> i64 {
        self.time / 3_600_000
    }

    pub(super) fn minute(self) -> i64 {
        self.time / 60_000 % 60
    }

    pub(super) fn second(self) -> i64 {
        self.time / 1000 % 60
    }

    pub(super) fn millisecond(self) -> i64 {
        self.time % 1000
    }

    /// From 1.
    pub(super) fn day_of_year(self) -> i64 {
        self.days - days(self.year, 1, 1) + 1
    }

    /// From 1, Sunday.
    pub(super) fn day_of_week(self) -> i64 {
        (self.days + 4).rem_euclid(7) + 1
    }

    /// From 1, Monday.
    pub(super) fn iso_day_of_week(self) -> i64 {
        (self.days + 3).rem_euclid(7) + 1
    }

    /// Weeks start on Sunday; days before the first are in week 0.
    pub(super) fn week(self) -> i64 {
        (self.day_of_year() + 7 - self.day_of_week()) / 7
    }

    /// The ISO week and the year it belongs to, which its Thursday decides.
    pub(super) fn iso_week(self) -> (i64, i64) {
        let thursday = self.days + 4 - self.iso_day_of_week();
        let year = civil(thursday).0;
        ((thursday - days(year, 1, 1)) / 7 + 1, year)
    }
}

/// Days since 1970-01-01 of a date whose month is 1 to 12.
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years start in March, so that the leap day is last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn read_part(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let mut arguments = arguments.into_iter();
    let date = arguments.next().flatten().flatten();
    if is_nullish(&date) {
        return NULL;
    }
    let millis = millis(name, &date)?;
    let Some(zone) = zone(name, arguments.next().flatten())? else { return NULL };
    let moment = Moment::new(millis, zone);
    let number = match name {
        "$year" => moment.year,
        "$month" => moment.month,
        "$dayOfMonth" => moment.day,
        "$dayOfWeek" => moment.day_of_week(),
        "$dayOfYear" => moment.day_of_year(),
        "$hour" => moment.hour(),
        "$minute" => moment.minute(),
        "$second" => moment.second(),
        "$millisecond" => moment.millisecond(),
        "$week" => moment.week(),
        "$isoWeek" => moment.iso_week().0,
        // Alone among the parts a long.
        "$isoWeekYear" => return Ok(Some(Bson::Int64(moment.iso_week().1))),
        _ => moment.iso_day_of_week(),
    };
    Ok(Some(Bson::Int32(number as i32)))
}

fn to_string(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().flatten();
    let (date, format, timezone, on_null) = (next().flatten(), next(), next(), next());
    let format = match format {
        None => Some(date_format::ISO.to_owned()),
        Some(Some(Bson::String(format))) => Some(format),
        Some(value) if is_nullish(&value) => None,
        Some(_) => return Err(invalid("$dateToString needs a string as its format")),
    };
    if let Some(format) = &format {
        date_format::check(format)?;
    }
    if is_nullish(&date) {
        return on_null.map_or(NULL, Ok);
    }
    let (Some(zone), Some(format)) = (zone(name, timezone)?, format) else { return NULL };
    date_format::format(&format, millis(name, &date)?, zone).map(|text| Some(Bson::String(text)))
}

fn from_string(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().flatten();
    let (text, timezone, format, on_error, on_null) = (next().flatten(), next(), next(), next(), next());
    let format = match format {
        None => None,
        Some(Some(Bson::String(format))) => Some(format),
        Some(value) if is_nullish(&value) => return NULL,
        Some(_) => return Err(invalid("$dateFromString needs a string as its format")),
    };
    if is_nullish(&text) {
        return on_null.map_or(NULL, Ok);
    }
    let given = timezone.is_some();
    let Some(zone) = zone(name, timezone)? else { return NULL };
    let parsed = match &text {
        Some(Bson::String(text)) => match &format {
            Some(format) => date_parse::parse_format(text, format, zone),
            None => date_parse::parse(text, given.then_some(zone)),
        },
        text => Err(invalid(format!("$dateFromString needs a string, not {}", type_name(text)))),
    };
    match (parsed, on_error) {
        (Err(error), Some(instead)) if error.kind() == tandem_contract::ErrorKind::InvalidArgument => {
            Ok(instead)
        }
        (parsed, _) => parsed.map(|date| Some(Bson::DateTime(date))),
    }
}

fn to_parts(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().flatten();
    let (date, timezone, iso) = (next().flatten(), next(), next());
    let iso = match iso {
        None => false,
        Some(Some(Bson::Boolean(iso))) => iso,
        Some(value) if is_nullish(&value) => return NULL,
        Some(_) => return Err(invalid("$dateToParts needs a boolean as iso8601")),
    };
    let Some(zone) = zone(name, timezone)? else { return NULL };
    if is_nullish(&date) {
        return NULL;
    }
    let moment = Moment::new(millis(name, &date)?, zone);
    let mut parts = if iso {
        let (week, year) = moment.iso_week();
        doc! { "isoWeekYear": year as i32, "isoWeek": week as i32, "isoDayOfWeek": moment.iso_day_of_week() as i32 }
    } else {
        doc! { "year": moment.year as i32, "month": moment.month as i32, "day": moment.day as i32 }
    };
    parts.extend(doc! {
        "hour": moment.hour() as i32,
        "minute": moment.minute() as i32,
        "second": moment.second() as i32,
        "millisecond": moment.millisecond() as i32,
    });
    Ok(Some(Bson::Document(parts)))
}

/// Parts out of their range carry over: month 13 is January of the next year.
fn from_parts(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let (numbers, timezone) = arguments.split_at(FROM_PARTS.len() - 1);
    let given = |index: usize| numbers[index].is_some();
    let (calendar, iso) = ((0..3).any(given), (3..6).any(given));
    if calendar == iso || !(given(0) || given(3)) {
        return Err(invalid("$dateFromParts needs either a year or an isoWeekYear, and parts of one kind"));
    }
    let mut parts = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0];
    for (index, number) in numbers.iter().enumerate() {
        let Some(number) = number else { continue };
        if is_nullish(number) {
            return NULL;
        }
        let whole = number.as_ref().and_then(Number::of).and_then(Number::to_exact_i64);
        let limits = match index {
            0 | 3 => 1..=9999,
            8 | 9 => -0x8000_0000..=0x7fff_ffff,
            _ => -0x8000..=0x7fff,
        };
        parts[index] = whole.filter(|whole| limits.contains(whole)).ok_or_else(|| {
            invalid(format!("$dateFromParts needs a whole number in range as \"{}\"", FROM_PARTS[index]))
        })?;
    }
    let Some(zone) = zone(name, timezone[0].clone())? else { return NULL };
    let [year, month, day, iso_year, iso_week, iso_day, hour, minute, second, millisecond] = parts;
    let date = if iso {
        let january_4 = days(iso_year, 1, 4);
        january_4 - (january_4 + 3).rem_euclid(7) + (iso_week - 1) * 7 + iso_day - 1
    } else {
        let months = year * 12 + month - 1;
        days(months.div_euclid(12), months.rem_euclid(12) + 1, 1) + day - 1
    };
    let time = ((hour * 60 + minute) * 60 + second) * 1000 + millisecond;
    Ok(Some(DateTime::from_millis(date * DAY + time - zone.offset).into()))
}
