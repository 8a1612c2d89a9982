//! What the overview says beside its rows.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::Revision;

/// The span in which changes are counted.
pub const LATELY: Duration = Duration::from_secs(600);

/// A part of the overview.
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
    /// How many there are of each.
    pub counts: [u64; 4],
    /// How many locks have holders that are dead.
    pub dead: u64,
    /// How many runs are at work.
    pub running: u64,
    /// How many changes there were lately.
    pub changes: u64,
    /// Whether there were more changes than were looked at.
    pub is_cut: bool,
    /// How often what a change is about was changed lately.
    pub times: HashMap<Revision, u64>,
}
