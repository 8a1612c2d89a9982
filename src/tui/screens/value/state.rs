//! The details of a row on the whole screen: of the one under the cursor, or of an entry as it was.

use tui_input::Input;

use crate::store::{Entry, Moment};
use crate::tui::list::Row;
use crate::tui::request::RequestId;
use crate::tui::screens::value::detail::Detail;

/// Looking at all of a row on the whole screen.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    pub find: Input,
    /// Whether that is being typed.
    pub is_finding: bool,
    /// The entry as it was, if that is looked at; `None` for the row under the cursor.
    pub then: Option<Box<PastEntry>>,
}

#[derive(Clone, Debug)]
pub struct PastEntry {
    /// The number under which more of its value was asked for.
    pub number: RequestId,
    pub moment: Moment,
    /// The entry with the beginning of its value, and with more of it once that was read.
    pub detail: Detail,
}

impl PastEntry {
    /// An entry of the past with as much of its value as was read so far.
    pub fn new(number: RequestId, moment: Moment, entry: Entry) -> PastEntry {
        PastEntry { number, moment, detail: Detail::new(Row::Entry(entry), 0) }
    }
}
