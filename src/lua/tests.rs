//! The `state` module and the sandbox, on a real database.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::lua::*;
use crate::store::{Options, SqliteStore, State};
use crate::time::{ManualClock, Millis};

const MEMORY: usize = 32 << 20;

pub(super) struct Bench {
    pub(super) runtime: Runtime,
    clock: Arc<ManualClock>,
    stop_signal: StopSignal,
    log: Rc<RefCell<Vec<String>>>,
    directory: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::through(Rc::new(PassThrough))
    }

    /// Whose calls cross this boundary.
    pub(super) fn through(boundary: Rc<dyn Boundary>) -> Bench {
        Bench::with(boundary, &|store| store)
    }

    fn with(boundary: Rc<dyn Boundary>, wrap: &dyn Fn(SqliteStore) -> SqliteStore) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let clock = Arc::new(ManualClock::at(Millis(1_700_000_000_000)));
        let settings = Options { clock: Arc::clone(&clock) as _, ..Options::default() };
        let again = (path.clone(), settings.clone());
        let store_factory: StoreFactory =
            Arc::new(move || Ok(Box::new(SqliteStore::open_or_create(&again.0, again.1.clone())?) as _));
        let store: Rc<dyn Store> = Rc::new(wrap(SqliteStore::open_or_create(&path, settings).unwrap()));
        let host: Rc<dyn Host> = Rc::new(SystemHost::new(BTreeMap::from([("STAGE".into(), "test".into())])));
        let stop_signal = StopSignal::default();
        let log: Rc<RefCell<Vec<String>>> = Rc::default();
        let lines = Rc::clone(&log);
        let locks = HeldLocks::new(Rc::clone(&store), store_factory, None).unwrap();
        let context = ScriptContext {
            scope: StateScope::new(store),
            limits: Rc::new(Limits::new(
                Rc::clone(&host),
                Rc::new(PassThrough),
                stop_signal.clone(),
                locks.losses(),
            )),
            locks,
            boundary,
            host,
            format: crate::workflow::recording::FORMAT,
            holder: "tester".into(),
            mismatches: Mismatches::default(),
            log: Box::new(move |level, line| {
                lines.borrow_mut().push(format!("{} {}", level.name(), String::from_utf8_lossy(line)));
            }),
        };
        let runtime = Runtime::new(Rc::new(context), MEMORY).unwrap();
        Bench { runtime, clock, stop_signal, log, directory }
    }

    /// The same database, as another process has it.
    fn another_store(&self) -> SqliteStore {
        let settings = Options { clock: Arc::clone(&self.clock) as _, ..Options::default() };
        SqliteStore::open_or_create(&self.directory.path().join("state.db"), settings).unwrap()
    }

    fn outcome(&self, code: &str) -> Result<Value, ScriptError> {
        self.runtime.run(Path::new("test.lua"), code.as_bytes())
    }

    /// What `code` returns, as text.
    fn eval(&self, code: &str) -> String {
        match self.outcome(code) {
            Ok(value) => value.to_string().unwrap(),
            Err(failed) => panic!("{code}: {failed}"),
        }
    }

    /// What `code` raises.
    fn error(&self, code: &str) -> String {
        match self.outcome(code) {
            Ok(value) => panic!("{code}: no error but {value:?}"),
            Err(failed) => failed.to_string(),
        }
    }

    /// Runs `code`, whose assertions say what must hold.
    fn holds(&self, code: &str) {
        self.eval(code);
    }
}

#[test]
fn values_keep_their_types_and_strings_their_bytes() {
    let bench = Bench::new();
    bench.holds(
        r##"
        for _, value in ipairs({ "text", "", "a\0\255\27", 7, -0.5, 1e15, true, false }) do
          assert(state.set("k", value) == true)
          assert(state.get("k") == value)
        end
        state.set("t", { list = { 1, 2, { x = "é" } }, empty = {}, ["odd key"] = false })
        local t = state.get("t")
        assert(t.list[3].x == "é" and next(t.empty) == nil and t["odd key"] == false)
        assert(select("#", state.get("none")) == 1 and state.get("none") == nil)
        assert(state.get("none", 5) == 5 and state.get("none", false) == false)
        assert(require("state") == state and require("log") == log)
        "##,
    );
}

