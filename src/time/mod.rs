//! Time: moments, clocks, timers. It imports nothing of this program.

mod active_timer;
mod boot_clock;
mod clock;

pub use self::active_timer::Awake;
pub use self::boot_clock::{Countdown, Moment};
pub use self::clock::{BootTime, Clock, ClockReading, ManualClock, Millis, SystemClock, boot_id};
