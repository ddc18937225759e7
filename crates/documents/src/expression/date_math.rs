use bson::{Bson, DateTime};
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::date::{DAY, Moment, Zone, days, millis, zone};
use super::date_parse::days_in;
use super::operators::Named;
use super::{Value, is_nullish};
use crate::error::invalid;
use crate::number::Number;

const ADD: &[&str] = &["startDate", "unit", "amount", "timezone"];

pub(super) const NAMED: &[Named] = &[
    Named::new("$dateAdd", ADD, 3, add).folding(),
    Named::new("$dateSubtract", ADD, 3, add).folding(),
    Named::new("$dateDiff", &["startDate", "endDate", "unit", "timezone", "startOfWeek"], 3, difference)
        .folding(),
    Named::new("$dateTrunc", &["date", "unit", "binSize", "timezone", "startOfWeek"], 2, truncate).folding(),
];

/// A unit of time: milliseconds, or months where their length varies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Months(i64),
    Week,
    Millis(i64),
}

impl Unit {
    /// Reads the name of a unit; `None` when it is null.
    fn parse(value: &Value) -> Result<Option<Self>> {
        let name = match value {
            value if is_nullish(value) => return Ok(None),
            Some(Bson::String(name)) => name,
            _ => return Err(invalid("A unit of time must be a string")),
        };
        Ok(Some(match name.as_str() {
            "year" => Self::Months(12),
            "quarter" => Self::Months(3),
            "month" => Self::Months(1),
            "week" => Self::Week,
            "day" => Self::Millis(DAY),
            "hour" => Self::Millis(3_600_000),
            "minute" => Self::Millis(60_000),
            "second" => Self::Millis(1000),
            "millisecond" => Self::Millis(1),
            _ => return Err(invalid(format!("There is no unit of time \"{name}\""))),
        }))
    }
}

/// The first day of a week as days after Thursday, which 1970-01-01 was. Sunday by default.
fn start_of_week(argument: Option<Value>) -> Result<Option<i64>> {
    let name = match argument {
        None => return Ok(Some(3)),
        Some(value) if is_nullish(&value) => return Ok(None),
        Some(Some(Bson::String(name))) => name.to_ascii_lowercase(),
        Some(_) => return Err(invalid("startOfWeek must be a string")),
    };
    let names = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];
    let found = names.iter().position(|day| *day == name || day[..3] == name);
    found
        .map(|day| Some(day as i64))
        .ok_or_else(|| invalid(format!("There is no day of the week \"{name}\"")))
}

fn whole(name: &str, what: &str, value: &Value) -> Result<i64> {
    let number = value.as_ref().and_then(Number::of).and_then(Number::to_exact_i64);
    number.ok_or_else(|| invalid(format!("{name} needs a whole number as its {what}")))
}

fn add(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().flatten();
    let (start, unit, amount, timezone) = (next().flatten(), next().flatten(), next().flatten(), next());
    if is_nullish(&start) || is_nullish(&unit) || is_nullish(&amount) {
        return NULL;
    }
    let (Some(unit), Some(zone)) = (Unit::parse(&unit)?, zone(name, timezone)?) else { return NULL };
    let amount = whole(name, "amount", &amount)?;
    let amount = if name == "$dateSubtract" { amount.checked_neg() } else { Some(amount) };
    let start = millis(name, &start)?;
    let moved = amount.and_then(|amount| match unit {
        Unit::Months(months) => add_months(start, amount.checked_mul(months)?, zone),
        Unit::Week => start.checked_add(amount.checked_mul(7 * DAY)?),
        Unit::Millis(unit) => start.checked_add(amount.checked_mul(unit)?),
    });
    let moved = moved.ok_or_else(|| invalid(format!("{name} goes beyond the range of dates")))?;
    Ok(Some(DateTime::from_millis(moved).into()))
}

/// A day the month does not have becomes its last.
fn add_months(start: i64, amount: i64, zone: Zone) -> Option<i64> {
    let moment = Moment::new(start, zone);
    let months = (moment.year * 12 + moment.month - 1).checked_add(amount)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    if year.abs() > 300_000_000 {
        return None;
    }
    let day = moment.day.min(days_in(year, month));
    days(year, month, day).checked_mul(DAY)?.checked_add(moment.time - zone.offset)
}

fn difference(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().flatten();
    let (start, end, unit) = (next().flatten(), next().flatten(), next().flatten());
    let (timezone, week) = (next(), next());
    if is_nullish(&start) || is_nullish(&end) {
        return NULL;
    }
    let (Some(unit), Some(zone)) = (Unit::parse(&unit)?, zone(name, timezone)?) else { return NULL };
    let local = |value: &Value| Ok::<_, tandem_contract::Error>(Moment::new(millis(name, value)?, zone));
    let (from, to) = (local(&start)?, local(&end)?);
    let count: Box<dyn Fn(Moment) -> i64> = match unit {
        Unit::Months(months) => {
            Box::new(move |moment| (moment.year * 12 + moment.month - 1).div_euclid(months))
        }
        Unit::Week => {
            let Some(first) = start_of_week(week)? else { return NULL };
            Box::new(move |moment| (moment.days - first).div_euclid(7))
        }
        Unit::Millis(unit) => Box::new(move |moment| {
            moment.days.saturating_mul(DAY).saturating_add(moment.time).div_euclid(unit)
        }),
    };
    Ok(Some(Bson::Int64(count(to) - count(from))))
}

/// Bins are counted from 2000-01-01 in the zone; those of weeks from the first week that starts
/// then or later.
fn truncate(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().flatten();
    let (date, unit, size, timezone, week) = (next().flatten(), next().flatten(), next(), next(), next());
    if is_nullish(&date) || size.as_ref().is_some_and(is_nullish) {
        return NULL;
    }
    let (Some(unit), Some(zone)) = (Unit::parse(&unit)?, zone(name, timezone)?) else { return NULL };
    let size = size.map_or(Ok(1), |size| whole(name, "binSize", &size))?;
    if size <= 0 {
        return Err(invalid("$dateTrunc needs a positive binSize"));
    }
    let date = millis(name, &date)?;
    let moment = Moment::new(date, zone);
    let reference = days(2000, 1, 1);
    let floor = |value: i64, bin: i64| value.checked_sub(value.rem_euclid(bin));
    let start = match unit {
        Unit::Months(months) => {
            let since = (moment.year - 2000) * 12 + moment.month - 1;
            let bin = size.checked_mul(months).and_then(|bin| floor(since, bin));
            bin.filter(|bin| bin.abs() < 3_000_000_000).and_then(|bin| {
                let months = 2000 * 12 + bin;
                days(months.div_euclid(12), months.rem_euclid(12) + 1, 1).checked_mul(DAY)
            })
        }
        Unit::Week => {
            let Some(first) = start_of_week(week)? else { return NULL };
            let reference = reference + (first - reference).rem_euclid(7);
            size.checked_mul(7)
                .and_then(|bin| floor(moment.days - reference, bin))
                .and_then(|bin| (reference + bin).checked_mul(DAY))
        }
        Unit::Millis(unit) => {
            let reference = reference * DAY;
            let local = date.checked_add(zone.offset).and_then(|local| local.checked_sub(reference));
            size.checked_mul(unit)
                .zip(local)
                .and_then(|(bin, local)| floor(local, bin))
                .and_then(|bin| bin.checked_add(reference))
        }
    };
    let start = start.and_then(|start| start.checked_sub(zone.offset));
    let start = start.ok_or_else(|| invalid("$dateTrunc goes beyond the range of dates"))?;
    Ok(Some(DateTime::from_millis(start).into()))
}
