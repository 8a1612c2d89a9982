//! What confirms a change: a key, or the name of the context.

use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::text::escape::escape;
use crate::tui::app::App;
use crate::tui::dialog::Confirm;
use crate::tui::effect::Effect;

/// Whether an effect would adopt another program's file.
pub fn adopts(app: &App, effect: &Effect) -> bool {
    app.database.adopts && effect.change().is_some_and(|change| change.writes)
}

/// What adoption does, if a change would lead to it.
pub fn about_adoption(app: &App, confirm: &Confirm) -> Vec<String> {
    if !adopts(app, &confirm.effect) {
        return Vec::new();
    }
    let copy = escape(&[app.database.location.short_name(), b".before-slothstate"].concat());
    vec![
        "This is the first write to a file of Sloth Runner: it is adopted.".into(),
        "That adds columns and tables to it, which undo does not remove.".into(),
        format!("A backup of it is kept beside it: {copy}."),
        "Sloth Runner goes on using it.".into(),
    ]
}

/// What says yes to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmReply {
    /// This key.
    Key(KeyCode),
    /// The name of the context, typed.
    Name,
}

/// What says yes to a question: the name where mistakes are felt by others and undo does not help.
pub fn reply(app: &App, confirm: &Confirm) -> ConfirmReply {
    let is_final = !confirm.is_reversible || adopts(app, &confirm.effect);
    if app.production().is_some() && is_final { ConfirmReply::Name } else { ConfirmReply::Key(confirm.yes()) }
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
