//! The definition of a workflow and its tasks.

use std::rc::Rc;
use std::time::Duration;

use mlua::{FromLua, IntoLua, Lua, RegistryKey};

use crate::lua::error::ScriptLine;

/// How the time between two attempts grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    Fixed,
    /// It grows by the same amount: 1, 2, 3 …
    Linear,
    /// It doubles: 1, 2, 4 …
    #[default]
    Exponential,
}

impl Backoff {
    pub fn from_name(name: &str) -> Option<Backoff> {
        match name {
            "fixed" => Some(Backoff::Fixed),
            "linear" => Some(Backoff::Linear),
            "exponential" => Some(Backoff::Exponential),
            _ => None,
        }
    }
}

/// How often a failed task is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How many retries follow the first attempt.
    pub count: u32,
    /// How the time between them grows.
    pub backoff: Backoff,
    /// The time before the first of them.
    pub base: Duration,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries { count: 0, backoff: Backoff::default(), base: Duration::from_secs(1) }
    }
}

impl Retries {
    /// The pause after attempt `failed`, counted from 1; at most a minute, or the base if that is longer.
    pub fn pause_after(&self, failed: u32) -> Duration {
        const MAX_PAUSE: Duration = Duration::from_secs(60);
        let factor = match self.backoff {
            Backoff::Fixed => 1,
            Backoff::Linear => failed,
            Backoff::Exponential => 1u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX),
        };
        self.base.saturating_mul(factor).min(MAX_PAUSE.max(self.base))
    }
}

/// A kept value of a script. Lua can hold 8,000 values directly; these need only memory.
#[derive(Clone, Debug)]
pub struct LuaRef(Rc<RegistryKey>);

impl LuaRef {
    /// Keeps a value.
    ///
    /// # Errors
    /// Lua's own, if there is no memory left.
    pub fn new(lua: &Lua, value: impl IntoLua) -> mlua::Result<LuaRef> {
        Ok(LuaRef(Rc::new(lua.create_registry_value(value)?)))
    }

    /// The value.
    ///
    /// # Errors
    /// Lua's own, if the value is not of that type.
    pub fn get<T: FromLua>(&self, lua: &Lua) -> mlua::Result<T> {
        lua.registry_value(&self.0)
    }
}

/// The command or a condition of a task.
#[derive(Clone, Debug)]
pub enum TaskAction {
    Function(LuaRef),
    Shell(String),
}

#[derive(Clone, Debug, Default)]
pub struct Task {
    /// The name, unique in its file.
    pub name: String,
    pub place: ScriptLine,
    pub description: Option<String>,
    pub command: Option<TaskAction>,
    pub depends_on: Vec<String>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    pub retries: Retries,
    pub run_if: Option<TaskAction>,
    /// Whether to give up the whole run.
    pub abort_if: Option<TaskAction>,
    /// The directory of `this.workdir`, in which shell commands run.
    pub workdir: Option<String>,
    /// Called once, before the first attempt.
    pub on_start: Option<LuaRef>,
    /// Called before the command.
    pub pre_hook: Option<LuaRef>,
    /// Called after a command that succeeded.
    pub post_hook: Option<LuaRef>,
    /// Called once the task has succeeded.
    pub on_success: Option<LuaRef>,
    /// Called once the task has failed for good.
    pub on_failure: Option<LuaRef>,
    /// Called in place of `on_failure` if the last attempt ran out of time.
    pub on_timeout: Option<LuaRef>,
}

/// A workflow, its tasks in the order in which they run.
#[derive(Clone, Debug, Default)]
pub struct Workflow {
    /// The name; the file's, where none was defined.
    pub name: String,
    pub description: Option<String>,
    pub version: Option<String>,
    pub tasks: Vec<Task>,
    /// How long the whole run may take.
    pub timeout: Option<Duration>,
    /// Called before the first task.
    pub on_start: Option<LuaRef>,
    /// Called at the end if all tasks succeeded.
    pub on_success: Option<LuaRef>,
    /// Called at the end if not all tasks succeeded.
    pub on_failure: Option<LuaRef>,
    /// Called at the end with the success and the result of each task.
    pub on_complete: Option<LuaRef>,
    /// Warnings about declared options that have no effect here.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_as_they_are_told_and_end_at_a_minute() {
        let seconds = |backoff| {
            let retries = Retries { count: 40, backoff, base: Duration::from_secs(2) };
            [1, 2, 3, 4, 40].map(|attempt| retries.pause_after(attempt).as_secs())
        };
        assert_eq!(seconds(Backoff::Fixed), [2, 2, 2, 2, 2]);
        assert_eq!(seconds(Backoff::Linear), [2, 4, 6, 8, 60]);
        assert_eq!(seconds(Backoff::Exponential), [2, 4, 8, 16, 60]);
    }
}
