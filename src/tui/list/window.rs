//! The part of a list that is in memory: a few screens around the cursor, however long the list.

use crate::time::Millis;
use crate::tui::list::{Position, Row, RowId, RowOrder};

/// The most rows that are kept.
pub const CAPACITY: usize = 600;
/// How many rows are read at a time.
pub const PAGE: usize = 200;
/// More is read when the cursor comes so near to an end.
const MARGIN: usize = 60;

/// Rows of a list that follow each other, with the cursor on one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Window<R = Row> {
    rows: Vec<R>,
    /// Whether the first row is the first of the whole list.
    pub at_start: bool,
    /// Whether the last row is the last of the whole list.
    pub at_end: bool,
    cursor: usize,
    top: usize,
}

/// Which end of the window more rows are wanted at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEnd {
    /// Before the first row.
    First,
    /// After the last row.
    Last,
}

/// The first of `count` rows that is shown in `height` lines: that which was, if the cursor is visible
/// then and no line stays empty that need not; otherwise the nearest.
pub fn top_for(cursor: usize, top: usize, count: usize, height: usize) -> usize {
    let height = height.max(1);
    top.min(cursor).max((cursor + 1).saturating_sub(height)).min(count.saturating_sub(height))
}

impl<R> Default for Window<R> {
    fn default() -> Window<R> {
        Window { rows: Vec::new(), at_start: false, at_end: false, cursor: 0, top: 0 }
    }
}

impl<R> Window<R> {
    pub fn rows(&self) -> &[R] {
        &self.rows
    }

    /// The row under the cursor.
    pub fn selected(&self) -> Option<&R> {
        self.rows.get(self.cursor)
    }

    /// The place of the cursor among the rows that are in memory.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The first row on the screen.
    pub fn top(&self) -> usize {
        self.top
    }

    /// Makes the cursor visible in `height` rows; called before each draw.
    pub fn fit(&mut self, height: usize) {
        self.top = top_for(self.cursor, self.top, self.rows.len(), height);
    }

    /// Puts other rows into the place of those that are there, with the cursor on the one at `cursor`, or on
    /// the last one. It stays on its line of the screen.
    pub fn replace_at(&mut self, rows: Vec<R>, at_start: bool, at_end: bool, cursor: usize) {
        let line = self.cursor.saturating_sub(self.top);
        self.cursor = cursor.min(rows.len().saturating_sub(1));
        self.rows = rows;
        self.at_start = at_start;
        self.at_end = at_end;
        self.top = self.cursor.saturating_sub(line);
    }

    /// Takes out all rows: those that are read next are the first of the list.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.at_start = true;
    }

    /// Adds rows that follow the last one.
    pub fn append(&mut self, rows: Vec<R>, at_end: bool) {
        self.rows.extend(rows);
        self.at_end = at_end;
        let surplus = self.rows.len().saturating_sub(CAPACITY).min(self.top.saturating_sub(MARGIN));
        if surplus > 0 {
            self.rows.drain(..surplus);
            self.at_start = false;
            self.cursor -= surplus;
            self.top -= surplus;
        }
    }

    /// Adds rows that come before the first one.
    pub fn prepend(&mut self, rows: Vec<R>, at_start: bool) {
        self.cursor += rows.len();
        self.top += rows.len();
        self.rows.splice(0..0, rows);
        self.at_start = at_start;
        let keep = (self.cursor + 3 * MARGIN).max(CAPACITY);
        if self.rows.len() > keep {
            self.rows.truncate(keep);
            self.at_end = false;
        }
    }

    /// Moves the cursor by so many rows, as far as there are any.
    pub fn step(&mut self, by: isize) {
        let last = self.rows.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    /// Puts the cursor on a row, if there is one.
    pub fn select(&mut self, place: usize) {
        self.cursor = place.min(self.rows.len().saturating_sub(1));
    }

    /// The cursor to the first row that is in memory.
    pub fn select_first(&mut self) {
        self.cursor = 0;
        self.top = 0;
    }

    /// Scrolls by so many rows; the cursor comes along only to stay on the screen.
    pub fn scroll(&mut self, by: isize, height: usize) {
        let lowest = self.rows.len().saturating_sub(height);
        self.top = self.top.saturating_add_signed(by).min(lowest);
        self.cursor = self.cursor.clamp(self.top, (self.top + height.max(1) - 1).max(self.top));
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
    }

    /// At which end rows should be read because the cursor comes near to it.
    pub fn wants(&self) -> Option<ListEnd> {
        if !self.at_end && self.rows.len() - self.cursor.min(self.rows.len()) <= MARGIN {
            Some(ListEnd::Last)
        } else if !self.at_start && self.cursor <= MARGIN {
            Some(ListEnd::First)
        } else {
            None
        }
    }
}

