//! Keys while a change that was refused is shown beside what somebody else has made of the entry.

use crossterm::event::{KeyCode, KeyEvent};

use super::{actions, form};
use crate::store::Millis;
use crate::tui::app::App;
use crate::tui::conflict::Conflict;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;

/// A key: writes it all the same, or goes on with what was typed.
pub(super) fn key(app: &mut App, conflict: Box<Conflict>, key: KeyEvent, now: Millis) -> Vec<Effect> {
    match (key.code, conflict.draft(), conflict.key()) {
        (KeyCode::Char('o'), ..) if conflict.can_go_on() => actions::start(app, conflict.all_the_same(), now),
        (KeyCode::Char('e'), Some(draft), Some(key)) => {
            let (draft, key) = (draft.clone(), key.clone());
            form::edit_again(app, conflict.theirs, &key, draft)
        }
        _ => {
            app.dialog = Some(Dialog::Conflict(conflict));
            Vec::new()
        }
    }
}
