//! Keys as a tree: keys that begin in the same way, up to a separator, are one group.
//!
//! Nothing inside of a closed group is read: the reader seeks from its first key to the key after its
//! last one, so that a page of a tree costs about as much as a page of keys.

use std::collections::BTreeSet;

use crate::store::{Entry, Key, KeyRange, Order, Scan, StoreError};
use crate::tui::list::{Group, LIST_VALUE, ListReader, LoadFrom, Position, Row, Series, time_series};

/// How many keys are read at a time where keys follow each other that are in no group.
const PAGE: usize = 256;
/// How many values the chart of a series has.
const POINTS: usize = 60;

struct TreeWalk {
    open: BTreeSet<Key>,
    scan: Scan,
    /// The open groups that the last key was in, the outermost first.
    inside: Vec<Key>,
}

impl ListReader<'_> {
    pub fn read_tree(&mut self, open: BTreeSet<Key>) -> Result<(), StoreError> {
        let mut walk = self.begin_walk(open);
        loop {
            let asked = walk.scan.limit;
            let page = self.store.scan(&walk.scan)?;
            let is_last = page.len() < asked;
            let jumped = self.walk_page(&mut walk, &page, is_last)?;
            let exhausted = is_last && !jumped;
            if exhausted {
                self.leave_groups(&mut walk, None);
            }
            if exhausted || !self.goes_on(page.len()) {
                self.finish(exhausted);
                return Ok(());
            }
            walk.scan.limit = if jumped { 2 } else { (asked * 4).min(PAGE) };
        }
    }

    fn begin_walk(&self, open: BTreeSet<Key>) -> TreeWalk {
        let order = if self.is_backwards() { Order::Descending } else { Order::Ascending };
        let mut scan = Scan { value_limit: LIST_VALUE, order, ..Scan::new(KeyRange::all(), 2) };
        let around = |key: &Key, itself: bool| -> Vec<Key> {
            let holds = |group: &&Key| starts_with(key, group) && (itself || *group != key);
            open.iter().filter(holds).cloned().collect()
        };
        let mut inside = Vec::new();
        match &self.load.from {
            LoadFrom::Start | LoadFrom::End => {}
            LoadFrom::At(Position::Tree(key, is_entry)) => {
                inside = around(key, *is_entry);
                scan.range.start = Some(key.clone());
            }
            LoadFrom::After(Position::Tree(key, true)) => {
                inside = around(key, true);
                scan.after = Some(key.clone());
            }
            LoadFrom::After(Position::Tree(key, false)) => {
                inside = around(key, true);
                let is_open = open.contains(key);
                scan.range.start = if is_open { Some(key.clone()) } else { KeyRange::beginning(key).end };
            }
            LoadFrom::Before(Position::Tree(key, is_entry)) => {
                inside = around(key, *is_entry);
                scan.after = Some(key.clone());
            }
            _ => {}
        }
        TreeWalk { open, scan, inside }
    }

    /// Takes the rows of a page; whether the rest of it was passed over.
    fn walk_page(&mut self, walk: &mut TreeWalk, page: &[Entry], is_last: bool) -> Result<bool, StoreError> {
        // What is in a group is known only with its neighbour; the last one is read again.
        let judged = if is_last { page.len() } else { page.len().saturating_sub(1) };
        for (place, entry) in page[..judged].iter().enumerate() {
            self.leave_groups(walk, Some(&entry.key));
            let neighbour = page.get(place + 1).map(|next| &next.key);
            while let Some((prefix, far)) = self.group_of(walk, &entry.key, neighbour)? {
                let is_open = walk.open.contains(&prefix);
                if walk.scan.order == Order::Ascending || !is_open {
                    let series = self.series_of(&prefix, &entry.key, &far)?;
                    self.found.push(Row::Group(Group { prefix: prefix.clone(), series }));
                }
                if !is_open {
                    let beyond = KeyRange::beginning(&prefix);
                    walk.scan.after = None;
                    match walk.scan.order {
                        Order::Ascending => walk.scan.range.start = beyond.end,
                        Order::Descending => walk.scan.range.end = beyond.start,
                    }
                    return Ok(true);
                }
                walk.inside.push(prefix);
            }
            walk.scan.after = Some(entry.key.clone());
            self.found.push(Row::Entry(entry.clone()));
        }
        Ok(false)
    }

    /// Leaves the groups that `key` is not in. Backwards a group comes after what is in it.
    fn leave_groups(&mut self, walk: &mut TreeWalk, key: Option<&Key>) {
        while let Some(group) = walk.inside.pop_if(|group| !key.is_some_and(|key| starts_with(key, group))) {
            if walk.scan.order == Order::Descending {
                self.found.push(Row::Group(Group { prefix: group, series: None }));
            }
        }
    }

    /// The next group inwards that a key is in together with its neighbour, as long as all that is in
    /// it begins in the same way; with it the key at its other end.
    fn group_of(
        &self,
        walk: &TreeWalk,
        key: &Key,
        neighbour: Option<&Key>,
    ) -> Result<Option<(Key, Key)>, StoreError> {
        let base = walk.inside.last().map_or(0, |group| group.as_bytes().len());
        let Some(neighbour) = neighbour.filter(|neighbour| neighbour.is_blob() == key.is_blob()) else {
            return Ok(None);
        };
        let bytes = key.as_bytes();
        let Some(end) = separators(bytes).find(|end| *end > base) else {
            return Ok(None);
        };
        if key.is_blob() || !neighbour.as_bytes().starts_with(&bytes[..end]) {
            return Ok(None);
        }
        let range = KeyRange::beginning(&Key::from_stored(&bytes[..end], false));
        let other = match walk.scan.order {
            Order::Ascending => Order::Descending,
            Order::Descending => Order::Ascending,
        };
        let ends = Scan { order: other, value_limit: 0, ..Scan::new(range, 1) };
        // It may be gone by now.
        let far = self.store.scan(&ends)?.pop().map_or_else(|| neighbour.clone(), |entry| entry.key);
        let same = bytes.iter().zip(far.as_bytes()).take_while(|(one, other)| one == other).count();
        let end = separators(bytes).take_while(|end| *end <= same).last().unwrap_or(end);
        Ok(Some((Key::from_stored(&bytes[..end], false), far)))
    }

    /// The values of a group that has a key for each span of time.
    fn series_of(&self, prefix: &Key, one: &Key, other: &Key) -> Result<Option<Series>, StoreError> {
        let is_time =
            |key: &Key| time_series::moment_in(&key.as_bytes()[prefix.as_bytes().len()..]).is_some();
        if !is_time(one) || !is_time(other) {
            return Ok(None);
        }
        let newest = Scan {
            order: Order::Descending,
            value_limit: 64,
            ..Scan::new(KeyRange::beginning(prefix), POINTS)
        };
        let mut entries = self.store.scan(&newest)?;
        entries.reverse();
        Ok(Series::of(prefix, &entries))
    }
}