impl Window {
    /// Puts other rows into the place of those that are there. The cursor stays on its row if
    /// that is among them, and on its line of the screen.
    pub fn replace(&mut self, rows: Vec<Row>, at_start: bool, at_end: bool, order: RowOrder) {
        let cursor = self.selected().map_or(0, |row| {
            let (id, position) = (row.id(), row.position(order));
            let present = rows.iter().position(|row| row.matches(&id));
            present.unwrap_or_else(|| rows.partition_point(|row| row.position(order) < position))
        });
        self.replace_at(rows, at_start, at_end, cursor);
    }

    /// Puts a row where it belongs, or in the place of the one that it is of. Whether it is in
    /// the window then: a row beyond an end that is not the end of the list is not.
    pub fn put(&mut self, row: Row, order: RowOrder) -> bool {
        let position = row.position(order);
        if let Some(present) = self.find(&row.id()) {
            if self.rows[present].position(order) == position {
                self.rows[present] = row;
                return true;
            }
            let followed = present == self.cursor;
            self.remove(&row.id());
            let placed = self.insert(row, position, order);
            if followed && let Some(place) = placed {
                self.cursor = place;
            }
            return placed.is_some();
        }
        self.insert(row, position, order).is_some()
    }

    fn insert(&mut self, row: Row, position: Position, order: RowOrder) -> Option<usize> {
        let place = self.rows.partition_point(|row| row.position(order) < position);
        if (place == 0 && !self.at_start) || (place == self.rows.len() && !self.at_end) {
            return None;
        }
        let was_empty = self.rows.is_empty();
        // On the newest change the cursor stays on the newest, as at the end of a log.
        let is_log = order == RowOrder::Newest && matches!(row, Row::Change(_));
        let follows = is_log && self.cursor == 0 && self.at_start;
        self.rows.insert(place, row);
        if !was_empty && place <= self.cursor && !follows {
            self.cursor += 1;
        }
        // What is on the screen stays where it is, unless the list is shown from its beginning.
        if place < self.top || (place == self.top && self.top > 0) {
            self.top += 1;
        }
        if self.rows.len() > CAPACITY + PAGE && self.cursor < CAPACITY {
            self.rows.truncate(CAPACITY);
            self.at_end = false;
        }
        (place < self.rows.len()).then_some(place)
    }

    /// Takes a row out, if it is there.
    pub fn remove(&mut self, id: &RowId) -> bool {
        let Some(place) = self.find(id) else { return false };
        self.rows.remove(place);
        if place < self.cursor || self.cursor == self.rows.len() {
            self.cursor = self.cursor.saturating_sub(1);
        }
        if place < self.top {
            self.top -= 1;
        }
        true
    }

    /// Takes out the entries that have expired at `now`; whether there were any. A lock whose
    /// lease has run out stays: it is there until somebody takes it.
    pub fn remove_expired(&mut self, now: Millis) -> bool {
        let expired = self.rows.iter().filter(|row| row.entry().is_some_and(|entry| entry.is_expired(now)));
        let expired: Vec<RowId> = expired.map(Row::id).collect();
        expired.iter().for_each(|id| {
            self.remove(id);
        });
        !expired.is_empty()
    }

    pub fn get(&self, id: &RowId) -> Option<&Row> {
        self.find(id).map(|place| &self.rows[place])
    }

