//! A cell of the list: what is common to the columns of all views.

use std::ops::Range;

use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

use crate::store::{Entry, Key, Subject};
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list::row::DATABASE;
use crate::tui::list::{Row, RowOrder};
use crate::tui::theme::Theme;
use crate::tui::widgets::format;

/// One column of one row: how it is drawn.
pub struct Cell<'a> {
    pub app: &'a App,
    pub width: usize,
    pub style: Style,
    /// Whether the row stands out.
    pub stands_out: bool,
    pub now: Millis,
    /// Whether the key differs from another one of the list only in its Unicode normal form.
    pub is_twin: bool,
}

/// What is drawn in a cell.
pub type Drawn = Vec<Span<'static>>;

impl Cell<'_> {
    /// On a row that stands out, colours of single cells would be hard to read.
    pub fn tone(&self, tone: Style) -> Style {
        if self.stands_out { self.style } else { Theme::over(self.style, tone) }
    }

    /// Words of our own, in a colour.
    pub fn text(&self, text: impl AsRef<str>, tone: Style) -> Drawn {
        vec![Span::styled(format::fit(text.as_ref(), self.width), self.tone(tone))]
    }

    /// Words that matter less.
    pub fn faint(&self, text: impl AsRef<str>) -> Drawn {
        self.text(text, self.app.settings.theme.faint)
    }

    /// Nothing to be shown.
    pub fn none(&self) -> Drawn {
        self.faint("-")
    }

    /// Data, with the ranges of its bytes that the filter matched.
    pub fn bytes(&self, bytes: &[u8], matched: &[Range<usize>]) -> Drawn {
        self.bytes_in(bytes, self.width, self.style, matched)
    }

    /// Data in a part of the cell.
    pub fn bytes_in(&self, bytes: &[u8], width: usize, style: Style, matched: &[Range<usize>]) -> Drawn {
        let theme = &self.app.settings.theme;
        let over = |tone| if self.stands_out { self.style } else { Theme::over(style, tone) };
        let (escaped, match_style) = (over(theme.escaped), over(theme.matched));
        format::spans(bytes, width, style, escaped, match_style, matched)
    }

    /// The colour of a time that is about to come.
    pub fn urgency(&self, until: Option<Millis>) -> Style {
        let theme = &self.app.settings.theme;
        match until {
            Some(until) if until.since(self.now).as_secs() < 10 => theme.bad,
            Some(until) if until.since(self.now).as_secs() < 60 => theme.warning,
            Some(_) => theme.text,
            None => theme.faint,
        }
    }
}

/// A name that the filter looks at.
fn named(cell: &Cell<'_>, name: &[u8]) -> Drawn {
    let ranges = std::str::from_utf8(name)
        .map(|name| cell.app.shown_list().filter_line.filter().matches_in(name))
        .unwrap_or_default();
    cell.bytes(name, &ranges)
}

/// A name in a tree: what it is in is not written again.
fn indented(cell: &Cell<'_>, row: &Row, mark: &str, key: &Key) -> Drawn {
    let (around, depth) = cell.app.list.tree.around(&row.id());
    let before = format::cut(&format!("{}{mark}", "  ".repeat(depth)), cell.width);
    let room = cell.width.saturating_sub(before.width());
    let mut drawn = vec![Span::styled(before, cell.tone(cell.app.settings.theme.label))];
    let rest = &key.as_bytes()[around.map_or(0, |group| group.as_bytes().len())..];
    // A key may be the very text that others begin with.
    let name = if rest.is_empty() { key.as_bytes() } else { rest };
    drawn.extend(cell.bytes_in(name, room, cell.style, &[]));
    drawn
}

/// What the row is of.
pub fn name(cell: &Cell<'_>, row: &Row) -> Drawn {
    if cell.is_twin {
        let mut drawn = vec![Span::styled(
            format::fit("≈", 1.min(cell.width)),
            cell.tone(cell.app.settings.theme.warning),
        )];
        drawn.extend(name(&Cell { width: cell.width.saturating_sub(1), is_twin: false, ..*cell }, row));
        return drawn;
    }
    match row {
        Row::Entry(entry) if cell.app.list.order() == RowOrder::Tree => indented(cell, row, "  ", &entry.key),
        Row::Group(group) => {
            let is_open = cell.app.list.tree.open.contains(&group.prefix);
            indented(cell, row, if is_open { "▾ " } else { "▸ " }, &group.prefix)
        }
        Row::Entry(entry) => named(cell, entry.key.as_bytes()),
        Row::Lock(row) => named(cell, row.lock.name.as_bytes()),
        Row::Change(change) if change.subject == Subject::Database => cell.faint(DATABASE),
        Row::Change(change) => named(cell, change.key.as_bytes()),
        Row::Run(row) => named(cell, row.run.new.workflow.as_bytes()),
        Row::Diff(row) => named(cell, row.key.as_bytes()),
    }
}

pub fn value(cell: &Cell<'_>, row: &Row) -> Drawn {
    entry(cell, row, |entry| cell.bytes(beginning(&entry.stored, cell.width), &[]))
}

/// As much of a value as a cell could show.
pub fn beginning(stored: &[u8], width: usize) -> &[u8] {
    &stored[..stored.len().min(width * 4)]
}

/// How long it lasts.
pub fn left(cell: &Cell<'_>, row: &Row) -> Drawn {
    cell.text(format::left(row.expires_at(), cell.now), cell.urgency(row.expires_at()))
}

/// How long ago it was changed.
pub fn age(cell: &Cell<'_>, row: &Row) -> Drawn {
    cell.faint(format::age(row.changed_at(), cell.now))
}

pub fn actor(cell: &Cell<'_>, row: &Row) -> Drawn {
    let actor = match row {
        Row::Entry(entry) => entry.actor.as_ref(),
        Row::Lock(row) => row.lock.actor.as_ref(),
        Row::Change(change) => Some(&change.actor),
        Row::Group(_) | Row::Diff(_) => None,
        Row::Run(row) => Some(&row.run.actor),
    };
    cell.faint(actor.map_or_else(|| "-".into(), |actor| escape(actor.to_string().as_bytes())))
}

/// What is to be said of an entry; nothing of any other row.
pub fn entry(cell: &Cell<'_>, row: &Row, draw: impl FnOnce(&Entry) -> Drawn) -> Drawn {
    match row.entry() {
        Some(entry) => draw(entry),
        None => cell.none(),
    }
}
