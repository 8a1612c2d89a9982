//! What is to be other than it was, as it is typed.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use crate::text::escape::escape;
use crate::tui::app::App;
use crate::tui::screens::debugger::what_if_form::{WhatIfField, WhatIfForm};
use crate::tui::screens::debugger::what_if_keys;
use crate::tui::widgets::dialog_frame::{KeyHint, boxed, input_line, place_cursor, room};
use crate::tui::widgets::format;
use crate::tui::widgets::question::question;

const KEYS: &[KeyHint] =
    &[("enter", "run it"), ("↓ ↑", "lines"), ("ctrl-p", "what was tried before"), ("esc", "leave it")];
const WIDTH: usize = 76;
/// How many files are shown that a path may become.
const COMPLETIONS: usize = 6;
/// How wide the names of the lines are.
const LABEL: usize = 11;

/// Draws what is typed, or the question whether commands are to be run in truth.
pub fn draw(app: &App, wish: &WhatIfForm, frame: &mut Frame<'_>) {
    if let Some(typed) = &wish.asks {
        return question(app, &QUESTION.map(String::from), what_if_keys::reply(app), typed, frame);
    }
    let theme = &app.settings.theme;
    let (width, height) = room(app.size, WIDTH, KEYS);
    let mut lines = Vec::new();
    let mut cursor = None;
    let mut named = None;
    let count = wish.rows().count();
    for row in wish.rows() {
        let is_focus = row == wish.row();
        // Where not all lines have room, the one with the cursor has.
        if height < count + 2 && !is_focus {
            continue;
        }
        let name = match row {
            WhatIfField::Entry(_) => "entry",
            WhatIfField::Source => "source",
            WhatIfField::ExecStub(_) => "stub",
            WhatIfField::Live => "commands",
        };
        let shown = if named.replace(name) == Some(name) { "" } else { name };
        let label = format::fit(&format!("{} {shown}", if is_focus { "›" } else { " " }), LABEL.min(width));
        match wish.text(row) {
            Some(input) if is_focus || !input.value().is_empty() => {
                let (line, column) = input_line(app, label, input, width);
                if is_focus {
                    cursor = Some((lines.len(), column));
                }
                lines.push(line);
            }
            _ => {
                let (text, style) = match row {
                    WhatIfField::Source => ("as it was recorded", theme.faint),
                    WhatIfField::Live if wish.live => {
                        ("RUN IN TRUTH where the recording has no answer", theme.warning)
                    }
                    WhatIfField::Live => ("not run", theme.text),
                    _ => ("", theme.faint),
                };
                let style = if is_focus { style.patch(theme.cursor) } else { style };
                lines.push(Line::from(vec![Span::styled(label, theme.label), Span::styled(text, style)]));
            }
        }
    }
    match &wish.problem {
        Some(problem) => lines.push(Line::styled(escape(problem.as_bytes()), theme.bad)),
        None if !wish.completions.is_empty() => {
            let shown = wish.completions.iter().take(COMPLETIONS);
            lines.extend(
                shown.map(|path| Line::styled(format::cut(&escape(path.as_bytes()), width), theme.faint)),
            );
        }
        None => lines.push(Line::styled(format::cut(about(wish.row()), width), theme.faint)),
    }
    let inner = boxed(app, "What if", lines, KEYS, width, frame);
    if let Some((line, column)) = cursor {
        place_cursor(inner, line, column, frame);
    }
}

fn about(row: WhatIfField) -> &'static str {
    match row {
        WhatIfField::Entry(_) => "key=value, or -key: if it had not been there; ↓ for another",
        WhatIfField::Source => "another file of Lua; tab: the file as it is now, and completes a path",
        WhatIfField::ExecStub(_) => "pattern=output: what commands like git* write instead of being run",
        WhatIfField::Live => "space: run those that the recording has no answer for, or do not",
    }
}

/// What is asked before commands are run in truth.
const QUESTION: [&str; 4] = [
    "Run commands in truth?",
    "Those that the recording has no answer for are run here and now, and variables are read here.",
    "What they do is done, and is not taken back.",
    "The database stays as it is.",
];
