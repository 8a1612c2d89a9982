//! Where everything is on the screen: the same for drawing and for the mouse.

use ratatui::layout::{Constraint, Layout, Margin, Rect};

/// From this width the details stand beside the list.
const BESIDE: u16 = 100;
/// From this height they stand below it, where they have no room beside.
const BELOW: u16 = 20;
/// A screen from this size on has room for a frame that marks the database.
const FRAMED: (u16, u16) = (40, 10);

/// The parts of the screen; what has no room has no size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// The frame around everything else.
    pub frame: Rect,
    pub tabs: Rect,
    pub filter: Rect,
    /// The names of the columns.
    pub heading: Rect,
    pub list: Rect,
    /// The details of the row under the cursor.
    pub detail: Rect,
    /// The row of key hints, where messages are shown too.
    pub hints: Rect,
}

impl Areas {
    /// The parts of a screen of so many columns and rows, with a frame where it is wanted and has
    /// room.
    pub fn of((columns, rows): (u16, u16), framed: bool) -> Areas {
        let screen = Rect::new(0, 0, columns, rows);
        if framed && columns >= FRAMED.0 && rows >= FRAMED.1 {
            let inner = screen.inner(Margin::new(1, 1));
            return Areas { frame: screen, ..Areas::within(inner) };
        }
        Areas::within(screen)
    }

    /// The same for a list that needs the room below it, and has no names of columns.
    #[must_use]
    pub fn tall(self) -> Areas {
        let is_below = self.detail.y > self.list.y;
        let below = if is_below { self.detail.height } else { 0 };
        let list = Rect {
            y: self.list.y - self.heading.height,
            height: self.list.height + self.heading.height + below,
            ..self.list
        };
        let detail = if is_below { Rect::default() } else { self.detail };
        Areas { list, detail, heading: Rect::default(), ..self }
    }

    fn within(screen: Rect) -> Areas {
        let Rect { width: columns, height: rows, .. } = screen;
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
            (body, Rect::default())
        };
        let [heading, list] = Layout::vertical([Constraint::Length(heading), Constraint::Min(0)]).areas(body);
        Areas { frame: Rect::default(), tabs, filter, heading, list, detail, hints }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_a_layout_within_the_screen() {
        for (columns, rows) in sizes() {
            for framed in [false, true] {
                let areas = Areas::of((columns, rows), framed);
                for area in [areas.tabs, areas.filter, areas.heading, areas.list, areas.detail, areas.hints] {
                    assert!(area.right() <= columns && area.bottom() <= rows, "{columns}x{rows}: {area:?}");
                }
                assert!(rows == 0 || areas.list.height > 0, "{columns}x{rows}");
            }
        }
    }

    fn sizes() -> impl Iterator<Item = (u16, u16)> {
        let heights = [0, 1, 2, 3, 5, 10, 24, 40, 100];
        [0, 1, 20, 40, 80, 120, 300].into_iter().flat_map(move |columns| heights.map(|rows| (columns, rows)))
    }

    #[test]
    fn nothing_lies_under_the_frame() {
        for size in sizes() {
            let areas = Areas::of(size, true);
            let inner = areas.frame.inner(Margin::new(1, 1));
            for area in [areas.tabs, areas.filter, areas.heading, areas.list, areas.detail, areas.hints] {
                let is_free = area.is_empty() || inner.intersection(area) == area;
                assert!(areas.frame.is_empty() || is_free, "{size:?}: {area:?}");
            }
        }
        assert!(!Areas::of((40, 10), true).frame.is_empty());
        assert!(Areas::of((20, 5), true).frame.is_empty(), "a small screen is for the list");
    }
}
