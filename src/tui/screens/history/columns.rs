//! Every change of an entry or a lock, the newest first.

use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

use crate::store::{Change, Image, Subject};
use crate::tui::list::cell::beginning;
use crate::tui::list::columns::{column, share};
use crate::tui::list::{Cell, Drawn, Listing, Row, cell};
use crate::tui::theme::Theme;
use crate::tui::widgets::format;

pub const LISTING: Listing = Listing::new(
    &[
        column("AGO", 6, cell::age).stays(),
        column("WHAT", 9, operation).stays(),
        share("KEY", 3, cell::name).stays().subject(),
        share("BEFORE → AFTER", 3, change).least(18).stays(),
        share("BY", 2, cell::actor),
        column("REVISION", 8, revision),
    ],
    " no change is recorded yet: history begins with the first write of slothstate",
    |reader| reader.read_changes(),
);

/// The colour of what was done: what takes away, what takes by force, what adds.
pub fn tone(change: &Change, theme: &Theme) -> Style {
    match (change.operation.as_str(), &change.old, &change.new) {
        ("steal", ..) => theme.bad,
        (_, _, None) => theme.warning,
        (_, None, _) => theme.good,
        _ => theme.number,
    }
}

/// What was done in one word; whether it was taken back since.
fn operation(cell: &Cell<'_>, row: &Row) -> Drawn {
    let Row::Change(change) = row else { return cell.none() };
    let operation = crate::text::escape::escape(change.operation.as_bytes());
    let mark = if change.undone_by.is_some() { "↶" } else { "" };
    cell.text(format!("{mark}{operation}"), tone(change, &cell.app.settings.theme))
}

pub fn change(cell: &Cell<'_>, row: &Row) -> Drawn {
    const ARROW: &str = " → ";
    let Row::Change(change) = row else { return cell.none() };
    let theme = &cell.app.settings.theme;
    if change.subject == Subject::Lock && change.old == change.new {
        return cell.none();
    }
    if let (Subject::Database, Some(reason)) = (change.subject, &change.new) {
        return cell.bytes(&reason.stored, &[]);
    }
    let room = cell.width.saturating_sub(ARROW.chars().count());
    let same = match (&change.old, &change.new) {
        (Some(old), Some(new)) => format::same_beginning(&old.stored, &new.stored, room),
        _ => 0,
    };
    let mark = usize::from(same > 0);
    let room = room.saturating_sub(2 * mark);
    let (old, new) = (shown(change.old.as_ref(), same, room), shown(change.new.as_ref(), same, room));
    // The new value has at least half of the room, and all that the old one leaves.
    let wide = |image: &[u8]| crate::text::escape::escape_data(image).width();
    let before = wide(old).min(room.saturating_sub(wide(new)).max(room / 2));
    let faint = cell.tone(theme.faint);
    let cut = || Span::styled("…", faint);
    let mut drawn = Vec::new();
    drawn.extend((same > 0).then(cut));
    drawn.extend(cell.bytes_in(old, before, faint, &[]));
    drawn.push(Span::styled(ARROW, faint));
    drawn.extend((same > 0).then(cut));
    let style = if change.new.is_none() { faint } else { cell.style };
    drawn.extend(cell.bytes_in(new, room - before, style, &[]));
    drawn
}

fn shown(image: Option<&Image>, from: usize, width: usize) -> &[u8] {
    image.map_or("∅".as_bytes(), |image| beginning(&image.stored[from..], width))
}

fn revision(cell: &Cell<'_>, row: &Row) -> Drawn {
    let Row::Change(change) = row else { return cell.none() };
    cell.faint(format!("{:>width$}", change.revision.to_string(), width = cell.width))
}
