//! The file, what lies beside it, and the disk and the folder that it is in. Nothing is opened:
//! closing a descriptor of a database file drops the locks that the process has on it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, Uid, User, access, geteuid};

use super::{counted, disk, unseen, word};
use crate::atomic_file::{Leftover, LeftoverState, beside, folder_of, leftovers};
use crate::store::sqlite::file_system;
use crate::store::sqlite::path;
use crate::store::{Finding, Level};
use crate::text::escape::escape;
use crate::text::size::show_size;

const RIGHTS: &str = "permissions";

/// What the system says of a file.
#[derive(Clone, Debug)]
struct Facts {
    path: PathBuf,
    mode: u32,
    owner: u32,
    group: u32,
    /// In bytes.
    size: u64,
}

impl Facts {
    fn of(path: &Path) -> io::Result<Facts> {
        let metadata = std::fs::metadata(path)?;
        Ok(Facts {
            path: path.to_path_buf(),
            mode: metadata.mode() & 0o7777,
            owner: metadata.uid(),
            group: metadata.gid(),
            size: metadata.len(),
        })
    }

    fn name(&self) -> String {
        escape(self.path.file_name().unwrap_or_default().as_encoded_bytes())
    }
}

/// Looks at the surroundings of the database at `path`, which need not be there.
pub(super) fn examine(path: &Path) -> Vec<Finding> {
    // SQLite follows links, and keeps its files beside the file itself.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = existing_folder(path);
    let mut findings = disk::examine(folder);
    match Facts::of(path) {
        Ok(file) if path.is_file() => {
            findings.extend(examine_rights(&file, folder));
            findings.extend(examine_beside(&file, folder));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => findings.extend(judge_absence(folder)),
        // The attempt to open it says what is wrong.
        _ => {}
    }
    findings
}

/// The folder of a file, or the one that the first write would begin to make it in.
fn existing_folder(path: &Path) -> &Path {
    let mut folder = folder_of(path);
    while !folder.exists() && folder != folder_of(folder) {
        folder = folder_of(folder);
    }
    folder
}

fn judge_absence(folder: &Path) -> Option<Finding> {
    let why = match access(folder, AccessFlags::W_OK).err()? {
        Errno::EROFS => file_system::READ_ONLY,
        Errno::EACCES => "its permissions do not allow it",
        errno => errno.desc(),
    };
    let finding = format!("nothing can be made in {}: {why}", folder.display());
    Some(Finding::warning(RIGHTS, finding))
}

fn examine_rights(file: &Facts, folder: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file_system::is_read_only(&file.path) {
        let finding = format!("{} can only be read: {}", file.path.display(), file_system::READ_ONLY);
        findings.push(Finding::note(RIGHTS, finding));
    } else if let Err(error) = path::check_permissions(&file.path) {
        let me = user(geteuid().as_raw());
        let owner = user(file.owner);
        let finding = format!("{error}; this is {me}, the file is {owner}'s with mode {:04o}", file.mode);
        findings.push(Finding::warning(RIGHTS, finding).remedy(match me == owner {
            true => format!("chmod u+rw {}; chmod u+rwx {}", word(&file.path), word(folder)),
            false => format!(
                "work as {owner}, or have {owner} give {me} the right to write the file and its folder"
            ),
        }));
    }
    match Facts::of(folder) {
        Ok(folder) => findings.extend(judge_rights(file, &folder)),
        Err(error) => findings.push(unseen(RIGHTS, folder, &error.to_string())),
    }
    if findings.is_empty() {
        findings.push(Finding::ok(RIGHTS, "the file and its folder can be written, and not by everybody"));
    }
    findings
}

fn user(id: u32) -> String {
    let name = User::from_uid(Uid::from_raw(id)).ok().flatten().map(|user| user.name);
    name.map_or_else(|| format!("user {id}"), |name| escape(name.as_bytes()))
}

/// What everybody on the machine may do.
fn judge_rights(file: &Facts, folder: &Facts) -> Vec<Finding> {
    const WRITE: u32 = 0o002;
    const READ: u32 = 0o004;
    const STICKY: u32 = 0o1000;
    let mut findings = Vec::new();
    let mut add = |level, finding: String, right: &str, path: &Path| {
        findings.push(Finding::new(RIGHTS, level, finding).remedy(format!("chmod o-{right} {}", word(path))));
    };
    let mode = file.mode;
    if mode & WRITE != 0 {
        add(
            Level::Warning,
            format!("everybody on this machine may write the file (mode {mode:04o})"),
            "rw",
            &file.path,
        );
    } else if mode & READ != 0 {
        add(
            Level::Note,
            format!("everybody on this machine may read the file (mode {mode:04o})"),
            "r",
            &file.path,
        );
    }
    if folder.mode & WRITE != 0 && folder.mode & STICKY == 0 {
        let finding = format!(
            "everybody on this machine may remove or replace the file: its folder has mode {:04o}",
            folder.mode
        );
        add(Level::Warning, finding, "w", &folder.path);
    }
    findings
}

/// The file beside a database that has this suffix, if there is one.
fn side_file(path: &Path, suffix: &str) -> Option<Facts> {
    Facts::of(&beside(path, suffix)).ok()
}

/// Whether a program that does not use WAL is writing, or was killed while it wrote.
pub(super) fn has_journal(path: &Path) -> bool {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    side_file(&path, "-journal").is_some_and(|journal| journal.size > 0)
}

/// The log, its index, and old copies.
fn examine_beside(file: &Facts, folder: &Path) -> Vec<Finding> {
    let sides = ["-wal", "-shm"].map(|suffix| side_file(&file.path, suffix));
    let mut findings: Vec<Finding> =
        sides.iter().flatten().filter_map(|side| judge_side(file, side)).collect();
    let log = sides[0].as_ref().map_or(0, |log| log.size);
    findings.push(super::wal::examine(&file.path, log, file.size));
    match copies(file, folder) {
        Ok(copies) => findings.extend(judge_copies(&copies)),
        Err(error) => findings.push(unseen("backups", folder, &error.to_string())),
    }
    match leftovers(folder) {
        Ok(leftovers) => findings.extend(judge_leftovers(&leftovers)),
        Err(error) => findings.push(unseen("unfinished", folder, &error.to_string())),
    }
    findings
}

/// SQLite gives the files that it makes beside a database the mode of the database, and as root
/// its owner too; one that differs was made by other means, and may shut others out.
fn judge_side(file: &Facts, side: &Facts) -> Option<Finding> {
    let (name, path) = (side.name(), word(&side.path));
    let (finding, remedy) = if side.owner != file.owner {
        (
            format!(
                "{name} is {}'s and the file is {}'s: as a rule another user looked at it, and now its owner \
                 cannot use it",
                user(side.owner),
                user(file.owner)
            ),
            format!("sudo chown {}:{} {path}", file.owner, file.group),
        )
    } else if side.mode != file.mode {
        (
            format!(
                "{name} has mode {:04o} and the file has {:04o}: who may use one may not use the other",
                side.mode, file.mode
            ),
            format!("chmod {:04o} {path}", file.mode),
        )
    } else {
        return None;
    };
    Some(Finding::warning(RIGHTS, finding).remedy(remedy))
}

/// The copies that were made before the file was adopted, or brought to a later schema.
fn copies(file: &Facts, folder: &Path) -> io::Result<Vec<Facts>> {
    const MARKS: [&str; 2] = [".before-slothstate", ".schema-"];
    let name = file.path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let other = entry.file_name();
        let rest = other.as_encoded_bytes().strip_prefix(name);
        if rest.is_some_and(|rest| MARKS.iter().any(|mark| rest.starts_with(mark.as_bytes()))) {
            // One that goes away meanwhile is none.
            copies.extend(Facts::of(&entry.path()).ok());
        }
    }
    copies.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(copies)
}