#[test]
fn wrong_calls_name_the_function_the_key_and_the_argument() {
    let bench = Bench::new();
    let cases = [
        (
            "state.set('k', nil)",
            "test.lua:1: state.set(\"k\"): the value is nil; to remove an entry call state.delete(key)",
        ),
        (
            "state.set('k', 1, {tll = 3})",
            "state.set(\"k\"): unknown option tll: there are ttl, if_version, lock, token and atomic",
        ),
        ("state.set('k', 1, -1)", "ttl is -1, which is no length of time"),
        ("state.set('k', 1, 0)", "ttl must be greater than 0"),
        ("state.set('k', 1, 'soon')", "ttl must be a number of seconds, and this is a string"),
        ("state.set('k', 1, {if_version = 1.5})", "if_version must be a whole number"),
        ("state.set_with_ttl('k', 1, 0)", "state.set_with_ttl(\"k\"): ttl must be greater than 0"),
        ("state.set_with_ttl('k', 1)", "the ttl is missing: it must be a number"),
        (
            "state.set('k', {a = {print}})",
            "state.set(\"k\"): value.a[1] is a function, which cannot be stored",
        ),
        ("state.get()", "state.get(): the key is missing: it must be text"),
        ("state.get('')", "a key cannot be empty"),
        ("state.get(7)", "the key is the number 7, not text: write tostring(7)"),
        ("state.get('\\255')", "the key is no UTF-8 text"),
        ("state.get({})", "the key must be text, and this is a table"),
        ("state.keys('a[')", "the pattern a[ is no glob"),
        ("state.clear('')", "to remove every entry call state.clear()"),
        (
            "state.set('s', 'word'); state.increment('s')",
            "state.increment(\"s\"): increment needs a number, and this is a string; it was left as it is",
        ),
        ("state.increment('n', 'x')", "the step must be a number, and this is a string"),
        ("state.increment('n', 0/0)", "the step is not a finite number"),
        ("state.list_push('l', nil)", "the item is nil"),
        ("state.compare_swap('k', 1, nil)", "the value is nil"),
        ("state.update('k', function() end)", "the function returned nil; it must return the new value"),
        ("state.update('k', function() error('mine') end)", "test.lua:1: mine"),
        (
            "state.update('k', function() return state.update('k', function() return 1 end) end)",
            "state.update(\"k\"): this is inside the function of another update of the same key",
        ),
        ("state.lock('')", "the name of a lock cannot be empty"),
        ("state.with_lock('l')", "the function is missing"),
        ("state.rate_limit('r', 1.5, 1)", "max must be a whole number"),
        ("state.wait('k', nil, 1)", "what to wait for is missing"),
        ("state.puhs('k')", "state.puhs is unknown"),
        ("exec.run()", "exec.run(): the command is missing: it must be text"),
        ("exec.run(' \\n')", "the command is empty"),
        ("exec.run('a\\0b')", "the command contains a zero byte"),
        ("exec.run({'ls', '-l'})", "the command must be text, and this is a table"),
        ("exec.run('true', 5)", "exec.run(\"true\"): the options must be a table, and this is a number"),
        ("exec.run('true', {tiemout = 5})", "unknown option tiemout: there are timeout, env, cwd and stdin"),
        ("exec.run('true', {'x'})", "unknown option 1"),
        ("exec.run('true', {timeout = 'soon'})", "timeout must be a number of seconds, or text such as"),
        ("exec.run('true', {timeout = 0})", "timeout must be greater than 0"),
        ("exec.run('true', {timeout = -1})", "timeout must be a number of seconds"),
        ("exec.run('true', {env = 'A=b'})", "env must be a table of names and values, and this is a string"),
        (
            "exec.run('true', {env = {PORT = 8080}})",
            "env.PORT is the number 8080, not text: write tostring(8080)",
        ),
        ("exec.run('true', {env = {A = true}})", "env.A must be text, and this is a boolean"),
        ("exec.run('true', {env = {A = 'x\\0y'}})", "env.A contains a zero byte"),
        ("exec.run('true', {env = {['a=b'] = 'c'}})", "env has a name that no variable can have"),
        ("exec.run('true', {env = {'c'}})", "env has a name that no variable can have"),
        ("exec.run('true', {cwd = '/none/such'})", "cwd is /none/such: there is no such folder"),
        ("exec.run('true', {cwd = '/dev/null'})", "cwd is /dev/null: this is no folder"),
        ("exec.run('true', {stdin = {}})", "stdin must be text, and this is a table"),
        ("exec.start('true')", "exec.start is unknown"),
        ("log.success('x')", "log.success is unknown"),
        ("sleep(-1)", "sleep: the time must be a number of seconds"),
    ];
    for (code, expected) in cases {
        let error = bench.error(code);
        assert!(error.starts_with("test.lua:1: ") && error.contains(expected), "{code}: {error}");
    }
}

