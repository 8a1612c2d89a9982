//! A change that was refused: what it was to make of an entry, and what somebody else has made of it.

use ratatui::Frame;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::store::Expiry;
use crate::store::secret_keys::MASK;
use crate::text::escape::{escape, escape_data};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialogs::conflict::state::Conflict;
use crate::tui::widgets::dialog_frame::{KeyHint, boxed, database, is_bare, room};
use crate::tui::widgets::format;
use crate::tui::widgets::line::wrapped;
use crate::tui::widgets::text_diff::{DiffHunk, DiffSegment};

const WIDTH: usize = 100;
/// The most rows that one line of a value takes.
const ROWS: usize = 4;
/// How many columns of what is the same are left beside what differs, where a line is too long.
const CONTEXT: usize = 12;

/// Draws it. However small the screen is, both values and the keys are on it.
pub fn draw(app: &App, conflict: &Conflict, now: Millis, frame: &mut Frame<'_>) {
    let answers = answers(app, conflict);
    let (width, height) = room(app.size, WIDTH, answers);
    let about = about(app, conflict, now, width);
    let room = height.saturating_sub(about.len()).max(height.min(2));
    let mut lines = values(app, conflict, now, width, room);
    lines.extend(about);
    lines.truncate(height);
    let key = conflict.key().map_or_else(String::new, ToString::to_string);
    let title = if is_bare(app.size) { key } else { "Changed by somebody else".into() };
    boxed(app, &title, lines, answers, 0, frame);
}

fn answers(app: &App, conflict: &Conflict) -> &'static [KeyHint] {
    let is_bare = is_bare(app.size);
    match (conflict.mine(), &conflict.found.theirs, conflict.draft()) {
        (Some(_), Some(_), Some(_)) if is_bare => &[("o", "yours"), ("e", "edit"), ("esc", "theirs")],
        (Some(_), Some(_), Some(_)) => {
            &[("o", "write yours over it"), ("e", "edit again"), ("esc", "keep theirs")]
        }
        (Some(_), Some(_), None) => &[("o", "write yours over it"), ("esc", "keep theirs")],
        (Some(_), None, _) if is_bare => &[("o", "yours"), ("esc", "gone")],
        (Some(_), None, _) => &[("o", "write yours all the same"), ("esc", "leave it gone")],
        (None, Some(_), Some(_)) if is_bare => &[("o", "do it"), ("e", "edit"), ("esc", "leave it")],
        (None, Some(_), Some(_)) => &[("o", "do it all the same"), ("e", "edit again"), ("esc", "leave it")],
        (None, Some(_), None) if is_bare => &[("o", "do it"), ("esc", "leave it")],
        (None, Some(_), None) => &[("o", "do it all the same"), ("esc", "leave it")],
        (None, None, _) => &[("esc", "close")],
    }
}

/// What is to be known beside the values: types and expiries that differ, who and when, and that
/// nothing was written.
fn about(app: &App, conflict: &Conflict, now: Millis, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let field = |name: &str, text: String| field(app, name, text, width);
    if let Some(theirs) = &conflict.found.theirs {
        let types = conflict.mine().map(|mine| mine.value_type()).zip(conflict.found.their_type);
        if let Some((mine, present)) = types.filter(|(mine, present)| mine != present) {
            lines.extend(field("type", format!("yours a {mine}, now a {present}")));
        }
        let present = match theirs.expires_at {
            Some(_) => format!("in {}", format::left(theirs.expires_at, now)),
            None => "never".into(),
        };
        let wanted = conflict.expiry().map(|expiry| lasts(expiry, now));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != present) {
            lines.extend(field("expiry", format!("yours {wanted}, now {present}")));
        }
        let by = theirs.actor.as_ref().map(|actor| escape(actor.to_string().as_bytes()));
        let ago = theirs.modified_at.map(|at| format!("{} ago", format::span(now.since(at))));
        let changed: Vec<String> = by.into_iter().chain(ago).collect();
        if !changed.is_empty() {
            lines.extend(field("by", changed.join(", ")));
        }
    }
    if app.production().is_some() {
        lines.extend(database(app).iter().flat_map(|line| wrapped(line, width)));
    }
    let key = conflict.key().map_or_else(String::new, ToString::to_string);
    let text = format!("{key} was changed while you were at it. Nothing was written.");
    lines.extend(wrapped(&Line::styled(text, app.settings.theme.text), width));
    lines
}

