//! Reading, writing and listing entries.

use mlua::{MultiValue, Value as LuaValue};

use crate::lua::call::{Call, Native, duration, positive};
use crate::lua::convert::double;
use crate::lua::error::CallError;
use crate::lua::host_function::{CallTarget, HostFunction, Proof};
use crate::lua::object_text::name_of;
use crate::lua::recorded_value::RecordedValue;
use crate::lua::typed_read;
use crate::store::{
    Condition, ErrorKind, Expiry, Key, Operation, Outcome, PAGE, Pattern, Revision, Scan, Store, StoreError,
    Token, Transaction, all_locks, commit_in_batches, holder_in_words, key_pages,
};
use crate::text::escape::escape;

pub(in crate::lua) const GET: Native = Native::new(
    HostFunction::reads("state.get").defaults_to(1).before(|call| match call.result() {
        Some(RecordedValue::Nil) => Proof::Absent,
        Some(value) if *value == call.argument(1) => Proof::AbsentOr(value.clone()),
        Some(value) => Proof::Value(value.clone()),
        None => Proof::Unknown,
    }),
    get,
);
const EXISTS: Native = Native::new(
    HostFunction::reads("state.exists")
        .before(|call| if call.is_false() { Proof::Absent } else { Proof::Unknown }),
    exists,
);

pub(super) static FUNCTIONS: [Native; 9] = [
    GET,
    Native::new(
        HostFunction::writes("state.set")
            .changed_if(|call| !call.is_false())
            .after(|call| if call.is_true() { Proof::Value(call.argument(1)) } else { Proof::Unknown }),
        set,
    ),
    Native::new(HostFunction::writes("state.set_with_ttl"), set_with_ttl),
    Native::new(
        HostFunction::writes("state.delete")
            .changed_if(|call| !call.is_false())
            .before(|call| if call.is_false() { Proof::Absent } else { Proof::Unknown }),
        delete,
    ),
    EXISTS,
    EXISTS.alias("state.has", 3),
    Native::new(HostFunction::reads("state.keys").about(CallTarget::Entries), keys),
    Native::new(HostFunction::writes("state.clear").about(CallTarget::Entries), clear),
    Native::new(HostFunction::reads("state.stats").about(CallTarget::Statistics), stats),
];

/// `state.get(key[, default])`: the value as the reader means it, or the default, or nil. An integer beyond
/// 2^53 is an error, unless the reader means a text: then it is the text of its digits.
fn get(call: &Call) -> Result<MultiValue, CallError> {
    match call.context.store().get(&call.key()?)? {
        Some(entry) => call.answer_value(&typed_read::value(&entry, call.value(1), call.reading)),
        None => call.answer(call.value(1)),
    }
}

/// `state.set(key, value[, ttl | {ttl=, if_version=, lock=, token=}])`: true.
///
/// With `if_version` it writes only over that version, 0 being "no such key"; where there is another, it
/// answers false and the version found. With `lock` it writes only while this run holds that lock, or while
/// it is held under `token` if that is given; otherwise it is an error, so that a late write is not mistaken
/// for an unneeded one.
fn set(call: &Call) -> Result<MultiValue, CallError> {
    let key = call.key()?;
    let value = call.stored(1)?;
    let options = SetOptions::read(call)?;
    let mut transaction = Transaction::put(key.clone(), value, options.expiry);
    if let Some((name, token)) = &options.lock {
        transaction = transaction.when(Condition::HoldsLock(name.clone(), *token));
    }
    if let Some(version) = options.if_version {
        transaction = transaction.when(Condition::AtVersion(key, version));
    }
    match call.context.store().commit(&transaction)? {
        Outcome::Committed { .. } => call.answer(true),
        Outcome::Refused { condition, found, .. } => match &transaction.conditions[condition] {
            Condition::HoldsLock(name, token) => {
                Err(explain_refused_lock(&*call.context.store(), name, *token)?)
            }
            _ => call.answer((false, found.map_or(0, |entry| entry.version))),
        },
    }
}

