//! `task("name")` and `workflow.define`: the declarations of a workflow file.

mod arguments;
mod methods;
mod options;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use mlua::{AnyUserData, Lua, MetaMethod, MultiValue, Table, UserData, UserDataMethods, Value};

use self::arguments::{text, unfit};
use self::methods::{ALIASES, IGNORED, TASK_METHODS, WORKFLOW_METHODS, unknown};
use crate::lua::Runtime;
use crate::lua::convert::kind;
use crate::lua::error::{ScriptLine, caller, raise};
use crate::lua::object_text::text_of;
use crate::text::escape::escape;
use crate::text::suggestion::known;
use crate::workflow::{Task, Workflow};

#[derive(Clone, Default)]
pub(super) struct Declared {
    /// All tasks in the order of their declaration.
    pub tasks: Vec<Task>,
    /// The index of each task.
    by_name: HashMap<String, usize>,
    /// The workflow, if one was defined.
    pub workflow: Option<Workflow>,
    /// The names of the tasks that the workflow lists, if it lists any.
    pub listed: Option<Vec<String>>,
    /// Declared options that have no effect here, each with its first place.
    ignored: Vec<(&'static str, ScriptLine)>,
    /// Tasks that were delegated to another host and run here.
    delegated: Vec<(String, String)>,
}

impl Declared {
    pub(super) fn warnings(&self) -> Vec<String> {
        let ignored =
            self.ignored.iter().map(|(name, place)| format!("{name} has no effect here (first at {place})"));
        let mut hosts: Vec<&str> = self.delegated.iter().map(|(_, host)| host.as_str()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let delegated = hosts.into_iter().map(|host| {
            let tasks = self.delegated.iter().filter(|(_, other)| other == host);
            let tasks: Vec<&str> = tasks.map(|(task, _)| task.as_str()).collect();
            format!("delegated to {host}, run here: {}", tasks.join(", "))
        });
        ignored.chain(delegated).collect()
    }
}

/// The functions `task` and `workflow`, and what was declared with them.
#[derive(Clone)]
pub(super) struct Declarations {
    declared: Rc<RefCell<Declared>>,
    rules: Rules,
}

/// Which forms of declarations exist, and what they mean.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// The format of the recording that is made or played.
    pub format: u32,
    /// Whether tasks that are delegated to another host run here.
    pub run_delegated_here: bool,
}

/// A task as a value of a script: its name and its index.
struct TaskHandle {
    declarations: Declarations,
    name: String,
    index: usize,
}

/// The workflow as a value of a script.
struct WorkflowHandle(Declarations);

impl Declarations {
    /// Adds `task` and `workflow` to a runtime.
    pub(super) fn install(runtime: &Runtime, rules: Rules) -> mlua::Result<Declarations> {
        let declarations = Declarations { declared: Rc::default(), rules };
        let lua = &runtime.lua;
        let shared = declarations.clone();
        let task =
            lua.create_function(move |lua, (name, options): (Value, Value)| match (&name, options) {
                (Value::Table(options), _) if rules.format >= 3 => shared.declare_options(lua, None, options),
                (_, Value::Nil) => shared.declare_task(lua, &name),
                (_, options) if rules.format >= 3 => {
                    let name = text(lua, "task", "name", &name)?;
                    match options {
                        Value::Table(options) => shared.declare_options(lua, Some(name), &options),
                        Value::Function(_) => shared.declare_command(lua, &name, options),
                        other => Err(unfit(lua, "task", "second argument", "a table of options", &other)),
                    }
                }
                _ => shared.declare_task(lua, &name),
            })?;
        runtime.provide("task", task)?;
        let workflow = lua.create_table()?;
        let shared = declarations.clone();
        let define = lua.create_function(move |lua, (name, options): (Value, Value)| {
            shared.define_workflow(lua, &name, &options)
        })?;
        workflow.raw_set("define", &define)?;
        if rules.format >= 3 {
            // `workflow("name", {…})` is the same.
            let meta = lua.create_table()?;
            let call = move |_: &Lua, (_, name, options): (Value, Value, Value)| {
                define.call::<Value>((name, options))
            };
            meta.raw_set("__call", lua.create_function(call)?)?;
            meta.raw_set("__metatable", false)?;
            if rules.format >= 6 {
                let unknown = |lua: &Lua, (_, name): (Value, Value)| -> mlua::Result<Value> {
                    let name = escape(text_of(lua, &name).unwrap_or_default().as_bytes());
                    Err(raise(lua, format!("workflow.{name} is unknown: there is workflow.define")))
                };
                meta.raw_set("__index", lua.create_function(unknown)?)?;
            }
            workflow.set_metatable(Some(meta))?;
        }
        runtime.provide("workflow", workflow)?;
        Ok(declarations)
    }

    /// The declarations so far.
    pub(super) fn take(&self) -> Declared {
        self.declared.borrow().clone()
    }

    fn declare_task(&self, lua: &Lua, name: &Value) -> mlua::Result<TaskHandle> {
        let name = text(lua, "task", "name", name)?;
        if name.is_empty() {
            return Err(raise(lua, "task: the name cannot be empty"));
        }
        let mut declared = self.declared.borrow_mut();
        if let Some(other) = declared.by_name.get(&name).and_then(|index| declared.tasks.get(*index)) {
            return Err(raise(
                lua,
                format!("task {name} is declared twice; the first time at {}", other.place),
            ));
        }
        let place = caller(lua).unwrap_or_default();
        let index = declared.tasks.len();
        declared.by_name.insert(name.clone(), index);
        declared.tasks.push(Task { name: name.clone(), place, ..Task::default() });
        Ok(TaskHandle { declarations: self.clone(), name, index })
    }

