//! How often what was changed in the last minutes: read from history once, then followed change by change.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::rc::Rc;

use crate::store::{Change, Changes, HistoryScan, Revision, Store, StoreError, change_pages};
use crate::time::Millis;
use crate::tui::list::{Filter, LIST_VALUE, RowId};
use crate::tui::screens::overview::state::{Extent, LATELY, Lately};

/// The most changes that are counted; with more of them the time that is counted is shorter.
const MOST: usize = 100_000;
/// How many changes are read at a time.
const PAGE: usize = 2000;

/// The changes of the last minutes that pass a filter.
pub struct Activity {
    filter: Filter,
    /// The newest revision that was looked at.
    seen: Revision,
    /// Since when all changes are counted, and why not for longer.
    since: Millis,
    bound: Extent,
    /// What was changed when, the oldest first.
    times: BTreeMap<(Millis, Revision), Rc<RowId>>,
    counts: HashMap<Rc<RowId>, ActivityCount>,
    shown: HashMap<Revision, Change>,
}

/// How often something was changed, and the last change of it.
struct ActivityCount {
    times: u64,
    last: Revision,
}

/// What following the changes came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Followed {
    All,
    /// Nobody wants to know any more.
    Stopped,
    /// History no longer has what follows the last change that was counted.
    Lost,
}

impl Activity {
    /// Reads history, the newest changes first, as far back as they are counted; `None` if `stops` says
    /// that nobody wants to know any more, and where no history is kept.
    pub fn read(
        store: &dyn Store,
        filter: &Filter,
        stops: &dyn Fn() -> bool,
    ) -> Result<Option<Activity>, StoreError> {
        let now = store.clock().now();
        let mut activity = Activity {
            filter: filter.clone(),
            seen: store.revision()?,
            since: before(now),
            bound: Extent::Window,
            times: BTreeMap::new(),
            counts: HashMap::new(),
            shown: HashMap::new(),
        };
        // The newest first; what is committed meanwhile is followed.
        let scan = HistoryScan {
            to: Bound::Included(activity.seen),
            value_limit: value_limit(filter),
            ..HistoryScan::newest(PAGE)
        };
        let mut oldest = None;
        for page in change_pages(store, scan) {
            if stops() {
                return Ok(None);
            }
            let page = page?;
            let read = page.len();
            let lately: Vec<Change> =
                page.iter().filter(|change| change.recorded_at > activity.since).cloned().collect();
            let is_past = lately.is_empty();
            lately.into_iter().for_each(|change| activity.add(&change, now));
            oldest = page.last().map(|change| change.recorded_at);
            if read < PAGE {
                break;
            }
            if activity.times.len() >= MOST {
                activity.forget_surplus();
                let oldest = activity.times.first_key_value().map_or(now, |((at, _), _)| *at);
                (activity.since, activity.bound) = (oldest.max(activity.since), Extent::Most);
                return Ok(Some(activity));
            }
            if is_past {
                return Ok(Some(activity));
            }
        }
        activity.bound_by_history(store, oldest, now)?;
        Ok(Some(activity))
    }

    /// History has come to its end: what was before is not known.
    fn bound_by_history(
        &mut self,
        store: &dyn Store,
        oldest: Option<Millis>,
        now: Millis,
    ) -> Result<(), StoreError> {
        let span = store.history_span()?;
        let oldest = span.map(|span| span.oldest.1).or(oldest);
        let begins = oldest.unwrap_or(now);
        if begins > self.since {
            (self.since, self.bound) = (begins, Extent::History);
        }
        Ok(())
    }

    /// Whether it is what passes this filter.
    pub fn matches(&self, filter: &Filter) -> bool {
        // What passed a filter that is about time may not pass it any more.
        self.filter == *filter && !filter.is_about_time()
    }

    /// Takes in what was committed since, and lets go of what is too long ago.
    pub fn follow(&mut self, store: &dyn Store, stops: &dyn Fn() -> bool) -> Result<Followed, StoreError> {
        loop {
            if stops() {
                return Ok(Followed::Stopped);
            }
            let now = store.clock().now();
            match store.changes(self.seen, PAGE, value_limit(&self.filter))? {
                Changes::Since(changes) => {
                    changes.iter().for_each(|change| self.add(change, now));
                    self.seen = changes.last().map_or(self.seen, |change| change.revision);
                    if changes.len() < PAGE {
                        self.forget(now);
                        return Ok(Followed::All);
                    }
                    self.forget(now);
                }
                Changes::Pruned { .. } | Changes::NotRecorded => return Ok(Followed::Lost),
            }
        }
    }

