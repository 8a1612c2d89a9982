//! What is done with all that is marked: words for it, and what becomes of each entry.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::format;
use super::marks::Marks;
use super::past::{Differ, Differing};
use crate::store::secrets::MASK;
use crate::store::{Entry, Expiry, Key, Kind, Operation, Revision, StoreError, kind};
use crate::text::duration::{InvalidDuration, read_span};
use crate::text::escape::{escape, escape_data};
use crate::text::thousands;
use crate::time::Millis;

/// The most entries that are changed together: others wait no longer than for these.
pub const TOGETHER: usize = 20_000;
/// The most bytes of values that are: they are in memory when it is taken back.
pub const BYTES_TOGETHER: u64 = 64 * 1024 * 1024;
/// How many of the entries are named.
const NAMED: usize = 5;

/// Something to be done with all that is marked.
#[derive(Clone, Debug, PartialEq)]
pub struct Bulk {
    /// What is marked.
    pub marks: Marks,
    /// What is done.
    pub deed: Deed,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// They are deleted.
    Delete,
    /// They are turned round.
    Toggle,
    /// They get another expiry.
    Expire(Lasting),
    /// They are written to a file.
    Export(PathBuf),
}

/// How long entries are to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// For ever.
    Always,
    /// So long from when it is done.
    For(Duration),
    /// So much longer than they last.
    Longer(Duration),
}

impl Lasting {
    /// Reads `1h`, `+30m`, `never`.
    ///
    /// # Errors
    /// Says how it is written.
    pub fn parse(text: &str) -> Result<Lasting, String> {
        let text = text.trim();
        if text == "never" {
            return Ok(Lasting::Always);
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
            Some(more) => Ok(Lasting::Longer(span(more)?)),
            None => Ok(Lasting::For(span(text)?)),
        }
    }

    /// What becomes of the expiry of an entry that expires at `present`; `None` where it does not
    /// expire, so that it cannot last longer.
    pub fn expiry(self, present: Option<Millis>) -> Option<Expiry> {
        match self {
            Lasting::Always => Some(Expiry::Clear),
            Lasting::For(span) => Some(Expiry::After(span)),
            Lasting::Longer(span) => present.map(|at| Expiry::At(at.plus(span))),
        }
    }
}

/// Why a marked entry is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
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
}

impl Reason {
    fn words(self) -> &'static str {
        match self {
            Reason::Changed => "changed since it was marked",
            Reason::Gone => "gone in the meantime",
            Reason::NoFlag => "no flag",
            Reason::NoExpiry => "does not expire",
            Reason::Expired => "what it was would have expired by now",
        }
    }
}

impl Deed {
    /// What is to be done with an entry, or why it is left alone.
    pub fn judge(&self, entry: &Entry) -> Result<Option<Operation>, Reason> {
        let key = || entry.key.clone();
        Ok(match self {
            Deed::Export(_) => None,
            Deed::Delete => Some(Operation::Delete(key())),
            Deed::Toggle => {
                // A counter that happens to be at 0 or 1 could be turned round, and is not meant.
                let is_flag = entry.is_whole() && kind::infer(entry).0 == Kind::Flag;
                let value = kind::toggled(&entry.value()).filter(|_| is_flag).ok_or(Reason::NoFlag)?;
                Some(Operation::Put { key: key(), value, expiry: Expiry::Keep })
            }
            Deed::Expire(lasting) => {
                let expiry = lasting.expiry(entry.expires_at).ok_or(Reason::NoExpiry)?;
                Some(Operation::SetExpiry { key: key(), expiry })
            }
        })
    }

