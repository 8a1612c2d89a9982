//! The views: what is known of each without drawing or reading it.
//!
//! A new view is a variant and a row here, a folder in `screens` with its `LISTING`, and the line in
//! `screens/mod.rs` that leads there. Its command, its tab and its title follow from the row.

use crate::store::kind_inference::{infer, is_used_as_lock};
use crate::store::{Entry, Kind};
use crate::time::Millis;
use crate::tui::list::{Filter, RowOrder};

/// A list over the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    Keys,
    Flags,
    Counters,
    Locks,
    Expiring,
    History,
    Runs,
    Overview,
}

/// What the rows of a view are: it decides how the list follows what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewRows {
    /// Entries; those that are changed are read again.
    Entries,
    /// Locks and keys used as locks; all are read again.
    Locks,
    /// Changes; a new one is a new row.
    Changes,
    /// Runs; those that have not ended are read again.
    Runs,
    /// Rows of several kinds in sections; all are read again, also where nothing was committed.
    Sections,
}

struct ViewSpec {
    view: View,
    title: &'static str,
    /// The name of the command that shows it, and what help says of it.
    command: (&'static str, &'static str),
    rows: ViewRows,
    /// What its rows are ordered by, unless the user sorts them.
    order: RowOrder,
    belongs: fn(&Entry) -> bool,
}

/// Every view, in the order of the tabs.
const VIEWS: &[ViewSpec] = &[
    ViewSpec {
        view: View::Keys,
        title: "Keys",
        command: ("keys", "every entry, by key"),
        rows: ViewRows::Entries,
        order: RowOrder::Name,
        belongs: |_| true,
    },
    ViewSpec {
        view: View::Flags,
        title: "Flags",
        command: ("flags", "on/off switches"),
        rows: ViewRows::Entries,
        order: RowOrder::Name,
        belongs: |entry| infer(entry).0 == Kind::Flag,
    },
    ViewSpec {
        view: View::Counters,
        title: "Counters",
        command: ("counters", "numbers, with how fast they change"),
        rows: ViewRows::Entries,
        order: RowOrder::Name,
        belongs: |entry| infer(entry).0 == Kind::Counter,
    },
    ViewSpec {
        view: View::Locks,
        title: "Locks",
        command: ("locks", "who holds which lock, and keys used as locks"),
        rows: ViewRows::Locks,
        order: RowOrder::DeadFirst,
        belongs: is_used_as_lock,
    },
    ViewSpec {
        view: View::Expiring,
        title: "Expiring",
        command: ("expiring", "entries that expire, soonest first"),
        rows: ViewRows::Entries,
        order: RowOrder::Expiry,
        belongs: |entry| entry.expires_at.is_some(),
    },
    ViewSpec {
        view: View::History,
        title: "History",
        command: ("history", "every change, the newest first; the cursor on the newest stays on the newest"),
        rows: ViewRows::Changes,
        order: RowOrder::Newest,
        belongs: |_| false,
    },
    ViewSpec {
        view: View::Runs,
        title: "Runs",
        command: ("runs", "every run of a workflow, the newest first"),
        rows: ViewRows::Runs,
        order: RowOrder::Newest,
        belongs: |_| false,
    },
    ViewSpec {
        view: View::Overview,
        title: "Overview",
        command: ("overview", "what is locked, what failed, what changes most, what expires next"),
        rows: ViewRows::Sections,
        order: RowOrder::Given,
        belongs: |_| false,
    },
];

impl View {
    /// Every view, in the order of the tabs.
    pub const ALL: [View; VIEWS.len()] = {
        let mut all = [View::Keys; VIEWS.len()];
        let mut place = 0;
        while place < all.len() {
            all[place] = VIEWS[place].view;
            assert!(all[place] as usize == place, "the rows are in the order of the variants");
            place += 1;
        }
        all
    };

    const fn spec(self) -> &'static ViewSpec {
        &VIEWS[self as usize]
    }

    pub fn title(self) -> &'static str {
        self.spec().title
    }

    /// The name of the command that shows it, and what help says of it.
    pub const fn command(self) -> (&'static str, &'static str) {
        self.spec().command
    }

    pub fn rows(self) -> ViewRows {
        self.spec().rows
    }

    /// Whether its list is one of entries.
    pub fn has_entries(self) -> bool {
        self.rows() == ViewRows::Entries
    }

    /// Whether its list can be sorted: what happened is in the order in which it did.
    pub fn can_sort(self) -> bool {
        matches!(self.rows(), ViewRows::Entries | ViewRows::Locks)
    }

    pub fn order(self) -> RowOrder {
        self.spec().order
    }

    /// Whether an entry belongs into the list of this view under `filter`.
    pub fn takes(self, entry: &Entry, filter: &Filter, now: Millis) -> bool {
        (self.spec().belongs)(entry) && filter.passes(entry, now)
    }

    /// The view so many tabs further, round the end.
    pub fn step(self, by: isize) -> View {
        View::ALL[(self as isize + by).rem_euclid(View::ALL.len() as isize) as usize]
    }
}
