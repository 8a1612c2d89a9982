//! What was changed here, to choose from what is to be taken back.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::theme::Theme;
use crate::tui::widgets::dialog_frame::{KeyHint, boxed, room};
use crate::tui::widgets::format;

/// Draws the list, the newest first, with the one that is chosen in sight.
pub fn draw(app: &App, chosen: usize, now: Millis, frame: &mut Frame<'_>) {
    const KEYS: &[KeyHint] = &[("enter", "take it back"), ("j k", "choose"), ("esc", "close")];
    const AGE: usize = 7;
    const WIDEST: usize = 100;
    let theme = &app.settings.theme;
    let (width, height) = room(app.size, WIDEST, KEYS);
    let top = (chosen + 1).saturating_sub(height.max(1));
    let shown = app.undo.stack.done.iter().rev().enumerate().skip(top).take(height.max(1));
    let lines = shown.map(|(place, done)| {
        let is_chosen = place == chosen;
        let style = if is_chosen { theme.text.patch(theme.cursor) } else { theme.text };
        let mark = if is_chosen { "› " } else { "  " };
        let age = format::fit(&format::age(Some(done.at), now), AGE);
        let is_taken_back = app.undo.stack.is_taken_back(app.undo.stack.done.len() - 1 - place);
        let taken_back = if is_taken_back { "taken back: " } else { "" };
        let words = format!("{taken_back}{}", escape(done.describe().as_bytes()));
        let words = format::cut(&words, width.saturating_sub(AGE + 3));
        Line::from(vec![
            Span::styled(mark, style),
            Span::styled(age, Theme::over(style, theme.faint)),
            Span::styled(format!(" {words}"), style),
        ])
    });
    boxed(app, "Changed here, the newest first", lines.collect(), KEYS, 0, frame);
}