/// The error of a write under a lock that is not held under that token, with who holds it now.
pub(super) fn explain_refused_lock(
    store: &dyn Store,
    name: &str,
    token: Token,
) -> Result<CallError, StoreError> {
    let found = store.lock(name)?;
    let now = holder_in_words(found.as_ref(), store.clock().now());
    Ok(StoreError::from(ErrorKind::LockLost { name: escape(name.as_bytes()), token, now }).into())
}

/// The options in the third argument of `state.set`.
#[derive(Default)]
struct SetOptions {
    expiry: Expiry,
    if_version: Option<u64>,
    lock: Option<(String, Token)>,
}

impl SetOptions {
    fn read(call: &Call) -> Result<SetOptions, CallError> {
        let mut options = SetOptions::default();
        match call.value(2) {
            LuaValue::Nil => {}
            LuaValue::Table(table) => {
                for pair in table.pairs::<LuaValue, LuaValue>() {
                    let (name, value) = pair?;
                    options.set(&name_of(&name)?, &value)?;
                }
                options.lock = lock_option(call, table)?;
            }
            seconds => options.expiry = expiry(seconds)?,
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &LuaValue) -> Result<(), CallError> {
        match (name, value) {
            ("ttl", seconds) => self.expiry = expiry(seconds)?,
            ("if_version", LuaValue::Integer(version)) if *version >= 0 => {
                self.if_version = Some(version.unsigned_abs());
            }
            ("if_version", _) => {
                return Err(CallError::usage("if_version must be a whole number, 0 for \"no such key\""));
            }
            // These two are one option: they are read together.
            ("lock" | "token", _) => {}
            // Sloth Runner asks for it; here every write is atomic.
            ("atomic", LuaValue::Boolean(_)) => {}
            ("atomic", _) => return Err(CallError::usage("atomic must be true or false")),
            (other, _) => {
                let known = "there are ttl, if_version, lock, token and atomic";
                return Err(CallError::usage(format!("unknown option {other}: {known}")));
            }
        }
        Ok(())
    }
}

/// The lock to write under, with the token that is given, or the one of this run.
fn lock_option(call: &Call, table: &mlua::Table) -> Result<Option<(String, Token)>, CallError> {
    let token = match table.get::<LuaValue>("token")? {
        LuaValue::Nil => None,
        LuaValue::Integer(token) => Some(Token(Revision(token))),
        LuaValue::Number(token) if token.fract() == 0.0 => Some(Token(Revision(token as i64))),
        _ => return Err(CallError::usage("token must be the whole number that state.lock answered")),
    };
    let name = match table.get::<LuaValue>("lock")? {
        LuaValue::Nil if token.is_none() => return Ok(None),
        LuaValue::Nil => return Err(CallError::usage("token needs lock, the name of the lock it is of")),
        LuaValue::String(name) => name.to_str()?.to_string(),
        other => return Err(CallError::unfit("lock", "the name of a lock", &other)),
    };
    if let Some(token) = token.or_else(|| call.context.locks.token(&name, None)) {
        return Ok(Some((name, token)));
    }
    let store = call.context.store();
    let now = holder_in_words(store.lock(&name)?.as_ref(), store.clock().now());
    Err(CallError::usage(format!(
        "this run does not hold lock {}: {now}; nothing was written",
        escape(name.as_bytes())
    )))
}

fn expiry(seconds: &LuaValue) -> Result<Expiry, CallError> {
    let number = double(seconds).ok_or_else(|| CallError::unfit("ttl", "a number of seconds", seconds))?;
    let time = duration(number);
    let time =
        time.ok_or_else(|| CallError::usage(format!("ttl is {number}, which is no length of time")))?;
    positive(time, "ttl").map(Expiry::After)
}

/// `state.set_with_ttl(key, value, seconds)`: true.
fn set_with_ttl(call: &Call) -> Result<MultiValue, CallError> {
    let key = call.key()?;
    let value = call.stored(1)?;
    let expiry = Expiry::After(call.positive_seconds(2, "ttl")?);
    call.context.store().commit(&Transaction::put(key, value, expiry))?;
    call.answer(true)
}

/// `state.delete(key)`: whether it existed.
fn delete(call: &Call) -> Result<MultiValue, CallError> {
    let outcome = call.context.store().commit(&Transaction::delete(call.key()?))?;
    call.answer(matches!(outcome, Outcome::Committed { changed, .. } if changed > 0))
}

fn exists(call: &Call) -> Result<MultiValue, CallError> {
    let found = call.context.store().get_prefix(&call.key()?, 0)?;
    call.answer(found.is_some())
}

/// `state.keys([glob or prefix])`: a sorted array. Keys that are not UTF-8 cannot be named by a script and
/// are left out.
fn keys(call: &Call) -> Result<MultiValue, CallError> {
    let pattern = call.pattern(0)?;
    let table = call.lua.create_table()?;
    each_key(call, &pattern, |keys| {
        for key in keys {
            if let Some(text) = key.as_str() {
                table.raw_push(text)?;
            }
        }
        Ok(())
    })?;
    call.answer(table)
}

/// `state.clear([glob])`: the number of deleted entries. Deletes the keys that `state.keys` lists for the
/// same pattern; all without one.
fn clear(call: &Call) -> Result<MultiValue, CallError> {
    let pattern = call.pattern(0)?;
    if call.optional_text(0, "pattern")?.as_deref() == Some("") {
        return Err(CallError::usage("the pattern is empty; to remove every entry call state.clear()"));
    }
    let store = call.context.store();
    if let Some(range) = pattern.whole_range() {
        match store.commit(&Transaction::of(Operation::DeleteRange(range))) {
            // Entries that do not fit one transaction are deleted in several.
            Err(error) if error.is_too_much_together() => {}
            Ok(Outcome::Committed { changed, .. }) => return call.answer(changed),
            Ok(Outcome::Refused { .. }) => return call.answer(0),
            Err(error) => return Err(error.into()),
        }
    }
    let mut operations = Vec::new();
    each_key(call, &pattern, |keys| {
        operations.extend(keys.iter().cloned().map(Operation::Delete));
        Ok(())
    })?;
    call.answer(commit_in_batches(&*store, operations)?)
}

/// Calls `work` with the keys that match, a page at a time.
pub(super) fn each_key(
    call: &Call,
    pattern: &Pattern,
    mut work: impl FnMut(&[Key]) -> Result<(), CallError>,
) -> Result<(), CallError> {
    let store = call.context.store();
    for page in key_pages(&*store, Scan::new(pattern.range(), PAGE)) {
        let page = page?;
        let is_full = page.len() == PAGE;
        let fitting: Vec<Key> = page.into_iter().filter(|key| pattern.matches(key)).collect();
        work(&fitting)?;
        if is_full {
            call.pause(std::time::Duration::ZERO)?;
        }
    }
    Ok(())
}

/// `state.stats()`: figures about the database.
fn stats(call: &Call) -> Result<MultiValue, CallError> {
    let store = call.context.store();
    let stats = store.stats()?;
    let now = store.clock().now();
    let active_locks = all_locks(&*store)?.iter().filter(|lock| !lock.is_expired(now)).count();
    let table = call.lua.create_table()?;
    table.raw_set("entries", stats.entries)?;
    table.raw_set("expiring", stats.expiring)?;
    table.raw_set("locks", stats.locks)?;
    table.raw_set("history", stats.history)?;
    table.raw_set("revision", stats.revision.0)?;
    table.raw_set("bytes", stats.bytes)?;
    table.raw_set("free_bytes", stats.free_bytes)?;
    table.raw_set("log_bytes", stats.log_bytes)?;
    table.raw_set("engine", stats.engine)?;
    // The names that Sloth Runner has for them. An entry that has expired is not there for any script.
    table.raw_set("total_keys", stats.entries)?;
    table.raw_set("expired_keys", 0)?;
    table.raw_set("active_locks", active_locks)?;
    table.raw_set("db_size_bytes", stats.bytes)?;
    table.raw_set("db_path", stats.location.as_str())?;
    table.raw_set("location", stats.location)?;
    call.answer(table)
}
