//! A row of a list, and its place in the order of the list.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::store::{
    Actor, Change, Entry, Key, Liveness, Lock, LockReading, NewRun, Process, Revision, Run, RunEnd,
    StackLock, StackRun, Store, Subject, Token, Waiter, kind_inference,
};
use crate::time::Millis;
use crate::tui::keys::RowKind;
use crate::tui::list::{DiffRow, Rank, Series, Sort, SortBy, TaskSummary, Tasks};

#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// An entry, its value perhaps in part.
    Entry(Entry),
    Lock(LockRow),
    /// A change, its values perhaps in part.
    Change(Change),
    /// Keys that begin in the same way.
    Group(Group),
    Run(Box<RunRow>),
    /// An entry as it was and as it is.
    Diff(Box<DiffRow>),
}

/// Keys that begin in the same way, up to a separator.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What they begin with.
    pub prefix: Key,
    /// Their values, where each key is a number at a time.
    pub series: Option<Series>,
}

/// A run with what the list says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    pub run: Run,
    /// How it stands, in one word.
    pub status: String,
    /// Whether its process is alive on this machine.
    pub is_alive: bool,
    /// What its recording says, where that was read.
    pub account: Option<RunSummary>,
    /// The run of a stack that Sloth Runner keeps, if it is one.
    pub stack: Option<Box<StackRun>>,
}

/// What a recording says of a run in short.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary {
    pub tasks: Tasks,
    /// The last lines of its log, oldest first: the level and the line.
    pub log: Vec<(String, Vec<u8>)>,
}

impl RunRow {
    /// A run as it is seen from `here`.
    pub fn of(run: Run, store: &dyn Store, here: &Process) -> RunRow {
        let liveness = store.run_liveness(&run, here);
        let is_alive = run.ended.is_none() && matches!(liveness, Liveness::Alive | Liveness::Stopped);
        RunRow { status: run.status(liveness).to_string(), is_alive, run, account: None, stack: None }
    }

    /// A run of a stack that Sloth Runner keeps: it can be looked at, and nothing else. Among the runs it has a
    /// negative number, the newest the largest.
    pub fn of_stack(stack: StackRun) -> RunRow {
        let count = |tasks: u64| u32::try_from(tasks).unwrap_or(u32::MAX);
        let end = RunEnd {
            outcome: stack.status.clone(),
            ok: count(stack.ok),
            failed: count(stack.failed),
            // Of the others it is not known whether they ran.
            skipped: 0,
        };
        let run = Run {
            number: (i64::MIN / 2).saturating_add(stack.number).min(-1),
            new: NewRun {
                workflow: stack.stack.clone(),
                file: stack.file.clone().unwrap_or_default(),
                params: BTreeMap::new(),
                header: None,
            },
            actor: Actor { name: "sloth-runner".into(), run: None, task: None },
            process: None,
            began_at: stack.began_at.unwrap_or_default(),
            revision: None,
            recorded: false,
            origin: None,
            ended: stack.ended_at.map(|at| (at, end)),
        };
        let status = stack.status.clone();
        RunRow { status, is_alive: false, run, account: None, stack: Some(Box::new(stack)) }
    }

    /// How long it took, or has taken until `now`; `None` where that cannot be known.
    pub fn took(&self, now: Millis) -> Option<Duration> {
        if let Some(stack) = &self.stack {
            return stack.duration();
        }
        match &self.run.ended {
            Some((at, _)) => Some(at.since(self.run.began_at)),
            None => self.is_alive.then(|| now.since(self.run.began_at)),
        }
    }

    /// How a task of the run stands, in a word, and how long it took or has taken until `now`, in
    /// microseconds. Of a task without an end only a running process shows that it still runs: the
    /// run may have been killed, or the end of its recording may be missing.
    pub fn task<'a>(&'a self, task: &'a TaskSummary, now: Millis) -> (&'a str, Option<u64>) {
        match &task.end {
            Some(end) => (&end.outcome, Some(end.took)),
            None if self.is_alive => {
                let elapsed = now.since(self.run.began_at).as_micros();
                (&self.status, Some(u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_sub(task.at)))
            }
            None if self.status == "killed" => ("cut off", None),
            None => ("unknown", None),
        }
    }
}

/// A lock with what the list says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LockRow {
    pub lock: Lock,
    /// What is known of its holder's process.
    pub liveness: Liveness,
    /// Who waits for it, first the one who is served first, and since when.
    pub waiting: Vec<(String, Option<Millis>)>,
    /// The lock of a stack that Sloth Runner keeps, if it is one.
    pub stack: Option<Box<StackLock>>,
}

impl LockRow {
    /// A lock as it is seen from `here`.
    pub fn of(lock: Lock, waiters: &[Waiter], store: &dyn Store, here: &Process) -> LockRow {
        let waiting = waiters.iter().filter(|waiter| waiter.lock == lock.name);
        LockRow {
            liveness: store.holder_liveness(&lock, here),
            waiting: waiting.map(|waiter| (waiter.holder.clone(), waiter.since)).collect(),
            lock,
            stack: None,
        }
    }

