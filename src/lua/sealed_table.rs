//! Tables in which a name that does not exist is an error.

use mlua::{Lua, Table, Value};

use crate::lua::error::raise;
use crate::lua::object_text::text_of;

/// Makes reading a name that `table` does not have an error with the text `why(name)`, and hides its
/// metatable.
pub fn seal(lua: &Lua, table: Table, why: impl Fn(&str) -> String + 'static) -> mlua::Result<Table> {
    let meta = lua.create_table()?;
    let refuse = move |lua: &Lua, (_, name): (Table, Value)| -> mlua::Result<Value> {
        Err(raise(lua, why(&text_of(lua, &name).unwrap_or_default())))
    };
    meta.raw_set("__index", lua.create_function(refuse)?)?;
    meta.raw_set("__metatable", false)?;
    table.set_metatable(Some(meta))?;
    Ok(table)
}
