//! Keys and values that are not what they are expected to be.

use super::{Examined, Tally, clock, counted};
use crate::store::{Entry, Finding, KeyRange, PAGE, Scan, State, StoreError, Type, Value, entry_pages};
use crate::time::Millis;

/// Reads every entry, a page at a time.
pub(super) fn examine(examined: &Examined<'_>) -> Result<Vec<Finding>, StoreError> {
    /// The most bytes of a value that are read with its page; longer ones are read one by one.
    const VALUE: u64 = 16 * 1024;
    let store = examined.store;
    let mut seen = EntryTallies::default();
    for page in entry_pages(store, Scan { value_limit: VALUE, ..Scan::new(KeyRange::all(), PAGE) }) {
        for entry in page? {
            let whole = if needs_all(&entry) { store.get(&entry.key)? } else { None };
            seen.look_at(whole.as_ref().unwrap_or(&entry), examined.now);
        }
    }
    let mut findings = seen.judge(examined);
    findings.extend(expired(examined)?);
    Ok(findings)
}

/// Whether the first bytes of the value do not tell if it parses.
fn needs_all(entry: &Entry) -> bool {
    !entry.is_whole() && entry.stored_type.is_some_and(|stored_type| stored_type != Type::String)
}

#[derive(Default)]
struct EntryTallies {
    entries: u64,
    unparsed: Tally,
    empty: Tally,
    not_utf8: Tally,
    blobs: Tally,
    ahead: u64,
    latest: Millis,
}

impl EntryTallies {
    fn look_at(&mut self, entry: &Entry, now: Millis) {
        self.entries += 1;
        let key = entry.key.as_bytes();
        if let Some(stored_type) = entry.stored_type
            && entry.is_whole()
            && Value::parse(&entry.stored, stored_type).is_err()
        {
            self.unparsed.add(key);
        }
        if key.is_empty() {
            self.empty.add(key);
        } else if entry.key.is_blob() {
            self.blobs.add(key);
        } else if entry.key.as_str().is_none() {
            self.not_utf8.add(key);
        }
        if let Some(at) = entry.modified_at
            && at.0 > now.0.saturating_add(clock::AHEAD)
        {
            self.ahead += 1;
            self.latest = self.latest.max(at);
        }
    }

    fn judge(&self, examined: &Examined<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.push(match self.unparsed.count {
            0 => Finding::ok(
                "values",
                format!("{}, every value is of its type", counted(self.entries, "entry", "entries")),
            ),
            count => Finding::warning(
                "values",
                format!(
                    "{} not parse as the stored type (read as a string): {}",
                    counted(count, "value does", "values do"),
                    self.unparsed.names()
                ),
            )
            .remedy(format!(
                "give it one that does, or make it the string that it is: {}",
                examined.command("set KEY VALUE --type string")
            )),
        });
        for (tally, one, many) in [
            (&self.empty, "key is empty", "keys are empty"),
            (&self.not_utf8, "key is no UTF-8", "keys are no UTF-8"),
            (&self.blobs, "key is a blob and no text", "keys are blobs and no text"),
        ] {
            if tally.count > 0 {
                let finding = format!("{}: {}", counted(tally.count, one, many), tally.names());
                findings.push(
                    Finding::note("keys", finding)
                        .remedy(format!("look at them in the interface: {}", examined.command(""))),
                );
            }
        }
        if self.ahead > 0 {
            findings.push(clock::ahead(&counted(self.ahead, "entry", "entries"), self.latest, examined.now));
        }
        findings
    }
}

/// Expired entries are hidden from everybody, and removed by the next writer.
fn expired(examined: &Examined<'_>) -> Result<Option<Finding>, StoreError> {
    if !examined.is_ours() {
        return Ok(None);
    }
    let count: i64 = examined.query(|connection| {
        let sql = "SELECT count(*) FROM state WHERE expires_at_ms <= ?1";
        connection.query_row(sql, [examined.now.0], |row| row.get(0))
    })?;
    Ok((count > 0).then(|| {
        let who = counted(count.unsigned_abs(), "entry has", "entries have");
        let finding = format!("{who} expired, hidden from slothstate until its next writes remove them");
        Finding::note("expiry", finding)
    }))
}
