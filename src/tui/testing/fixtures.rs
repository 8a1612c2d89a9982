//! Data for the tests of update and views: fixed, so that pictures of it are.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use crate::store::{
    Actor, Change, Entry, HistorySpan, Image, Key, Liveness, Location, Lock, LockReading, LockVersion,
    Moment, NewRun, Process, Revision, Run, RunEnd, Subject, Token, Type, testing,
};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::effect::{DatabaseInfo, Effect, Reply};
use crate::tui::list::{DiffRow, Group, LoadFrom, LockRow, Row, RowId, RowOrder, RunRow, RunSummary, Tasks};
use crate::tui::message::Message;
use crate::tui::screens::overview::state::{Counted, Expiring, Extent, Failures, Lately, Overview};
use crate::tui::screens::past::state::PastPosition;
use crate::tui::terminal::external_editor::Edited;
use crate::tui::theme::Theme;
use crate::tui::update::{begin, update};
use crate::tui::view::View;
use crate::tui::widgets::format::Zone;
use crate::tui::write::{Refusal, Write, WriteKind, WriteOutcome};
use crate::workflow::recording::{Record, RecordKind};
use crate::workflow::{RunEvent, TaskOutcome};

/// The present moment of every test: 2026-11-23 12:30:00 UTC.
pub const NOW: Millis = Millis(1_795_437_000_000);

/// Seconds before (or, negative, after) the present moment.
pub fn ago(seconds: i64) -> Millis {
    Millis(NOW.0 - seconds * 1000)
}

pub fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub fn entry(name: &str, stored: &str, stored_type: Option<Type>) -> Entry {
    Entry {
        version: 3,
        revision: Revision(41),
        created_at: Some(ago(86_400)),
        modified_at: Some(ago(75)),
        actor: Some(Actor::external()),
        ..testing::entry(name, stored, stored_type)
    }
}

pub fn lock(name: &str, holder: &str, liveness: Liveness) -> LockRow {
    LockRow {
        lock: Lock {
            name: name.into(),
            holder: holder.into(),
            token: Token(Revision(17)),
            acquired_at: Some(ago(11_525)),
            expires_at: Some(ago(-20)),
            renewal: None,
            process: (liveness != Liveness::Unknown).then(|| Process {
                host: "web1".into(),
                boot_id: "b".into(),
                pid: 4242,
                started: 1,
                ..Process::default()
            }),
            actor: None,
            version: LockVersion::default(),
            reading: LockReading::Whole,
        },
        liveness,
        waiting: Vec::new(),
        stack: None,
    }
}

/// Rows as a database at work has them, in the order of their keys.
pub fn entries() -> Vec<Entry> {
    let typed = |name, stored, stored_type| entry(name, stored, Some(stored_type));
    let mut cached = typed("cache:report", "{\"rows\":1200,\"took\":3.5}", Type::Table);
    cached.expires_at = Some(ago(-4_000));
    let mut undo_stack = entry("session:ann", "9f8e7d", None);
    undo_stack.expires_at = Some(ago(-7));
    vec![
        cached,
        typed("config", "{\"replicas\":3,\"zones\":[\"a\",\"b\"]}", Type::Table),
        entry("deploy_lock", "ann@web1:4242", None),
        typed("deploy_start_time", "1795436000", Type::Number),
        typed("deploys:total", "1207", Type::Number),
        entry("feature:dark_mode", "true", None),
        typed("feature:new_checkout", "false", Type::Boolean),
        entry("grüße/世界", "héllo 🦥", None),
        undo_stack,
        typed("version", "v1.14.2", Type::String),
    ]
}

pub fn locks() -> Vec<LockRow> {
    let mut waited = lock("deploy", "ann@web1:4242", Liveness::Alive);
    waited.waiting = vec![("bob@web1:4300".into(), Some(ago(95))), ("eve@web2:1".into(), Some(ago(12)))];
    let mut over = lock("migrate", "runner-3", Liveness::Unknown);
    over.lock.expires_at = Some(ago(600));
    let dead = lock("backup:nightly", "cron@web1:99", Liveness::Dead);
    vec![dead, waited, lock("index", "ci@build7:5", Liveness::Elsewhere), over]
}

