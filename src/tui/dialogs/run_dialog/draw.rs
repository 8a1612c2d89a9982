//! Starting a workflow.

use ratatui::Frame;
use ratatui::text::Line;
use tui_input::Input;

use crate::text::escape::escape;
use crate::tui::app::App;
use crate::tui::dialogs::run_dialog::state::RunDialog;
use crate::tui::widgets::dialog_frame::{KeyHint, boxed, database, input_line, place_cursor, room};
use crate::tui::widgets::format;

const KEYS: &[KeyHint] = &[
    ("enter", "start"),
    ("tab", "complete"),
    ("ctrl-n ctrl-p", "run before"),
    ("↓ ↑", "parameters"),
    ("esc", "leave it"),
];
const WIDTH: usize = 76;
/// How many files are shown that a path may become.
const COMPLETIONS: usize = 6;

/// Whether a parameter is one whose value is masked.
fn is_secret(app: &App, input: &Input) -> bool {
    input.value().split_once('=').is_some_and(|(name, _)| app.settings.secrets.hides_name(name.as_bytes()))
}

/// A parameter with a dot for each character of its value.
fn dots_after_name(input: &Input) -> Input {
    let name = input.value().split('=').next().unwrap_or_default();
    let count = input.value().chars().count() - name.chars().count() - 1;
    Input::new(format!("{name}={}", "•".repeat(count))).with_cursor(input.cursor())
}

pub fn draw(app: &App, start: &RunDialog, frame: &mut Frame<'_>) {
    const LABEL: usize = 9;
    let (width, height) = room(app.size, WIDTH, KEYS);
    let mut lines = Vec::new();
    let mut cursor = None;
    for (place, input) in std::iter::once(&start.file).chain(&start.params).enumerate() {
        let is_focus = place == start.focus;
        // Where not all lines have room, the one with the cursor has.
        if height < start.params.len() + 2 && !is_focus {
            continue;
        }
        let name = match place {
            0 => "file",
            1 => "params",
            _ => "",
        };
        let label = format::fit(&format!("{} {name}", if is_focus { "›" } else { " " }), LABEL.min(width));
        let is_secret = place > 0 && !app.settings.shows_secrets && is_secret(app, input);
        let input = if is_secret { &dots_after_name(input) } else { input };
        let (line, column) = input_line(app, label, input, width);
        if is_focus {
            cursor = Some((lines.len(), column));
        }
        lines.push(line);
    }
    let theme = &app.settings.theme;
    match (&start.problem, start.offers.len()) {
        (Some(problem), _) => lines.push(Line::styled(escape(problem.as_bytes()), theme.bad)),
        (None, _) if !start.completions.is_empty() => {
            let shown = start.completions.iter().take(COMPLETIONS);
            lines.extend(
                shown.map(|path| Line::styled(format::cut(&escape(path.as_bytes()), width), theme.faint)),
            );
        }
        (None, 0) => lines.push(Line::styled("a file of Lua; its parameters, each KEY=VALUE", theme.faint)),
        (None, count) => {
            let before = format!(
                "{} before, with what they were given",
                format::counted(count as u64, "file was run").replace("file was runs", "files were run")
            );
            lines.push(Line::styled(before, theme.faint));
        }
    }
    // Where it runs, if there is room for it: it is started without a further question.
    lines.extend(database(app).filter(|_| lines.len() < height));
    let inner = boxed(app, "Start a workflow", lines, KEYS, width, frame);
    if let Some((line, column)) = cursor {
        place_cursor(inner, line, column, frame);
    }
}
