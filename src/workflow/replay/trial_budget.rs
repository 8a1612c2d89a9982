//! How far a trial may go where no recording says when it ends: time, work and memory.

use std::cell::Cell;
use std::time::Duration;

use crate::lua::limits::INSTRUCTIONS_PER_POLL;

/// How much time a trial may take without a recording, unless it was given another.
const TIME_WITHOUT_RECORDING: Duration = Duration::from_secs(600);
/// The least time that a trial of a recorded run may take, unless it was given another.
const LEAST_TIME: Duration = Duration::from_secs(60);
/// How many times as long as its recording a trial may take.
const TIMES_AS_LONG: u32 = 10;
/// How many calls there must be before a time that nobody gave ends a trial: a workflow that only sleeps or
/// waits long comes to its end.
const CALLS_WITHIN_ANY_TIME: u64 = 1_000;

/// The most calls of the host.
const CALLS: u64 = 1_000_000;
/// The most polls of a running script.
const POLLS: u64 = 200_000;
/// The instructions between them.
const INSTRUCTIONS: u64 = POLLS * INSTRUCTIONS_PER_POLL as u64;
/// The most polls of one call that waits, some ten hours of its time.
const WAITS: u64 = 2_000_000;
/// How much more memory the process may hold than when the trial began, in bytes.
const MEMORY: u64 = 1 << 30;
/// How many calls are made before the memory is read again: reading takes some microseconds.
const CALLS_PER_MEMORY_CHECK: u64 = 256;

/// What ended a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialLimit {
    /// Its time: virtual while it waits, real while it computes.
    Time(Duration),
    /// The number of its calls.
    Calls(u64),
    /// The number of instructions of its script, about.
    Instructions(u64),
    /// The memory that it holds, in bytes.
    Memory(u64),
}

impl TrialLimit {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            TrialLimit::Time(_) => "time",
            TrialLimit::Calls(_) => "calls",
            TrialLimit::Instructions(_) => "instructions",
            TrialLimit::Memory(_) => "memory",
        }
    }
}

impl std::fmt::Display for TrialLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TrialLimit::Time(time) => write!(
                f,
                "after {} of its time (--for sets another limit)",
                humantime::format_duration(*time)
            ),
            TrialLimit::Calls(calls) => write!(f, "after {calls} calls, the most of a trial"),
            TrialLimit::Instructions(instructions) => {
                write!(f, "after {instructions} instructions of the script, the most of a trial")
            }
            TrialLimit::Memory(bytes) => {
                write!(f, "after it took {} MB of memory, the most of a trial", bytes >> 20)
            }
        }
    }
}

/// The time that a trial may take once nothing is recorded any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TrialTime {
    time: Duration,
    is_given: bool,
}

impl TrialTime {
    /// The time that was given; otherwise what fits a recording of that length, `None` being none.
    pub(super) fn new(given: Option<Duration>, recorded: Option<Duration>) -> TrialTime {
        let fitting = || match recorded {
            Some(length) => length.saturating_mul(TIMES_AS_LONG).max(LEAST_TIME),
            None => TIME_WITHOUT_RECORDING,
        };
        TrialTime { time: given.unwrap_or_else(fitting), is_given: given.is_some() }
    }
}

/// What is left of the limits of a trial. It counts from the last event that the recording answered.
pub(super) struct TrialBudget {
    time: TrialTime,
    began_at: Cell<Duration>,
    calls: Cell<u64>,
    polls: Cell<u64>,
    /// The polls of the running call.
    waits: Cell<u64>,
    /// The memory of the process when the trial began; `None` where it cannot be read.
    memory: Option<u64>,
}

impl TrialBudget {
    pub(super) fn new(time: TrialTime) -> TrialBudget {
        let (began_at, calls, polls, waits) = Default::default();
        TrialBudget { time, began_at, calls, polls, waits, memory: resident_memory() }
    }

