//! The terminal interface: event → message → update → draw.
//!
//! Threads read keys and the database; all of them send messages to the thread that draws, through one
//! channel, and that thread never blocks on anything else.
//!
//! It imports every layer but `cli`. Reading order: `app.rs` is the whole state; `update` takes in a message and
//! answers with effects; `draw` draws the state; `worker` has the threads; `event_loop.rs` connects them. `screens`
//! has one folder per view or screen, `list` what all views share, `dialogs`, `bulk` and `undo` one room each,
//! `keys` the table of commands, `widgets`, `theme` and `terminal` what knows nothing of the application.
//! A new view is a folder in `screens`, a variant and row in `view.rs`, and its line in `screens/mod.rs`.
//! A new command is a row in `keys/command.rs` and an arm in `update/actions.rs`.

mod app;
mod appearance;
mod bulk;
mod connection;
mod copy;
mod dialog;
mod dialogs;
mod draw;
mod effect;
mod error;
mod event_loop;
mod focus;
mod keys;
mod layout;
mod list;
mod message;
mod request;
mod screens;
mod status;
mod tabs;
mod terminal;
#[cfg(test)]
mod testing;
mod theme;
mod throttle;
mod timing;
mod undo;
mod update;
mod view;
mod wakeups;
mod widgets;
mod worker;
mod write;

use std::io::IsTerminal;
use std::time::Duration;

use crate::config::sloth_runner::SlothRunnerFolders;
use crate::config::{Config, ConfirmPolicy, Context};
use crate::store::{Location, Options};
use crate::tui::app::App;
use crate::tui::appearance::Appearance;
use crate::tui::event_loop::{EventLoop, TerminalHandles};
use crate::tui::request::RequestId;
use crate::tui::terminal::input::{Keyboard, MessageSender, TerminalQuery};
use crate::tui::terminal::signals::TuiSignals;
use crate::tui::terminal::{TerminalScreen, TerminalUse};
use crate::tui::worker::connector::{Connector, DatabaseTarget};

pub use crate::tui::appearance::{problems_in, shipped_files};
pub use crate::tui::error::TuiError;
pub use crate::tui::terminal::explain_bus_errors;

/// How long a database may take to be opened before there is a picture without it.
const OPEN_TIMEOUT: Duration = Duration::from_millis(200);

pub struct TuiOptions {
    pub location: Location,
    pub settings: Options,
    /// What the configuration knows of it.
    pub known: Option<Context>,
    /// Whether nothing is to be written, whichever database is looked at.
    pub read_only: bool,
    /// Whether it opens as it was left.
    pub resume: bool,
    pub config: Config,
}

/// Runs the interface until the user quits, or the terminal is gone.
///
/// # Errors
/// If the database or the terminal cannot be used. The terminal is as it was before then.
pub fn run(options: TuiOptions) -> Result<(), TuiError> {
    check_terminal()?;
    let TuiOptions { location, settings, known, read_only, resume, config } = options;
    let place = DatabaseTarget { location, settings, known };
    let (post, inbox) = MessageSender::new();
    let mut opening = Connector::new(post.clone());
    opening.start(RequestId::default(), place.clone(), None);
    let look = Appearance::read(config.folder.as_deref());
    let chosen = look.themes.choose(config.theme.as_deref(), |name| std::env::var(name).ok());
    // A database that is not there is told before the terminal is taken; one that is locked is
    // waited for with a picture of it.
    let opened = opening.wait(OPEN_TIMEOUT)?;
    let question = TerminalQuery::default();
    let how = TerminalUse { mouse: !config.no_mouse, asks: chosen.suiting.asks() };
    let signals = TuiSignals::listen(&post)?;
    let screen = TerminalScreen::take(how, &question)?;
    let keyboard = Keyboard::listen(&post, &question)?;
    let size = crossterm::terminal::size()?;
    let mut app = App::new(place.location.clone(), place.settings.read_only, chosen.theme, size);
    app.settings.suiting = chosen.suiting;
    app.settings.mouse = how.mouse;
    app.settings.secrets = config.secrets.clone();
    app.settings.shows_secrets = place.settings.secrets.is_empty();
    app.settings.keymap = look.keymap;
    app.settings.themes = look.themes;
    app.settings.saved_filters = look.filters;
    app.database.known = place.known.clone();
    app.settings.contexts = contexts(&place, &config);
    app.settings.config_folder = config.folder.clone();
    let problems = config.problems.iter().chain(&look.problems).map(ToString::to_string);
    tell_wrong(&mut app, &problems.chain(chosen.problem).collect::<Vec<_>>());
    let hands = TerminalHandles { screen, keyboard, question, signals };
    let mut interface = EventLoop::new(app, hands, (post, inbox), opening, place, read_only);
    interface.resume = resume;
    interface.config_folder = config.folder.clone();
    match opened {
        Some(opened) => interface.begin(opened),
        None => interface.await_opening(),
    }
    interface.run()
}

/// Whether there is a terminal that the interface can be shown in.
///
/// # Errors
/// [`TuiError::NoTerminal`].
pub fn check_terminal() -> Result<(), TuiError> {
    let missing = match (std::io::stdin().is_terminal(), std::io::stdout().is_terminal()) {
        (true, true) if std::env::var_os("TERM").is_some_and(|term| term == "dumb") => {
            "the terminal cannot move its cursor (TERM is dumb)"
        }
        (true, true) => return Ok(()),
        (false, _) => "standard input is not a terminal",
        (true, false) => "standard output is not a terminal",
    };
    Err(TuiError::NoTerminal(missing))
}

/// The databases that can be switched to: those that have a name, the one that was opened, and those of Sloth
/// Runner that are on this machine.
fn contexts(place: &DatabaseTarget, config: &Config) -> Vec<Context> {
    let mut contexts = config.contexts.all().to_vec();
    let found = SlothRunnerFolders::current().databases(&contexts);
    let is_found = found.iter().any(|context| context.location.identity() == place.location.identity());
    contexts.extend(found);
    if place.known.is_none() && !is_found && !contexts.is_empty() {
        let name = place.location.name();
        let read_only = place.settings.read_only;
        let confirm = ConfirmPolicy::Dangerous;
        let location = place.location.clone();
        let (production, no_exec, allow_exec) = (false, false, None);
        contexts.insert(0, Context { name, location, read_only, production, confirm, no_exec, allow_exec });
    }
    contexts
}

/// Tells what is wrong with the configuration in one message, and keeps each among the messages.
fn tell_wrong(app: &mut App, wrong: &[String]) {
    let Some((first, others)) = wrong.split_first() else { return };
    if others.is_empty() {
        app.show_notice(first);
        return;
    }
    wrong.iter().for_each(|wrong| app.log_message(wrong));
    app.show_notice(format!("{first} (and {} more: :messages)", others.len()));
}
