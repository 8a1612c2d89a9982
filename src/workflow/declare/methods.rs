//! The methods of tasks and workflows by their names.

use mlua::Lua;

use crate::lua::error::raise;
use crate::text::suggestion::{known, meant};

pub(super) const TASK_METHODS: [&str; 16] = [
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
    "on_start",
    "workdir",
    "delegate_to",
];
pub(super) const WORKFLOW_METHODS: [&str; 9] = [
    "description",
    "version",
    "tasks",
    "config",
    "on_complete",
    "build",
    "on_start",
    "on_success",
    "on_failure",
];
/// How many of each existed before format 3 of recordings.
pub(super) const OLDER_TASK_METHODS: usize = 13;
pub(super) const OLDER_WORKFLOW_METHODS: usize = 6;
/// Other names of methods of a task.
pub(super) const ALIASES: [(&str, &str); 3] =
    [("run", "command"), ("condition", "run_if"), ("on_fail", "on_failure")];
/// Methods of Sloth Runner that have no effect here.
pub(super) const IGNORED: [&str; 8] =
    ["tags", "version", "artifacts", "consumes", "async", "env", "metadata", "defaults"];

/// Resolves an alias of a method.
pub(super) fn method(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, method)| method)
}

/// Why a method of other runners is not supported.
pub(super) fn elsewhere(method: &str) -> Option<&'static str> {
    match method {
        "delegate_to" => Some("would run the task on another machine, and slothstate runs tasks only here"),
        "user" => Some(
            "would run the task as another user, and slothstate runs tasks only as the one who called it",
        ),
        _ => None,
    }
}

pub(super) fn unknown(
    lua: &Lua,
    owner: &str,
    name: &str,
    methods: &'static [&'static str],
    format: u32,
) -> mlua::Error {
    let suggests_others = methods.len() == TASK_METHODS.len();
    match elsewhere(name) {
        Some(what) => raise(lua, format!("{owner}: {name} {what}")),
        None => {
            // Aliases are suggested, too.
            let others = ALIASES.iter().map(|(alias, _)| alias).chain(&IGNORED);
            let all: Vec<&str> = methods.iter().chain(others).copied().collect();
            let suggestion = known(name, if suggests_others { &all } else { methods });
            let suggestion = match suggestion.starts_with("did you mean") {
                true => suggestion,
                false => known(name, methods),
            };
            let is_listed = format >= 6 && !suggestion.starts_with("did you mean");
            let suggestion = match meant(name, methods.iter().copied()).filter(|_| is_listed) {
                Some(meant) => format!("did you mean {meant}?"),
                None => suggestion,
            };
            raise(lua, format!("{owner} has no :{name}(); {suggestion}"))
        }
    }
}
