//! Locks between processes.

use std::time::Duration;

use mlua::{MultiValue, Value as LuaValue};

use crate::lua::Stop;
use crate::lua::call::{Call, Native, duration, positive, stopped};
use crate::lua::error::{CallError, raised, stop_in};
use crate::lua::host_function::{CallTarget, CallbackKind, HostFunction};
use crate::lua::object_text::name_of;
use crate::store::{AcquireOutcome, ErrorKind, Lock, LockRequest, StoreError, WaitOutcome, wait_for_lock};
use crate::time::BootInstant;

pub(super) static FUNCTIONS: [Native; 5] = [
    Native::new(changes_lock("state.lock").changed_if(|call| !call.is_false()), lock),
    Native::new(changes_lock("state.try_lock").changed_if(|call| !call.is_false()), try_lock),
    Native::new(changes_lock("state.unlock"), unlock),
    Native::new(changes_lock("state.with_lock").returns(CallbackKind::Protected), with_lock),
    Native::new(HostFunction::reads("state.is_locked").about(CallTarget::Lock).since(3), is_locked),
];

const fn changes_lock(name: &'static str) -> HostFunction {
    HostFunction::writes(name).about(CallTarget::Lock)
}

/// The default lease of a lock; it is renewed while the run lives.
const DEFAULT_LEASE: Duration = Duration::from_secs(30);
/// The default time to wait for a lock: longer than the lease, so that a dead process's lock is acquired in
/// the end.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a lock is waited for, and its lease.
struct LockTimes {
    wait: Duration,
    lease: Duration,
}

impl LockTimes {
    /// Reads the argument at `index`: the seconds to wait, or `{wait=, lease=}`; nil means the defaults.
    fn read(call: &Call, index: usize) -> Result<LockTimes, CallError> {
        let mut times = LockTimes { wait: DEFAULT_TIMEOUT, lease: DEFAULT_LEASE };
        match call.value(index) {
            LuaValue::Nil => {}
            LuaValue::Table(options) => {
                for pair in options.pairs::<LuaValue, LuaValue>() {
                    let (name, value) = pair?;
                    match name_of(&name)?.as_str() {
                        "wait" => times.wait = seconds(&value, "wait")?,
                        "lease" => times.lease = positive(seconds(&value, "lease")?, "lease")?,
                        other => {
                            let other = crate::text::escape::escape(other.as_bytes());
                            return Err(CallError::usage(format!(
                                "unknown option {other}: there are wait and lease"
                            )));
                        }
                    }
                }
            }
            _ => times.wait = call.seconds(index, "time to wait")?,
        }
        Ok(times)
    }
}

fn seconds(value: &LuaValue, name: &str) -> Result<Duration, CallError> {
    let number = match value {
        LuaValue::Integer(integer) => Some(*integer as f64),
        LuaValue::Number(number) => Some(*number),
        _ => None,
    };
    number
        .and_then(duration)
        .ok_or_else(|| CallError::usage(format!("{name} must be a number of seconds, 0 or more")))
}

/// `state.lock(name[, holder][, seconds | {wait=, lease=}])`: true and the token under which it is held
/// now; or false and who holds it. The seconds are the time to wait. A holder of nil is this run.
fn lock(call: &Call) -> Result<MultiValue, CallError> {
    let (holder, times) = match call.value(1) {
        LuaValue::String(_) => (Some(call.text(1, "holder")?), 2),
        LuaValue::Nil => (None, 2),
        _ => (None, 1),
    };
    match acquire(call, holder, &LockTimes::read(call, times)?)? {
        Ok(lock) => call.answer((true, lock.token.0.0)),
        Err(holder) => call.answer((false, holder.map(|lock| lock.holder))),
    }
}

/// `state.is_locked(name)`: whether it is held, and the name of the holder.
fn is_locked(call: &Call) -> Result<MultiValue, CallError> {
    let name = call.text(0, "name")?;
    let store = call.context.store();
    let now = store.clock().now();
    match store.lock(&name)?.filter(|lock| !lock.is_expired(now)) {
        Some(lock) => call.answer((true, lock.holder)),
        None => call.answer(false),
    }
}

/// `state.try_lock(name[, seconds | {lease=}])`: whether it is held now, with a lease of that many seconds;
/// if so, also its token.
fn try_lock(call: &Call) -> Result<MultiValue, CallError> {
    outside_transaction(call)?;
    let lease = match call.value(1) {
        LuaValue::Nil => DEFAULT_LEASE,
        LuaValue::Table(options) => {
            if options.contains_key("wait")? {
                return Err(CallError::usage("try_lock does not wait; call state.lock"));
            }
            LockTimes::read(call, 1)?.lease
        }
        _ => call.positive_seconds(1, "ttl")?,
    };
    let request = request(call, None, lease)?;
    let requested_at = BootInstant::now();
    let acquired =
        call.context.store().acquire(&request, None).map_err(|error| reentrant(error, &request))?;
    match acquired {
        AcquireOutcome::Acquired(lock) => {
            call.context.locks.keep(&lock, lease, requested_at);
            call.answer((true, lock.token.0.0))
        }
        AcquireOutcome::Held(_) | AcquireOutcome::Queued => call.answer(false),
    }
}

