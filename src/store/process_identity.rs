//! Which process this is, and what the system shows of another one.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sha2::{Digest, Sha256};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use crate::time::boot_id;

/// A process, told apart from every other one, also from a later one with the same PID.
///
/// What could not be found out is `None`; records of earlier versions have nothing but host, boot,
/// PID and start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Process {
    pub host: String,
    /// Which start of that host: Linux's boot id, elsewhere the time of the boot. Empty if unknown.
    pub boot_id: String,
    /// The PID, as the process itself sees it.
    pub pid: u32,
    /// When the process was started, in seconds since the epoch. It moves when the clock is set, so
    /// nothing is decided by it; earlier versions read it.
    pub started: u64,
    /// The machine, as a hash of machine-id(5), which is not to be shown to others itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The inode of the PID namespace; 0 where the system has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<u64>,
    /// The inode of the time namespace, by which start times are shown; 0 where the system has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_namespace: Option<u64>,
    /// When the process was started, in clock ticks since the boot, to be compared for equality.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ticks: Option<u64>,
}

/// What the system shows of a PID in this process's own PID namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// There is no process of that PID: `kill` answers ESRCH.
    Gone,
    Seen {
        /// When it was started, in clock ticks since the boot.
        start_ticks: u64,
        activity: ProcessActivity,
    },
    /// There is one, or there may be, and no more can be seen of it: no `/proc`, one of another
    /// PID namespace, or one mounted with `hidepid`.
    Hidden,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessActivity {
    /// It runs, sleeps or waits.
    Running,
    /// It is suspended by a signal or a debugger (states T and t).
    Stopped,
    /// It has ended, and only its exit code is left (states Z and X).
    Ended,
}

impl Process {
    pub fn current() -> Process {
        let pid = std::process::id();
        let own = Path::new("/proc/self");
        Process {
            host: host_name(),
            boot_id: boot_id().to_string(),
            pid,
            started: started(pid),
            machine: machine(),
            pid_namespace: namespace(&own.join("ns/pid")),
            time_namespace: namespace(&own.join("ns/time")),
            start_ticks: own_ticks(pid),
        }
    }
}

/// The inode of the first PID namespace of a machine, the same on all of them (PROC_PID_INIT_INO in
/// include/linux/proc_ns.h).
pub(super) const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

impl Process {
    /// Whether its boot id is a UUID, as the kernel has it.
    pub(super) fn has_kernel_boot_id(&self) -> bool {
        let is_of_uuid = |(place, byte): (usize, u8)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        self.boot_id.len() == 36 && self.boot_id.bytes().enumerate().all(is_of_uuid)
    }

    /// Whether it is known to be outside of any container, as far as those have PIDs of their own.
    pub(super) fn is_in_initial_pid_namespace(&self) -> bool {
        // 0 stands for a kernel without such namespaces.
        matches!(self.pid_namespace, Some(0 | INITIAL_PID_NAMESPACE))
    }
}

/// The host's name, also where the shell does not export it.
pub fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".into())
}

