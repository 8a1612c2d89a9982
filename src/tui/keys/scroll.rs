//! Keys that scroll a text.

use crossterm::event::{KeyCode, KeyEvent};

/// How many lines a key scrolls a text that fills `page` lines.
pub fn scrolled(key: KeyEvent, page: usize) -> isize {
    let page = page.saturating_sub(3).max(1).cast_signed();
    match key.code {
        KeyCode::Char('j' | 'J') | KeyCode::Down => 1,
        KeyCode::Char('k' | 'K') | KeyCode::Up => -1,
        KeyCode::PageDown | KeyCode::Char(' ') => page,
        KeyCode::PageUp => -page,
        KeyCode::Char('g') | KeyCode::Home => isize::MIN,
        KeyCode::Char('G') | KeyCode::End => isize::MAX,
        _ => 0,
    }
}
