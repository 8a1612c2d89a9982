//! The form in which an entry is edited or added.

use ratatui::Frame;
use ratatui::text::{Line, Span};
use tui_input::Input;
use unicode_width::UnicodeWidthStr;

use crate::store::{Entry, Expiry};
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialogs::form::state::{Field, FieldError, Form};
use crate::tui::list::{Row, RowId};
use crate::tui::widgets::dialog_frame::{KeyHint, LINE, boxed, database, is_bare, place_cursor, room};
use crate::tui::widgets::format;
use crate::tui::widgets::line::{typed, typed_data, wrapped};

/// The column in which what is typed begins.
const LABEL: usize = 9;
/// How much of a value is shown that somebody else wrote meanwhile, in columns.
const VALUE: usize = 240;
/// How many lines there are for what is said about what is typed.
const SAID: usize = 2;

/// A line, and how much it matters: where not all of them have room, those with a greater number go.
struct Ranked(usize, Line<'static>);

pub fn draw(app: &App, form: &Form, now: Millis, frame: &mut Frame<'_>) {
    let keys = keys(app, form);
    let (width, height) = room(app.size, LINE, keys);
    let mut lines = Vec::new();
    let mut cursor = None;
    for field in form.fields() {
        let is_focus = *field == form.focus();
        let (line, column) = row(app, form, *field, now, width);
        if is_focus {
            cursor = column.map(|column| (lines.len(), column));
        }
        lines.push(Ranked(if is_focus { 0 } else { 3 }, line));
    }
    if let Some(text) = meanwhile(app, form, now) {
        let line = Line::styled(text, app.settings.theme.warning);
        lines.extend(wrapped(&line, width).into_iter().map(|line| Ranked(2, line)));
    }
    // Always as many lines, so that the rows stay where they are while something is typed.
    let (rank, said) = said(app, form, now);
    let mut said = wrapped(&said, width);
    said.resize(SAID, Line::default());
    lines.extend(said.into_iter().zip([rank, 5]).map(|(line, rank)| Ranked(rank, line)));
    if app.production().is_some() {
        let named = database(app).map(|line| wrapped(&line, width)).unwrap_or_default();
        lines.extend(named.into_iter().map(|line| Ranked(4, line)));
    }
    let cursor = keep(&mut lines, height, cursor);
    let title = match &form.entry {
        Some(entry) => format!("Edit {}", entry.key),
        None => "Add an entry".into(),
    };
    let lines = lines.into_iter().map(|Ranked(_, line)| line).collect();
    let inner = boxed(app, &title, lines, keys, width, frame);
    if let Some((line, column)) = cursor {
        place_cursor(inner, line, column, frame);
    }
}

fn keys(app: &App, form: &Form) -> &'static [KeyHint] {
    match (&form.entry, is_bare(app.size)) {
        (Some(_), true) => &[("enter", "write"), ("esc", "leave it")],
        (None, true) => &[("enter", "add"), ("esc", "leave it")],
        (Some(_), false) => &[("enter", "write"), ("tab", "next"), ("space", "type"), ("esc", "leave it")],
        (None, false) => &[("enter", "add"), ("tab", "next"), ("space", "type"), ("esc", "leave it")],
    }
}

/// Leaves out lines until no more than `height` are left, and where the cursor is then.
fn keep(
    lines: &mut Vec<Ranked>,
    height: usize,
    mut cursor: Option<(usize, usize)>,
) -> Option<(usize, usize)> {
    while lines.len() > height.max(1) {
        let least = lines.iter().map(|Ranked(rank, _)| *rank).max().unwrap_or(0);
        let Some(place) = lines.iter().rposition(|Ranked(rank, _)| *rank == least) else { break };
        lines.remove(place);
        cursor = cursor.map(|(line, column)| (line - usize::from(place < line), column));
    }
    cursor
}

/// A row, and the column of the cursor in it.
fn row(app: &App, form: &Form, field: Field, now: Millis, width: usize) -> (Line<'static>, Option<usize>) {
    let theme = &app.settings.theme;
    let mark = if field == form.focus() { "›" } else { " " };
    let label = format::fit(&format!("{mark} {}", field.label()), LABEL.min(width));
    let wide = width.saturating_sub(label.width());
    let told = |text: String, style| {
        Line::from(vec![Span::styled(label.clone(), theme.label), Span::styled(text, style)])
    };
    match (field, form.input(field)) {
        (Field::Type, _) => {
            let mut line = told(format!("‹ {} ›", form.type_name()), theme.text);
            if let Some(former) = form.former_type() {
                line.push_span(Span::styled(format!("  it was a {former}"), theme.faint));
            }
            (line, None)
        }
        (_, None) => {
            let value = form.entry.as_ref().map_or_else(String::new, |entry| value(app, entry, wide));
            (told(value, theme.faint), None)
        }
        // What is left as it is stands where something else can be typed.
        (Field::Expiry, Some(input)) if input.value().is_empty() => {
            (told(format::cut(&kept(form, now), wide), theme.faint), Some(label.width()))
        }
        (_, Some(input)) => {
            let (text, column) = match field {
                Field::Value if is_hidden(app, form) => typed(&dots(input), wide),
                Field::Key | Field::Value => typed_data(input, wide),
                Field::Type | Field::Expiry => typed(input, wide),
            };
            let column = column + label.width();
            let spans = vec![Span::styled(label, theme.label), Span::styled(text, theme.text)];
            (Line::from(spans), Some(column))
        }
    }
}

