//! What an engine promises: the traits that Lua, the command line and the interface work against.
//!
//! [`State`] holds entries, [`Locks`] leases, [`History`] what changed and what was, [`Runs`] the runs of
//! workflows and their recordings. [`Store`] is all four, with what they share: the clock, the capabilities,
//! the actor and the fence of writes, the identity of the database, and the news of it.

mod history;
mod locks;
mod runs;
mod state;

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use crate::store::kind_inference::Kinds;
use crate::store::{
    Actor, Compacted, CompactionPlan, EpochStart, ErrorKind, Identity, Key, Location, Process, Seen,
    StackLock, Stacks, Stats, StoreError, Token,
};
use crate::time::Clock;

pub use self::history::History;
pub use self::locks::{Locks, WAITER_PATIENCE};
pub use self::runs::Runs;
pub use self::state::State;

/// What an engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The largest value in bytes.
    pub largest_value: u64,
    /// The most operations in one transaction.
    pub operations: usize,
    /// The most conditions of one transaction; `None` without a limit.
    pub conditions: Option<usize>,
    /// The most bytes of values that one transaction writes.
    pub largest_transaction: u64,
    /// The grain of an expiry in milliseconds.
    pub expiry_grain: u64,
}

impl Capabilities {
    /// Refuses a value that is too large.
    pub fn check_value(&self, key: &Key, bytes: u64) -> Result<(), StoreError> {
        match self.largest_value {
            limit if bytes > limit => Err(ErrorKind::TooLarge { key: key.clone(), bytes, limit }.into()),
            _ => Ok(()),
        }
    }

    /// Refuses `operations` in one transaction if they are too many.
    pub fn check_operations(&self, operations: u64) -> Result<(), StoreError> {
        match self.operations as u64 {
            most if operations > most => Err(ErrorKind::TooManyOperations { given: operations, most }.into()),
            _ => Ok(()),
        }
    }

    /// Refuses so many `conditions` of one transaction if they are too many.
    pub fn check_conditions(&self, conditions: usize) -> Result<(), StoreError> {
        match self.conditions {
            Some(most) if conditions > most => {
                Err(ErrorKind::TooManyConditions { given: conditions, most }.into())
            }
            _ => Ok(()),
        }
    }
}

/// What is left to do after [`Store::maintain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintained {
    /// Everything that was due is done.
    Done,
    /// More is due than was done at once.
    More,
}

/// State that several processes share.
///
/// Every read sees only what has not expired. Every write is one transaction that takes effect
/// as a whole or not at all; a busy engine is waited for, up to the limit it was opened with.
/// No reader is left open between two calls.
pub trait Store: State + Locks + History + Runs {
    /// What this engine can do.
    fn capabilities(&self) -> Capabilities;

    /// The clock that expiry and leases go by.
    fn clock(&self) -> &dyn Clock;

    /// The kinds that keys have by the user's word; every entry that is read has its own.
    fn kinds(&self) -> &Kinds {
        Kinds::NONE
    }

    /// Whether writes are possible at all, and why not if not.
    ///
    /// # Errors
    /// [`ErrorKind::ReadOnly`] and its like, with the reason.
    fn check_writable(&self) -> Result<(), StoreError>;

    /// Sets the actor under whose name later changes are recorded.
    fn set_actor(&self, actor: Actor);

    /// Sets the locks under which later writes happen: each [`State::commit`] and
    /// [`State::edit`] is refused with [`ErrorKind::LockLost`] unless all of `held` are held,
    /// with leases that have not run out. An empty list removes the fence.
    fn set_fence(&self, held: Vec<(String, Token)>);

    /// What Sloth Runner keeps of its own beside this database; nothing where it keeps nothing.
    fn stacks(&self) -> Result<Stacks, StoreError> {
        Ok(Stacks::default())
    }

