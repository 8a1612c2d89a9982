//! Loads files into a workflow that can run.

use std::path::{Path, PathBuf};

use mlua::{Lua, Table, Value};

use crate::input_file::{self, Accept, STANDARD_INPUT};
use crate::lua::convert::json_to_lua;
use crate::lua::error::{OUT_OF_MEMORY, message};
use crate::lua::exec::ShellCommand;
use crate::lua::{Runtime, ScriptError};
use crate::store::JsonText;
use crate::text::escape::escape;
use crate::workflow::declare::{Declarations, Rules};
use crate::workflow::{InvalidWorkflow, Task, TaskAction, Workflow, plan};

/// A file of Lua.
#[derive(Clone, Debug)]
pub struct Script {
    /// How the file is named in messages.
    pub file: PathBuf,
    pub source: Vec<u8>,
}

/// The largest source that is read, in bytes.
const MAX_SOURCE_SIZE: u64 = 16 << 20;

impl Script {
    /// Reads a file; `-` is standard input, where pipes are accepted.
    ///
    /// # Errors
    /// Why it cannot be read, with the file.
    pub fn read(file: &Path, accept: Accept) -> Result<Script, String> {
        let is_standard_input = accept == Accept::Pipes && file == Path::new(STANDARD_INPUT);
        let named = if is_standard_input { Path::new("<stdin>") } else { file };
        match input_file::read(file, accept, MAX_SOURCE_SIZE) {
            Ok(source) => Ok(Script { file: named.into(), source }),
            Err(error) => {
                Err(format!("cannot read the workflow {}: {error}", crate::text::escape::path(named)))
            }
        }
    }
}

/// The input of a workflow file.
pub struct Given<'a> {
    pub params: &'a [(String, String)],
    /// The text of a JSON object.
    pub values: Option<&'a str>,
    /// Whether tasks that are delegated to another host run here.
    pub run_delegated_here: bool,
}

/// The global `values`: the fields of the object, overridden by the parameters.
fn values(lua: &Lua, given: &Given<'_>) -> mlua::Result<Table> {
    let table = match given.values {
        Some(text) => {
            let json = JsonText::parse(text).map_err(mlua::Error::external)?;
            match json_to_lua(lua, &json)? {
                Value::Table(table) => table,
                _ => lua.create_table()?,
            }
        }
        None => lua.create_table()?,
    };
    for (name, value) in given.params {
        table.raw_set(name.as_str(), value.as_str())?;
    }
    Ok(table)
}

/// The names of the tasks in the global `TaskDefinitions`; `None` if there is no such table.
fn older_tasks(lua: &Lua) -> Option<String> {
    let groups: Table = lua.globals().raw_get("TaskDefinitions").ok()?;
    let mut names = Vec::new();
    for (_, group) in groups.pairs::<Value, Table>().filter_map(Result::ok) {
        let Ok(tasks) = group.raw_get::<Table>("tasks") else { continue };
        for (name, task) in tasks.pairs::<Value, Value>().filter_map(Result::ok) {
            let named = task.as_table().and_then(|task| task.raw_get::<String>("name").ok());
            names.extend(named.or_else(|| name.as_string().map(|name| name.to_string_lossy())));
        }
    }
    names.sort();
    Some(escape(names.join(", ").as_bytes()))
}

/// Runs `modules`, then `script`, and orders the declared tasks; only the tasks `wanted` and their
/// dependencies, if any are named.
///
/// # Errors
/// [`InvalidWorkflow`], with file and line where there is one.
pub fn load(
    runtime: &Runtime,
    script: &Script,
    modules: &[Script],
    wanted: &[String],
    env: &Given<'_>,
) -> Result<Workflow, InvalidWorkflow> {
    let format = runtime.context.format;
    let rules = Rules { format, run_delegated_here: env.run_delegated_here };
    let install = || -> mlua::Result<Declarations> {
        if format >= 3 {
            runtime.provide("values", values(&runtime.lua, env)?)?;
        }
        Declarations::install(runtime, rules)
    };
    let invalid = |text: String| InvalidWorkflow::Script { text, calls: Vec::new() };
    let declarations = install().map_err(|error| invalid(message(&error)))?;
    let failed = |file: &PathBuf| {
        let file = file.display().to_string();
        move |failed: ScriptError| match failed {
            ScriptError::Raised { text, calls } if text != OUT_OF_MEMORY => {
                InvalidWorkflow::Script { text, calls }
            }
            ScriptError::Raised { .. } => invalid(format!("{file}: {failed}")),
            ScriptError::Stopped(stop) => invalid(format!("{file}: {stop}, before any task was run")),
        }
    };
    for module in modules {
        runtime.run_module(&module.file, &module.source).map_err(failed(&module.file))?;
    }
    runtime.run(&script.file, &script.source).map_err(failed(&script.file))?;
    let declared = declarations.take();
    let older = if format >= 3 { older_tasks(&runtime.lua) } else { None };
    if declared.tasks.is_empty() {
        if let Some(tasks) = older {
            let tasks = if tasks.is_empty() { tasks } else { format!(" ({tasks})") };
            return Err(InvalidWorkflow::TaskDefinitions { file: script.file.clone(), tasks });
        }
        return Err(InvalidWorkflow::Empty { file: script.file.clone() });
    }
    let all: Vec<String> = declared.tasks.iter().map(|task| task.name.clone()).collect();
    let warnings = declared.warnings();
    let mut workflow = declared.workflow.unwrap_or_default();
    workflow.warnings.extend(warnings);
    if older.is_some() {
        workflow.warnings.push("TaskDefinitions is the older form, and nothing of it is run".into());
    }
    if workflow.name.is_empty() {
        workflow.name =
            script.file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    }
    let listed = declared.listed.unwrap_or(all);
    workflow.tasks = plan(&declared.tasks, &listed, wanted)?;
    workflow.tasks.iter().try_for_each(|task| check_commands(runtime, task))?;
    Ok(workflow)
}

/// Refuses a task with a shell command that may not be started.
fn check_commands(runtime: &Runtime, task: &Task) -> Result<(), InvalidWorkflow> {
    for (option, action) in
        [("command", &task.command), ("run_if", &task.run_if), ("abort_if", &task.abort_if)]
    {
        let Some(TaskAction::Shell(text)) = action else { continue };
        let cwd = task.workdir.as_ref().map(PathBuf::from);
        let command = ShellCommand { text: text.clone(), cwd, ..ShellCommand::default() };
        if let Err(why) = runtime.context.host.check_command(&command) {
            let (place, task) = (task.place.clone(), task.name.clone());
            let command = escape(text.as_bytes());
            return Err(InvalidWorkflow::RefusedCommand { place, task, option, command, why });
        }
    }
    Ok(())
}