/// What happened to the sample entries and locks, the newest first.
pub fn changes() -> Vec<Change> {
    let image = |stored: &str, stored_type| Image { stored: stored.into(), stored_type, expires_at: None };
    let number = |stored| Some(image(stored, Some(Type::Number)));
    let text = |stored| Some(image(stored, None));
    let by =
        |name: &str, run, task: Option<&str>| Actor { name: name.into(), run, task: task.map(Into::into) };
    let runner = by("ci@web1:4242", Some(12), Some("deploy"));
    let ann = by("ann@web1:77", None, None);
    let flag = (text("false"), text("true"));
    let all = [
        (3, "deploys:total", "increment", (number("1206"), number("1207")), runner.clone()),
        (12, "feature:dark_mode", "toggle", flag, ann.clone()),
        (75, "version", "set", (text("v1.14.1"), text("v1.14.2")), runner.clone()),
        (200, "session:bob", "expire", (text("77ab02"), None), ann),
        (4_000, "cache:report", "set", (None, text("{\"rows\":1200,\"took\":3.5}")), Actor::external()),
        (11_525, "deploy", "lock", (None, text("ann@web1:4242")), runner),
    ];
    let mut revision = 42;
    let change = |(seconds, name, operation, (old, new), actor): (_, &str, &str, _, _)| {
        revision -= 1;
        Change {
            revision: Revision(revision),
            at: ago(seconds),
            recorded_at: ago(seconds),
            subject: if operation == "lock" { Subject::Lock } else { Subject::Entry },
            key: key(name),
            operation: operation.into(),
            old,
            new,
            actor,
            version: (operation != "lock").then_some(3),
            transaction: if revision == 39 {
                (Revision(38), Revision(39))
            } else {
                (Revision(revision), Revision(revision))
            },
            undone_by: (revision == 40).then_some(Revision(77)),
        }
    };
    all.map(change).into()
}

/// Runs, the newest first: one at work, one that failed, one that is done, one that was killed.
pub fn runs() -> Vec<RunRow> {
    let run = |(number, status, workflow, began, ended): (i64, &str, &str, i64, Option<i64>)| RunRow {
        run: Run {
            number,
            new: NewRun {
                workflow: workflow.into(),
                file: format!("/srv/workflows/{workflow}.lua"),
                params: [("version".to_string(), "v1.14.2".to_string())].into(),
                header: None,
            },
            actor: Actor { name: "ci@web1:4242".into(), run: None, task: None },
            process: Some(Process {
                host: "web1".into(),
                boot_id: "b".into(),
                pid: 4242,
                started: 1,
                ..Process::default()
            }),
            began_at: ago(began),
            revision: Some(Revision(30)),
            recorded: true,
            origin: None,
            ended: ended.map(|ended| {
                let failed = u32::from(status == "failed");
                (ago(ended), RunEnd { outcome: status.into(), ok: 2 - failed, failed, skipped: failed })
            }),
        },
        status: status.into(),
        is_alive: status == "running",
        account: None,
        stack: None,
    };
    [
        (15, "running", "workers", 8, None),
        (14, "failed", "deploy", 400, Some(371)),
        (12, "done", "deploy", 4_000, Some(3_998)),
        (9, "killed", "report", 90_000, None),
    ]
    .map(run)
    .into()
}

/// What the recording of a run that failed says.
pub fn account() -> RunSummary {
    let mut tasks = Tasks::default();
    let started = |task: &str| RunEvent::TaskStarted { task: task.into() };
    let finished = |task: &str, outcome, seconds| RunEvent::TaskFinished {
        task: task.into(),
        outcome: Some(outcome),
        message: None,
        attempts: 1,
        duration: std::time::Duration::from_secs(seconds),
    };
    let record = |(number, at, event)| Record {
        number,
        at,
        task: None,
        place: None,
        what: RecordKind::Event(event),
        revision: None,
    };
    [
        (2, 10, started("build")),
        (5, 9_000_000, finished("build", TaskOutcome::Ok, 9)),
        (6, 9_000_100, started("deploy")),
        (9, 29_000_000, finished("deploy", TaskOutcome::Failed, 20)),
        (10, 29_000_100, finished("announce", TaskOutcome::Skipped, 0)),
    ]
    .map(record)
    .iter()
    .for_each(|record| tasks.add(record));
    let log = [("info", "deploying v1.14.2"), ("error", "web2 does not answer\u{1b}[31m")];
    RunSummary { tasks, log: log.map(|(level, line)| (level.to_string(), line.into())).into() }
}

