//! The terminal interface: event → message → update → draw.
//!
//! Threads read keys, the database and its news; all of them talk to the one that draws through
//! one channel, and it never waits for anything else.

mod action;
mod app;
mod command;
mod detail;
mod dialog;
mod effect;
mod filter;
mod format;
mod json;
mod keymap;
mod layout;
mod look;
mod message;
mod outside;
mod palette;
mod row;
#[cfg(test)]
mod samples;
mod session;
mod terminal;
mod theme;
mod update;
mod views;
mod window;
mod worker;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use self::app::App;
use self::effect::{Answer, Effect};
use self::look::Look;
pub use self::look::{problems_in, shipped_files};
use self::message::Message;
use self::terminal::Screen;
use self::worker::Workers;
use crate::config::{Config, Problem};
use crate::store::{Millis, Settings, SqliteStore, Store, StoreError};

/// How long a look for keys lasts: as long as an editor has to wait for the terminal.
const LOOK: Duration = Duration::from_millis(100);

/// What the interface is opened with.
pub struct Options {
    /// The database file.
    pub path: PathBuf,
    /// How it is opened.
    pub settings: Settings,
    /// What the user has configured.
    pub config: Config,
}

/// Why the interface could not be opened, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nobody to look at it.
    #[error("the terminal interface needs a terminal; in a pipe use the commands, such as: slothstate keys")]
    NoTerminal,
    /// A part of the program panicked.
    #[error("a part of slothstate failed, which is a mistake in it; what it said stands above")]
    Fault,
    /// The terminal.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

/// Runs the interface until the user quits, or the terminal is gone.
///
/// # Errors
/// If the database or the terminal cannot be used. The terminal is as it was before then.
pub fn run(options: Options) -> Result<(), TuiError> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(TuiError::NoTerminal);
    }
    let (messages, inbox) = channel();
    let read_only = {
        let store = SqliteStore::open(&options.path, options.settings.clone())?;
        for notice in store.take_notices() {
            let _ = messages.send(Message::Answer(Answer::Notice(notice)));
        }
        store.check_writable().is_err()
    };
    let workers = Workers::start(&options.path, &options.settings, &messages)?;
    let paused = Arc::new(AtomicBool::new(false));
    end_on_signals(&messages, &paused)?;
    let look = Look::read(options.config.folder.as_deref());
    let (theme, wrong) = look.themes.choose(options.config.theme.as_deref(), |name| std::env::var(name).ok());
    let screen = Screen::take()?;
    listen(&messages, &paused);
    let size = crossterm::terminal::size()?;
    let mut app = App::new(options.path.clone(), read_only, theme, size);
    app.keymap = look.keymap;
    app.themes = look.themes;
    if let Some(told) = told(options.config.problems.iter().chain(&look.problems), wrong) {
        app.notify(told);
    }
    Interface { app, screen, workers, inbox, messages, paused, options }.run()
}

/// What is wrong with the configuration, in one message.
fn told<'a>(problems: impl Iterator<Item = &'a Problem>, theme: Option<String>) -> Option<String> {
    let mut all = problems.map(ToString::to_string).chain(theme);
    let first = all.next()?;
    Some(match all.count() {
        0 => first,
        more => format!("{first} (and {more} more: slothstate config)"),
    })
}

/// The interface at work.
struct Interface {
    app: App,
    screen: Screen,
    workers: Workers,
    inbox: Receiver<Message>,
    messages: Sender<Message>,
    /// Whether keys are left to somebody else.
    paused: Arc<AtomicBool>,
    options: Options,
}

impl Interface {
    fn run(mut self) -> Result<(), TuiError> {
        let now = self.now();
        let mut effects = update::begin(&mut self.app, now);
        loop {
            if !self.carry_out(effects)? {
                return Ok(());
            }
            let now = self.now();
            let app = &self.app;
            self.screen.draw(|frame| views::draw(app, now, frame))?;
            effects = match self.next() {
                Some(messages) => messages,
                None => return Ok(()),
            };
        }
    }

