//! Why a lock is no longer held, as far as history tells.

use std::ops::Bound;

use crate::store::{
    EXTERNAL, HistoryScan, Key, Lock, LockReading, PAGE, Store, Subject, Token, change_pages,
};
use crate::text::escape::escape;

/// Why the lock of that name is no longer held under `token`, and who holds it now; escaped. `None` if it
/// still is there under that token, or nothing can be found out.
pub fn why_lost(store: &dyn Store, name: &str, token: Token) -> Option<String> {
    let found = store.lock(name).ok()?;
    let now = store.clock().now();
    if let Some(lock) = &found
        && lock.token == token
    {
        return lock.is_expired(now).then(|| "its lease ran out".into());
    }
    let is_held = |lock: &Lock| !lock.is_expired(now) && lock.reading != LockReading::Unreadable;
    let holder = found.filter(is_held).map(|lock| escape(lock.holder.as_bytes()));
    match (who_removed(store, name, token), holder) {
        (Some(how), Some(holder)) => Some(format!("{how}, and {holder} holds it now")),
        (Some(how), None) => Some(how),
        (None, Some(holder)) => Some(format!("{holder} holds it now")),
        (None, None) => None,
    }
}

/// How the lock that was acquired under `token` came to its end, as far as history tells.
fn who_removed(store: &dyn Store, name: &str, token: Token) -> Option<String> {
    let scan = HistoryScan {
        key: Some(Key::new(name).ok()?),
        subject: Some(Subject::Lock),
        from: Bound::Excluded(token.0),
        value_limit: 0,
        ..HistoryScan::newest(PAGE)
    };
    let mut first = None;
    for page in change_pages(store, scan) {
        first = page.ok()?.into_iter().rfind(|change| change.old.is_some()).or(first);
    }
    let change = first?;
    let actor = escape(change.actor.to_string().as_bytes());
    Some(match change.operation.as_str() {
        "expire" => "its lease ran out".into(),
        _ if change.actor.name == EXTERNAL && change.new.is_some() => "another program took it".into(),
        _ if change.actor.name == EXTERNAL => "another program removed it".into(),
        "steal" => format!("{actor} cleared it"),
        _ => format!("{actor} removed it"),
    })
}