/// Whether the value is masked.
fn is_hidden(app: &App, form: &Form) -> bool {
    form.key().is_ok_and(|key| app.hides(&key))
}

fn dots(input: &Input) -> Input {
    let dots: String = input.value().chars().map(|_| '•').collect();
    Input::new(dots).with_cursor(input.cursor())
}

/// A value that is not typed here: how long it is, and its beginning.
fn value(app: &App, entry: &Entry, width: usize) -> String {
    let size = format!("{}  ", format::bytes(entry.size));
    format!("{size}{}", app.value_in(entry, width.saturating_sub(size.width())))
}

/// How long the entry lasts where nothing else is typed.
fn kept(form: &Form, now: Millis) -> String {
    match &form.entry {
        None => "never".into(),
        Some(Entry { expires_at: None, .. }) => "never, kept".into(),
        Some(entry) => format!("in {}, kept", format::left(entry.expires_at, now)),
    }
}

/// What is said under the rows: what is wrong in the one that has the cursor, or in another; otherwise
/// what it is for, which matters less.
fn said(app: &App, form: &Form, now: Millis) -> (usize, Line<'static>) {
    let theme = &app.settings.theme;
    let focus = form.focus();
    let remarks = std::iter::once(&focus).chain(form.fields());
    let Some((field, remark)) = remarks.filter_map(|field| Some((*field, form.remark(*field)?))).next()
    else {
        let lasts = lasts(form, now).filter(|_| focus == Field::Expiry);
        return (5, Line::styled(lasts.unwrap_or_else(|| hint(form).into()), theme.faint));
    };
    let of = if field == focus { String::new() } else { format!("{}: ", field.label()) };
    let line = match remark {
        FieldError::Wrong(_) if field == Field::Value && is_hidden(app, form) => {
            Line::styled(format!("{of}it is not a value of that type"), theme.bad)
        }
        FieldError::Wrong(problem) => Line::styled(format!("{of}{}", escape(problem.as_bytes())), theme.bad),
    };
    (1, line)
}

/// What was typed about the expiry comes to.
fn lasts(form: &Form, now: Millis) -> Option<String> {
    match form.expiry().ok()? {
        Expiry::Keep | Expiry::After(_) => None,
        Expiry::Clear => form.entry.is_some().then(|| "it does not expire any more".into()),
        Expiry::At(at) => Some(format!("it expires in {}", format::left(Some(at), now))),
    }
}

/// What somebody else has made of the entry since the form was opened, as far as the list shows it.
fn meanwhile(app: &App, form: &Form, now: Millis) -> Option<String> {
    let entry = form.entry.as_ref()?;
    if entry.is_expired(now) {
        return Some("it has expired meanwhile".into());
    }
    let Some(Row::Entry(present)) = app.list.window.get(&RowId::Entry(entry.key.clone())) else {
        return None;
    };
    // The list has less of the value than the form may have.
    let same = present.stored.iter().zip(&entry.stored).all(|(one, other)| one == other);
    let is_same = same
        && (present.revision, present.size, present.stored_type, present.expires_at)
            == (entry.revision, entry.size, entry.stored_type, entry.expires_at);
    if is_same {
        return None;
    }
    let value = app.value_in(present, VALUE);
    let present_type = present.value_type();
    let about = match (Some(present_type) == form.entry_type, present.expires_at == entry.expires_at) {
        (false, _) => format!(" (a {present_type})"),
        (_, false) => match present.expires_at {
            Some(_) => format!(" (expires in {})", format::left(present.expires_at, now)),
            None => " (does not expire)".into(),
        },
        _ => String::new(),
    };
    Some(format!("changed meanwhile: it is {value} now{about}"))
}

fn hint(form: &Form) -> &'static str {
    match (form.focus(), &form.entry) {
        (Field::Key, _) => "any text that no entry has as its key",
        (Field::Value, Some(_)) => "only what you change is written",
        (Field::Value, None) => "a text of the type below",
        (Field::Type, _) => "← → for another; the value is not converted",
        (Field::Expiry, Some(_)) => "write 1h30m, +10m or never; empty keeps it",
        (Field::Expiry, None) => "empty, or how long it lasts, such as 1h30m",
    }
}
