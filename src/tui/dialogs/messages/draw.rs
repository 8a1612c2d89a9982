//! What was said, the newest first: to be read in full, and copied.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use crate::text::escape::escape;
use crate::tui::app::App;
use crate::tui::dialogs::messages::log::LogEntry;
use crate::tui::status::marked;
use crate::tui::theme::Theme;
use crate::tui::widgets::dialog_frame::{KeyHint, boxed, room};
use crate::tui::widgets::format;
use crate::tui::widgets::line::wrapped;

const KEYS: &[KeyHint] = &[("j k", "move"), ("y", "copy"), ("Y", "copy all"), ("esc", "close")];
const WIDTH: usize = 100;

/// Draws the messages from the one that has the cursor on.
pub fn draw(app: &App, chosen: usize, frame: &mut Frame<'_>) {
    let (width, height) = room(app.size, WIDTH, KEYS);
    let mut lines: Vec<Line<'static>> = Vec::new();
    // As many before the cursor as leave it room.
    let before = chosen.min(height / 2);
    for (place, said) in app.messages.newest_first().enumerate().skip(chosen - before) {
        lines.extend(message(app, said, place == chosen, width));
        if lines.len() > height {
            break;
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled("nothing was said yet", app.settings.theme.faint));
    }
    boxed(app, "Messages", lines, KEYS, width, frame);
}

fn message(app: &App, said: &LogEntry, is_chosen: bool, width: usize) -> Vec<Line<'static>> {
    let style = if is_chosen {
        app.settings.theme.text.patch(app.settings.theme.cursor)
    } else {
        app.settings.theme.text
    };
    let (mark, tone) = marked(app, said.tone);
    let at = said.at.map_or_else(String::new, |at| format::moment(at, app.settings.zone));
    let times = if said.times > 1 { format!(" ({} times)", said.times) } else { String::new() };
    let text = format!("{}{times}", escape(said.text.as_bytes()));
    let line = Line::from(vec![
        Span::styled(
            format!("{} {at} ", if is_chosen { "›" } else { " " }),
            Theme::over(style, app.settings.theme.faint),
        ),
        Span::styled(format!("{mark} "), Theme::over(style, tone)),
        Span::styled(text, style),
    ]);
    wrapped(&line, width)
}
