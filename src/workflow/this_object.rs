//! The object `this` of the functions of a task: its name and its directory. Also the reason of a failure for
//! functions with `this`.

use std::path::PathBuf;

use mlua::{Lua, MultiValue, Table, Value};

use crate::lua::error::raise;
use crate::lua::workdir::{self, CreatedDirectories};
use crate::lua::{Runtime, seal};
use crate::text::escape::escape;
use crate::workflow::Task;

/// `this` of the functions of `task`.
pub(super) fn of_task(runtime: &Runtime, task: &Task, created: &CreatedDirectories) -> mlua::Result<Table> {
    let lua = &runtime.lua;
    let workdir = workdir::table(lua, &runtime.context, &task.name, &directory(runtime, task), created)?;
    let this = lua.create_table()?;
    this.raw_set("name", task.name.as_str())?;
    this.raw_set("workdir", sealed(lua, workdir, "this.workdir", "get, ensure, exists and cleanup")?)?;
    sealed(lua, this, "this", "name and workdir (get, ensure, exists, cleanup)")
}

/// `this` of the functions of a workflow.
pub(super) fn of_workflow(lua: &Lua, name: &str) -> mlua::Result<Table> {
    let this = lua.create_table()?;
    this.raw_set("name", name)?;
    sealed(lua, this, "this", "name")
}

/// Makes access to an unknown field an error that lists the known ones.
fn sealed(lua: &Lua, table: Table, named: &'static str, known: &'static str) -> mlua::Result<Table> {
    seal(lua, table, move |name| {
        format!("{named}.{} does not exist here; there is {known}", escape(name.as_bytes()))
    })
}

/// The directory of a task: the one it was given, or one of its own in the system's folder for temporary
/// files, under an unpredictable number.
fn directory(runtime: &Runtime, task: &Task) -> PathBuf {
    if let Some(directory) = &task.workdir {
        return directory.into();
    }
    let name: String = task
        .name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
            other => format!("_{other:02x}"),
        })
        .collect();
    std::env::temp_dir().join(format!("slothstate-{:016x}", runtime.context.host.seed())).join(name)
}

/// Why something failed: a table `{error = text, message = text}` that prints and concatenates as the text.
pub(super) fn reason(lua: &Lua, text: &str) -> mlua::Result<Value> {
    let reason = lua.create_table()?;
    reason.raw_set("error", text)?;
    reason.raw_set("message", text)?;
    let meta = lua.create_table()?;
    let shown = text.to_string();
    meta.raw_set("__tostring", lua.create_function(move |_, _: MultiValue| Ok(shown.clone()))?)?;
    let concatenate = |lua: &Lua, (left, right): (Value, Value)| -> mlua::Result<Value> {
        let mut joined = Vec::new();
        for side in [left, right] {
            match &side {
                Value::Table(table) if has_text(table)? => joined.extend(side.to_string()?.into_bytes()),
                Value::String(text) => joined.extend_from_slice(&text.as_bytes()),
                Value::Integer(_) | Value::Number(_) => joined.extend(side.to_string()?.into_bytes()),
                other => {
                    let kind = crate::lua::convert::kind(other);
                    return Err(raise(lua, format!("attempt to concatenate a {kind} value")));
                }
            }
        }
        Ok(Value::String(lua.create_string(joined)?))
    };
    meta.raw_set("__concat", lua.create_function(concatenate)?)?;
    reason.set_metatable(Some(meta))?;
    Ok(Value::Table(reason))
}

fn has_text(table: &Table) -> mlua::Result<bool> {
    table.metatable().map_or(Ok(false), |meta| meta.contains_key("__tostring"))
}
