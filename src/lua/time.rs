//! The table `os`: time, date, clock, difftime and getenv, all computed from the host.

use std::rc::Rc;

use chrono::{DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use mlua::{FromLuaMulti, Lua, MultiValue, Table, Value};

use crate::lua::arguments::Arguments;
use crate::lua::boundary::outside;
use crate::lua::convert::double;
use crate::lua::error::raise;
use crate::lua::host_function::{CallTarget, HostFunction};
use crate::lua::sealed_table::seal;
use crate::lua::{Host, ScriptContext};
use crate::time::Millis;

const fn reads(name: &'static str) -> HostFunction {
    HostFunction::reads(name).about(CallTarget::Machine)
}
static CLOCK: HostFunction = reads("os.clock");
static GETENV: HostFunction = HostFunction::reads("os.getenv").about(CallTarget::Variable);
static TIME: HostFunction = reads("os.time");
static DATE: HostFunction = reads("os.date");

/// The functions of the table that call the host.
pub(super) static FUNCTIONS: [&HostFunction; 4] = [&CLOCK, &GETENV, &TIME, &DATE];

/// Makes the table.
pub(super) fn table(lua: &Lua, context: &Rc<ScriptContext>) -> mlua::Result<Table> {
    let os = lua.create_table()?;
    let host = Rc::clone(&context.host);
    let clock = move |_: &Lua, ()| Ok(host.elapsed().as_secs_f64());
    os.raw_set("clock", outside(lua, context, &CLOCK, clock)?)?;
    let is_checked = context.shows_raised_values();
    let difference = move |lua: &Lua, values: MultiValue| {
        if !is_checked {
            let (later, earlier) = <(f64, Option<f64>)>::from_lua_multi(values, lua)?;
            return Ok(later - earlier.unwrap_or(0.0));
        }
        let arguments = Arguments::new(lua, "difftime", &values);
        Ok(arguments.number(0)? - arguments.optional_number(1)?.unwrap_or(0.0))
    };
    os.raw_set("difftime", lua.create_function(difference)?)?;
    let host = Rc::clone(&context.host);
    let variable = move |lua: &Lua, values: MultiValue| {
        let name = Arguments::new(lua, "getenv", &values).text(0)?;
        match host.variable(&name.to_string_lossy()) {
            Some(value) => lua.create_string(value).map(Some),
            None => Ok(None),
        }
    };
    os.raw_set("getenv", outside(lua, context, &GETENV, variable)?)?;
    let shared = Rc::clone(context);
    let now = move |lua: &Lua, values: MultiValue| {
        time(lua, &shared, Arguments::new(lua, "time", &values).optional_table(0)?)
    };
    os.raw_set("time", outside(lua, context, &TIME, now)?)?;
    let shared = Rc::clone(context);
    let date = move |lua: &Lua, values: MultiValue| {
        let arguments = Arguments::new(lua, "date", &values);
        let format = arguments.optional_text(0)?.map(|format| format.as_bytes().to_vec());
        let at = arguments.optional_number(1)?;
        date(lua, &shared, format.as_deref().unwrap_or(b"%c"), at)?
            .ok_or_else(|| arguments.wrong(1, "there is no date for this time"))
    };
    os.raw_set("date", outside(lua, context, &DATE, date)?)?;
    seal(lua, os, |name| {
        format!(
            "os.{name} is not available to workflows; there are os.time, date, clock, difftime and getenv"
        )
    })
}

/// `os.time([table])`: seconds since the epoch; of local time, where a table is given.
fn time(lua: &Lua, context: &ScriptContext, fields: Option<Table>) -> mlua::Result<i64> {
    let Some(fields) = fields else { return Ok(context.host.now().0.div_euclid(1000)) };
    let field = |name: &str, default: Option<i64>| {
        let found: Value = fields.get(name)?;
        let number = match &found {
            Value::String(_) => lua.coerce_number(found.clone())?,
            other => double(other),
        };
        number
            .map(|number| number as i64)
            .or(default)
            .ok_or_else(|| raise(lua, format!("field '{name}' missing in date table")))
    };
    let (second, minute, hour) = (field("sec", Some(0))?, field("min", Some(0))?, field("hour", Some(12))?);
    let (day, month, year) = (field("day", None)?, field("month", None)?, field("year", None)?);
    let local = moment(year, month, day, hour, minute, second)
        .ok_or_else(|| raise(lua, "os.time: there is no such date"))?;
    // The offset depends on the moment, which depends on the offset: the second guess is right except for the
    // hours that a change of the clocks skips or repeats.
    let naive = local.and_utc().timestamp();
    let offset = |seconds: i64| i64::from(context.host.utc_offset(Millis(seconds.saturating_mul(1000))));
    let guess = naive - offset(naive);
    Ok(naive - offset(guess))
}

/// A date whose fields may lie outside their usual ranges, as `month = 13` does.
fn moment(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<NaiveDateTime> {
    let months = year.checked_mul(12)?.checked_add(month)?.checked_sub(1)?;
    let first = NaiveDate::from_ymd_opt(i32::try_from(months.div_euclid(12)).ok()?, 1, 1)?;
    let first = first.checked_add_months(Months::new(u32::try_from(months.rem_euclid(12)).ok()?))?;
    let days = day.checked_sub(1)?;
    let count = Days::new(days.unsigned_abs());
    let date = if days < 0 { first.checked_sub_days(count)? } else { first.checked_add_days(count)? };
    let seconds = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    date.and_hms_opt(0, 0, 0)?.checked_add_signed(TimeDelta::try_seconds(seconds)?)
}

/// `os.date([format[, time]])`: text, or a table for `*t`; UTC with `!` in front. `None` if there is no such date.
fn date(lua: &Lua, context: &ScriptContext, format: &[u8], at: Option<f64>) -> mlua::Result<Option<Value>> {
    let host = &context.host;
    let at = at.map_or(host.now(), |seconds| Millis((seconds.trunc() * 1000.0) as i64));
    let (format, is_utc) = match format.strip_prefix(b"!") {
        Some(format) => (format, true),
        None => (format, false),
    };
    let offset = if is_utc { 0 } else { host.utc_offset(at) };
    let moment = FixedOffset::east_opt(offset)
        .and_then(|offset| DateTime::from_timestamp_millis(at.0).map(|moment| moment.with_timezone(&offset)));
    let Some(moment) = moment else { return Ok(None) };
    if format == b"*t" {
        let is_summer = !is_utc && is_summer_time(host.as_ref(), &moment);
        return fields(lua, &moment, is_summer).map(|table| Some(Value::Table(table)));
    }
    let mut text = Vec::new();
    let mut rest = format;
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [letter, after @ ..]) => {
                specifier(&mut text, *letter, &moment, is_utc);
                rest = after;
            }
            (plain, after) => {
                text.push(*plain);
                rest = after;
            }
        }
    }
    lua.create_string(text).map(|text| Some(Value::String(text)))
}

