//! What is done with all that is marked: words for it, and what becomes of each entry.

pub mod commit;
pub mod draw;
pub mod restore;
pub mod update;
pub mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::store::secret_keys::MASK;
use crate::store::{Edit, Entry, Expiry, Key, Kind, Moment, Operation, Revision, StoreError, kind_inference};
use crate::text::duration::{InvalidDuration, read_span};
use crate::text::escape::{escape, escape_data};
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::list::{Filter, LockRow, Marks};
use crate::tui::view::View;
use crate::tui::widgets::format;

/// How many of the entries are named.
const EXAMPLES_MAX: usize = 5;

/// Something to be done with all that is marked.
#[derive(Clone, Debug, PartialEq)]
pub struct Bulk {
    pub marks: Marks,
    pub deed: BulkOperation,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BulkOperation {
    Delete,
    /// They are turned round.
    Toggle,
    /// They get another expiry.
    Expire(ExpiryChange),
    /// They are written to a file.
    Export(PathBuf),
    /// They become again what they were.
    Restore(Moment),
    /// The locks of holders that are gone are cleared.
    ClearLocks,
}

/// How long entries are to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryChange {
    Always,
    /// So long from when it is done.
    For(Duration),
    /// So much longer than they last.
    Longer(Duration),
}

impl ExpiryChange {
    /// Reads `1h`, `+30m`, `never`.
    ///
    /// # Errors
    /// Says how it is written.
    pub fn parse(text: &str) -> Result<ExpiryChange, String> {
        let text = text.trim();
        if text == "never" {
            return Ok(ExpiryChange::Always);
        }
        let span = |text: &str| match read_span(text.trim()) {
            Ok(span) if span.is_zero() => Err("longer than nothing, please".to_string()),
            Ok(span) => Ok(span),
            Err(error @ InvalidDuration::TooLong(_)) => Err(error.to_string()),
            Err(InvalidDuration::Malformed(_)) => {
                Err("write 90s, 5m, 1h30m; +10m to add to what is left; never".to_string())
            }
        };
        match text.strip_prefix('+') {
            Some(more) => Ok(ExpiryChange::Longer(span(more)?)),
            None => Ok(ExpiryChange::For(span(text)?)),
        }
    }

    /// What becomes of the expiry of an entry that expires at `present`; `None` where it does not
    /// expire, so that it cannot last longer.
    pub fn expiry(self, present: Option<Millis>) -> Option<Expiry> {
        match self {
            ExpiryChange::Always => Some(Expiry::Clear),
            ExpiryChange::For(span) => Some(Expiry::After(span)),
            ExpiryChange::Longer(span) => present.map(|at| Expiry::At(at.plus(span))),
        }
    }
}

/// Why a marked entry is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// It was changed since it was marked.
    Changed,
    /// It is gone.
    Gone,
    /// It cannot be turned round.
    NoFlag,
    /// It does not expire, so that it cannot last longer.
    NoExpiry,
    /// What it was would have expired by now.
    Expired,
    /// It is a lock whose holder may be alive.
    HolderMayBeAlive,
    /// It is a lock, and not an entry.
    Lock,
    /// It is an entry, and not a lock.
    NotALock,
}

impl SkipReason {
    fn describe(self) -> &'static str {
        match self {
            SkipReason::Changed => "changed since it was marked",
            SkipReason::Gone => "gone in the meantime",
            SkipReason::NoFlag => "no flag",
            SkipReason::NoExpiry => "does not expire",
            SkipReason::Expired => "what it was would have expired by now",
            SkipReason::HolderMayBeAlive => "its holder may be alive; it can be cleared alone",
            SkipReason::Lock => "a lock, which can only be cleared",
            SkipReason::NotALock => "a key, which can be deleted",
        }
    }
}