    /// Clears a lock of Sloth Runner's, if it still is the one that was seen. Whether it was.
    fn clear_stack_lock(&self, _lock: &StackLock) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Which database it is, and its newest revision.
    fn identity(&self) -> Result<Identity, StoreError>;

    /// The epochs after the first, oldest first.
    fn epochs(&self) -> Result<Vec<EpochStart>, StoreError>;

    /// Whether anything may have been committed, by anybody else, since the last time this was
    /// asked. Costs about a microsecond.
    ///
    /// # Errors
    /// [`ErrorKind::Reset`] if it is no longer the database that was opened.
    fn poll_changes(&self) -> Result<bool, StoreError>;

    /// A descriptor that becomes readable when [`Store::poll_changes`] is worth asking, if the engine
    /// has one; where it has none, it is asked over and over.
    fn change_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the first write adopts a file that is another program's: it adds to the structure of the
    /// file, which is not undone.
    fn will_adopt(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Figures about the database.
    fn stats(&self) -> Result<Stats, StoreError>;

    /// The notices for the user since the last call, such as that a file was adopted.
    fn take_notices(&self) -> Vec<String>;

    /// Where it is.
    fn location(&self) -> &Location;

    /// What was seen of the database last. With it in its options a store that is opened later goes on with
    /// revisions that were not given before, also if an earlier state was restored meanwhile.
    fn seen(&self) -> Option<Seen> {
        None
    }

    /// After [`ErrorKind::Reset`]: keeps what this store wrote and what the database in the place of its own
    /// must not be mixed with. Where that is kept, if there is anything.
    fn keep_leftover(&self) -> Option<PathBuf> {
        None
    }

    /// Adopts the database before anything is written, so that from here on every change by anybody is
    /// recorded.
    ///
    /// # Errors
    /// Those of a write.
    fn adopt(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Does a little of what is due in a database that nobody may be writing to, such as the removal of what
    /// has expired. Nothing is done in a database that is not adopted, or opened read-only. Costs a few
    /// microseconds while nothing is due.
    ///
    /// # Errors
    /// Those of a write.
    fn maintain(&self) -> Result<Maintained, StoreError> {
        Ok(Maintained::Done)
    }

    /// Copies the database as it is at one moment to the file `target`, while others go on writing; the size
    /// of the copy in bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] if there is anything at `target`, which is left as it is.
    /// [`ErrorKind::Unsupported`] by an engine that has no such copy.
    fn back_up(&self, _target: &Path) -> Result<u64, StoreError> {
        Err(self.unsupported("a backup", "use slothstate export"))
    }

    /// What [`Store::compact`] would do.
    ///
    /// # Errors
    /// Those of reading; [`ErrorKind::ReadOnly`] and its like for a database that cannot be compacted, and
    /// [`ErrorKind::Unsupported`] by an engine that does not compact.
    fn plan_compaction(&self) -> Result<CompactionPlan, StoreError> {
        Err(self.unsupported("compacting", "use the tools of its server"))
    }

    /// Gives free space inside the database back to the system. It is not adopted by that.
    ///
    /// # Errors
    /// Those of a write; nothing was changed then. [`ErrorKind::Unsupported`] as
    /// [`Store::plan_compaction`].
    fn compact(&self) -> Result<Compacted, StoreError> {
        Err(self.unsupported("compacting", "use the tools of its server"))
    }

    /// Asks a process that holds a lock or runs a workflow to end; whether it was there to be asked, as seen
    /// from the process `here`. The way that is provided sends a signal to a process of this machine.
    ///
    /// # Errors
    /// An engine that leaves the request in the database fails as any write.
    fn request_stop(&self, process: &Process, here: &Process) -> Result<bool, StoreError> {
        Ok(process.request_stop(here))
    }

    /// The error of an operation that this engine does not have, with what to do instead.
    fn unsupported(&self, operation: &'static str, instead: &'static str) -> StoreError {
        ErrorKind::Unsupported { operation }.at(self.location()).with_remedy(instead)
    }
}
