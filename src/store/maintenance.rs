//! What a program that runs for a while does for a database beside its own work: entries that have
//! expired are removed within a second, whether anybody writes or not.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::store::{Location, Maintained, Options, Store, StoreError, open_or_create};

/// How often it is looked whether anything is due.
const INTERVAL: Duration = Duration::from_millis(500);
/// The pause between two batches, in which others write.
const BREATH: Duration = Duration::from_millis(2);
/// How long nothing is tried after a failure that is not a busy database.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How long a busy database is waited for: whoever keeps it busy does the same work.
const BUSY: Duration = Duration::from_millis(250);

/// A thread, with a connection of its own, that tends a database until this is dropped.
pub struct Maintenance {
    stop: Arc<MaintenanceStop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct MaintenanceStop {
    is_set: Mutex<bool>,
    wake: Condvar,
}

impl Maintenance {
    /// Begins to tend the database at `location`, which need not exist yet; `None` where nothing may be
    /// written, or the system has no thread to give.
    pub fn start(location: &Location, settings: &Options) -> Option<Maintenance> {
        if settings.read_only {
            return None;
        }
        let stop = Arc::new(MaintenanceStop::default());
        let (theirs, location) = (Arc::clone(&stop), location.clone());
        let settings = Options { busy_limit: settings.busy_limit.min(BUSY), ..settings.clone() };
        let thread = std::thread::Builder::new().name("maintenance".into());
        let thread = thread.spawn(move || tend(&location, &settings, &theirs)).ok()?;
        Some(Maintenance { stop, thread: Some(thread) })
    }

    /// Ends without waiting for a batch that is being removed.
    pub fn detach(mut self) {
        // What is dropped here sets the mark, and finds no thread to wait for.
        drop(self.thread.take());
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said why.
            let _ = thread.join();
        }
    }
}

impl MaintenanceStop {
    fn set(&self) {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }

    /// Waits; whether the end was asked for.
    fn wait(&self, time: Duration) -> bool {
        let is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wake.wait_timeout_while(is_set, time, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn tend(location: &Location, settings: &Options, stop: &MaintenanceStop) {
    let mut store: Option<Box<dyn Store>> = None;
    let mut pause = INTERVAL;
    while !stop.wait(pause) {
        pause = match once(&mut store, location, settings) {
            Ok(Maintained::More) => BREATH,
            Ok(Maintained::Done) => INTERVAL,
            Err(error) if error.is_transient() => INTERVAL,
            Err(_) => {
                // The next attempt is made on the file that is there then.
                store = None;
                AFTER_FAILURE
            }
        };
    }
}

fn once(
    store: &mut Option<Box<dyn Store>>,
    location: &Location,
    settings: &Options,
) -> Result<Maintained, StoreError> {
    match store {
        Some(store) => store.maintain(),
        None => store.insert(open_or_create(location, settings)?).maintain(),
    }
}
