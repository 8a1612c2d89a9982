//! Recordings and replays through the real program.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::support::files::{self, Answer, Place, objects, until};

fn workflow(place: &Place, name: &str, source: &str) -> String {
    let file = place.file(name);
    std::fs::write(&file, source).unwrap();
    file.to_str().unwrap().into()
}

/// The program in another zone, at no known place, in another environment.
fn elsewhere(place: &Place, arguments: &[&str]) -> Answer {
    let mut command = place.command(arguments);
    command.env_clear().env("TZ", "Pacific/Auckland").env("LANG", "tr_TR.UTF-8").env("STAGE", "elsewhere");
    command.current_dir("/");
    files::answer(command)
}

fn replayed(place: &Place, run: &str) -> Json {
    files::object(&elsewhere(place, &["replay", run, "--json"]).done())
}

#[track_caller]
fn assert_same(place: &Place, run: &str) {
    let told = replayed(place, run);
    assert_eq!(told["replay"], "same", "{told}");
    assert!(told["records"].as_u64().unwrap() > 0);
}

/// Runs `code` and replays it; what it does has to come to pass again.
#[track_caller]
fn runs_and_replays(code: &str) -> Place {
    let place = Place::new();
    let file = workflow(&place, "w.lua", code);
    place.run(&["run", &file]).done();
    assert_same(&place, "1");
    place
}

#[test]
fn every_example_is_replayed_elsewhere_and_the_state_is_left_alone() {
    let place = Place::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/workflows");
    let mut runs = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        place.run(&["run", file.to_str().unwrap(), "--param", "version=2.0.0"]).done();
        runs += 1;
    }
    assert_eq!(runs, 7);
    let before = place.done(&["history", "--json", "--limit", "100000"]);
    for run in 1..=runs {
        assert_same(&place, &run.to_string());
    }
    assert_eq!(place.done(&["history", "--json", "--limit", "100000"]), before);
}