#[test]
fn time_to_live_is_set_cleared_and_counted_down() {
    let bench = Bench::new();
    bench.holds(
        r##"
        state.set("k", 1, 60)
        assert(state.get_ttl("k") == 60 and state.ttl("k") == 60)
        state.set("k", 2)
        assert(state.get_ttl("k") == -1 and state.get_ttl("none") == -2)
        state.set("k", 2, { ttl = 0.5 })
        assert(state.get_ttl("k") == 1)
        assert(state.persist("k") and state.get_ttl("k") == -1 and not state.persist("none"))
        assert(state.set_ttl("k", 10) and not state.set_ttl("none", 10))
        state.increment("k")
        assert(state.get_ttl("k") == 10)
        "##,
    );
    bench.clock.advance(Duration::from_secs(10));
    bench.holds("assert(state.get('k') == nil and state.increment('k') == 1 and state.ttl('k') == -1)");
}

#[test]
fn keys_are_listed_and_cleared_by_glob_or_prefix() {
    let bench = Bench::new();
    bench.holds(
        r##"
        for _, key in ipairs({ "b:2", "a_1", "a:1", "b:1", "ab", "b:10" }) do state.set(key, 1) end
        local function listed(pattern) return table.concat(state.keys(pattern), " ") end
        assert(listed() == "a:1 a_1 ab b:1 b:10 b:2")
        assert(listed("a_") == "a_1" and listed("b:") == "b:1 b:10 b:2" and listed("x") == "")
        assert(listed("*:1") == "a:1 b:1" and listed("b:?") == "b:1 b:2" and listed("[ab]:1*") == "a:1 b:1 b:10")
        assert(state.clear("b:?") == 2 and state.clear("a*") == 3 and listed() == "b:10")
        assert(state.exists("b:10") and state.delete("b:10") and not state.delete("b:10") and not state.exists("b:10"))
        for number = 1, 2500 do state.set("many:" .. number, number) end
        assert(#state.keys("many:*9") == 250 and state.clear("*9") == 250 and state.clear() == 2250)
        "##,
    );
}

#[test]
fn atomic_changes_answer_what_they_made() {
    let bench = Bench::new();
    bench.holds(
        r##"
        assert(state.increment("n") == 1 and state.increment("n", 5) == 6 and state.decrement("n", 0.5) == 5.5)
        assert(state.append("t", "abc") == 3 and state.append("t", "d") == 4 and state.append("t", 5) == 5)
        assert(state.list_length("l") == 0 and state.list_pop("l") == nil)
        assert(state.list_push("l", { id = 1 }) == 1 and state.list_push("l", "two") == 2)
        assert(state.list_pop("l") == "two" and state.list_pop("l").id == 1 and state.list_pop("l") == nil)
        assert(state.list_push("l", true) == 1)
        assert(state.compare_swap("c", nil, { 1 }) and not state.compare_swap("c", nil, 2))
        assert(not state.compare_swap("c", { 2 }, 3) and state.compare_swap("c", { 1 }, 3))
        assert(state.update("c", function(old) return old * 2 end) == 6)
        assert(state.update("new", function(old) assert(old == nil); return "x" end) == "x")
        assert(state.set("v", 1, { if_version = 0, atomic = true }) and state.set("v", 2, { if_version = 1 }))
        local done, version = state.set("v", 3, { if_version = 1 })
        assert(done == false and version == 2 and state.get("v") == 2)
        assert(state.stats().entries > 0 and state.stats().revision > 0)
        "##,
    );
}

#[test]
fn an_update_is_tried_again_if_others_were_faster() {
    let bench = Bench::new();
    bench.holds(
        r##"
        state.set("n", 0)
        local calls = 0
        local result = state.update("n", function(old)
          calls = calls + 1
          if calls < 3 then state.increment("n", 10) end
          return old + 1
        end)
        assert(calls == 3 and result == 21)
        assert(state.update("n", function(n) return n + state.update("m", function() return 1 end) end) == 22)
        assert(not pcall(state.update, "n", error) and state.update("n", function() return 5 end) == 5)

        -- Each finds its entry changed by those within it: 100 times 100 times 100 times.
        calls = 0
        local keys = { "a", "b", "c" }
        local function nest(depth)
          calls = calls + 1
          if depth > #keys then
            for _, key in ipairs(keys) do state.set(key, calls) end
          else
            pcall(state.update, keys[depth], function() nest(depth + 1) return 1 end)
          end
        end
        nest(1)
        assert(calls < 3000, calls)
        assert(state.update("n", function() return 6 end) == 6)
        "##,
    );
}

#[test]
fn locks_are_exclusive_and_released() {
    let bench = Bench::new();
    bench.holds(
        r##"
        assert(state.lock("l") == true)
        local ok, problem = pcall(state.lock, "l")
        assert(not ok and problem:find("holds the lock already"), problem)
        ok, problem = pcall(state.try_lock, "l", 1)
        assert(not ok and problem:find("holds the lock already"), problem)
        local held, holder = state.lock("l", "another", 0)
        assert(held == false and holder == "tester")
        assert(state.unlock("l", "another") == false and state.unlock("l") and not state.unlock("l"))
        assert(state.try_lock("l", 5) and state.unlock("l"))
        assert(state.lock("l", "me", 1) and state.unlock("l", "me"))
        "##,
    );
}

#[test]
fn with_lock_hands_on_results_and_errors_and_releases_in_both() {
    let bench = Bench::new();
    bench.holds(
        r##"
        local a, b, c = state.with_lock("l", function() return 1, nil, 3 end)
        assert(a == 1 and b == nil and c == 3)
        assert(state.with_lock("l", "me", 5, function() return state.stats().locks end) == 1)
        assert(state.with_lock("l", function() return "x" end, 5) == "x")
        local ok, problem = pcall(state.with_lock, "l", function() error({ code = 7 }) end)
        assert(not ok and problem.code == 7)
        ok, problem = pcall(state.with_lock, "l", function() state.get("") end)
        assert(not ok and problem:find("cannot be empty"))
        assert(state.stats().locks == 0)
        state.lock("l", "other")
        "##,
    );
    let error = bench.error("state.with_lock('l', function() end, 0)");
    let expected = "test.lua:1: state.with_lock(\"l\"): the lock was not free within 0s: other holds it";
    assert_eq!(error, expected);
}

#[test]
fn locks_taken_since_a_mark_are_released_and_no_others() {
    let bench = Bench::new();
    bench.holds("state.lock('before')");
    let mark = bench.runtime.context.locks.mark();
    bench.holds("state.lock('after'); state.lock('after too')");
    assert_eq!(bench.runtime.context.locks.release_since(mark), ["after", "after too"]);
    assert_eq!(bench.runtime.context.locks.release_all(), ["before"]);
}

#[test]
fn waiting_ends_with_the_value_or_in_time() {
    let bench = Bench::new();
    bench.holds(
        r##"
        state.set("k", { a = 1 })
        assert(state.wait("k", { a = 1 }, 0).a == 1)
        assert(state.wait("k", function(value) return value.a == 1 end, 0).a == 1)
        local value, problem = state.wait("k", 2, 0.02)
        assert(value == nil and problem == "timeout")
        local calls = 0
        value = state.wait("counted", function(count)
          calls = calls + 1
          if calls == 1 then state.set("counted", 1) end
          return count == 1
        end, 60)
        assert(value == 1 and calls == 2)
        "##,
    );
}

#[test]
fn a_rate_limit_counts_a_window() {
    let bench = Bench::new();
    bench.holds(
        r##"
        local allowed, remaining, reset = state.rate_limit("r", 2, 10)
        assert(allowed and remaining == 1 and reset == 10)
        allowed, remaining = state.rate_limit("r", 2, 10)
        assert(allowed and remaining == 0)
        allowed, remaining, reset = state.rate_limit("r", 2, 10)
        assert(not allowed and remaining == 0 and reset == 10)
        assert(state.rate_limit("none", 0, 10) == false)
        "##,
    );
    bench.clock.advance(Duration::from_secs(10));
    bench.holds("assert(state.rate_limit('r', 2, 10) and state.get('r') == 1)");
}

#[test]
fn what_leads_outside_is_closed_with_a_reason() {
    let bench = Bench::new();
    let cases = [
        ("os.execute('true')", "os.execute is not available to workflows"),
        ("io.open('/etc/passwd')", "io.open is not available to workflows"),
        ("debug.getinfo(1)", "debug.getinfo is not available to workflows"),
        ("package.loadlib('x')", "package.loadlib is not available to workflows"),
        ("dofile('x')", "dofile is not available to workflows; give the file with --require"),
        ("loadfile('x')", "loadfile is not available to workflows"),
        ("require('socket')", "there is no module \"socket\"; there are data, exec, log, state"),
        ("newproxy(true)", "newproxy"),
        ("string.dump(print)", "dump"),
        ("setmetatable(os, {})", "protected metatable"),
    ];
    for (code, expected) in cases {
        let error = bench.error(code);
        assert!(error.contains(expected), "{code}: {error}");
    }
    bench.holds(
        r##"
        local code, problem = loadstring("\27Lua")
        assert(code == nil and problem:find("compiled code"))
        code, problem = load((function() local piece = "\27Lua"; return function() local p = piece; piece = nil; return p end end)())
        assert(code == nil)
        local real = string.sub
        string.sub = function() return "x" end
        code, problem = loadstring("\27Lua")
        string.sub = real
        assert(code == nil and problem:find("compiled code"))
        assert(loadstring("return 1 + 1")() == 2)
        local pieces = { "return ", "7" }
        assert(load(function() return table.remove(pieces, 1) end)() == 7)
        "##,
    );
    assert!(
        bench.runtime.run(Path::new("test.lua"), b"\x1bLua").unwrap_err().to_string().contains("compiled")
    );
}

#[test]
fn the_world_is_asked_through_the_host() {
    let bench = Bench::new();
    bench.holds(
        r##"
        assert(os.getenv("STAGE") == "test" and os.getenv("NONE_SUCH") == nil and #os.getenv("HOSTNAME") > 0)
        assert(os.time() > 1700000000 and os.difftime(5, 3) == 2 and os.clock() >= 0)
        assert(os.date("!%Y-%m-%d %H:%M:%S %%", 86399) == "1970-01-01 23:59:59 %")
        assert(os.date("!%c", 0) == "Thu Jan  1 00:00:00 1970" and os.date("!*t", 0).yday == 1)
        local now = os.time()
        local fields = os.date("*t", now)
        assert(os.time(fields) == now)
        math.randomseed(42)
        local first = { math.random(), math.random(10), math.random(5, 6) }
        math.randomseed(42)
        assert(math.random() == first[1] and math.random(10) == first[2] and math.random(5, 6) == first[3])
        "##,
    );
    assert_eq!(bench.eval("return os.date('!%Q %')"), "%Q %");
    assert!(bench.error("os.time({year = 2020})").contains("field 'day' missing in date table"));
    assert!(bench.error("math.random(0)").contains("interval is empty"));
}

#[test]
fn the_log_joins_its_arguments_as_print_does() {
    let bench = Bench::new();
    bench.holds("print('a', nil, 1.5, true); log.warn('w'); log.debug(); log.error('e', 'f')");
    assert_eq!(*bench.log.borrow(), ["info a\tnil\t1.5\ttrue", "warn w", "debug ", "error e\tf"]);
}

#[test]
fn errors_have_their_line_and_no_stack() {
    let bench = Bench::new();
    assert_eq!(bench.error("local x\n\nreturn x.y"), "test.lua:3: attempt to index local 'x' (a nil value)");
    assert_eq!(bench.error("#!/usr/bin/lua\nerror('no')"), "test.lua:2: no");
    assert!(bench.error("x = = 1").starts_with("test.lua:1: unexpected symbol"));
    assert_eq!(bench.error("error({message = 'mine'})"), "mine");
    assert_eq!(bench.error("error()"), "test.lua:1: nil was raised as an error");
    bench.holds(
        r##"
        local ok, problem = pcall(state.get, "")
        assert(type(problem) == "string", type(problem))
        local seen
        ok = xpcall(function() state.get("") end, function(text) seen = text; return text end)
        assert(not ok and seen:find("cannot be empty"))
        assert(select("#", pcall(function() return nil, nil end)) == 3)
        assert(select(2, xpcall(function(a) return a end, print, 5)) == 5)
        local co = coroutine.create(function() state.get("") end)
        ok, problem = coroutine.resume(co)
        assert(not ok and problem:find("cannot be empty"))
        co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1); return b * 2 end)
        assert(co(1) == 2 and co(4) == 8)
        "##,
    );
}

