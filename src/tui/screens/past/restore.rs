//! Asks whether entries are to be again what they were.

use crate::store::Entry;
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::bulk::{Bulk, BulkOperation};
use crate::tui::dialog::{Confirm, Dialog};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::list::{DiffKind, DiffRow};
use crate::tui::write::{Write, WriteKind};

/// How many of the entries that would be restored are named.
const EXAMPLES_MAX: usize = 5;

/// Asks whether what is marked, or under the cursor, is to be again what it was.
pub fn ask(app: &mut App, now: Millis) {
    if app.database.read_only {
        app.show_hint(app.why_read_only().to_string(), now);
        return;
    }
    let Some(past_view) = app.screen.past() else { return };
    let Some(place) = &past_view.place else { return };
    let mut marks = past_view.list.marks.clone();
    if let Some(row) = past_view.list.window.selected().filter(|_| marks.is_empty()) {
        marks.add(row);
    }
    let chosen = past_view.rows().filter(|row| marks.keys().contains_key(&row.key));
    let (same, chosen): (Vec<&DiffRow>, Vec<&DiffRow>) =
        chosen.partition(|row| row.difference() == DiffKind::None);
    same.iter().for_each(|row| marks.remove(&row.key));
    if marks.is_empty() {
        app.show_hint("there is nothing to restore: it is what it was", now);
        return;
    }
    let lines_of = |row: &&DiffRow| {
        let shown = |entry: &Option<Entry>, nothing: &str| {
            entry.as_ref().map_or_else(|| nothing.into(), |entry| app.value_in(entry, 40))
        };
        format!("  {}: {} → {}", row.key, shown(&row.now, "(not there)"), shown(&row.then, "(gone)"))
    };
    let count = marks.count();
    let deed = BulkOperation::Restore(place.moment);
    let mut lines = vec![deed.question(count)];
    lines.extend(chosen.iter().take(EXAMPLES_MAX).map(lines_of));
    // Of what is marked the list need not have any row in memory.
    let more = count.saturating_sub(lines.len() as u64 - 1);
    if more > 0 {
        lines.push(format!("  and {} more", thousands(more)));
    }
    let done = deed.done(count);
    let what = WriteKind::Bulk(app.next_request(), Box::new(Bulk { marks, deed }));
    app.focus = Focus::Dialog(Dialog::Confirm(Confirm::new(lines, Effect::Write(Write { what, done }))));
}
