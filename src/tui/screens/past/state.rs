//! The state as it was at a moment of the past, beside what it is now.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::store::{Change, Entry, HistorySpan, Key, Moment, Revision, StoreError, When};
use crate::time::Millis;
use crate::tui::keys::action::View;
use crate::tui::list::diff_row::DiffRow;
use crate::tui::list::filter::Filter;
use crate::tui::list::filter_line::FilterLine;
use crate::tui::list::sort::{Sort, SortBy};
use crate::tui::list::window::{ListEnd, Window};
use crate::tui::request::RequestId;

/// How many changes of the scrubber are read to each side.
pub const SCRUBBER_LEN: usize = 150;
/// How soon after a change what is shown of the present is read again, at the least.
pub const REFRESH_COOLDOWN: Duration = Duration::from_millis(300);
/// What is shown of the present is worth a word if it may have changed for so long.
const STALE_NOTICE: Duration = Duration::from_secs(1);
/// A look at the past.
#[derive(Clone, Debug)]
pub struct PastView {
    /// Which entries are looked at.
    pub view: View,
    /// Those entries are shown that pass it, then or now.
    pub filter_line: FilterLine,
    /// Whether only those are shown that are not the same now.
    pub only_different: bool,
    /// By what the rows are sorted, where not as is usual.
    pub sort: Option<Sort>,
    /// There are too many rows to be sorted: they are in the order of their keys.
    pub is_too_long: bool,
    /// The number of the last question.
    pub number: RequestId,
    /// Whether its answer is awaited.
    pub is_awaiting: bool,
    /// Where the last question led to.
    pub goal: PastTarget,
    /// Steps that were asked for while an answer was awaited.
    pub steps: isize,
    /// Where it is; `None` until the first answer.
    pub place: Option<PastPosition>,
    /// The part of the list that is in memory.
    pub window: Window<DiffRow>,
    /// The first line shown of the details.
    pub scroll: usize,
    /// What is marked, with what it is now as it was seen.
    pub marks: BTreeMap<Key, Option<Entry>>,
    /// All that differs is being looked for, under this number, to be marked.
    pub marking: Option<RequestId>,
    /// It is to be looked for once the place is reached that is on its way.
    pub marks_on_arrival: bool,
    /// The key that the cursor goes to with the first rows: it was under the cursor of the list.
    pub seeks: Option<Key>,
    /// The change that made what was shown before the database was opened again.
    pub expects: Option<ChangeMark>,
    /// When what is shown of the present is to be read again.
    pub again: Option<Millis>,
    /// Since when something may have changed that was not read yet.
    pub outdated: Option<Millis>,
    /// The same of what is being read.
    pub unread: Option<Millis>,
    /// Since when it is being read again.
    pub reading_since: Option<Millis>,
    /// How long it rests once it was read again: longer where that takes long.
    pub rests: Duration,
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
    /// Which entries.
    pub view: View,
    /// Which of them.
    pub filter: Filter,
    /// Whether only those that are not the same now.
    pub only_different: bool,
    /// By what they are sorted: then they are read as a whole; `None` if they are in the order of
    /// their keys.
    pub sort: Option<Sort>,
    /// From where on.
    pub from: PageFrom,
    /// The most rows to read.
    pub limit: usize,
}

/// A question for all that is not the same now.
#[derive(Clone, Debug, PartialEq)]
pub struct DiffRequest {
    /// As it was when.
    pub moment: Moment,
    /// Which entries.
    pub view: View,
    /// Which of them.
    pub filter: Filter,
}

/// The answer, in the order of the keys.
#[derive(Debug)]
pub struct DiffKeys {
    /// The entries, each with what it is now as it was seen.
    pub entries: Vec<(Key, Option<Entry>)>,
    /// Whether there are more than are marked together.
    pub has_more: bool,
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

/// Which rows to read.
#[derive(Clone, Debug, PartialEq)]
pub enum PageFrom {
    /// From a key on, or from the first one: they take the place of those that are there.
    From(Option<Key>),
    /// Those that follow a key.
    After(Key),
    /// Those before a key.
    Before(Key),
}

/// The answer.
#[derive(Debug)]
pub struct PastPage {
    /// Where that is; `None` where it was not asked.
    pub place: Option<PastPosition>,
    /// Which rows these are.
    pub page: PageFrom,
    /// The rows in their order; `None` if there are more than are sorted.
    pub rows: Option<Vec<DiffRow>>,
    /// Whether the list ends with them, in the direction in which they were read.
    pub is_end: bool,
    /// What was asked for is not there: this is the oldest that is.
    pub pruned: Option<StoreError>,
}

/// A restoring of what was.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreRequest {
    /// The moment.
    pub moment: Moment,
    /// The entries, each with what it was seen to be now.
    pub entries: Vec<(Key, Option<Entry>)>,
}

