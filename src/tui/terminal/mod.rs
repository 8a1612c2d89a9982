//! The terminal: taken over, and always given back as it was found.

pub mod clipboard;
pub mod external_editor;
pub mod fatal;
pub mod input;
pub mod jobs;
pub mod modes;
pub mod signals;
#[cfg(test)]
mod tests;
pub mod wide_chars;

use std::io::{self, Write};
use std::sync::Once;
use std::time::Duration;

use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::tui::terminal::clipboard::{Between, sequence};
use crate::tui::terminal::input::TerminalQuery;
use crate::tui::terminal::modes::TerminalOutput;
use crate::tui::terminal::wide_chars::redraw_doubtful;

pub use crate::tui::terminal::fatal::{end_by, explain_bus_errors};
pub use crate::tui::terminal::jobs::Jobs;

/// What is its background (OSC 11)? And what is it (DA1)? Every terminal replies to the second, also
/// one that does not know the first, so that nobody waits in vain.
const ASK: &[u8] = b"\x1b]11;?\x1b\\\x1b[c";
/// How long after a question the terminal is not given back: a reply would be typed into the shell.
const REPLY: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalUse {
    /// Whether the mouse is used, or left to the terminal, which selects text with it.
    pub mouse: bool,
    /// Whether the terminal is asked what its background is.
    pub asks: bool,
}

/// The terminal while it is taken over. Dropped, it is given back.
pub struct TerminalScreen {
    /// `None` only while it is dropped.
    terminal: Option<Drawing>,
    how: TerminalUse,
    question: TerminalQuery,
}

type Drawing = Terminal<CrosstermBackend<TerminalOutput>>;

impl TerminalScreen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// If there is none, or it does not answer; it is left as it was.
    pub fn take(how: TerminalUse, question: &TerminalQuery) -> io::Result<TerminalScreen> {
        restore_on_panic();
        fatal::handle()?;
        modes::enter(how.mouse)?;
        let mut screen = TerminalScreen { terminal: None, how, question: question.clone() };
        // Should that fail, the terminal is given back when the screen is dropped.
        screen.terminal = Some(drawing()?);
        screen.ask()?;
        Ok(screen)
    }

    /// Draws a picture; the terminal shows it whole or not at all.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn draw(&mut self, picture: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        queue!(terminal.backend_mut(), BeginSynchronizedUpdate)?;
        terminal.draw(|frame| {
            picture(frame);
            redraw_doubtful(frame.buffer_mut());
        })?;
        queue!(terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(terminal.backend_mut())
    }

    /// Offers a text to the terminal's clipboard.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn offer(&mut self, text: &[u8]) -> io::Result<()> {
        let between = Between::of_environment(|name| std::env::var(name).ok());
        modes::write_all(sequence(text, between).as_bytes())
    }

    /// Uses the mouse, or leaves it to the terminal.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn set_mouse(&mut self, is_on: bool) -> io::Result<()> {
        self.how.mouse = is_on;
        modes::set_mouse(is_on)
    }

    /// Asks the terminal what its background is, from now on.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn ask_background(&mut self) -> io::Result<()> {
        self.how.asks = true;
        self.ask()
    }

    /// Waits until the terminal has replied to what it was asked, if it does so soon: while it is given
    /// away, nobody would expect the reply.
    pub fn await_reply(&self) {
        self.question.wait(REPLY);
    }

    /// Gives the terminal away for as long as `work` takes, and for good if that does not say that it
    /// is wanted again.
    ///
    /// # Errors
    /// If it cannot be taken over again.
    pub fn lend<T>(&mut self, work: impl FnOnce() -> (bool, T)) -> io::Result<T> {
        modes::leave(false);
        let (is_wanted, done) = work();
        if is_wanted {
            modes::enter(self.how.mouse)?;
            self.begin_anew()?;
        }
        Ok(done)
    }

    /// Takes the terminal over once more: the program was stopped without a warning, and whatever had
    /// the terminal meanwhile has left it as it needed it.
    ///
    /// # Errors
    /// If it cannot be taken over.
    pub fn repair(&mut self) -> io::Result<()> {
        modes::enter_again(self.how.mouse)?;
        self.begin_anew()
    }

    /// Draws from nothing. `Terminal::clear` would ask the terminal where its cursor is, and fail where
    /// the answer does not come.
    fn begin_anew(&mut self) -> io::Result<()> {
        let mut terminal = drawing()?;
        queue!(terminal.backend_mut(), Clear(ClearType::All))?;
        Write::flush(terminal.backend_mut())?;
        self.terminal.replace(terminal).into_iter().for_each(let_go);
        self.ask()
    }

    fn ask(&mut self) -> io::Result<()> {
        if self.how.asks {
            self.question.asked();
            modes::write_all(ASK)?;
        }
        Ok(())
    }
}

impl Drop for TerminalScreen {
    fn drop(&mut self) {
        self.await_reply();
        modes::leave(false);
        self.terminal.take().into_iter().for_each(let_go);
    }
}

fn drawing() -> io::Result<Drawing> {
    Terminal::new(CrosstermBackend::new(TerminalOutput::default()))
}

/// Dropped with the cursor hidden it shows it, and panics if that fails and nobody is there to be told.
fn let_go(mut terminal: Drawing) {
    if terminal.show_cursor().is_err() {
        std::mem::forget(terminal);
    }
}

/// A panic's message is to be read, not lost with the other screen.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            modes::leave(true);
            tell(panic);
        }));
    });
}
