//! Filters that a user has given a name, in `filters.toml` of the configuration folder. What is
//! written by hand there, comments too, stays as it is.

use std::cell::Cell;
use std::io;
use std::path::Path;

use toml_edit::{DocumentMut, InlineTable, Item as Edited, Table};

use crate::atomic_file;
use crate::config::{ConfigItem, ConfigProblem, ConfigValue, Document, line_number};
use crate::tui::list::Filter;
use crate::tui::view::View;

/// The file in the configuration folder.
const FILE: &str = "filters.toml";
const TABLE: &str = "filters";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFilter {
    pub name: String,
    /// The view that it belongs to; `None` if it suits whatever view is open.
    pub view: Option<View>,
    pub filter: String,
}

/// What is to become of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavedFilterEdit {
    /// It stands for this filter from now on.
    Save(SavedFilter),
    /// It stands for nothing any more.
    Forget(String),
}

/// The filters of the folder, in the order of the file, and what in the file could not be used.
pub fn read(folder: &Path) -> (Vec<SavedFilter>, Vec<ConfigProblem>) {
    let Some(mut document) = Document::read(&folder.join(FILE)) else { return Default::default() };
    let mut filters = Vec::new();
    for ConfigItem { name, line, value } in std::mem::take(&mut document.entries) {
        match (name.as_str(), value) {
            (TABLE, ConfigValue::Table(items)) => {
                for item in items {
                    let (line, name) = (item.line, item.name.clone());
                    match saved(item) {
                        Ok(filter) => filters.push(filter),
                        Err(reason) => document.refuse(line, format!("{name}: {reason}")),
                    }
                }
            }
            _ => document.refuse(line, format!("{name} is no setting; the filters are in [{TABLE}]")),
        }
    }
    (filters, document.problems)
}

/// Reads `NAME = "filter"` or `NAME = { view = "flags", filter = "filter" }`.
fn saved(ConfigItem { name, value, .. }: ConfigItem) -> Result<SavedFilter, String> {
    const FORM: &str = "write \"ttl:<1h\", or { view = \"flags\", filter = \"ttl:<1h\" }";
    let (view, filter) = match value {
        ConfigValue::Text(filter) => (None, Some(filter)),
        ConfigValue::Table(items) => {
            let (mut view, mut filter) = (None, None);
            for ConfigItem { name, value, .. } in items {
                match (name.as_str(), value) {
                    ("view", ConfigValue::Text(title)) => view = Some(view_of(&title)?),
                    ("filter", ConfigValue::Text(text)) => filter = Some(text),
                    _ => return Err(format!("{name} does not belong there; {FORM}")),
                }
            }
            (view, filter)
        }
        other => return Err(format!("a filter is not {}; {FORM}", other.what())),
    };
    let filter = filter.ok_or_else(|| format!("it has no filter; {FORM}"))?;
    Filter::parse(&filter).map_err(|mistake| mistake.text)?;
    Ok(SavedFilter { name, view, filter })
}

fn view_of(title: &str) -> Result<View, String> {
    View::ALL.into_iter().find(|view| view.title().eq_ignore_ascii_case(title)).ok_or_else(|| {
        let titles = View::ALL.map(|view| view.title().to_lowercase()).join(", ");
        format!("there is no view {title}; there are {titles}")
    })
}

/// Writes into the file of the folder what is to become of a name; the filters that there are then.
///
/// # Errors
/// In words on one line, if the file cannot be written, or is not TOML: it is left as it is then.
pub fn name(folder: Option<&Path>, naming: &SavedFilterEdit) -> Result<Vec<SavedFilter>, String> {
    let folder = folder.ok_or("there is no home directory to keep a filter in")?;
    let file = folder.join(FILE);
    let wrong = Cell::new(None);
    let edited = |text: Option<Vec<u8>>| {
        edited(text.unwrap_or_default(), naming).map_err(|(line, reason)| {
            wrong.set(line);
            io::Error::other(reason)
        })
    };
    atomic_file::change(&file, 0o666, edited).map_err(|error| {
        let reason = error.to_string();
        ConfigProblem { file: file.clone(), line: wrong.get(), reason }.to_string()
    })?;
    Ok(read(folder).0)
}

/// The text of the file with what is to become of a name; what is wrong with it, and in which line.
fn edited(text: Vec<u8>, naming: &SavedFilterEdit) -> Result<Vec<u8>, (Option<usize>, String)> {
    const ADVICE: &str = "not saved: correct the file, or move it away";
    let text = String::from_utf8(text).map_err(|error| {
        let line = line_number(error.as_bytes(), error.utf8_error().valid_up_to());
        (Some(line), format!("not UTF-8 text; {ADVICE}"))
    })?;
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        let line = error.span().map(|span| line_number(text.as_bytes(), span.start));
        let reason = error.message().lines().collect::<Vec<_>>().join("; ");
        (line, format!("{reason}; {ADVICE}"))
    })?;
    edit(&mut document, naming).map_err(|reason| (None, format!("{reason}; {ADVICE}")))?;
    Ok(document.to_string().into_bytes())
}

