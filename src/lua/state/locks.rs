//! Locks that are held by one at a time among all processes.

use std::time::Duration;

use mlua::{MultiValue, Value as LuaValue};

use crate::lua::Stop;
use crate::lua::call::{Body, Call, stopped};
use crate::lua::fault::{Fault, raised, stop_in};
use crate::store::{Acquisition, Lock, LockRequest, StoreError, Waited, wait_for_lock};
use crate::supervisor::Moment;

pub(super) const FUNCTIONS: [(&str, Body); 4] =
    [("lock", lock), ("try_lock", try_lock), ("unlock", unlock), ("with_lock", with_lock)];

/// The lease of a lock unless the script says otherwise; it is renewed while the run lives.
const LEASE: Duration = Duration::from_secs(30);
/// How long a lock is waited for unless the script says otherwise: longer than the lease, so that
/// what a dead process left behind is had in the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// `state.lock(name[, holder][, seconds])`: true and the token under which it is held now; or
/// false and who holds it.
fn lock(call: &Call) -> Result<MultiValue, Fault> {
    let (holder, patience) = match call.value(1) {
        LuaValue::String(_) => (Some(call.text(1, "holder")?), 2),
        _ => (None, 1),
    };
    let patience = if call.is_nil(patience) { PATIENCE } else { call.seconds(patience, "time to wait")? };
    match acquire(call, holder, patience)? {
        Ok(lock) => call.answer((true, lock.token.0.0)),
        Err(holder) => call.answer((false, holder.map(|lock| lock.holder))),
    }
}

/// `state.try_lock(name, ttl)`: whether it is held now, with a lease of that many seconds; if so,
/// also its token.
fn try_lock(call: &Call) -> Result<MultiValue, Fault> {
    outside_transaction(call)?;
    let lease = if call.is_nil(1) { LEASE } else { call.positive_seconds(1, "ttl")? };
    let request = request(call, None, lease)?;
    let requested_at = Moment::now();
    let acquired =
        call.context.store().acquire(&request, None).map_err(|error| reentrant(error, &request))?;
    match acquired {
        Acquisition::Acquired(lock) => {
            call.context.locks.keep(&lock, lease, requested_at);
            call.answer((true, lock.token.0.0))
        }
        Acquisition::Held(_) | Acquisition::Queued => call.answer(false),
    }
}

/// `state.unlock(name[, holder])`: whether this run held it. What others hold is left alone.
fn unlock(call: &Call) -> Result<MultiValue, Fault> {
    outside_transaction(call)?;
    let name = call.text(0, "name")?;
    let holder = call.optional_text(1, "holder")?;
    let held = call.context.locks.token(&name, holder.as_deref());
    let released = call.context.locks.release(&name, holder.as_deref())?;
    if held.is_some() {
        call.context.stores.unfence(&name);
    }
    call.answer(released)
}

/// The inner half of `state.with_lock(name, fn[, seconds])` and of
/// `state.with_lock(name, holder, seconds, fn)`: calls the function under the lock, and answers as
/// Lua's own `pcall` does.
///
/// Until it is left, every write of this run is refused unless the lock is still held. A lock that is
/// lost meanwhile ends the function, and is an error of this call.
fn with_lock(call: &Call) -> Result<MultiValue, Fault> {
    let (holder, function, patience) = match call.value(1) {
        LuaValue::Function(function) => (None, function, 2),
        LuaValue::String(_) if matches!(call.value(2), LuaValue::Function(_)) => {
            (Some(call.text(1, "holder")?), call.function(2, "function")?, 3)
        }
        LuaValue::String(_) => (Some(call.text(1, "holder")?), call.function(3, "function")?, 2),
        _ => (None, call.function(1, "function")?, 2),
    };
    let patience = if call.is_nil(patience) { PATIENCE } else { call.seconds(patience, "time to wait")? };
    match acquire(call, holder, patience)? {
        Ok(lock) => {
            let _fenced = call.context.stores.fence(&lock.name, lock.token);
            let done = call.protected(function);
            let released = call.context.locks.release(&lock.name, None);
            if let Some(lost) = call.context.limits.lost(&lock.name) {
                return Err(lost_while(&lost.reason, &done));
            }
            released?;
            done
        }
        Err(holder) => {
            let waited = humantime::format_duration(patience);
            let holder = holder.map_or_else(String::new, |lock| {
                format!(": {} holds it", crate::escape::escape(lock.holder.as_bytes()))
            });
            Err(Fault::usage(format!("the lock was not free within {waited}{holder}")))
        }
    }
}

/// The fault of a call whose lock was lost while its function worked, with what that raised by itself.
fn lost_while(reason: &str, done: &Result<MultiValue, Fault>) -> Fault {
    let raised = done.as_ref().ok().and_then(|values| match (values.front(), values.get(1)) {
        (Some(LuaValue::Boolean(false)), Some(LuaValue::Error(error))) if stop_in(error).is_some() => None,
        (Some(LuaValue::Boolean(false)), Some(value)) => Some(raised(value)),
        _ => None,
    });
    let raised = raised.map_or_else(String::new, |text| format!("; its function raised: {text}"));
    Fault::LockLost(format!("{reason}{raised}"))
}

/// Waits for the lock that is the first argument; the lock in the way if the time was up.
fn acquire(
    call: &Call,
    holder: Option<String>,
    patience: Duration,
) -> Result<Result<Lock, Option<Lock>>, Fault> {
    outside_transaction(call)?;
    let request = request(call, holder, LEASE)?;
    let limits = &call.context.limits;
    let mut stop: Option<Stop> = None;
    let mut requested_at = Moment::now();
    let mut pause = |time: Duration| {
        stop = limits.pause(time).err();
        requested_at = Moment::now();
        stop.is_none()
    };
    let waited = wait_for_lock(&*call.context.store(), &request, patience, &mut pause);
    match waited.map_err(|error| reentrant(error, &request))? {
        Waited::Acquired(lock) => {
            call.context.locks.keep(&lock, LEASE, requested_at);
            Ok(Ok(lock))
        }
        Waited::TimedOut(holder) => Ok(Err(holder)),
        Waited::Cancelled => match stop {
            Some(stop) => Err(stopped(stop)),
            None => Ok(Err(None)),
        },
    }
}

/// A transaction may run more than once, and what it does to a lock cannot be taken back.
pub(super) fn outside_transaction(call: &Call) -> Result<(), Fault> {
    match call.context.stores.overlay() {
        None => Ok(()),
        Some(_) => Err(Fault::usage(
            "inside state.transaction, whose function may run more than once: take the lock around the transaction",
        )),
    }
}

fn request(call: &Call, holder: Option<String>, lease: Duration) -> Result<LockRequest, Fault> {
    let name = call.text(0, "name")?;
    if name.is_empty() {
        return Err(StoreError::EmptyLockName.into());
    }
    let holder = holder.unwrap_or_else(|| call.context.holder.clone());
    Ok(LockRequest { name, holder, lease })
}

/// In a script it is always this run that holds the lock already.
fn reentrant(error: StoreError, request: &LockRequest) -> Fault {
    match error {
        StoreError::Reentrant { .. } => Fault::usage(format!(
            "this run holds the lock already, and it cannot be taken twice: call state.unlock(\"{}\") first",
            crate::escape::escape(request.name.as_bytes())
        )),
        other => other.into(),
    }
}
