//! When a command has to pause or end, derived from the leases that it runs under.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::BootInstant;

/// How long a command may take to end after SIGTERM before it gets SIGKILL.
pub const GRACE: Duration = Duration::from_secs(1);
/// The longest time without a message before a command pauses, however long the lease.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same without a lease.
const SILENCE_WITHOUT_LEASE: Duration = Duration::from_secs(2);

/// The term of a lease as its holder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerm {
    /// When it ends, at the earliest.
    pub ends_at: BootInstant,
    /// Its full length when it was acquired or renewed.
    pub length: Duration,
}

impl LeaseTerm {
    /// A lease of `length` requested at `requested_at`; the store counts from a later moment.
    pub fn new(requested_at: BootInstant, length: Duration) -> LeaseTerm {
        LeaseTerm { ends_at: requested_at.plus(length), length }
    }

    /// When the command gets SIGTERM, so that it has ended when the lease does.
    pub fn terminate_at(&self) -> BootInstant {
        self.kill_at().minus(GRACE.min(self.length / 6))
    }

    /// When the command gets SIGKILL.
    pub fn kill_at(&self) -> BootInstant {
        self.ends_at.minus(Duration::from_millis(100).min(self.length / 20))
    }

    fn silence(&self) -> Duration {
        SILENCE_TIMEOUT.min(self.length / 3)
    }
}

/// The deadlines of a command, as its supervisor knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDeadlines {
    /// The command pauses after this long without a message.
    pub silence: Duration,
    /// When it gets SIGTERM and SIGKILL; `None` without a lease.
    pub end: Option<(BootInstant, BootInstant)>,
}

impl CommandDeadlines {
    /// No deadlines: the command runs until it or its starter ends.
    pub const NONE: CommandDeadlines = CommandDeadlines { silence: Duration::MAX, end: None };

    /// The deadlines under all of `leases`: the earliest end counts.
    pub fn of(leases: impl IntoIterator<Item = LeaseTerm>) -> CommandDeadlines {
        let none = CommandDeadlines { silence: SILENCE_WITHOUT_LEASE, end: None };
        leases.into_iter().fold(none, |bounds, lease| match bounds.end {
            None => CommandDeadlines {
                silence: lease.silence(),
                end: Some((lease.terminate_at(), lease.kill_at())),
            },
            Some((terminate, kill)) => CommandDeadlines {
                silence: bounds.silence.min(lease.silence()),
                end: Some((terminate.min(lease.terminate_at()), kill.min(lease.kill_at()))),
            },
        })
    }

    /// How often to send them, so that a busy machine does not pause a command.
    pub fn interval(&self) -> Duration {
        (self.silence / 6).clamp(Duration::from_millis(5), Duration::from_millis(500))
    }

    /// The action due at `now` if the last message arrived at `heard_at`.
    pub fn duty(&self, heard_at: BootInstant, now: BootInstant) -> SupervisorAction {
        match self.end {
            Some((_, kill)) if now >= kill => SupervisorAction::Kill,
            Some((terminate, _)) if now >= terminate => SupervisorAction::Terminate,
            _ if now.since(heard_at) >= self.silence => SupervisorAction::Pause,
            _ => SupervisorAction::Run,
        }
    }

    /// The time from `now` until another action may be due.
    pub fn wait(&self, heard_at: BootInstant, now: BootInstant) -> Duration {
        let pause = heard_at.plus(self.silence);
        let moments = [Some(pause), self.end.map(|end| end.0), self.end.map(|end| end.1)];
        let next = moments.into_iter().flatten().filter(|moment| *moment > now).min();
        next.map_or(Duration::MAX, |next| next.since(now))
    }
}

