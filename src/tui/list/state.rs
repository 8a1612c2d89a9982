//! The state of the list: what is shown, its rows, and what is being read.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::store::Change;
use crate::time::Millis;
use crate::tui::list::{
    FilterLine, KeyTree, ListEnd, Load, LoadFrom, Marks, Row, RowId, RowOrder, Sort, Trends, Window,
};
use crate::tui::request::RequestId;
use crate::tui::throttle::Throttle;
use crate::tui::view::View;

/// How often what may have changed of a list of runs is read.
const RUNS_THROTTLE: Throttle = Throttle::new(Duration::from_millis(30), 40);

/// The list, and what follows its rows.
#[derive(Clone, Debug)]
pub struct ListState {
    pub view: View,
    pub window: Window,
    pub reading: ListReading,
    /// What rows are left out by.
    pub filter_line: FilterLine,
    /// Of the history: what it is of, and where it was asked for; `None` for all of it.
    pub scope: Option<HistoryScope>,
    pub tree: KeyTree,
    /// By what the lists of views are sorted, where not by their own order.
    pub sorts: HashMap<View, Sort>,
    /// Rows that stand out, and until when.
    pub flashes: HashMap<RowId, Millis>,
    /// The row that was clicked last, and when: twice in a row opens its details.
    pub clicked: Option<(RowId, Millis)>,
    pub marks: Marks,
    /// All that passes the filter is being read, under this number, to be marked.
    pub marking: Option<RequestId>,
    /// A row that is awaited: the cursor goes to it once it is in the list, unless a key is
    /// pressed before.
    pub pending_cursor: Option<RowId>,
    /// The last changes that were told, oldest first: what a reading that began before them has
    /// not seen.
    pub recent: VecDeque<Change>,
    /// How many changes were told so far.
    pub told: usize,
    /// How numbers went up and down.
    pub trends: Trends,
}

impl ListState {
    /// The list of a view, before anything was read.
    pub fn new(view: View) -> ListState {
        ListState {
            view,
            window: Window::default(),
            reading: ListReading::default(),
            filter_line: FilterLine::default(),
            scope: None,
            tree: KeyTree::default(),
            sorts: HashMap::new(),
            flashes: HashMap::new(),
            clicked: None,
            marks: Marks::default(),
            marking: None,
            pending_cursor: None,
            recent: VecDeque::new(),
            told: 0,
            trends: Trends::default(),
        }
    }

    /// What its rows are ordered by. What passes a filter is shown as a list.
    pub fn order(&self) -> RowOrder {
        let is_tree = self.view == View::Keys && self.tree.is_shown && self.filter_line.filter().is_empty();
        match self.sorts.get(&self.view) {
            _ if is_tree => RowOrder::Tree,
            Some(sort) => RowOrder::Sorted(*sort),
            None => self.view.order(),
        }
    }

    /// The request for so many of its rows, which is under way from here on.
    pub fn request(&mut self, from: LoadFrom, limit: usize) -> Load {
        self.reading.from = Some(from.clone());
        let order = self.order();
        Load {
            generation: self.reading.generation,
            view: self.view,
            filter: self.filter_line.filter().clone(),
            scope: self.scope.as_ref().map(|scope| scope.of.clone()),
            tree: (order == RowOrder::Tree).then(|| self.tree.open.clone()),
            sort: match order {
                RowOrder::Sorted(sort) => Some(sort),
                _ => None,
            },
            from,
            limit,
        }
    }

    /// From where on more rows are to be read because the cursor comes near to an end of those in this order.
    pub fn wants(&self, order: RowOrder) -> Option<LoadFrom> {
        Some(match self.window.wants()? {
            ListEnd::Last => LoadFrom::After(self.window.rows().last()?.position(order)),
            ListEnd::First => LoadFrom::Before(self.window.rows().first()?.position(order)),
        })
    }

