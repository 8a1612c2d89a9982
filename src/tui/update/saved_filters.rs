//! Filters that have a name: chosen, saved and forgotten.

use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::palette::state::Palette;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::{Action, command};
use crate::tui::list::{SavedFilter, SavedFilterEdit};
use crate::tui::update::navigation::{filter_with, show};

/// Asks for the name, in the palette.
pub fn ask(app: &mut App, action: Action, now: Millis) {
    match action {
        Action::SaveFilter if app.list.filter_line.text().trim().is_empty() => {
            app.show_hint("there is no filter that could be saved", now);
        }
        Action::SaveFilter if app.list.filter_line.mistake().is_some() => {
            app.show_hint("the filter has a mistake in it: it is not saved", now);
        }
        Action::SavedFilters | Action::ForgetFilter if app.settings.saved_filters.is_empty() => {
            let key = app.settings.keymap.keys_for(Action::SaveFilter).first();
            let key = key.map_or(":save-filter", String::as_str);
            app.show_hint(format!("no filter is saved; {key} saves the one of the list"), now);
        }
        _ => app.focus = Focus::from(command::of(action).map(Palette::of).map(Dialog::Palette)),
    }
}

/// A name was chosen, or written.
pub fn named(app: &mut App, action: Action, name: &str, now: Millis) -> Vec<Effect> {
    match action {
        Action::SaveFilter => {
            let filter = app.list.filter_line.text().trim().to_string();
            if filter.is_empty() || app.list.filter_line.mistake().is_some() {
                ask(app, action, now);
                return Vec::new();
            }
            let saved = SavedFilter { name: name.into(), view: Some(app.list.view), filter };
            vec![Effect::NameFilter(SavedFilterEdit::Save(saved))]
        }
        Action::ForgetFilter => vec![Effect::NameFilter(SavedFilterEdit::Forget(name.into()))],
        _ => match app.settings.saved_filters.iter().find(|saved| saved.name == name).cloned() {
            Some(SavedFilter { view, filter, .. }) => {
                let mut effects = view.map_or_else(Vec::new, |view| show(app, view, now));
                effects.extend(filter_with(app, |line| line.set(&filter), now));
                effects
            }
            None => Vec::new(),
        },
    }
}

/// The name was written down, or not.
pub fn answer(app: &mut App, naming: &SavedFilterEdit, named: Result<Vec<SavedFilter>, String>, now: Millis) {
    match named {
        Ok(filters) => {
            app.settings.saved_filters = filters;
            match naming {
                SavedFilterEdit::Save(saved) => {
                    app.show_done(format!("saved filter {}", escape(saved.name.as_bytes())), now)
                }
                SavedFilterEdit::Forget(name) => {
                    app.show_done(format!("removed filter {}", escape(name.as_bytes())), now)
                }
            }
        }
        Err(error) => app.show_error(error),
    }
}
