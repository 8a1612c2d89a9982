//! The file that a database is at home in.

use std::fmt;
use std::path::Path;

use rusqlite::Connection;

use super::meta;

/// The file that a database is at home in: its device, its inode, the kernel's boot id, and when the
/// file was made, where the file system knows that. An inode number is given again once a file is
/// deleted, and device numbers may change when the machine is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    device: u64,
    inode: u64,
    boot: String,
    made: Option<u128>,
}

impl Home {
    /// The home of the file at a path.
    pub(super) fn of(path: &Path, boot: &str) -> std::io::Result<Home> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path)?;
        let made = metadata.created().ok();
        let made = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        Ok(Home {
            device: metadata.dev(),
            inode: metadata.ino(),
            boot: boot.into(),
            made: made.map(|made| made.as_nanos()),
        })
    }

    pub(super) fn parse(text: &str) -> Option<Home> {
        let mut parts = text.split(':');
        let (device, inode) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let boot = parts.next()?.to_string();
        Some(Home { device, inode, boot, made: parts.next().and_then(|made| made.parse().ok()) })
    }

    /// Whether both are the same file, as far as can be told.
    pub(super) fn is_same_file(&self, other: &Home) -> bool {
        let is_made_at_once = self.made.zip(other.made).is_none_or(|(one, other)| one == other);
        self.inode == other.inode
            && is_made_at_once
            && (self.device == other.device || self.boot != other.boot)
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.device, self.inode, self.boot)?;
        self.made.map_or(Ok(()), |made| write!(f, ":{made}"))
    }
}

/// Notes which file a database is at home in.
pub(super) fn set_home(connection: &Connection, home: Option<&Home>) -> rusqlite::Result<()> {
    meta::set(connection, "home", &home.map(Home::to_string))
}

/// Whether the next write begins a new epoch, and why.
pub(super) fn is_displaced(connection: &Connection, home: &Home) -> rusqlite::Result<Option<&'static str>> {
    Ok(match meta::text(connection, "home")?.as_deref().map(Home::parse) {
        None => Some("this file is a copy of a database"),
        Some(Some(noted)) if noted.is_same_file(home) => None,
        Some(_) => Some("this file was copied here or restored"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_a_file_and_not_a_name() {
        let home = |text: &str| Home::parse(text).unwrap();
        let noted = home("8:77:boot:1234");
        assert_eq!(noted.to_string(), "8:77:boot:1234");
        for (other, is_same) in [
            ("8:77:boot:1234", true),
            // Device numbers may change when the machine is started again, and only then.
            ("9:77:another:1234", true),
            ("9:77:boot:1234", false),
            ("8:77:another:1234", true),
            ("8:78:boot:1234", false),
            // The number of a deleted file was given again.
            ("8:77:boot:9999", false),
            ("8:77:boot", true),
        ] {
            assert_eq!(noted.is_same_file(&home(other)), is_same, "{other}");
        }
        assert_eq!(Home::parse("nonsense"), None);
    }
}
