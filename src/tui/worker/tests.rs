//! What is urgent is done first, and what nobody waits for is not done.

use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::store::{Expiry, Key, Process, SqliteStore, State, Transaction, Value};
use crate::time::Millis;
use crate::tui::bulk::{BulkReply, BulkRequest, SelectRequest};
use crate::tui::effect::{Figure, Reply};
use crate::tui::list::{Filter, Load, LoadFrom, RowId};
use crate::tui::request::{RequestId, RequestQueue};
use crate::tui::screens::debugger::requests::{DebugSessionId, StepFilter, StepSearch};
use crate::tui::view::View;

fn database(keys: usize) -> (tempfile::TempDir, Location, Options) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open_or_create(&path, Options::default()).unwrap();
    for number in 0..keys {
        let key = Key::new(format!("k{number}")).unwrap();
        store.commit(&Transaction::put(key, Value::integer(1), Expiry::Clear)).unwrap();
    }
    (folder, Location::File(path), Options::default())
}

fn load(id: u64) -> Effect {
    Effect::Load(Load {
        generation: RequestId(id),
        view: View::Keys,
        filter: Filter::default(),
        scope: None,
        tree: None,
        sort: None,
        from: LoadFrom::Start,
        limit: 10,
    })
}

fn select(id: u64) -> Effect {
    let request = SelectRequest { view: View::Keys, filter: Filter::default(), at: Millis(0), moment: None };
    Effect::Bulk(RequestId(id), BulkRequest::Select(request))
}

/// A queue of requests after which no more come.
fn queue<R>(requests: impl IntoIterator<Item = R>) -> RequestQueue<R> {
    let (sender, receiver) = channel();
    requests.into_iter().for_each(|request| sender.send(request).unwrap());
    RequestQueue::new(receiver)
}

fn replies(answer: impl FnOnce(&Sender<Message>)) -> Vec<Reply> {
    let (answers, inbox) = channel();
    answer(&answers);
    drop(answers);
    let reply = |message| match message {
        Message::Reply(reply) => reply,
        other => panic!("{other:?}"),
    };
    inbox.into_iter().map(reply).collect()
}

/// What the background thread answers, in a few letters.
fn in_background(requests: impl IntoIterator<Item = Effect>, bulks: &CancelToken) -> Vec<String> {
    let (_folder, location, settings) = database(3);
    let store = open(&location, &settings).unwrap();
    let requests = queue(requests);
    let replies = replies(|answers| {
        Background { store: &*store, requests: &requests, answers, bulks, own: "" }.run();
    });
    let name = |reply: &Reply| match reply {
        Reply::Count(count) => format!("count {count}"),
        Reply::Past(changes) => format!("past {:?}", changes.of),
        Reply::Bulk(number, reply) => match &**reply {
            BulkReply::Selected(Ok(Some(selection))) => format!("{}: {}", number.0, selection.entries.len()),
            BulkReply::Selected(Ok(None)) => format!("{}: stopped", number.0),
            other => panic!("{other:?}"),
        },
        Reply::Weighed(prefix, size) => format!("{prefix}* {}", size.keys),
        other => panic!("{other:?}"),
    };
    replies.iter().map(name).collect()
}

#[test]
fn a_newer_request_cancels_the_older_one() {
    let (_folder, location, settings) = database(3);
    let store = open(&location, &settings).unwrap();
    let token = CancelToken::default();
    token.cancel_before(RequestId(2));
    let keys = || vec![Key::new("k1").unwrap()];
    let requests = queue([
        load(1),
        Effect::Refetch(RequestId(1), keys()),
        load(2),
        Effect::Refetch(RequestId(3), keys()),
    ]);
    let replies = replies(|answers| lists::run(&*store, &Process::current(), &requests, answers, &token));
    let [Reply::Rows { generation, rows, .. }, Reply::Entries(id, _)] = &replies[..] else {
        panic!("{replies:?}")
    };
    assert_eq!((*generation, rows.len(), *id), (RequestId(2), 3, RequestId(3)));
}

#[test]
fn figures_come_before_marked_entries_and_those_before_the_sizes_of_groups() {
    let past = |key: &str| Effect::Figure(Figure::Past(RowId::Lock(key.into())));
    let groups = Effect::Figure(Figure::Weigh(vec![Key::new("k").unwrap()]));
    let requests = [
        groups,
        select(1),
        Effect::Figure(Figure::Count),
        past("a"),
        past("b"),
        Effect::Figure(Figure::Count),
    ];
    let told = in_background(requests, &CancelToken::default());
    // Of each kind of figure the newest request is answered.
    assert_eq!(told, [r#"past Lock("b")"#, "count 3", "1: 3", "k* 3"]);
}

#[test]
fn one_request_is_cancelled_and_the_others_are_not() {
    let bulks = CancelToken::default();
    bulks.cancel(RequestId(2));
    assert_eq!(in_background([select(1), select(2), select(3)], &bulks), ["1: 3", "2: stopped", "3: 3"]);
    bulks.cancel_all();
    assert_eq!(in_background([select(4)], &bulks), ["4: stopped"]);
}

#[test]
fn recordings_are_searched_but_not_for_what_was_stopped_or_replaced() {
    let (_folder, location, settings) = database(1);
    let sitting = |id| DebugSessionId { number: RequestId(id), run: 9 };
    let search = |id| {
        let test = StepFilter::Failure;
        let search = StepSearch { run: 9, from: 1, forwards: true, test, last: 1 };
        DebuggerRequest::Search(RequestId(id), search)
    };
    let replies = replies(|answers| {
        let desk = WorkerContext::new(&location, &settings, answers);
        desk.searches.cancel(RequestId(3));
        desk.tasks.cancel_before(RequestId(2));
        let tasks = [1, 2].map(|id| DebuggerRequest::Tasks(sitting(id)));
        debugger::worker::search(&desk, &queue(tasks.into_iter().chain([search(3), search(4)])));
    });
    let told: Vec<_> = replies.iter().map(|reply| format!("{reply:?}")).collect();
    assert!(told.len() == 2 && told[0].contains("Tasks(DebugSessionId { number: RequestId(2)"), "{told:?}");
    assert!(told[1].contains("Found(RequestId(4)"), "{told:?}");
}

#[test]
fn threads_that_are_busy_end_when_the_database_is_closed() {
    let (_folder, location, settings) = database(3);
    let (answers, inbox) = channel();
    let workers = Workers::start(&location, &settings, &answers).unwrap();
    drop(answers);
    for effect in [load(1), select(2), Effect::Figure(Figure::Count), load(3), Effect::Stop(RequestId(2))] {
        assert_eq!(workers.carry_out(effect), None);
    }
    assert_eq!(workers.carry_out(Effect::Quit), Some(Effect::Quit));
    workers.close();
    assert!(inbox.into_iter().all(|message| !matches!(message, Message::Fault)));
}
