//! The database that is open, or being opened, as the interface sees it.

pub mod lost_database;
pub mod reset;
pub mod saved_session;
pub mod switch;

use crate::time::Millis;
use crate::tui::request::RequestId;

/// A database that is being opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connecting {
    /// Its number: later ones have greater numbers.
    pub number: RequestId,
    pub name: String,
    pub since: Millis,
}