impl PastView {
    /// A look at the past of what a list shows.
    pub fn of(view: View) -> PastView {
        PastView {
            view,
            filter_line: FilterLine::default(),
            only_different: false,
            sort: None,
            is_too_long: false,
            number: RequestId::default(),
            is_awaiting: false,
            goal: PastTarget::Newest,
            steps: 0,
            place: None,
            window: Window::empty(),
            scroll: 0,
            marks: BTreeMap::new(),
            marking: None,
            marks_on_arrival: false,
            seeks: None,
            expects: None,
            again: None,
            outdated: None,
            unread: None,
            reading_since: None,
            rests: REFRESH_COOLDOWN,
        }
    }

    /// Nothing that was read counts any more: the database is opened again.
    pub fn forget(&mut self) {
        let key = self.selected().map(|row| row.key.clone());
        self.seeks = key.or(self.seeks.take());
        (self.place, self.is_awaiting, self.steps) = (None, false, 0);
        (self.window, self.scroll) = (Window::empty(), 0);
        self.marks.clear();
        (self.marking, self.marks_on_arrival) = (None, false);
        (self.again, self.reading_since) = (None, None);
    }

    /// The row under the cursor.
    pub fn selected(&self) -> Option<&DiffRow> {
        self.window.selected()
    }

    /// Moves the cursor by so many rows, as far as there are any.
    pub fn step(&mut self, by: isize) {
        self.window.step(by);
        self.scroll = 0;
    }

    /// Puts the cursor on a row, or on the last one if there are not so many.
    pub fn select(&mut self, place: usize) {
        self.window.select(place);
        self.scroll = 0;
    }

    /// Where to go to read again what is shown: at the present one goes along with it.
    pub fn goal_of_what_is_shown(&self) -> PastTarget {
        match &self.place {
            None => self.goal,
            Some(place) if place.moment.revision >= place.span.newest.0 => PastTarget::Newest,
            Some(place) => PastTarget::When(When::Revision(place.moment.revision)),
        }
    }

    /// How old what is shown of the present is, where it may have changed and that is worth a word.
    pub fn age(&self, now: Millis) -> Option<Duration> {
        let age = now.since([self.outdated, self.unread].into_iter().flatten().min()?);
        (age >= STALE_NOTICE).then_some(age)
    }

    /// When an entry of the present expires first, after `now`.
    pub fn next_expiry(&self, now: Millis) -> Option<Millis> {
        let expiries = self.window.rows().iter().filter_map(|row| row.now.as_ref()?.expires_at);
        expiries.filter(|at| *at > now).min()
    }

    /// By what the rows are sorted; `None` if they are in the order of their keys.
    pub fn order(&self) -> Option<Sort> {
        let usual = (self.view == View::Expiring).then(|| SortBy::Left.usual());
        self.sort.or(usual).filter(|_| !self.is_too_long)
    }

    /// Which rows are wanted because the cursor comes near to an end.
    pub fn wants(&self) -> Option<PageFrom> {
        let rows = self.window.rows();
        Some(match self.window.wants()? {
            ListEnd::Last => PageFrom::After(rows.last()?.key.clone()),
            ListEnd::First => PageFrom::Before(rows.first()?.key.clone()),
        })
    }

    /// Takes in rows.
    pub fn take(&mut self, page: &PageFrom, rows: Vec<DiffRow>, is_end: bool) {
        match page {
            PageFrom::From(from) => {
                let key = self.seeks.take().or_else(|| self.selected().map(|row| row.key.clone()));
                let is_sorted = self.order().is_some();
                let cursor = match key {
                    None => 0,
                    Some(key) if is_sorted => {
                        rows.iter().position(|row| row.key == key).unwrap_or(self.window.cursor())
                    }
                    Some(key) => rows.partition_point(|row| row.key < key),
                };
                self.window.replace_at(rows, from.is_none(), is_end, cursor);
            }
            PageFrom::After(_) => self.window.append(rows, is_end),
            PageFrom::Before(_) => self.window.prepend(rows, is_end),
        }
    }
}

/// A change, told apart from another one that has the same revision in another state of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeMark {
    /// Its revision.
    pub revision: Revision,
    at: Millis,
    key: Key,
}

impl ChangeMark {
    /// The mark of a change.
    pub fn of(change: &Change) -> ChangeMark {
        ChangeMark { revision: change.revision, at: change.at, key: change.key.clone() }
    }
}
