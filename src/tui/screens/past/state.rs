//! The state as it was at a moment of the past, beside what it is now.

use std::time::Duration;

use crate::store::{Change, HistorySpan, Moment, Revision, StoreError, When};
use crate::time::Millis;
use crate::tui::list::{DiffRow, ListState, Load, LoadFrom, Row, Sort, SortBy};
use crate::tui::throttle::Throttle;
use crate::tui::view::View;

/// How many changes of the scrubber are read to each side.
pub const SCRUBBER_LEN: usize = 150;
/// How often what is shown of the present is read again.
const REFRESH_THROTTLE: Throttle = Throttle::new(Duration::from_millis(300), 4);
/// What is shown of the present is worth a word if it may have changed for so long.
const STALE_NOTICE: Duration = Duration::from_secs(1);

/// A look at the past.
#[derive(Clone, Debug)]
pub struct PastView {
    /// The list, of what belongs into it then or now.
    pub list: ListState,
    /// Whether only those are shown that are not the same now.
    pub only_different: bool,
    /// There are too many rows to be sorted: they are in the order of their keys.
    pub is_too_long: bool,
    /// Where the last question led to.
    pub goal: PastTarget,
    /// Steps that were asked for while an answer was awaited.
    pub steps: isize,
    /// Where it is; `None` until the first answer.
    pub place: Option<PastPosition>,
    /// All that differs is to be marked once the place is reached that is on its way.
    pub marks_on_arrival: bool,
    /// The change that made what was shown before the database was opened again.
    pub expects: Option<Change>,
    /// Since when something may have changed that was not read yet.
    pub outdated: Option<Millis>,
    /// The same of what is being read.
    pub unread: Option<Millis>,
}

/// A moment among the changes around it.
#[derive(Clone, Debug, PartialEq)]
pub struct PastPosition {
    /// The moment.
    pub moment: Moment,
    /// How far history goes.
    pub span: HistorySpan,
    /// The changes of entries that had been made by then, the newest first.
    pub before: Vec<Change>,
    /// Those that were made later, the oldest first.
    pub after: Vec<Change>,
}

/// A question about the past.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRequest {
    /// Where to.
    pub goal: PastTarget,
    /// Whether only rows that are not the same now.
    pub only_different: bool,
    /// Which rows. Those that are sorted are read as a whole.
    pub load: Load,
}

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PastTarget {
    /// To the present.
    Newest,
    /// As far back as history goes.
    Oldest,
    /// To what was then.
    When(When),
    /// So many changes of entries on from a revision, or back.
    Steps(Revision, isize),
    /// Nowhere else: more rows.
    Stay(Moment),
}

/// The answer.
#[derive(Debug)]
pub struct PastPage {
    /// Where that is; `None` where it was not asked.
    pub place: Option<PastPosition>,
    /// Where the rows were read from.
    pub from: LoadFrom,
    /// The rows in their order; `None` if there are more than are sorted.
    pub rows: Option<Vec<DiffRow>>,
    /// Whether the list ends with them, in the direction in which they were read.
    pub is_end: bool,
    /// What was asked for is not there: this is the oldest that is.
    pub pruned: Option<StoreError>,
}

impl PastView {
    /// A look at the past of what a list shows.
    pub fn of(mut list: ListState) -> PastView {
        list.reading.refreshing = REFRESH_THROTTLE;
        PastView {
            list,
            only_different: false,
            is_too_long: false,
            goal: PastTarget::Newest,
            steps: 0,
            place: None,
            marks_on_arrival: false,
            expects: None,
            outdated: None,
            unread: None,
        }
    }

    /// The same look once the database was opened again: nothing that was read counts any more.
    #[must_use]
    pub fn reopened(self) -> PastView {
        let expects = self.last_change().cloned();
        let selected = self.list.window.selected().map(Row::id);
        let ListState { view, filter_line, sorts, pending_cursor, .. } = self.list;
        let pending_cursor = selected.or(pending_cursor);
        let list = ListState { filter_line, sorts, pending_cursor, ..ListState::new(view) };
        let (only_different, is_too_long) = (self.only_different, self.is_too_long);
        PastView { only_different, is_too_long, expects, ..PastView::of(list) }
    }

    /// The change that made what is shown.
    pub fn last_change(&self) -> Option<&Change> {
        self.place.as_ref()?.before.first()
    }

    /// Whether an answer is awaited.
    pub fn is_awaiting(&self) -> bool {
        self.list.reading.from.is_some()
    }

    /// The rows that are in memory.
    pub fn rows(&self) -> impl Iterator<Item = &DiffRow> {
        self.list.window.rows().iter().filter_map(Row::diff)
    }

    /// The row under the cursor.
    pub fn selected(&self) -> Option<&DiffRow> {
        self.list.window.selected()?.diff()
    }

    /// Where to go to read again what is shown: at the present one goes along with it.
    pub fn goal_of_what_is_shown(&self) -> PastTarget {
        match &self.place {
            None => self.goal,
            Some(place) if place.moment.revision >= place.span.newest.0 => PastTarget::Newest,
            Some(place) => PastTarget::When(When::Revision(place.moment.revision)),
        }
    }

    /// Somebody changed something: what is shown of the present is old.
    pub fn outdate(&mut self, now: Millis) {
        self.list.reading.refreshing.outdate();
        self.outdated.get_or_insert(now);
    }

    /// How old what is shown of the present is, where it may have changed and that is worth a word.
    pub fn age(&self, now: Millis) -> Option<Duration> {
        let age = now.since([self.outdated, self.unread].into_iter().flatten().min()?);
        (age >= STALE_NOTICE).then_some(age)
    }

    /// When an entry of the present expires first, after `now`.
    pub fn next_expiry(&self, now: Millis) -> Option<Millis> {
        let expiries = self.list.window.rows().iter().filter_map(Row::expires_at);
        expiries.filter(|at| *at > now).min()
    }

    /// By what the rows are sorted; `None` if they are in the order of their keys.
    pub fn order(&self) -> Option<Sort> {
        let usual = (self.list.view == View::Expiring).then(|| SortBy::Left.usual());
        let sort = self.list.sorts.get(&self.list.view).copied();
        sort.or(usual).filter(|_| !self.is_too_long)
    }

    /// Takes in rows.
    pub fn take(&mut self, from: &LoadFrom, rows: Vec<DiffRow>, is_end: bool) {
        let rows: Vec<Row> = rows.into_iter().map(|row| Row::Diff(Box::new(row))).collect();
        if matches!(from, LoadFrom::After(_) | LoadFrom::Before(_)) {
            return self.list.add_rows(from, rows, is_end);
        }
        let selected = self.list.window.selected().map(Row::id);
        let cursor = match self.list.pending_cursor.take().or(selected) {
            None => 0,
            Some(id) if self.order().is_some() => {
                rows.iter().position(|row| row.matches(&id)).unwrap_or(self.list.window.cursor())
            }
            Some(id) => rows.partition_point(|row| row.id() < id),
        };
        self.list.window.replace_at(rows, *from == LoadFrom::Start, is_end, cursor);
    }
}
