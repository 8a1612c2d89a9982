//! What the contracts need of an engine.

use std::time::Duration;

use crate::store::{Key, Options, Store, WAITER_PATIENCE};
use crate::testing::rounds;
use crate::time::{ManualClock, Millis};

/// One database of an engine, empty at first, and a clock that is set by hand.
pub(in crate::store) trait World {
    /// Another world of the same engine, with an empty database.
    fn another(&self) -> Box<dyn World>;

    /// How the database is opened: with the clock of this world.
    fn settings(&self) -> Options;

    /// Opens the database, which is made if it is not there.
    fn open(&self, settings: Options) -> Box<dyn Store>;

    /// The clock by which entries expire.
    fn clock(&self) -> &ManualClock;

    /// Lets time pass, also that by which leases run out and waiters fall silent.
    fn pass(&self, time: Duration);

    /// How long a waiter for a lock may be silent before it is passed over.
    fn waiter_patience(&self) -> Duration {
        WAITER_PATIENCE
    }

    /// Another program writes, which knows neither types nor expiries. Whether it did: what it should have
    /// changed may not be there, or the engine may know no such write.
    fn foreign(&self, write: &ForeignWrite) -> bool;

    /// Removes what has expired, as somebody may do at any time.
    fn remove_expired(&self);

    /// What the engine can do.
    fn can(&self, ability: Ability) -> bool;

    /// Checks what must hold of the engine's own data at any time.
    fn check(&self) {}

    /// How many random cases are tried: `short`, or `full` where there is time. An engine on a network tries
    /// fewer.
    fn rounds(&self, short: u32, full: u32) -> u32 {
        rounds(short, full)
    }

    /// As [`World::open`], as most contracts do.
    fn store(&self) -> Box<dyn Store> {
        self.open(self.settings())
    }

    /// As [`World::open`], as another process: one process is refused a lock that it holds already.
    fn store_of_process(&self, pid: u32) -> Box<dyn Store> {
        let mut settings = self.settings();
        settings.process.pid = pid;
        self.open(settings)
    }

    /// The present moment.
    fn now(&self) -> Millis {
        crate::time::Clock::now(self.clock())
    }
}

/// What an engine may be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Ability {
    /// What other programs write is in history at once.
    RecordsForeignWrites,
    /// Revisions follow each other without gaps.
    RevisionsWithoutGaps,
    /// Each write removes the changes that are beyond the limits of history, to the row.
    ExactRetention,
    /// The wall clock of the world may go back, and leases do not run by it.
    ClockGoesBack,
    /// What another store commits is news at once, and not a little later.
    HearsAtOnce,
}

/// A write of another program.
#[derive(Clone, Debug)]
pub(in crate::store) enum ForeignWrite {
    /// Writes text, whether there is such an entry or not.
    Put(Key, String),
    /// The same, by taking away what is there first.
    Replace(Key, String),
    /// Writes text over an entry.
    Update(Key, String),
    /// Gives an entry another key, unless there is an entry with that key.
    Rename(Key, Key),
    /// Gives an entry another key, in the place of what has that key.
    RenameOver(Key, Key),
    /// Deletes an entry.
    Delete(Key),
}
