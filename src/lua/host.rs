//! The machine as workflows see it: the only source of time, environment and random numbers, and the only way
//! to wait or run a command. A replay answers all of this from the recording.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{Local, Offset, TimeZone};

use crate::lua::exec::{self, CommandBounds, ExecStub, Finished, ShellCommand, Sink, Watch};
use crate::lua::memory;
use crate::store::host_name;
use crate::time::{Clock, Millis, SystemClock};

/// The machine as workflows see it.
pub trait Host {
    fn now(&self) -> Millis;

    /// Time since the host was made; never goes back.
    fn elapsed(&self) -> Duration;

    /// How many seconds local time is ahead of UTC at `at`.
    fn utc_offset(&self, at: Millis) -> i32;

    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<Vec<u8>>;

    /// An unpredictable seed for random numbers.
    fn seed(&self) -> u64;

    /// Waits for `time`; ends early once `stop` returns true, which is polled every few milliseconds.
    fn sleep(&self, time: Duration, stop: &dyn Fn() -> bool);

    fn path_exists(&self, path: &Path) -> bool;

    fn is_directory(&self, path: &Path) -> bool;

    /// Creates a directory and its parents, for this user only.
    fn create_directory(&self, path: &Path) -> std::io::Result<()>;

    /// Removes a directory with its content, and the run's directory around it once that is empty.
    fn remove_directory(&self, path: &Path) -> std::io::Result<()>;

    /// Whether a command may be started, or is answered without.
    ///
    /// # Errors
    /// Why it may not.
    fn check_command(&self, _: &ShellCommand) -> Result<(), String> {
        Ok(())
    }

    /// How many bytes the program has allocated; `None` where no limit of memory applies to it.
    fn allocated(&self) -> Option<usize> {
        None
    }

    /// Runs a command, and passes each line of its output to `sink` as it arrives; terminates it once `watch`
    /// says so.
    ///
    /// # Errors
    /// It could not be started.
    fn execute(&self, command: ShellCommand, watch: &Watch<'_>, sink: Sink) -> std::io::Result<Finished>;
}

/// The machine that the program runs on.
pub struct SystemHost {
    started: Instant,
    overrides: BTreeMap<String, String>,
    stubs: Vec<ExecStub>,
    bounds: CommandBounds,
    seed: Cell<Option<u64>>,
}

impl SystemHost {
    /// This machine, with `overrides` of its environment.
    pub fn new(overrides: BTreeMap<String, String>) -> SystemHost {
        let (stubs, bounds) = (Vec::new(), CommandBounds::default());
        SystemHost { started: Instant::now(), overrides, stubs, bounds, seed: Cell::new(None) }
    }

    /// The same machine, on which commands that match one of `stubs` are not run.
    #[must_use]
    pub fn with_stubs(self, stubs: Vec<ExecStub>) -> SystemHost {
        SystemHost { stubs, ..self }
    }

    /// The same machine, on which only the commands start that `bounds` allows.
    #[must_use]
    pub fn with_bounds(self, bounds: CommandBounds) -> SystemHost {
        SystemHost { bounds, ..self }
    }
}

impl Host for SystemHost {
    fn now(&self) -> Millis {
        SystemClock.now()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn utc_offset(&self, at: Millis) -> i32 {
        let moment = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
        Local.offset_from_utc_datetime(&moment.naive_utc()).fix().local_minus_utc()
    }

    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        // The standard library panics at invalid names of variables.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        if let Some(value) = self.overrides.get(name) {
            return Some(value.clone().into_bytes());
        }
        let exported = std::env::var_os(name).map(OsStringExt::into_vec);
        // Shells set the host's name without exporting it.
        exported.or_else(|| (name == "HOSTNAME").then(|| host_name().into_bytes()))
    }

    fn seed(&self) -> u64 {
        if self.seed.get().is_none() {
            self.seed.set(Some(fastrand::u64(..)));
        }
        self.seed.get().unwrap_or_default()
    }

    fn sleep(&self, time: Duration, stop: &dyn Fn() -> bool) {
        const SLICE: Duration = Duration::from_millis(20);
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            if stop() {
                return;
            }
            std::thread::sleep(left.min(SLICE));
        }
    }

    fn path_exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn create_directory(&self, path: &Path) -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn remove_directory(&self, path: &Path) -> std::io::Result<()> {
        std::fs::remove_dir_all(path)?;
        if let Some(parent) = path.parent()
            && parent.file_name().is_some_and(|name| name.to_string_lossy().starts_with("slothstate-"))
        {
            let _ = std::fs::remove_dir(parent);
        }
        Ok(())
    }

    fn allocated(&self) -> Option<usize> {
        Some(memory::allocated())
    }

    fn check_command(&self, command: &ShellCommand) -> Result<(), String> {
        match exec::find_stub(&self.stubs, &command.text) {
            Some(_) => Ok(()),
            None => self.bounds.check(command),
        }
    }

    fn execute(&self, mut command: ShellCommand, watch: &Watch<'_>, sink: Sink) -> std::io::Result<Finished> {
        self.check_command(&command).map_err(std::io::Error::other)?;
        if let Some(stub) = exec::find_stub(&self.stubs, &command.text) {
            return Ok(stub.finished(sink));
        }
        for (name, value) in &self.overrides {
            command.env.entry(name.clone()).or_insert_with(|| value.clone().into_bytes());
        }
        exec::run(&command, watch, sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_be_overridden_and_knows_the_host() {
        let machine = SystemHost::new(BTreeMap::from([("STAGE".into(), "test".into())]));
        assert_eq!(machine.variable("STAGE"), Some(b"test".to_vec()));
        assert!(machine.variable("HOSTNAME").is_some());
        assert_eq!(machine.variable("a=b"), None);
        assert_eq!(machine.variable(""), None);
    }

    #[test]
    fn a_sleep_ends_when_it_is_told_to() {
        let machine = SystemHost::new(BTreeMap::new());
        machine.sleep(Duration::from_secs(3600), &|| true);
        machine.sleep(Duration::ZERO, &|| false);
    }
}
