//! How the interface was left, to open it like that again: by database, in the state folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::action::View;
use super::app::App;
use super::row::{Row, RowId};
use crate::atomic_file;
use crate::input_file::{self, Accept};

/// The largest file that is read, in bytes.
const LARGEST_FILE: u64 = 16 << 20;
/// Of how many databases it is known.
const KEPT: usize = 50;

/// How a database was left.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Last {
    /// The title of the view.
    pub view: String,
    /// The filter line.
    pub filter: String,
    /// The key under the cursor; `None` where it was on nothing that has one, or not on text.
    pub key: Option<String>,
    /// When it was left, in seconds since the epoch.
    pub at: i64,
}

impl Last {
    /// How the interface is at present.
    pub fn of(app: &App, at: i64) -> Last {
        let key = match app.window.selected().map(Row::id) {
            Some(RowId::Entry(key)) => key.as_str().map(String::from),
            _ => None,
        };
        Last { view: app.view.title().into(), filter: app.filter_line.text().into(), key, at }
    }

    /// The view, if there still is one of that title.
    pub fn view(&self) -> Option<View> {
        View::ALL.into_iter().find(|view| view.title() == self.view)
    }

    /// How the database at `path` was left, as the usual file tells.
    pub fn read(path: &Path) -> Option<Last> {
        read(&file()?).remove(&name_of(path))
    }

    /// Notes in the usual file how the database at `path` was left.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(self, path: &Path) -> std::io::Result<()> {
        let Some(file) = file() else { return Ok(()) };
        write(&file, path, &self)
    }
}

fn file() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "slothstate")?;
    Some(folders.state_dir().unwrap_or(folders.data_local_dir()).join("last.json"))
}

/// The same database has the same name, whichever way it was named.
fn name_of(path: &Path) -> String {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    real.display().to_string()
}

fn read(file: &Path) -> BTreeMap<String, Last> {
    let text = input_file::read(file, Accept::Regular, LARGEST_FILE);
    text.map_or_else(|_| BTreeMap::new(), |text| parse(&text))
}

/// What is no such file says nothing.
fn parse(text: &[u8]) -> BTreeMap<String, Last> {
    serde_json::from_slice(text).unwrap_or_default()
}

fn write(file: &Path, path: &Path, last: &Last) -> std::io::Result<()> {
    // Keys are for their owner alone.
    atomic_file::change(file, 0o600, |text| {
        let mut all = text.map_or_else(BTreeMap::new, |text| parse(&text));
        all.insert(name_of(path), last.clone());
        while all.len() > KEPT {
            let oldest = all.iter().min_by_key(|(_, last)| last.at).map(|(name, _)| name.clone());
            oldest.and_then(|name| all.remove(&name));
        }
        Ok(serde_json::to_vec_pretty(&all)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_databases_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/last.json");
        let last = |at: i64| Last { view: "Flags".into(), filter: "a".into(), key: None, at };
        for number in 0..60 {
            write(&file, Path::new(&format!("/tmp/{number}.db")), &last(number)).unwrap();
        }
        let all = read(&file);
        assert_eq!(all.len(), KEPT);
        assert!(!all.contains_key("/tmp/9.db") && all.contains_key("/tmp/59.db"));
        std::fs::write(&file, "no JSON").unwrap();
        assert!(read(&file).is_empty());
    }
}
