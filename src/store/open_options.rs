//! How a database is opened: what every engine is told, and what only one of them knows.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::store::kind_inference::Kinds;
use crate::store::secret_keys::Secrets;
use crate::store::{Actor, Process};
use crate::time::{Clock, SystemClock};

/// How a database is opened.
#[derive(Clone)]
pub struct Options {
    /// Never write, whoever asks.
    pub read_only: bool,
    /// Read the tables of Sloth Runner's older generation also where those of the present one are.
    pub older: bool,
    /// How long a busy database is waited for.
    pub busy_limit: Duration,
    /// Whether every commit survives the loss of power (FULL) and not only the death of any process.
    pub full_sync: bool,
    /// The clock that expiry and leases go by.
    pub clock: Arc<dyn Clock>,
    /// Under whose name changes are recorded.
    pub actor: Actor,
    /// The process that locks are held by.
    pub process: Process,
    /// Kinds that keys have whatever would be inferred.
    pub kinds: Kinds,
    /// Keys whose values are masked where they are shown; the store itself masks nothing.
    pub secrets: Secrets,
    /// What was seen of the database before it had to be opened again: see [`crate::store::Store::seen`].
    pub seen: Option<Seen>,
}

impl Default for Options {
    /// This process, the machine's clock, 10 seconds of patience.
    fn default() -> Options {
        let process = Process::current();
        Options {
            read_only: false,
            older: false,
            busy_limit: Duration::from_secs(10),
            full_sync: false,
            clock: Arc::new(SystemClock),
            actor: Actor::current(&process),
            process,
            kinds: Kinds::default(),
            seen: None,
            secrets: Secrets::usual(),
        }
    }
}

/// What a store saw of its database last. Only the engine that made it can read it.
#[derive(Clone)]
pub struct Seen(pub(super) Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen")
    }
}

impl PartialEq for Seen {
    fn eq(&self, other: &Seen) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Seen {}