/// What a supervisor does with its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SupervisorAction {
    Run,
    /// Pause it until messages arrive again.
    Pause,
    /// Send SIGTERM.
    Terminate,
    /// Send SIGKILL.
    Kill,
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_000_000_000_000;

    fn at(milliseconds: u64) -> BootInstant {
        BootInstant::from_nanoseconds(START + milliseconds * 1_000_000)
    }

    fn lease(from: u64, milliseconds: u64) -> LeaseTerm {
        LeaseTerm::new(at(from), Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_command_pauses_and_ends_by_its_lease() {
        use SupervisorAction::{Kill, Pause, Run, Terminate};
        // Lease and its start; when messages were heard last; what is to be done when.
        let cases = [
            // The usual one: a third of it is ten seconds.
            (lease(0, 30_000), 0, [(0, Run), (9_999, Run), (10_000, Pause), (28_899, Pause)]),
            (lease(0, 30_000), 0, [(28_900, Terminate), (29_899, Terminate), (29_900, Kill), (90_000, Kill)]),
            // Messages that come do not make it longer.
            (lease(0, 30_000), 28_500, [(28_500, Run), (28_899, Run), (28_900, Terminate), (29_900, Kill)]),
            // A short one.
            (lease(500, 1_200), 500, [(899, Run), (900, Pause), (1_440, Terminate), (1_640, Kill)]),
            // A long one pauses after ten seconds all the same.
            (
                lease(0, 3_600_000),
                0,
                [(9_999, Run), (10_000, Pause), (3_598_900, Terminate), (3_599_900, Kill)],
            ),
        ];
        for (lease, heard, expected) in cases {
            let bounds = CommandDeadlines::of([lease]);
            for (now, duty) in expected {
                assert_eq!(
                    bounds.duty(at(heard), at(now)),
                    duty,
                    "{lease:?} heard at {heard} ms, now {now} ms"
                );
            }
        }
    }

    #[test]
    fn without_a_lease_a_command_pauses_and_never_ends() {
        let bounds = CommandDeadlines::of([]);
        assert_eq!(bounds.duty(at(0), at(1_999)), SupervisorAction::Run);
        assert_eq!(bounds.duty(at(0), at(2_000)), SupervisorAction::Pause);
        assert_eq!(bounds.duty(at(0), at(1_000_000_000)), SupervisorAction::Pause);
        assert_eq!(bounds.wait(at(0), at(3_000)), Duration::MAX);
    }

    #[test]
    fn without_bounds_a_command_runs_on() {
        assert_eq!(CommandDeadlines::NONE.duty(at(0), at(u64::MAX / 2_000_000)), SupervisorAction::Run);
        assert!(CommandDeadlines::NONE.wait(at(0), at(1)) > Duration::from_secs(1 << 30));
    }

    #[test]
    fn of_several_leases_the_earliest_end_counts() {
        let (long, short) = (lease(0, 30_000), lease(0, 3_000));
        assert_eq!(CommandDeadlines::of([long, short]), CommandDeadlines::of([short, long]));
        assert_eq!(CommandDeadlines::of([long, short]), CommandDeadlines::of([short]));
        // The long one was not renewed for long: it ends first, and the short one sets the pace.
        let (long, short) = (lease(0, 30_000), lease(28_000, 3_000));
        let bounds = CommandDeadlines::of([long, short]);
        assert_eq!(bounds.silence, Duration::from_secs(1));
        assert_eq!(bounds.end, Some((long.terminate_at(), long.kill_at())));
    }

    #[test]
    fn a_supervisor_wakes_when_something_changes() {
        let bounds = CommandDeadlines::of([lease(0, 30_000)]);
        let mut now = at(0);
        let mut duties = Vec::new();
        loop {
            duties.push(bounds.duty(at(0), now));
            match bounds.wait(at(0), now) {
                Duration::MAX => break,
                wait => now = now.plus(wait),
            }
        }
        assert_eq!(
            duties,
            [
                SupervisorAction::Run,
                SupervisorAction::Pause,
                SupervisorAction::Terminate,
                SupervisorAction::Kill
            ]
        );
    }

    #[test]
    fn any_lease_ends_its_work_before_it_ends_itself() {
        for milliseconds in [1, 2, 10, 100, 1_000, 30_000, 86_400_000] {
            let lease = lease(0, milliseconds);
            assert!(at(0) <= lease.terminate_at() && lease.terminate_at() <= lease.kill_at());
            assert!(lease.kill_at() < lease.ends_at);
            let bounds = CommandDeadlines::of([lease]);
            assert!(at(0).plus(bounds.silence) <= lease.terminate_at());
        }
    }
}
