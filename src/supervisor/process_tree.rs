//! The processes of a command: everything that it started, daemons included.
//!
//! A supervisor is the subreaper of its command: a process that loses its parent becomes a child of the
//! supervisor. So processes that leave the process group or the session can be found, and repeatedly
//! killing the children of the supervisor ends all of them. That needs no `/proc`; where there is one, it
//! shows grandchildren too.

use std::collections::{BTreeSet, HashMap};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid, getpid, getsid};
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Which processes of a command to signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessScope {
    /// Its process group, or its session where it shares a group with others.
    Near,
    All,
}

/// A command and the processes that it started.
pub struct ProcessTree {
    leader: Pid,
    /// Whether the leader leads a process group of its own.
    has_group: bool,
}

impl ProcessTree {
    /// The process tree of the child `leader`.
    pub fn new(leader: Pid, has_group: bool) -> ProcessTree {
        ProcessTree { leader, has_group }
    }

    /// Sends `signal` to every process in `scope`. `is_led` tells whether the leader has not been
    /// waited for yet, so that its number is still its own.
    pub fn signal(&self, signal: Signal, scope: ProcessScope, is_led: bool) {
        if self.has_group {
            // It fails only if nobody is left to get it.
            let _ = killpg(self.leader, signal);
            if scope == ProcessScope::Near {
                return;
            }
        } else if is_led {
            let _ = kill(self.leader, signal);
        }
        // Twice: while the first ones get the signal, others start more.
        let mut reached = BTreeSet::from([self.leader]);
        for _ in 0..2 {
            for process in self.others(scope) {
                if reached.insert(process) {
                    let _ = kill(process, signal);
                }
            }
        }
    }

    /// Whether no process of `scope` remains, given whether this process has children.
    pub fn is_gone(&self, scope: ProcessScope, has_children: bool) -> bool {
        let group_is_gone = || !self.has_group || killpg(self.leader, None).is_err();
        match scope {
            _ if !has_children => group_is_gone(),
            ProcessScope::Near if self.has_group => group_is_gone(),
            ProcessScope::Near => self.others(scope).is_empty(),
            ProcessScope::All => false,
        }
    }

    /// The processes in `scope` that a signal to the group or the leader does not reach, parents first.
    fn others(&self, scope: ProcessScope) -> Vec<Pid> {
        let mut found = descendants().unwrap_or_else(children);
        if self.has_group {
            found.retain(|process| getpgid(Some(*process)).ok() != Some(self.leader));
        }
        if scope == ProcessScope::Near {
            let session = getsid(None).ok();
            found.retain(|process| getsid(Some(*process)).ok() == session);
        }
        found
    }
}

/// Every descendant of this process, parents first; `None` without a usable `/proc`.
fn descendants() -> Option<Vec<Pid>> {
    let here = getpid();
    if !shows_our_numbers(&std::fs::read_to_string("/proc/self/status").ok()?, here) {
        return None;
    }
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat"));
        if let Some(parent) = stat.ok().as_deref().and_then(living_parent) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = vec![here.as_raw()];
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        found.extend(children.remove(parent).unwrap_or_default());
        next += 1;
    }
    Some(found.into_iter().skip(1).map(Pid::from_raw).collect())
}

/// Whether a `/proc` whose `self/status` is this one has the process numbers that `kill` takes: it may
/// have been mounted in another PID namespace.
fn shows_our_numbers(status: &str, here: Pid) -> bool {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let here = here.to_string();
    match field("NSpid:") {
        Some(numbers) => numbers == here,
        None => field("Pid:") == Some(&here),
    }
}

/// The parent in a line of `/proc/PID/stat`; `None` for a zombie.
fn living_parent(stat: &str) -> Option<i32> {
    // The name stands in parentheses, and may have any character in it.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(parent)
}

/// The children of this process, found by trying every PID.
fn children() -> Vec<Pid> {
    /// The PID limit of most systems, and the largest of Linux.
    const LIMITS: [i32; 2] = [1 << 16, 1 << 22];
    let is_child = |number: &i32| {
        let Some(process) = rustix::process::Pid::from_raw(*number) else { return false };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // It answers nothing of a child that runs, and an error for what is not a child.
        matches!(waitid(WaitId::Pid(process), look), Ok(None))
    };
    let mut found: Vec<i32> = (1..LIMITS[0]).filter(is_child).collect();
    if found.is_empty() {
        found = (LIMITS[0]..LIMITS[1]).filter(is_child).collect();
    }
    found.into_iter().map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_find_a_child() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        // Other tests of this process have children too.
        assert!(children().contains(&pid));
        if let Some(found) = descendants() {
            assert!(found.contains(&pid));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children().contains(&pid));
    }

    #[test]
    fn a_proc_of_another_namespace_is_not_believed() {
        let here = Pid::from_raw(7);
        let cases = [
            ("Name:\tx\nPid:\t7\nPPid:\t1\nNSpid:\t7\n", true),
            ("Name:\tx\nPid:\t4711\nPPid:\t1\nNSpid:\t4711\t7\n", false),
            // By chance the same number outside.
            ("Name:\tx\nPid:\t7\nPPid:\t1\nNSpid:\t7\t7\n", false),
            ("Name:\tx\nPid:\t7\nPPid:\t1\n", true),
            ("Name:\tx\nPid:\t8\nPPid:\t7\n", false),
            ("", false),
        ];
        for (status, expected) in cases {
            assert_eq!(shows_our_numbers(status, here), expected, "{status}");
        }
    }

    #[test]
    fn the_parent_is_read_whatever_the_name_of_the_process() {
        let cases = [
            ("12 (sh) S 7 12 12 0", Some(7)),
            ("12 (a) S 9 (b) R 7 12 12 0", Some(7)),
            ("12 (sh) Z 7 12 12 0", None),
            ("12 (sh) X 7 12 12 0", None),
            ("12 (sh)", None),
            ("", None),
        ];
        for (stat, expected) in cases {
            assert_eq!(living_parent(stat), expected, "{stat}");
        }
    }
}
