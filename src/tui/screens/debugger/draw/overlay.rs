//! What is shown over a run: a report, and where it stops.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};
use unicode_width::UnicodeWidthStr;

use crate::tui::app::App;
use crate::tui::screens::debugger::requests::DebuggerReport;
use crate::tui::theme::Theme;
use crate::tui::widgets::dialog_frame::{KeyHint, boxed, room};
use crate::tui::widgets::format;
use crate::tui::widgets::line::wrapped;

/// Draws what a comparison or a trial showed.
pub fn report(app: &App, report: &DebuggerReport, frame: &mut Frame<'_>) {
    let theme = &app.settings.theme;
    let screen = frame.area();
    let area = Rect { y: screen.y.saturating_add(1), height: screen.height.saturating_sub(2), ..screen }
        .intersection(screen);
    frame.render_widget(Clear, area);
    let room = usize::from(area.width).saturating_sub(6);
    let block = Block::bordered()
        .border_style(theme.frame)
        .title(Span::styled(format!(" {} ", format::cut(&report.title, room)), theme.title));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width).saturating_sub(2);
    // A title that has no room in the frame stands below it in full.
    let title = Some(&report.title).filter(|title| title.width() > room);
    // No more of it is broken into lines than has room: it may be very long.
    let lines = title
        .into_iter()
        .chain(&report.lines)
        .skip(report.top)
        .flat_map(|line| wrapped(&Line::styled(line.clone(), theme.text), width));
    for (line, y) in lines.zip(inner.y..inner.bottom()) {
        frame
            .render_widget(line, Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), y, height: 1 });
    }
}

/// Draws the list of where runs stop, with the one that has the cursor in sight.
pub fn stops(app: &App, place: usize, frame: &mut Frame<'_>) {
    const KEYS: &[KeyHint] = &[("d", "take it out"), ("D", "all"), ("j k", "choose"), ("esc", "close")];
    const WIDEST: usize = 100;
    let theme = &app.settings.theme;
    let (width, height) = room(app.size, WIDEST, KEYS);
    let top = (place + 1).saturating_sub(height.max(1));
    let shown = app.runs.breakpoints.iter().enumerate().skip(top).take(height.max(1));
    let lines = shown.map(|(at, breakpoint)| {
        let is_chosen = at == place;
        let style = if is_chosen { theme.text.patch(theme.cursor) } else { theme.text };
        let mark = if is_chosen { "› " } else { "  " };
        Line::from(vec![
            Span::styled(mark, style),
            Span::styled("● ", Theme::over(style, theme.warning)),
            Span::styled(format::cut(&breakpoint.describe(), width.saturating_sub(4)), style),
        ])
    });
    boxed(app, "Runs stop at", lines.collect(), KEYS, 0, frame);
}
