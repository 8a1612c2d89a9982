//! How long things stay on the screen, and how often they are refreshed.

use std::time::Duration;

/// How long a changed row is highlighted.
pub const FLASH: Duration = Duration::from_millis(700);
/// How often the locks are read again: a holder that dies commits nothing.
pub const HOLDER_REFRESH: Duration = Duration::from_secs(2);
/// How long a database may not answer before the interface says so.
pub const STALL_NOTICE: Duration = Duration::from_millis(700);
/// How long a message that is not an error stays.
pub const MESSAGE_DURATION: Duration = Duration::from_secs(6);