    /// A task with a table of options, which may contain its name.
    fn declare_options(&self, lua: &Lua, name: Option<String>, options: &Table) -> mlua::Result<TaskHandle> {
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
        Ok(handle)
    }

    fn declare_command(&self, lua: &Lua, name: &str, command: Value) -> mlua::Result<TaskHandle> {
        let handle = self.declare_task(lua, &Value::String(lua.create_string(name)?))?;
        self.set_task(lua, handle.index, "command", &MultiValue::from_iter([command]))?;
        Ok(handle)
    }

    fn define_workflow(&self, lua: &Lua, name: &Value, options: &Value) -> mlua::Result<WorkflowHandle> {
        // `workflow.define{name=, tasks=}`
        let (name, options) = match (name, options) {
            (Value::Table(all), Value::Nil) if self.rules.format >= 3 => {
                (all.raw_get("name")?, Value::Table(all.clone()))
            }
            (name, options) => (name.clone(), options.clone()),
        };
        let name = match (&name, &options) {
            // The name of the file becomes its name.
            (Value::Nil, Value::Table(_)) if self.rules.format >= 3 => String::new(),
            (name, _) => text(lua, "workflow.define", "name", name)?,
        };
        let options = &options;
        if let Some(other) = &self.declared.borrow().workflow {
            let text = format!(
                "workflow {name}: this file defines workflow {} already; one file is one workflow",
                other.name
            );
            return Err(raise(lua, text));
        }
        self.declared.borrow_mut().workflow = Some(Workflow { name, ..Workflow::default() });
        match options {
            Value::Nil => {}
            Value::Table(options) => {
                for pair in options.pairs::<Value, Value>() {
                    let (option, value) = pair?;
                    let option = text(lua, "workflow.define", "option", &option)?;
                    if option != "name" || self.rules.format < 3 {
                        self.set_workflow(lua, &option, &value)?;
                    }
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
                let declared = self.declared.borrow();
                if declared.by_name.contains_key(&name) {
                    return Ok(name);
                }
                let names: Vec<&str> = declared.tasks.iter().map(|task| task.name.as_str()).collect();
                Err(raise(
                    lua,
                    format!(
                        "the workflow lists task {name}, which is not declared; {}",
                        known(&name, &names)
                    ),
                ))
            }
            Value::Table(options) => Ok(self.declare_options(lua, name, options)?.name),
            Value::Function(_) if self.rules.format >= 3 && name.is_some() => {
                let name = name.unwrap_or_default();
                Ok(self.declare_command(lua, &name, item.clone())?.name)
            }
            other => Err(unfit(lua, "workflow", "task", "a task, a name or a table", other)),
        }
    }
}

impl UserData for TaskHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        let aliases = ALIASES.map(|(alias, _)| alias);
        for method in TASK_METHODS.into_iter().chain(aliases).chain(IGNORED) {
            methods.add_function(method, move |lua, (this, arguments): (AnyUserData, MultiValue)| {
                let handle = this.borrow::<TaskHandle>()?;
                handle.declarations.set_task(lua, handle.index, method, &arguments)?;
                drop(handle);
                Ok(this)
            });
        }
        methods.add_meta_method(MetaMethod::Index, |lua, this, name: Value| -> mlua::Result<Value> {
            let name = text_of(lua, &name).unwrap_or_default();
            if name == "name" {
                return Ok(Value::String(lua.create_string(&this.name)?));
            }
            Err(unknown(
                lua,
                &format!("task {}", this.name),
                &name,
                this.declarations.task_methods(),
                this.declarations.rules.format,
            ))
        });
    }
}

impl UserData for WorkflowHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        let others = IGNORED.into_iter().filter(|name| !WORKFLOW_METHODS.contains(name));
        for method in WORKFLOW_METHODS.into_iter().chain(others).chain(["delegate_to", "on_fail"]) {
            methods.add_function(method, move |lua, (this, value): (AnyUserData, Value)| {
                let declarations = this.borrow::<WorkflowHandle>()?.0.clone();
                declarations.set_workflow(lua, method, &value)?;
                Ok(this)
            });
        }
        methods.add_meta_method(MetaMethod::Index, |lua, this, name: Value| -> mlua::Result<Value> {
            let name = text_of(lua, &name).unwrap_or_default();
            Err(unknown(lua, "a workflow", &name, this.0.workflow_methods(), this.0.rules.format))
        });
    }
}

fn task_name(lua: &Lua, handle: &AnyUserData) -> mlua::Result<String> {
    match handle.borrow::<TaskHandle>() {
        Ok(handle) => Ok(handle.name.clone()),
        Err(_) => Err(raise(lua, "this is no task; declare one with task(\"name\")")),
    }
}

/// A new table for every call, so that no task sees what another one changes in it.
pub(super) fn parameters(lua: &Lua, parameters: &[(String, String)]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in parameters {
        table.raw_set(name.as_str(), value.as_str())?;
    }
    Ok(table)
}