/// The changes of entries around a revision.
pub fn past(revision: i64) -> PastPosition {
    let (later, before): (Vec<Change>, Vec<Change>) = changes()
        .into_iter()
        .filter(|change| change.subject == Subject::Entry)
        .partition(|change| change.revision > Revision(revision));
    let at = before.first().map_or(ago(20_000), |change| change.at);
    PastPosition {
        moment: Moment { revision: Revision(revision), at },
        span: HistorySpan {
            oldest: (Revision(12), ago(90_000)),
            newest: (Revision(41), ago(3)),
            since: Revision(11),
        },
        before,
        after: later.into_iter().rev().collect(),
    }
}

/// Entries then and now: the same, changed, added, removed.
pub fn rows_then() -> Vec<DiffRow> {
    let row = |name: &str, then: Option<&str>, now: Option<&str>| DiffRow {
        key: key(name),
        then: then.map(|value| entry(name, value, None)),
        now: now.map(|value| entry(name, value, None)),
    };
    vec![
        row("config", Some("{\"replicas\":3}"), Some("{\"replicas\":3}")),
        row("feature:dark_mode", Some("false"), Some("true")),
        row("new:key", None, Some("just \x1b[2J added")),
        row("session:old", Some("9f8e7d"), None),
    ]
}

pub fn rows(entries: Vec<Entry>) -> Vec<Row> {
    entries.into_iter().map(Row::Entry).collect()
}

/// The rows that a view has of the sample entries and locks.
pub fn rows_of(app: &App) -> Vec<Row> {
    let view = app.list.view;
    let mut rows: Vec<Row> = Vec::new();
    if view == View::Locks {
        rows.extend(locks().into_iter().map(Row::Lock));
    }
    if view == View::History {
        let matches = |change: &Change| {
            app.list.scope.as_ref().is_none_or(|scope| scope.of == RowId::subject_of(change))
        };
        let passing = changes()
            .into_iter()
            .filter(|change| matches(change) && app.list.filter_line.filter().passes_change(change, NOW));
        rows.extend(passing.map(Row::Change));
    }
    if view == View::Overview {
        return overview().0;
    }
    if view == View::Runs {
        let passing = runs()
            .into_iter()
            .filter(|row| app.list.filter_line.filter().passes_run(&row.run, &row.status, NOW));
        rows.extend(passing.map(|row| Row::Run(Box::new(row))));
    }
    rows.extend(
        entries()
            .into_iter()
            .filter(|entry| view.takes(entry, app.list.filter_line.filter(), NOW))
            .map(Row::Entry),
    );
    if app.list.order() == RowOrder::Tree {
        let is_open = app.list.tree.open.contains(&key("feature:"));
        rows.retain(|row| {
            is_open || row.entry().is_none_or(|entry| !entry.key.to_text().starts_with("feature:"))
        });
        rows.push(Row::Group(Group { prefix: key("feature:"), series: None }));
    }
    rows.sort_by_key(|row| row.position(app.list.order()));
    rows
}

/// The overview of the sample, and its figures.
pub fn overview() -> (Vec<Row>, Overview) {
    let mut rows: Vec<Row> = locks().into_iter().take(3).map(Row::Lock).collect();
    let failed = runs().into_iter().filter(|row| !matches!(row.status.as_str(), "done" | "running"));
    rows.extend(failed.take(2).map(|row| Row::Run(Box::new(row))));
    let runs = rows.len() - 3;
    rows.extend(changes().into_iter().take(4).map(Row::Change));
    let mut expiring: Vec<Entry> = entries().into_iter().filter(|entry| entry.expires_at.is_some()).collect();
    expiring.sort_by_key(|entry| entry.expires_at);
    rows.extend(expiring.into_iter().map(Row::Entry));
    let times =
        changes().iter().zip([1200, 31, 2, 1]).map(|(change, times)| (change.revision, times)).collect();
    let rows_of = [3, runs, 4, rows.len() - 7 - runs];
    let figures = Overview {
        rows: rows_of,
        locks: 4,
        dead: 1,
        lock_keys: Some(0),
        failures: Failures {
            failed: runs as u64,
            unknown: 0,
            running: 1,
            since: ago(86_400),
            extent: Extent::Window,
        },
        lately: Counted::All(Lately {
            changes: 1_240,
            keys: 8,
            locks: 1,
            since: ago(600),
            extent: Extent::Window,
        }),
        expiring: Expiring::Some { among_locks: 0 },
        times,
    };
    (rows, figures)
}

