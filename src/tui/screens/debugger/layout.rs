//! Where the parts of a run that is open are on the screen.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::tui::app::App;

/// From this width on the steps have a side of the screen for themselves.
const WIDE: u16 = 100;
/// The most tasks that are shown above the steps.
const TASKS: u16 = 8;

/// The parts of the screen; what has no room has no size.
#[derive(Clone, Copy, Debug, Default)]
pub struct DebuggerAreas {
    pub title: Rect,
    pub tasks: Rect,
    pub steps: Rect,
    pub source: Rect,
    pub about: Rect,
    pub hints: Rect,
}

/// Where the parts of a run are on a screen of this size.
pub fn areas(app: &App) -> DebuggerAreas {
    let (columns, rows) = app.size;
    let screen = Rect::new(0, 0, columns, rows);
    let [title, body, hints] = Layout::vertical([
        Constraint::Length(u16::from(rows >= 3)),
        Constraint::Min(0),
        Constraint::Length(u16::from(rows >= 2)),
    ])
    .areas(screen);
    let nothing = Rect::new(0, 0, 0, 0);
    if columns >= WIDE {
        let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(body);
        let count = app
            .screen
            .run()
            .and_then(|debugger| debugger.tasks.as_ref())
            .map_or(0, |tasks| tasks.all().len());
        // As long as they are being read their place is kept, so that nothing jumps.
        let tasks = u16::try_from(count).unwrap_or(TASKS).clamp(1, TASKS.min(rows / 4).max(1)) + 1;
        let [tasks, steps] = Layout::vertical([Constraint::Length(tasks), Constraint::Min(0)]).areas(left);
        let [source, about] = Layout::vertical([Constraint::Fill(2), Constraint::Fill(3)]).areas(right);
        return DebuggerAreas { title, tasks, steps, source, about, hints };
    }
    if rows < 12 {
        return DebuggerAreas { title, tasks: nothing, steps: body, source: nothing, about: nothing, hints };
    }
    let [steps, below] = Layout::vertical([Constraint::Fill(4), Constraint::Fill(5)]).areas(body);
    let [source, about] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(below);
    DebuggerAreas { title, tasks: nothing, steps, source, about, hints }
}

pub fn steps_height(app: &App) -> usize {
    usize::from(areas(app).steps.height)
}