    /// What becomes of an entry, in a few words.
    fn change(&self, entry: &Entry, now: Millis) -> String {
        const VALUE: usize = 40;
        let value = format::value(entry, VALUE);
        match self {
            Deed::Delete | Deed::Export(_) => value,
            Deed::Toggle => match kind::toggled(&entry.value()) {
                Some(turned) => format!("{value} → {}", escape_data(&turned.to_stored())),
                None => value,
            },
            Deed::Expire(lasting) => {
                let left = |until| match until {
                    Some(_) => format::left(until, now),
                    None => "never".into(),
                };
                let until = match lasting {
                    Lasting::Always => None,
                    Lasting::For(span) => Some(now.plus(*span)),
                    Lasting::Longer(span) => entry.expires_at.map(|at| at.plus(*span)),
                };
                format!("expires: {} → {}", left(entry.expires_at), left(until))
            }
        }
    }

    /// The question that asks for it.
    pub fn question(&self, count: u64) -> String {
        let what = entries(count);
        match self {
            Deed::Delete => format!("Delete {what}?"),
            Deed::Toggle => format!("Turn {what} round?"),
            Deed::Expire(Lasting::Always) => format!("Let {what} last for ever?"),
            Deed::Expire(Lasting::For(span)) => {
                format!("Let {what} expire {} from now?", format::span(*span))
            }
            Deed::Expire(Lasting::Longer(span)) => {
                format!("Let {what} last {} longer?", format::span(*span))
            }
            Deed::Export(_) => format!("Write {what} to a file?"),
        }
    }

    /// What was done with so many.
    pub fn done(&self, count: u64) -> String {
        let what = entries(count);
        match self {
            Deed::Delete => format!("deleted {what}"),
            Deed::Toggle => format!("turned {what} round"),
            Deed::Expire(_) => format!("changed the expiry of {what}"),
            Deed::Export(path) => {
                format!("wrote {what} to {}", escape(path.as_os_str().as_encoded_bytes()))
            }
        }
    }
}

/// So many entries.
pub fn entries(count: u64) -> String {
    if count == 1 { "1 entry".into() } else { format!("{} entries", thousands(count)) }
}

/// What becomes of one entry.
#[derive(Clone, Debug, PartialEq)]
struct First {
    key: Key,
    change: String,
    /// Whether that says what its value is.
    is_value: bool,
}

/// What becomes, or became, of all that is marked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many are, or were, changed.
    pub done: u64,
    /// How many bytes of values they have.
    pub bytes: u64,
    /// How many entries were looked at.
    pub looked_at: u64,
    /// The first of them, and what becomes of each.
    first: Vec<First>,
    /// Those that are left alone: how many, and the first of them.
    left: BTreeMap<Reason, (u64, Vec<Key>)>,
}

impl Tally {
    /// Counts an entry that is changed.
    pub fn take(&mut self, deed: &Deed, entry: &Entry, now: Millis) {
        self.done += 1;
        self.bytes += entry.size;
        if self.first.len() < NAMED {
            let is_value = !matches!(deed, Deed::Expire(_));
            let first = First { key: entry.key.clone(), change: deed.change(entry, now), is_value };
            self.first.push(first);
        }
    }

    /// The first of those that are changed.
    pub fn first(&self) -> Option<&Key> {
        self.first.first().map(|first| &first.key)
    }

    /// Counts an entry that is left alone.
    pub fn leave(&mut self, key: &Key, reason: Reason) {
        let (count, first) = self.left.entry(reason).or_default();
        *count += 1;
        if first.len() < NAMED {
            first.push(key.clone());
        }
    }

