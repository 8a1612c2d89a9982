//! The store: entries, locks, history and runs behind one contract that more than one engine can implement.
//!
//! `contract` has the traits, `sqlite` and `etcd` the engines, `overlay` the transaction that is not committed yet;
//! the other files hold the types and what is the same on every engine (undo, time travel, paging, the queue
//! of a lock). Nothing here knows Lua or the terminal. A new engine is a folder beside `sqlite`, tested by the
//! contracts in `testing`.

mod actor;
mod batch;
mod change;
mod compaction;
mod contract;
pub mod credentials;
mod doctor;
mod edit;
mod entry;
mod error;
mod error_text;
mod etcd;
pub mod feed;
mod history;
pub mod identity;
pub mod json;
mod key;
mod kind;
pub mod kind_inference;
mod liveness;
mod location;
mod lock;
mod lock_queue;
mod lost_lock;
mod maintenance;
mod number_parsing;
mod open;
mod open_options;
mod overlay;
mod pages;
mod pattern;
mod process_identity;
mod retention;
mod revision;
mod run;
mod search_text;
pub mod secret_keys;
pub mod sloth_runner_stacks;
pub mod sqlite;
#[cfg(test)]
pub(crate) mod testing;
pub mod time_point;
mod time_travel;
mod transaction;
mod typed_input;
mod undo;
mod value;

pub use actor::{Actor, EXTERNAL};
pub use batch::{Batches, LARGEST_BATCH, commit_in_batches};
pub use change::{Change, Changes, Image, Subject};
pub use compaction::{Compacted, CompactionPlan};
pub use contract::{Capabilities, History, Locks, Maintained, Runs, State, Store, WAITER_PATIENCE};
pub use doctor::{Finding, Health, Level};
pub use edit::{Edit, EditOutcome};
pub use entry::{Entry, KeyPage, Order, RangeSize, Scan, Stats};
pub use error::{ErrorKind, StoreError};
pub use etcd::{EtcdAddress, InvalidEtcdAddress, TemporaryPrefix};
pub use history::{EntryDiff, HistoryScan, HistorySpan, Moment, Recorded, When};
pub use identity::{EpochStart, Identity, Reset};
pub use json::JsonText;
pub use key::{EmptyKey, Key, KeyRange};
pub use kind::Kind;
pub use liveness::{Liveness, Renewal, renewal_period};
pub use location::{InvalidLocation, Location};
pub use lock::{
    AcquireOutcome, ClearOutcome, Lock, LockReading, LockRequest, LockVersion, Ticket, Waiter,
    holder_in_words,
};
pub use lock_queue::{WaitOutcome, wait_for_lock};
pub use lost_lock::why_lost;
pub use maintenance::Maintenance;
pub use open::{
    Contents, Present, RestorePlan, Restored, ScratchError, ScratchStore, examine, nothing, open, open_older,
    open_or_create, plan_restore, restore, scratch,
};
pub use open_options::{Options, Seen};
pub use overlay::{BeforeAfter, Checkpoint, Overlay};
pub use pages::{
    PAGE, Page, all_locks, change_pages, change_pages_since, entry_pages, expiring_pages, key_pages, pages,
    pages_by_key, run_pages,
};
pub use pattern::{InvalidPattern, Pattern};
pub use process_identity::{Process, host_name};
pub use retention::Retention;
pub use revision::{Revision, Token};
pub use run::{NewRun, RecordingChunk, RecordingRetention, Run, RunEnd, UNKNOWN_ORIGIN};
pub use search_text::Needle;
pub use sloth_runner_stacks::{StackLock, StackRun, Stacks};
pub use sqlite::SqliteStore;
pub use transaction::{Condition, Expiry, Operation, Outcome, Purpose, Transaction};
pub use typed_input::TypedInput;
pub use undo::{NothingToUndo, UndoOutcome, last_by_hand, undo};
pub use value::{InvalidValue, NotANumber, Number, Numeral, Type, UNTYPED, Value};
