//! Lua's own `pcall`, saved before the prelude replaces it.

use mlua::{Function, Lua};

const NAME: &str = "slothstate.pcall";

/// Saves it.
pub(super) fn keep(lua: &Lua, pcall: &Function) -> mlua::Result<()> {
    lua.set_named_registry_value(NAME, pcall)
}

/// The saved one.
pub(super) fn raw(lua: &Lua) -> mlua::Result<Function> {
    lua.named_registry_value(NAME)
}
