//! Keys while the palette is open.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::backend::crossterm::EventHandler;

use crate::store::time_point::TimePoint;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::palette::state::Palette;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::Argument;

/// Gives a key to the palette, which is closed for as long.
pub fn key(app: &mut App, mut palette: Palette, key: KeyEvent) -> Vec<Effect> {
    let choices = palette.choices(app);
    let last = choices.len().saturating_sub(1);
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter => {
            let Some(choice) = choices.get(palette.chosen) else { return Vec::new() };
            // A moment that cannot be read stays to be mended.
            let moment = choice.argument.as_deref().filter(|_| choice.command.argument == Argument::Moment);
            if let Some(Err(problem)) = moment.map(TimePoint::parse) {
                app.show_error(problem);
                app.focus = Focus::Dialog(Dialog::Palette(palette));
                return Vec::new();
            }
            return vec![Effect::Call(choice.command.action, choice.argument.clone())];
        }
        KeyCode::Tab => {
            let is_written = choices.get(palette.chosen).is_none_or(|choice| !palette.complete(choice));
            if is_written {
                palette.chosen = (palette.chosen + 1).min(last);
            }
        }
        KeyCode::Down => palette.chosen = (palette.chosen + 1).min(last),
        KeyCode::Char('n') if control => palette.chosen = (palette.chosen + 1).min(last),
        KeyCode::Up | KeyCode::BackTab => palette.chosen = palette.chosen.saturating_sub(1),
        KeyCode::Char('p') if control => palette.chosen = palette.chosen.saturating_sub(1),
        _ => {
            palette.input.handle_event(&Event::Key(key));
            palette.chosen = 0;
        }
    }
    app.focus = Focus::Dialog(Dialog::Palette(palette));
    Vec::new()
}