    /// Those that are changed, in lines.
    pub fn lines(&self, hides: &dyn Fn(&Key) -> bool) -> Vec<String> {
        let line = |First { key, change, is_value }: &First| match *is_value && hides(key) {
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
    pub fn left_alone(&self) -> Option<String> {
        if self.left.is_empty() {
            return None;
        }
        let part = |(reason, (count, first)): (&Reason, &(u64, Vec<Key>))| {
            let names: Vec<String> = first.iter().map(Key::to_string).collect();
            let more = count - first.len() as u64;
            let more = if more > 0 { format!(" and {} more", thousands(more)) } else { String::new() };
            format!("{}{more} ({})", names.join(", "), reason.words())
        };
        let count: u64 = self.left.values().map(|(count, _)| count).sum();
        let parts: Vec<String> = self.left.iter().map(part).collect();
        Some(format!("{} left alone: {}", entries(count), parts.join("; ")))
    }
}

/// What is asked about all that is marked.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// How many the last of its sets has.
    Count(Marks),
    /// What would be done.
    Preview(Bulk),
    /// To write it to a file.
    Export(Bulk),
    /// What is not the same now as it was.
    Differing(Differing),
}

/// What comes back.
#[derive(Debug)]
pub enum Told {
    /// How many the last set has so far, and the newest revision before it was counted.
    Counted {
        /// The newest revision.
        revision: Revision,
        /// How many.
        count: u64,
        /// Whether that is all.
        complete: bool,
    },
    /// What would be done, as far as that is known.
    Previewed {
        /// What would be done.
        tally: Tally,
        /// Whether that is all.
        complete: bool,
        /// How many changes history keeps, if that is less than this.
        history_keeps: Option<u64>,
    },
    /// How far it is.
    Progress(Progress),
    /// It was written to a file, or not.
    Exported(Bulk, Result<Tally, StoreError>),
    /// What is not the same now; `None` if that was stopped.
    Differ(Result<Option<Differ>, StoreError>),
}

/// How far something is that takes its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What was done so far.
    pub words: String,
}

/// What became of a change of all that is marked.
#[derive(Debug)]
pub struct BulkDone {
    /// What was done, and what was left alone.
    pub tally: Tally,
    /// The revision of each of its transactions, oldest first.
    pub revisions: Vec<Revision>,
    /// Why it ended before all was done.
    pub ended: Option<Ended>,
}

/// Why something ended early.
#[derive(Debug)]
pub enum Ended {
    /// The user stopped it.
    Stopped,
    /// It failed.
    Failed(StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Type, Value};
    use crate::tui::samples::{NOW, ago, entry};

    #[test]
    fn each_entry_is_judged_by_what_it_is() {
        let flag = entry("flag", "Yes", None);
        let turned = Operation::Put { key: flag.key.clone(), value: Value::text("No"), expiry: Expiry::Keep };
        assert_eq!(Deed::Toggle.judge(&flag), Ok(Some(turned)));
        assert_eq!(Deed::Toggle.judge(&entry("count", "12", Some(Type::Number))), Err(Reason::NoFlag));
        assert_eq!(Deed::Toggle.judge(&entry("count", "1", None)), Err(Reason::NoFlag), "a counter at 1");
        let part = Entry { size: 900, ..flag.clone() };
        assert_eq!(Deed::Toggle.judge(&part), Err(Reason::NoFlag), "the rest of it is not known");
        let longer = Deed::Expire(Lasting::Longer(Duration::from_secs(60)));
        assert_eq!(longer.judge(&flag), Err(Reason::NoExpiry));
        let cached = Entry { expires_at: Some(ago(-10)), ..flag };
        let expiry = Expiry::At(ago(-70));
        assert_eq!(longer.judge(&cached), Ok(Some(Operation::SetExpiry { key: cached.key.clone(), expiry })));
        assert_eq!(longer.change(&cached, NOW), "expires: 10s → 1m10s");
    }

    #[test]
    fn a_tally_names_the_first_and_counts_the_rest() {
        let mut tally = Tally::default();
        for number in 0..1200 {
            tally.take(&Deed::Delete, &entry(&format!("k{number}"), "v\x1b", None), NOW);
        }
        assert_eq!(tally.lines(&|_| false).first().unwrap(), "  k0: v␛");
        assert_eq!(tally.lines(&|_| false).last().unwrap(), "  and 1,195 more");
        assert_eq!(tally.left_alone(), None);
        tally.leave(&Key::new("a").unwrap(), Reason::Gone);
        tally.leave(&Key::new("b\n").unwrap(), Reason::Changed);
        assert_eq!(
            tally.left_alone().unwrap(),
            "2 entries left alone: b\\n (changed since it was marked); a (gone in the meantime)"
        );
    }
}