fn judge_copies(copies: &[Facts]) -> Option<Finding> {
    if copies.is_empty() {
        return None;
    }
    let shown: Vec<String> =
        copies.iter().map(|copy| format!("{} ({})", copy.name(), show_size(copy.size))).collect();
    let words: Vec<String> = copies.iter().map(|copy| word(&copy.path)).collect();
    let count = counted(copies.len() as u64, "copy", "copies");
    let finding = format!("{count} of the file as it was before: {}", shown.join(", "));
    let remedy = format!("once they are of no use any more: rm {}", words.join(" "));
    Some(Finding::note("backups", finding).remedy(remedy))
}

/// Incomplete files of backups and exports, one finding for each state.
fn judge_leftovers(leftovers: &[Leftover]) -> Vec<Finding> {
    let judge = |state: LeftoverState| {
        let of_state: Vec<&Leftover> = leftovers.iter().filter(|one| one.state == state).collect();
        if of_state.is_empty() {
            return None;
        }
        let name = |path: &Path| escape(path.file_name().unwrap_or_default().as_encoded_bytes());
        let shown: Vec<String> =
            of_state.iter().map(|one| format!("{} ({})", name(&one.path), show_size(one.bytes))).collect();
        let words: Vec<String> = of_state.iter().map(|one| word(&one.path)).collect();
        let count = counted(of_state.len() as u64, "incomplete file", "incomplete files");
        let (told, remedy) = match state {
            LeftoverState::Writing => ("is being written", None),
            LeftoverState::Stale => (
                "was left by a program that was killed; the next backup or export into this folder removes it",
                Some(format!("rm {}", words.join(" "))),
            ),
            LeftoverState::Unknown => (
                "may be left by a program that was killed, or still be written: that cannot be seen from here",
                None,
            ),
        };
        let finding = Finding::note("unfinished", format!("{count}: {}; each {told}", shown.join(", ")));
        Some(Finding { remedy, ..finding })
    };
    [LeftoverState::Writing, LeftoverState::Stale, LeftoverState::Unknown]
        .into_iter()
        .filter_map(judge)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, owner: u32, mode: u32) -> Facts {
        Facts { path: PathBuf::from("/data").join(name), mode, owner, group: owner, size: 0 }
    }

    #[test]
    fn what_another_user_made_beside_the_file_is_found() {
        let file = facts("state.db", 1000, 0o640);
        assert!(judge_side(&file, &facts("state.db-wal", 1000, 0o640)).is_none());
        let roots = judge_side(&file, &facts("state.db-wal", 0, 0o640)).unwrap();
        assert!(roots.finding.contains("state.db-wal is root's"), "{roots:?}");
        assert_eq!(roots.remedy.as_deref(), Some("sudo chown 1000:1000 /data/state.db-wal"));
        let closed = judge_side(&file, &facts("state.db-shm", 1000, 0o600)).unwrap();
        assert_eq!(closed.remedy.as_deref(), Some("chmod 0640 /data/state.db-shm"));
    }

    #[test]
    fn what_everybody_may_do_is_told() {
        let levels = |file, folder| {
            let findings = judge_rights(&facts("state.db", 1000, file), &facts("", 1000, folder));
            findings.iter().map(|finding| finding.level).collect::<Vec<_>>()
        };
        assert_eq!(levels(0o600, 0o755), []);
        assert_eq!(levels(0o644, 0o755), [Level::Note]);
        assert_eq!(levels(0o666, 0o755), [Level::Warning]);
        assert_eq!(levels(0o600, 0o777), [Level::Warning]);
        // As in /tmp: nobody may remove what is another's.
        assert_eq!(levels(0o600, 0o1777), []);
    }
}
