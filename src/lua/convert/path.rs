//! Paths to values within tables, for error messages.

use std::fmt;

use crate::text::escape::escape;

/// The path to a value within tables.
pub(super) enum Path<'a> {
    Root(&'a str),
    Item(&'a Path<'a>, usize),
    Field(&'a Path<'a>, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root(name) => f.write_str(name),
            Path::Item(path, index) => write!(f, "{path}[{index}]"),
            Path::Field(path, name) => {
                let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                    && name.starts_with(|c: char| !c.is_ascii_digit());
                match plain {
                    true => write!(f, "{path}.{name}"),
                    false => write!(f, "{path}[\"{}\"]", escape(name.as_bytes())),
                }
            }
        }
    }
}