    fn find(&self, id: &RowId) -> Option<usize> {
        self.rows.iter().position(|row| row.matches(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Entry, Key, Revision};

    fn row(key: &str) -> Row {
        Row::Entry(Entry {
            key: Key::new(key).unwrap(),
            stored: b"v".to_vec(),
            size: 1,
            stored_type: None,
            expires_at: Some(Millis(1)),
            version: 1,
            revision: Revision(1),
            created_at: None,
            modified_at: None,
            actor: None,
            kind: None,
        })
    }

    fn keys(window: &Window) -> Vec<String> {
        window.rows().iter().map(|row| row.entry().unwrap().key.to_text()).collect()
    }

    fn window(names: &[&str]) -> Window {
        let mut window = Window::default();
        window.replace(names.iter().map(|name| row(name)).collect(), true, true, RowOrder::Name);
        window
    }

    fn selected(window: &Window) -> String {
        window.selected().unwrap().entry().unwrap().key.to_text()
    }

    #[test]
    fn the_cursor_stays_on_its_row_when_others_come_and_go() {
        let mut window = window(&["b", "d", "f"]);
        window.select(1);
        assert!(window.put(row("a"), RowOrder::Name));
        assert!(window.put(row("e"), RowOrder::Name));
        assert_eq!((selected(&window), keys(&window).join("")), ("d".into(), "abdef".into()));
        window.remove(&row("b").id());
        assert_eq!(selected(&window), "d");
        window.remove(&row("d").id());
        assert_eq!(selected(&window), "e", "the next row takes the place of one that is gone");
        window.replace(["a", "c", "e", "g"].map(row).into(), true, true, RowOrder::Name);
        assert_eq!(selected(&window), "e");
    }

    #[test]
    fn a_row_beyond_an_open_end_is_left_out() {
        let mut window = window(&["b", "d"]);
        window.at_end = false;
        assert!(!window.put(row("e"), RowOrder::Name));
        window.at_start = false;
        assert!(!window.put(row("a"), RowOrder::Name));
        assert!(window.put(row("c"), RowOrder::Name));
        assert_eq!(keys(&window).join(""), "bcd");
    }

    #[test]
    fn an_empty_list_takes_its_first_row() {
        let mut window = window(&[]);
        assert!(window.put(row("a"), RowOrder::Name));
        assert_eq!(selected(&window), "a");
        window.remove(&row("a").id());
        assert_eq!(window.selected(), None);
    }

    #[test]
    fn what_has_expired_is_gone_at_once() {
        let mut window = window(&["a", "b"]);
        window.select(1);
        assert!(!window.remove_expired(Millis(0)));
        assert!(window.remove_expired(Millis(1)));
        assert_eq!(window.selected(), None);
    }

    #[test]
    fn a_long_list_is_kept_in_part() {
        let names: Vec<String> = (0..5000).map(|number| format!("{number:05}")).collect();
        let mut window = Window::default();
        let page = |from: usize| names[from..from + PAGE].iter().map(|name| row(name)).collect::<Vec<_>>();
        window.replace(page(0), true, false, RowOrder::Name);
        let mut next = PAGE;
        while next < 4000 {
            window.step(50);
            window.fit(20);
            if window.wants() == Some(ListEnd::Last) {
                window.append(page(next), false);
                next += PAGE;
            }
            assert!(window.rows().len() <= CAPACITY + PAGE);
        }
        assert!(!window.at_start);
        let before = selected(&window);
        let first = keys(&window)[0].parse::<usize>().unwrap();
        window.prepend(page(first - PAGE), false);
        assert_eq!(selected(&window), before);
    }

    #[test]
    fn the_screen_follows_the_cursor_and_never_shows_less_than_it_can() {
        let mut window = window(&["a", "b", "c", "d", "e"]);
        window.select(4);
        window.fit(3);
        assert_eq!(window.top(), 2);
        window.select(1);
        window.fit(3);
        assert_eq!(window.top(), 1);
        window.fit(0);
        window.scroll(9, 3);
        assert_eq!((window.top(), window.cursor()), (2, 2));
    }
}
