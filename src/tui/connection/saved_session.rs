//! How the interface was left, to open it like that again: by database, in the state folder.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::store::Location;
use crate::text::escape::escape;
use crate::tui::view::View;
use crate::{atomic_file, input_file};

/// Of how many databases it is known.
const DATABASES_MAX: usize = 50;
/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// How many damaged files are kept beside it.
const ASIDE: usize = 5;

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SavedSession {
    /// The title of the view.
    pub view: String,
    pub filter: String,
    /// The key under the cursor; `None` where it was on nothing that has one, or not on text.
    pub key: Option<String>,
    /// When it was left, in seconds since the epoch.
    pub at: i64,
}

impl SavedSession {
    /// The view, if there still is one of that title.
    pub fn view(&self) -> Option<View> {
        View::ALL.into_iter().find(|view| view.title() == self.view)
    }

    /// How the database at `location` was left, as the usual file tells; what is wrong with that file, in one
    /// line.
    pub fn read(location: &Location) -> (Option<SavedSession>, Option<String>) {
        file().map_or((None, None), |file| {
            let (mut notes, problem) = read(&file);
            (notes.remove(&*location.identity().to_string_lossy()), problem)
        })
    }

    /// Notes in the usual file how the database at `location` was left. What is noted there of others stays,
    /// and a file that is damaged is kept beside it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(self, location: &Location) -> io::Result<()> {
        let Some(file) = file() else { return Ok(()) };
        write(&file, &location.identity().to_string_lossy(), &self)
    }
}

fn file() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "slothstate")?;
    Some(folders.state_dir().unwrap_or(folders.data_local_dir()).join("last.json"))
}

/// What is noted of each database, and what is wrong with the file.
fn read(file: &Path) -> (BTreeMap<String, SavedSession>, Option<String>) {
    let shown = || escape(file.as_os_str().as_encoded_bytes());
    let text = match input_file::read_regular(file, FILE_MAX) {
        Ok(text) => text.unwrap_or_default(),
        Err(error) => {
            let advice = "how databases are left is not noted until it is moved away";
            return (BTreeMap::new(), Some(format!("{}: {error}; {advice}", shown())));
        }
    };
    let Notes { entries, damage } = Notes::parse(&text);
    let problem = damage.map(|(line, reason)| {
        let aside = escape(aside(file, 0).as_os_str().as_encoded_bytes());
        let known = entries.len();
        format!("{}:{line}: {reason}; {known} of its entries are used, and it is kept as {aside}", shown())
    });
    let notes =
        entries.into_iter().filter_map(|(name, note)| Some((name, serde_json::from_value(note).ok()?)));
    (notes.collect(), problem)
}

/// What a file notes of databases, by their names. A note that another version made stays as it is.
#[derive(Default)]
struct Notes {
    entries: BTreeMap<String, Value>,
    /// The line from which on the file could not be read, and why.
    damage: Option<(usize, String)>,
}

impl Notes {
    /// Reads as many entries as can be read.
    fn parse(text: &[u8]) -> Notes {
        let mut entries = BTreeMap::new();
        if text.is_empty() {
            return Notes::default();
        }
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let read = Entries(&mut entries).deserialize(&mut deserializer);
        let damage = read.and_then(|()| deserializer.end()).err();
        let damage = damage.map(|error| (error.line().max(1), "it is damaged".to_string()));
        Notes { entries, damage }
    }
}

/// Takes the entries of an object one by one: those before a mistake are kept.
struct Entries<'a>(&'a mut BTreeMap<String, Value>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, note)) = map.next_entry()? {
            self.0.insert(name, note);
        }
        Ok(())
    }
}

/// Where a damaged file is kept, the `number`th time.
fn aside(file: &Path, number: usize) -> PathBuf {
    let ending = if number == 0 { "json.corrupt".into() } else { format!("json.corrupt-{number}") };
    file.with_extension(ending)
}

