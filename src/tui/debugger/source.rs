//! The sources of a run: its file, and all that it required.

use crate::lua::datum::Datum;
use crate::lua::fault::Place;
use crate::workflow::recording::{Answer, Header, Record, What};

/// The sources.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Names and lines; the workflow's own file first.
    files: Vec<(String, Vec<Vec<u8>>)>,
}

impl Source {
    /// Those that a run was made with.
    pub fn of(header: &Header) -> Source {
        let lines = |source: &[u8]| source.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let modules = header.modules.iter().map(|(name, source)| (name.clone(), lines(source)));
        Source {
            files: std::iter::once((header.file.clone(), lines(&header.source))).chain(modules).collect(),
        }
    }

    /// The line at which a task or an attempt failed, where its message begins with one, as the errors
    /// of Lua do: `deploy.lua:12: …`.
    pub fn failed_at(&self, record: &Record) -> Option<Place> {
        let What::Step { told, .. } = &record.what else { return None };
        let message = told.iter().find(|(name, _)| name == "message" || name == "reason");
        let Some((_, Datum::Text(message))) = message.filter(|_| is_failure(&record.what)) else {
            return None;
        };
        let message = std::str::from_utf8(message).ok()?;
        self.files.iter().find_map(|(path, _)| {
            let name = path.rsplit('/').next()?;
            let after = [path.as_str(), name].iter().find_map(|file| message.strip_prefix(file))?;
            let (line, _) = after.strip_prefix(':')?.split_once(':')?;
            Some(Place { file: name.into(), line: line.parse().ok()? })
        })
    }

    /// The lines of the file that is called so in a recording.
    pub fn lines(&self, name: &str) -> Option<&[Vec<u8>]> {
        let is_meant = |file: &String| file == name || file.ends_with(&format!("/{name}"));
        self.files.iter().find(|(file, _)| is_meant(file)).map(|(_, lines)| lines.as_slice())
    }
}

/// Whether it is a call that raised an error, or the end of an attempt, a task or a run that failed.
pub fn is_failure(what: &What) -> bool {
    let (name, told) = match what {
        What::Call { answer, .. } | What::End { answer, .. } => {
            return matches!(answer, Answer::Raised(_) | Answer::FunctionRaised(_) | Answer::Stopped(_));
        }
        What::Step { name, told, .. } => (name, told),
        _ => return false,
    };
    let outcome = told.iter().find(|(name, _)| name == "outcome").map(|(_, outcome)| outcome);
    let is_well = |outcome: &Datum| ["ok", "done", "skipped", "stopped"].map(Datum::text).contains(outcome);
    name == "attempt failed" || outcome.is_some_and(|outcome| !is_well(outcome))
}
