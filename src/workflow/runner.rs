//! Runs the tasks of a workflow, one after the other.

mod calls;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use mlua::Table;

use self::calls::{LastArgument, Success, read_result};
use crate::lua::error::{OUT_OF_MEMORY, message};
use crate::lua::error_details::ErrorDetails;
use crate::lua::workdir::CreatedDirectories;
use crate::lua::{LostLock, Runtime, ScriptError, Stop};
use crate::store::Actor;
use crate::text::escape::escape;
use crate::workflow::{
    Event, LuaRef, Reporter, RunOutcome, Summary, Task, TaskAction, TaskOutcome, Workflow,
};

/// Runs `workflow`, whose tasks are ordered already.
pub fn run(
    runtime: &Runtime,
    workflow: &Workflow,
    params: &[(String, String)],
    actor: &Actor,
    reporter: &Reporter,
) -> Summary {
    let run = TaskRunner {
        runtime,
        params,
        actor,
        reporter,
        lost_locks: RefCell::default(),
        is_unguarded: Cell::default(),
        created_directories: CreatedDirectories::default(),
        object: RefCell::default(),
        details: RefCell::default(),
    };
    let start = runtime.context.host.elapsed();
    let names = workflow.tasks.iter().map(|task| task.name.clone()).collect();
    reporter.report(&Event::RunStarted { run: actor.run, workflow: workflow.name.clone(), tasks: names });
    for warning in &workflow.warnings {
        reporter.warn(warning);
    }
    if let Some(callback) = &workflow.on_start {
        run.call_workflow(workflow, "on_start", callback, &[]);
    }
    let mut ended: BTreeMap<&str, FinishedTask> = BTreeMap::new();
    let mut aborted = false;
    for task in &workflow.tasks {
        let mut end = match run.obstacle(task, &ended, aborted) {
            Some(end) => end,
            None => {
                reporter.report(&Event::TaskStarted { task: task.name.clone() });
                run.enter(Some(&task.name));
                let end = run.task(task, &ended);
                run.enter(None);
                end
            }
        };
        aborted |= end.outcome == TaskOutcome::Aborted;
        end.duration = reporter.report(&Event::TaskFinished {
            task: task.name.clone(),
            outcome: end.outcome,
            message: end.message.clone(),
            attempts: end.attempts,
            duration: end.duration,
        });
        if let Some(details) = run.details.take() {
            reporter.details(Some(&task.name), &details);
        }
        ended.insert(&task.name, end);
    }
    run.complete(workflow, &ended);
    for name in runtime.context.locks.release_all() {
        run.warn(&format!(
            "lock {} was still held at the end of the run; it is released",
            escape(name.as_bytes())
        ));
    }
    if run.note_lost().is_some() {
        run.is_unguarded.set(true);
    }
    let lost_locks = run.lost_locks.take();
    let count = |wanted: &[TaskOutcome]| ended.values().filter(|end| wanted.contains(&end.outcome)).count();
    let summary = Summary {
        outcome: match runtime.context.limits.stop() {
            Some(Stop::Signal(signal)) => RunOutcome::Stopped { signal },
            Some(Stop::LockLost(_) | Stop::Memory(_)) => RunOutcome::Failed,
            Some(_) if ended.values().any(|end| end.outcome == TaskOutcome::Stopped) => RunOutcome::TimedOut,
            _ if aborted => RunOutcome::Aborted,
            _ if run.is_unguarded.get() => RunOutcome::Failed,
            _ if ended.values().all(|end| end.outcome.is_fine()) => RunOutcome::Done,
            _ => RunOutcome::Failed,
        },
        ok: count(&[TaskOutcome::Ok]),
        failed: count(&[TaskOutcome::Failed, TaskOutcome::TimedOut, TaskOutcome::Aborted]),
        skipped: count(&[TaskOutcome::Skipped, TaskOutcome::Blocked, TaskOutcome::Stopped]),
        lost_locks,
        duration: runtime.context.host.elapsed().saturating_sub(start),
    };
    reporter.report(&Event::RunFinished(summary.clone()));
    summary
}

