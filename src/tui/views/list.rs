//! The list: each view has its own columns.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::store::{Entry, Liveness, Millis, kind};
use crate::tui::action::View;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::row::{LockRow, Row, share_left};

/// A column: its name, and its width; one of 0 shares what is left.
struct Column {
    name: &'static str,
    width: u16,
    /// Whether it goes first where there is not enough room.
    can_go: bool,
}

const fn column(name: &'static str, width: u16, can_go: bool) -> Column {
    Column { name, width, can_go }
}

/// The columns of a view. The first is the name.
fn columns(view: View) -> &'static [Column] {
    match view {
        View::Keys => {
            &const {
                [
                    column("KEY", 0, false),
                    column("KIND", 9, true),
                    column("VALUE", 0, false),
                    column("TTL", 6, true),
                    column("CHANGED", 7, true),
                ]
            }
        }
        View::Flags => {
            &const {
                [
                    column("FLAG", 0, false),
                    column("STATE", 5, false),
                    column("VALUE", 10, true),
                    column("CHANGED", 7, true),
                    column("BY", 0, true),
                ]
            }
        }
        View::Counters => {
            &const {
                [
                    column("COUNTER", 0, false),
                    column("VALUE", 20, false),
                    column("TTL", 6, true),
                    column("CHANGED", 7, true),
                    column("BY", 0, true),
                ]
            }
        }
        View::Locks => {
            &const {
                [
                    column("LOCK", 0, false),
                    column("HOLDER", 0, false),
                    column("STATE", 9, false),
                    column("HELD", 7, true),
                    column("LEASE", 6, true),
                    column("WAIT", 4, true),
                ]
            }
        }
        View::Expiring => {
            &const {
                [
                    column("KEY", 0, false),
                    column("LEFT", 6, false),
                    column("", 14, true),
                    column("VALUE", 0, true),
                ]
            }
        }
    }
}

/// The columns that fit, with their widths in `width` columns of the terminal, a space between.
fn widths(view: View, width: u16) -> Vec<(usize, usize)> {
    /// The least that the name should have, and any other column without a width of its own.
    const NAME: u16 = 20;
    const SHARE: u16 = 12;
    let all = columns(view);
    let mut shown: Vec<usize> = (0..all.len()).collect();
    let least = |place: &usize| match all[*place].width {
        0 if *place == 0 => NAME,
        0 => SHARE,
        fixed => fixed,
    };
    while shown.iter().map(|place| least(place) + 1).sum::<u16>() > width + 1 {
        match shown.iter().rposition(|place| all[*place].can_go) {
            Some(last) => {
                shown.remove(last);
            }
            None => break,
        }
    }
    // What is left over is shared, three parts for the name to two for each of the others.
    let weight = |place: &usize| match all[*place].width {
        0 if *place == 0 => 3,
        0 => 2,
        _ => 0,
    };
    let fixed: u16 = shown.iter().map(|place| all[*place].width + 1).sum();
    let mut rest = usize::from((width + 1).saturating_sub(fixed));
    let mut weights: usize = shown.iter().map(weight).sum();
    let share = |place: usize| match weight(&place) {
        0 => (place, usize::from(all[place].width)),
        weight => {
            let share = rest * weight / weights;
            rest -= share;
            weights -= weight;
            (place, share)
        }
    };
    shown.into_iter().map(share).collect()
}

/// Draws the names of the columns.
pub fn heading(app: &App, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let all = columns(app.view);
    let mut text = String::from(" ");
    for (place, width) in widths(app.view, area.width.saturating_sub(1)) {
        text.push_str(&format::fit(all[place].name, width));
        text.push(' ');
    }
    frame.render_widget(Line::styled(text, app.theme.label), area);
}

/// Draws the rows that are on the screen.
pub fn draw(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let window = &app.window;
    if window.rows().is_empty() {
        let text = if app.reading.from.is_some() { " reading…" } else { nothing(app) };
        frame.render_widget(Line::styled(text, app.theme.faint), Rect { height: 1, ..area });
        return;
    }
    let widths = widths(app.view, area.width.saturating_sub(1));
    let rows = window.rows().iter().enumerate().skip(window.top()).take(usize::from(area.height));
    for ((place, row), y) in rows.zip(area.y..) {
        let is_cursor = place == window.cursor();
        let flashes = app.flashes.contains_key(&row.id());
        let mut style = app.theme.text;
        if is_cursor {
            style = style.patch(app.theme.cursor);
        }
        // Over the cursor: dark letters on its dark ground could not be read.
        if flashes {
            style = style.patch(app.theme.flash);
        }
        let mark = match (is_cursor, flashes) {
            (true, _) => "›",
            (false, true) => "•",
            (false, false) => " ",
        };
        let mut spans = vec![Span::styled(mark, style)];
        for (column, width) in &widths {
            let cell = Cell { app, width: *width, style, flashes, now };
            spans.extend(cell.of(row, *column));
            spans.push(Span::styled(" ", style));
        }
        frame.render_widget(Line::from(spans).style(style), Rect { y, height: 1, ..area });
    }
}

/// What an empty list says.
fn nothing(app: &App) -> &'static str {
    if !app.filter.is_empty() {
        return " nothing passes the filter; esc clears it";
    }
    match app.view {
        View::Keys => " there are no keys yet; a adds one",
        View::Flags => " there are no flags: no value is true or false, on or off",
        View::Counters => " there are no counters: no value is a whole number",
        View::Locks => " nobody holds a lock",
        View::Expiring => " nothing expires",
    }
}