fn edit(document: &mut DocumentMut, naming: &SavedFilterEdit) -> Result<(), String> {
    let filters = document.entry(TABLE).or_insert(Edited::Table(Table::new()));
    let filters = filters.as_table_like_mut().ok_or(format!("{TABLE} is not a table"))?;
    match naming {
        SavedFilterEdit::Save(SavedFilter { name, view, filter }) => {
            let value = match view {
                Some(view) => {
                    let mut inline = InlineTable::new();
                    inline.insert("view", view.title().to_lowercase().into());
                    inline.insert("filter", filter.as_str().into());
                    toml_edit::Value::InlineTable(inline)
                }
                None => filter.as_str().into(),
            };
            filters.insert(name, Edited::Value(value));
        }
        SavedFilterEdit::Forget(name) => {
            filters.remove(name);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(name: &str, view: Option<View>, filter: &str) -> SavedFilter {
        SavedFilter { name: name.into(), view, filter: filter.into() }
    }

    #[test]
    fn filters_are_written_and_what_is_there_by_hand_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let soon = saved("soon", None, "ttl:<1h");
        assert_eq!(name(Some(&path), &SavedFilterEdit::Save(soon.clone())), Ok(vec![soon.clone()]));
        let file = path.join(FILE);
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str("# mine\nold = \"changed:>30d\" # dusty\n");
        std::fs::write(&file, &text).unwrap();
        let failed = saved("what fails", Some(View::Runs), "status:failed");
        let old = saved("old", None, "changed:>30d");
        let all = name(Some(&path), &SavedFilterEdit::Save(failed.clone())).unwrap();
        assert_eq!(all, [soon, old.clone(), failed.clone()]);
        assert_eq!(name(Some(&path), &SavedFilterEdit::Forget("soon".into())), Ok(vec![old, failed]));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("# mine") && text.contains("# dusty"), "{text}");
        assert_eq!(read(&path).1, []);
    }

    #[test]
    fn filters_that_two_programs_save_at_the_same_moment_are_both_there() {
        let folder = tempfile::tempdir().unwrap();
        let save = |program: usize| {
            for number in 0..10 {
                let filter = saved(&format!("{program}-{number}"), None, "ttl:<1h");
                name(Some(folder.path()), &SavedFilterEdit::Save(filter)).unwrap();
            }
        };
        std::thread::scope(|scope| {
            for program in 0..4 {
                scope.spawn(move || save(program));
            }
        });
        assert_eq!(read(folder.path()).0.len(), 40);
    }

    #[test]
    fn mistakes_are_told_with_their_lines_and_the_rest_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[filters]\na = \"type:nothing\"\nb = { view = \"flag\", filter = \"x\" }\nc = 3\n\
                    d = { view = \"flags\" }\ne = { colour = \"red\" }\ngood = { view = \"flags\", filter = \"!x\" }\n\
                    [other]\nx = 1\n";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let (filters, problems) = read(folder.path());
        assert_eq!(filters, [saved("good", Some(View::Flags), "!x")]);
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for (line, words) in [
            (2, "a: "),
            (3, "b: there is no view flag; there are keys, flags"),
            (4, "c: a filter is not a number"),
            (5, "d: it has no filter"),
            (6, "e: colour does not belong there"),
            (8, "other is no setting"),
        ] {
            let found =
                problems.iter().any(|problem| problem.contains(&format!("filters.toml:{line}: {words}")));
            assert!(found, "{line}: {problems:?}");
        }
        assert_eq!(problems.len(), 6);
    }

    #[test]
    fn a_file_that_is_no_toml_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        for (broken, line) in [
            (&b"[filters\n"[..], ":1: "),
            (b"# fine\n\nx = = 1\n", ":3: "),
            (b"[filters]\na = \"b\n\nc = 1\n", ":2: "),
            (b"[filters]\na = \"\xff\"\n", ":2: not UTF-8"),
            (b"filters = 3\n", ": filters is not a table"),
        ] {
            std::fs::write(&file, broken).unwrap();
            let error = name(Some(folder.path()), &SavedFilterEdit::Save(saved("a", None, "b"))).unwrap_err();
            let start = format!("{}{line}", file.display());
            assert!(error.starts_with(&start), "{error}");
            assert!(error.ends_with("not saved: correct the file, or move it away"), "{error}");
            assert!(!error.contains('\n') && !error.contains("\\n") && !error.contains('␊'), "{error}");
            assert_eq!(std::fs::read(&file).unwrap(), broken);
        }
        assert!(name(None, &SavedFilterEdit::Forget("a".into())).is_err());
    }
}
