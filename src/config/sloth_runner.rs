//! Finds the databases of Sloth Runner on this machine, which can be opened without a context.

use std::path::{Path, PathBuf};

use super::{ConfirmPolicy, Context};
use crate::store::Location;

/// The most agents that are listed.
const AGENTS: usize = 100;

/// The folders in which Sloth Runner keeps its databases.
pub struct SlothRunnerFolders {
    /// The home directory, if there is one.
    pub home: Option<PathBuf>,
    /// The folder of temporary files.
    pub temporary: PathBuf,
}

impl SlothRunnerFolders {
    pub fn current() -> SlothRunnerFolders {
        let home = directories::BaseDirs::new().map(|folders| folders.home_dir().to_path_buf());
        SlothRunnerFolders { home, temporary: std::env::temp_dir() }
    }

    /// The databases that exist and are not in `known`: the state, then those of agents by name.
    pub fn databases(&self, known: &[Context]) -> Vec<Context> {
        let state = self.home.iter().map(|home| ("sloth-runner".into(), home.join(".sloth-runner/state.db")));
        let mut agents = agents(&self.temporary.join("sloth-state"));
        agents.sort();
        agents.truncate(AGENTS);
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let known: Vec<PathBuf> =
            known.iter().filter_map(|context| real(context.location.as_file()?)).collect();
        let found = state
            .chain(agents)
            .filter(|(_, path)| path.is_file() && real(path).is_some_and(|path| !known.contains(&path)));
        found
            .map(|(name, path)| Context {
                name,
                location: Location::File(path),
                read_only: false,
                production: false,
                confirm: ConfirmPolicy::Dangerous,
                no_exec: false,
                allow_exec: None,
            })
            .collect()
    }
}

fn agents(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = files.flatten().map(|file| file.path());
    let databases = paths.filter(|path| path.extension().is_some_and(|extension| extension == "db"));
    databases
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (format!("agent {name}"), path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_that_are_there_are_offered_once() {
        let folder = tempfile::tempdir().unwrap();
        let (home, temporary) = (folder.path().join("home"), folder.path().join("tmp"));
        for path in [
            "home/.sloth-runner/state.db",
            "tmp/sloth-state/web2.db",
            "tmp/sloth-state/web1.db",
            "tmp/sloth-state/x",
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let places = SlothRunnerFolders { home: Some(home.clone()), temporary: temporary.clone() };
        let names = |known: &[Context]| -> Vec<String> {
            places.databases(known).into_iter().map(|context| context.name).collect()
        };
        assert_eq!(names(&[]), ["sloth-runner", "agent web1", "agent web2"]);
        let known = Context {
            name: "state".into(),
            location: Location::File(home.join(".sloth-runner/../.sloth-runner/state.db")),
            read_only: true,
            production: true,
            confirm: ConfirmPolicy::Always,
            no_exec: false,
            allow_exec: None,
        };
        assert_eq!(names(&[known]), ["agent web1", "agent web2"]);
        assert!(
            SlothRunnerFolders { home: None, temporary: temporary.join("none") }.databases(&[]).is_empty()
        );
    }
}
