//! The terminal: taken over, and always given back as it was found.

use std::io::{self, Stdout, Write, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use super::clipboard::{Between, sequence};
use super::widths::redraw_doubtful;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// Whether the terminal is taken over at present.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is taken over. Dropped, it is given back.
pub struct Screen {
    /// `None` only while it is dropped.
    terminal: Option<Drawing>,
}

type Drawing = Terminal<CrosstermBackend<Stdout>>;

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// If it is none, or does not answer; it is left as it was then.
    pub fn take() -> io::Result<Screen> {
        restore_on_panic();
        enter()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()));
        if terminal.is_err() {
            restore();
        }
        Ok(Screen { terminal: Some(terminal?) })
    }

    /// Draws a picture; the terminal shows it whole or not at all.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn draw(&mut self, picture: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        execute!(stdout(), BeginSynchronizedUpdate)?;
        if let Some(terminal) = &mut self.terminal {
            terminal.draw(|frame| {
                picture(frame);
                redraw_doubtful(frame.buffer_mut());
            })?;
        }
        execute!(stdout(), EndSynchronizedUpdate)
    }

    /// Offers a text to the terminal's clipboard.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn offer(&mut self, text: &[u8]) -> io::Result<()> {
        let between = Between::of_environment(|name| std::env::var(name).ok());
        let mut output = stdout();
        output.write_all(sequence(text, between).as_bytes())?;
        output.flush()
    }

    /// Gives the terminal away for as long as `work` takes.
    ///
    /// # Errors
    /// If it cannot be taken over again.
    pub fn lend<T>(&mut self, work: impl FnOnce() -> T) -> io::Result<T> {
        restore();
        let done = work();
        enter()?;
        // Drawn anew from nothing. `Terminal::clear` would ask the terminal where its cursor is,
        // and fail where the answer does not come.
        execute!(stdout(), Clear(ClearType::All))?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        self.terminal.replace(terminal).into_iter().for_each(let_go);
        Ok(done)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
        self.terminal.take().into_iter().for_each(let_go);
    }
}

/// Dropped with the cursor hidden it shows it, and panics if that fails and nobody is there to be told.
fn let_go(mut terminal: Drawing) {
    if terminal.show_cursor().is_err() {
        std::mem::forget(terminal);
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let entered = execute!(stdout(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste);
    if entered.is_err() {
        restore();
    }
    entered
}

/// Gives the terminal back, once; nothing can be done where that fails, because it is gone.
fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut output = stdout();
    let _ = execute!(
        output,
        EndSynchronizedUpdate,
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = output.flush();
    let _ = disable_raw_mode();
}

/// A panic's message is to be read, not lost with the other screen.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            tell(panic);
        }));
    });
}

#[cfg(test)]
mod tests;