fn starts_with(key: &Key, group: &Key) -> bool {
    !key.is_blob() && key.as_bytes().starts_with(group.as_bytes())
}

/// Where the groups end that bytes are in.
fn separators(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().filter(|(_, byte)| b":/._".contains(byte)).map(|(place, _)| place + 1)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::store::{Expiry, Options, Process, SqliteStore, State, Transaction, Value};
    use crate::tui::effect::Reply;
    use crate::tui::list::Filter;
    use crate::tui::list::Load;
    use crate::tui::list::RowOrder;
    use crate::tui::message::Message;
    use crate::tui::request::{CancelToken, RequestId};
    use crate::tui::view::View;

    struct TreePosition {
        _folder: tempfile::TempDir,
        store: SqliteStore,
        keys: BTreeSet<String>,
    }

    fn place(keys: impl IntoIterator<Item = String>) -> TreePosition {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = SqliteStore::open_or_create(&path, Options::default()).unwrap();
        let keys: BTreeSet<String> = keys.into_iter().collect();
        for key in &keys {
            let put = Transaction::put(Key::new(key).unwrap(), Value::integer(1), Expiry::Clear);
            store.commit(&put).unwrap();
        }
        TreePosition { _folder: folder, store, keys }
    }

    /// The rows of one reading, and whether it came to the end of the list.
    fn read(place: &TreePosition, open: &BTreeSet<Key>, from: LoadFrom, limit: usize) -> (Vec<Row>, bool) {
        let (answers, inbox) = channel();
        let lists = CancelToken::default();
        let here = Process::current();
        let (view, filter) = (View::Keys, Filter::default());
        let load =
            Load { generation: RequestId(0), view, filter, scope: None, tree: None, sort: None, from, limit };
        let mut kept = crate::tui::list::read::ReaderCache::default();
        let mut reader = ListReader::new(&place.store, &here, &answers, &lists, &mut kept, load);
        reader.read_tree(open.clone()).unwrap();
        drop(answers);
        let mut all = (Vec::new(), false);
        for message in inbox {
            let Message::Reply(Reply::Rows { rows, exhausted, .. }) = message else { continue };
            all.0.extend(rows);
            all.1 = exhausted;
        }
        all
    }

    fn names(rows: &[Row]) -> Vec<String> {
        let name = |row: &Row| match row {
            Row::Group(group) => format!("{}*", group.prefix.to_text()),
            row => row.entry().unwrap().key.to_text(),
        };
        rows.iter().map(name).collect()
    }

    /// The same tree from all of the keys, level by level.
    fn expected(keys: &[&str], base: usize, open: &BTreeSet<Key>) -> Vec<String> {
        let mut rows = Vec::new();
        let mut rest = keys;
        while let Some(first) = rest.first() {
            let end = separators(first.as_bytes()).find(|end| *end > base);
            let same =
                end.map_or(1, |end| rest.iter().take_while(|key| key.starts_with(&first[..end])).count());
            let (members, others) = rest.split_at(same);
            rest = others;
            if same == 1 {
                rows.push(first.to_string());
                continue;
            }
            let all_have = |end: &usize| members.iter().all(|key| key.starts_with(&first[..*end]));
            let end = separators(first.as_bytes()).take_while(all_have).last().unwrap();
            rows.push(format!("{}*", &first[..end]));
            if open.contains(&Key::new(&first[..end]).unwrap()) {
                rows.extend(expected(members, end, open));
            }
        }
        rows
    }

    #[test]
    fn a_tree_read_in_pieces_from_either_end_is_the_tree() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..40 {
            let part = |random: &mut fastrand::Rng| ["a", "b", "cc", "", "d"][random.usize(0..5)];
            let keys: Vec<String> = (0..random.usize(1..40))
                .map(|number| {
                    let mut key = format!("{}", number % 3);
                    for _ in 0..random.usize(0..4) {
                        key.push([':', '/', '.', '_'][random.usize(0..4)]);
                        key.push_str(part(&mut random));
                    }
                    key
                })
                .collect();
            let place = place(keys);
            // Groups that are open, found as a user finds them.
            let mut open = BTreeSet::new();
            for _ in 0..3 {
                for row in read(&place, &open, LoadFrom::Start, 1000).0 {
                    if let Row::Group(group) = row
                        && random.bool()
                    {
                        open.insert(group.prefix);
                    }
                }
            }
            let keys: Vec<&str> = place.keys.iter().map(String::as_str).collect();
            let wanted = expected(&keys, 0, &open);
            let (all, exhausted) = read(&place, &open, LoadFrom::Start, 1000);
            assert_eq!((names(&all), exhausted), (wanted.clone(), true), "{keys:?} {open:?}");

            let limit = random.usize(1..5);
            let position = |row: &Row| row.position(RowOrder::Tree);
            let (mut rows, mut exhausted) = read(&place, &open, LoadFrom::Start, limit);
            while !exhausted {
                let (more, end) = read(&place, &open, LoadFrom::After(position(rows.last().unwrap())), limit);
                rows.extend(more);
                exhausted = end;
            }
            assert_eq!(names(&rows), wanted, "forwards by {limit}: {keys:?} {open:?}");

            let (mut rows, mut exhausted) = read(&place, &open, LoadFrom::End, limit);
            while !exhausted {
                let (mut more, end) = read(&place, &open, LoadFrom::Before(position(&rows[0])), limit);
                more.extend(rows);
                (rows, exhausted) = (more, end);
            }
            assert_eq!(names(&rows), wanted, "backwards by {limit}: {keys:?} {open:?}");

            let middle = random.usize(0..all.len());
            let (rows, _) = read(&place, &open, LoadFrom::At(position(&all[middle])), 1000);
            assert_eq!(names(&rows), wanted[middle..], "from {middle}: {keys:?} {open:?}");
        }
    }

    #[test]
    fn keys_with_times_in_their_names_are_one_series() {
        let place = place((10..40).map(|minute| format!("api_calls_2026112312{minute}")));
        let (rows, _) = read(&place, &BTreeSet::new(), LoadFrom::Start, 10);
        let [Row::Group(group)] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!(group.prefix.to_text(), "api_calls_");
        assert_eq!(group.series.as_ref().unwrap().points.len(), 30);
    }
}
