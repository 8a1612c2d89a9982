//! A machine that is not there: its time passes only when a script lets it pass.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::lua::exec::{Finished, ShellCommand, Sink, Watch};
use crate::lua::{Host, SystemHost};
use crate::time::{Clock, ManualClock, Millis};

/// The world of a replay or a trial, of which nothing is asked that the recording can answer.
pub struct VirtualHost {
    clock: Arc<ManualClock>,
    utc_offset: i32,
    seed: u64,
    /// Since when real time counts as well, so that a script that never rests meets its limits.
    real: Cell<Option<Instant>>,
    /// The machine, for what is really done.
    machine: Option<SystemHost>,
    /// Whether directories are those of the machine.
    is_live: bool,
    /// The directories that exist otherwise.
    directories: RefCell<BTreeSet<PathBuf>>,
}

impl VirtualHost {
    /// A world at the time of `clock`, that many seconds ahead of UTC, with random numbers from `seed`.
    pub fn new(clock: Arc<ManualClock>, utc_offset: i32, seed: u64) -> VirtualHost {
        VirtualHost {
            clock,
            utc_offset,
            seed,
            real: Cell::new(None),
            machine: None,
            is_live: false,
            directories: RefCell::default(),
        }
    }

    /// The same world, in which variables are read and, if `is_live`, directories created on `machine`;
    /// and so are the commands run that come as far as this.
    #[must_use]
    pub fn with(self, machine: SystemHost, is_live: bool) -> VirtualHost {
        VirtualHost { machine: Some(machine), is_live, ..self }
    }

    /// The machine, if directories are its own.
    fn live_machine(&self) -> Option<&SystemHost> {
        self.machine.as_ref().filter(|_| self.is_live)
    }

    /// From now on time passes as it does outside, besides what a script sleeps through.
    pub fn let_time_pass(&self) {
        self.real.set(Some(Instant::now()));
    }

    fn passed(&self) -> Duration {
        self.real.get().map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Host for VirtualHost {
    fn now(&self) -> Millis {
        self.clock.now().plus(self.passed())
    }

    fn elapsed(&self) -> Duration {
        self.clock.elapsed() + self.passed()
    }

    fn utc_offset(&self, _: Millis) -> i32 {
        self.utc_offset
    }

    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        self.machine.as_ref().and_then(|machine| machine.variable(name))
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn sleep(&self, time: Duration, _: &dyn Fn() -> bool) {
        self.clock.advance(time);
    }

    fn path_exists(&self, path: &Path) -> bool {
        match self.live_machine() {
            Some(machine) => machine.path_exists(path),
            None => self.directories.borrow().contains(path),
        }
    }

    fn is_directory(&self, path: &Path) -> bool {
        match self.live_machine() {
            Some(machine) => machine.is_directory(path),
            None => self.directories.borrow().contains(path),
        }
    }

    fn create_directory(&self, path: &Path) -> std::io::Result<()> {
        match self.live_machine() {
            Some(machine) => machine.create_directory(path),
            None => {
                self.directories.borrow_mut().insert(path.into());
                Ok(())
            }
        }
    }

    fn remove_directory(&self, path: &Path) -> std::io::Result<()> {
        match self.live_machine() {
            Some(machine) => machine.remove_directory(path),
            None => {
                self.directories.borrow_mut().remove(path);
                Ok(())
            }
        }
    }

    fn execute(&self, command: ShellCommand, watch: &Watch<'_>, sink: Sink) -> std::io::Result<Finished> {
        match &self.machine {
            Some(machine) => machine.execute(command, watch, sink),
            None => {
                Err(std::io::Error::other("nothing outside of the state is touched here (--live does it)"))
            }
        }
    }
}