/// Keeps a copy of a damaged file, which is not kept yet.
fn keep(file: &Path, text: &[u8]) -> io::Result<()> {
    for number in 0..ASIDE {
        let aside = aside(file, number);
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside);
        match new {
            Ok(mut new) => return new.write_all(text).and_then(|()| new.sync_all()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if input_file::read_regular(&aside, FILE_MAX).is_ok_and(|kept| kept.as_deref() == Some(text))
                {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{ASIDE} damaged files are kept beside it already: remove some of them")))
}

fn write(file: &Path, identity: &str, last: &SavedSession) -> io::Result<()> {
    // Keys are for their owner alone.
    atomic_file::change(file, 0o600, |text| {
        let text = text.unwrap_or_default();
        let Notes { mut entries, damage } = Notes::parse(&text);
        if damage.is_some() {
            keep(file, &text)?;
        }
        entries.insert(identity.into(), serde_json::to_value(last)?);
        let left_at = |note: &Value| note.get("at").and_then(Value::as_i64).unwrap_or(i64::MIN);
        while entries.len() > DATABASES_MAX {
            let oldest = entries.iter().min_by_key(|(_, note)| left_at(note)).map(|(name, _)| name.clone());
            oldest.and_then(|name| entries.remove(&name));
        }
        Ok(serde_json::to_vec_pretty(&entries)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_databases_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/last.json");
        let last = |at: i64| SavedSession { view: "Flags".into(), filter: "a".into(), key: None, at };
        for number in 0..60 {
            write(&file, &format!("/tmp/{number}.db"), &last(number)).unwrap();
        }
        let all = read(&file).0;
        assert_eq!(all.len(), DATABASES_MAX);
        assert!(!all.contains_key("/tmp/9.db") && all.contains_key("/tmp/59.db"));
    }

    fn last(filter: &str) -> SavedSession {
        SavedSession { view: "Flags".into(), filter: filter.into(), key: None, at: 7 }
    }

    fn names(file: &Path) -> Vec<String> {
        read(file).0.into_keys().collect()
    }

    #[test]
    fn of_a_damaged_file_what_can_be_read_stays_and_the_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("last.json");
        for name in ["/a.db", "/b.db", "/c.db"] {
            write(&file, name, &last(name)).unwrap();
        }
        let sound = std::fs::read(&file).unwrap();
        for cut in 0..sound.len() {
            let broken = &sound[..cut];
            std::fs::write(&file, broken).unwrap();
            let (known, problem) = read(&file);
            assert_eq!(problem.is_some(), cut > 0, "{cut}");
            let before: Vec<String> = known.into_keys().collect();
            write(&file, "/new.db", &last("new")).unwrap();
            let mut expected = before.clone();
            expected.push("/new.db".into());
            assert_eq!(names(&file), expected);
            assert!(read(&file).1.is_none());
            let aside = folder.path().join("last.json.corrupt");
            if cut > 0 {
                assert_eq!(std::fs::read(&aside).unwrap(), broken);
                std::fs::remove_file(&aside).unwrap();
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("last.json");
        for (text, line, known) in [
            ("no JSON", 1, 0),
            ("[1]", 1, 0),
            ("{}\n{}", 2, 0),
            (
                "{\n\"/a.db\": {\"view\": \"Keys\", \"filter\": \"\", \"key\": null, \"at\": 1},\n\"/b.db\": tru",
                3,
                1,
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let (entries, problem) = read(&file);
            let problem = problem.unwrap();
            assert_eq!(entries.len(), known, "{text}");
            assert!(
                problem.starts_with(&format!("{}:{line}: it is damaged; {known} of", file.display())),
                "{problem}"
            );
            assert!(problem.ends_with("last.json.corrupt") && !problem.contains('\n'), "{problem}");
        }
        std::fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let problem = read(&file).1.unwrap();
        assert!(problem.contains("last.json: it is a named pipe"), "{problem}");
        assert!(write(&file, "/a.db", &last("")).is_err());
        assert!(!file.metadata().unwrap().is_file(), "it is not replaced");
    }

    #[test]
    fn a_note_of_another_version_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("last.json");
        std::fs::write(&file, "{\"/a.db\": {\"tab\": 3, \"at\": 9}, \"/b.db\": 17}").unwrap();
        assert_eq!(read(&file), (BTreeMap::new(), None));
        write(&file, "/c.db", &last("")).unwrap();
        let all: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!((&all["/a.db"]["tab"], &all["/b.db"]), (&3.into(), &17.into()));
        assert_eq!(names(&file), ["/c.db"]);
    }

    #[test]
    fn damaged_files_that_were_kept_before_are_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("last.json");
        for number in 0..ASIDE {
            for _ in 0..2 {
                std::fs::write(&file, format!("broken {number}")).unwrap();
                write(&file, "/a.db", &last("")).unwrap();
            }
        }
        assert_eq!(std::fs::read(aside(&file, 0)).unwrap(), b"broken 0");
        assert_eq!(
            std::fs::read(aside(&file, ASIDE - 1)).unwrap(),
            format!("broken {}", ASIDE - 1).as_bytes()
        );
        std::fs::write(&file, "one more").unwrap();
        assert!(write(&file, "/a.db", &last("")).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"one more");
    }
}