impl BulkOperation {
    /// What is to be done with an entry, or why it is left alone.
    pub fn judge(&self, entry: &Entry) -> Result<Option<Operation>, SkipReason> {
        let key = || entry.key.clone();
        Ok(match self {
            BulkOperation::Export(_) | BulkOperation::Restore(_) => None,
            BulkOperation::ClearLocks => return Err(SkipReason::NotALock),
            BulkOperation::Delete => Some(Operation::Delete(key())),
            BulkOperation::Toggle => {
                // A counter that happens to be at 0 or 1 could be turned round, and is not meant.
                let is_flag = entry.is_whole() && kind_inference::infer(entry).0 == Kind::Flag;
                kind_inference::toggled(&entry.value()).filter(|_| is_flag).ok_or(SkipReason::NoFlag)?;
                Some(Operation::Edit { key: key(), edit: Edit::Toggle })
            }
            BulkOperation::Expire(lasting) => {
                let expiry = lasting.expiry(entry.expires_at).ok_or(SkipReason::NoExpiry)?;
                Some(Operation::SetExpiry { key: key(), expiry })
            }
        })
    }

    /// What becomes of an entry, in a few words.
    fn change(&self, entry: &Entry, now: Millis) -> String {
        const VALUE: usize = 40;
        let value = format::value(entry, VALUE);
        match self {
            BulkOperation::Delete
            | BulkOperation::Export(_)
            | BulkOperation::Restore(_)
            | BulkOperation::ClearLocks => value,
            BulkOperation::Toggle => match kind_inference::toggled(&entry.value()) {
                Some(turned) => format!("{value} → {}", escape_data(&turned.to_stored())),
                None => value,
            },
            BulkOperation::Expire(lasting) => {
                let left = |until| match until {
                    Some(_) => format::left(until, now),
                    None => "never".into(),
                };
                let until = match lasting {
                    ExpiryChange::Always => None,
                    ExpiryChange::For(span) => Some(now.plus(*span)),
                    ExpiryChange::Longer(span) => entry.expires_at.map(|at| at.plus(*span)),
                };
                format!("expires: {} → {}", left(entry.expires_at), left(until))
            }
        }
    }

    pub fn question(&self, count: u64) -> String {
        let what = entries(count);
        match self {
            BulkOperation::Delete => format!("Delete {what}?"),
            BulkOperation::Toggle => format!("Turn {what} round?"),
            BulkOperation::Expire(ExpiryChange::Always) => format!("Let {what} last for ever?"),
            BulkOperation::Expire(ExpiryChange::For(span)) => {
                format!("Let {what} expire {} from now?", format::span(*span))
            }
            BulkOperation::Expire(ExpiryChange::Longer(span)) => {
                format!("Let {what} last {} longer?", format::span(*span))
            }
            BulkOperation::Export(_) => format!("Write {what} to a file?"),
            BulkOperation::ClearLocks => format!("Clear {}?", locks(count)),
            BulkOperation::Restore(moment) => {
                let was = if count == 1 { "it was" } else { "they were" };
                format!("Make {what} again what {was} at revision {}?", moment.revision)
            }
        }
    }

    pub fn done(&self, count: u64) -> String {
        let what = entries(count);
        match self {
            BulkOperation::Delete => format!("deleted {what}"),
            BulkOperation::Toggle => format!("turned {what} round"),
            BulkOperation::Expire(_) => format!("changed the expiry of {what}"),
            BulkOperation::Export(path) => {
                format!("wrote {what} to {}", escape(path.as_os_str().as_encoded_bytes()))
            }
            BulkOperation::ClearLocks => format!("cleared {}", locks(count)),
            BulkOperation::Restore(_) if count == 0 => "nothing was restored".into(),
            BulkOperation::Restore(moment) => format!("restored {what} from revision {}", moment.revision),
        }
    }
}

pub fn entries(count: u64) -> String {
    if count == 1 { "1 entry".into() } else { format!("{} entries", thousands(count)) }
}

fn locks(count: u64) -> String {
    if count == 1 { "1 lock".into() } else { format!("{} locks", thousands(count)) }
}

