//! A machine that is not there: its time passes only when a script lets it pass.

use std::cell::Cell;
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
    /// The machine, for what is to be done in truth.
    live: Option<SystemHost>,
}

impl VirtualHost {
    /// A world at the time of `clock`, that many seconds ahead of UTC, with random numbers from `seed`.
    pub fn new(clock: Arc<ManualClock>, utc_offset: i32, seed: u64) -> VirtualHost {
        VirtualHost { clock, utc_offset, seed, real: Cell::new(None), live: None }
    }

    /// The same world, in which commands are run and variables read on `machine`.
    #[must_use]
    pub fn with(self, machine: SystemHost) -> VirtualHost {
        VirtualHost { live: Some(machine), ..self }
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
        self.live.as_ref().and_then(|machine| machine.variable(name))
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn sleep(&self, time: Duration, _: &dyn Fn() -> bool) {
        self.clock.advance(time);
    }

    fn execute(&self, command: ShellCommand, watch: &Watch<'_>, sink: Sink) -> std::io::Result<Finished> {
        match &self.live {
            Some(machine) => machine.execute(command, watch, sink),
            None => {
                Err(std::io::Error::other("nothing outside of the state is touched here (--live does it)"))
            }
        }
    }
}