/// Writes what `%letter` means in the C locale; one that means nothing stays as it is.
fn specifier(text: &mut Vec<u8>, letter: u8, moment: &DateTime<FixedOffset>, is_utc: bool) {
    // chrono pads years to four digits and writes those above 9999 with a sign; C does neither.
    let year = moment.year();
    let specifiers = match letter {
        b'%' => "%%".to_string(),
        b'Y' => year.to_string(),
        b'c' => format!("%a %b %e %H:%M:%S {year}"),
        b'F' => format!("{year}-%m-%d"),
        b'x' | b'D' => "%m/%d/%y".into(),
        b'r' => "%I:%M:%S %p".into(),
        b'X' | b'T' => "%H:%M:%S".into(),
        b'h' => "%b".into(),
        b'n' => "\n".into(),
        b't' => "\t".into(),
        // The name of the zone is not known, but for that of UTC.
        b'Z' if is_utc => "GMT".into(),
        b'Z' if moment.offset().local_minus_utc() == 0 => "UTC".into(),
        letter if b"aAbBCdeGgHIjklmMpPRsSuUVwWyzZ".contains(&letter) => format!("%{}", char::from(letter)),
        _ => {
            text.extend([b'%', letter]);
            return;
        }
    };
    text.extend(moment.format(&specifiers).to_string().into_bytes());
}

/// Whether clocks are ahead of the usual time of their zone.
fn is_summer_time(host: &dyn Host, moment: &DateTime<FixedOffset>) -> bool {
    let offset_in = |month: u32| {
        let day = NaiveDate::from_ymd_opt(moment.year(), month, 1)?.and_hms_opt(0, 0, 0)?;
        Some(host.utc_offset(Millis(day.and_utc().timestamp_millis())))
    };
    let usual = offset_in(1).into_iter().chain(offset_in(7)).min();
    usual.is_some_and(|usual| moment.offset().local_minus_utc() > usual)
}

fn fields(lua: &Lua, moment: &DateTime<FixedOffset>, is_summer: bool) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let numbers = [
        ("month", moment.month()),
        ("day", moment.day()),
        ("hour", moment.hour()),
        ("min", moment.minute()),
        ("sec", moment.second()),
        ("wday", moment.weekday().number_from_sunday()),
        ("yday", moment.ordinal()),
    ];
    for (name, number) in numbers {
        table.raw_set(name, number)?;
    }
    table.raw_set("year", moment.year())?;
    table.raw_set("isdst", is_summer)?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_out_of_range_carry_over() {
        let date = |year, month, day| moment(year, month, day, 12, 0, 0).map(|moment| moment.to_string());
        assert_eq!(date(2026, 1, 1).as_deref(), Some("2026-01-01 12:00:00"));
        assert_eq!(date(2026, 14, 0).as_deref(), Some("2027-01-31 12:00:00"));
        assert_eq!(date(2026, 0, 31).as_deref(), Some("2025-12-31 12:00:00"));
        assert_eq!(date(i64::MAX, 1, 1), None);
    }
}
