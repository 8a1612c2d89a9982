//! The `state` module: what workflows keep between runs, and share with each other.

mod atomic;
mod entries;
mod history;
mod lifetime;
mod locks;
mod transaction;
mod waiting;

use std::rc::Rc;

use mlua::{Lua, Table};

use crate::lua::Context;
use crate::lua::call::{Body, install as install_functions};

/// Makes the table `state`, without what the prelude adds.
pub fn install(lua: &Lua, context: &Rc<Context>) -> mlua::Result<Table> {
    let state = lua.create_table()?;
    let groups: [&[(&'static str, Body)]; 7] = [
        &entries::FUNCTIONS,
        &lifetime::FUNCTIONS,
        &atomic::FUNCTIONS,
        &locks::FUNCTIONS,
        &waiting::FUNCTIONS,
        &history::FUNCTIONS,
        &transaction::FUNCTIONS,
    ];
    for functions in groups {
        install_functions(lua, &state, context, "state", functions)?;
    }
    lua.globals().raw_set("state", &state)?;
    Ok(state)
}