    fn add(&mut self, change: &Change, now: Millis) {
        if !self.filter.passes_change(change, now) {
            return;
        }
        let subject = RowId::subject_of(change);
        let subject = match self.counts.get_key_value(&subject) {
            Some((known, _)) => Rc::clone(known),
            None => Rc::new(subject),
        };
        if self.times.insert((change.recorded_at, change.revision), Rc::clone(&subject)).is_some() {
            return;
        }
        let count = self.counts.entry(subject).or_insert(ActivityCount { times: 0, last: change.revision });
        count.times += 1;
        count.last = count.last.max(change.revision);
    }

    /// Lets go of what is too long ago, or too much.
    fn forget(&mut self, now: Millis) {
        let start = before(now);
        while let Some(oldest) = self.times.first_entry().filter(|oldest| oldest.key().0 <= start) {
            let subject = oldest.remove();
            self.take_off(&subject);
        }
        if start >= self.since {
            (self.since, self.bound) = (start, Extent::Window);
        }
        self.forget_surplus();
    }

    fn forget_surplus(&mut self) {
        while self.times.len() > MOST {
            let Some(((at, _), subject)) = self.times.pop_first() else { return };
            self.take_off(&subject);
            // Others of the same moment may be gone too.
            if at >= self.since {
                (self.since, self.bound) = (at, Extent::Most);
            }
        }
    }

    fn take_off(&mut self, subject: &Rc<RowId>) {
        if let Some(count) = self.counts.get_mut(subject) {
            count.times -= 1;
            if count.times == 0 {
                self.counts.remove(subject);
            }
        }
    }

    /// The figures.
    pub fn figures(&self) -> Lately {
        let locks = self.counts.keys().filter(|subject| matches!(***subject, RowId::Lock(_))).count() as u64;
        Lately {
            changes: self.times.len() as u64,
            keys: self.counts.len() as u64 - locks,
            locks,
            since: self.since,
            extent: self.bound,
        }
    }

    /// The last change of what was changed most often, as many as there is room for, each with how often
    /// that was.
    pub fn most(&mut self, store: &dyn Store, room: usize) -> Result<Vec<(Change, u64)>, StoreError> {
        let order = |count: &(u64, Revision)| Reverse(*count);
        let mut most: Vec<(u64, Revision)> =
            self.counts.values().map(|count| (count.times, count.last)).collect();
        if most.len() > room {
            most.select_nth_unstable_by_key(room, order);
            most.truncate(room);
        }
        most.sort_unstable_by_key(order);
        let mut before = std::mem::take(&mut self.shown);
        let mut changes = Vec::with_capacity(most.len());
        for (times, revision) in most {
            let known = match before.remove(&revision) {
                None => store.change(revision, LIST_VALUE)?,
                known => known,
            };
            // One that was removed from history meanwhile is counted, but cannot be shown.
            if let Some(change) = known {
                self.shown.insert(revision, change.clone());
                changes.push((change, times));
            }
        }
        Ok(changes)
    }
}

/// The moment after which changes are counted.
fn before(now: Millis) -> Millis {
    Millis(now.0.saturating_sub(i64::try_from(LATELY.as_millis()).unwrap_or(i64::MAX)))
}