/// machine-id(5) asks programs to show a keyed hash of it, never the number itself.
fn machine() -> Option<String> {
    let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|text| text.trim().to_string())
        .find(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let hash = Sha256::new().chain_update(b"slothstate\0").chain_update(id).finalize();
    Some(hash[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The inode of a namespace. A kernel without namespaces of that kind has one for all.
#[cfg(target_os = "linux")]
fn namespace(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata(path) {
        Ok(metadata) => Some(metadata.ino()),
        Err(_) if path.parent().is_some_and(Path::is_dir) => Some(0),
        Err(_) => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn namespace(_: &Path) -> Option<u64> {
    Some(0)
}

/// When the process was started, as sysinfo computes it from the time of the boot.
fn started(pid: u32) -> u64 {
    seen_by_sysinfo(pid).map_or(0, |(started, _)| started)
}

fn seen_by_sysinfo(pid: u32) -> Option<(u64, ProcessActivity)> {
    let pid = sysinfo::Pid::from_u32(pid);
    let mut system = System::new().ok()?;
    let nothing_more = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, nothing_more);
    let process = system.process(pid)?;
    let activity = match process.status() {
        sysinfo::ProcessStatus::Zombie | sysinfo::ProcessStatus::Dead => ProcessActivity::Ended,
        sysinfo::ProcessStatus::Stop | sysinfo::ProcessStatus::Tracing => ProcessActivity::Stopped,
        _ => ProcessActivity::Running,
    };
    Some((process.start_time(), activity))
}

/// Looks for the process of that PID in this process's own PID namespace.
pub(super) fn look_at(pid: u32) -> Sighting {
    // 0 and what does not fit are process groups to kill(2), or nothing.
    let Some(number) = i32::try_from(pid).ok().filter(|pid| *pid > 0) else { return Sighting::Hidden };
    let is_gone = || kill(Pid::from_raw(number), None) == Err(Errno::ESRCH);
    if is_gone() {
        return Sighting::Gone;
    }
    match details(pid) {
        Some((start_ticks, activity)) => Sighting::Seen { start_ticks, activity },
        // It may have ended between the two looks.
        None if is_gone() => Sighting::Gone,
        None => Sighting::Hidden,
    }
}

#[cfg(target_os = "linux")]
fn own_ticks(_: u32) -> Option<u64> {
    parse_stat(&std::fs::read("/proc/self/stat").ok()?).map(|(ticks, _)| ticks)
}

#[cfg(not(target_os = "linux"))]
fn own_ticks(pid: u32) -> Option<u64> {
    seen_by_sysinfo(pid).map(|(started, _)| started)
}

/// The start and the activity of a process, from `/proc` if that is of our own PID namespace.
#[cfg(target_os = "linux")]
fn details(pid: u32) -> Option<(u64, ProcessActivity)> {
    let own = std::fs::read_link("/proc/self").ok()?;
    // The `/proc` of another namespace names other processes by the same numbers.
    if own.as_os_str().to_str()?.parse::<u32>().ok()? != std::process::id() {
        return None;
    }
    parse_stat(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

#[cfg(not(target_os = "linux"))]
fn details(pid: u32) -> Option<(u64, ProcessActivity)> {
    seen_by_sysinfo(pid)
}

/// Reads the start (field 22) and the state (field 3) from a line of proc_pid_stat(5). The name in
/// the second field may hold anything, also blanks and parentheses.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn parse_stat(line: &[u8]) -> Option<(u64, ProcessActivity)> {
    let end_of_name = line.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&line[end_of_name + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let activity = match fields.next()? {
        "Z" | "X" | "x" => ProcessActivity::Ended,
        "T" | "t" => ProcessActivity::Stopped,
        _ => ProcessActivity::Running,
    };
    // The state was field 3.
    Some((fields.nth(22 - 4)?.parse().ok()?, activity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name_is() {
        let line = |name: &str, state: &str| {
            format!("42 ({name}) {state} 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 20 0\n")
        };
        for name in ["sleep", "a b", "tricky) Z 1 2 3", "((", ")", "\u{1b}[31m"] {
            for (state, activity) in [
                ("R", ProcessActivity::Running),
                ("S", ProcessActivity::Running),
                ("D", ProcessActivity::Running),
                ("I", ProcessActivity::Running),
                ("T", ProcessActivity::Stopped),
                ("t", ProcessActivity::Stopped),
                ("Z", ProcessActivity::Ended),
                ("X", ProcessActivity::Ended),
            ] {
                assert_eq!(parse_stat(line(name, state).as_bytes()), Some((987_654, activity)), "{name}");
            }
        }
        for broken in
            ["", "42", "42 (sleep", "42 (sleep) S 1 2", "42 (sleep) S 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 x"]
        {
            assert_eq!(parse_stat(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn this_process_is_seen_as_it_describes_itself() {
        let here = Process::current();
        let Sighting::Seen { start_ticks, activity } = look_at(here.pid) else { panic!("not seen") };
        assert_eq!((Some(start_ticks), activity), (here.start_ticks, ProcessActivity::Running));
        assert!(here.pid_namespace.is_some() && here.time_namespace.is_some());
        assert!(!here.boot_id.is_empty());
    }

    #[test]
    fn a_pid_that_kill_takes_for_a_group_shows_nothing() {
        for pid in [0, u32::MAX, i32::MAX as u32 + 1] {
            assert_eq!(look_at(pid), Sighting::Hidden, "{pid}");
        }
    }

    #[test]
    fn a_child_is_seen_running_stopped_ended_and_gone() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        let becomes = |wanted: ProcessActivity| {
            let start = std::time::Instant::now();
            loop {
                match look_at(child.id()) {
                    Sighting::Seen { activity, .. } if activity == wanted => return,
                    other => assert!(start.elapsed().as_secs() < 300, "{other:?}, not {wanted:?}"),
                }
                std::thread::yield_now();
            }
        };
        becomes(ProcessActivity::Running);
        kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
        becomes(ProcessActivity::Stopped);
        kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        becomes(ProcessActivity::Ended);
        child.wait().unwrap();
        assert_eq!(look_at(child.id()), Sighting::Gone);
    }

    #[test]
    fn a_record_of_an_earlier_version_is_read() {
        let earlier = r#"{"host":"web1","boot_id":"b","pid":7,"started":100}"#;
        let process: Process = serde_json::from_str(earlier).unwrap();
        assert_eq!((process.pid, process.machine, process.start_ticks), (7, None, None));
        let here = Process::current();
        let text = serde_json::to_string(&here).unwrap();
        assert_eq!(serde_json::from_str::<Process>(&text).unwrap(), here);
    }
}
