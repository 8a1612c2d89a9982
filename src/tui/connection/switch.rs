//! Going from one database to another, without leaving the program.

use crate::store::{Key, Location};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::connection::saved_session::SavedSession;
use crate::tui::connection::{Connecting, reset};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{DatabaseInfo, Effect};
use crate::tui::list::{LoadFrom, Position, RowId, RowOrder};
use crate::tui::request::RequestId;

/// What is asked for at the very beginning, with a database that is open.
pub fn begin(app: &mut App, arrival: DatabaseInfo, now: Millis) -> Vec<Effect> {
    let DatabaseInfo { location, known, read_only, unwritable, adopts, notices, last } = arrival;
    app.database.location = location;
    app.database.unwritable = unwritable;
    app.database.known = known;
    app.database.read_only = read_only;
    app.database.counting.outdate();
    app.database.adopts = adopts;
    notices.into_iter().for_each(|notice| app.show_notice(notice));
    match last {
        Some(last) => resume(app, &last, now),
        None => vec![app.load(LoadFrom::Start, now)],
    }
}

/// How the interface is at present, `at` so many seconds since the epoch.
pub fn session(app: &App, at: i64) -> SavedSession {
    let list = &app.list;
    SavedSession {
        view: list.view.title().into(),
        filter: list.filter_line.text().into(),
        key: list.window.selected().and_then(|row| Some(row.entry()?.key.as_str()?.to_string())),
        at,
    }
}

/// Opens a database as it was left, as far as that is still possible.
fn resume(app: &mut App, last: &SavedSession, now: Millis) -> Vec<Effect> {
    app.list.view = last.view().unwrap_or(app.list.view);
    app.list.filter_line = last.filter.as_str().into();
    let key = last.key.as_deref().and_then(|key| Key::new(key).ok()).map(RowId::Entry);
    let from = match (&key, app.list.order()) {
        (Some(id), RowOrder::Name) => LoadFrom::At(Position::Name(id.clone())),
        _ => LoadFrom::Start,
    };
    app.list.pending_cursor = key;
    vec![app.load(from, now)]
}

/// The first database is being opened, under the number 0.
pub fn await_opening(app: &mut App, now: Millis) {
    let name =
        app.database.known.as_ref().map_or_else(|| app.database.location.name(), |known| known.name.clone());
    app.database.opening = Some(Connecting { number: RequestId::default(), name, since: now });
}

pub fn to(app: &mut App, name: &str, now: Millis) -> Vec<Effect> {
    let Some(context) = app.settings.contexts.iter().find(|context| context.name == name).cloned() else {
        return Vec::new();
    };
    if app.is_in(&context) && app.database.opening.is_none() {
        app.show_hint(format!("this is {name}"), now);
        return Vec::new();
    }
    // What was asked for is done where it was asked for.
    if !app.requests.writing.is_empty() {
        app.show_hint("a change is being made: go to another database once it is done", now);
        return Vec::new();
    }
    let number = app.next_request();
    app.database.opening = Some(Connecting { number, name: name.into(), since: now });
    vec![Effect::Open(number, context)]
}

/// A database is open, or cannot be opened. One that was given up meanwhile is let go of.
pub fn opened(
    app: &mut App,
    number: RequestId,
    opened: Result<Box<DatabaseInfo>, String>,
    now: Millis,
) -> Vec<Effect> {
    if let Some(effects) = reset::opened(app, number, &opened, now) {
        return effects;
    }
    let Some(opening) = app.database.opening.take_if(|opening| opening.number == number) else {
        return Vec::new();
    };
    match opened {
        // Whoever has begun to change something in the meantime stays.
        Ok(_) if !app.requests.writing.is_empty() || number.is_cancellable() && is_typing(app) => {
            app.show_error(format!("{} was not opened: a change was being made here", opening.name));
            Vec::new()
        }
        Ok(arrival) => {
            let name = opening.name;
            enter(app, &arrival.location);
            // What was shown there is masked here.
            app.settings.shows_secrets &= !number.is_cancellable();
            let mut effects = vec![Effect::Enter(number)];
            effects.extend(begin(app, *arrival, now));
            if app.status.is_none() && number.is_cancellable() {
                app.show_done(format!("this is {name}"), now);
            }
            effects
        }
        // Without any database there is nothing to be shown.
        Err(_) if !number.is_cancellable() => vec![Effect::Enter(number)],
        Err(error) => {
            app.show_error(format!("{} was not opened: {error}", opening.name));
            Vec::new()
        }
    }
}

/// Whether a change is being typed, or asked about.
fn is_typing(app: &App) -> bool {
    match app.focus.dialog() {
        Some(
            Dialog::Form(_)
            | Dialog::Conflict(_)
            | Dialog::Invalid(_)
            | Dialog::Confirm(_)
            | Dialog::Counting(_)
            | Dialog::Ask(_)
            | Dialog::Start(_),
        ) => true,
        Some(Dialog::Help(_) | Dialog::Messages(_) | Dialog::Undos(_) | Dialog::Palette(_)) | None => false,
    }
}

/// Takes another database: everything is reset but what belongs to the user.
fn enter(app: &mut App, location: &Location) {
    let blank = App::new(location.clone(), false, app.settings.theme, app.size);
    let before = std::mem::replace(app, blank);
    app.settings = before.settings;
    app.list.view = before.list.view;
    app.messages = before.messages;
    app.last_key = before.last_key;
    // A reply for the database before is known by its number.
    app.requests.last = before.requests.last;
    // Messages of the time before: what is wrong with the configuration stays to be read.
    app.status = before.status.filter(|status| status.until.is_none());
    app.undo.others = before.undo.others;
    app.undo.others.insert(before.database.location, before.undo.stack);
    app.undo.stack = app.undo.others.remove(location).unwrap_or_default();
}