/// An interface that has read nothing.
pub fn empty(size: (u16, u16)) -> App {
    let mut app = App::new(Location::File("/var/lib/state.db".into()), false, Theme::dark(), size);
    app.settings.zone = Zone::Utc;
    app
}

/// The news that a database is open.
pub fn arrival(path: &str) -> DatabaseInfo {
    DatabaseInfo {
        location: Location::File(path.into()),
        known: None,
        read_only: false,
        unwritable: None,
        adopts: false,
        notices: Vec::new(),
        last: None,
    }
}

/// An interface with `rows` in it, all read.
pub fn with(rows: Vec<Row>, size: (u16, u16)) -> App {
    let mut app = empty(size);
    begin(&mut app, arrival("/var/lib/state.db"), NOW);
    answer_rows(&mut app, rows);
    let count = app.list.window.rows().len() as u64;
    app.database.counting.begin(NOW);
    update(&mut app, Message::Reply(Reply::Count(count)), NOW);
    app
}

/// An interface on the sample entries, in one of its views.
pub fn sample(view: View, size: (u16, u16)) -> App {
    let mut app = with(rows(entries()), size);
    crate::tui::update::update(&mut app, pressed(KeyCode::Char(digit(view))), NOW);
    if view == View::Overview {
        let answer = Reply::Overview(app.list.reading.generation, overview().1);
        update(&mut app, Message::Reply(answer), NOW);
    }
    let rows = rows_of(&app);
    answer_rows(&mut app, rows);
    app
}

fn digit(view: View) -> char {
    let place = View::ALL.iter().position(|each| *each == view).unwrap();
    char::from_digit(place as u32 + 1, 10).unwrap()
}

/// Answers the reading that is under way with rows, and with all of the list.
pub fn answer_rows(app: &mut App, rows: Vec<Row>) -> Vec<Effect> {
    answer_rows_at(app, rows, NOW)
}

/// The same, at another moment.
pub fn answer_rows_at(app: &mut App, rows: Vec<Row>, now: Millis) -> Vec<Effect> {
    let answer = Reply::Rows {
        generation: app.list.reading.generation,
        from: app.list.reading.from.clone().unwrap_or(LoadFrom::Start),
        rows,
        exhausted: true,
        complete: true,
        first: true,
        scanned: 0,
    };
    update(app, Message::Reply(answer), now)
}

pub fn pressed(code: KeyCode) -> Message {
    Message::Input(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

pub fn press(app: &mut App, code: KeyCode) -> Vec<Effect> {
    update(app, pressed(code), NOW)
}

/// Types a text, each character a key.
pub fn type_text(app: &mut App, text: &str) -> Vec<Effect> {
    let code = |character| if character == '\t' { KeyCode::Tab } else { KeyCode::Char(character) };
    text.chars().flat_map(|character| press(app, code(character))).collect()
}

/// Puts the cursor on a row.
pub fn on(app: &mut App, name: &str) {
    let place = app.list.window.rows().iter().position(|row| match row {
        Row::Entry(entry) => entry.key == key(name),
        Row::Lock(row) => row.lock.name == name,
        Row::Change(change) => change.key == key(name),
        Row::Group(group) => group.prefix == key(name),
        Row::Run(row) => row.run.new.workflow == name,
        Row::Diff(row) => row.key == key(name),
    });
    app.list.window.select(place.unwrap_or_else(|| panic!("no row {name}")));
}

/// A text that comes back from the user's editor.
pub fn edited(entry: Entry, text: impl Into<Vec<u8>>) -> Reply {
    let edited = Edited::of(text.into(), &entry);
    Reply::EditedOutside(entry, Ok(Some(Box::new(edited))))
}

/// The answer to a write that was refused because the entry is `theirs` by now.
pub fn refusal(write: Write, theirs: Option<Entry>) -> Reply {
    let WriteKind::Guarded { transaction, .. } = &write.what else { panic!("{write:?}") };
    let found = Refusal::of(transaction, theirs);
    Reply::Written(write, Ok(WriteOutcome::Refused(Box::new(found))))
}
