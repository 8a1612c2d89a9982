//! Where everything is on the screen: the same for drawing and for the mouse.

use ratatui::layout::{Constraint, Layout, Rect};

/// From this width the details stand beside the list.
const BESIDE: u16 = 100;
/// From this height they stand below it, where they have no room beside.
const BELOW: u16 = 20;

/// The parts of the screen; what has no room has no size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// The row of tabs.
    pub tabs: Rect,
    /// The filter line.
    pub filter: Rect,
    /// The names of the columns.
    pub heading: Rect,
    /// The rows of the list.
    pub list: Rect,
    /// The details of the row under the cursor.
    pub detail: Rect,
    /// The row of key hints, where messages are shown too.
    pub hints: Rect,
}

impl Areas {
    /// The parts of a screen of so many columns and rows.
    pub fn of((columns, rows): (u16, u16)) -> Areas {
        let screen = Rect::new(0, 0, columns, rows);
        let heading = u16::from(rows >= 7);
        let [tabs, filter, body, hints] = Layout::vertical([
            Constraint::Length(u16::from(rows >= 3)),
            Constraint::Length(u16::from(rows >= 4)),
            Constraint::Min(0),
            Constraint::Length(u16::from(rows >= 2)),
        ])
        .areas(screen);
        let (body, detail) = if columns >= BESIDE {
            let [list, detail] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(body);
            (list, detail)
        } else if rows >= BELOW {
            let [list, detail] = Layout::vertical([Constraint::Fill(3), Constraint::Fill(2)]).areas(body);
            (list, detail)
        } else {
            (body, Rect::new(0, 0, 0, 0))
        };
        let [heading, list] = Layout::vertical([Constraint::Length(heading), Constraint::Min(0)]).areas(body);
        Areas { tabs, filter, heading, list, detail, hints }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_layout_within_the_screen() {
        for columns in [0, 1, 20, 80, 120, 300] {
            for rows in [0, 1, 2, 3, 5, 24, 40, 100] {
                let areas = Areas::of((columns, rows));
                for area in [areas.tabs, areas.filter, areas.heading, areas.list, areas.detail, areas.hints] {
                    assert!(area.right() <= columns && area.bottom() <= rows, "{columns}x{rows}: {area:?}");
                }
                assert!(rows == 0 || areas.list.height > 0, "{columns}x{rows}");
            }
        }
    }
}
