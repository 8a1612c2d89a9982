//! The sources of a run: its file, and all that it required.

use crate::workflow::recording::Header;

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

    /// The lines of the file that is called so in a recording.
    pub fn lines(&self, name: &str) -> Option<&[Vec<u8>]> {
        let is_meant = |file: &String| file == name || file.ends_with(&format!("/{name}"));
        self.files.iter().find(|(file, _)| is_meant(file)).map(|(_, lines)| lines.as_slice())
    }
}
