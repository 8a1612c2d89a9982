//! The `state` module: what workflows keep between runs, and share with each other.
//!
//! A new function is a body and its row in the file of its subject; what a call means to a recording stands in
//! the row.

mod atomic;
mod entries;
mod history;
mod lifetime;
mod listing;
mod lists;
mod locks;
mod transaction;
mod waiting;

pub(super) use entries::GET;

use std::rc::Rc;

use mlua::{Function, Lua, Table};

use crate::lua::ScriptContext;
use crate::lua::call::{Native, function, install as install_functions};
use crate::lua::typed_read::Reading;

static GROUPS: [&[Native]; 9] = [
    &entries::FUNCTIONS,
    &listing::FUNCTIONS,
    &lifetime::FUNCTIONS,
    &atomic::FUNCTIONS,
    &lists::FUNCTIONS,
    &locks::FUNCTIONS,
    &waiting::FUNCTIONS,
    &history::FUNCTIONS,
    &transaction::FUNCTIONS,
];

/// Every function of the module.
pub fn functions() -> impl Iterator<Item = &'static Native> {
    GROUPS.iter().copied().flatten()
}

/// Makes the table `state`, without what the prelude adds.
pub fn install(lua: &Lua, context: &Rc<ScriptContext>) -> mlua::Result<Table> {
    let state = lua.create_table()?;
    for functions in GROUPS {
        install_functions(lua, &state, context, functions)?;
    }
    lua.globals().raw_set("state", &state)?;
    Ok(state)
}

/// Adds the variants of `state.get`, one for each way to say which type its reader means.
pub fn add_variants(
    lua: &Lua,
    context: &Rc<ScriptContext>,
    state: &Table,
    variants: &Table,
) -> mlua::Result<()> {
    let of_get = lua.create_table()?;
    for (name, reading) in Reading::VARIANTS {
        of_get.raw_set(name, function(lua, context, &entries::GET, Some(reading))?)?;
    }
    variants.raw_set(state.raw_get::<Function>(entries::GET.function.short_name())?, of_get)
}
