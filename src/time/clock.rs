//! Clocks. Time is an argument: nothing in the store reads the machine's clock itself.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sysinfo::System;

/// Milliseconds since the Unix epoch (UTC). Negative before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// The last moment at which an entry may expire or a lease may end: the end of the year 9999. SQL, and
    /// most programs, know no dates after it.
    pub const LATEST: Millis = Millis(253_402_300_799_999);

    /// This moment plus `duration`; `None` if that is after [`Millis::LATEST`].
    pub fn checked_plus(self, duration: Duration) -> Option<Millis> {
        Some(self.plus(duration)).filter(|at| *at <= Millis::LATEST)
    }

    /// This moment plus `duration`, saturating.
    pub fn plus(self, duration: Duration) -> Millis {
        let added = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Millis(self.0.saturating_add(added))
    }

    /// Time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Millis) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Millis {
    /// RFC 3339 in UTC with milliseconds; the bare number where no calendar date exists for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp_millis(self.0) {
            Some(time) => write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// A moment by the boot clock, which counts from boot, also while the machine is suspended, and cannot be
/// set. Moments of different boots are not comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootTime {
    pub boot_id: &'static str,
    /// Milliseconds since that boot.
    pub millis: i64,
}

/// The present moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// By the wall clock.
    pub wall: Millis,
    /// By the boot clock; `None` where the system has none that all its processes share.
    pub boot: Option<BootTime>,
}

/// A source of the present moment.
pub trait Clock: Send + Sync {
    /// The present moment by the wall clock.
    fn now(&self) -> Millis;

    /// The present moment by the boot clock; `None` where the system has none that all its processes
    /// share.
    fn boot(&self) -> Option<BootTime> {
        None
    }

    /// The present moment by both clocks.
    fn read(&self) -> ClockReading {
        ClockReading { wall: self.now(), boot: self.boot() }
    }

    /// Time that has passed since some start, whatever the clock was set to meanwhile.
    fn elapsed(&self) -> Duration;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(elapsed) => Millis::default().plus(elapsed),
            Err(before) => Millis(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX)),
        }
    }

    #[cfg(target_os = "linux")]
    fn boot(&self) -> Option<BootTime> {
        use nix::time::{ClockId, clock_gettime};
        let boot_id = Some(boot_id()).filter(|id| !id.is_empty())?;
        let since_boot = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
        let millis = i64::try_from(since_boot.as_millis()).ok()?.checked_sub(namespace_offset()?)?;
        Some(BootTime { boot_id, millis })
    }

    fn elapsed(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// By how many milliseconds the boot clock of this process's time namespace is ahead of the
/// machine's (time_namespaces(7)); `None` if that cannot be read, though there are such namespaces.
#[cfg(target_os = "linux")]
fn namespace_offset() -> Option<i64> {
    static OFFSET: LazyLock<Option<i64>> =
        LazyLock::new(|| match std::fs::read_to_string("/proc/self/timens_offsets") {
            Ok(offsets) => offset_in(&offsets),
            Err(error) => (error.kind() == std::io::ErrorKind::NotFound).then_some(0),
        });
    *OFFSET
}

/// Reads `boottime SECONDS NANOSECONDS`; newer kernels name the clock, older ones number it (7).
#[cfg(target_os = "linux")]
fn offset_in(offsets: &str) -> Option<i64> {
    let line = offsets.lines().find(|line| {
        line.split_ascii_whitespace().next().is_some_and(|clock| clock == "boottime" || clock == "7")
    });
    let Some(line) = line else { return Some(0) };
    let mut numbers = line.split_ascii_whitespace().skip(1).map(str::parse::<i64>);
    let (seconds, nanoseconds) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    seconds.checked_mul(1000)?.checked_add(nanoseconds / 1_000_000)
}

/// A clock that stands still until it is set: for tests and for replay.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: AtomicI64,
    elapsed: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Millis) -> ManualClock {
        ManualClock { now: AtomicI64::new(now.0), elapsed: AtomicU64::new(0) }
    }

    /// Sets the clock, forwards or back.
    pub fn set(&self, now: Millis) {
        self.now.store(now.0, Ordering::SeqCst);
    }

    /// Lets time pass, to the millisecond.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.elapsed.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.now.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Option<BootTime> {
        let millis = i64::try_from(self.elapsed.load(Ordering::SeqCst)).ok()?;
        Some(BootTime { boot_id: "manual", millis })
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed.load(Ordering::SeqCst))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_offset_of_a_time_namespace_is_read() {
        for (offsets, expected) in [
            ("monotonic           0         0\nboottime            0         0\n", Some(0)),
            ("monotonic 5 0\nboottime 604800 500000000\n", Some(604_800_500)),
            ("1 5 0\n7 -10 0\n", Some(-10_000)),
            ("", Some(0)),
            ("boottime soon 0", None),
            ("boottime 1", None),
        ] {
            assert_eq!(offset_in(offsets), expected, "{offsets:?}");
        }
    }

    #[test]
    fn the_boot_clock_goes_forward() {
        let first = SystemClock.boot().unwrap();
        let second = SystemClock.boot().unwrap();
        assert!(!first.boot_id.is_empty() && first.boot_id == second.boot_id);
        assert!(second.millis >= first.millis && first.millis > 0);
    }
}

/// Linux's boot id, elsewhere the time of the boot; empty if neither can be read.
pub fn boot_id() -> &'static str {
    static BOOT_ID: LazyLock<String> = LazyLock::new(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|id| id.trim().to_string())
            .or_else(|_| System::boot_time().map(|seconds| seconds.to_string()))
            .unwrap_or_default()
    });
    &BOOT_ID
}
