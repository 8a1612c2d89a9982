//! The question before a change: a key answers it, or the name of the database.

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::text::Line;
use tui_input::Input;

use crate::text::escape::escape;
use crate::tui::app::App;
use crate::tui::dialogs::confirmation::ConfirmReply;
use crate::tui::widgets::dialog_frame::{KeyHint, LINE, boxed, database, input_line, place_cursor, room};
use crate::tui::widgets::format;
use crate::tui::widgets::line::wrapped;

/// A question. Where the database has a name it is named; for what nothing takes back where mistakes are
/// felt by others, a letter is not enough.
pub fn question(app: &App, lines: &[String], reply: ConfirmReply, typed: &Input, frame: &mut Frame<'_>) {
    let mut lines: Vec<_> =
        lines.iter().map(|line| Line::styled(line.clone(), app.settings.theme.text)).collect();
    lines.extend(database(app));
    let name = match (reply, app.production()) {
        (ConfirmReply::Name, Some(name)) => name,
        (ConfirmReply::Key(key), _) => {
            let yes = if key == KeyCode::Enter { "enter" } else { "y" };
            boxed(app, "Are you sure?", lines, &[(yes, "yes, do it"), ("n", "no")], 0, frame);
            return;
        }
        (ConfirmReply::Name, None) => return,
    };
    const KEYS: &[KeyHint] = &[("enter", "do it"), ("esc", "leave it")];
    let (width, _) = room(app.size, LINE, KEYS);
    let label = format!("type {} to do it: ", format::cut(&escape(name.as_bytes()), width / 2));
    let (line, column) = input_line(app, label, typed, width);
    // What is typed stands first, so that it is seen however small the screen is.
    let before = lines.drain(..).flat_map(|line| wrapped(&line, width)).collect::<Vec<_>>();
    let (_, height) = room(app.size, LINE, KEYS);
    let shown = before.into_iter().take(height.saturating_sub(2)).chain([line]).collect::<Vec<_>>();
    let at = shown.len() - 1;
    let typed = typed.value().trim();
    let is_wrong = !name.starts_with(typed);
    let problem = is_wrong.then(|| Line::styled("✗ that is not its name", app.settings.theme.bad));
    let shown = shown.into_iter().chain(problem).collect();
    let inner = boxed(app, "Are you sure?", shown, KEYS, width, frame);
    place_cursor(inner, at, column, frame);
}
