//! The functions of `string` that search: C's own where they come to an end soon, otherwise our matcher, which
//! polls the limits of the script.
//!
//! `cost` decides which of them answers, `matcher` is ours with `items` and `error`, and `functions` are the
//! functions that scripts call.

mod cost;
mod error;
mod functions;
mod items;
mod matcher;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use mlua::{Lua, Table};

use crate::lua::Limits;

/// The most steps that C's functions may take in the worst case.
const MAX_STEPS_OF_C: u64 = 1_000_000;

/// Replaces the functions of the global `string` that search.
pub(super) fn install(lua: &Lua, limits: &Rc<Limits>) -> mlua::Result<()> {
    let limits = Rc::clone(limits);
    let poll = lua.create_function(move |lua, ()| limits.poll(lua))?;
    let string: Table = lua.globals().raw_get("string")?;
    functions::replace(lua, &string, &poll, MAX_STEPS_OF_C)
}
