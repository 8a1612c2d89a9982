//! A database that is no longer the one that was opened, until it is open again.

use std::time::Duration;

use crate::store::Reset;
use crate::time::Millis;
use crate::tui::list::RowId;
use crate::tui::request::RequestId;
use crate::tui::screens::past::state::PastView;

/// How soon opening it is tried again.
pub const RETRY: Duration = Duration::from_millis(500);

/// What happened, and what is shown again once the database is open.
#[derive(Clone, Debug)]
pub struct LostDatabase {
    pub why: Reset,
    /// The number of the last try to open it.
    pub number: RequestId,
    /// When it is tried again; `None` while that is being done.
    pub again: Option<Millis>,
    /// Why the last try failed.
    pub error: Option<String>,
    pub cursor: Option<RowId>,
    /// The run that was open: its number, and when it began.
    pub run: Option<(i64, Millis)>,
    /// The past that was shown, if a change made it.
    pub past: Option<Box<PastView>>,
}