/// How much of each value a filter has to know, in bytes.
fn value_limit(filter: &Filter) -> u64 {
    if filter.is_about_keys() { 0 } else { filter.value_bytes().unwrap_or(LIST_VALUE) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap as Model;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::store::{Expiry, History, Key, Options, Retention, SqliteStore, State, Transaction, Value};
    use crate::time::{Clock, ManualClock};

    struct OverviewPlace {
        _folder: tempfile::TempDir,
        clock: Arc<ManualClock>,
        store: SqliteStore,
        /// When what was changed.
        made: Vec<(Millis, String)>,
    }

    fn place() -> OverviewPlace {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Millis(1_795_437_000_000)));
        let settings = Options { clock: clock.clone(), ..Options::default() };
        let store = SqliteStore::open_or_create(&folder.path().join("s.db"), settings).unwrap();
        OverviewPlace { _folder: folder, clock, store, made: Vec::new() }
    }

    impl OverviewPlace {
        fn put(&mut self, name: &str) {
            let value = Value::text(self.made.len().to_string());
            let put = Transaction::put(Key::new(name).unwrap(), value, Expiry::Clear);
            self.store.commit(&put).unwrap();
            self.made.push((self.clock.now(), name.into()));
        }

        fn read(&self) -> Activity {
            Activity::read(&self.store, &Filter::default(), &|| false).unwrap().unwrap()
        }

        /// How often each key was changed in the last minutes.
        fn model(&self) -> Model<&str, u64> {
            let start = before(self.clock.now());
            let mut model = Model::new();
            for (_, name) in self.made.iter().filter(|(at, _)| *at > start) {
                *model.entry(&name[..]).or_default() += 1;
            }
            model
        }

        /// What the activity says must be what was made.
        fn check(&self, activity: &mut Activity) {
            let model = self.model();
            let figures = activity.figures();
            assert_eq!((figures.changes, figures.keys), (model.values().sum(), model.len() as u64));
            let most = activity.most(&self.store, 1000).unwrap();
            let said: Model<String, u64> =
                most.iter().map(|(change, times)| (change.key.to_text(), *times)).collect();
            assert_eq!(said, model.iter().map(|(name, times)| (name.to_string(), *times)).collect());
            let order: Vec<_> = most.iter().map(|(change, times)| (*times, change.revision)).collect();
            assert!(order.is_sorted_by(|one, other| one > other), "{order:?}");
            // The last change of each is the one that is shown.
            for (change, _) in &most {
                let last = self.made.iter().rposition(|(_, name)| *name == change.key.to_text()).unwrap();
                assert_eq!(change.new.as_ref().unwrap().stored, last.to_string().into_bytes());
            }
            let three = activity.most(&self.store, 3).unwrap();
            assert_eq!(three[..], most[..most.len().min(3)]);
        }
    }

    #[test]
    fn what_is_counted_is_what_was_changed_in_the_last_minutes() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut place = place();
        place.put("first");
        let mut activity = place.read();
        for _ in 0..60 {
            for _ in 0..random.usize(0..12) {
                let name = format!("key:{}", random.u32(0..9) * random.u32(0..3));
                place.put(&name);
                place.clock.advance(Duration::from_millis(random.u64(0..20_000)));
            }
            assert_eq!(activity.follow(&place.store, &|| false).unwrap(), Followed::All);
            place.check(&mut activity);
            // Read once more it is the same.
            let mut read = place.read();
            place.check(&mut read);
            assert_eq!(read.figures(), activity.figures());
            place.clock.advance(Duration::from_secs([0, 1, 30, 300][random.usize(0..4)]));
        }
    }

    #[test]
    fn more_changes_than_are_read_at_once_are_all_counted() {
        let mut place = place();
        for number in 0..PAGE * 2 + 7 {
            place.put(&format!("key:{}", number % 11));
        }
        let mut activity = place.read();
        place.check(&mut activity);
        assert_eq!(activity.figures().changes, PAGE as u64 * 2 + 7);
    }

    #[test]
    fn the_span_is_that_which_is_known() {
        let mut place = place();
        let began = place.clock.now();
        place.put("a");
        place.clock.advance(Duration::from_secs(60));
        let mut activity = place.read();
        assert_eq!((activity.figures().since, activity.figures().extent), (began, Extent::History));
        place.clock.advance(LATELY);
        activity.follow(&place.store, &|| false).unwrap();
        let figures = activity.figures();
        assert_eq!((figures.changes, figures.extent), (0, Extent::Window));
        assert_eq!(figures.since, before(place.clock.now()));
        // Where history was shortened, what is older is not known.
        place.store.set_retention(&Retention { rows: 5, ..Retention::default() }).unwrap();
        for _ in 0..400 {
            place.put("b");
            place.clock.advance(Duration::from_secs(1));
        }
        let figures = place.read().figures();
        assert_eq!(figures.extent, Extent::History);
        let known = place.made.iter().filter(|(at, _)| *at >= figures.since).count() as u64;
        assert_eq!(figures.changes, known);
        // Who followed has counted all.
        if activity.follow(&place.store, &|| false).unwrap() == Followed::Lost {
            return;
        }
        assert_eq!(activity.figures().changes, 400);
    }
}
