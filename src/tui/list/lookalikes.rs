//! Keys that look the same: they differ only in their Unicode normal form.

use std::collections::{HashMap, HashSet};

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::store::Key;
use crate::tui::list::Row;

/// The keys of these rows that differ from another of them only in their Unicode normal form.
pub fn twins<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> HashSet<&'a Key> {
    let keys = || {
        let entries = rows.clone().filter_map(Row::entry).map(|entry| &entry.key);
        entries.filter_map(|key| Some((key, key.as_str().filter(|text| !text.is_ascii())?)))
    };
    // Of two that differ at most one is composed.
    if keys().all(|(_, text)| is_nfc_quick(text.chars()) == IsNormalized::Yes) {
        return HashSet::new();
    }
    let mut same: HashMap<String, Vec<&Key>> = HashMap::new();
    for (key, text) in keys() {
        same.entry(text.nfc().collect()).or_default().push(key);
    }
    same.into_values().filter(|keys| keys.len() > 1).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::fixtures::entry;

    fn found(keys: &[&str]) -> Vec<String> {
        let rows: Vec<Row> = keys.iter().map(|key| Row::Entry(entry(key, "x", None))).collect();
        let mut found: Vec<String> = twins(rows.iter()).into_iter().map(Key::to_text).collect();
        found.sort();
        found
    }

    #[test]
    fn only_keys_that_differ_in_their_normal_form_are_twins() {
        assert_eq!(found(&["caf\u{e9}", "cafe\u{301}", "cafe", "tea"]), ["cafe\u{301}", "caf\u{e9}"]);
        assert_eq!(found(&["\u{212b}", "\u{c5}", "A\u{30a}"]).len(), 3);
        assert_eq!(found(&["cafe\u{301}", "cafe", "caf\u{e9}s"]), [""; 0]);
        assert_eq!(found(&["\u{1100}\u{1161}", "\u{ac00}"]).len(), 2);
        assert_eq!(found(&["\u{fb01}", "fi"]), [""; 0], "a ligature looks different");
        assert_eq!(found(&[]), [""; 0]);
    }
}
