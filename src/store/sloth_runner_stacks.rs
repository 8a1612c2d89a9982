//! What Sloth Runner keeps of its own in a `stacks.db` beside its state: the runs of its stacks, and the locks
//! on them. It is shown, and a stale lock can be cleared; nothing else there is changed.

use std::path::PathBuf;
use std::time::Duration;

use crate::time::Millis;

/// The runs of stacks, and the locks on them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stacks {
    /// The file; `None` if there is none.
    pub path: Option<PathBuf>,
    /// The runs, the newest first; only the newest of them.
    pub runs: Vec<StackRun>,
    /// The locks, by the names of their stacks.
    pub locks: Vec<StackLock>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackRun {
    /// Its number among the runs of stacks.
    pub number: i64,
    pub stack: String,
    /// The workflow's file, if that is known.
    pub file: Option<String>,
    /// How it stands, in Sloth Runner's words: running, completed, failed.
    pub status: String,
    /// When it began, if that can be read.
    pub began_at: Option<Millis>,
    /// When it ended; `None` if it has not, or that cannot be read.
    pub ended_at: Option<Millis>,
    pub tasks: u64,
    /// How many of them succeeded.
    pub ok: u64,
    /// How many of them failed.
    pub failed: u64,
    pub error: Option<String>,
}

impl StackRun {
    /// How long it took, if both its times can be read.
    pub fn duration(&self) -> Option<Duration> {
        Some(self.ended_at?.since(self.began_at?))
    }

    /// How many tasks succeeded and failed, or only how many there are; `None` if it has no such figures. Of
    /// the others it is not known whether they ran.
    pub fn tasks_in_words(&self) -> Option<String> {
        let parts = [(self.ok, "ok"), (self.failed, "failed")];
        let known: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        match known.is_empty() {
            true => (self.tasks > 0).then(|| self.tasks.to_string()),
            false => Some(known.join(", ")),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackLock {
    pub stack_id: String,
    pub stack: String,
    pub lock_id: String,
    pub who: String,
    pub operation: String,
    /// When it was acquired, if that can be read.
    pub acquired_at: Option<Millis>,
    /// When it runs out; `None` if that cannot be read.
    pub expires_at: Option<Millis>,
    /// What is stored as time of expiry, byte for byte: part of what a clearing compares.
    pub stored_expiry: String,
}

impl StackLock {
    /// The name under which it is listed beside other locks.
    pub fn name(&self) -> String {
        format!("{STACKS_DB}: {}", self.stack)
    }

    /// Whether it has run out at `now`. Whether its holder is alive is never known.
    pub fn is_expired(&self, now: Millis) -> bool {
        self.expires_at.is_some_and(|expiry| expiry <= now)
    }
}

pub const STACKS_DB: &str = "stacks.db";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_run_nothing_is_said_that_is_not_stored() {
        let run = |tasks, ok, failed, times: [Option<i64>; 2]| {
            let [began_at, ended_at] = times.map(|time| time.map(Millis));
            let (stack, status) = ("prod".into(), "completed".into());
            StackRun {
                number: 1,
                stack,
                file: None,
                status,
                began_at,
                ended_at,
                tasks,
                ok,
                failed,
                error: None,
            }
        };
        for (tasks, ok, failed, words) in [
            (0, 0, 0, None),
            (5, 0, 0, Some("5")),
            (5, 2, 0, Some("2 ok")),
            (5, 0, 1, Some("1 failed")),
            (5, 2, 1, Some("2 ok, 1 failed")),
        ] {
            let run = run(tasks, ok, failed, [None; 2]);
            assert_eq!(run.tasks_in_words().as_deref(), words);
            assert_eq!(run.duration(), None);
        }
        assert_eq!(run(0, 0, 0, [None, Some(5)]).duration(), None);
        assert_eq!(run(0, 0, 0, [Some(1), None]).duration(), None);
        assert_eq!(run(0, 0, 0, [Some(1), Some(5)]).duration(), Some(Duration::from_millis(4)));
    }
}