    /// Counts from here: the recording answered, at `elapsed` of the host.
    pub(super) fn restart(&self, elapsed: Duration) {
        self.began_at.set(elapsed);
        self.calls.set(0);
        self.polls.set(0);
        self.waits.set(0);
    }

    /// Counts a call at `elapsed` of the host; the limit that is reached with it.
    pub(super) fn count_call(&self, elapsed: Duration) -> Option<TrialLimit> {
        let calls = self.calls.get() + 1;
        self.calls.set(calls);
        self.waits.set(0);
        if calls > CALLS {
            return Some(TrialLimit::Calls(CALLS));
        }
        if calls.is_multiple_of(CALLS_PER_MEMORY_CHECK)
            && let Some(before) = self.memory
            && resident_memory().is_some_and(|now| now.saturating_sub(before) > MEMORY)
        {
            return Some(TrialLimit::Memory(MEMORY));
        }
        self.check_time(elapsed)
    }

    /// Counts a poll of the running script; the limit that is reached with it.
    pub(super) fn count_poll(&self, elapsed: Duration) -> Option<TrialLimit> {
        let polls = self.polls.get() + 1;
        self.polls.set(polls);
        let too_many = || (polls > POLLS).then_some(TrialLimit::Instructions(INSTRUCTIONS));
        self.check_time(elapsed).or_else(too_many)
    }

    /// Counts a poll of a call that waits; the limit that is reached with it.
    pub(super) fn count_wait(&self, elapsed: Duration) -> Option<TrialLimit> {
        self.waits.set(self.waits.get() + 1);
        self.check_time(elapsed)
    }

    fn check_time(&self, elapsed: Duration) -> Option<TrialLimit> {
        let passed = elapsed.saturating_sub(self.began_at.get());
        let may_end =
            self.time.is_given || self.calls.get() > CALLS_WITHIN_ANY_TIME || self.waits.get() > WAITS;
        let seconds = Duration::from_secs(passed.as_secs());
        (may_end && passed >= self.time.time).then_some(TrialLimit::Time(seconds))
    }
}

/// The resident memory of this process in bytes; `None` where /proc does not tell it.
fn resident_memory() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(resident.saturating_mul(u64::try_from(page).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_has_ten_times_the_recorded_time_and_a_minute_at_least() {
        let seconds = Duration::from_secs;
        for (recorded, time) in [(0, 60), (6, 60), (7, 70), (3600, 36_000)] {
            assert_eq!(TrialTime::new(None, Some(seconds(recorded))).time, seconds(time));
        }
        assert_eq!(TrialTime::new(None, None).time, TIME_WITHOUT_RECORDING);
        assert_eq!(TrialTime::new(Some(seconds(5)), Some(seconds(7))).time, seconds(5));
        assert!(TrialTime::new(None, Some(Duration::MAX)).time >= seconds(1 << 40));
    }

    #[test]
    fn what_the_recording_answers_does_not_count() {
        let at = Duration::from_secs;
        let budget = TrialBudget::new(TrialTime::new(Some(at(1)), None));
        assert_eq!(budget.count_call(at(0)), None);
        budget.restart(at(9));
        assert_eq!(budget.count_call(at(9)), None);
        assert_eq!(budget.count_poll(at(10)), Some(TrialLimit::Time(at(1))));
        budget.restart(at(50));
        let limit = (0..).find_map(|_| budget.count_call(at(50)));
        assert_eq!(limit, Some(TrialLimit::Calls(CALLS)));
    }

    #[test]
    fn a_few_long_sleeps_end_no_trial_whose_time_nobody_gave() {
        let budget = TrialBudget::new(TrialTime::new(None, Some(Duration::ZERO)));
        let hours = |number: u64| Duration::from_secs(3600 * number);
        let ended = (1..).find(|number| budget.count_call(hours(*number)).is_some());
        assert_eq!(ended, Some(CALLS_WITHIN_ANY_TIME + 1));
    }
}
