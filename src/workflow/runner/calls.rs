//! Calls the functions and shell commands of tasks and of the workflow, and reads what they return.

use std::collections::BTreeMap;

use mlua::{Function, MultiValue, Table, Value};

use super::{FinishedTask, TaskRunner};
use crate::lua::ScriptError;
use crate::lua::error::message;
use crate::lua::exec::FIELDS;
use crate::lua::object_text::text_of;
use crate::workflow::declare::parameters;
use crate::workflow::signature::Signature;
use crate::workflow::this_object;
use crate::workflow::{Event, LuaRef, Task, TaskAction, Workflow};

/// The last argument of a task's function, after the task and the parameters.
pub(super) enum LastArgument<'a> {
    Outputs(Table),
    Reason(&'a str),
}

/// The result of an attempt that succeeded.
pub(super) struct Success {
    pub message: Option<String>,
    pub outputs: Table,
}

impl TaskRunner<'_> {
    /// Calls a function of a task with the arguments that its parameter names select.
    pub(super) fn call(
        &self,
        task: &Task,
        function: &LuaRef,
        last: LastArgument<'_>,
    ) -> Result<MultiValue, ScriptError> {
        let lua = &self.runtime.lua;
        let function: Function = function.get(lua)?;
        let signature = self.signature(&function);
        let mut arguments = MultiValue::new();
        for _ in 0..signature.objects {
            arguments.push_back(Value::Table(self.object(task)?));
        }
        arguments.push_back(Value::Table(parameters(lua, self.params)?));
        arguments.push_back(match last {
            LastArgument::Outputs(outputs) => Value::Table(outputs),
            LastArgument::Reason(text) if signature.objects > 0 => this_object::reason(lua, text)?,
            LastArgument::Reason(text) => Value::String(lua.create_string(text)?),
        });
        self.runtime.call(&function, arguments)
    }

    fn signature(&self, function: &Function) -> Signature {
        // Before format 3, every function got the parameters first.
        if self.runtime.context.format < 3 { Signature::default() } else { Signature::of(function) }
    }

    /// What the functions of a task have as `this`.
    fn object(&self, task: &Task) -> mlua::Result<Table> {
        if let Some(object) = &*self.object.borrow() {
            return Ok(object.clone());
        }
        let object = this_object::of_task(self.runtime, task, &self.created_directories)?;
        self.object.replace(Some(object.clone()));
        Ok(object)
    }

    /// Runs a shell command: whether its exit code was 0, its output and the code.
    fn shell(&self, task: &Task, text: &str) -> Result<Shell, ScriptError> {
        let lua = &self.runtime.lua;
        let options = match &task.workdir {
            Some(directory) => {
                let options = lua.create_table()?;
                options.raw_set("cwd", directory.as_str())?;
                Value::Table(options)
            }
            None => Value::Nil,
        };
        let values = self.runtime.call(&self.runtime.exec_run, (text, options))?;
        let value = |index: usize| values.get(index).cloned().unwrap_or(Value::Nil);
        Ok(Shell {
            ok: value(0).as_boolean().unwrap_or_default(),
            stdout: value(1),
            stderr: value(2),
            code: value(3),
        })
    }

    pub(super) fn shell_command(&self, task: &Task, text: &str) -> Result<Success, ScriptError> {
        let Shell { ok, stdout, stderr, code } = self.shell(task, text)?;
        if !ok {
            let stderr_text = stderr.to_string()?;
            let last = stderr_text.lines().rfind(|line| !line.trim().is_empty());
            let last = last.map_or_else(String::new, |line| format!(": {}", line.trim()));
            return Err(ScriptError::raised(format!(
                "the command ended with code {}{last}",
                code.to_string()?
            )));
        }
        let outputs = self.runtime.lua.create_table()?;
        for (name, value) in FIELDS.into_iter().zip([Value::Boolean(ok), stdout, stderr, code]) {
            outputs.raw_set(name, value)?;
        }
        Ok(Success { message: None, outputs })
    }

    /// The value of a condition; `None` if there is none.
    pub(super) fn condition(
        &self,
        task: &Task,
        (name, condition): (&'static str, Option<&TaskAction>),
        ended: &BTreeMap<&str, FinishedTask>,
    ) -> Result<Option<bool>, ScriptError> {
        let Some(condition) = condition else { return Ok(None) };
        self.report_hook(task, name);
        let limits = &self.runtime.context.limits;
        let ask = || match condition {
            TaskAction::Function(function) => {
                let returned =
                    self.call(task, function, LastArgument::Outputs(self.outputs(task, ended)?))?;
                Ok(returned.front().is_some_and(|value| !matches!(value, Value::Nil | Value::Boolean(false))))
            }
            TaskAction::Shell(text) => Ok(self.shell(task, text)?.ok),
        };
        limits.within(task.timeout, ask).map(Some)
    }

    /// Calls a callback about the end of the task. Its errors are only warnings.
    pub(super) fn call_back(
        &self,
        task: &Task,
        name: &'static str,
        callback: Option<&LuaRef>,
        last: LastArgument<'_>,
    ) {
        let Some(callback) = callback else { return };
        self.report_hook(task, name);
        let limits = &self.runtime.context.limits;
        if let Err(failure) = limits.within(task.timeout, || self.call(task, callback, last)) {
            self.warn_of(name, Some(&task.name), &failure);
        }
    }

    /// Calls a function of the workflow. `last` are its last arguments, after the workflow and the parameters
    /// if its parameter names select them. Its errors are only warnings.
    pub(super) fn call_workflow(
        &self,
        workflow: &Workflow,
        name: &'static str,
        callback: &LuaRef,
        last: &[Value],
    ) {
        self.reporter.report(&Event::HookStarted { task: String::new(), hook: name });
        let call = || -> Result<MultiValue, ScriptError> {
            let callback: Function = callback.get(&self.runtime.lua)?;
            let signature = self.signature(&callback);
            let mut arguments = MultiValue::new();
            for _ in 0..signature.objects {
                let this = this_object::of_workflow(&self.runtime.lua, &workflow.name)?;
                arguments.push_back(Value::Table(this));
            }
            if signature.objects > 0 || signature.names_params || last.is_empty() {
                arguments.push_back(Value::Table(parameters(&self.runtime.lua, self.params)?));
            }
            arguments.extend(last.iter().cloned());
            self.runtime.call(&callback, arguments)
        };
        if let Err(failure) = call() {
            self.warn_of(name, None, &failure);
        }
    }

    /// Calls the callbacks of the workflow at its end.
    pub(super) fn complete(&self, workflow: &Workflow, ended: &BTreeMap<&str, FinishedTask>) {
        self.call_end_hooks(workflow, ended);
        let Some(callback) = &workflow.on_complete else { return };
        if self.runtime.context.limits.stop().is_some() {
            return;
        }
        self.reporter.report(&Event::HookStarted { task: String::new(), hook: "on_complete" });
        let success = ended.values().all(|end| end.outcome.is_fine());
        let outcome = self.results(ended).map_err(ScriptError::from).and_then(|results| {
            let callback: Function = callback.get(&self.runtime.lua)?;
            self.runtime.call(&callback, (success, results))
        });
        if let Err(failure) = outcome {
            self.warn_of("on_complete", None, &failure);
        }
    }

    /// Calls `on_success` or `on_failure`, if the workflow has it.
    fn call_end_hooks(&self, workflow: &Workflow, ended: &BTreeMap<&str, FinishedTask>) {
        let success = ended.values().all(|end| end.outcome.is_fine());
        let (name, callback) = match success {
            true => ("on_success", &workflow.on_success),
            false => ("on_failure", &workflow.on_failure),
        };
        let Some(callback) = callback.as_ref().filter(|_| self.runtime.context.limits.stop().is_none())
        else {
            return;
        };
        let last = || -> mlua::Result<Vec<Value>> {
            let mut last = vec![Value::Table(self.results(ended)?)];
            if !success {
                let failed = ended.iter().filter(|(_, end)| !end.outcome.is_fine() && end.attempts > 0);
                let failures = failed.map(|(task, end)| {
                    format!("task {task}: {}", end.message.as_deref().unwrap_or(end.outcome.name()))
                });
                let failures = failures.collect::<Vec<_>>().join("; ");
                let failures =
                    if failures.is_empty() { "not every task was done".to_string() } else { failures };
                last.insert(0, this_object::reason(&self.runtime.lua, &failures)?);
            }
            Ok(last)
        };
        match last() {
            Ok(last) => self.call_workflow(workflow, name, callback, &last),
            Err(error) => self.warn(&format!("{name}: {}", message(&error))),
        }
    }
}

