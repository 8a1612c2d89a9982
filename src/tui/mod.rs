//! The terminal interface: event → message → update → draw.
//!
//! Threads read keys and the database; all of them send messages to the thread that draws, through one
//! channel, and that thread never blocks on anything else.
//!
//! It imports every layer but `cli`. `app.rs` is the state, `update` changes it, `views` draw it, `worker` and
//! `debugger/worker` have the threads. A new command is a row in `command.rs` and an arm in
//! `update/actions.rs`.

mod action;
mod app;
mod appearance;
mod bulk;
mod clipboard;
mod command;
mod command_target;
mod confirmation;
mod conflict;
mod connection;
mod debugger;
mod detail;
mod dialog;
mod effect;
mod error;
mod event_loop;
mod external_editor;
mod filter;
mod filter_line;
mod form;
mod format;
mod input;
mod json;
mod keymap;
mod layout;
mod lookalikes;
mod lost_database;
mod marks;
mod message;
mod message_log;
mod overview;
mod palette;
mod past;
mod row;
mod run_dialog;
mod saved_filters;
mod saved_session;
mod scroll;
mod signals;
mod sort;
mod tasks;
mod terminal;
#[cfg(test)]
mod testing;
mod text_diff;
mod theme;
mod throttle;
mod time_series;
mod timers;
mod timing;
mod tree;
mod trends;
mod undo_stack;
mod update;
mod viewer;
mod views;
mod wide_chars;
mod window;
mod worker;
mod wrap;

use std::io::IsTerminal;
use std::time::Duration;

use self::app::App;
use self::appearance::Appearance;
pub use self::appearance::{problems_in, shipped_files};
use self::connection::{Connector, DatabaseTarget};
pub use self::error::TuiError;
use self::event_loop::{EventLoop, TerminalHandles};
use self::input::{Keyboard, MessageSender, TerminalQuery};
use self::signals::TuiSignals;
pub use self::terminal::explain_bus_errors;
use self::terminal::{TerminalScreen, TerminalUse};
use crate::config::sloth_runner::SlothRunnerFolders;
use crate::config::{Config, ConfirmPolicy, Context};
use crate::store::{Location, Options};

/// How long a database may take to be opened before there is a picture without it.
const OPEN_TIMEOUT: Duration = Duration::from_millis(200);

/// What the interface is opened with.
pub struct TuiOptions {
    /// The database file.
    pub location: Location,
    /// How it is opened.
    pub settings: Options,
    /// What the configuration knows of it.
    pub known: Option<Context>,
    /// Whether nothing is to be written, whichever database is looked at.
    pub read_only: bool,
    /// Whether it opens as it was left.
    pub resume: bool,
    /// What the user has configured.
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
    opening.start(0, place.clone(), None);
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
    app.suiting = chosen.suiting;
    app.mouse = how.mouse;
    app.secrets = config.secrets.clone();
    app.shows_secrets = place.settings.secrets.is_empty();
    app.keymap = look.keymap;
    app.themes = look.themes;
    app.saved_filters = look.filters;
    app.known = place.known.clone();
    app.contexts = contexts(&place, &config);
    app.config_folder = config.folder.clone();
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
    let is_found = found.iter().any(|context| context.location().identity() == place.location.identity());
    contexts.extend(found);
    if place.known.is_none() && !is_found && !contexts.is_empty() {
        let name = place.location.name();
        let read_only = place.settings.read_only;
        let confirm = ConfirmPolicy::Dangerous;
        if let Some(path) = place.location.as_file().map(Into::into) {
            contexts.insert(0, Context { name, path, read_only, production: false, confirm });
        }
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
