//! When the event loop wakes by itself: for what is due then, and for a picture that changes with time.
//!
//! Every due time is named in [`App::due`] and nowhere else, and [`crate::tui::update::pass`] serves each duty
//! that is due. The loop cannot spin, because [`App::next_wakeup`] never answers with the present or the
//! past: serving a duty clears it or moves its time, and one that stays due all the same is tried again
//! only after [`OVERDUE`].

use std::time::Duration;

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::keys::ScreenKind;
use crate::tui::list::RowOrder;
use crate::tui::screens::debugger::state::SEARCH_NOTICE;
use crate::tui::timing::STALL_NOTICE;
use crate::tui::view::View;

/// When a duty is tried again that was due and still is.
const OVERDUE: Duration = Duration::from_millis(250);
/// How often a time is drawn that is being waited for, such as that of a database that does not answer.
const WAITING: Duration = Duration::from_millis(250);

/// What the interface does by itself at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A message goes.
    Message,
    /// A row stops standing out.
    Flash,
    /// An entry of the list expires.
    Expiry,
    /// Groups that changed are counted again.
    GroupSizes,
    /// The number of entries is counted again.
    Count,
    /// The rows of the list are read again, in the past for what they are now.
    Rows,
    /// Rows are compared with the database, in which another program may have changed them.
    Compare,
    /// The details of a run that goes on, or of a row that was covered, are read again.
    Detail,
    /// It is checked whether a run that is open is still running.
    Run,
    /// A database that is no longer the one that was opened is opened again.
    Reopen,
}

impl Timer {
    /// All of them, in the order in which they are served: what one makes due is served with it.
    pub const ALL: [Timer; 10] = [
        Timer::Message,
        Timer::Flash,
        Timer::Expiry,
        Timer::GroupSizes,
        Timer::Count,
        Timer::Rows,
        Timer::Compare,
        Timer::Detail,
        Timer::Run,
        Timer::Reopen,
    ];
}

impl App {
    /// When this is to be done; `None` if there is nothing to do. What cannot be done yet, because an
    /// answer is awaited or because it is not on the screen, is not due: the answer, or the key that shows
    /// it, makes it due.
    pub fn due(&self, duty: Timer) -> Option<Millis> {
        let screen = self.screen_kind();
        let is_listed = self.shows_list();
        let can_read = is_listed && self.list.reading.from.is_none();
        let reading = &self.shown_list().reading;
        match duty {
            Timer::Message => self.status.as_ref()?.until,
            Timer::Flash => self.list.flashes.values().min().copied().filter(|_| is_listed),
            Timer::Expiry if is_listed || matches!(screen, ScreenKind::Value { .. }) => {
                self.list.window.rows().iter().filter_map(|row| row.entry()?.expires_at).min()
            }
            Timer::GroupSizes if self.list.order() == RowOrder::Tree => {
                self.list.tree.count_at.filter(|_| can_read)
            }
            Timer::Count => self.database.counting.due().filter(|_| can_read),
            Timer::Rows if (is_listed || screen == ScreenKind::Past) && reading.from.is_none() => {
                let stale = reading.is_stale.then_some(reading.not_before);
                let again = reading.again.filter(|_| !reading.refreshing.is_awaited());
                [stale, reading.refreshing.due(), again].into_iter().flatten().min()
            }
            Timer::Compare
                if can_read || matches!(screen, ScreenKind::Value { .. }) && self.shows_detail() =>
            {
                self.list.reading.compare.map(|at| at.max(self.list.reading.compare_not_before))
            }
            Timer::Detail if self.shows_detail() => self.details.refresh.due(),
            Timer::Run if screen == ScreenKind::Run => self.screen.run()?.looks_again_at(),
            Timer::Reopen => self.database.lost.as_ref()?.again,
            Timer::Expiry | Timer::GroupSizes | Timer::Rows | Timer::Compare | Timer::Detail | Timer::Run => {
                None
            }
        }
    }

    /// Whether this is to be done at `now`.
    pub fn is_due(&self, duty: Timer, now: Millis) -> bool {
        self.due(duty).is_some_and(|at| at <= now)
    }

    /// The next moment at which something is due or the picture changes by itself, always later than
    /// `now`; `None` if nothing happens without a message.
    pub fn next_wakeup(&self, now: Millis) -> Option<Millis> {
        let due = Timer::ALL.into_iter().filter_map(|duty| self.due(duty));
        let due = due.map(|at| if at > now { at } else { now.plus(OVERDUE) });
        due.chain(self.next_pictures(now)).min()
    }

    /// The moments after `now` at which the picture shows another time.
    fn next_pictures(&self, now: Millis) -> impl Iterator<Item = Millis> {
        let second = Millis((now.0.div_euclid(1000) + 1) * 1000);
        let tick = now.plus(WAITING);
        let shows_seconds = match self.screen_kind() {
            ScreenKind::List | ScreenKind::Value { .. } => self.shows_ages(),
            ScreenKind::Past => true,
            ScreenKind::Run => self.screen.run().is_some_and(|debugger| debugger.run.is_alive),
        };
        // A search is worth a word after a while, and then tells how long it has taken.
        let search = self.screen.run().and_then(|debugger| debugger.search.as_ref());
        let search = search
            .map(|search| search.since.plus(SEARCH_NOTICE))
            .map(|at| if at > now { at } else { second });
        // So is a database that does not answer.
        let unresponsive_for = self.list.reading.waiting_since.map(|since| since.plus(STALL_NOTICE));
        let unresponsive_for = unresponsive_for.map(|at| if at > now { at } else { tick });
        let waits = !self.requests.writing.is_empty() || self.database.opening.is_some();
        [shows_seconds.then_some(second), search, unresponsive_for, waits.then_some(tick)]
            .into_iter()
            .flatten()
    }

    /// Whether the list, or the details of its row, tell how old something is or how long it lasts.
    fn shows_ages(&self) -> bool {
        let rows = self.list.window.rows();
        let is_of_time = rows.iter().any(|row| row.expires_at().is_some() || row.changed_at().is_some());
        is_of_time || self.list.view == View::Locks && !rows.is_empty() || self.then().is_some()
    }
}
