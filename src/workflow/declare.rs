//! `task("name")` and `workflow.define`: what a file says there is to do.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use mlua::{AnyUserData, Function, Lua, MetaMethod, MultiValue, Table, UserData, UserDataMethods, Value};

use crate::lua::Runtime;
use crate::lua::convert::kind;
use crate::lua::fault::{caller, raise};
use crate::workflow::plan::known;
use crate::workflow::{Backoff, Retries, Task, Workflow};

/// What a file has declared.
#[derive(Clone, Default)]
pub(super) struct Declared {
    /// Every task, in its order.
    pub tasks: Vec<Task>,
    /// The workflow, if one was defined.
    pub workflow: Option<Workflow>,
    /// The names of the tasks that the workflow lists, if it lists any.
    pub listed: Option<Vec<String>>,
}

/// The functions of the language, and what they were told.
#[derive(Clone, Default)]
pub(super) struct Declarations(Rc<RefCell<Declared>>);

/// A task in the hands of a script: its name, and its place in the list of tasks.
struct TaskHandle {
    declarations: Declarations,
    name: String,
    index: usize,
}

/// The workflow in the hands of a script.
struct WorkflowHandle(Declarations);

const TASK_METHODS: [&str; 13] = [
    "description",
    "command",
    "depends_on",
    "timeout",
    "retries",
    "run_if",
    "abort_if",
    "pre_hook",
    "post_hook",
    "on_success",
    "on_failure",
    "on_timeout",
    "build",
];
const WORKFLOW_METHODS: [&str; 6] = ["description", "version", "tasks", "config", "on_complete", "build"];

/// What other runners know and this one does not do.
fn elsewhere(method: &str) -> Option<&'static str> {
    match method {
        "delegate_to" => Some("would run the task on another machine, and slothstate runs tasks only here"),
        "user" => Some(
            "would run the task as another user, and slothstate runs tasks only as the one who called it",
        ),
        _ => None,
    }
}

impl Declarations {
    /// Adds `task` and `workflow` to a runtime.
    pub(super) fn install(runtime: &Runtime) -> mlua::Result<Declarations> {
        let declarations = Declarations::default();
        let lua = &runtime.lua;
        let shared = declarations.clone();
        let task = lua.create_function(move |lua, name: Value| shared.declare_task(lua, &name))?;
        runtime.provide("task", task)?;
        let workflow = lua.create_table()?;
        let shared = declarations.clone();
        let define = lua.create_function(move |lua, (name, options): (Value, Value)| {
            shared.define_workflow(lua, &name, &options)
        })?;
        workflow.raw_set("define", define)?;
        runtime.provide("workflow", workflow)?;
        Ok(declarations)
    }

    /// What was declared.
    pub(super) fn take(&self) -> Declared {
        self.0.borrow().clone()
    }

    fn declare_task(&self, lua: &Lua, name: &Value) -> mlua::Result<TaskHandle> {
        let name = text(lua, "task", "name", name)?;
        if name.is_empty() {
            return Err(raise(lua, "task: the name cannot be empty"));
        }
        let mut declared = self.0.borrow_mut();
        if let Some(other) = declared.tasks.iter().find(|task| task.name == name) {
            return Err(raise(
                lua,
                format!("task {name} is declared twice; the first time at {}", other.place),
            ));
        }
        let place = caller(lua).unwrap_or_default();
        declared.tasks.push(Task { name: name.clone(), place, ..Task::default() });
        Ok(TaskHandle { declarations: self.clone(), name, index: declared.tasks.len() - 1 })
    }

    fn define_workflow(&self, lua: &Lua, name: &Value, options: &Value) -> mlua::Result<WorkflowHandle> {
        let name = text(lua, "workflow.define", "name", name)?;
        if let Some(other) = &self.0.borrow().workflow {
            let text = format!(
                "workflow {name}: this file defines workflow {} already; one file is one workflow",
                other.name
            );
            return Err(raise(lua, text));
        }
        self.0.borrow_mut().workflow = Some(Workflow { name, ..Workflow::default() });
        match options {
            Value::Nil => {}
            Value::Table(options) => {
                for pair in options.pairs::<Value, Value>() {
                    let (option, value) = pair?;
                    let option = text(lua, "workflow.define", "option", &option)?;
                    self.set_workflow(lua, &option, &value)?;
                }
            }
            other => {
                let text = format!(
                    "workflow.define: the second argument must be a table, and this is a {}",
                    kind(other)
                );
                return Err(raise(lua, text));
            }
        }
        Ok(WorkflowHandle(self.clone()))
    }

