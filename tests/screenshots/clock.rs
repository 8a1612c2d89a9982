//! A clock that several processes share and only the script of the pictures moves.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use slothstate::time::{Clock, Millis};

/// Microseconds since the epoch, in a file: whoever has it open sees the same moment.
pub struct SharedClock(File);

impl SharedClock {
    /// A clock in a new file.
    pub fn create(path: &Path, now: Millis) -> SharedClock {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap();
        let clock = SharedClock(file);
        clock.set(now);
        clock
    }

    /// The clock in the file of another process.
    pub fn open(path: &Path) -> SharedClock {
        SharedClock(File::open(path).unwrap())
    }

    /// Sets it.
    pub fn set(&self, now: Millis) {
        self.write(now.0 * 1000);
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.write(self.micros() + i64::try_from(by.as_micros()).unwrap());
    }

    fn micros(&self) -> i64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 0).unwrap();
        i64::from_le_bytes(bytes)
    }

    fn write(&self, micros: i64) {
        self.0.write_all_at(&micros.to_le_bytes(), 0).unwrap();
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Millis {
        Millis(self.micros() / 1000)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.micros()).unwrap())
    }
}
