//! A descriptor that can be waited on for writes to the database's files, where the system offers
//! one (Linux: inotify). It only says that a look is due; whether anything was committed is what
//! SQLite says.

use std::os::fd::BorrowedFd;
use std::path::Path;

/// Tells of writes to a database and its log.
#[cfg(target_os = "linux")]
pub(super) struct WalWatcher {
    inotify: nix::sys::inotify::Inotify,
    log: std::path::PathBuf,
    hears_log: std::cell::Cell<bool>,
}

#[cfg(target_os = "linux")]
impl WalWatcher {
    /// An alarm for the database at `path`; `None` if the system has none to give.
    pub(super) fn new(path: &Path) -> Option<WalWatcher> {
        use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
        // This opens nothing: closing a descriptor of the file would drop the locks on it.
        inotify.add_watch(path, AddWatchFlags::IN_MODIFY).ok()?;
        let log = super::side_files::log_of(path);
        let file_watcher = WalWatcher { inotify, log, hears_log: std::cell::Cell::new(false) };
        file_watcher.rest();
        Some(file_watcher)
    }

    /// What becomes readable when something was written.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.inotify.as_fd()
    }

    /// Forgets what was written so far. The log may be there only by now.
    pub(super) fn rest(&self) {
        use nix::sys::inotify::AddWatchFlags;
        while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
        if !self.hears_log.get() {
            self.hears_log.set(self.inotify.add_watch(&self.log, AddWatchFlags::IN_MODIFY).is_ok());
        }
    }
}

/// Other systems are asked over and over.
#[cfg(not(target_os = "linux"))]
pub(super) enum WalWatcher {}

#[cfg(not(target_os = "linux"))]
impl WalWatcher {
    pub(super) fn new(_: &Path) -> Option<WalWatcher> {
        None
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        match *self {}
    }

    pub(super) fn rest(&self) {
        match *self {}
    }
}
