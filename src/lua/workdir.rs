//! `this.workdir` of a task: its working directory.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mlua::{IntoLua, Lua, MultiValue, Table, Value};

use crate::lua::boundary::HostCall;
use crate::lua::host_function::{CallTarget, HostFunction};
use crate::lua::{Host, ScriptContext};
use crate::text::escape;

pub type CreatedDirectories = Rc<RefCell<BTreeSet<PathBuf>>>;

const fn reads(name: &'static str) -> HostFunction {
    HostFunction::reads(name).about(CallTarget::Directory).since(3)
}
const fn writes(name: &'static str) -> HostFunction {
    HostFunction::writes(name).about(CallTarget::Directory).since(3)
}

/// The body of a function.
type WorkdirBody = fn(&Lua, &dyn Host, &Path, &CreatedDirectories) -> mlua::Result<MultiValue>;

pub static FUNCTIONS: [(HostFunction, WorkdirBody); 4] = [
    (reads("workdir.get"), |lua, _, directory, _| {
        let path = lua.create_string(directory.as_os_str().as_bytes())?;
        Ok(MultiValue::from_iter([Value::String(path)]))
    }),
    (writes("workdir.ensure"), |lua, host, directory, created| answer(lua, ensure(host, directory, created))),
    (reads("workdir.exists"), |_, host, directory, _| {
        Ok(MultiValue::from_iter([Value::Boolean(host.is_directory(directory))]))
    }),
    (writes("workdir.cleanup"), |lua, host, directory, created| {
        answer(lua, cleanup(host, directory, created))
    }),
];

/// The table of the functions, about the directory of `task`.
pub fn table(
    lua: &Lua,
    context: &Rc<ScriptContext>,
    task: &str,
    directory: &Path,
    created: &CreatedDirectories,
) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (function, body) in &FUNCTIONS {
        let (context, created) = (Rc::clone(context), Rc::clone(created));
        let (directory, task) = (directory.to_path_buf(), task.to_string());
        let callable = lua.create_function(move |lua, _: MultiValue| {
            let arguments = MultiValue::from_iter([Value::String(lua.create_string(&task)?)]);
            let call = HostCall { lua, function, arguments: &arguments, reading: None };
            context.boundary.call(&call, &|| body(lua, &*context.host, &directory, &created))
        })?;
        table.raw_set(function.short_name(), callable)?;
    }
    Ok(table)
}

/// True, or false and the reason.
fn answer(lua: &Lua, result: Result<(), String>) -> mlua::Result<MultiValue> {
    Ok(match result {
        Ok(()) => MultiValue::from_iter([Value::Boolean(true)]),
        Err(why) => MultiValue::from_iter([Value::Boolean(false), why.into_lua(lua)?]),
    })
}

/// Creates the directory, unless it exists.
fn ensure(host: &dyn Host, directory: &Path, created: &CreatedDirectories) -> Result<(), String> {
    if host.is_directory(directory) {
        return Ok(());
    }
    host.create_directory(directory).map_err(|error| format!("{}: {error}", escape::path(directory)))?;
    created.borrow_mut().insert(directory.into());
    Ok(())
}

/// Removes the directory with everything in it, if this run created it.
fn cleanup(host: &dyn Host, directory: &Path, created: &CreatedDirectories) -> Result<(), String> {
    let shown = escape::path(directory);
    if !host.path_exists(directory) {
        return Ok(());
    }
    if !created.borrow().contains(directory) {
        return Err(format!("{shown} was not made by this run, and is left as it is"));
    }
    host.remove_directory(directory).map_err(|error| format!("{shown}: {error}"))?;
    created.borrow_mut().remove(directory);
    Ok(())
}