    fn set_workflow(&self, lua: &Lua, option: &str, value: &Value) -> mlua::Result<()> {
        let listed = if option == "tasks" { Some(self.listed(lua, value)?) } else { None };
        let mut declared = self.0.borrow_mut();
        let declared = &mut *declared;
        let workflow = declared.workflow.get_or_insert_default();
        let owner = format!("workflow {}", workflow.name);
        match option {
            "description" => workflow.description = Some(text(lua, &owner, option, value)?),
            "version" => workflow.version = Some(text(lua, &owner, option, value)?),
            "on_complete" => workflow.on_complete = Some(function(lua, &owner, option, value)?),
            "tasks" => declared.listed = listed,
            "config" => {
                let Value::Table(config) = value else {
                    return Err(unfit(lua, &owner, option, "a table", value));
                };
                for pair in config.pairs::<String, Value>() {
                    match pair? {
                        (name, value) if name == "timeout" => {
                            workflow.timeout = Some(time(lua, &owner, "config.timeout", &value)?);
                        }
                        (name, _) => workflow.warnings.push(format!("config.{name} has no effect here")),
                    }
                }
            }
            "build" => {}
            _ => return Err(unknown(lua, &owner, option, &WORKFLOW_METHODS)),
        }
        Ok(())
    }

    /// The names of the tasks in a list of tasks, names, and tables of options.
    fn listed(&self, lua: &Lua, value: &Value) -> mlua::Result<Vec<String>> {
        let Value::Table(list) = value else {
            return Err(unfit(lua, "workflow", "tasks", "a list of tasks", value));
        };
        let mut names = Vec::new();
        let mut named: Vec<(String, Value)> = Vec::new();
        for pair in list.pairs::<Value, Value>() {
            match pair? {
                (Value::Integer(_), item) => names.push(self.listed_task(lua, None, &item)?),
                (name, item) => named.push((text(lua, "workflow", "name of a task", &name)?, item)),
            }
        }
        named.sort_by(|left, right| left.0.cmp(&right.0));
        for (name, item) in named {
            names.push(self.listed_task(lua, Some(name), &item)?);
        }
        Ok(names)
    }

    fn listed_task(&self, lua: &Lua, name: Option<String>, item: &Value) -> mlua::Result<String> {
        match item {
            Value::UserData(handle) => task_name(lua, handle),
            Value::String(_) => {
                let name = text(lua, "workflow", "task", item)?;
                let declared = self.0.borrow();
                let names: Vec<&str> = declared.tasks.iter().map(|task| task.name.as_str()).collect();
                if names.contains(&name.as_str()) {
                    return Ok(name);
                }
                Err(raise(
                    lua,
                    format!(
                        "the workflow lists task {name}, which is not declared; {}",
                        known(&name, &names)
                    ),
                ))
            }
            Value::Table(options) => {
                let named: Value = options.raw_get("name")?;
                let name = match name {
                    Some(name) if named.is_nil() => Value::String(lua.create_string(name)?),
                    _ => named,
                };
                let handle = self.declare_task(lua, &name)?;
                for pair in options.pairs::<String, Value>() {
                    let (option, value) = pair?;
                    if option != "name" {
                        self.set_task(lua, handle.index, &option, &MultiValue::from_iter([value]))?;
                    }
                }
                Ok(handle.name)
            }
            other => Err(unfit(lua, "workflow", "task", "a task, a name or a table", other)),
        }
    }

    fn set_task(&self, lua: &Lua, index: usize, option: &str, arguments: &MultiValue) -> mlua::Result<()> {
        let mut declared = self.0.borrow_mut();
        let Some(task) = declared.tasks.get_mut(index) else { return Ok(()) };
        let owner = format!("task {}", task.name);
        let nothing = Value::Nil;
        let value = arguments.front().unwrap_or(&nothing);
        if let (Value::String(_), "command" | "run_if" | "abort_if") = (value, option) {
            let text =
                format!("{owner}: a {option} that is a shell command is not supported; give a function");
            return Err(raise(lua, text));
        }
        let callback = || function(lua, &owner, option, value).map(Some);
        match option {
            "description" => task.description = Some(text(lua, &owner, option, value)?),
            "command" => task.command = callback()?,
            "depends_on" => task.depends_on = dependencies(lua, &owner, arguments)?,
            "timeout" => task.timeout = Some(time(lua, &owner, option, value)?),
            "retries" => task.retries = retries(lua, &owner, arguments)?,
            "run_if" => task.run_if = callback()?,
            "abort_if" => task.abort_if = callback()?,
            "pre_hook" => task.pre_hook = callback()?,
            "post_hook" => task.post_hook = callback()?,
            "on_success" => task.on_success = callback()?,
            "on_failure" => task.on_failure = callback()?,
            "on_timeout" => task.on_timeout = callback()?,
            "build" => {}
            _ => return Err(unknown(lua, &owner, option, &TASK_METHODS)),
        }
        Ok(())
    }
}

impl UserData for TaskHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        for method in TASK_METHODS {
            methods.add_function(method, move |lua, (this, arguments): (AnyUserData, MultiValue)| {
                let handle = this.borrow::<TaskHandle>()?;
                handle.declarations.set_task(lua, handle.index, method, &arguments)?;
                drop(handle);
                Ok(this)
            });
        }
        methods.add_meta_method(MetaMethod::Index, |lua, this, name: Value| -> mlua::Result<Value> {
            let name = name.to_string().unwrap_or_default();
            if name == "name" {
                return Ok(Value::String(lua.create_string(&this.name)?));
            }
            Err(unknown(lua, &format!("task {}", this.name), &name, &TASK_METHODS))
        });
    }
}

