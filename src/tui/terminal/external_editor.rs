//! Editing a value in the user's own editor.

use std::io::Write;
use std::process::Command;

use crate::input_file::{self, Accept};
use crate::store::{Entry, InvalidValue, JsonText, Location, Options, Type, Value, open};

/// The largest text that is taken from the editor, in bytes: a table has room for its indentation.
const LARGEST_TEXT: u64 = 1 << 30;

/// A text that comes back from the editor. It may be long: it is read where the terminal is not waited
/// for anyway.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// The text; a table as it is stored.
    pub text: Vec<u8>,
    /// The value that it is, of the type that the entry has.
    pub value: Result<Value, InvalidValue>,
}

impl Edited {
    /// A text for an entry. Of a table that was laid out for the editor, what was not edited is as it was.
    pub fn of(text: Vec<u8>, entry: &Entry) -> Edited {
        let value = Value::parse(&text, entry.value_type());
        let value = value.map(|value| match (value, entry.value()) {
            (Value::Table(edited), Value::Table(stored)) if !has_lines(&stored) => {
                Value::Table(stored.merge(&edited))
            }
            (value, _) => value,
        });
        let text = match &value {
            Ok(table @ Value::Table(_)) => table.to_stored(),
            _ => text,
        };
        Edited { text, value }
    }
}

/// Has the user edit the whole value of an entry, or `text` where there is one. The answer is
/// the entry as it was when the editor was opened, and the new text; none if it was left as it is.
pub fn edit(
    location: &Location,
    settings: &Options,
    entry: Entry,
    text: Option<Vec<u8>>,
) -> (Entry, Result<Option<Box<Edited>>, String>) {
    let settings = Options { read_only: true, ..settings.clone() };
    let whole = match open(location, &settings).and_then(|store| store.get(&entry.key)) {
        Ok(Some(whole)) => whole,
        Ok(None) => {
            let gone = format!("{} is gone", entry.key);
            return (entry, Err(gone));
        }
        Err(error) => return (entry, Err(error.to_string())),
    };
    // With a text of the user's own, what it is to be put over is what was last seen.
    let (seen, first) = match text {
        Some(text) => (entry, text),
        None => {
            let first = readable(&whole);
            (whole, first)
        }
    };
    let edited = run(&first, &seen).map(|edited| (edited != first).then_some(edited));
    let edited = edited.map(|edited| edited.map(|text| Box::new(Edited::of(text, &seen))));
    (seen, edited)
}

/// A table on many lines, also one that is stored on one; anything else as it is.
fn readable(entry: &Entry) -> Vec<u8> {
    match entry.value() {
        Value::Table(json) if !has_lines(&json) => json.pretty().into_bytes(),
        _ => entry.stored.clone(),
    }
}

/// Whether a table is stored on many lines: then it is edited as it is.
fn has_lines(table: &JsonText) -> bool {
    table.as_str().contains('\n')
}

fn run(text: &[u8], entry: &Entry) -> Result<Vec<u8>, String> {
    let ending = if entry.value_type() == Type::Table { ".json" } else { ".txt" };
    let failed = |error: std::io::Error| format!("a file for the editor: {error}");
    let mut file =
        tempfile::Builder::new().prefix("slothstate-").suffix(ending).tempfile().map_err(failed)?;
    file.write_all(text).and_then(|()| file.flush()).map_err(failed)?;
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty()))
        .unwrap_or_else(|| "vi".into());
    // An editor may be named with options, so it is left to a shell, as git does.
    let ended = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$@\""))
        .arg(&editor)
        .arg(file.path())
        .status()
        .map_err(|error| format!("{editor}: {error}"))?;
    if !ended.success() {
        return Err(format!("{editor} ended with {ended}: nothing was written"));
    }
    let mut edited =
        input_file::read(file.path(), Accept::Regular, LARGEST_TEXT).map_err(|error| failed(error.into()))?;
    // Editors end a file with a line break; a value has it only if it had it before.
    if edited.last() == Some(&b'\n') && text.last() != Some(&b'\n') {
        edited.pop();
    }
    Ok(edited)
}
