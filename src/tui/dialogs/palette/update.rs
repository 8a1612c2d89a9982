//! Keys while the palette is open, and what a command does with what it is called with.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::backend::crossterm::EventHandler;

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::connection::switch;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::palette::state::Palette;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::command::{Argument, Command};
use crate::tui::list::sort::SortBy;
use crate::tui::screens::past;
use crate::tui::theme::AUTO;
use crate::tui::update;
use crate::tui::update::{actions, saved_filters};

/// Gives a key to the palette, which is closed for as long.
pub fn key(app: &mut App, mut palette: Palette, key: KeyEvent, now: Millis) -> Vec<Effect> {
    let choices = palette.choices(app);
    let last = choices.len().saturating_sub(1);
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter => {
            let Some(choice) = choices.get(palette.chosen) else { return Vec::new() };
            // A moment that cannot be read stays to be mended.
            let moment = choice.argument.as_deref().filter(|_| choice.command.argument == Argument::Moment);
            if let Some(Err(problem)) = moment.map(past::update::point) {
                app.show_error(problem);
                app.focus = Focus::Dialog(Dialog::Palette(palette));
                return Vec::new();
            }
            return call(app, choice.command, choice.argument.as_deref(), now);
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

/// Calls a command, with what was written after its name.
fn call(app: &mut App, command: &'static Command, argument: Option<&str>, now: Millis) -> Vec<Effect> {
    let Some(argument) = argument else { return actions::act(app, command.action, now) };
    match command.argument {
        Argument::None => actions::act(app, command.action, now),
        Argument::Filter => {
            let mut effects = actions::act(app, command.action, now);
            effects.extend(update::filter_with(app, |line| line.set(argument), now));
            effects
        }
        Argument::Sort => match SortBy::ALL.into_iter().find(|by| by.name() == argument) {
            Some(by) => update::sort(app, Some(by.usual()), now),
            None => Vec::new(),
        },
        Argument::SavedFilter | Argument::FilterName => {
            saved_filters::named(app, command.action, argument, now)
        }
        Argument::Moment => past::update::begin_at(app, argument, now),
        Argument::Context => switch::to(app, argument, now),
        Argument::Theme => {
            app.settings.suiting.is_wanted = argument == AUTO;
            app.suit(None);
            if let Some(theme) = app.settings.themes.named(argument) {
                app.settings.theme = theme;
            }
            app.show_done(format!("theme = \"{argument}\" in config.toml keeps it"), now);
            if app.settings.suiting.asks() { vec![Effect::AskBackground] } else { Vec::new() }
        }
    }
}
