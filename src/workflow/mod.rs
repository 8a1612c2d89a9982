//! Workflows: tasks declared in Lua, ordered, run, recorded and replayed.
//!
//! It imports `lua` and the layers below it. `load` and `declare` read a file, `plan` orders its tasks,
//! `runner` runs them, `execute` is the common way of a run, a replay and a what-if; `recording` writes
//! events and `replay` answers from them. A new option of a task is a method in `declare/methods.rs` and an arm in
//! `declare/options.rs`.
//!
//! How the outcome of a task affects the others:
//! - a task that fails or times out fails the run; whatever depends on it, directly or not, is
//!   skipped; tasks that do not depend on it still run;
//! - a task whose `run_if` returns false is skipped without harm: its dependants run, with nothing
//!   under its name in `deps`;
//! - a task whose `abort_if` returns true ends the run as failed: nothing more is started.
//!
//! One attempt at a task is its `pre_hook`, its command and its `post_hook`; if one of them raises
//! an error or returns false the attempt has failed. The timeout holds for each attempt. Locks
//! taken in an attempt that failed are released; others are kept until the run ends.
//!
//! An attempt in which a lock was lost has failed, even if the script caught the error: others may have done
//! the same work at the same time. A retry may acquire the lock again. If the lock was held since an earlier
//! attempt, the rest of the run was meant to happen under it: nothing more is started.

mod declare;
mod definition;
mod execute;
mod invalid;
mod load;
mod outcome;
mod plan;
mod progress_event;
pub mod recording;
pub mod replay;
mod reporter;
mod run_event;
mod runner;
mod signature;
mod this_object;

pub use definition::{Backoff, LuaRef, Retries, Task, TaskAction, Workflow};
pub use execute::{RunEnv, RunError, RunRequest, execute};
pub use invalid::InvalidWorkflow;
pub use load::{Script, load};
pub use outcome::{RunOutcome, Summary, TaskOutcome};
pub use plan::plan;
pub use progress_event::Event;
pub use reporter::{CurrentTask, Reporter, RunBoundary};
pub use run_event::{MASKED_OUTCOME, RunEvent};