/// `state.unlock(name[, holder])`: whether this run held it. Locks of others are not touched.
fn unlock(call: &Call) -> Result<MultiValue, CallError> {
    outside_transaction(call)?;
    let name = call.text(0, "name")?;
    let holder = call.optional_text(1, "holder")?;
    let held = call.context.locks.token(&name, holder.as_deref());
    let released = call.context.locks.release(&name, holder.as_deref())?;
    if held.is_some() {
        call.context.scope.unfence(&name);
    }
    call.answer(released)
}

/// The inner half of `state.with_lock(name[, holder], fn[, seconds | {wait=, lease=}])` and of
/// `state.with_lock(name[, holder], seconds | {wait=, lease=}, fn)`: calls the function under the lock, and
/// returns what Lua's own `pcall` does. The seconds are the time to wait.
///
/// Until it returns, every write of this run is refused unless the lock is still held. If the lock is lost
/// meanwhile, the function is ended and this call fails.
fn with_lock(call: &Call) -> Result<MultiValue, CallError> {
    let is_function = |index: usize| matches!(call.value(index), LuaValue::Function(_));
    let holder = match call.value(1) {
        LuaValue::String(_) => Some(call.text(1, "holder")?),
        _ => None,
    };
    // The function and the times come in either order, with or without a holder in front.
    let (function, times) = match (1..4).find(|index| is_function(*index)) {
        Some(1) => (1, 2),
        Some(2) if holder.is_some() || call.is_nil(1) && !call.is_nil(3) => (2, 3),
        Some(2) => (2, 1),
        Some(3) => (3, 2),
        _ => (if holder.is_some() { 3 } else { 1 }, 2),
    };
    let function = call.function(function, "function")?;
    let times = LockTimes::read(call, times)?;
    match acquire(call, holder, &times)? {
        Ok(lock) => {
            let _fenced = call.context.scope.fence(&lock.name, lock.token);
            let done = call.protected(function);
            let released = call.context.locks.release(&lock.name, None);
            if let Some(lost) = call.context.limits.lost(&lock.name) {
                return Err(lost_while(&lost.reason, &done));
            }
            released?;
            done
        }
        Err(holder) => {
            let waited = humantime::format_duration(times.wait);
            let holder = holder.map_or_else(String::new, |lock| {
                format!(": {} holds it", crate::text::escape::escape(lock.holder.as_bytes()))
            });
            Err(CallError::usage(format!("the lock was not free within {waited}{holder}")))
        }
    }
}

/// The error of a call whose lock was lost while its function ran, with the error that the function raised
/// itself.
fn lost_while(reason: &str, done: &Result<MultiValue, CallError>) -> CallError {
    let raised = done.as_ref().ok().and_then(|values| match (values.front(), values.get(1)) {
        (Some(LuaValue::Boolean(false)), Some(LuaValue::Error(error))) if stop_in(error).is_some() => None,
        (Some(LuaValue::Boolean(false)), Some(value)) => Some(raised(value)),
        _ => None,
    });
    let raised = raised.map_or_else(String::new, |text| format!("; its function raised: {text}"));
    CallError::LockLost(format!("{reason}{raised}"))
}

/// Waits for the lock named by the first argument; returns the conflicting lock after the timeout.
fn acquire(
    call: &Call,
    holder: Option<String>,
    times: &LockTimes,
) -> Result<Result<Lock, Option<Lock>>, CallError> {
    outside_transaction(call)?;
    let request = request(call, holder, times.lease)?;
    let limits = &call.context.limits;
    let mut stop: Option<Stop> = None;
    let mut requested_at = BootInstant::now();
    let mut pause = |time: Duration| {
        stop = limits.pause(time).err();
        requested_at = BootInstant::now();
        stop.is_none()
    };
    let waited = wait_for_lock(&*call.context.store(), &request, times.wait, &mut pause);
    match waited.map_err(|error| reentrant(error, &request))? {
        WaitOutcome::Acquired(lock) => {
            call.context.locks.keep(&lock, times.lease, requested_at);
            Ok(Ok(lock))
        }
        WaitOutcome::TimedOut(holder) => Ok(Err(holder)),
        WaitOutcome::Cancelled => match stop {
            Some(stop) => Err(stopped(stop)),
            None => Ok(Err(None)),
        },
    }
}

/// A transaction may run more than once, and its changes of a lock cannot be undone.
pub(super) fn outside_transaction(call: &Call) -> Result<(), CallError> {
    match call.context.scope.overlay() {
        None => Ok(()),
        Some(_) => Err(CallError::usage(
            "inside state.transaction, whose function may run more than once: take the lock around the transaction",
        )),
    }
}

fn request(call: &Call, holder: Option<String>, lease: Duration) -> Result<LockRequest, CallError> {
    let name = call.text(0, "name")?;
    if name.is_empty() {
        return Err(StoreError::from(ErrorKind::EmptyLockName).into());
    }
    let holder = holder.unwrap_or_else(|| call.context.holder.clone());
    Ok(LockRequest { name, holder, lease })
}

/// In a script it is always this run that holds the lock already.
fn reentrant(error: StoreError, request: &LockRequest) -> CallError {
    match error {
        StoreError { kind: ErrorKind::Reentrant { .. }, .. } => CallError::usage(format!(
            "this run holds the lock already, and it cannot be taken twice: call state.unlock(\"{}\") first",
            crate::text::escape::escape(request.name.as_bytes())
        )),
        other => other.into(),
    }
}
