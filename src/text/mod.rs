//! Text for people: escaped bytes, sizes, durations. It imports nothing of this program.

pub mod duration;
pub mod escape;
pub mod masked;
pub mod size;
pub mod suggestion;
mod thousands;

pub use self::thousands::thousands;
