//! The history of an entry.

use mlua::{MultiValue, Value as LuaValue};

use crate::lua::call::{Call, Native};
use crate::lua::convert;
use crate::lua::error::CallError;
use crate::lua::host_function::HostFunction;
use crate::store::{Change, HistoryScan, Image, Number, Subject, change_pages};

pub(super) static FUNCTIONS: [Native; 1] = [Native::new(HostFunction::reads("state.history"), history)];

/// How many changes are returned by default.
const DEFAULT_LIMIT: usize = 10;
/// How many changes are read at a time, each with two values.
const CHANGES_PER_PAGE: usize = 16;

/// `state.history(key[, n])`: the newest changes of an entry, the newest first, as far as history
/// goes back. Each is a table: `revision`, `time` (seconds since the epoch), `operation`, `old`,
/// `new`, `actor`, and where they are known `version`, `run` and `task`. An integer beyond 2^53 is the text
/// of its digits.
fn history(call: &Call) -> Result<MultiValue, CallError> {
    let key = call.key()?;
    let limit = if call.is_nil(1) {
        DEFAULT_LIMIT
    } else {
        match call.number(1, "number of changes")? {
            Number::Integer(number) if number > 0 => usize::try_from(number).unwrap_or(usize::MAX),
            other => return Err(CallError::usage(format!("the number of changes is {other}: at least 1"))),
        }
    };
    let page = HistoryScan::newest(limit.min(CHANGES_PER_PAGE));
    let scan = HistoryScan { key: Some(key), subject: Some(Subject::Entry), ..page };
    let table = call.lua.create_table()?;
    let store = call.context.store();
    let mut left = limit;
    for page in change_pages(&*store, scan) {
        for change in page?.iter().take(left) {
            table.raw_push(row(call, change)?)?;
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    call.answer(table)
}

fn row(call: &Call, change: &Change) -> Result<mlua::Table, CallError> {
    let row = call.lua.create_table()?;
    row.raw_set("revision", change.revision.0 as f64)?;
    row.raw_set("time", change.at.0 as f64 / 1000.0)?;
    row.raw_set("operation", change.operation.as_str())?;
    row.raw_set("old", value(call, change.old.as_ref())?)?;
    row.raw_set("new", value(call, change.new.as_ref())?)?;
    row.raw_set("version", change.version.map(|version| version as f64))?;
    row.raw_set("actor", change.actor.name.as_str())?;
    row.raw_set("run", change.actor.run.map(|run| run as f64))?;
    row.raw_set("task", change.actor.task.as_deref())?;
    Ok(row)
}

fn value(call: &Call, image: Option<&Image>) -> Result<LuaValue, CallError> {
    Ok(match image {
        Some(image) => convert::to_lua_or_digits(call.lua, &image.value())?,
        None => LuaValue::Nil,
    })
}
