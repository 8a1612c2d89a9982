//! The question before a change: a key answers it, or the name of the database.

use crossterm::event::{Event, KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::text::Line;
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::text::escape::escape;
use crate::tui::app::App;
use crate::tui::widgets::dialog_frame::{KeyHint, LINE, boxed, database, input_line, place_cursor, room};
use crate::tui::widgets::format;
use crate::tui::widgets::line::wrapped;

/// What says yes to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmReply {
    Key(KeyCode),
    /// The name of the context, typed.
    Name,
}

/// What a key answers to a question; `None` if it is no answer.
pub fn answer(app: &App, typed: &mut Input, key: KeyEvent, reply: ConfirmReply) -> Option<bool> {
    let is_yes = |yes: KeyCode| match (yes, key.code) {
        (KeyCode::Char(yes), KeyCode::Char(pressed)) => yes.eq_ignore_ascii_case(&pressed),
        (yes, pressed) => yes == pressed,
    };
    match (reply, key.code) {
        (_, KeyCode::Esc) => Some(false),
        (ConfirmReply::Name, KeyCode::Enter) => {
            (app.production() == Some(typed.value().trim())).then_some(true)
        }
        (ConfirmReply::Name, _) => {
            typed.handle_event(&Event::Key(key));
            None
        }
        (ConfirmReply::Key(yes), _) if is_yes(yes) => Some(true),
        (ConfirmReply::Key(_), KeyCode::Char('n' | 'N' | 'q')) => Some(false),
        (ConfirmReply::Key(_), _) => None,
    }
}

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
    let (width, height) = room(app.size, LINE, KEYS);
    let label = format!("type {} to do it: ", format::cut(&escape(name.as_bytes()), width / 2));
    let (line, column) = input_line(app, label, typed, width);
    // What is typed stands first, so that it is seen however small the screen is.
    let before = lines.into_iter().flat_map(|line| wrapped(&line, width));
    let mut shown: Vec<_> = before.take(height.saturating_sub(2)).chain([line]).collect();
    let at = shown.len() - 1;
    if !name.starts_with(typed.value().trim()) {
        shown.push(Line::styled("✗ that is not its name", app.settings.theme.bad));
    }
    let inner = boxed(app, "Are you sure?", shown, KEYS, width, frame);
    place_cursor(inner, at, column, frame);
}
