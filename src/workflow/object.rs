//! What a function of a task has as `this`: the task's name and its directory. And the reason of a failure
//! as functions with a `this` get it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

use crate::lua::Runtime;
use crate::lua::boundary::{Effect, HostCall, Meaning, Subject};
use crate::lua::error::raise;
use crate::text::escape::escape;
use crate::workflow::Task;

/// The directories that this run made.
pub(super) type Made = Rc<RefCell<BTreeSet<PathBuf>>>;

/// What a function of the directory does.
type Work = fn(&Path, &Made) -> Result<(), String>;

/// `this` of the functions of `task`.
pub(super) fn of_task(runtime: &Runtime, task: &Task, made: &Made) -> mlua::Result<Table> {
    let lua = &runtime.lua;
    let directory = directory(runtime, task);
    let workdir = lua.create_table()?;
    for (name, effect) in [
        ("get", Effect::Read),
        ("ensure", Effect::Write),
        ("exists", Effect::Read),
        ("cleanup", Effect::Write),
    ] {
        let (context, made) = (Rc::clone(&runtime.context), Rc::clone(made));
        let (directory, task) = (directory.clone(), task.name.clone());
        let function = lua.create_function(move |lua, _: MultiValue| {
            let meaning = Meaning { subject: Subject::Other, since: 3, ..Meaning::of(name, effect) };
            let arguments = MultiValue::from_iter([Value::String(lua.create_string(&task)?)]);
            let call =
                HostCall { lua, module: "workdir", name, meaning, arguments: &arguments, reading: None };
            context.boundary.call(&call, &|| match name {
                "get" => {
                    let path =
                        lua.create_string(std::os::unix::ffi::OsStrExt::as_bytes(directory.as_os_str()))?;
                    Ok(MultiValue::from_iter([Value::String(path)]))
                }
                "exists" => Ok(MultiValue::from_iter([Value::Boolean(directory.is_dir())])),
                "ensure" => answer(lua, &directory, &made, ensure),
                _ => answer(lua, &directory, &made, cleanup),
            })
        })?;
        workdir.raw_set(name, function)?;
    }
    closed(lua, &workdir, "this.workdir", "get, ensure, exists and cleanup")?;
    let this = lua.create_table()?;
    this.raw_set("name", task.name.as_str())?;
    this.raw_set("workdir", workdir)?;
    closed(lua, &this, "this", "name and workdir (get, ensure, exists, cleanup)")?;
    Ok(this)
}

/// `this` of the functions of a workflow.
pub(super) fn of_workflow(lua: &Lua, name: &str) -> mlua::Result<Table> {
    let this = lua.create_table()?;
    this.raw_set("name", name)?;
    closed(lua, &this, "this", "name")?;
    Ok(this)
}

/// Makes a field that a table does not have an error that lists those it has.
fn closed(lua: &Lua, table: &Table, named: &'static str, known: &'static str) -> mlua::Result<()> {
    let meta = lua.create_table()?;
    let refuse = move |lua: &Lua, (_, name): (Table, Value)| -> mlua::Result<Value> {
        let name = name.to_string().unwrap_or_default();
        Err(raise(lua, format!("{named}.{} does not exist here; there is {known}", escape(name.as_bytes()))))
    };
    meta.raw_set("__index", lua.create_function(refuse)?)?;
    meta.raw_set("__metatable", false)?;
    table.set_metatable(Some(meta))
}

/// The directory of a task: the one it was given, or one of its own in the system's folder for temporary
/// files, under a number that nobody can foresee.
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

/// True, or false and why not.
fn answer(lua: &Lua, directory: &Path, made: &Made, work: Work) -> mlua::Result<MultiValue> {
    let values = match work(directory, made) {
        Ok(()) => vec![Value::Boolean(true)],
        Err(why) => vec![Value::Boolean(false), Value::String(lua.create_string(why)?)],
    };
    Ok(MultiValue::from_iter(values))
}

/// Makes the directory, unless it is there.
fn ensure(directory: &Path, made: &Made) -> Result<(), String> {
    if directory.is_dir() {
        return Ok(());
    }
    let create = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    create.map_err(|error| format!("{}: {error}", crate::text::escape::path(directory)))?;
    made.borrow_mut().insert(directory.into());
    Ok(())
}

/// Removes the directory with everything in it, if this run made it.
fn cleanup(directory: &Path, made: &Made) -> Result<(), String> {
    let shown = crate::text::escape::path(directory);
    if !directory.exists() {
        return Ok(());
    }
    if !made.borrow().contains(directory) {
        return Err(format!("{shown} was not made by this run, and is left as it is"));
    }
    std::fs::remove_dir_all(directory).map_err(|error| format!("{shown}: {error}"))?;
    made.borrow_mut().remove(directory);
    // That of the run, once it is empty.
    if let Some(parent) = directory.parent()
        && parent.file_name().is_some_and(|name| name.to_string_lossy().starts_with("slothstate-"))
    {
        let _ = std::fs::remove_dir(parent);
    }
    Ok(())
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

/// Whether a table says what its text is.
fn has_text(table: &Table) -> mlua::Result<bool> {
    table.metatable().map_or(Ok(false), |meta| meta.contains_key("__tostring"))
}
