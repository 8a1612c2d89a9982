//! What is asked before something is done with all that is marked.

use ratatui::Frame;
use ratatui::text::Line;

use crate::text::escape::escape;
use crate::text::thousands;
use crate::tui::app::App;
use crate::tui::bulk::entries;
use crate::tui::dialog::{BulkCounting, InputDialog, InputPurpose};
use crate::tui::widgets::dialog_frame::{KeyHint, LINE, boxed, input_line, place_cursor, room};

pub fn draw_ask(app: &App, ask: &InputDialog, frame: &mut Frame<'_>) {
    const KEYS: &[KeyHint] = &[("enter", "go on"), ("esc", "leave it")];
    let count = ask.marks.count();
    let (title, hint) = match ask.wanted {
        InputPurpose::Expiry => (format!("Expiry of {}", entries(count)), "write 1h30m, +10m or never"),
        InputPurpose::Moment => ("To which moment?".into(), "10m, 14:05, \"2026-11-23 14:05\" or a revision"),
        InputPurpose::File => {
            (format!("Write {} to a file", entries(count)), "a file that is not there yet; lines of JSON")
        }
    };
    let (width, _) = room(app.size, LINE, KEYS);
    let (line, column) = input_line(app, String::new(), &ask.input, width);
    let hint = match &ask.problem {
        Some(problem) => Line::styled(escape(problem.as_bytes()), app.settings.theme.bad),
        None => Line::styled(hint, app.settings.theme.faint),
    };
    let inner = boxed(app, &title, vec![line, hint], KEYS, width, frame);
    place_cursor(inner, 0, column, frame);
}

/// What would be done, as far as it is known.
pub fn draw_counting(app: &App, counting: &BulkCounting, frame: &mut Frame<'_>) {
    let tally = &counting.tally;
    let mut lines = vec![Line::styled(counting.bulk.deed.question(tally.done), app.settings.theme.text)];
    lines.extend(
        tally
            .lines(&|key| app.hides(key))
            .into_iter()
            .map(|line| Line::styled(line, app.settings.theme.text)),
    );
    let scanned = format!("counting… {} looked at", thousands(tally.scanned));
    lines.push(Line::styled(scanned, app.settings.theme.faint));
    boxed(app, "What would be done", lines, &[("esc", "stop")], 0, frame);
}
