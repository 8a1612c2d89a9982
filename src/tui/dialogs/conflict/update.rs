//! Keys while a change that was refused is shown beside what somebody else has made of the entry.

use crossterm::event::{KeyCode, KeyEvent};

use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::conflict::state::Conflict;
use crate::tui::dialogs::form;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;

/// A key: writes it all the same, or goes on with what was typed.
pub fn key(app: &mut App, conflict: Box<Conflict>, key: KeyEvent) -> Vec<Effect> {
    match (key.code, conflict.draft(), conflict.key()) {
        (KeyCode::Char('o'), ..) if conflict.can_go_on() => {
            app.closed = Some(Dialog::Conflict(conflict.clone()));
            vec![Effect::Write(conflict.all_the_same())]
        }
        (KeyCode::Char('e'), Some(draft), Some(key)) => {
            let (draft, key) = (draft.clone(), key.clone());
            form::update::edit_again(app, conflict.found.theirs, &key, draft)
        }
        _ => {
            app.focus = Focus::Dialog(Dialog::Conflict(conflict));
            Vec::new()
        }
    }
}
