//! The sources of a run: its file, and all that it required.

use crate::lua::error::ScriptLine;
use crate::workflow::recording::{Answer, Header, Record, RecordKind};

#[derive(Clone, Debug, Default)]
pub struct RunSource {
    /// Names and lines; the workflow's own file first.
    files: Vec<(String, Vec<Vec<u8>>)>,
}

impl RunSource {
    /// Those that a run was made with.
    pub fn of(header: &Header) -> RunSource {
        let lines = |source: &[u8]| source.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let modules = header.modules.iter().map(|(name, source)| (name.clone(), lines(source)));
        RunSource {
            files: std::iter::once((header.file.clone(), lines(&header.source))).chain(modules).collect(),
        }
    }

    #[cfg(test)]
    pub fn of_files<const N: usize>(files: [(&str, &str); N]) -> RunSource {
        let lines = |text: &str| text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
        RunSource { files: files.map(|(name, text)| (name.to_string(), lines(text))).to_vec() }
    }

    /// The line at which a task, an attempt or a function failed, where its message begins with one, as
    /// the errors of Lua do: `deploy.lua:12: …`.
    pub fn failed_at(&self, record: &Record) -> Option<ScriptLine> {
        let message = match &record.what {
            RecordKind::Event(event) if event.is_failure() => event.message()?,
            RecordKind::End { answer: Answer::CallbackRaised(message), .. } => message,
            _ => return None,
        };
        // The longest name counts, should one be the end of another.
        let found = self.files.iter().filter_map(|(path, _)| {
            let name = path.rsplit('/').next()?;
            let after = [path.as_str(), name].iter().find_map(|file| message.strip_prefix(file))?;
            let (line, _) = after.strip_prefix(':')?.split_once(':')?;
            let file = message[..message.len() - after.len()].to_string();
            Some(ScriptLine { file, line: line.parse().ok()? })
        });
        found.max_by_key(|place| place.file.len())
    }

    /// The names of the files and their lines.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[Vec<u8>])> {
        self.files.iter().map(|(name, lines)| (name.as_str(), lines.as_slice()))
    }

    /// Whether a file that somebody wrote is the one that is called so in a recording, where a file with a
    /// long path is called by its last part.
    pub fn is_same_file(&self, written: &str, name: &str) -> bool {
        let matches = |path: &str, name: &str| {
            path == name || path.strip_suffix(name).is_some_and(|before| before.ends_with('/'))
        };
        let both = self.files.iter().any(|(path, _)| matches(path, written) && matches(path, name));
        both || matches(name, written)
    }

    /// The lines of the file that is called so in a recording.
    pub fn lines(&self, name: &str) -> Option<&[Vec<u8>]> {
        let is_meant = |file: &String| file == name || file.ends_with(&format!("/{name}"));
        self.files.iter().find(|(file, _)| is_meant(file)).map(|(_, lines)| lines.as_slice())
    }
}

/// Whether it is a call that raised an error, or the end of an attempt, a task or a run that failed.
pub fn is_failure(what: &RecordKind) -> bool {
    match what {
        RecordKind::Call { answer, .. } | RecordKind::End { answer, .. } => {
            matches!(answer, Answer::Raised(_) | Answer::CallbackRaised(_) | Answer::Stopped(_))
        }
        RecordKind::Event(event) => event.is_failure(),
        _ => false,
    }
}
