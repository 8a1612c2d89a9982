//! Keys while the messages are shown.

use crossterm::event::{KeyCode, KeyEvent};

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::copy;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::scroll::scrolled;

/// Gives a key to the list of messages, in which one has the cursor.
pub fn key(app: &mut App, chosen: usize, key: KeyEvent, now: Millis) -> Vec<Effect> {
    let last = app.messages.len().saturating_sub(1);
    let (chosen, effects) = match key.code {
        KeyCode::Char('q') | KeyCode::Enter => return Vec::new(),
        KeyCode::Char('y') => {
            let text = app.messages.newest_first().nth(chosen).map(|said| said.text.clone());
            (
                chosen,
                text.map_or_else(Vec::new, |text| copy::text_of(app, "the message", text.into_bytes(), now)),
            )
        }
        KeyCode::Char('Y') => {
            let all: Vec<_> = app.messages.newest_first().map(|said| said.text.clone()).collect();
            (chosen, copy::text_of(app, "every message", all.join("\n").into_bytes(), now))
        }
        _ => {
            let by = scrolled(key, usize::from(app.size.1));
            (chosen.min(last).saturating_add_signed(by).min(last), Vec::new())
        }
    };
    // That something was sent is a message too, before the one that has the cursor.
    let chosen = chosen + app.messages.len().saturating_sub(last + 1);
    app.focus = Focus::Dialog(Dialog::Messages(chosen));
    effects
}
