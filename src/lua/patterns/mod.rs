//! The functions of `string` and `table` whose calls may take long, which poll the limits of the script.
//!
//! Those that search are C's own where they come to an end soon, otherwise ours: `cost` decides which of them
//! answers, `matcher` is ours with `items` and `error`, and `functions` are the functions that scripts call. What
//! the others take follows from their arguments: `lengthy`.

mod cost;
mod error;
mod functions;
mod items;
mod lengthy;
mod matcher;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use mlua::{Lua, Table};

use crate::lua::Limits;

/// The most steps that C's functions may take in the worst case.
const MAX_STEPS_OF_C: u64 = 1_000_000;

/// Replaces the functions.
pub(super) fn install(lua: &Lua, limits: &Rc<Limits>) -> mlua::Result<()> {
    let limits = Rc::clone(limits);
    let poll = lua.create_function(move |lua, ()| limits.poll(lua))?;
    let string: Table = lua.globals().raw_get("string")?;
    let table: Table = lua.globals().raw_get("table")?;
    for (module, replaced) in [
        (&string, functions::SEARCHES.as_slice()),
        (&string, lengthy::OF_STRING.as_slice()),
        (&table, lengthy::OF_TABLE.as_slice()),
    ] {
        functions::replace(lua, module, replaced, &poll, MAX_STEPS_OF_C)?;
    }
    Ok(())
}
