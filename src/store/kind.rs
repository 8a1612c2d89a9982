//! What an entry can be for.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Switches behaviour: on or off.
    Flag,
    Counter,
    /// Names the holder of a critical section.
    Lock,
    Timestamp,
    /// Kept for a while to save work.
    Cache,
    Table,
    Plain,
}

impl Kind {
    pub const ALL: [Kind; 7] =
        [Kind::Flag, Kind::Counter, Kind::Lock, Kind::Timestamp, Kind::Cache, Kind::Table, Kind::Plain];

    /// The name as it is shown and configured.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Flag => "flag",
            Kind::Counter => "counter",
            Kind::Lock => "lock",
            Kind::Timestamp => "timestamp",
            Kind::Cache => "cache",
            Kind::Table => "table",
            Kind::Plain => "plain",
        }
    }

    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
