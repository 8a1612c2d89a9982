//! The options of tasks and of the workflow: what each of them sets.

use mlua::{Lua, MultiValue, Value};

use super::arguments::{function, hosts, is_here, retries, text, time, unfit};
use super::methods::{
    IGNORED, OLDER_TASK_METHODS, OLDER_WORKFLOW_METHODS, TASK_METHODS, WORKFLOW_METHODS, method, unknown,
};
use super::{Declarations, Declared, task_name};
use crate::lua::error::{caller, raise};
use crate::text::escape::escape;
use crate::workflow::{LuaRef, TaskAction};

impl Declarations {
    pub(super) fn set_workflow(&self, lua: &Lua, option: &str, value: &Value) -> mlua::Result<()> {
        let listed = if option == "tasks" { Some(self.listed(lua, value)?) } else { None };
        let mut declared = self.declared.borrow_mut();
        let declared = &mut *declared;
        let workflow = declared.workflow.get_or_insert_default();
        let owner = match workflow.name.as_str() {
            "" => "workflow".to_string(),
            name => format!("workflow {name}"),
        };
        let known = self.workflow_methods();
        match option {
            _ if self.rules.format < 3 && !known.contains(&option) => {
                return Err(unknown(lua, &owner, option, known, self.rules.format));
            }
            "on_start" => workflow.on_start = Some(function(lua, &owner, option, value)?),
            "on_success" => workflow.on_success = Some(function(lua, &owner, option, value)?),
            "on_failure" | "on_fail" => {
                workflow.on_failure = Some(function(lua, &owner, "on_failure", value)?)
            }
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
            "delegate_to" if self.rules.format >= 3 => self.delegate(lua, declared, &owner, value)?,
            _ => match IGNORED.iter().find(|ignored| **ignored == option) {
                Some(ignored) => ignore(lua, declared, ignored),
                None => return Err(unknown(lua, &owner, option, known, self.rules.format)),
            },
        }
        Ok(())
    }

    /// Notes the hosts that a task, or the whole workflow, is delegated to; they must be this machine.
    fn delegate(&self, lua: &Lua, declared: &mut Declared, owner: &str, value: &Value) -> mlua::Result<()> {
        for host in hosts(lua, owner, value, self.rules)? {
            if !is_here(&host) && !self.rules.run_delegated_here {
                let text = format!(
                    "{owner} is delegated to {}, and slothstate runs tasks only on this machine \
                     (run --run-delegated-here runs it here)",
                    escape(host.as_bytes())
                );
                return Err(raise(lua, text));
            }
            let task = owner.strip_prefix("task ").unwrap_or(owner).to_string();
            declared.delegated.push((task, escape(host.as_bytes())));
        }
        Ok(())
    }

    /// The methods of a task, without aliases.
    pub(super) fn task_methods(&self) -> &'static [&'static str] {
        if self.rules.format < 3 { &TASK_METHODS[..OLDER_TASK_METHODS] } else { &TASK_METHODS }
    }

    pub(super) fn workflow_methods(&self) -> &'static [&'static str] {
        if self.rules.format < 3 { &WORKFLOW_METHODS[..OLDER_WORKFLOW_METHODS] } else { &WORKFLOW_METHODS }
    }

    pub(super) fn set_task(
        &self,
        lua: &Lua,
        index: usize,
        option: &str,
        arguments: &MultiValue,
    ) -> mlua::Result<()> {
        let mut declared = self.declared.borrow_mut();
        let declared = &mut *declared;
        let Some(task) = declared.tasks.get_mut(index) else { return Ok(()) };
        let owner = format!("task {}", task.name);
        let nothing = Value::Nil;
        let value = arguments.front().unwrap_or(&nothing);
        let known = self.task_methods();
        if self.rules.format < 3 {
            if let (Value::String(_), "command" | "run_if" | "abort_if") = (value, option) {
                let text =
                    format!("{owner}: a {option} that is a shell command is not supported; give a function");
                return Err(raise(lua, text));
            }
            if !known.contains(&option) {
                return Err(unknown(lua, &owner, option, known, self.rules.format));
            }
        }
        if option == "run" && arguments.is_empty() {
            let text = format!(
                "{owner}: run() without a function would run it at once, and slothstate runs the tasks after the file is read"
            );
            return Err(raise(lua, text));
        }
        let option = method(option);
        let action = || match value {
            Value::String(_) => text(lua, &owner, option, value).map(|text| Some(TaskAction::Shell(text))),
            Value::Function(function) => Ok(Some(TaskAction::Function(LuaRef::new(lua, function)?))),
            other => Err(unfit(lua, &owner, option, "a function or a shell command", other)),
        };
        let callback = || function(lua, &owner, option, value).map(Some);
        match option {
            "description" => task.description = Some(text(lua, &owner, option, value)?),
            "command" => task.command = action()?,
            "depends_on" => task.depends_on = dependencies(lua, &owner, arguments)?,
            "timeout" => task.timeout = Some(time(lua, &owner, option, value)?),
            "retries" => task.retries = retries(lua, &owner, arguments)?,
            "run_if" => task.run_if = action()?,
            "abort_if" => task.abort_if = action()?,
            "workdir" => task.workdir = Some(text(lua, &owner, option, value)?),
            "on_start" => task.on_start = callback()?,
            "pre_hook" => task.pre_hook = callback()?,
            "post_hook" => task.post_hook = callback()?,
            "on_success" => task.on_success = callback()?,
            "on_failure" => task.on_failure = callback()?,
            "on_timeout" => task.on_timeout = callback()?,
            "build" => {}
            "delegate_to" => self.delegate(lua, declared, &owner, value)?,
            _ => match IGNORED.iter().find(|ignored| **ignored == option) {
                Some(ignored) => ignore(lua, declared, ignored),
                None => return Err(unknown(lua, &owner, option, known, self.rules.format)),
            },
        }
        Ok(())
    }
}

/// Notes that an option has no effect here.
fn ignore(lua: &Lua, declared: &mut Declared, name: &'static str) {
    if !declared.ignored.iter().any(|(other, _)| *other == name) {
        declared.ignored.push((name, caller(lua).unwrap_or_default()));
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