#[test]
fn nothing_outlives_its_time() {
    let endless = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "while true do pcall(error) end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "repeat until pcall(sleep, 3600) == 1",
        "while true do pcall(state.wait, 'k', 1, 3600) end",
        "state.lock('l', 'a'); while true do pcall(state.lock, 'l', 'b', 3600) end",
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}); while true do pcall(function() return t[1] end) end",
        "while true do pcall(exec.run, 'sleep 1000') end",
        "state.update('k', function() while true do end end)",
        "state.with_lock('l', function() while true do end end)",
        "string.gsub('x', 'x', function() while true do end end)",
        "table.sort({1, 2, 3}, function() while true do end end)",
    ];
    for code in endless {
        let bench = Bench::new();
        let limit = Duration::from_millis(50);
        let limits = Rc::clone(&bench.runtime.context.limits);
        let outcome = limits.within(Some(limit), || bench.outcome(code));
        assert_eq!(outcome, Err(ScriptError::Stopped(Stop::Timeout(limit))), "{code}");
        // What comes after has its own time.
        bench.holds("state.set('k', 1)");
    }
}

#[test]
fn a_signal_stops_everything_for_good() {
    let bench = Bench::new();
    bench.stop_signal.signal.store(15, Ordering::Relaxed);
    assert_eq!(bench.outcome("while true do end"), Err(ScriptError::Stopped(Stop::Signal(15))));
    assert_eq!(bench.outcome("sleep(3600)"), Err(ScriptError::Stopped(Stop::Signal(15))));
}

