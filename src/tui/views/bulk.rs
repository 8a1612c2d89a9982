//! What is asked before something is done with all that is marked.

use ratatui::Frame;
use ratatui::text::Line;

use super::dialogs::{Answer, LINE, boxed, input_line, place_cursor, room};
use crate::text::escape::escape;
use crate::text::thousands;
use crate::tui::app::App;
use crate::tui::bulk::entries;
use crate::tui::dialog::{Ask, Counting, Wanted};

/// A line that is typed.
pub fn draw_ask(app: &App, ask: &Ask, frame: &mut Frame<'_>) {
    const KEYS: &[Answer] = &[("enter", "go on"), ("esc", "leave it")];
    let (count, _) = ask.marks.count();
    let (title, hint) = match ask.wanted {
        Wanted::Expiry => (format!("Expiry of {}", entries(count)), "write 1h30m, +10m or never"),
        Wanted::Moment => ("To which moment?".into(), "10m, 14:05, \"2026-11-23 14:05\" or a revision"),
        Wanted::File => {
            (format!("Write {} to a file", entries(count)), "a file that is not there yet; lines of JSON")
        }
    };
    let (width, _) = room(app.size, LINE, KEYS);
    let (line, column) = input_line(app, String::new(), &ask.input, width);
    let hint = match &ask.problem {
        Some(problem) => Line::styled(escape(problem.as_bytes()), app.theme.bad),
        None => Line::styled(hint, app.theme.faint),
    };
    let inner = boxed(app, &title, vec![line, hint], KEYS, width, frame);
    place_cursor(inner, 0, column, frame);
}

/// What would be done, as far as it is known.
pub fn draw_counting(app: &App, counting: &Counting, frame: &mut Frame<'_>) {
    let tally = &counting.tally;
    let mut lines = vec![Line::styled(counting.bulk.deed.question(tally.done), app.theme.text)];
    lines.extend(
        tally.lines(&|key| app.hides(key)).into_iter().map(|line| Line::styled(line, app.theme.text)),
    );
    let looked_at = format!("counting… {} looked at", thousands(tally.looked_at));
    lines.push(Line::styled(looked_at, app.theme.faint));
    boxed(app, "What would be done", lines, &[("esc", "stop")], 0, frame);
}
