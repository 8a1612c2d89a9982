//! How a database is opened: the options that all engines have in common.

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
    /// Refuse every write.
    pub read_only: bool,
    /// How long a busy database is waited for.
    pub busy_limit: Duration,
    /// The clock that expiry and leases go by.
    pub clock: Arc<dyn Clock>,
    /// Under whose name changes are recorded.
    pub actor: Actor,
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
            busy_limit: Duration::from_secs(10),
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
