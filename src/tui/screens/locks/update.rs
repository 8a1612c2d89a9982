//! Clearing a lock: the question that is asked before.

use crate::store::secret_keys::MASK;
use crate::store::{Entry, Liveness, LockReading, kind_inference};
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::Confirm;
use crate::tui::effect::Effect;
use crate::tui::list::LockRow;
use crate::tui::widgets::format;
use crate::tui::write::{Write, WriteKind};

/// Asks whether a lock is to be cleared.
pub fn clear_lock(row: &LockRow, now: Millis) -> Confirm {
    let lock = &row.lock;
    let (name, holder) = (escape(lock.name.as_bytes()), escape(lock.holder.as_bytes()));
    let held = lock.acquired_at.map_or(String::new(), |at| format!(" for {}", format::span(now.since(at))));
    let state = match row.liveness {
        Liveness::Alive => "THE HOLDER IS ALIVE: it goes on until it notices that the lock is lost.",
        Liveness::Stopped => "The holder is STOPPED: it goes on with the lock when it is continued.",
        Liveness::Dead => "The holder is dead: that process has ended.",
        Liveness::Elsewhere => "The holder is on another host or in another container, and may be ALIVE.",
        Liveness::Unknown if lock.reading == LockReading::Unreadable => {
            "Whether anybody holds it is not known; if so, the holder may be ALIVE."
        }
        Liveness::Unknown if lock.process.is_none() => {
            "It is another program's lock; its holder may be ALIVE."
        }
        Liveness::Unknown => "The holder cannot be seen from here, and may be ALIVE.",
    };
    let mut lines = vec![format!("Clear lock {name}? {holder} has held it{held}."), state.into()];
    if lock.is_expired(now) {
        lines.push("Its lease has expired: anybody may take it.".into());
    }
    if let Some((next, _)) = row.waiting.first() {
        lines.push(format!("{} waits for it and gets it next.", escape(next.as_bytes())));
    }
    let done = format!("cleared lock {name}, held by {holder}");
    let what = match &row.stack {
        Some(stack) => WriteKind::ClearStackLock(stack.clone()),
        None => WriteKind::ClearLock(Box::new(lock.clone())),
    };
    Confirm::new(lines, Effect::Write(Write { what, done }))
}

/// Asks whether a key that is used as a lock is to be deleted.
pub fn clear_key(app: &App, entry: &Entry, now: Millis) -> Confirm {
    let holder = match app.hides(&entry.key) {
        true => MASK.into(),
        false => escape(kind_inference::holder_in(entry).as_bytes()),
    };
    let held = entry.modified_at.map_or(String::new(), |at| format!(" for {}", format::span(now.since(at))));
    let lines = vec![
        format!("Delete {}, used as a lock? {holder} has held it{held}.", entry.key),
        "Whether the holder is alive cannot be told from a key.".into(),
    ];
    Confirm::new(lines, Effect::Write(Write::delete(entry.clone())))
}
