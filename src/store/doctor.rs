//! What an examination of a database and its surroundings has found.

use std::fmt;

use crate::store::StoreError;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// Worth knowing; nothing needs to be done.
    Note,
    /// Something will go wrong, or has already stood in somebody's way.
    Warning,
    Problem,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Problem => "problem",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that was looked at, and what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was looked at, in one word.
    pub check: &'static str,
    /// How much it matters.
    pub level: Level,
    pub finding: String,
    /// What to do about it, with the command to type where there is one.
    pub remedy: Option<String>,
}

impl Finding {
    /// A finding that needs no remedy.
    pub fn new(check: &'static str, level: Level, finding: impl Into<String>) -> Finding {
        Finding { check, level, finding: finding.into(), remedy: None }
    }

    pub fn ok(check: &'static str, finding: impl Into<String>) -> Finding {
        Finding::new(check, Level::Ok, finding)
    }

    pub fn note(check: &'static str, finding: impl Into<String>) -> Finding {
        Finding::new(check, Level::Note, finding)
    }

    pub fn warning(check: &'static str, finding: impl Into<String>) -> Finding {
        Finding::new(check, Level::Warning, finding)
    }

    pub fn problem(check: &'static str, finding: impl Into<String>) -> Finding {
        Finding::new(check, Level::Problem, finding)
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Finding {
        self.remedy = Some(remedy.into());
        self
    }
}

#[derive(Debug)]
pub struct Health {
    /// What was found, in the order in which it was looked at.
    pub findings: Vec<Finding>,
    /// Why the database cannot be used at all, if that is so; it is one of the findings too.
    pub unusable: Option<StoreError>,
}

impl Health {
    /// How many findings are of `level`.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}