struct FinishedTask {
    outcome: TaskOutcome,
    message: Option<String>,
    outputs: Option<LuaRef>,
    attempts: u32,
    duration: Duration,
}

impl FinishedTask {
    fn not_run(outcome: TaskOutcome, message: impl Into<String>) -> FinishedTask {
        FinishedTask {
            outcome,
            message: Some(message.into()),
            outputs: None,
            attempts: 0,
            duration: Duration::ZERO,
        }
    }
}

struct TaskRunner<'a> {
    runtime: &'a Runtime,
    params: &'a [(String, String)],
    actor: &'a Actor,
    reporter: &'a Reporter,
    lost_locks: RefCell<Vec<LostLock>>,
    /// Whether one was lost outside of the attempts of tasks; an attempt would have failed because of it.
    is_unguarded: Cell<bool>,
    created_directories: CreatedDirectories,
    /// What the functions of the current task have as `this`.
    object: RefCell<Option<Table>>,
    /// The details of the error that the current task failed with.
    details: RefCell<Option<ErrorDetails>>,
}

impl TaskRunner<'_> {
    /// Why a task must not be started.
    fn obstacle(
        &self,
        task: &Task,
        ended: &BTreeMap<&str, FinishedTask>,
        aborted: bool,
    ) -> Option<FinishedTask> {
        if let Some(stop) = self.runtime.context.limits.stop() {
            return Some(FinishedTask::not_run(TaskOutcome::Stopped, stop.to_string()));
        }
        if aborted {
            return Some(FinishedTask::not_run(TaskOutcome::Blocked, "the run was aborted"));
        }
        let missing = task
            .depends_on
            .iter()
            .find(|name| ended.get(name.as_str()).is_some_and(|end| !end.outcome.is_fine()))?;
        Some(FinishedTask::not_run(TaskOutcome::Blocked, format!("{missing} was not done")))
    }

    fn enter(&self, task: Option<&str>) {
        self.object.replace(None);
        self.runtime.context.store().set_actor(self.actor.clone().on_task(task));
    }

    fn warn(&self, text: &str) {
        self.reporter.warn(text);
    }

    fn report_hook(&self, task: &Task, hook: &'static str) {
        self.reporter.report(&Event::HookStarted { task: task.name.clone(), hook });
    }

    fn task(&self, task: &Task, ended: &BTreeMap<&str, FinishedTask>) -> FinishedTask {
        let host = &self.runtime.context.host;
        let start = host.elapsed();
        let (outcome, message, outputs, attempts) = self.outcome(task, ended);
        let duration = host.elapsed().saturating_sub(start);
        FinishedTask { outcome, message, outputs, attempts, duration }
    }

    fn outcome(
        &self,
        task: &Task,
        ended: &BTreeMap<&str, FinishedTask>,
    ) -> (TaskOutcome, Option<String>, Option<LuaRef>, u32) {
        match self.condition(task, ("abort_if", task.abort_if.as_ref()), ended) {
            Ok(None | Some(false)) => {}
            Ok(Some(true)) => return (TaskOutcome::Aborted, Some("abort_if said yes".into()), None, 0),
            Err(failure) => {
                self.keep_details(&failure);
                return (ended_by(&failure), Some(format!("abort_if: {failure}")), None, 0);
            }
        }
        match self.condition(task, ("run_if", task.run_if.as_ref()), ended) {
            Ok(None | Some(true)) => {}
            Ok(Some(false)) => return (TaskOutcome::Skipped, Some("run_if said no".into()), None, 0),
            Err(failure) => {
                self.keep_details(&failure);
                return (ended_by(&failure), Some(format!("run_if: {failure}")), None, 0);
            }
        }
        if let Some(callback) = &task.on_start {
            match self.outputs(task, ended) {
                Ok(outputs) => {
                    self.call_back(task, "on_start", Some(callback), LastArgument::Outputs(outputs))
                }
                Err(error) => self.warn(&format!("on_start: {}", message(&error))),
            }
        }
        let attempts = task.retries.count.saturating_add(1);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let failure = match self.attempt(task, ended) {
                Ok(success) => {
                    self.record_outputs(task, &success.outputs);
                    let outputs = LastArgument::Outputs(success.outputs.clone());
                    self.call_back(task, "on_success", task.on_success.as_ref(), outputs);
                    return match LuaRef::new(&self.runtime.lua, success.outputs) {
                        Ok(outputs) => (TaskOutcome::Ok, success.message, Some(outputs), attempt),
                        Err(error) => (TaskOutcome::Failed, Some(message(&error)), None, attempt),
                    };
                }
                Err(failure) => failure,
            };
            let may_go_on = self.runtime.context.limits.stop().is_none();
            if attempt < attempts && may_go_on {
                let retry_in = task.retries.pause_after(attempt);
                self.reporter.report(&Event::AttemptFailed {
                    task: task.name.clone(),
                    attempt,
                    attempts,
                    reason: failure.to_string(),
                    retry_in,
                });
                self.reporter.details(Some(&task.name), &self.details_of(&failure));
                if let Err(stop) = self.runtime.context.limits.pause(retry_in) {
                    return (TaskOutcome::Stopped, Some(stop.to_string()), None, attempt);
                }
                continue;
            }
            let outcome = ended_by(&failure);
            self.keep_details(&failure);
            let text = failure.to_string();
            let (name, callback) = match (outcome, &task.on_timeout) {
                (TaskOutcome::TimedOut, Some(callback)) => ("on_timeout", Some(callback)),
                _ => ("on_failure", task.on_failure.as_ref()),
            };
            if may_go_on {
                self.call_back(task, name, callback, LastArgument::Reason(&text));
            }
            return (outcome, Some(text), None, attempt);
        }
    }

    fn details_of(&self, failure: &ScriptError) -> ErrorDetails {
        match failure {
            // The calls say where it began, and not where it was.
            ScriptError::Raised { text, calls } if text == OUT_OF_MEMORY => {
                ErrorDetails::new(None, None, calls)
            }
            ScriptError::Raised { text, calls } => self.runtime.context.details(text, calls),
            ScriptError::Stopped(_) => self.runtime.context.details_of_stop(),
        }
    }

    /// Keeps the details of the error that the current task fails with.
    fn keep_details(&self, failure: &ScriptError) {
        self.details.replace(Some(self.details_of(failure)));
    }

    /// Warns of an error of a hook, which fails nothing.
    fn warn_of(&self, hook: &str, task: Option<&str>, failure: &ScriptError) {
        self.warn(&format!("{hook}: {failure}"));
        self.reporter.details(task, &self.details_of(failure));
    }

    /// Records what the function of a task handed on; the output of a command is recorded with its call.
    fn record_outputs(&self, task: &Task, outputs: &Table) {
        let is_function = matches!(task.command, Some(TaskAction::Function(_)));
        let format = self.runtime.context.format;
        if is_function && format >= 5 && !outputs.is_empty() {
            self.reporter.returned(&task.name, &mlua::Value::Table(outputs.clone()), format);
        }
    }

    /// One attempt: the hooks and the command, within the timeout.
    fn attempt(&self, task: &Task, ended: &BTreeMap<&str, FinishedTask>) -> Result<Success, ScriptError> {
        let context = &self.runtime.context;
        // A lock that a condition or a hook lost does not fail this attempt.
        if self.note_lost().is_some() {
            self.is_unguarded.set(true);
        }
        let mark = context.locks.mark();
        let result = context.limits.within(task.timeout, || self.steps(task, ended));
        let mut lost = self.note_lost();
        if result.is_ok() && lost.is_none() {
            // Locks that are still held are held for the rest of the run.
            context.locks.mark();
            return result;
        }
        for name in context.locks.release_since(mark) {
            self.warn(&format!("lock {} is released, since the task failed", escape(name.as_bytes())));
        }
        lost = lost.or(self.note_lost());
        match lost {
            // Even if the script caught the error: others may have done the same work.
            Some(lost) if result.is_ok() => Err(ScriptError::Stopped(Stop::LockLost(lost))),
            _ => result,
        }
    }

    /// Warns of the locks that were lost since the last call; returns the first of them.
    fn note_lost(&self) -> Option<LostLock> {
        let lost = self.runtime.context.limits.take_lost();
        for lock in &lost {
            self.warn(&lock.to_string());
        }
        let first = lost.first().cloned();
        self.lost_locks.borrow_mut().extend(lost);
        first
    }

    fn steps(&self, task: &Task, ended: &BTreeMap<&str, FinishedTask>) -> Result<Success, ScriptError> {
        if let Some(hook) = &task.pre_hook {
            self.report_hook(task, "pre_hook");
            let returned = self.call(task, hook, LastArgument::Outputs(self.outputs(task, ended)?))?;
            read_result(&self.runtime.lua, returned, "pre_hook")?;
        }
        let Some(command) = &task.command else {
            return Err(ScriptError::raised("there is no command"));
        };
        let success = match command {
            TaskAction::Function(function) => {
                let returned =
                    self.call(task, function, LastArgument::Outputs(self.outputs(task, ended)?))?;
                read_result(&self.runtime.lua, returned, "command")?
            }
            TaskAction::Shell(text) => self.shell_command(task, text)?,
        };
        if let Some(hook) = &task.post_hook {
            self.report_hook(task, "post_hook");
            let returned = self.call(task, hook, LastArgument::Outputs(success.outputs.clone()))?;
            read_result(&self.runtime.lua, returned, "post_hook")?;
        }
        Ok(success)
    }

    /// The outputs of the tasks that a task depends on, by their names.
    fn outputs(&self, task: &Task, ended: &BTreeMap<&str, FinishedTask>) -> mlua::Result<Table> {
        let table = self.runtime.lua.create_table()?;
        for name in &task.depends_on {
            if let Some(outputs) = ended.get(name.as_str()).and_then(|end| end.outputs.as_ref()) {
                table.raw_set(name.as_str(), outputs.get::<Table>(&self.runtime.lua)?)?;
            }
        }
        Ok(table)
    }

    fn results(&self, ended: &BTreeMap<&str, FinishedTask>) -> mlua::Result<Table> {
        let lua = &self.runtime.lua;
        let results = lua.create_table()?;
        for (name, end) in ended {
            let result = lua.create_table()?;
            result.raw_set("status", end.outcome.name())?;
            result.raw_set("success", end.outcome == TaskOutcome::Ok)?;
            result.raw_set("message", end.message.as_deref())?;
            let outputs = end.outputs.as_ref().map(|outputs| outputs.get::<Table>(lua)).transpose()?;
            result.raw_set("outputs", outputs)?;
            result.raw_set("attempts", end.attempts)?;
            result.raw_set("duration", end.duration.as_secs_f64())?;
            results.raw_set(*name, result)?;
        }
        Ok(results)
    }
}

fn ended_by(failure: &ScriptError) -> TaskOutcome {
    match failure {
        ScriptError::Raised { .. } | ScriptError::Stopped(Stop::LockLost(_) | Stop::Memory(_)) => {
            TaskOutcome::Failed
        }
        ScriptError::Stopped(Stop::Timeout(_)) => TaskOutcome::TimedOut,
        ScriptError::Stopped(Stop::Signal(_) | Stop::RunTimeout(_) | Stop::Replayed) => TaskOutcome::Stopped,
    }
}