    /// Whether the lock was not acquired again since: its lease may have been renewed.
    pub fn is_same_holding(&self, now: &LockRow) -> bool {
        let of = |row: &LockRow| (row.lock.token, row.lock.holder.clone(), row.lock.acquired_at);
        of(self) == of(now) && self.stack.is_some() == now.stack.is_some()
    }

    /// A lock of a stack that Sloth Runner keeps.
    pub fn of_stack(stack: StackLock) -> LockRow {
        let lock = Lock {
            name: stack.name(),
            holder: stack.who.clone(),
            token: Token::default(),
            acquired_at: stack.acquired_at,
            expires_at: stack.expires_at,
            renewal: None,
            process: None,
            actor: None,
            version: stack.stored_expiry.clone().into(),
            reading: LockReading::Whole,
        };
        LockRow { lock, liveness: Liveness::Unknown, waiting: Vec::new(), stack: Some(Box::new(stack)) }
    }
}

/// What a row is of: the cursor stays on it whatever happens around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowId {
    /// A lock, by its name. Locks stand before entries.
    Lock(String),
    Entry(Key),
    Change(Revision),
    /// Keys that begin in this way.
    Group(Key),
    Run(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    Name,
    /// Locks of dead holders, then other locks, then entries, each by name.
    DeadFirst,
    /// When they expire, the soonest first.
    Expiry,
    /// When they were made, the newest first.
    Newest,
    /// Their names, a group before what is in it.
    Tree,
    /// What one of the columns shows.
    Sorted(Sort),
    /// As they were read: the list is always read as a whole.
    Given,
}

/// The place of a row in the order of its list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    Name(RowId),
    /// Locks: whether the holder is not known to be dead, and the name.
    DeadFirst(bool, RowId),
    Expiry(Millis, Key),
    /// In the order of revisions, the newest first.
    Newest(Reverse<Revision>),
    /// In a tree: a group of keys, or an entry.
    Tree(Key, bool),
    /// In the order of runs, the newest first.
    Latest(Reverse<i64>),
    /// In the order of what a column shows.
    Sorted(Rank, RowId),
}

/// What is shown in place of a key where a change is of the database itself.
pub const DATABASE: &str = "(database)";

impl RowId {
    pub fn subject_of(change: &Change) -> RowId {
        match change.subject {
            Subject::Entry => RowId::Entry(change.key.clone()),
            Subject::Lock => RowId::Lock(change.key.to_text()),
            // There is no row of the database itself.
            Subject::Database => RowId::Change(change.revision),
        }
    }
}

impl Position {
    /// The key of an entry that is read from its key on.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Position::Name(RowId::Entry(key)) | Position::Expiry(_, key) => Some(key),
            Position::Name(_)
            | Position::DeadFirst(..)
            | Position::Newest(_)
            | Position::Tree(..)
            | Position::Latest(_)
            | Position::Sorted(..) => None,
        }
    }
}

impl Group {
    /// Whether a key is one of the group.
    pub fn has(&self, key: &Key) -> bool {
        !key.is_blob() && key.as_bytes().starts_with(self.prefix.as_bytes())
    }
}

impl Row {
    /// What the row is of.
    pub fn id(&self) -> RowId {
        match self {
            Row::Entry(entry) => RowId::Entry(entry.key.clone()),
            Row::Lock(row) => RowId::Lock(row.lock.name.clone()),
            Row::Change(change) => RowId::Change(change.revision),
            Row::Group(group) => RowId::Group(group.prefix.clone()),
            Row::Run(row) => RowId::Run(row.run.number),
            Row::Diff(row) => RowId::Entry(row.key.clone()),
        }
    }

    /// Whether the row is of that: no copy of its name is made to find out.
    pub fn matches(&self, id: &RowId) -> bool {
        match (self, id) {
            (Row::Entry(entry), RowId::Entry(key)) => entry.key == *key,
            (Row::Lock(row), RowId::Lock(name)) => row.lock.name == *name,
            (Row::Change(change), RowId::Change(revision)) => change.revision == *revision,
            (Row::Group(group), RowId::Group(prefix)) => group.prefix == *prefix,
            (Row::Run(row), RowId::Run(number)) => row.run.number == *number,
            (Row::Diff(row), RowId::Entry(key)) => row.key == *key,
            _ => false,
        }
    }

    /// The row's place in a list of this order.
    pub fn position(&self, order: RowOrder) -> Position {
        match (order, self) {
            (_, Row::Change(change)) => Position::Newest(Reverse(change.revision)),
            (_, Row::Group(group)) => Position::Tree(group.prefix.clone(), false),
            (RowOrder::Sorted(sort), _) => Position::Sorted(self.rank(sort), self.id()),
            (RowOrder::Tree, Row::Entry(entry)) => Position::Tree(entry.key.clone(), true),
            (RowOrder::DeadFirst, Row::Lock(row)) => {
                Position::DeadFirst(row.liveness != Liveness::Dead, self.id())
            }
            (RowOrder::DeadFirst, _) => Position::DeadFirst(true, self.id()),
            (_, Row::Run(row)) => Position::Latest(Reverse(row.run.number)),
            (RowOrder::Expiry, Row::Entry(entry)) => {
                Position::Expiry(entry.expires_at.unwrap_or(Millis(i64::MAX)), entry.key.clone())
            }
            _ => Position::Name(self.id()),
        }
    }