/// What becomes of one entry.
#[derive(Clone, Debug, PartialEq)]
struct BulkExample {
    key: Key,
    change: String,
    /// Whether that says what its value is.
    is_value: bool,
}

/// What becomes, or became, of all that is marked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BulkCounts {
    /// How many are, or were, changed.
    pub done: u64,
    /// How many bytes of values they have.
    pub bytes: u64,
    /// How many entries were looked at.
    pub scanned: u64,
    /// The first of them, and what becomes of each.
    first: Vec<BulkExample>,
    /// Those that are left alone: how many, and the first of them.
    left: BTreeMap<SkipReason, (u64, Vec<Key>)>,
}

impl BulkCounts {
    /// Counts an entry that is changed.
    pub fn take(&mut self, deed: &BulkOperation, entry: &Entry, now: Millis) {
        self.done += 1;
        self.bytes += entry.size;
        if self.first.len() < EXAMPLES_MAX {
            let is_value = !matches!(deed, BulkOperation::Expire(_));
            let first = BulkExample { key: entry.key.clone(), change: deed.change(entry, now), is_value };
            self.first.push(first);
        }
    }

    /// Counts a lock that is cleared.
    pub fn take_lock(&mut self, row: &LockRow, now: Millis) {
        self.done += 1;
        if self.first.len() < EXAMPLES_MAX {
            let lock = &row.lock;
            let held = lock.acquired_at.map(|at| format!(", held {}", format::span(now.since(at))));
            let holder = escape(lock.holder.as_bytes());
            let change = format!("{holder} ({}){}", row.liveness.name(), held.unwrap_or_default());
            let key = Key::from_stored(lock.name.as_bytes(), false);
            self.first.push(BulkExample { key, change, is_value: false });
        }
    }

    /// The first of those that are changed.
    pub fn first(&self) -> Option<&Key> {
        self.first.first().map(|first| &first.key)
    }

    /// Counts an entry that is left alone.
    pub fn leave(&mut self, key: &Key, reason: SkipReason) {
        let (count, first) = self.left.entry(reason).or_default();
        *count += 1;
        if first.len() < EXAMPLES_MAX {
            first.push(key.clone());
        }
    }

    /// Counts a lock that is left alone.
    pub fn leave_lock(&mut self, name: &str, reason: SkipReason) {
        self.leave(&Key::from_stored(name.as_bytes(), false), reason);
    }

    /// Those that are changed, in lines.
    pub fn lines(&self, hides: &dyn Fn(&Key) -> bool) -> Vec<String> {
        let line = |BulkExample { key, change, is_value }: &BulkExample| match *is_value && hides(key) {
            true => format!("  {key}: {MASK}"),
            false => format!("  {key}: {change}"),
        };
        let mut lines: Vec<String> = self.first.iter().map(line).collect();
        let more = self.done - self.first.len() as u64;
        if more > 0 {
            lines.push(format!("  and {} more", thousands(more)));
        }
        lines
    }

    /// Those that are left alone and why; `None` if there are none.
    pub fn skipped(&self) -> Option<String> {
        if self.left.is_empty() {
            return None;
        }
        let part = |(reason, (count, first)): (&SkipReason, &(u64, Vec<Key>))| {
            let names: Vec<String> = first.iter().map(Key::to_string).collect();
            let more = count - first.len() as u64;
            let more = if more > 0 { format!(" and {} more", thousands(more)) } else { String::new() };
            format!("{}{more} ({})", names.join(", "), reason.describe())
        };
        let count: u64 = self.left.values().map(|(count, _)| count).sum();
        let parts: Vec<String> = self.left.iter().map(part).collect();
        Some(format!("{} left alone: {}", thousands(count), parts.join("; ")))
    }
}

/// What is asked about all that is marked.
#[derive(Clone, Debug, PartialEq)]
pub enum BulkRequest {
    /// Entries, to be marked.
    Select(SelectRequest),
    /// What would be done.
    Preview(Bulk),
    /// To write it to a file.
    Export(Bulk),
}