/// How long an entry is to last.
fn lasts(expiry: Expiry, now: Millis) -> String {
    match expiry {
        Expiry::After(span) => format!("in {}", format::span(span)),
        Expiry::At(at) => format!("in {}", format::left(Some(at), now)),
        Expiry::Keep | Expiry::Clear => "never".into(),
    }
}

/// The column in which what is told begins.
fn indent(app: &App) -> usize {
    if is_bare(app.size) { 6 } else { 8 }
}

fn field(app: &App, name: &str, text: String, width: usize) -> Vec<Line<'static>> {
    let parts = vec![Span::styled(text, app.settings.theme.text)];
    labelled(app, name, Line::from(parts), width, ROWS)
}

/// A line after a label, on as many rows as it takes, up to `rows`.
fn labelled(app: &App, name: &str, line: Line<'static>, width: usize, rows: usize) -> Vec<Line<'static>> {
    let indent = indent(app).min(width);
    let mut lines = wrapped(&line, width - indent);
    lines.truncate(rows.max(1));
    for (place, line) in lines.iter_mut().enumerate() {
        let name = format::fit(if place == 0 { name } else { "" }, indent);
        line.spans.insert(0, Span::styled(name, app.settings.theme.label));
    }
    lines
}

/// Both values, or what was to be done and the value that is there, in no more than `room` rows.
fn values(app: &App, conflict: &Conflict, now: Millis, width: usize, room: usize) -> Vec<Line<'static>> {
    let each = (room / 2).clamp(1, ROWS);
    let told = |name: &str, text: String| {
        let line = Line::styled(text, app.settings.theme.text);
        labelled(app, name, line, width, each)
    };
    let theirs = match &conflict.found.theirs {
        None => "(it is gone)".into(),
        Some(entry) => app.value_in(entry, (width.saturating_sub(indent(app)) * each).max(1)),
    };
    let is_hidden = conflict.key().is_some_and(|key| app.hides(key));
    match (conflict.mine(), &conflict.found.theirs) {
        (Some(_), Some(_)) if is_hidden => {
            let same = conflict.found.difference.places.is_empty();
            let now = if same { "(the same value)".into() } else { theirs };
            [told("yours", MASK.into()), told("now", now)].concat()
        }
        (Some(_), None) if is_hidden => [told("yours", MASK.into()), told("now", theirs)].concat(),
        (Some(_), Some(_)) if !conflict.found.difference.places.is_empty() => {
            differing(app, conflict, width, room)
        }
        (Some(_), theirs_is) => {
            let shown = escape_data(&conflict.found.beginning);
            let shown = format::cut(&shown, (width.saturating_sub(indent(app)) * each).max(1));
            let same = if theirs_is.is_some() { "(the same value)".into() } else { theirs };
            [told("yours", shown), told("now", same)].concat()
        }
        (None, _) => {
            let mine = match conflict.expiry() {
                Some(expiry) => format!("expiry {}", lasts(expiry, now).trim_start_matches("in ")),
                None => "deleted".into(),
            };
            [told("yours", mine), told("now", theirs)].concat()
        }
    }
}

