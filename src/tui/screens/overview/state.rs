//! What the overview says beside its rows: figures, and of how much they are.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::Revision;
use crate::time::Millis;

/// The span in which changes are counted, at most.
pub const LATELY: Duration = Duration::from_secs(600);
/// The span in which runs that failed are counted, at most.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Locks = 0,
    Runs = 1,
    Changes = 2,
    Expiring = 3,
}

impl Section {
    /// The parts in their order.
    pub const ALL: [Section; 4] = [Section::Locks, Section::Runs, Section::Changes, Section::Expiring];
}

/// Figures about the parts of the overview.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    /// How many rows of each part are shown.
    pub rows: [usize; 4],
    pub locks: u64,
    /// How many of them have dead holders.
    pub dead: u64,
    /// How many keys are used as locks; `None` until they are counted.
    pub lock_keys: Option<u64>,
    pub failures: Failures,
    /// The changes of the last minutes.
    pub lately: Counted,
    pub expiring: Expiring,
    /// How often what a change is about was changed.
    pub times: HashMap<Revision, u64>,
}

/// What bounds the span in which something is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Nothing: it is the whole span.
    #[default]
    Window,
    /// What is older is not kept, or was not recorded.
    History,
    /// There is more than is counted.
    Most,
}

/// How many runs failed, in which span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Those that failed or were killed.
    pub failed: u64,
    /// Those without an end of which it is not known whether they go on.
    pub unknown: u64,
    /// Those that go on, since whenever.
    pub running: u64,
    /// The beginning of the span.
    pub since: Millis,
    pub extent: Extent,
}

/// What is known of the changes of the last minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// They are being counted.
    #[default]
    NotYet,
    /// Changes of this database are not recorded.
    NotRecorded,
    All(Lately),
}

/// How much was changed, in which span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    pub changes: u64,
    /// Of how many keys, and of how many locks.
    pub keys: u64,
    pub locks: u64,
    /// The beginning of the span.
    pub since: Millis,
    pub extent: Extent,
}

/// What is known of the entries that expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiring {
    /// There are some; `among_locks` of them, as far as was looked, are keys used as locks, which are shown
    /// as such.
    Some { among_locks: u64 },
    #[default]
    None,
    /// None of so many that expire first passes the filter; of the others it is not known.
    NoneOf(u64),
}