/// A request for all that passes a filter; in the past for what of it is not the same now.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectRequest {
    pub view: View,
    pub filter: Filter,
    /// The present moment, for what a filter says about times.
    pub at: Millis,
    /// The moment of the past; `None` in a list of the present.
    pub moment: Option<Moment>,
}

#[derive(Debug)]
pub struct Selection {
    /// The entries as they are now, with the beginning of each value; `None` for one that is gone.
    pub entries: Vec<(Key, Option<Entry>)>,
    /// The locks, in the list of locks.
    pub locks: Vec<LockRow>,
    /// Whether there are more than can be marked.
    pub has_more: bool,
}

#[derive(Debug)]
pub enum BulkReply {
    /// What is to be marked; `None` if that was stopped.
    Selected(Result<Option<Selection>, StoreError>),
    /// What would be done, as far as that is known.
    Previewed {
        /// What would be done.
        tally: BulkCounts,
        complete: bool,
        /// How many changes history keeps, if that is less than this.
        history_keeps: Option<u64>,
    },
    /// How far it is, in the words of the status line.
    Progress(String),
    /// It was written to a file, or not.
    Exported(Bulk, Result<BulkCounts, StoreError>),
}

/// What became of a change of all that is marked.
#[derive(Debug)]
pub struct BulkResult {
    /// What was done, and what was left alone.
    pub tally: BulkCounts,
    /// The revision of each of its transactions, oldest first.
    pub revisions: Vec<Revision>,
    /// Why it ended before all was done.
    pub ended: Option<BulkStop>,
}

/// Why something ended early.
#[derive(Debug)]
pub enum BulkStop {
    Stopped,
    Failed(StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Type;
    use crate::tui::testing::fixtures::{NOW, ago, entry};

    #[test]
    fn each_entry_is_judged_by_what_it_is() {
        let flag = entry("flag", "Yes", None);
        let turned = Operation::Edit { key: flag.key.clone(), edit: Edit::Toggle };
        assert_eq!(BulkOperation::Toggle.judge(&flag), Ok(Some(turned)));
        assert_eq!(
            BulkOperation::Toggle.judge(&entry("count", "12", Some(Type::Number))),
            Err(SkipReason::NoFlag)
        );
        assert_eq!(
            BulkOperation::Toggle.judge(&entry("count", "1", None)),
            Err(SkipReason::NoFlag),
            "a counter at 1"
        );
        let part = Entry { size: 900, ..flag.clone() };
        assert_eq!(
            BulkOperation::Toggle.judge(&part),
            Err(SkipReason::NoFlag),
            "the rest of it is not known"
        );
        let longer = BulkOperation::Expire(ExpiryChange::Longer(Duration::from_secs(60)));
        assert_eq!(longer.judge(&flag), Err(SkipReason::NoExpiry));
        let cached = Entry { expires_at: Some(ago(-10)), ..flag };
        let expiry = Expiry::At(ago(-70));
        assert_eq!(longer.judge(&cached), Ok(Some(Operation::SetExpiry { key: cached.key.clone(), expiry })));
        assert_eq!(longer.change(&cached, NOW), "expires: 10s → 1m10s");
    }

    #[test]
    fn a_tally_names_the_first_and_counts_the_rest() {
        let mut tally = BulkCounts::default();
        for number in 0..1200 {
            tally.take(&BulkOperation::Delete, &entry(&format!("k{number}"), "v\x1b", None), NOW);
        }
        assert_eq!(tally.lines(&|_| false).first().unwrap(), "  k0: v␛");
        assert_eq!(tally.lines(&|_| false).last().unwrap(), "  and 1,195 more");
        assert_eq!(tally.skipped(), None);
        tally.leave(&Key::new("a").unwrap(), SkipReason::Gone);
        tally.leave(&Key::new("b\n").unwrap(), SkipReason::Changed);
        assert_eq!(
            tally.skipped().unwrap(),
            "2 left alone: b\\n (changed since it was marked); a (gone in the meantime)"
        );
    }
}
