//! Workflows through the real program: the examples, what stops a run, and what is said of mistakes.

mod command_bounds;
mod commands;
mod errors;
mod forms;
mod functions;
mod long_calls;
mod many_tasks;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use slothstate::store::{Edit, Key, KeyRange, Number, Scan, Store, Value};

use crate::support::files::{Place, until};

struct Bench {
    place: Place,
}

impl Bench {
    fn new() -> Bench {
        Bench { place: Place::new() }
    }

    fn database(&self) -> PathBuf {
        self.place.db()
    }

    /// Writes a script, and answers its path.
    fn script(&self, name: &str, code: &str) -> PathBuf {
        let path = self.place.file(name);
        std::fs::write(&path, code).unwrap();
        path
    }

    fn command(&self, file: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slothstate"));
        // The name alone, so that messages do not depend on the directory.
        command.current_dir(file.parent().unwrap());
        command.arg("--db").arg(self.database()).arg("run").arg(file.file_name().unwrap()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, file: &Path, arguments: &[&str]) -> Run {
        Run::of(self.command(file, arguments).output().unwrap())
    }

    /// Runs `code` as a file of its own.
    fn run_code(&self, code: &str, arguments: &[&str]) -> Run {
        self.run(&self.script("w.lua", code), arguments)
    }

    fn start(&self, code: &str) -> Child {
        self.command(&self.script("started.lua", code), &[]).spawn().unwrap()
    }

    fn store(&self) -> Box<dyn Store> {
        self.place.store()
    }

    fn get(&self, key: &str) -> Option<Value> {
        self.store().get(&Key::new(key).unwrap()).unwrap().map(|entry| entry.value())
    }

    #[track_caller]
    fn integer(&self, key: &str) -> i64 {
        match self.get(key) {
            Some(Value::Number(number)) if let Number::Integer(integer) = number.number() => integer,
            other => panic!("{key} is {other:?}"),
        }
    }

    fn keys(&self) -> Vec<String> {
        let scan = Scan::new(KeyRange::all(), 10_000);
        self.store().scan_keys(&scan).unwrap().iter().map(Key::to_text).collect()
    }

    fn held_locks(&self) -> Vec<String> {
        let store = self.store();
        let now = store.clock().now();
        let locks = store.locks(None, 100).unwrap();
        locks.into_iter().filter(|lock| !lock.is_expired(now)).map(|lock| lock.name).collect()
    }
}

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: Output) -> Run {
        Run {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn succeeds(self) -> Run {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    #[track_caller]
    fn fails(self, code: i32, expected: &[&str]) -> Run {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        self.says(expected)
    }

    #[track_caller]
    fn says(self, expected: &[&str]) -> Run {
        for text in expected {
            assert!(self.stderr.contains(text), "no {text:?} in:\n{}", self.stderr);
        }
        self
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/workflows").join(name)
}

fn kill(child: &Child, signal: Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
}

// The examples, at least twice in a row each.

const QUICK: [&str; 2] = ["--param", "pace=0.01"];

#[test]
fn deploy_acts_only_when_the_version_changes() {
    let bench = Bench::new();
    let run = |version: &str| {
        let version = format!("version={version}");
        bench.run(&example("deploy.lua"), &["--param", "pace=0.01", "--param", &version]).succeeds()
    };
    run("1.0.0").says(&["deployed 1.0.0"]);
    run("1.0.0").says(&["nothing to do"]);
    assert_eq!(bench.integer("deploy:count"), 1);
    run("1.1.0");
    assert_eq!(bench.integer("deploy:count"), 2);
    assert_eq!(bench.get("deploy:last_version"), Some(Value::text("1.1.0")));
    assert_eq!(bench.get("deploy:status"), Some(Value::text("done")));
    // Without a version a new one is released, at most one in a while.
    bench.run(&example("deploy.lua"), &QUICK).succeeds().says(&["deployed 1.1.1"]);
    bench.run(&example("deploy.lua"), &QUICK).succeeds().says(&["nothing to do"]);
    assert!(bench.held_locks().is_empty());
}

#[test]
fn workers_finish_each_batch() {
    let bench = Bench::new();
    for round in 1..=2 {
        bench.run(&example("workers.lua"), &QUICK).succeeds();
        assert_eq!(bench.integer("workers:total"), round * 6);
        assert_eq!(bench.integer("workers:batches"), round);
        assert_eq!(bench.get("workers:batch"), None);
        assert_eq!(bench.get("workers:jobs"), Some(Value::table(serde_json::json!([]))));
    }
    assert!(!bench.keys().iter().any(|key| key.starts_with("workers:busy:")));
}

#[test]
fn several_workers_share_the_jobs() {
    let bench = Bench::new();
    let file = example("workers.lua");
    let arguments = ["--param", "pace=0.01", "--param", "jobs=30"];
    let children: Vec<Child> = (0..3).map(|_| bench.command(&file, &arguments).spawn().unwrap()).collect();
    for child in children {
        Run::of(child.wait_with_output().unwrap()).succeeds();
    }
    assert_eq!(bench.integer("workers:total"), bench.integer("workers:batches") * 30);
    assert_eq!(bench.get("workers:batch"), None);
}

#[test]
fn the_circuit_opens_and_refuses() {
    let bench = Bench::new();
    let file = example("circuit_breaker.lua");
    let run = || bench.run(&file, &["--param", "pace=0.001", "--param", "failing=100"]).succeeds();
    run();
    assert_eq!(bench.integer("circuit:payments:opened"), 1);
    assert_eq!(bench.get("circuit:payments:state"), Some(Value::text("open")));
    let refused = bench.integer("api:refused");
    run();
    assert!(bench.integer("api:refused") > refused);
    assert_eq!(bench.integer("api:failures"), bench.integer("api:calls"));
    assert!(bench.keys().iter().any(|key| key.starts_with("api:calls:2")));
}

#[test]
fn metrics_keep_a_window() {
    let bench = Bench::new();
    for round in 1..=3 {
        bench.run(&example("metrics.lua"), &QUICK).succeeds();
        assert_eq!(bench.integer("metrics:samples"), round * 10);
        let Some(Value::Table(window)) = bench.get("metrics:latency:window") else { panic!("no window") };
        let window: serde_json::Value = serde_json::from_str(window.as_str()).unwrap();
        let window: Vec<f64> =
            window.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        assert_eq!(window.len(), usize::try_from(round * 10).unwrap().min(20));
        let average = window.iter().sum::<f64>() / window.len() as f64;
        let Some(Value::Number(found)) = bench.get("metrics:latency:average") else { panic!("no average") };
        assert!((found.number().as_f64() - average).abs() < 1e-9);
    }
    assert!(bench.keys().iter().any(|key| key.starts_with("metrics:requests:2")));
}

#[test]
fn the_critical_section_keeps_the_sum() {
    let bench = Bench::new();
    let file = example("critical_section.lua");
    bench.run(&file, &QUICK).succeeds();
    let children: Vec<Child> = (0..3).map(|_| bench.command(&file, &QUICK).spawn().unwrap()).collect();
    for child in children {
        Run::of(child.wait_with_output().unwrap()).succeeds();
    }
    let Some(Value::Table(balances)) = bench.get("accounts:balances") else { panic!("no balances") };
    let balances: serde_json::Value = serde_json::from_str(balances.as_str()).unwrap();
    assert_eq!(balances["alice"].as_i64().unwrap() + balances["bob"].as_i64().unwrap(), 2000);
    assert_eq!(bench.integer("accounts:transfers"), 20);
    assert!(bench.held_locks().is_empty());
}

#[test]
fn the_report_is_made_once_in_a_day() {
    let bench = Bench::new();
    let file = example("cached_report.lua");
    bench.run(&file, &QUICK).succeeds();
    let report = bench.get("cache:report:daily");
    bench.run(&file, &QUICK).succeeds();
    assert_eq!(bench.get("cache:report:daily"), report);
    assert_eq!((bench.integer("cache:report:misses"), bench.integer("cache:report:hits")), (1, 1));
    let store = bench.store();
    let entry = store.get(&Key::new("cache:report:daily").unwrap()).unwrap().unwrap();
    let left = entry.time_to_live(store.clock().now()).unwrap();
    assert!(left > Duration::from_secs(23 * 3600) && left <= Duration::from_secs(24 * 3600));
    bench.run(&file, &["--param", "pace=0.01", "--param", "refresh=yes"]).succeeds();
    assert_eq!(bench.integer("cache:report:misses"), 2);
}

#[test]
fn flags_are_created_once_and_switch_behaviour() {
    let bench = Bench::new();
    let file = example("feature_flags.lua");
    bench.run(&file, &QUICK).succeeds();
    assert_eq!(bench.get("feature:new_checkout"), Some(Value::Boolean(false)));
    assert_eq!((bench.integer("shop:checkout:old"), bench.get("shop:checkout:new")), (10, None));
    bench.store().edit(&Key::new("feature:new_checkout").unwrap(), &Edit::Toggle).unwrap();
    bench.run(&file, &QUICK).succeeds();
    assert_eq!(bench.get("feature:new_checkout"), Some(Value::Boolean(true)));
    assert_eq!((bench.integer("shop:checkout:old"), bench.integer("shop:checkout:new")), (10, 10));
}

// The order of tasks, retries, hooks and conditions.

#[test]
fn tasks_run_in_order_and_hand_on_their_outputs() {
    let bench = Bench::new();
    let code = r##"
        task("last"):depends_on({ "middle", "first" }):command(function(params, deps)
          state.set("result", params.name .. deps.first.x .. deps.middle.y)
          return true, "done"
        end)
        task("middle"):depends_on("first"):command(function(params, deps)
          return true, nil, { y = deps.first.x + 1 }
        end)
        task("first"):command(function() return true, "one", { x = 1 } end):build()
        task("other"):command(function() state.set("other", true) end)
        "##;
    bench.run_code(code, &["--param", "name=n", "--task", "last"]).succeeds();
    assert_eq!(bench.get("result"), Some(Value::text("n12")));
    assert_eq!(bench.get("other"), None);
    let run = bench.run_code(code, &["--param", "name=n"]).succeeds();
    assert_eq!(bench.get("other"), Some(Value::Boolean(true)));
    let place = |task: &str| run.stderr.find(&format!("ok        {task}")).unwrap();
    assert!(place("first") < place("middle") && place("middle") < place("last"));
    assert!(run.stdout.is_empty());
}

#[test]
fn retries_hooks_and_conditions() {
    let bench = Bench::new();
    let code = r##"
        local function note(text) return function() state.append("trace", text .. " ") end end
        task("flaky"):retries(2, "fixed", 0.01):pre_hook(note("pre")):post_hook(note("post"))
          :on_success(note("success")):on_failure(note("wrong"))
          :command(function()
            state.append("trace", "run ")
            if state.increment("attempts") < 3 then error("not yet") end
          end)
        task("hopeless"):retries(1, "linear", 0.01):on_failure(function(_, why) state.set("why", why) end)
          :command(function() return false, "never" end)
        task("slow"):timeout("50ms"):on_timeout(note("timeout")):on_failure(note("wrong"))
          :command(function() sleep(60) end)
        task("unwanted"):run_if(function() return false end):command(note("wrong"))
        task("after_unwanted"):depends_on("unwanted"):command(function(_, deps)
          assert(deps.unwanted == nil)
        end)
        task("blocked"):depends_on("hopeless"):command(note("wrong"))
        task("blocked_too"):depends_on("blocked"):command(note("wrong"))
        task("checked"):post_hook(function() return false, "unhealthy" end):command(function() return true end)
        workflow.define("all")
          :tasks({ "flaky", "hopeless", "slow", "after_unwanted", "blocked_too", "checked" })
          :on_complete(function(success, results)
            local complete = { success = success, slow = results.slow.status, flaky = results.flaky.attempts }
            state.set("complete", complete)
          end)
        "##;
    bench.run_code(code, &[]).fails(
        1,
        &[
            "attempt 1 of 3 failed: w.lua:7: not yet; again in 10 ms",
            "FAILED    hopeless",
            "TIMED OUT slow",
            "unhealthy",
            "not run   blocked  hopeless was not done",
            "not run   blocked_too  blocked was not done",
            "skipped   unwanted  run_if said no",
            "3 tasks failed",
        ],
    );
    assert_eq!(bench.get("trace"), Some(Value::text("pre run pre run pre run post success timeout ")));
    assert_eq!(bench.get("why"), Some(Value::text("never")));
    let complete = serde_json::json!({"success": false, "slow": "timed_out", "flaky": 3});
    assert_eq!(bench.get("complete"), Some(Value::table(complete)));
}

#[test]
fn abort_if_ends_the_run() {
    let bench = Bench::new();
    let code = r##"
        task("a"):command(function() state.set("a", 1) end)
        task("b"):abort_if(function() return state.exists("a") end):command(function() state.set("b", 1) end)
        task("c"):command(function() state.set("c", 1) end)
        "##;
    bench.run_code(code, &[]).fails(1, &["ABORTED   b", "not run   c  the run was aborted"]);
    assert_eq!(bench.keys(), ["a"]);
}

#[test]
fn the_environment_and_required_files_reach_the_workflow() {
    let bench = Bench::new();
    bench.script("lib.lua", "function call_api() return 'answer' end\nreturn { name = 'lib' }");
    let code = r##"
        local lib = require("lib")
        task("t"):command(function()
          print(lib.name, call_api(), os.getenv("STAGE"), "\27[31m")
        end)
        "##;
    let run = bench.run_code(code, &["--require", "lib.lua", "--env", "STAGE=test"]).succeeds();
    run.says(&["lib  answer  test  ␛[31m"]);
    bench.script("state.lua", "return {}");
    bench
        .run_code(code, &["--require", "state.lua"])
        .fails(2, &["state.lua: there is a module state already"]);
}

#[test]
fn events_are_json_lines() {
    let bench = Bench::new();
    let code = "task('t'):command(function() log.warn('careful') return true, 'fine' end)";
    let run = bench.run_code(code, &["--json"]).succeeds();
    let events: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["run_started", "task_started", "log", "task_finished", "run_finished"]);
    assert_eq!((&events[2]["level"], &events[2]["task"]), (&"warn".into(), &"t".into()));
    assert_eq!((&events[3]["outcome"], &events[3]["message"]), (&"ok".into(), &"fine".into()));
    assert_eq!(events[4]["outcome"], "done");
}

// Mistakes.

#[test]
fn mistakes_are_told_with_file_and_line() {
    let bench = Bench::new();
    let cases = [
        (
            "\ntask('a'):depends_on('b')C\ntask('b'):depends_on({'c'})C\ntask('c'):depends_on('a')C",
            "w.lua:2: the tasks depend on one another in a circle: a -> b -> c -> a",
        ),
        (
            "task('build')C\n\ntask('ship'):depends_on('biuld')C",
            "w.lua:3: task ship depends on biuld, which is not declared; did you mean build?",
        ),
        ("\n\ntask('lazy'):timeout(5)", "w.lua:3: task lazy has no command"),
        ("task('a')C\ntask('a')C", "w.lua:2: task a is declared twice; the first time at w.lua:1"),
        ("task('a')\ntask('b'", "w.lua:2: ')' expected"),
        ("local t = task('a')\nt:retires(3)", "w.lua:2: task a has no :retires(); did you mean retries?"),
        (
            "task('a'):delegate_to('web')C",
            "w.lua:1: task a is delegated to web, and slothstate runs tasks only on this machine",
        ),
        ("task('a'):user('root')C", "w.lua:1: task a: user would run the task as another user"),
        (
            "task('a'):command({})",
            "w.lua:1: task a: command must be a function or a shell command, and this is a table",
        ),
        (
            "task('a')C:timeout('soon')",
            "w.lua:1: task a: timeout must be a number of seconds, or text such as",
        ),
        ("task('a')C:retries(1, 'odd')", "w.lua:1: task a: retries grow fixed, linear or exponential"),
        ("task('a')C:retries(-1)", "w.lua:1: task a: retries must be a whole number"),
        ("task('a')C:depends_on(5)", "w.lua:1: task a: dependency must be text, and this is a number"),
        ("task('')", "w.lua:1: task: the name cannot be empty"),
        ("task()", "w.lua:1: task: name must be text, and this is a nil"),
        (
            "task('a')C\nworkflow.define('w', {tasks = {'b'}})",
            "w.lua:2: the workflow lists task b, which is not",
        ),
        (
            "task('a')C\nworkflow.define('w'):taks({})",
            "w.lua:2: a workflow has no :taks(); did you mean tasks?",
        ),
        ("task('a')C\nworkflow.define('w')\nworkflow.define('v')", "w.lua:3: workflow v: this file defines"),
        ("state.set('k', nil)", "w.lua:1: state.set(\"k\"): the value is nil"),
        ("os.execute('true')", "w.lua:1: os.execute is not available to workflows"),
        ("local x = 1", "w.lua declares no task"),
        ("require('lib')", "w.lua:1: there is no module \"lib\""),
    ];
    for (code, expected) in cases {
        let code = code.replace('C', ":command(function() end)");
        let run = bench.run_code(&code, &[]).fails(2, &[expected]);
        assert!(!run.stderr.contains("traceback") && !run.stderr.contains("panicked"), "{}", run.stderr);
    }
    bench
        .run_code("task('build'):command(function() end)", &["--task", "biuld"])
        .fails(2, &["there is no task biuld; did you mean build?"]);
    bench.run(&bench.place.folder().join("none.lua"), &[]).fails(2, &["cannot read the workflow none.lua"]);
    bench.run_code("", &["--param", "x"]).fails(2, &["this is not KEY=VALUE"]);
}

#[test]
fn a_database_that_cannot_be_used_is_told() {
    let bench = Bench::new();
    std::fs::create_dir(bench.database()).unwrap();
    bench.run_code("task('a'):command(function() end)", &[]).fails(3, &["is a directory"]);
}

// Limits.

#[test]
fn an_endless_loop_is_stopped_by_its_timeout() {
    let bench = Bench::new();
    let code = r##"
        task("plain"):timeout(0.1):command(function() while true do end end)
        task("coroutine"):timeout(0.1):command(function()
          while true do pcall(coroutine.wrap(function() while true do end end)) end
        end)
        task("caught"):timeout(0.1):command(function()
          while true do pcall(function() while true do end end) end
        end)
        task("handled"):timeout(0.1):command(function()
          while true do xpcall(function() while true do end end, function() while true do end end) end
        end)
        task("fine"):timeout(60):command(function() return true end)
        "##;
    let run = bench.run_code(code, &[]).fails(1, &["4 tasks failed", "1 ok"]);
    for task in ["plain", "coroutine", "caught", "handled"] {
        assert!(run.stderr.contains(&format!("TIMED OUT {task}")), "{}", run.stderr);
    }
    // A machine that has other things to do may not have come to the task by then, as told below.
    let endless = "task('t'):command(function() while true do end end)";
    let limits = ["0.1", "1", "10", "100"];
    let mut runs = limits.iter().map(|limit| bench.run_code(endless, &["--timeout", limit]));
    runs.find(|run| run.code != Some(2)).expect("a run that began").fails(1, &["the run timed out"]);
    let endless = "task('t'):command(function() end)\nwhile true do end";
    bench.run_code(endless, &["--timeout", "0.1"]).fails(2, &["the run timed out after 100ms"]);
}

#[test]
fn memory_has_a_limit() {
    let bench = Bench::new();
    let code = r##"
        task("greedy"):command(function()
          local t = {}
          while true do t[#t + 1] = ("x"):rep(100000) .. #t end
        end)
        task("modest"):command(function() state.set("modest", { 1, 2, 3 }) end)
        "##;
    let run = bench.run_code(code, &["--memory", "32"]);
    run.fails(1, &["FAILED    greedy", "more memory than it may have", "1 ok"]);
    assert!(bench.get("modest").is_some());
}

// Locks and the end of processes.

/// A workflow that has a lock with a lease of so many seconds until it is ended.
fn holder(lease: u64) -> String {
    format!(
        r##"
        task("hold"):command(function()
          state.try_lock("gate", {lease})
          state.set("ready", true)
          while true do end
        end)
        "##
    )
}

#[test]
fn a_lock_is_released_when_its_task_fails() {
    let bench = Bench::new();
    let code = r##"
        task("kept"):command(function() state.lock("kept") end)
        task("failing"):command(function() state.lock("gate"); error("no") end)
        task("witness"):command(function() state.set("locks", state.stats().locks) end)
        "##;
    bench.run_code(code, &[]).fails(
        1,
        &["lock gate is released, since the task failed", "lock kept was still held at the end of the run"],
    );
    assert_eq!(bench.integer("locks"), 1);
    assert!(bench.held_locks().is_empty());
}

#[test]
fn a_signal_stops_the_run_and_releases_its_locks() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let bench = Bench::new();
        let child = bench.start(&holder(3600));
        until("the task holds its lock", || bench.get("ready").is_some());
        assert_eq!(bench.held_locks(), ["gate"]);
        kill(&child, signal);
        Run::of(child.wait_with_output().unwrap()).fails(code, &["STOPPED   hold"]);
        assert!(bench.held_locks().is_empty());
    }
}

#[test]
fn a_signal_also_stops_a_file_that_does_not_come_to_declare_anything() {
    let bench = Bench::new();
    let child = bench.start("state.set('ready', true)\nsleep(3600)");
    until("the file is being run", || bench.get("ready").is_some());
    kill(&child, Signal::SIGTERM);
    Run::of(child.wait_with_output().unwrap()).fails(143, &["stopped by signal 15"]);
}

#[test]
fn a_script_stuck_in_one_call_is_given_up() {
    let bench = Bench::new();
    // Each step makes a long text, and there are many steps between two polls.
    let code = r##"
        task("stuck"):command(function()
          state.lock("gate")
          state.set("ready", true)
          local long = ("x"):rep(60000000)
          while true do
            local longer = long .. "x"
          end
        end)
        "##;
    let child = bench.start(code);
    until("the task holds its lock", || bench.get("ready").is_some());
    kill(&child, Signal::SIGTERM);
    Run::of(child.wait_with_output().unwrap()).fails(143, &["could not be stopped in good order"]);
    assert!(bench.held_locks().is_empty());
}

#[test]
fn a_lease_is_renewed_while_its_holder_lives_and_runs_out_after() {
    // A machine that stands still for longer than the lease loses it: then it is tried with a longer one.
    let renewed = [2, 20, 200].into_iter().find_map(|lease| {
        let bench = Bench::new();
        let mut child = bench.start(&holder(lease));
        until("the task holds its lock", || bench.get("ready").is_some());
        let expiry = || bench.store().locks(None, 10).unwrap()[0].expires_at.unwrap();
        let first = expiry();
        let mut is_renewed = false;
        until("the lease is renewed, or lost", || {
            is_renewed = expiry() >= first.plus(Duration::from_secs(lease));
            is_renewed || bench.held_locks().is_empty()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        is_renewed.then_some(bench)
    });
    let bench = renewed.expect("a lease that is renewed");
    until("the lease runs out", || bench.held_locks().is_empty());
    let next = "task('next'):command(function() return state.try_lock('gate', 5) end)";
    bench.run_code(next, &[]).succeeds();
}
