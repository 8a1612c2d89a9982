//! Time: moments, clocks, timers. It imports nothing of this program.

mod active_timer;
mod boot_clock;
mod clock;

pub use self::active_timer::ActiveTimer;
pub use self::boot_clock::{BootInstant, Countdown};
pub use self::clock::{BootTime, Clock, ClockReading, ManualClock, Millis, SystemClock, boot_id};
