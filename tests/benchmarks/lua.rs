//! The calls of the Lua module against the same ones from Rust, on the same file; `pairs` against the `next` of
//! bare Lua; searches for patterns against bare Lua; and how long a file of many tasks takes until the first of them runs.
//!
//! `cargo bench --bench lua`

#[path = "report.rs"]
mod report;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use slothstate::store::{Edit, Expiry, Key, Number, Options, SqliteStore, State, Transaction, Value};

const ROUNDS: u32 = 7;
const TIMES: u32 = 5_000;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.db");
    let [get, set, increment] = from_rust(&path);
    let lua = from_lua(&path);
    report::ratio("state.get from Lua", lua[0], "from Rust", get, 0.7);
    report::ratio("state.get from Lua with a hint", lua[3], "without", lua[0], 0.0);
    report::ratio("state.set from Lua", lua[1], "from Rust", set, 0.0);
    report::ratio("state.increment from Lua", lua[2], "from Rust", increment, 0.0);
    let size = size_of_table(&path) / 1e6;
    let note = format!("a table of {size:.2} MB");
    report::at_most("state.get of a table", 1000.0 / lua[4], "ms", 500.0, &note);
    report::at_most("state.update of one field of it", 1000.0 / lua[5], "ms", 1000.0, &note);
    for (place, keys) in [(6, "10"), (7, "1,000")] {
        let what = format!("pairs over {keys} keys, against bare Lua");
        report::at_most(&what, lua[place], "times", 2.0, "no objects as keys");
    }
    println!("{:<44} {:>10.2} times", "pairs over 1,000 objects, against bare Lua", lua[8]);
    patterns(&path);
    report::at_most("loading 20,000 tasks, the whole process", load_tasks(folder.path()), "s", 1.0, "");
}

/// Searches of `patterns.lua`: the budget is 1.3 for those of short texts, 2 for those of texts over 1 KB.
fn patterns(path: &Path) {
    const SHORT: [&str; 5] = ["find, plain", "match, anchored", "match, trim", "gsub", "gmatch"];
    const LONG: [&str; 6] =
        ["gmatch", "gsub", "gsub of a set", "find at the end", "match, trim", "match, captures"];
    let code = include_str!("patterns.lua");
    let lua = mlua::Lua::new();
    let bare = || -> String {
        let measure: mlua::Function = lua.load(code).eval().expect("the searches");
        let clock: mlua::Function = lua.load("return os.clock").eval().expect("a clock");
        measure.call(clock).expect("times")
    };
    let file = path.with_file_name("patterns.lua");
    let task = "task('patterns'):command(function() return true, searches(os.clock) end)";
    std::fs::write(
        &file,
        format!("local function load_searches() {code} end local searches = load_searches() {task}"),
    )
    .expect("a file");
    let ours = || message(path, &file.display().to_string(), &[]);
    let mut best = [vec![f64::MAX; SHORT.len() + LONG.len()], vec![f64::MAX; SHORT.len() + LONG.len()]];
    for _ in 0..3 {
        for (best, times) in best.iter_mut().zip([bare(), ours()]) {
            for (best, time) in best.iter_mut().zip(times.split(' ')) {
                *best = best.min(time.parse().expect("a time"));
            }
        }
    }
    let names = SHORT
        .iter()
        .map(|name| (name, 1.3, "a short text"))
        .chain(LONG.iter().map(|name| (name, 2.0, "4 KB")));
    for ((name, budget, note), (bare, ours)) in names.zip(best[0].iter().zip(&best[1])) {
        report::at_most(&format!("{name}, against bare Lua"), ours / bare, "times", budget, note);
    }
}

/// How long a run takes, in seconds, of one task in a file of 20,000, each of which calls `exec.run`.
fn load_tasks(folder: &Path) -> f64 {
    let file = folder.join("tasks.lua");
    let source: String = (0..20_000)
        .map(|number| {
            format!(
                "task('t{number}'):description('d'):command(function(this, params) \
                 local r = exec.run('true') if not r.success then return false, r.stderr end \
                 return state.get('k') == 'true' end):on_success(function(params, out) end)\n"
            )
        })
        .collect();
    std::fs::write(&file, source).expect("a file");
    let run = || {
        let start = Instant::now();
        Command::new(env!("CARGO_BIN_EXE_slothstate"))
            .arg("--db")
            .arg(folder.join("state.db"))
            .arg("run")
            .arg(&file)
            .args(["--task", "t1", "--no-record"])
            .output()
            .expect("slothstate run");
        start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(|_| run()).fold(f64::MAX, f64::min)
}

/// How long the table is that the script makes, in bytes.
fn size_of_table(path: &Path) -> f64 {
    let store = SqliteStore::open(path, Options::default()).expect("store");
    let entry = store.get(&Key::new("bench:table").expect("key")).expect("get").expect("entry");
    entry.size as f64
}

fn key(number: u32) -> Key {
    Key::new(format!("bench:key:{:05}", number % 1000)).expect("key")
}

fn from_rust(path: &Path) -> [f64; 3] {
    let store = SqliteStore::open_or_create(path, Options::default()).expect("store");
    let mut number = 0;
    let set = report::per_second(ROUNDS, TIMES, || {
        number += 1;
        let value = Value::text(format!("some value {number}"));
        store.commit(&Transaction::put(key(number), value, Expiry::Clear)).expect("set");
    });
    let get = report::per_second(ROUNDS, TIMES, || {
        number += 1;
        store.get(&key(number)).expect("get").expect("entry");
    });
    let counter = Key::new("bench:counter").expect("key");
    let increment = report::per_second(ROUNDS, TIMES, || {
        store.edit(&counter, &Edit::Increment(Number::Integer(1))).expect("increment");
    });
    [get, set, increment]
}

/// Runs the script that measures itself; its message has the rates.
fn from_lua(path: &Path) -> Vec<f64> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/benchmarks/lua.lua");
    let times = format!("times={TIMES}");
    let message = message(path, script, &["--param", &times]);
    message.split(' ').map(|rate| rate.parse().expect("a rate")).collect()
}

/// Runs a script of one task; its message.
fn message(path: &Path, script: &str, arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_slothstate"))
        .args(["--db", &path.display().to_string(), "run", script, "--json"])
        .args(arguments)
        // What recording costs is measured by the benchmark of recordings.
        .arg("--no-record")
        .output()
        .expect("slothstate run");
    let events = String::from_utf8(done.stdout).expect("text");
    let finished = events
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|event| event["event"] == "task_finished")
        .expect("the end of the task");
    finished["message"].as_str().expect("a message").to_string()
}