    /// The entry as it was and as it is, if it is one of the past.
    pub fn diff(&self) -> Option<&DiffRow> {
        match self {
            Row::Diff(row) => Some(row),
            _ => None,
        }
    }

    /// What is marked of it: its key, and the entry as it is now.
    pub fn seen(&self) -> Option<(&Key, Option<&Entry>)> {
        match self {
            Row::Entry(entry) => Some((&entry.key, Some(entry))),
            Row::Diff(row) => Some((&row.key, row.now.as_ref())),
            Row::Lock(_) | Row::Change(_) | Row::Group(_) | Row::Run(_) => None,
        }
    }

    /// What the row has of what its list is sorted by.
    pub fn rank(&self, sort: Sort) -> Rank {
        match (self, sort.by) {
            (Row::Entry(entry), _) => Rank::of_entry(Some(entry), sort),
            (Row::Diff(row), _) => row.rank(sort),
            (Row::Lock(row), SortBy::Name) => Rank::of_text(&row.lock.name, sort),
            (Row::Lock(_), SortBy::Kind) => Rank::of_text("lock", sort),
            (Row::Lock(row), SortBy::Value | SortBy::Actor) => Rank::of_text(&row.lock.holder, sort),
            (_, SortBy::Left) => Rank::of_moment(self.expires_at(), sort),
            (_, SortBy::Changed) => Rank::of_moment(self.changed_at(), sort),
            _ => Rank::of_moment(None, sort),
        }
    }

    /// The entry, if it is one; of the past what it was, if it was there.
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Row::Entry(entry) => Some(entry),
            Row::Diff(row) => row.entry(),
            Row::Lock(_) | Row::Change(_) | Row::Group(_) | Row::Run(_) => None,
        }
    }

    /// When the row's subject was last changed, where the list shows its age.
    pub fn changed_at(&self) -> Option<Millis> {
        match self {
            Row::Entry(entry) => entry.modified_at,
            Row::Lock(row) => row.lock.acquired_at,
            Row::Change(change) => Some(change.at),
            Row::Group(_) | Row::Diff(_) => None,
            Row::Run(row) => row.stack.as_ref().map_or(Some(row.run.began_at), |stack| stack.began_at),
        }
    }

    /// What commands ask of a row.
    pub fn kind(&self) -> RowKind {
        let of = |entry: &Entry| RowKind::Entry(kind_inference::infer(entry).0, entry.value_type());
        match self {
            Row::Entry(entry) => of(entry),
            Row::Diff(row) => row.entry().map_or(RowKind::Group, of),
            Row::Lock(_) => RowKind::Lock,
            Row::Change(change) => RowKind::Change(change.subject, change.actor.run.is_some()),
            Row::Run(row) => RowKind::Run { is_alive: row.is_alive, is_recorded: row.run.recorded },
            Row::Group(_) => RowKind::Group,
        }
    }

    /// When something that the list shows of it next comes to its end.
    pub fn expires_at(&self) -> Option<Millis> {
        match self {
            Row::Entry(entry) => entry.expires_at,
            Row::Lock(row) => row.lock.expires_at,
            Row::Diff(row) => row.now.as_ref()?.expires_at,
            Row::Change(_) | Row::Group(_) | Row::Run(_) => None,
        }
    }

    /// Whether something changed that should catch the eye: a lease that is renewed does not.
    pub fn differs(&self, other: &Row) -> bool {
        match (self, other) {
            (Row::Entry(left), Row::Entry(right)) => {
                left.stored != right.stored
                    || left.size != right.size
                    || left.revision != right.revision
                    || left.expires_at != right.expires_at
            }
            (Row::Lock(left), Row::Lock(right)) => {
                left.lock.token != right.lock.token
                    || left.lock.holder != right.lock.holder
                    || left.liveness != right.liveness
                    || left.waiting.len() != right.waiting.len()
            }
            // What happened stays as it was, but it may be taken back.
            (Row::Group(left), Row::Group(right)) => left.series != right.series,
            (Row::Change(left), Row::Change(right)) => left.undone_by != right.undone_by,
            (Row::Run(left), Row::Run(right)) => left.status != right.status,
            _ => true,
        }
    }
}

/// How much of an entry's life is left, as a bar shows it: 1 is an hour or more.
pub fn share_left(left: Duration) -> f64 {
    const SCALE: f64 = 3600.0;
    (left.as_secs_f64() + 1.0).ln() / (SCALE + 1.0_f64).ln()
}