/// One column of one row: how it is drawn.
struct Cell<'a> {
    app: &'a App,
    width: usize,
    /// The style of the row.
    style: Style,
    /// Whether the row stands out.
    flashes: bool,
    now: Millis,
}

impl Cell<'_> {
    /// On a row that stands out, colours of single cells would be hard to read.
    fn tone(&self, tone: Style) -> Style {
        if self.flashes { self.style } else { self.style.patch(tone) }
    }

    fn text(&self, text: String, tone: Style) -> Vec<Span<'static>> {
        vec![Span::styled(format::fit(&text, self.width), tone)]
    }

    fn bytes(&self, bytes: &[u8], matched: &[std::ops::Range<usize>]) -> Vec<Span<'static>> {
        let theme = &self.app.theme;
        let (escaped, match_style) = (self.tone(theme.escaped), self.tone(theme.matched));
        format::spans(bytes, self.width, self.style, escaped, match_style, matched)
    }

    fn urgency(&self, until: Option<Millis>) -> Style {
        let theme = &self.app.theme;
        match until {
            Some(until) if until.since(self.now).as_secs() < 10 => theme.bad,
            Some(until) if until.since(self.now).as_secs() < 60 => theme.warning,
            Some(_) => theme.text,
            None => theme.faint,
        }
    }

    fn of(&self, row: &Row, column: usize) -> Vec<Span<'static>> {
        let theme = &self.app.theme;
        match row {
            Row::Entry(entry) if column == 0 => {
                let ranges =
                    entry.key.as_str().map(|key| self.app.filter.matches_in(key)).unwrap_or_default();
                self.bytes(entry.key.as_bytes(), &ranges)
            }
            Row::Entry(entry) => match columns(self.app.view)[column].name {
                "VALUE" if self.app.view == View::Counters => {
                    let number = format::value(entry, self.width);
                    self.text(format!("{number:>width$}", width = self.width), self.tone(theme.number))
                }
                "VALUE" => {
                    let (shown, _) = entry.stored.split_at(entry.stored.len().min(self.width * 4));
                    self.bytes(shown, &[])
                }
                "KIND" => self.text(kind::infer(entry).0.name().into(), self.tone(theme.faint)),
                "TTL" | "LEFT" | "LEASE" => self.text(
                    format::left(entry.expires_at, self.now),
                    self.tone(self.urgency(entry.expires_at)),
                ),
                "CHANGED" | "HELD" => {
                    self.text(format::age(entry.modified_at, self.now), self.tone(theme.faint))
                }
                "BY" => {
                    let actor = entry.actor.as_ref().map_or_else(|| "-".into(), |actor| actor.to_string());
                    self.text(crate::escape::escape(actor.as_bytes()), self.tone(theme.faint))
                }
                "STATE" if self.app.view == View::Flags => flag_state(entry).map_or_else(
                    || self.text("?".into(), self.tone(theme.warning)),
                    |on| {
                        if on {
                            self.text("● on".into(), self.tone(theme.good))
                        } else {
                            self.text("○ off".into(), self.tone(theme.faint))
                        }
                    },
                ),
                "STATE" => self.text("key".into(), self.tone(theme.warning)),
                "HOLDER" => self.bytes(kind::holder_in(entry).as_bytes(), &[]),
                "" => self.text(
                    bar(entry.expires_at, self.now, self.width),
                    self.tone(self.urgency(entry.expires_at)),
                ),
                _ => self.text("-".into(), self.tone(theme.faint)),
            },
            Row::Lock(row) => self.of_lock(row, column),
        }
    }

    fn of_lock(&self, row: &LockRow, column: usize) -> Vec<Span<'static>> {
        let theme = &self.app.theme;
        let lock = &row.lock;
        match columns(View::Locks)[column].name {
            "LOCK" => self.bytes(lock.name.as_bytes(), &self.app.filter.matches_in(&lock.name)),
            "HOLDER" => self.bytes(lock.holder.as_bytes(), &[]),
            "STATE" => {
                let (word, tone_of) = lock_state(row, self.now);
                self.text(
                    word.into(),
                    self.tone(match tone_of {
                        Tone::Good => theme.good,
                        Tone::Warning => theme.warning,
                        Tone::Bad => theme.bad,
                    }),
                )
            }
            "HELD" => self.text(format::age(lock.acquired_at, self.now), self.tone(theme.text)),
            "LEASE" => {
                self.text(format::left(lock.expires_at, self.now), self.tone(self.urgency(lock.expires_at)))
            }
            "WAIT" if row.waiting.is_empty() => self.text("-".into(), self.tone(theme.faint)),
            "WAIT" => self.text(row.waiting.len().to_string(), self.tone(theme.warning)),
            _ => self.text(String::new(), self.style),
        }
    }
}

/// How good or bad something is.
pub(super) enum Tone {
    Good,
    Warning,
    Bad,
}

/// One word for how a lock stands.
pub(super) fn lock_state(row: &LockRow, now: Millis) -> (&'static str, Tone) {
    if row.lock.is_expired(now) {
        return ("expired", Tone::Warning);
    }
    let tone = match row.liveness {
        Liveness::Alive => Tone::Good,
        Liveness::Dead => Tone::Bad,
        Liveness::Elsewhere | Liveness::Unknown => Tone::Warning,
    };
    (row.liveness.name(), tone)
}

/// Whether a flag is on; `None` if that cannot be said.
pub(super) fn flag_state(entry: &Entry) -> Option<bool> {
    kind::is_on(&entry.value())
}

fn bar(until: Option<Millis>, now: Millis, width: usize) -> String {
    let share = until.map_or(0.0, |until| share_left(until.since(now))).clamp(0.0, 1.0);
    let full = (share * width as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(width - full.min(width)))
}