#[test]
fn memory_is_limited_and_the_rest_goes_on() {
    let bench = Bench::new();
    for code in [
        "local t = {}; while true do t[#t + 1] = ('x'):rep(1000000) .. #t end",
        "return ('x'):rep(1000000000)",
        "local t = {}; while true do t[#t + 1] = {} end",
        "local s = 'x'; while true do s = s .. s end",
    ] {
        assert_eq!(bench.error(code), "it needs more memory than it may have (--memory MB)", "{code}");
        bench.holds("collectgarbage(); state.set('k', {1, 2, 3})");
    }
    assert!(bench.error("local function f() return f() + 1 end f()").contains("stack overflow"));
}

#[test]
fn a_transaction_takes_effect_as_a_whole_and_hands_on_results_and_errors() {
    let bench = Bench::new();
    bench.holds(
        r##"
        state.set("a", 10)
        local x, y, z = state.transaction(function()
          state.increment("a", -4)
          assert(state.get("a") == 6 and state.compare_swap("a", 6, 7) and not state.compare_swap("a", 6, 8))
          assert(state.update("a", function(value) return value * 2 end) == 14)
          state.list_push("list", "x"); state.list_push("list", "y")
          assert(state.list_pop("list") == "y" and state.list_length("list") == 1)
          assert(state.set("v", 1, { if_version = 0 }) == true)
          local written, version = state.set("v", 2, { if_version = 0 })
          assert(written == false and version == 1)
          state.set("t", 1, 60)
          assert(state.set_ttl("t", 90) and state.get_ttl("t") == 90)
          local allowed, remaining = state.rate_limit("rate", 3, 10)
          assert(allowed and remaining == 2)
          assert(table.concat(state.keys(), " ") == "a list rate t v")
          assert(state.clear("li*") == 1 and state.delete("t") and not state.exists("t"))
          return 1, nil, 3
        end)
        assert(x == 1 and y == nil and z == 3)
        assert(state.get("a") == 14 and table.concat(state.keys(), " ") == "a rate v")

        local ok, problem = pcall(state.transaction, function() state.set("a", 0); error({ code = 7 }) end)
        assert(not ok and problem.code == 7 and state.get("a") == 14)
        -- One inside another is a part of it; its error takes back what it did itself.
        state.transaction(function()
          state.set("outer", 1)
          state.transaction(function() state.set("inner", 1) end)
          pcall(state.transaction, function() state.set("failed", 1); error("no") end)
          assert(state.get("failed") == nil)
        end)
        assert(state.get("outer") == 1 and state.get("inner") == 1 and state.get("failed") == nil)
        "##,
    );
}