    /// The clock was set back: what was to wait for a moment that is now far away waits no longer.
    pub fn clock_set_back(&mut self, now: Millis) {
        let reading = &mut self.reading;
        for moment in [&mut reading.not_before, &mut reading.since, &mut reading.compare_not_before] {
            *moment = (*moment).min(now);
        }
        let moments = [&mut reading.compare, &mut reading.again, &mut reading.waiting_since];
        for moment in moments.into_iter().chain([&mut self.tree.count_at]) {
            *moment = moment.map(|at| at.min(now));
        }
        reading.refreshing.clock_set_back(now);
        self.flashes.clear();
    }

    /// Takes in rows that follow those that are there, or come before them.
    pub fn add_rows(&mut self, from: &LoadFrom, rows: Vec<Row>, exhausted: bool) {
        match from {
            LoadFrom::Before(_) => self.window.prepend(rows, exhausted),
            _ => self.window.append(rows, exhausted),
        }
    }

    /// Puts the cursor on the row that is awaited, if it is in the list by now.
    pub fn follow_pending_cursor(&mut self) {
        let Some(pending_cursor) = &self.pending_cursor else { return };
        let hides_it = |row: &Row| match (row, pending_cursor) {
            (Row::Group(group), RowId::Entry(key)) => group.has(key),
            _ => false,
        };
        let rows = self.window.rows();
        // In a tree the group that it is in is as near as can be.
        let place = rows.iter().position(|row| row.matches(pending_cursor));
        if let Some(place) = place.or_else(|| rows.iter().rposition(hides_it)) {
            self.window.select(place);
            self.pending_cursor = None;
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct HistoryScope {
    /// An entry or a lock.
    pub of: RowId,
    pub back: View,
}

/// What is being read, and how it goes.
#[derive(Clone, Debug)]
pub struct ListReading {
    /// The list that is asked for.
    pub generation: RequestId,
    /// The last request for single entries that was not answered; one before the list is not answered at all.
    pub refetching: RequestId,
    /// Where the present reading started from; `None` if nothing is being read.
    pub from: Option<LoadFrom>,
    /// Since when the database owes an answer; `None` if it has answered since it was last asked.
    pub waiting_since: Option<Millis>,
    /// How many entries were looked at.
    pub scanned: u64,
    /// When the present reading was asked for.
    pub since: Millis,
    /// How many changes had been told then.
    pub told: usize,
    /// Where the cursor was when the list was to be sorted: it is there again if that cannot be done.
    pub left: Option<RowId>,
    /// Something changed that is not known row by row: the rows are to be read again.
    pub is_stale: bool,
    /// When what may have changed is read again: of a list of runs, and of what the past shows of the present.
    pub refreshing: Throttle,
    /// The newest run that was looked at, whether or not it is in the list.
    pub newest_run: Option<i64>,
    /// Not before this moment: what takes long, or has just failed, is not done over and over.
    pub not_before: Millis,
    /// When the rows are compared with the database because of a commit that tells of no change of them:
    /// another program may have changed them with triggers switched off.
    pub compare: Option<Millis>,
    pub compare_not_before: Millis,
    /// How long the last reading took.
    pub took: Duration,
    /// Whether the present reading is one of those.
    pub is_comparing: bool,
    /// When the rows are to be read again although nothing is known to have changed.
    pub again: Option<Millis>,
    /// Rows that are to take the place of those that are shown, once all have come.
    pub replacement_rows: Option<Vec<Row>>,
    /// Whether what appears was there before, in a group that was closed.
    pub is_unfolding: bool,
    /// To which end of the list the cursor goes; `None` where it stays on its row.
    pub cursor_to: Option<ListEnd>,
    /// The last reading failed: no more rows are asked for until these are read again.
    pub failed: bool,
}

impl Default for ListReading {
    /// Nothing was asked for yet.
    fn default() -> ListReading {
        ListReading {
            generation: RequestId::default(),
            refetching: RequestId::default(),
            from: None,
            waiting_since: None,
            scanned: 0,
            since: Millis::default(),
            told: 0,
            left: None,
            is_stale: false,
            refreshing: RUNS_THROTTLE,
            newest_run: None,
            not_before: Millis::default(),
            compare: None,
            compare_not_before: Millis::default(),
            took: Duration::ZERO,
            is_comparing: false,
            again: None,
            replacement_rows: None,
            is_unfolding: false,
            cursor_to: None,
            failed: false,
        }
    }
}
