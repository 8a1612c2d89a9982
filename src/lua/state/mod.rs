//! The `state` module: what workflows keep between runs, and share with each other.

mod atomic;
mod entries;
mod history;
mod lifetime;
mod listing;
mod locks;
mod transaction;
mod waiting;

use std::rc::Rc;

use mlua::{Lua, Table};

use crate::lua::Context;
use crate::lua::call::{Native, install as install_functions};

/// The functions of the module, and what a call of each means.
const GROUPS: [&[Native]; 8] = [
    &entries::FUNCTIONS,
    &listing::FUNCTIONS,
    &lifetime::FUNCTIONS,
    &atomic::FUNCTIONS,
    &locks::FUNCTIONS,
    &waiting::FUNCTIONS,
    &history::FUNCTIONS,
    &transaction::FUNCTIONS,
];

/// Every function of the module.
pub fn functions() -> impl Iterator<Item = &'static Native> {
    GROUPS.into_iter().flatten()
}

/// Makes the table `state`, without what the prelude adds.
pub fn install(lua: &Lua, context: &Rc<Context>) -> mlua::Result<Table> {
    let state = lua.create_table()?;
    for functions in GROUPS {
        install_functions(lua, &state, context, "state", functions)?;
    }
    lua.globals().raw_set("state", &state)?;
    Ok(state)
}
