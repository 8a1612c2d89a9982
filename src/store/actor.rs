//! Who makes changes.

use std::fmt;

use crate::store::Process;

/// The name under which changes by other programs are recorded.
pub const EXTERNAL: &str = "external";

/// Who made a change: `user@host:pid`, with the run and the task when a workflow did it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Actor {
    /// `user@host:pid`, or [`EXTERNAL`].
    pub name: String,
    /// The number of the run that made the change.
    pub run: Option<i64>,
    pub task: Option<String>,
}

impl Actor {
    /// This process, under the user and the host that it runs as.
    pub fn current(process: &Process) -> Actor {
        let user = nix::unistd::User::from_uid(nix::unistd::getuid())
            .ok()
            .flatten()
            .map_or_else(|| nix::unistd::getuid().to_string(), |user| user.name);
        Actor { name: format!("{user}@{}:{}", process.host, process.pid), run: None, task: None }
    }

    /// Another program, about which nothing is known.
    pub fn external() -> Actor {
        Actor { name: EXTERNAL.into(), run: None, task: None }
    }

    /// The user and the host, without the process: `user@host`.
    pub fn place(&self) -> &str {
        self.name.rsplit_once(':').map_or(&self.name, |(place, _)| place)
    }

    /// The same actor at work on `task`.
    #[must_use]
    pub fn on_task(mut self, task: Option<&str>) -> Actor {
        self.task = task.map(String::from);
        self
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(run) = self.run {
            write!(f, " run {run}")?;
        }
        if let Some(task) = &self.task {
            write!(f, " task {task}")?;
        }
        Ok(())
    }
}
