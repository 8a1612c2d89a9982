//! The palette: what was typed, and the commands that fit.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use crate::tui::app::App;
use crate::tui::dialogs::palette::choices::PaletteItem;
use crate::tui::dialogs::palette::state::Palette;
use crate::tui::theme::Theme;
use crate::tui::widgets::dialog_frame::{KeyHint, boxed, input_line, place_cursor, room};
use crate::tui::widgets::format;

const KEYS: &[KeyHint] = &[("enter", "do it"), ("tab", "write it out"), ("esc", "close")];
/// Those that have to be seen.
const FEW: &[KeyHint] = &[KEYS[0], KEYS[2]];
const WIDTH: usize = 76;
/// The most choices that are shown.
const ROWS: usize = 12;
const NAME: usize = 16;
const KEY: usize = 10;

pub fn draw(app: &App, palette: &Palette, frame: &mut Frame<'_>) {
    let choices = palette.choices(app);
    // What would be done is seen before it is done, however small the screen is.
    let keys = if room(app.size, WIDTH, KEYS).1 < 3 { FEW } else { KEYS };
    let (width, height) = room(app.size, WIDTH, keys);
    let (line, column) = input_line(app, ": ".into(), &palette.input, width);
    let mut lines = vec![line];
    let rows = height.saturating_sub(2).clamp(1, ROWS);
    let top = palette.chosen.saturating_sub(rows - 1);
    let shown = choices.iter().enumerate().skip(top).take(rows);
    lines.extend(shown.map(|(place, choice)| row(app, choice, place == palette.chosen, width)));
    if choices.is_empty() {
        lines.push(Line::styled("no such command here", app.settings.theme.faint));
    }
    let inner = boxed(app, "Commands", lines, keys, width, frame);
    place_cursor(inner, 0, column, frame);
}

/// A choice with its keys: those of a command that is about to be called with something are known.
fn row(app: &App, choice: &PaletteItem, is_chosen: bool, width: usize) -> Line<'static> {
    let theme = &app.settings.theme;
    let style = if is_chosen { theme.text.patch(theme.cursor) } else { theme.text };
    let keys = match choice.argument {
        Some(_) => "",
        None => app.settings.keymap.keys_in(choice.command.action, &app.context()).next().unwrap_or_default(),
    };
    let help = width.saturating_sub(2 + NAME + KEY);
    let name = if help > 0 { NAME } else { width.saturating_sub(2) };
    let plain = Theme::over(style, theme.label);
    let mut spans = vec![Span::styled(if is_chosen { "› " } else { "  " }, style)];
    spans.extend(format::spans(
        choice.name.as_bytes(),
        name,
        plain,
        Theme::over(style, theme.escaped),
        Theme::over(style, theme.matched),
        &choice.letters,
    ));
    spans.push(Span::styled(
        format::fit(keys, KEY.min(width.saturating_sub(2 + name))),
        Theme::over(style, theme.key),
    ));
    spans.push(Span::styled(format::fit(&crate::text::escape::escape(choice.help.as_bytes()), help), style));
    Line::from(spans)
}
