//! Reads the rows of lists, and the details of one.

use std::sync::mpsc::Sender;

use crate::store::{Key, Process, Store, StoreError};
use crate::tui::effect::{Effect, Reply};
use crate::tui::list::{LIST_VALUE, ListReader, ReaderCache, Row, RowId, TREE_VALUE};
use crate::tui::message::{Message, send};
use crate::tui::request::{CancelToken, RequestId, RequestQueue};
use crate::tui::screens::value::detail::{DETAIL_VALUE, Detail, cut, is_inside};
use crate::tui::screens::{self, runs};

/// Answers requests until no more come.
pub fn run(
    store: &dyn Store,
    here: &Process,
    requests: &RequestQueue<Effect>,
    answers: &Sender<Message>,
    lists: &CancelToken,
) {
    let mut kept = ReaderCache::default();
    while let Some(request) = requests.next() {
        let answered = match request {
            // Somebody typed on: there is a newer question behind it.
            Effect::Load(load) if lists.is_cancelled(load.generation) => Ok(()),
            Effect::Load(load) => read(ListReader::new(store, here, answers, lists, &mut kept, load)),
            Effect::Refresh(refresh) => runs::read::refresh(store, here, &refresh, answers, lists),
            Effect::Refetch(id, keys) => refetch(store, id, keys, answers, lists),
            Effect::Detail(id, offset) => detail(store, here, &id, offset)
                .map(|detail| send(answers, Reply::Detail(id, detail.map(Box::new)))),
            _ => Ok(()),
        };
        if let Err(error) = answered {
            send(answers, Reply::failed(error));
        }
    }
}

fn read(mut reader: ListReader<'_>) -> Result<(), StoreError> {
    if let Some(open) = reader.load.tree.take() {
        return reader.read_tree(open);
    }
    match reader.load.sort.filter(|_| reader.load.view.has_entries()) {
        Some(sort) => reader.read_sorted(sort),
        None => (screens::listing(reader.load.view).read)(&mut reader),
    }
}

fn refetch(
    store: &dyn Store,
    id: RequestId,
    keys: Vec<Key>,
    answers: &Sender<Message>,
    lists: &CancelToken,
) -> Result<(), StoreError> {
    if lists.is_cancelled(id) {
        return Ok(());
    }
    let entries = keys
        .into_iter()
        .map(|key| store.get_prefix(&key, LIST_VALUE).map(|entry| (key, entry)))
        .collect::<Result<Vec<_>, _>>()?;
    send(answers, Reply::Entries(id, entries));
    Ok(())
}

/// A row with a piece of its value from `offset` on; a lock has no more than its row.
fn detail(store: &dyn Store, here: &Process, id: &RowId, offset: u64) -> Result<Option<Detail>, StoreError> {
    let row = match id {
        RowId::Entry(key) if offset == 0 => {
            return Ok(store.get_prefix(key, TREE_VALUE)?.map(Detail::of_entry));
        }
        // A few bytes more, so that no character is torn where one piece ends.
        RowId::Entry(key) => store.get_slice(key, offset, DETAIL_VALUE + 3)?.map(|mut entry| {
            let start = entry.stored.iter().take(3).take_while(|byte| is_inside(**byte)).count();
            cut(&mut entry);
            entry.stored.drain(..start.min(entry.stored.len()));
            Row::Entry(entry)
        }),
        RowId::Change(revision) => store.change(*revision, DETAIL_VALUE)?.map(Row::Change),
        RowId::Run(number) => runs::read::detail(store, here, *number)?,
        RowId::Lock(_) | RowId::Group(_) => None,
    };
    Ok(row.map(|row| Detail::new(row, offset)))
}
