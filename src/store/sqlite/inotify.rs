//! Reports by the system of what happens to files, where it offers them (Linux: inotify).
//!
//! That something is reported is no more than a reason to look: see [`super::file_guard`].

use std::path::Path;

/// Has the system report when a database, the files beside it, or a folder or link on the way to
/// it is moved, replaced or removed, and when the database is written to.
#[cfg(target_os = "linux")]
pub(super) struct Watches(nix::sys::inotify::Inotify);

#[cfg(target_os = "linux")]
impl Watches {
    /// Reports about the database at `path` and its log and index; `None` if the system gives none.
    pub(super) fn of(path: &Path, beside: [&Path; 2]) -> Option<Watches> {
        use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
        let on_the_way = AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
        // The last name of a file that is open goes away: its number of links changes.
        let moved = on_the_way | AddWatchFlags::IN_ATTRIB;
        let absolute = std::path::absolute(path).ok()?;
        let real = std::fs::canonicalize(path).ok()?;
        for place in absolute.ancestors().chain(real.ancestors()) {
            // The folder of another user may not be readable; it is looked at now and then anyway.
            let _ = inotify.add_watch(place, on_the_way | AddWatchFlags::IN_DONT_FOLLOW);
        }
        let [log, index] = beside;
        // A commit writes to the log, which is not worth a report; a process that truncates it closes it then.
        inotify.add_watch(log, moved | AddWatchFlags::IN_CLOSE_WRITE).ok()?;
        inotify.add_watch(index, moved | AddWatchFlags::IN_MODIFY).ok()?;
        inotify.add_watch(path, moved | AddWatchFlags::IN_MODIFY).ok()?;
        Some(Watches(inotify))
    }

    /// Whether anything was reported since this was last asked.
    pub(super) fn take_reports(&self) -> bool {
        // Before most writes there is nothing to read, and to ask for that costs half as much.
        if rustix::io::ioctl_fionread(&self.0) == Ok(0) {
            return false;
        }
        let mut any = false;
        // It cannot be said what was missed if reading fails otherwise than for want of reports.
        loop {
            match self.0.read_events() {
                Ok(events) if events.is_empty() => return any,
                Ok(_) => any = true,
                Err(nix::errno::Errno::EAGAIN) => return any,
                Err(_) => return true,
            }
        }
    }
}

/// Other systems are asked each time.
#[cfg(not(target_os = "linux"))]
pub(super) enum Watches {}

#[cfg(not(target_os = "linux"))]
impl Watches {
    pub(super) fn of(_: &Path, _: [&Path; 2]) -> Option<Watches> {
        None
    }

    pub(super) fn take_reports(&self) -> bool {
        match *self {}
    }
}