#[test]
fn a_transaction_leaves_nothing_behind_however_it_ends() {
    let bench = Bench::new();
    let cases = [
        ("state.lock('l')", "take the lock around the transaction"),
        ("state.with_lock('l', function() end)", "take the lock around the transaction"),
        ("state.try_lock('l', 1)", "take the lock around the transaction"),
        ("state.unlock('l')", "take the lock around the transaction"),
        ("state.wait('k', 1, 1)", "wait before the transaction"),
        ("exec.run('true')", "run the command before or after it"),
        ("coroutine.yield()", "yield"),
        ("state.get('')", "cannot be empty"),
    ];
    for (code, expected) in cases {
        let inside = format!("state.transaction(function() state.set('k', 1) {code} end)");
        let error = bench.error(&inside);
        assert!(error.contains(expected), "{code}: {error}");
        let wrapped = format!("coroutine.wrap(function() {inside} end)()");
        assert!(bench.error(&wrapped).contains(expected), "{code}");
        bench.holds("assert(state.get('k') == nil); state.set('after', 1); assert(state.try_lock('x', 1))");
        bench.holds("state.unlock('x')");
    }
    let limit = Duration::from_millis(50);
    let limits = Rc::clone(&bench.runtime.context.limits);
    for code in ["while true do end", "sleep(10)", "pcall(function() while true do end end)"] {
        let inside = format!("state.transaction(function() state.set('k', 1) {code} end)");
        let outcome = limits.within(Some(limit), || bench.outcome(&inside));
        assert_eq!(outcome, Err(ScriptError::Stopped(Stop::Timeout(limit))), "{code}");
        assert!(bench.runtime.context.scope.overlay().is_none());
        bench.holds("assert(state.get('k') == nil)");
    }
}

