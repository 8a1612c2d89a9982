//! Revisions, and the tokens of locks, which are revisions.

/// The state of the whole database after a change: grows with every committed change to an
/// entry or a lock, may have gaps, and means nothing but its order. 0 is "before any change
/// that was recorded".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Revision(pub i64);

impl Revision {
    /// The one after it; the largest one for itself. Only the store counts revisions.
    #[must_use]
    pub(in crate::store) fn next(self) -> Revision {
        Revision(self.0.saturating_add(1))
    }

    /// The state before the change that made it, as a revision: all changes after that one, this change
    /// included, are those since then.
    #[must_use]
    pub fn before(self) -> Revision {
        Revision(self.0.saturating_sub(1))
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The fencing token of a lock: the revision at which it was acquired, so that it grows with
/// every acquisition. 0 for a lock that another program took before changes were recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Token(pub Revision);

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
