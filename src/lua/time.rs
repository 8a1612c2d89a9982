//! The table `os`: time, date, clock, difftime and getenv, all computed from the host.

use std::fmt::Write;
use std::rc::Rc;

use chrono::{DateTime, Datelike, Days, FixedOffset, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use mlua::{Lua, Table, Value};

use crate::lua::ScriptContext;
use crate::lua::boundary::outside;
use crate::lua::error::raise;
use crate::lua::host_function::{CallTarget, HostFunction};
use crate::lua::sealed_table::seal;
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
    let difference = |_: &Lua, (later, earlier): (f64, Option<f64>)| Ok(later - earlier.unwrap_or(0.0));
    os.raw_set("difftime", lua.create_function(difference)?)?;
    let host = Rc::clone(&context.host);
    let variable = move |lua: &Lua, name: mlua::LuaString| match host.variable(&name.to_string_lossy()) {
        Some(value) => lua.create_string(value).map(Some),
        None => Ok(None),
    };
    os.raw_set("getenv", outside(lua, context, &GETENV, variable)?)?;
    let shared = Rc::clone(context);
    let now = move |lua: &Lua, fields: Option<Table>| time(lua, &shared, fields);
    os.raw_set("time", outside(lua, context, &TIME, now)?)?;
    let shared = Rc::clone(context);
    let date = move |lua: &Lua, (format, at): (Option<String>, Option<f64>)| {
        date(lua, &shared, format.as_deref(), at)
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
        let found: Option<f64> = fields.get(name)?;
        found.map(|number| number as i64).or(default).ok_or_else(|| {
            raise(lua, format!("os.time: the field {name} is missing; year, month and day are needed"))
        })
    };
    let (year, month, day) = (field("year", None)?, field("month", None)?, field("day", None)?);
    let (hour, minute, second) = (field("hour", Some(12))?, field("min", Some(0))?, field("sec", Some(0))?);
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

/// `os.date([format[, time]])`: text, or a table for `*t`; UTC with `!` in front.
fn date(lua: &Lua, context: &ScriptContext, format: Option<&str>, at: Option<f64>) -> mlua::Result<Value> {
    let format = format.unwrap_or("%c");
    let at = at.map_or(context.host.now(), |seconds| Millis((seconds.floor() * 1000.0) as i64));
    let (format, offset) = match format.strip_prefix('!') {
        Some(format) => (format, 0),
        None => (format, context.host.utc_offset(at)),
    };
    let moment = FixedOffset::east_opt(offset)
        .and_then(|offset| DateTime::from_timestamp_millis(at.0).map(|moment| moment.with_timezone(&offset)))
        .ok_or_else(|| raise(lua, "os.date: there is no such time"))?;
    if format.starts_with("*t") {
        return fields(lua, &moment).map(Value::Table);
    }
    let mut text = String::new();
    let mut rest = format.chars();
    while let Some(character) = rest.next() {
        let letter = if character == '%' { rest.next() } else { None };
        match (character, letter) {
            ('%', Some(letter)) if "aAbBcdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%".contains(letter) => {
                // Names of days and months as in the C locale.
                let specifier = match letter {
                    'c' => "%a %b %e %H:%M:%S %Y".to_string(),
                    'x' => "%m/%d/%y".to_string(),
                    'P' => "%P".to_string(),
                    letter => format!("%{letter}"),
                };
                write!(text, "{}", moment.format(&specifier)).map_err(mlua::Error::external)?;
            }
            ('%', letter) => {
                let shown = letter.map_or_else(String::new, String::from);
                return Err(raise(lua, format!("os.date: the format has an unknown %{shown}")));
            }
            (plain, _) => text.push(plain),
        }
    }
    lua.create_string(text).map(Value::String)
}

fn fields(lua: &Lua, moment: &DateTime<FixedOffset>) -> mlua::Result<Table> {
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
    table.raw_set("isdst", false)?;
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
