//! Where a database is, as people write it: `--db`, `$SLOTHSTATE_DB`, the path of a context, the
//! source of an import, the target of a backup.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::store::{EtcdAddress, InvalidEtcdAddress};
use crate::text::escape::escape;
use crate::text::masked::mask_password;

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A file on this machine.
    File(PathBuf),
    /// A prefix on a cluster of etcd.
    Etcd(Box<EtcdAddress>),
}

/// Why a text does not say where a database is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLocation {
    /// Nothing is written.
    #[error("the name of a database cannot be empty")]
    Empty,
    /// SQLite's name for a database that is in memory.
    #[error(
        ":memory: is not a file: a database in memory is gone when the command ends; for a file of that \
         name write ./:memory:"
    )]
    Memory,
    /// A URI of a file, which SQLite would take for more than a name.
    #[error("{0} is a URI; write the path alone, and ./{0} for a file of that very name")]
    Uri(String),
    /// It ends as only the name of a directory does.
    #[error("{0} names a directory; a state database is a file in it, such as state.db")]
    Directory(String),
    /// The scheme of an engine or a protocol, without `//`.
    #[error(
        "{text} is taken for a URL ({scheme}:), and slothstate does not know that kind of database; for a \
         file of that name write ./{text}"
    )]
    Url {
        /// What stands before the colon.
        scheme: String,
        /// All of it.
        text: String,
    },
    /// What follows `etcd://` is not an address.
    #[error("{0}")]
    Etcd(InvalidEtcdAddress),
    /// A scheme that no engine has.
    #[error(
        "{0}:// is not a kind of database that slothstate knows; write the path of a file, or \
         etcd://host:2379/prefix"
    )]
    Scheme(String),
}

impl Location {
    /// Reads a location. A path with a folder in front, as `./:memory:`, is always a file, and so is a
    /// name with a colon after anything but a known scheme, as `a:b.db`.
    ///
    /// # Errors
    /// [`InvalidLocation`] for what is taken for a path by mistake, or would be by SQLite.
    pub fn parse(text: &OsStr) -> Result<Location, InvalidLocation> {
        let bytes = text.as_encoded_bytes();
        if bytes.is_empty() {
            return Err(InvalidLocation::Empty);
        }
        if bytes.eq_ignore_ascii_case(b":memory:") {
            return Err(InvalidLocation::Memory);
        }
        if bytes.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"file:")) {
            return Err(InvalidLocation::Uri(escape(bytes)));
        }
        if let Some(scheme) = scheme(bytes) {
            let is_secure = scheme.eq_ignore_ascii_case("etcds");
            if is_secure || scheme.eq_ignore_ascii_case("etcd") {
                let rest = String::from_utf8_lossy(&bytes[scheme.len() + 3..]);
                let address = EtcdAddress::parse(&rest, is_secure).map_err(InvalidLocation::Etcd)?;
                return Ok(Location::Etcd(Box::new(address)));
            }
            return Err(InvalidLocation::Scheme(scheme.into()));
        }
        if let Some(scheme) = known_scheme(bytes) {
            return Err(InvalidLocation::Url { scheme: scheme.into(), text: escape(bytes) });
        }
        // `.` and `..` are there, and are found to be directories.
        let last = bytes.rsplit(|byte| *byte == b'/').next().filter(|last| last.len() < bytes.len());
        if matches!(last, Some(b"" | b"." | b"..")) {
            return Err(InvalidLocation::Directory(escape(bytes)));
        }
        Ok(Location::File(text.into()))
    }

    /// The file, where it is one.
    pub fn as_file(&self) -> Option<&Path> {
        match self {
            Location::File(path) => Some(path),
            Location::Etcd(_) => None,
        }
    }

    /// As it is written after `--db`, without a password.
    pub fn as_arg(&self) -> &OsStr {
        match self {
            Location::File(path) => path.as_os_str(),
            Location::Etcd(address) => OsStr::new(address.as_str()),
        }
    }

    /// As it is written, but for what is no text.
    pub fn name(&self) -> String {
        self.as_arg().to_string_lossy().into_owned()
    }

    /// Its last part, for where there is little room.
    pub fn short_name(&self) -> &[u8] {
        match self {
            Location::File(path) => path.file_name().unwrap_or(path.as_os_str()).as_encoded_bytes(),
            Location::Etcd(address) => address.prefix.as_bytes(),
        }
    }

    /// From now on masks the password of an address in all texts.
    pub fn mask_password(&self) {
        if let Location::Etcd(address) = self
            && let Some(password) = &address.password
        {
            mask_password("password of etcd", password.reveal());
        }
    }

    /// The same for the same database, whichever way it was named.
    pub fn identity(&self) -> OsString {
        match self {
            Location::File(path) => std::fs::canonicalize(path).as_ref().unwrap_or(path).into(),
            Location::Etcd(address) => address.identity().into(),
        }
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Location {
        Location::File(path.into())
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Location {
        location.clone()
    }
}

impl fmt::Display for Location {
    /// As it is shown: control characters escaped, and nothing secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(path) => f.write_str(&escape(path.as_os_str().as_encoded_bytes())),
            Location::Etcd(address) => f.write_str(&escape(address.shown().as_bytes())),
        }
    }
}

