//! Lua's own `pcall`, kept before the prelude puts another in its place.

use mlua::{Function, Lua};

const NAME: &str = "slothstate.pcall";

/// Keeps it.
pub(super) fn keep(lua: &Lua, pcall: &Function) -> mlua::Result<()> {
    lua.set_named_registry_value(NAME, pcall)
}

/// The one that was kept.
pub(super) fn raw(lua: &Lua) -> mlua::Result<Function> {
    lua.named_registry_value(NAME)
}