#[test]
fn a_transaction_runs_again_when_others_change_what_it_read() {
    let bench = Bench::new();
    let other = bench.another_store();
    let meddle = bench.runtime.lua.create_function(move |_, key: String| {
        let key = crate::store::Key::new(key).unwrap();
        other.edit(&key, &crate::store::Edit::Increment(crate::store::Number::Integer(1))).unwrap();
        Ok(())
    });
    bench.runtime.lua.globals().raw_set("meddle", meddle.unwrap()).unwrap();
    bench.holds(
        r##"
        local runs = 0
        local seen = state.transaction(function()
          runs = runs + 1
          local before = state.get("k", 0)
          if runs == 1 then meddle("k") end
          state.set("result", before)
          return before
        end)
        assert(runs == 2 and seen == 1 and state.get("result") == 1)
        -- A key that was not there is a part of the range.
        runs = 0
        local count = state.transaction(function()
          runs = runs + 1
          local keys = #state.keys("job:")
          if runs == 1 then meddle("job:new") end
          state.set("jobs", keys)
          return keys
        end)
        assert(runs == 2 and count == 1)
        -- What does not fit together because others wrote in between is no error.
        runs = 0
        state.transaction(function()
          runs = runs + 1
          local a = state.get("pair/a", 0)
          if runs == 1 then meddle("pair/a"); meddle("pair/b") end
          assert(a == state.get("pair/b", 0))
        end)
        assert(runs == 2)
        "##,
    );
    let always = "state.transaction(function() state.get('hot'); meddle('hot'); state.set('cold', 1) end)";
    let error = bench.error(always);
    let expected = "state.transaction(): hot was changed by others 100 times in a row; nothing was changed";
    assert!(error.contains(expected), "{error}");
    bench.holds("assert(state.get('hot') == 100 and state.get('cold') == nil)");
}