    fn now(&self) -> Millis {
        self.options.settings.clock.now()
    }

    /// Waits for something to happen, or for the moment at which the picture changes by itself,
    /// and takes in all that has happened by then: a storm of changes is drawn once.
    fn next(&mut self) -> Option<Vec<Effect>> {
        let now = self.now();
        let first = match self.app.next_change(now) {
            Some(moment) => self.inbox.recv_timeout(moment.since(now).max(Duration::from_millis(1))),
            None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let mut effects = Vec::new();
        match first {
            Ok(message) => {
                effects.extend(update::update(&mut self.app, message, self.options.settings.clock.now()))
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        while let Ok(message) = self.inbox.try_recv() {
            effects.extend(update::update(&mut self.app, message, self.options.settings.clock.now()));
        }
        effects.extend(update::pass(&mut self.app, self.options.settings.clock.now()));
        Some(effects)
    }

    /// Does what an update wants done; whether to go on.
    fn carry_out(&mut self, effects: Vec<Effect>) -> Result<bool, TuiError> {
        for effect in effects {
            match self.workers.carry_out(effect) {
                Some(Effect::Quit) => return Ok(false),
                Some(Effect::Fail) => return Err(TuiError::Fault),
                Some(Effect::EditOutside(entry, text)) => {
                    self.paused.store(true, Ordering::SeqCst);
                    // The thread that listens for keys has let go of the terminal by then.
                    std::thread::sleep(LOOK + Duration::from_millis(10));
                    let options = &self.options;
                    let lent =
                        self.screen.lend(|| outside::edit(&options.path, &options.settings, entry, text));
                    self.paused.store(false, Ordering::SeqCst);
                    let (entry, text) = lent?;
                    let _ = self.messages.send(Message::Answer(Answer::EditedOutside(entry, text)));
                    let (columns, rows) = crossterm::terminal::size()?;
                    let resized = crossterm::event::Event::Resize(columns, rows);
                    let _ = self.messages.send(Message::Input(resized));
                }
                _ => {}
            }
        }
        Ok(true)
    }
}

/// Passes on what the user does. The end of input, or a terminal that is gone, ends the program.
fn listen(messages: &Sender<Message>, paused: &Arc<AtomicBool>) {
    let (messages, paused) = (messages.clone(), paused.clone());
    std::thread::spawn(move || {
        loop {
            if paused.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let message = match crossterm::event::poll(LOOK) {
                Ok(false) => {
                    if is_terminal_gone() {
                        Message::End
                    } else {
                        continue;
                    }
                }
                Ok(true) if paused.load(Ordering::SeqCst) => continue,
                Ok(true) => match crossterm::event::read() {
                    Ok(event) => Message::Input(event),
                    Err(_) => Message::End,
                },
                Err(_) => Message::End,
            };
            let is_end = matches!(message, Message::End);
            if messages.send(message).is_err() || is_end {
                return;
            }
        }
    });
}

/// Whether nobody is at the other end any more.
fn is_terminal_gone() -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let input = std::io::stdin();
    let mut looked = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    match poll(&mut looked, PollTimeout::ZERO) {
        Ok(_) => looked[0].revents().is_some_and(|events| {
            events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL)
        }),
        Err(_) => false,
    }
}

/// A signal that asks to end ends the program as `q` does, so that the terminal is given back.
/// Ctrl-C in the user's editor is the editor's own affair.
fn end_on_signals(messages: &Sender<Message>, paused: &Arc<AtomicBool>) -> Result<(), TuiError> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (messages, paused) = (messages.clone(), paused.clone());
    std::thread::spawn(move || {
        let ends = |signal: &i32| *signal != SIGINT || !paused.load(Ordering::SeqCst);
        if signals.forever().any(|signal| ends(&signal)) {
            let _ = messages.send(Message::End);
        }
    });
    Ok(())
}