impl UserData for WorkflowHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        for method in WORKFLOW_METHODS {
            methods.add_function(method, move |lua, (this, value): (AnyUserData, Value)| {
                let declarations = this.borrow::<WorkflowHandle>()?.0.clone();
                declarations.set_workflow(lua, method, &value)?;
                Ok(this)
            });
        }
        methods.add_meta_method(MetaMethod::Index, |lua, _, name: Value| -> mlua::Result<Value> {
            let name = name.to_string().unwrap_or_default();
            Err(unknown(lua, "a workflow", &name, &WORKFLOW_METHODS))
        });
    }
}

fn task_name(lua: &Lua, handle: &AnyUserData) -> mlua::Result<String> {
    match handle.borrow::<TaskHandle>() {
        Ok(handle) => Ok(handle.name.clone()),
        Err(_) => Err(raise(lua, "this is no task; declare one with task(\"name\")")),
    }
}

fn dependencies(lua: &Lua, owner: &str, arguments: &MultiValue) -> mlua::Result<Vec<String>> {
    let mut names = Vec::new();
    for argument in arguments {
        match argument {
            Value::Table(list) => {
                for item in list.clone().sequence_values::<Value>() {
                    names.push(dependency(lua, owner, &item?)?);
                }
            }
            other => names.push(dependency(lua, owner, other)?),
        }
    }
    Ok(names)
}

fn dependency(lua: &Lua, owner: &str, value: &Value) -> mlua::Result<String> {
    match value {
        Value::UserData(handle) => task_name(lua, handle),
        other => text(lua, owner, "dependency", other),
    }
}

fn retries(lua: &Lua, owner: &str, arguments: &MultiValue) -> mlua::Result<Retries> {
    let mut retries = Retries::default();
    match arguments.front() {
        Some(Value::Integer(count @ 0..=1000)) => retries.count = u32::try_from(*count).unwrap_or_default(),
        _ => return Err(raise(lua, format!("{owner}: retries must be a whole number from 0 to 1000"))),
    }
    if let Some(name) = arguments.get(1).filter(|value| !value.is_nil()) {
        let name = text(lua, owner, "retries' strategy", name)?;
        retries.backoff = Backoff::from_name(&name).ok_or_else(|| {
            raise(lua, format!("{owner}: retries grow fixed, linear or exponential, and this is {name}"))
        })?;
    }
    if let Some(base) = arguments.get(2).filter(|value| !value.is_nil()) {
        retries.base = time(lua, owner, "time between retries", base)?;
    }
    Ok(retries)
}

/// A time: seconds, or text such as `"30s"` or `"5m"`.
fn time(lua: &Lua, owner: &str, name: &str, value: &Value) -> mlua::Result<Duration> {
    let time = match value {
        Value::Integer(seconds) => crate::lua::seconds(*seconds as f64),
        Value::Number(seconds) => crate::lua::seconds(*seconds),
        Value::String(text) => humantime::parse_duration(&text.to_string_lossy()).ok(),
        _ => None,
    };
    time.filter(|time| !time.is_zero()).ok_or_else(|| {
        raise(lua, format!("{owner}: {name} must be a number of seconds, or text such as \"30s\" or \"5m\""))
    })
}

fn text(lua: &Lua, owner: &str, name: &str, value: &Value) -> mlua::Result<String> {
    match value {
        Value::String(text) => match text.to_str() {
            Ok(text) => Ok(text.to_string()),
            Err(_) => Err(raise(lua, format!("{owner}: the {name} is no UTF-8 text"))),
        },
        other => Err(unfit(lua, owner, name, "text", other)),
    }
}

fn function(lua: &Lua, owner: &str, name: &str, value: &Value) -> mlua::Result<Function> {
    match value {
        Value::Function(function) => Ok(function.clone()),
        other => Err(unfit(lua, owner, name, "a function", other)),
    }
}

fn unfit(lua: &Lua, owner: &str, name: &str, wanted: &str, found: &Value) -> mlua::Error {
    raise(lua, format!("{owner}: {name} must be {wanted}, and this is a {}", kind(found)))
}

fn unknown(lua: &Lua, owner: &str, name: &str, methods: &[&str]) -> mlua::Error {
    match elsewhere(name) {
        Some(what) => raise(lua, format!("{owner}: {name} {what}")),
        None => raise(lua, format!("{owner} has no :{name}(); {}", known(name, methods))),
    }
}

/// A table of its own for every caller, so that nothing that one task does to it reaches another.
pub(super) fn parameters(lua: &Lua, parameters: &[(String, String)]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in parameters {
        table.raw_set(name.as_str(), value.as_str())?;
    }
    Ok(table)
}
