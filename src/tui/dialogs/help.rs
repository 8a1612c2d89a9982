//! Every key of the view, and what a filter can ask for.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::tui::app::App;
use crate::tui::keys::{ScreenKind, command};
use crate::tui::widgets::dialog_frame::{KeyHint, room};
use crate::tui::widgets::format;
use crate::tui::widgets::line::wrapped;

/// What can be written into the filter line.
const FILTERS: [(&str, &str); 10] = [
    ("word", "a part of the key; small letters fit capitals too; several words must all fit"),
    ("!word  ~word", "not; letters in this order"),
    ("type:number", "string, number, boolean, table"),
    ("kind:flag", "flag, counter, lock, timestamp, cache, table, plain"),
    ("ttl:<1h", "expires within the hour; ttl:>1h later"),
    ("changed:<5m", "changed in the last five minutes; changed:>1d not for a day"),
    ("value:text", "the value has this text in it; value:\"two words\""),
    ("actor:ann  run:12", "who, or which run, wrote it last; in the history, then"),
    ("status:failed", "of runs: running, done, failed, killed, stopped, invalid"),
    ("one | other", "either of them"),
];
/// The widest that help becomes.
pub const WIDTH: usize = 92;
pub const KEYS: &[KeyHint] = &[("j k", "scroll"), ("esc", "close")];

pub fn scroll_end(app: &App) -> usize {
    let (width, height) = room(app.size, WIDTH, KEYS);
    lines(app, width).len().saturating_sub(height)
}

pub fn lines(app: &App, width: usize) -> Vec<Line<'static>> {
    let context = app.context();
    let theme = &app.settings.theme;
    let commands = command::applicable(&context).map(|command| {
        let keys = app.settings.keymap.keys_in(command.action, &context).collect::<Vec<_>>().join("  ");
        (Span::styled(keys, theme.key), command.name, command.help)
    });
    let filters = FILTERS.into_iter().map(|(term, help)| (Span::styled("/ filter", theme.faint), term, help));
    let mut lines = Vec::new();
    let filters = filters.filter(|_| matches!(context.screen, ScreenKind::List | ScreenKind::Past));
    for (keys, name, help) in commands.chain(filters) {
        if name == FILTERS[0].0 {
            lines.push(Line::default());
        }
        lines.extend(item(app, keys, name, help, width));
    }
    lines
}

/// Keys, name and explanation, beside each other where there is room.
fn item(app: &App, keys: Span<'static>, name: &str, help: &'static str, width: usize) -> Vec<Line<'static>> {
    const KEYS: usize = 18;
    const NAME: usize = 16;
    let theme = &app.settings.theme;
    let indent = if width >= KEYS + NAME + 30 { KEYS + NAME } else { 2 };
    let explained = wrapped(&Line::styled(help, theme.text), width.saturating_sub(indent));
    let first = |text: &str, width| {
        if text.width() < width { format::fit(text, width) } else { format!("{text} ") }
    };
    let mut head = vec![
        Span::styled(first(&keys.content, KEYS.min(indent)), keys.style),
        Span::styled(first(name, NAME.min(indent)), theme.label),
    ];
    let mut lines = Vec::new();
    for mut line in explained {
        if indent > 2 && !head.is_empty() {
            head.append(&mut line.spans);
            lines.push(Line::from(std::mem::take(&mut head)));
            continue;
        }
        if !head.is_empty() {
            lines.extend(wrapped(&Line::from(std::mem::take(&mut head)), width));
        }
        line.spans.insert(0, Span::raw(" ".repeat(indent)));
        lines.push(line);
    }
    lines
}