/// What stands before `://`, if it is a scheme (RFC 3986, 3.1).
fn scheme(bytes: &[u8]) -> Option<&str> {
    let end = bytes.windows(3).position(|part| part == b"://")?;
    let scheme = std::str::from_utf8(&bytes[..end]).ok()?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(scheme)
}

/// What stands before the first colon, if it is the scheme of an engine or a protocol that databases are
/// reached by; any other name with a colon is that of a file.
fn known_scheme(bytes: &[u8]) -> Option<&str> {
    const KNOWN: [&str; 18] = [
        "consul",
        "etcd",
        "etcds",
        "http",
        "https",
        "libsql",
        "mariadb",
        "mongodb",
        "mysql",
        "postgres",
        "postgresql",
        "redis",
        "rediss",
        "sqlite",
        "sqlite3",
        "unix",
        "valkey",
        "zookeeper",
    ];
    let end = bytes.iter().position(|byte| *byte == b':')?;
    let scheme = std::str::from_utf8(&bytes[..end]).ok()?;
    KNOWN.iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location, InvalidLocation> {
        Location::parse(OsStr::new(text))
    }

    #[test]
    fn paths_are_taken_literally() {
        use std::os::unix::ffi::OsStrExt;
        for path in [
            "state.db",
            "/tmp/state.db",
            "./:memory:",
            "/tmp/:memory:",
            ":memory",
            "memory:",
            "./file:x",
            "a/file:x?mode=memory",
            "files:x",
            "a:b.db",
            "etcd",
            "etcd.db:x",
            "./etcd:x",
            "./http:",
            "2026-01-01T10:00.db",
            "c:",
            "x/.db",
            "x/..db",
            "x/...",
            "./etcd://x",
            "/etcd://x",
            "a b://c",
            "1a://c",
            "://c",
            "-",
            "~/x",
            "ä://x",
        ] {
            assert_eq!(parse(path), Ok(Location::File(path.into())), "{path}");
        }
        let raw = OsStr::from_bytes(b"\xff://x");
        assert_eq!(Location::parse(raw), Ok(Location::File(raw.into())));
    }

    #[test]
    fn an_address_of_etcd_is_shown_without_its_password() {
        for (text, shown) in [("etcd://ann:secret@h:1/p", "etcd://ann@h:1/p"), ("ETCDS://h", "etcds://h")] {
            let location = parse(text).unwrap();
            assert_eq!((location.to_string().as_str(), location.name().as_str()), (shown, shown));
            assert_eq!(location.as_file(), None);
        }
        assert_eq!(
            parse("etcd://a,b/p").unwrap().identity(),
            parse("etcd://b:2379,a/p/").unwrap().identity()
        );
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        assert_eq!(parse(""), Err(InvalidLocation::Empty));
        assert_eq!(parse(":memory:"), Err(InvalidLocation::Memory));
        assert_eq!(parse(":MEMORY:"), Err(InvalidLocation::Memory));
        for uri in
            ["file:x", "file:", "file:///tmp/x", "FILE:x", "file::memory:?cache=shared", "file:x?mode=memory"]
        {
            assert_eq!(parse(uri), Err(InvalidLocation::Uri(uri.into())), "{uri}");
        }
        for scheme in ["redis", "HTTP", "http", "sqlite", "postgres+tls", "a.b-c"] {
            let location = format!("{scheme}://host:2379/x");
            assert_eq!(parse(&location), Err(InvalidLocation::Scheme(scheme.into())), "{location}");
        }
        for (location, scheme) in [
            ("etcd:", "etcd"),
            ("etcd:x", "etcd"),
            ("etcd:/x", "etcd"),
            ("ETCD:/x", "ETCD"),
            ("http:x", "http"),
            ("https:/x", "https"),
            ("redis:x", "redis"),
            ("postgres:x", "postgres"),
            ("postgresql:x", "postgresql"),
            ("sqlite:x.db", "sqlite"),
        ] {
            let invalid = parse(location).unwrap_err();
            let expected = InvalidLocation::Url { scheme: scheme.into(), text: location.into() };
            assert_eq!(invalid, expected, "{location}");
            assert!(invalid.to_string().ends_with(&format!("write ./{location}")), "{invalid}");
        }
        assert_eq!(parse("etcd://h/"), Err(InvalidLocation::Etcd(InvalidEtcdAddress::EmptyPrefix)));
        for directory in ["x/", "/tmp/x/", "x//", "/", "x/.", "x/..", "x/./", "./", "../"] {
            let expected = Err(InvalidLocation::Directory(directory.into()));
            assert_eq!(parse(directory), expected, "{directory}");
        }
        let told = parse("file:\x1b[2J").unwrap_err().to_string();
        assert!(!told.contains('\x1b'), "{told:?}");
    }
}
