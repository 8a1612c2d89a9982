//! Lists sorted by what their columns show.

use std::cmp::Ordering;
use std::fmt;

use crate::store::{Entry, Number, kind_inference};
use crate::time::Millis;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub by: SortBy,
    /// Whether the greatest comes first.
    pub descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    Name,
    Kind,
    Value,
    Left,
    Changed,
    Size,
    Actor,
}

impl SortBy {
    /// Everything that lists are sorted by.
    pub const ALL: [SortBy; 7] = [
        SortBy::Changed,
        SortBy::Value,
        SortBy::Left,
        SortBy::Size,
        SortBy::Kind,
        SortBy::Actor,
        SortBy::Name,
    ];

    /// The name that is shown and typed.
    pub fn name(self) -> &'static str {
        match self {
            SortBy::Name => "name",
            SortBy::Kind => "kind",
            SortBy::Value => "value",
            SortBy::Left => "ttl",
            SortBy::Changed => "changed",
            SortBy::Size => "size",
            SortBy::Actor => "by",
        }
    }

    /// The sort that comes after another, or none after the last; the one that is of most use comes
    /// first: the newest, the largest, the soonest.
    pub fn after(sort: Option<Sort>) -> Option<Sort> {
        let next = match sort {
            None => 0,
            Some(sort) => 1 + SortBy::ALL.iter().position(|by| *by == sort.by).unwrap_or(0),
        };
        SortBy::ALL.get(next).map(|by| by.usual())
    }

    /// In the direction that is of most use.
    pub fn usual(self) -> Sort {
        Sort { by: self, descending: matches!(self, SortBy::Changed | SortBy::Size | SortBy::Value) }
    }
}

impl fmt::Display for Sort {
    /// What a list says of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by {} {}", self.by.name(), if self.descending { "▼" } else { "▲" })
    }
}

/// What a row is sorted by. Where there is nothing, it comes last in either direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Rank {
    descending: bool,
    value: Sorted,
}

#[derive(Clone, Debug, PartialEq)]
enum Sorted {
    Number(f64),
    Text(Vec<u8>),
    Nothing,
}

impl Eq for Rank {}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Rank) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Rank) -> Ordering {
        let ordered = match (&self.value, &other.value) {
            (Sorted::Nothing, Sorted::Nothing) => return Ordering::Equal,
            (Sorted::Nothing, _) => return Ordering::Greater,
            (_, Sorted::Nothing) => return Ordering::Less,
            (Sorted::Number(one), Sorted::Number(other)) => one.total_cmp(other),
            (Sorted::Text(one), Sorted::Text(other)) => one.cmp(other),
            (Sorted::Number(_), Sorted::Text(_)) => Ordering::Less,
            (Sorted::Text(_), Sorted::Number(_)) => Ordering::Greater,
        };
        if self.descending { ordered.reverse() } else { ordered }
    }
}

impl Rank {
    /// What an entry has of it, which may not be there.
    pub fn of_entry(entry: Option<&Entry>, sort: Sort) -> Rank {
        Rank::of(entry.and_then(|entry| value_of_entry(entry, sort.by)), sort)
    }

    pub fn of_text(text: &str, sort: Sort) -> Rank {
        Rank::of(Some(Sorted::Text(text.as_bytes().to_vec())), sort)
    }

    /// Of a moment, which may not be known.
    pub fn of_moment(at: Option<Millis>, sort: Sort) -> Rank {
        Rank::of(at.map(|at| Sorted::Number(at.0 as f64)), sort)
    }

    fn of(value: Option<Sorted>, sort: Sort) -> Rank {
        Rank { descending: sort.descending, value: value.unwrap_or(Sorted::Nothing) }
    }
}

fn value_of_entry(entry: &Entry, by: SortBy) -> Option<Sorted> {
    let text = |text: &str| Some(Sorted::Text(text.as_bytes().to_vec()));
    match by {
        SortBy::Name => Some(Sorted::Text(entry.key.as_bytes().to_vec())),
        SortBy::Kind => text(kind_inference::infer(entry).0.name()),
        SortBy::Value => Some(stored(entry)),
        SortBy::Size => Some(Sorted::Number(entry.size as f64)),
        SortBy::Actor => text(&entry.actor.as_ref()?.to_string()),
        SortBy::Left => Some(Sorted::Number(entry.expires_at?.0 as f64)),
        SortBy::Changed => Some(Sorted::Number(entry.modified_at?.0 as f64)),
    }
}

/// Numbers are compared as such, whether they are stored as text or not.
fn stored(entry: &Entry) -> Sorted {
    let number = std::str::from_utf8(&entry.stored).ok().and_then(|text| text.parse::<Number>().ok());
    number.map_or_else(|| Sorted::Text(entry.stored.clone()), |number| Sorted::Number(number.as_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::list::Row;
    use crate::tui::testing::fixtures::{ago, entry};

    fn sorted(sort: Sort) -> String {
        let mut expiring = entry("d", "text", None);
        expiring.expires_at = Some(ago(-5));
        let mut rows: Vec<Row> =
            [entry("a", "10", None), entry("b", "9", None), entry("c", "-1", None), expiring]
                .map(Row::Entry)
                .into();
        rows.sort_by_key(|row| row.rank(sort));
        rows.iter().map(|row| row.entry().unwrap().key.to_text()).collect()
    }

    #[test]
    fn numbers_are_sorted_as_numbers_and_nothing_comes_last() {
        assert_eq!(sorted(Sort { by: SortBy::Value, descending: false }), "cbad");
        assert_eq!(sorted(Sort { by: SortBy::Value, descending: true }), "dabc");
        for descending in [false, true] {
            assert!(sorted(Sort { by: SortBy::Left, descending }).starts_with('d'));
        }
    }

    #[test]
    fn one_goes_round_all_columns_and_back_to_none() {
        let mut sort = None;
        for _ in 0..SortBy::ALL.len() {
            sort = SortBy::after(sort);
            assert!(sort.is_some());
        }
        assert_eq!(SortBy::after(sort), None);
    }
}
