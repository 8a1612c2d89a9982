//! A TOML file read entry by entry: a wrong entry is reported with its line, and the rest is kept.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::input_file;
use crate::text::escape::escape;

/// The largest file that is read, in bytes.
pub const MAX_CONFIG_SIZE: u64 = 1024 * 1024;

/// A problem in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    pub file: PathBuf,
    /// The line, counted from 1; `None` for a problem of the whole file.
    pub line: Option<usize>,
    /// What is wrong, and what is expected.
    pub reason: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self.file.as_os_str().as_encoded_bytes()))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", escape(self.reason.as_bytes()))
    }
}

/// The entries of a file, in its order.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub file: PathBuf,
    pub entries: Vec<ConfigItem>,
    pub problems: Vec<ConfigProblem>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigItem {
    pub name: String,
    /// The line of the name, counted from 1.
    pub line: usize,
    pub value: ConfigValue,
}

/// A value of a name.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigValue {
    Text(String),
    /// True or false.
    Truth(bool),
    Integer(i64),
    List(Vec<ConfigValue>),
    Table(Vec<ConfigItem>),
    /// A value that no setting has: a float, a date.
    Other,
}

impl Document {
    pub fn parse(file: &Path, text: &str) -> Document {
        let lines = LineIndex { text };
        let (table, errors) = DeTable::parse_recoverable(text);
        let problems = errors.iter().map(|error| ConfigProblem {
            file: file.into(),
            line: error.span().map(|span| lines.of(span.start)),
            reason: error.message().lines().collect::<Vec<_>>().join("; "),
        });
        let problems = problems.collect();
        Document { file: file.into(), entries: items(table.get_ref(), &lines), problems }
    }

    /// Reads `file`; `None` if there is none. One that is not a regular file, or very large, is a problem.
    pub fn read(file: &Path) -> Option<Document> {
        let unusable = |line, reason| {
            let problem = ConfigProblem { file: file.into(), line, reason };
            Document { file: file.into(), entries: Vec::new(), problems: vec![problem] }
        };
        match input_file::read_regular(file, MAX_CONFIG_SIZE) {
            Ok(None) => None,
            Err(error) => Some(unusable(None, format!("{error}; nothing of it is used"))),
            Ok(Some(bytes)) => Some(match std::str::from_utf8(&bytes) {
                Ok(text) => Document::parse(file, text),
                Err(error) => {
                    let line = line_number(&bytes, error.valid_up_to());
                    unusable(Some(line), "not UTF-8 text; nothing of the file is used".into())
                }
            }),
        }
    }

    /// Adds a problem of the entry at `line`.
    pub fn refuse(&mut self, line: usize, reason: impl Into<String>) {
        self.problems.push(ConfigProblem {
            file: self.file.clone(),
            line: Some(line),
            reason: reason.into(),
        });
    }
}

impl ConfigValue {
    /// Its type, for a message about the expected type.
    pub fn what(&self) -> &'static str {
        match self {
            ConfigValue::Text(_) => "a text",
            ConfigValue::Truth(_) => "true or false",
            ConfigValue::Integer(_) => "a number",
            ConfigValue::List(_) => "a list",
            ConfigValue::Table(_) => "a table",
            ConfigValue::Other => "something else",
        }
    }
}

/// The line of a byte offset, counted from 1.
pub fn line_number(text: &[u8], at: usize) -> usize {
    text[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Maps byte offsets to lines.
struct LineIndex<'a> {
    text: &'a str,
}

impl LineIndex<'_> {
    fn of(&self, at: usize) -> usize {
        line_number(self.text.as_bytes(), at)
    }
}

fn items(table: &DeTable<'_>, lines: &LineIndex<'_>) -> Vec<ConfigItem> {
    let mut found: Vec<(usize, ConfigItem)> = table
        .iter()
        .map(|(name, value)| {
            let at = name.span().start;
            let name = name.get_ref().to_string();
            (at, ConfigItem { name, line: lines.of(at), value: read(value, lines) })
        })
        .collect();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, item)| item).collect()
}

fn read(value: &Spanned<DeValue<'_>>, lines: &LineIndex<'_>) -> ConfigValue {
    match value.get_ref() {
        DeValue::String(text) => ConfigValue::Text(text.to_string()),
        DeValue::Boolean(truth) => ConfigValue::Truth(*truth),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(ConfigValue::Other, ConfigValue::Integer),
        DeValue::Array(values) => ConfigValue::List(values.iter().map(|value| read(value, lines)).collect()),
        DeValue::Table(table) => ConfigValue::Table(items(table, lines)),
        DeValue::Float(_) | DeValue::Datetime(_) => ConfigValue::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(Path::new("keymap.toml"), text)
    }

    #[test]
    fn entries_come_in_the_order_of_the_file_with_their_lines() {
        let read = document("b = 1\n\n[a]\nz = \"x\"\ny = [true, 0x10]\n");
        assert_eq!(read.problems, []);
        let ConfigValue::Table(inner) = &read.entries[1].value else { panic!("{read:?}") };
        assert_eq!((read.entries[0].name.as_str(), read.entries[0].line), ("b", 1));
        assert_eq!((inner[0].name.as_str(), inner[0].line), ("z", 4));
        assert_eq!(
            inner[1].value,
            ConfigValue::List(vec![ConfigValue::Truth(true), ConfigValue::Integer(16)])
        );
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line_and_the_rest_is_kept() {
        let read = document("first = 1\nsecond = \nthird = 3\n");
        assert_eq!(read.problems.len(), 1, "{read:?}");
        assert!(read.problems[0].to_string().starts_with("keymap.toml:2: "), "{}", read.problems[0]);
        let names: Vec<_> = read.entries.iter().map(|item| item.name.as_str()).collect();
        assert!(names.contains(&"first") && names.contains(&"third"), "{names:?}");
    }

    #[test]
    fn a_problem_draws_no_control_sequence() {
        let mut read = document("");
        read.refuse(3, "\x1b[2J");
        assert_eq!(read.problems[0].to_string(), "keymap.toml:3: ␛[2J");
    }
}
