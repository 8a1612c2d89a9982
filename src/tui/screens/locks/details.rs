//! The details of a lock.

use ratatui::text::Line;

use crate::store::{Liveness, LockReading};
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list::{LockRow, RowId};
use crate::tui::screens::history::recent_changes;
use crate::tui::screens::locks::columns::lock_state;
use crate::tui::widgets::fields::{field, prose};
use crate::tui::widgets::format;

/// How many of its last changes are shown.
const CHANGES: usize = 8;

pub fn lines(app: &App, row: &LockRow, now: Millis, width: usize) -> Vec<Line<'static>> {
    let theme = &app.settings.theme;
    let lock = &row.lock;
    let (state, tone) = lock_state(row, theme);
    let held = match lock.acquired_at {
        Some(at) => {
            format!("{}, since {}", format::span(now.since(at)), format::moment(at, app.settings.zone))
        }
        None => "unknown".into(),
    };
    let lease = match lock.expires_at {
        Some(at) if at > now => {
            let renewal = match row.liveness {
                Liveness::Alive => "renewed while the holder is alive",
                Liveness::Stopped => "not renewed while the holder is stopped",
                Liveness::Dead => "nobody renews it: the holder is dead",
                Liveness::Elsewhere | Liveness::Unknown => "unless its holder renews it",
            };
            format!("{} left, {renewal}", format::left(Some(at), now))
        }
        Some(at) => format!("ran out {} ago", format::span(now.since(at))),
        None if lock.is_expired(now) => "ran out".into(),
        None => "cannot be read".into(),
    };
    let process = match &lock.process {
        Some(process) => format!("pid {} on {}", process.pid, escape(process.host.as_bytes())),
        None if lock.reading == LockReading::Unreadable => "unknown".into(),
        None => "another program's".into(),
    };
    let mut lines = field(app, "lock", lock.name.as_bytes(), theme.title, width);
    lines.extend(field(app, "holder", lock.holder.as_bytes(), theme.text, width));
    lines.extend(field(app, "state", state.as_bytes(), tone, width));
    if let Some(stack) = &row.stack {
        lines.extend(field(app, "for", stack.operation.as_bytes(), theme.text, width));
        lines.extend(prose(app, "source", "Sloth Runner's stacks.db".into(), width));
        lines.extend(prose(app, "held for", held, width));
        lines.extend(prose(app, "lease", lease, width));
        return lines;
    }
    lines.extend(field(app, "process", process.as_bytes(), theme.text, width));
    if let Some(actor) = &lock.actor {
        lines.extend(field(app, "by", actor.to_string().as_bytes(), theme.text, width));
    }
    lines.extend(prose(app, "held for", held, width));
    lines.extend(prose(app, "lease", lease, width));
    lines.extend(field(app, "token", lock.token.to_string().as_bytes(), theme.text, width));
    for (place, (holder, since)) in row.waiting.iter().enumerate() {
        let name = if place == 0 { "waiting" } else { "" };
        let time = since.map_or(String::new(), |since| format!(" for {}", format::span(now.since(since))));
        let text = format!("{}{time}", escape(holder.as_bytes()));
        lines.extend(field(app, name, text.as_bytes(), theme.warning, width));
    }
    lines.extend(recent_changes::lines(app, &RowId::Lock(lock.name.clone()), now, width, CHANGES));
    lines
}