#[test]
fn a_write_under_a_lock_is_refused_when_the_lock_is_lost() {
    let bench = Bench::new();
    bench.holds(
        r##"
        local held, token = state.lock("l")
        assert(held == true and type(token) == "number")
        assert(state.set("k", 1, { lock = "l" }) and state.set("k", 2, { lock = "l", token = token, ttl = 60 }))
        local ok, problem = pcall(state.set, "k", 3, { lock = "l", token = token + 7 })
        assert(not ok and problem:find("not held under token " .. token + 7, 1, true), problem)
        assert(problem:find("tester holds it now, under token " .. token, 1, true), problem)
        ok, problem = pcall(state.set, "k", 3, { lock = "other" })
        assert(not ok and problem:find("does not hold lock other: nobody holds it now", 1, true), problem)
        ok, problem = pcall(state.set, "k", 3, { token = 3 })
        assert(not ok and problem:find("token needs lock", 1, true), problem)
        assert(state.get("k") == 2)
        state.transaction(function() state.set("k", 4, { lock = "l" }) end)
        assert(state.get("k") == 4 and state.unlock("l"))
        local taken, second = state.try_lock("l", 5)
        assert(taken and second > token)
        state.unlock("l")
        "##,
    );
    let clock = Arc::clone(&bench.clock);
    let pass = bench.runtime.lua.create_function(move |_, seconds: u64| {
        clock.advance(Duration::from_secs(seconds));
        Ok(())
    });
    bench.runtime.lua.globals().raw_set("pass", pass.unwrap()).unwrap();
    for write in
        ["state.set('k', 5)", "state.increment('k')", "state.transaction(function() state.set('k', 5) end)"]
    {
        let error = bench.error(&format!("state.with_lock('w', function() pass(3600) {write} end)"));
        assert!(
            error.contains("lock w is not held under token") && error.contains("nothing was written"),
            "{error}"
        );
        assert!(error.contains("state.with_lock(\"w\"): the lock was lost: its lease ran out"), "{error}");
        // The fence goes with the lock.
        bench.holds("assert(state.get('k') == 4); state.set('free', 1)");
    }
    bench.holds("state.with_lock('w', function() state.unlock('w'); state.set('free', 2) end)");
}

#[test]
fn a_script_is_told_what_the_engine_cannot_do_together() {
    let bench = Bench::with(Rc::new(PassThrough), &SqliteStore::limited);
    bench.holds(
        r##"
        local function fill(count)
          for i = 1, count do state.set("k" .. i, i) end
        end
        fill(60)
        assert(state.clear("*5") == 6 and state.clear() == 54)
        fill(60)
        assert(state.clear("k*") == 60 and state.clear() == 0)
        local ok, error = pcall(state.transaction, function() fill(25) end)
        assert(not ok and tostring(error):find("25 changes in one transaction", 1, true), error)
        assert(#state.keys() == 0)
        state.transaction(function()
          for _ = 1, 3 do fill(24) end
          for _ = 1, 30 do state.increment("k1") end
        end)
        assert(#state.keys() == 24 and state.get("k1") == 31)
        "##,
    );
}