struct Shell {
    ok: bool,
    stdout: Value,
    stderr: Value,
    code: Value,
}

/// Reads `ok, message[, outputs]`. No value is a success; nil with a message is a failure.
pub(super) fn read_result(lua: &mlua::Lua, returned: MultiValue, what: &str) -> Result<Success, ScriptError> {
    let value = |index: usize| returned.get(index).cloned().unwrap_or(Value::Nil);
    let message = match value(1) {
        Value::Nil => None,
        other => Some(text_of(lua, &other)?),
    };
    let ok = match value(0) {
        Value::Nil => message.is_none(),
        Value::Boolean(ok) => ok,
        other => {
            let found = crate::lua::convert::kind(&other);
            let text = format!("the {what} returned a {found} first; it returns ok, message[, outputs]");
            return Err(ScriptError::raised(text));
        }
    };
    if !ok {
        return Err(ScriptError::raised(message.unwrap_or_else(|| format!("the {what} returned false"))));
    }
    let outputs = match value(2) {
        Value::Nil => lua.create_table()?,
        Value::Table(outputs) => outputs,
        other => {
            let found = crate::lua::convert::kind(&other);
            return Err(ScriptError::raised(format!("the outputs must be a table, and this is a {found}")));
        }
    };
    Ok(Success { message, outputs })
}