/// The lines that differ, of each place yours and what is there now. With less room less of what is
/// the same around them, then less of each, then fewer of them.
fn differing(app: &App, conflict: &Conflict, width: usize, room: usize) -> Vec<Line<'static>> {
    let places = &conflict.found.difference.places;
    // Where each line takes a row and there is not even room for that, nothing else needs to be tried.
    let count: usize = places.iter().map(|place| place.mine.len().max(1) + place.theirs.len().max(1)).sum();
    if count <= room {
        for rows in (1..=ROWS).rev() {
            let all = drawn(app, places, width, Outcomes { rows, each: usize::MAX, with_before: true });
            if all.len() <= room {
                return all;
            }
        }
        return drawn(app, places, width, Outcomes { rows: 1, each: usize::MAX, with_before: false });
    }
    // The first of them, and how many there are.
    let more = usize::from(room > 2).min(room);
    let each = ((room - more) / 2).max(1);
    // A place has two rows at least.
    let first = &places[..places.len().min(room)];
    let mut some = drawn(app, first, width, Outcomes { rows: 1, each, with_before: false });
    some.truncate(room - more);
    if more > 0 {
        let left = count - some.len();
        let text = format!("… and {} that differ", format::counted(left as u64, "more line"));
        some.push(Line::styled(format::cut(&text, width), app.settings.theme.faint));
    }
    some
}

/// How much is to be seen of places that differ.
#[derive(Clone, Copy)]
struct Outcomes {
    /// The most rows that one line takes.
    rows: usize,
    /// The most lines of each side.
    each: usize,
    /// Whether the line before each place is told too.
    with_before: bool,
}

fn drawn(app: &App, places: &[DiffHunk], width: usize, wanted: Outcomes) -> Vec<Line<'static>> {
    let Outcomes { rows, each, with_before } = wanted;
    let mut lines = Vec::new();
    for place in places {
        if let Some(before) = place.before.as_ref().filter(|_| with_before) {
            let text = format::cut(before, width.saturating_sub(indent(app)));
            lines.extend(labelled(app, "", Line::styled(text, app.settings.theme.faint), width, 1));
        }
        for (name, parts) in [("yours", &place.mine), ("now", &place.theirs)] {
            if parts.is_empty() {
                let line = Line::styled("(nothing)", app.settings.theme.faint);
                lines.extend(labelled(app, name, line, width, 1));
            }
            for (number, part) in parts.iter().take(each).enumerate() {
                let name = if number == 0 { name } else { "" };
                lines.extend(labelled(app, name, part_line(app, part, width, rows), width, rows));
            }
        }
    }
    lines
}

/// A line with what differs in it marked, that takes no more than `rows` rows.
fn part_line(app: &App, part: &DiffSegment, width: usize, rows: usize) -> Line<'static> {
    let wide = width.saturating_sub(indent(app)).max(1);
    // A line that is broken between words takes more room than it has columns.
    let shorter = (0..=2 * (rows - 1)).map(|halves| wide * rows - halves * wide / 2);
    let mut lines = shorter.map(|columns| cut_line(app, part, columns));
    let fitting = lines.find(|line| wrapped(line, wide).len() <= rows);
    fitting.unwrap_or_else(|| cut_line(app, part, wide))
}

/// The same in no more than `columns`: what is the same at its beginning is cut off first.
fn cut_line(app: &App, part: &DiffSegment, columns: usize) -> Line<'static> {
    let (start, end) = (part.differs.start, part.differs.end);
    let (before, differs, after) = (&part.text[..start], &part.text[start..end], &part.text[end..]);
    let mut before = before.to_string();
    if part.text.width() > columns {
        let context = CONTEXT.min(columns / 3);
        if before.width() > context {
            before = format!("…{}", tail(&before, context));
        }
    }
    let differs = format::cut(differs, columns.saturating_sub(before.width()));
    let after = format::cut(after, columns.saturating_sub(before.width() + differs.width()));
    let marked = app.settings.theme.text.patch(app.settings.theme.matched);
    Line::from(vec![
        Span::styled(before, app.settings.theme.text),
        Span::styled(differs, marked),
        Span::styled(after, app.settings.theme.text),
    ])
}

/// The end of a text in no more than `columns`.
fn tail(text: &str, columns: usize) -> String {
    let mut used = 0;
    let kept: Vec<&str> = text
        .graphemes(true)
        .rev()
        .take_while(|grapheme| {
            used += grapheme.width();
            used <= columns
        })
        .collect();
    kept.into_iter().rev().collect()
}