#[test]
fn everything_from_outside_is_answered_from_the_recording() {
    let place = runs_and_replays(
        r#"
        state.set("loaded", os.time())
        math.randomseed(os.time())
        local set, objects = {}, {}
        for i = 1, 20 do objects[i] = { name = "n" .. i }; set[objects[i]] = i; set["s" .. i] = i end
        set[print] = "f"; set[1] = true; set[2.5] = true; set[false] = "x"
        task("all"):command(function(params)
          local seen = {}
          for k, v in pairs(set) do seen[#seen + 1] = type(k) .. tostring(v) end
          local k, v = next(set)
          while k ~= nil do seen[#seen + 1] = tostring(v); k, v = next(set, k) end
          log.info(table.concat(seen, " "))
          log.info(tostring(objects[1]), tostring(print), coroutine.create(function() end), objects[2], {})
          log.warn(os.date("%c"), os.time(), os.clock(), os.getenv("HOSTNAME"), os.getenv("STAGE"))
          log.info(math.random(), math.random(10), math.random(5, 7), collectgarbage("count"))
          state.set("t", { list = { 1, 2, { 3 } }, x = { y = { z = "é\0" } }, f = 0.1 })
          local order = {}
          for k in pairs(state.get("t")) do order[#order + 1] = k end
          log.info(table.concat(order, ","), #state.keys(), state.exists("t"), state.get("none", { a = 1 }).a)
          state.update("n", function(old) return (old or 0) + math.random(100) end)
          local ok, problem = pcall(state.increment, "t")
          log.info(ok, problem)
          log.info(pcall(error, { code = 1 }), pcall(error), select(2, pcall(state.set, "k", print)))
          state.transaction(function() state.set("a", state.get("n") + 1) sleep(0.01) end)
          pcall(state.transaction, function() state.set("a", -1) error("taken back") end)
          state.with_lock("l", function() state.append("text", os.date()) end)
          log.info(state.try_lock("m", 5), state.unlock("m"), state.rate_limit("r", 2, 60))
          log.info(state.wait("n", function(n) return n ~= nil end, 1), state.wait("never", 1, 0.02))
          log.info(#state.history("n"), state.get_ttl("r"), state.list_push("q", { 1 }), state.list_pop("q")[1])
          local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(state.get("a")) end end)
          log.info(co(), co(), co())
          return true, "done at " .. os.time(), { when = os.time() }
        end):build()
        task("fails"):depends_on("all"):retries(2, "fixed", 0.01):command(function(params, deps)
          if state.increment("tries") < 3 then return false, "again " .. deps.all.when end
          return true
        end):on_success(function() log.info("at last") end):build()
        workflow.define("w", { on_complete = function(ok, results) log.info(ok, results.all.duration) end })
        "#,
    );
    // Something else happens to the state, and the clock goes on: all of that is nothing to a replay.
    place.done(&["del", "t", "n", "a"]);
    place.done(&["set", "loaded", "7"]);
    assert_same(&place, "1");
}

#[test]
fn timeouts_and_signals_come_at_the_recorded_place() {
    let place = Place::new();
    let file = workflow(
        &place,
        "w.lua",
        r#"
        task("loops"):timeout(0.2):command(function()
          local n = 0
          while true do n = n + 1; if n % 1000 == 0 then state.set("n", n) end end
        end):on_timeout(function(reason) log.info(reason, state.get("n")) end):build()
        task("spins"):timeout(0.2):command(function() while true do end end):build()
        task("catches"):timeout(0.1):command(function() while true do pcall(function() while true do end end) end end)
        task("waits"):timeout(0.1):command(function() state.wait("k", 1, 60) end)
        task("sleeps"):timeout(0.1):command(function() sleep(60) end)
        task("locks"):timeout(0.1):command(function() state.lock("taken", 60) end)
        task("inside"):timeout(0.1):command(function()
          state.with_lock("l", function() state.update("u", function() while true do end end) end)
        end)
        "#,
    );
    let _taken =
        start(&place, "task('t'):command(function() state.lock('taken') state.set('go', 1) sleep(3600) end)");
    until("it holds the lock", || place.run(&["get", "go"]).code == Some(0));
    assert_eq!(place.run(&["run", &file]).code, Some(1));
    assert_same(&place, "2");
}

fn start(place: &Place, code: &str) -> Running {
    let file = workflow(place, "started.lua", code);
    let mut command = place.command(&["run", &file]);
    Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// A run in the background that is gone at the end of its test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_run_that_was_stopped_is_replayed_with_its_stop() {
    let place = Place::new();
    let mut run = start(&place, "task('t'):command(function() state.set('go', 1) sleep(3600) end):build()");
    until("it is at work", || place.run(&["get", "go"]).code == Some(0));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(run.0.id() as i32), nix::sys::signal::Signal::SIGTERM)
        .unwrap();
    assert_eq!(run.0.wait().unwrap().code(), Some(143));
    assert_same(&place, "1");
}

#[test]
fn a_killed_run_is_replayed_up_to_its_last_event() {
    let code = "
        task('t'):command(function()
          local i = 0
          while true do
            i = i + 1
            state.get('x' .. i % 7)
            state.set('k', i)
            if i % 3 == 0 then state.transaction(function() state.set('a', i) state.increment('b') end) end
            if i % 5 == 0 then state.with_lock('l', function() state.update('u', function() return i end) end) end
          end
        end):build()";
    let place = Place::new();
    for run in 1..=8_u64 {
        let mut running = start(&place, code);
        let reached = |place: &Place| {
            let answer = place.run(&["get", "k"]);
            answer.code == Some(0)
                && String::from_utf8(answer.out).unwrap().trim().parse::<u64>().unwrap() > run * 3
        };
        until("it has got somewhere", || reached(&place));
        running.0.kill().unwrap();
        assert_eq!(running.0.wait().unwrap().signal(), Some(9));
        let told = replayed(&place, &run.to_string());
        assert_eq!(told["replay"], "end_of_recording", "{told}");

        // The recording has every change of the run in it, and no other.
        let number = run.to_string();
        let recorded = objects(&place.done(&["runs", "show", &number, "--json"]));
        let mut sets =
            recorded.iter().filter(|record| record["begin"] == "state.set" && record["arguments"][0] == "k");
        let last = sets.next_back().unwrap()["arguments"][1].clone();
        assert_eq!(place.done(&["get", "k"]).trim(), last.to_string());
        place.done(&["del", "k"]);
        place.run(&["unlock", "l", "--force"]);
    }
}

/// Runs `recorded`, replays `other` on its answers, and answers what is said of it.
fn divergence(recorded: &str, other: &str) -> Json {
    let place = Place::new();
    let file = workflow(&place, "w.lua", &task(recorded));
    place.run(&["run", &file]).done();
    let other = workflow(&place, "other.lua", &task(other));
    let answer = place.run(&["replay", "1", "--source", &other, "--json"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let told = files::object(&String::from_utf8(answer.out).unwrap());
    assert_eq!((&told["replay"], &told["source_differs"]), (&json!("parted"), &json!(true)));
    told["divergence"].clone()
}

fn task(body: &str) -> String {
    format!("task('t'):command(function()\n{body}\nreturn true\nend):build()")
}

#[test]
fn each_kind_of_divergence_is_told_with_both_sides_and_the_line() {
    let told = divergence("state.set('k', 1)\nstate.get('k')", "state.set('k', 1)\nstate.exists('k')");
    assert_eq!(told["kind"], "different_call");
    assert_eq!(told["recorded"]["what"], "state.get(\"k\") → 1");
    assert_eq!(told["replayed"]["what"], "state.exists(\"k\")");
    assert_eq!((&told["task"], &told["record"]), (&json!("t"), &json!(5)));
    assert!(told["place"].as_str().unwrap().ends_with("w.lua:3"), "{told}");
    assert_eq!(told["source"], "state.exists('k')");

    let told = divergence("state.set('k', {a = 1})", "state.set('k', {a = 2}, 60)");
    assert_eq!(told["kind"], "different_arguments");
    let expected = json!([
        { "field": "argument 2", "recorded": "{a=1}", "replayed": "{a=2}" },
        { "field": "argument 3", "recorded": "-", "replayed": "60" },
    ]);
    assert_eq!(told["differences"], expected);

    // One too many, where another call, the end of the task or nothing at all was recorded.
    let told = divergence(
        "state.update('k', function() return 1 end)",
        "state.update('k', function() state.get('x') return 1 end)",
    );
    assert_eq!(
        (&told["kind"], &told["replayed"]["what"]),
        (&json!("one_too_many"), &json!("state.get(\"x\")"))
    );
    let told = divergence("state.get('k')", "state.get('k') log.info('more')");
    assert_eq!(
        (&told["kind"], &told["replayed"]["what"]),
        (&json!("different_call"), &json!("log.info(\"more\")"))
    );
    assert!(told["recorded"]["what"].as_str().unwrap().starts_with("task finished"));

    let told = divergence("state.get('k') state.get('l')", "state.get('k')");
    assert_eq!(told["kind"], "different_call");
    assert_eq!(told["recorded"]["what"], "state.get(\"l\") → nil");
    let told = divergence(
        "state.update('k', function() state.get('x') return 1 end)",
        "state.update('k', function() return 1 end)",
    );
    assert_eq!(
        (&told["kind"], &told["recorded"]["what"]),
        (&json!("missing"), &json!("state.get(\"x\") → nil"))
    );

    let told = divergence("log.info('x') if os.time() < 0 then error('no') end", "log.info('x') error('no')");
    assert_eq!(told["kind"], "different_call");
    let told = divergence("os.time()", "os.time() error('no')");
    assert_eq!(told["kind"], "different_arguments");
    let outcome = &told["differences"][0];
    assert_eq!((&outcome["field"], &outcome["replayed"]), (&json!("outcome"), &json!("\"failed\"")));
}

#[test]
fn whether_a_function_raised_an_error_is_recorded_and_has_to_come_to_pass_again() {
    let raising = [
        "pcall(state.transaction, function() state.set('k', 1) error('boom') end)",
        "pcall(state.with_lock, 'l', function() state.set('k', 1) error('boom') end)",
        "pcall(state.update, 'k', function() state.get('k') error('boom') end)",
        "pcall(state.transaction, function() state.set('k', 1) error({ code = 7, message = 'boom' }) end)",
    ];
    for raising in raising {
        let place = runs_and_replays(&task(&format!("{raising} state.set('after', true)")));
        let told = objects(&place.done(&["runs", "show", "1", "--json"]));
        let end = told.iter().rev().filter(|record| record["end"] == true).nth(1).unwrap();
        assert!(end["error"].as_str().unwrap().ends_with("boom"), "{end}");
        assert!(place.done(&["runs", "show", "1"]).contains("→ error: "));

        let returning =
            raising.replace("error('boom')", "return 1").replace("error({ code = 7, message = 'boom' })", "");
        for (recorded, other) in [(raising, returning.as_str()), (returning.as_str(), raising)] {
            let told = divergence(recorded, other);
            assert_eq!(told["kind"], "different_end", "{other}: {told}");
        }
    }
    let told = divergence(
        "pcall(state.transaction, function() error('boom') end)",
        "pcall(state.transaction, function() end)",
    );
    assert_eq!(told["replayed"]["what"], "the function: returned values");
    assert!(told["recorded"]["what"].as_str().unwrap().ends_with("w.lua:2: boom"), "{told}");
    assert!(told["place"].as_str().unwrap().ends_with("w.lua:2"), "{told}");
}

#[test]
fn a_divergence_is_told_to_people_as_well() {
    let place = Place::new();
    let file = workflow(&place, "w.lua", &task("state.set('k', 'a\u{1b}[31m')"));
    place.run(&["run", &file]).done();
    let other = workflow(&place, "other.lua", &task("-- changed\nstate.set('k', 'b\u{1b}[31m')"));
    let answer = place.run(&["replay", "1", "--source", &other]);
    let told = String::from_utf8(answer.out).unwrap();
    assert_eq!(answer.code, Some(1));
    for part in [
        "run 1 (w) parts from its recording at record 3: different arguments",
        "recorded   state.set(\"k\", \"a␛[31m\")",
        "replayed   state.set(\"k\", \"b␛[31m\")",
        "argument 2 \"a␛[31m\" became \"b␛[31m\"",
        "w.lua:3: state.set('k', 'b␛[31m')",
        "not the recorded ones",
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
}

#[test]
fn a_replay_stops_where_it_is_told_to_and_shows_its_steps() {
    let place = Place::new();
    let file = workflow(&place, "w.lua", &task("state.set('k', 1) state.get('k')"));
    place.run(&["run", &file]).done();
    let told = objects(&place.done(&["replay", "1", "--until", "4", "--steps", "--json"]));
    assert_eq!(told.len(), 5);
    assert_eq!((&told[2]["begin"], &told[3]["result"]), (&json!("state.set"), &json!([true])));
    assert_eq!((&told[4]["replay"], &told[4]["records"]), (&json!("until"), &json!(4)));
}

#[test]
fn what_cannot_be_replayed_is_told() {
    let place = Place::new();
    let file = workflow(&place, "w.lua", &task("state.set('k', 1)"));
    place.run(&["run", &file, "--no-record"]).done();
    place.run(&["replay", "1"]).refused(1, "run 1 has no recording");
    place.run(&["replay", "7"]).refused(1, "there is no run 7");
    place.run(&["replay", "nonsense"]).refused(2, "neither the number of a run nor a file");
    assert_eq!(objects(&place.done(&["runs", "--json"]))[0]["recorded"], false);
}

#[test]
fn a_file_that_cannot_be_run_leaves_nothing_unless_it_changed_something() {
    let place = Place::new();
    let file = workflow(&place, "w.lua", "error('no')");
    assert_eq!(place.run(&["run", &file]).code, Some(2));
    assert!(!place.db().exists());
    let file = workflow(&place, "w.lua", "state.set('k', 1) error('no')");
    assert_eq!(place.run(&["run", &file]).code, Some(2));
    let told = objects(&place.done(&["runs", "--json"]));
    assert_eq!((&told[0]["status"], &told[0]["workflow"]), (&json!("invalid"), &json!("w")));
    let history = objects(&place.done(&["history", "--json"]));
    assert_eq!(history[0]["run"], 1);
    assert_same(&place, "1");
}

#[test]
fn secrets_are_not_stored() {
    let place = Place::new();
    let code = task(
        "local token = os.getenv('API_TOKEN')
         state.set('header', 'Bearer ' .. token)
         log.info('using ' .. token)
         if #token < 4 then error('short') end",
    );
    let file = workflow(&place, "w.lua", &code);
    let mut command = place.command(&["run", &file]);
    command.env("API_TOKEN", "s3cr3t-value");
    files::answer(command).done();
    let recorded = place.done(&["runs", "show", "1", "--json"]);
    assert!(!recorded.contains("s3cr3t"), "{recorded}");
    assert!(recorded.contains("Bearer <masked API_TOKEN>"));
    let (bytes,): (Vec<u8>,) = place
        .connection()
        .query_row("SELECT group_concat(data, '') FROM slothstate_recordings", [], |row| {
            Ok((row.get_ref(0)?.as_bytes()?.to_vec(),))
        })
        .unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"s3cr3t"));
    // The state is the state: it has what the script put there.
    assert_eq!(place.done(&["get", "header"]).trim(), "Bearer s3cr3t-value");
    assert_same(&place, "1");
}

#[test]
fn a_run_goes_into_one_file_and_is_replayed_without_the_database() {
    let (place, other) = (Place::new(), Place::new());
    let helper = workflow(&place, "helper.lua", "return { twice = function(n) return 2 * n end }");
    let code = task("state.set('k', require('helper').twice(state.increment('n'))) log.info(os.time())");
    let file = workflow(&place, "w.lua", &code);
    place.run(&["run", &file, "--require", &helper, "--param", "a=b"]).done();
    let exported = other.file("run-1");
    let exported = exported.to_str().unwrap();
    place.done(&["runs", "export", "1", exported]);
    place.run(&["runs", "export", "1", exported]).refused(1, "is there already");

    assert_same(&other, exported);
    assert!(!other.db().exists());
    assert!(other.done(&["runs", "show", exported]).contains("state.increment(\"n\")"));
    assert_eq!(other.done(&["runs", "import", exported]).trim(), "run 1 of that file is run 1 here");
    other.done(&["runs", "import", exported]);
    assert_same(&other, "2");
    let told = objects(&other.done(&["runs", "--json"]));
    assert_eq!((&told[0]["status"], &told[0]["params"]["a"]), (&json!("done"), &json!("b")));
    // Nothing of the state came along.
    assert_eq!(other.run(&["get", "k"]).code, Some(1));

    let whole = std::fs::read(exported).unwrap();
    let refused = |name: &str, bytes: &[u8], words: &str| {
        let file = other.file(name);
        std::fs::write(&file, bytes).unwrap();
        other.run(&["replay", file.to_str().unwrap()]).refused(1, words);
        other.run(&["runs", "import", file.to_str().unwrap()]).refused(1, words);
    };
    refused("other", b"{}", "this is no exported run");
    refused("cut", &whole[..whole.len() - 1], "its checksum is another one");
    refused("short", &whole[..30], "it ends too early");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    refused("damaged", &damaged, "the file is damaged");
    let mut newer = whole.clone();
    newer[16] = 99;
    refused("newer", &newer, "a newer slothstate made it (format 99");
}

#[test]
fn recordings_are_kept_by_number() {
    let place = Place::new();
    let file = workflow(&place, "w.lua", &task("state.set('k', 1)"));
    place.run(&["run", &file]).done();
    place.done(&["retention", "--recordings", "2"]);
    for _ in 0..3 {
        place.run(&["run", &file]).done();
    }
    until("the oldest recordings are gone", || {
        // Whoever writes keeps order.
        place.done(&["set", "other", "1"]);
        let told = objects(&place.done(&["runs", "--json"]));
        told.iter().map(|run| run["recorded"].as_bool().unwrap()).eq([true, true, false, false])
    });
    assert_same(&place, "4");
    place.run(&["replay", "1"]).refused(1, "no recording");
}

#[test]
fn the_border_has_no_holes() {
    let reaches = [
        "io.open('/etc/passwd')",
        "io.popen('id')",
        "os.execute('id')",
        "os.remove('x')",
        "os.rename('a', 'b')",
        "os.tmpname()",
        "os.exit(1)",
        "package.loadlib('libc.so.6', 'system')",
        "package.loaded.os.execute('id')",
        "debug.getregistry()",
        "debug.sethook()",
        "debug.getmetatable('').__index = {}",
        "dofile('/etc/passwd')",
        "loadfile('/etc/passwd')",
        "string.dump(print)()",
        "newproxy(true)()",
        "require('io').open('/etc/passwd')",
        "require('ffi')",
        "load(string.char(27) .. 'Lua')()",
        "getfenv(0).io.open('/etc/passwd')",
        "setmetatable(os, {})",
        "getmetatable(os).__index()",
        "coroutine.wrap(function() return io.open('/etc/passwd') end)()",
    ];
    for reach in reaches {
        let place = Place::new();
        let file = workflow(&place, "w.lua", &task(&format!("{reach} state.set('out', 1)")));
        let answer = place.run(&["run", &file]);
        assert_eq!(answer.code, Some(1), "{reach}: {answer:?}");
        assert_eq!(place.run(&["get", "out"]).code.filter(|code| *code == 0), None, "{reach}");
        if place.has_db() {
            assert_same(&place, "1");
        }
    }
}

#[test]
fn a_long_recording_is_written_bit_by_bit_and_read_in_pieces() {
    let place = runs_and_replays(&task("for i = 1, 20000 do state.get('k' .. i % 10) end state.set('n', 1)"));
    let pieces: i64 = place
        .connection()
        .query_row("SELECT count(*) FROM slothstate_recordings", [], |row| row.get(0))
        .unwrap();
    assert!(pieces > 3, "{pieces}");
    let page = objects(&place.done(&["runs", "show", "1", "--from", "15000", "--limit", "3", "--json"]));
    assert_eq!(
        page.iter().map(|record| record["record"].as_u64().unwrap()).collect::<Vec<_>>(),
        [15000, 15001, 15002]
    );
}

/// What was removed of a recording is not taken for its end, nor for something that did not happen.
#[test]
fn a_recording_of_which_a_part_was_removed_says_so() {
    let place = Place::new();
    let file = workflow(&place, "w.lua", &task("for number = 1, 5 do state.set('k', number) end"));
    place.run(&["run", &file]).done();
    assert_same(&place, "1");
    let pieces: Vec<i64> = {
        let connection = place.connection();
        let mut statement = connection
            .prepare("SELECT piece FROM slothstate_recordings WHERE piece & 4294967295 ORDER BY piece")
            .unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let remove = |piece: i64| {
        place.connection().execute("DELETE FROM slothstate_recordings WHERE piece = ?1", [piece]).unwrap();
    };
    // From its end on, as recordings are removed.
    remove(*pieces.last().unwrap());
    let answer = place.run(&["replay", "1"]);
    let text = String::from_utf8(answer.out).unwrap();
    assert!(text.contains("the run went on, but the rest of its recording was removed"), "{text}");
    let text = String::from_utf8(place.run(&["replay", "1", "--what-if", "other=1"]).out).unwrap();
    assert!(text.contains("where the recording ends before the run did"), "{text}");
    // And in between.
    remove(pieces[2]);
    place.run(&["replay", "1"]).refused(1, "were removed from the recording");
    place.run(&["runs", "show", "1"]).refused(1, "were removed from the recording");
    let exported = place.file("run");
    place
        .run(&["runs", "export", "1", exported.to_str().unwrap()])
        .refused(1, "were removed from the recording");
    assert!(!exported.exists());
}

#[test]
fn objects_that_differ_by_identity_only_come_in_the_same_order_again() {
    let bodies = [
        // Coroutines, closures of one line, empty and equal tables, with nothing else to tell them apart.
        "local set, names = {}, {}
         for i = 1, 40 do
           local kinds = { {}, { 1 }, function() return i end, coroutine.create(function() end) }
           for kind = 1, 4 do set[kinds[kind]] = true; names[kinds[kind]] = kind .. ':' .. i end
         end
         local seen = {}
         for key in pairs(set) do seen[#seen + 1] = names[key] end
         for key in pairs(set) do if math.random(2) == 1 then set[key] = nil end end
         local key = next(set)
         while key do seen[#seen + 1] = names[key]; key = next(set, key) end
         table.foreach(set, function(key) seen[#seen + 1] = names[key] end)
         log.info(table.concat(seen, ' '))",
        // Tables that once had objects as keys.
        "local t, seen = {}, {}
         for i = 1, 30 do t[{}] = i; t['k' .. i] = i end
         for key in pairs(t) do if type(key) == 'table' then t[key] = nil end end
         for i = 31, 60 do t['k' .. i] = i end
         for key in pairs(t) do seen[#seen + 1] = tostring(key) end
         local u = { [{}] = 1, [{}] = 2, [print] = 3 }
         local first = next(u)
         while first do u[first] = nil; first = next(u) end
         for i = 1, 20 do u['x' .. i] = i end
         for key in pairs(u) do seen[#seen + 1] = tostring(key) end
         log.info(table.concat(seen, ' '))",
        // Linked tables, whose content is exponential.
        "local nodes, seen = {}, {}
         for i = 1, 40 do nodes[i] = { name = i } end
         for i = 1, 40 do for j = 1, 40 do nodes[i][nodes[j]] = nodes[41 - j] end end
         local set = {}
         for i = 1, 40 do set[nodes[i]] = nodes[i] end
         for key in pairs(set) do seen[#seen + 1] = key.name end
         log.info(table.concat(seen, ' '))",
        // Nothing goes from a weak table.
        "local weak = setmetatable({}, { __mode = 'k' })
         for i = 1, 100 do weak[{}] = i end
         collectgarbage()
         local count = 0
         for _ in pairs(weak) do count = count + 1 end
         log.info(count, collectgarbage('count') > 0)
         assert(count == 100)",
        // No address in a message.
        "log.info(pcall(error, {}), pcall(error, function() end), tostring({}), tostring(log.info))
         log.info(pcall(function() return state[{}] end))
         log.info(pcall(state.set, 'k', 1, { [{}] = 1 }))
         log.info(pcall(state.lock, 'l', { [print] = 1 }))
         log.info(pcall(exec.run, 'true', { [coroutine.create(function() end)] = 1 }))
         log.info(tostring(setmetatable({}, { __tostring = function() return 'own' end })))
         if not state.get('none') then return false, { 1 } end",
    ];
    for body in bodies {
        let place = Place::new();
        let file = workflow(&place, "w.lua", &task(body));
        let answer = place.run(&["run", &file]);
        assert!(!String::from_utf8_lossy(&answer.out).contains("0x"), "{answer:?}");
        for _ in 0..3 {
            assert_same(&place, "1");
        }
    }
}

#[test]
fn tasks_as_keys_come_in_the_same_order_again() {
    let place = runs_and_replays(
        "local order, seen = {}, {}
         for i = 1, 30 do order[task('t' .. i):command(function() return true end)] = i end
         for handle, i in pairs(order) do seen[#seen + 1] = handle.name .. i end
         log.info(table.concat(seen, ' '))",
    );
    for _ in 0..3 {
        assert_same(&place, "1");
    }
}

#[test]
fn what_a_function_returns_to_its_call_is_a_part_of_the_path() {
    for (recorded, other) in [
        ("state.update('k', function(v) return 1 end)", "state.update('k', function(v) return 2 end)"),
        (
            "state.update('k', function(v) return { a = { 1 } } end)",
            "state.update('k', function(v) return { a = { 2 } } end)",
        ),
        (
            "pcall(state.update, 'k', function(v) return nil end)",
            "pcall(state.update, 'k', function(v) return 2 end)",
        ),
        (
            "state.wait('k', function(v) return false end, 0.01)",
            "state.wait('k', function(v) return true end, 0.01)",
        ),
        (
            "state.wait('k', function(v) return true end, 0.01)",
            "state.wait('k', function(v) return false end, 0.01)",
        ),
        ("state.transaction(function() return 1 end)", "state.transaction(function() return 1, 2 end)"),
        (
            "state.with_lock('l', function() return 'a' end)",
            "state.with_lock('l', function() return 'b' end)",
        ),
        (
            "state.with_lock('l', function() return ('a'):rep(9999) end)",
            "state.with_lock('l', function() return ('b'):rep(9999) end)",
        ),
    ] {
        let told = divergence(recorded, other);
        assert_eq!(told["kind"], "different_result", "{other}: {told}");
        assert!(told["place"].as_str().unwrap().ends_with("w.lua:2"), "{told}");
    }
    for (recorded, other) in [("{ n = 1 }", "{ n = 2 }"), ("{ n = 1 }", "{}"), ("nil", "{ n = 1 }")] {
        let with = |outputs: &str| format!("do return true, 'done', {outputs} end");
        let told = divergence(&with(recorded), &with(other));
        assert!(told["kind"].as_str().unwrap().starts_with("different_"), "{told}");
    }
}

/// Replays the run of `recorded` with `other`, whose lines are those of the whole file.
fn replay_source(recorded: &str, other: &str) -> (Json, String) {
    let place = Place::new();
    let file = workflow(&place, "w.lua", recorded);
    place.run(&["run", &file]);
    let other = workflow(&place, "other.lua", other);
    let text = String::from_utf8(place.run(&["replay", "1", "--source", &other]).out).unwrap();
    let told = place.run(&["replay", "1", "--source", &other, "--json"]);
    (files::object(&String::from_utf8(told.out).unwrap()), text)
}

#[test]
fn a_moved_line_is_not_a_divergence() {
    let body = task(
        "log.info(pcall(error, 'at', 1), select(2, pcall(function() error('here') end)))
         pcall(state.transaction, function() error('inside') end)
         state.update('k', function() return select(2, pcall(function() error('text') end)) end)
         error('the end')",
    );
    let (told, text) = replay_source(&body, &format!("-- moved\n\n{body}"));
    assert_eq!((&told["replay"], &told["lines_moved"]), (&json!("same"), &json!(true)), "{told}");
    assert!(text.contains("all came to pass again, with another source; only lines moved"), "{text}");
    let (told, text) = replay_source(&body, &format!("{body} -- a word at the end"));
    assert_eq!((&told["replay"], &told["lines_moved"]), (&json!("same"), &json!(false)), "{told}");
    assert!(!text.contains("moved"), "{text}");
    let (told, _) = replay_source(&body, &body.replace("error('inside')", "error('elsewhere')"));
    assert_eq!(told["divergence"]["kind"], "different_end", "{told}");
}

#[test]
fn a_divergence_has_the_line_where_the_source_was_changed() {
    let source = |value: &str, last: &str| {
        format!(
            "task('t'):command(function()\nlocal x = {value}\nstate.get('a')\nstate.set('k', x)\n{last}\nend)"
        )
    };
    let at = |told: &Json, field: &str| told["divergence"][field].as_str().unwrap_or_default().to_string();
    let (told, text) = replay_source(&source("1", "return true"), &source("2", "return true"));
    assert!(
        at(&told, "place").ends_with("w.lua:4") && at(&told, "changed_at").ends_with("w.lua:2"),
        "{told}"
    );
    assert!(text.contains("w.lua:2: local x = 2"), "{text}");
    // Without a call in the replay: not the line that the recorded source had.
    let (told, text) =
        replay_source(&source("1", "state.get('b')"), &format!("--\n{}", source("1", "return true")));
    assert!(at(&told, "place").ends_with("w.lua:6"), "{told}");
    assert!(text.contains("w.lua:6: return true"), "{text}");
    let (told, _) = replay_source(&source("1", "return true"), &source("1", "return tru e"));
    assert!(at(&told, "place").ends_with("w.lua:5"), "{told}");
    let (told, _) = replay_source(&source("1", "return true"), &source("1", "error('no')"));
    assert!(at(&told, "place").ends_with("w.lua:5"), "{told}");
}

#[test]
fn an_endless_loop_of_another_source_has_its_line() {
    if std::env::var_os("SLOTHSTATE_TEST_FULL").is_none() {
        return;
    }
    let source = |last: &str| format!("task('t'):command(function()\nstate.get('a')\n{last}\nend)");
    let place = Place::new();
    let file = workflow(&place, "w.lua", &source("return true"));
    place.run(&["run", &file]).done();
    let other = workflow(&place, "other.lua", &source("while true do end"));
    let told = place.run(&["replay", "1", "--source", &other, "--json"]);
    let told = files::object(&String::from_utf8(told.out).unwrap());
    assert_eq!((&told["replay"], &told["source"]), (&json!("silent"), &json!("while true do end")), "{told}");
}
