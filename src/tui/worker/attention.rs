//! How closely commits are watched: not at all closely while nothing on the screen depends on them.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long the watcher rests at a time while nothing on the screen depends on commits.
pub const REST: Duration = Duration::from_secs(1);

/// Whether something on the screen depends on commits.
#[derive(Debug)]
pub struct Attention {
    is_wanted: Mutex<bool>,
    changed: Condvar,
}

impl Default for Attention {
    fn default() -> Attention {
        Attention { is_wanted: Mutex::new(true), changed: Condvar::new() }
    }
}

impl Attention {
    /// Says whether something on the screen depends on commits; a watcher that rests hears of it at once.
    pub fn set(&self, is_wanted: bool) {
        let before =
            std::mem::replace(&mut *self.is_wanted.lock().unwrap_or_else(PoisonError::into_inner), is_wanted);
        if before != is_wanted {
            self.changed.notify_all();
        }
    }

    /// Rests while nothing depends on commits, for no longer than [`REST`]; whether it did.
    pub fn rest(&self) -> bool {
        let is_wanted = self.is_wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_wanted {
            return false;
        }
        drop(self.changed.wait_timeout_while(is_wanted, REST, |is_wanted| !*is_wanted));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_rest_ends_when_attention_is_wanted() {
        let attention = Arc::new(Attention::default());
        assert!(!attention.rest());
        attention.set(false);
        let began = Instant::now();
        assert!(attention.rest() && began.elapsed() >= REST);
        let resting = std::thread::spawn({
            let attention = attention.clone();
            move || while attention.rest() {}
        });
        attention.set(true);
        resting.join().unwrap();
    }
}
