//! Several changes that take effect together or not at all.

use std::rc::Rc;
use std::time::Duration;

use mlua::{MultiValue, Value as LuaValue};

use crate::lua::boundary::CommitFate;
use crate::lua::call::{Call, Native};
use crate::lua::error::CallError;
use crate::lua::host_function::{CallTarget, CallbackKind, HostFunction};
use crate::lua::state::entries::explain_refused_lock;
use crate::store::{Condition, ErrorKind, Key, Outcome, Overlay, Revision, Store, StoreError, Transaction};

pub(super) static FUNCTIONS: [Native; 1] = [Native::new(
    HostFunction::writes("state.transaction").about(CallTarget::Transaction).returns(CallbackKind::Protected),
    transaction,
)];

/// How often the function is run before the transaction fails.
const ATTEMPTS: u32 = 100;

enum Attempt {
    /// It was committed, or what it read is unchanged.
    Done,
    /// Others changed what it read: this key, if it is known which.
    Conflict(Option<Key>),
}

/// The inner half of `state.transaction(fn)`: returns what `fn` returns or raises as Lua's own `pcall` does.
///
/// `fn` runs without holding the database; its writes are buffered and committed in one transaction, if
/// nothing that it read was changed meanwhile. If something was, nothing is written and `fn` runs again. A
/// transaction inside another one is a part of it.
fn transaction(call: &Call) -> Result<MultiValue, CallError> {
    let function = call.function(0, "function")?;
    if let Some(outer) = call.context.scope.overlay() {
        let checkpoint = outer.checkpoint();
        let done = call.protected(function);
        if !done.as_ref().is_ok_and(succeeded) {
            outer.roll_back(checkpoint);
        }
        return done;
    }
    let base = call.context.scope.base();
    let mut culprit = None;
    for attempt in 0..ATTEMPTS {
        let began = base.read_revision()?;
        let overlay = Rc::new(Overlay::new(Rc::clone(base)));
        let answer = {
            let _inside = call.context.scope.enter(Rc::clone(&overlay));
            call.protected(function)?
        };
        let commit_fate = match call.context.boundary.commit_fate() {
            Some(CommitFate::Done) => {
                // What it read may have changed in a copy: it took effect all the same.
                if succeeded(&answer)
                    && let Outcome::Refused { .. } = base.commit(&overlay.transaction())?
                {
                    base.commit(&Transaction::all(overlay.operations()))?;
                }
                Attempt::Done
            }
            Some(CommitFate::Retry) => Attempt::Conflict(None),
            Some(CommitFate::Refused) => break,
            None if succeeded(&answer) => settle(&**base, overlay.take_transaction(), began)?,
            None if call.context.limits.stop().is_some() => return Ok(answer),
            None => {
                // Two readings with a change of others between them may not fit together: an error
                // counts only if what was read does.
                let read = Transaction { conditions: overlay.conditions(), ..Transaction::default() };
                settle(&**base, read, began).unwrap_or(Attempt::Done)
            }
        };
        match commit_fate {
            Attempt::Done => return Ok(answer),
            Attempt::Conflict(key) => culprit = key.or(culprit),
        }
        let longest = 1000 << attempt.min(5);
        call.pause(Duration::from_micros(fastrand::u64(0..longest)))?;
    }
    match culprit {
        Some(key) => Err(StoreError::from(ErrorKind::Contended { key, attempts: ATTEMPTS }).into()),
        None => Err(CallError::usage(format!(
            "others changed entries of a range that it read {ATTEMPTS} times in a row; nothing was changed, try again"
        ))),
    }
}

fn succeeded(answer: &MultiValue) -> bool {
    matches!(answer.front(), Some(LuaValue::Boolean(true)))
}

/// Commits the writes of an attempt; without writes, checks what it read.
fn settle(base: &dyn Store, transaction: Transaction, began: Revision) -> Result<Attempt, CallError> {
    if transaction.operations.is_empty() {
        // In most cases nothing has changed, which can be checked without a lock.
        if base.read_revision()? == began {
            return Ok(Attempt::Done);
        }
        if base.check_writable().is_err() {
            return Ok(Attempt::Conflict(None));
        }
    }
    match base.commit(&transaction)? {
        Outcome::Committed { .. } => Ok(Attempt::Done),
        Outcome::Refused { condition, found, .. } => match &transaction.conditions[condition] {
            Condition::HoldsLock(name, token) => Err(explain_refused_lock(base, name, *token)?),
            condition => {
                let key = condition.key().cloned();
                Ok(Attempt::Conflict(key.or_else(|| found.map(|entry| entry.key.clone()))))
            }
        },
    }
}
