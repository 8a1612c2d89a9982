//! Who makes changes, and whether a process still lives.

use std::fmt;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// The name under which changes by other programs are recorded.
pub const EXTERNAL: &str = "external";

/// Who made a change: `user@host:pid`, with the run and the task when a workflow did it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Actor {
    /// `user@host:pid`, or [`EXTERNAL`].
    pub name: String,
    /// The number of the run that made the change.
    pub run: Option<i64>,
    /// The task that made the change.
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

/// A process, told apart from every other one, also from a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Process {
    /// The host's name.
    pub host: String,
    /// Which start of that host: Linux's boot id, elsewhere the time of the boot.
    pub boot_id: String,
    /// The process id.
    pub pid: u32,
    /// When the process was started, in seconds since the epoch.
    pub started: u64,
}

/// What is known of the process that holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Liveness {
    /// It runs on this host.
    Alive,
    /// It ran on this host and is gone.
    Dead,
    /// It runs on another host: nothing can be said from here.
    Elsewhere,
    /// Who it is was not recorded, as for locks of other programs.
    Unknown,
}

impl Liveness {
    /// The word that is shown.
    pub fn name(self) -> &'static str {
        match self {
            Liveness::Alive => "alive",
            Liveness::Dead => "dead",
            Liveness::Elsewhere => "elsewhere",
            Liveness::Unknown => "unknown",
        }
    }
}

impl Process {
    /// This process.
    pub fn current() -> Process {
        let pid = std::process::id();
        Process { host: host_name(), boot_id: boot_id(), pid, started: start_time(pid).unwrap_or(0) }
    }

    /// Whether the process runs, as seen from `here`. A host that was started anew since has
    /// none of its former processes.
    pub fn liveness(&self, here: &Process) -> Liveness {
        if self.host != here.host {
            return Liveness::Elsewhere;
        }
        if self.boot_id != here.boot_id {
            return Liveness::Dead;
        }
        match start_time(self.pid) {
            // The start is counted from the time of boot, which moves when the clock is set.
            Some(started) if started.abs_diff(self.started) <= 2 => Liveness::Alive,
            _ => Liveness::Dead,
        }
    }
}

/// The host's name, also where the shell does not export it.
pub fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".into())
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_string())
        .or_else(|_| System::boot_time().map(|seconds| seconds.to_string()))
        .unwrap_or_default()
}

/// When the process was started; `None` if there is no such process, or nothing left of it but
/// its exit code.
fn start_time(pid: u32) -> Option<u64> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new().ok()?;
    let nothing_more = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, nothing_more);
    let process = system.process(pid)?;
    let ended = matches!(process.status(), sysinfo::ProcessStatus::Zombie | sysinfo::ProcessStatus::Dead);
    (!ended).then(|| process.start_time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_a_reused_number_is_not() {
        let here = Process::current();
        assert_eq!(here.liveness(&here), Liveness::Alive);
        let earlier = Process { started: here.started.wrapping_sub(100), ..here.clone() };
        assert_eq!(earlier.liveness(&here), Liveness::Dead);
        let rebooted = Process { boot_id: "another".into(), ..here.clone() };
        assert_eq!(rebooted.liveness(&here), Liveness::Dead);
        let other = Process { host: "another".into(), ..here.clone() };
        assert_eq!(other.liveness(&here), Liveness::Elsewhere);
    }

    #[test]
    fn a_process_that_has_ended_is_dead() {
        let here = Process::current();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = start_time(child.id()).unwrap();
        let process = Process { pid: child.id(), started, ..here.clone() };
        assert_eq!(process.liveness(&here), Liveness::Alive);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(process.liveness(&here), Liveness::Dead);
    }
}
