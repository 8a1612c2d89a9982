//! A virtual machine, whose time passes only when a script waits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::lua::exec::{ExecStub, Finished, ShellCommand, Sink, Watch};
use crate::lua::{Host, SystemHost};
use crate::time::{Clock, ManualClock, Millis};

/// What answers a command in place of running it.
pub(super) enum CommandAnswer {
    Stub(ExecStub),
    /// It succeeds and prints nothing.
    Success,
}

/// The host of a replay or a what-if run. It is used only for calls that the recording does not answer.
pub struct VirtualHost {
    clock: Arc<ManualClock>,
    utc_offset: i32,
    seed: u64,
    /// Since when real time counts as well, so that a script that never waits reaches its limits.
    real: Cell<Option<Instant>>,
    /// The real machine, for calls that are really executed.
    machine: Option<SystemHost>,
    /// Whether directories are created on the machine.
    is_live: bool,
    directories: RefCell<BTreeSet<PathBuf>>,
    /// What answers the next command.
    answer: RefCell<Option<CommandAnswer>>,
}

impl VirtualHost {
    /// A host with the time of `clock`, that many seconds ahead of UTC, with random numbers from `seed`.
    pub fn new(clock: Arc<ManualClock>, utc_offset: i32, seed: u64) -> VirtualHost {
        VirtualHost {
            clock,
            utc_offset,
            seed,
            real: Cell::new(None),
            machine: None,
            is_live: false,
            directories: RefCell::default(),
            answer: RefCell::default(),
        }
    }

    /// The same host, which reads variables, runs commands and, if `is_live`, creates directories on
    /// `machine`.
    #[must_use]
    pub fn with(self, machine: SystemHost, is_live: bool) -> VirtualHost {
        VirtualHost { machine: Some(machine), is_live, ..self }
    }

    /// Sets what answers the next command; returns the answer that no command has got yet.
    pub(super) fn answer_next(&self, answer: Option<CommandAnswer>) -> Option<CommandAnswer> {
        self.answer.replace(answer)
    }

    /// The machine, if directories are created on it.
    fn live_machine(&self) -> Option<&SystemHost> {
        self.machine.as_ref().filter(|_| self.is_live)
    }

    /// From now on real time passes, too, besides the time that a script sleeps.
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

    fn check_command(&self, command: &ShellCommand) -> Result<(), String> {
        match &*self.answer.borrow() {
            Some(CommandAnswer::Stub(_)) => Ok(()),
            _ => self.machine.as_ref().map_or(Ok(()), |machine| machine.check_command(command)),
        }
    }

    fn execute(&self, command: ShellCommand, watch: &Watch<'_>, sink: Sink) -> std::io::Result<Finished> {
        match self.answer.take() {
            Some(CommandAnswer::Stub(stub)) => return Ok(stub.finished(sink)),
            Some(CommandAnswer::Success) => return Ok(Finished::success()),
            None => {}
        }
        match &self.machine {
            Some(machine) => machine.execute(command, watch, sink),
            None => {
                Err(std::io::Error::other("nothing outside of the state is touched here (--live does it)"))
            }
        }
    }
}
