//! What an author sees of an error: the message, the source around it, and the calls that led there.

use crate::workflows::Bench;

/// The lines of a run's standard error, without the blanks around them.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

/// Whether `expected` are lines of `found`, one after the other.
fn has_block(found: &str, expected: &[&str]) -> bool {
    lines(found).windows(expected.len()).any(|window| window == expected)
}

#[test]
fn an_error_shows_the_source_and_the_calls() {
    let bench = Bench::new();
    let code = "local function inner(x)\n  local y = x\n  return y.field\nend\n\nlocal function outer()\n  \
                local v = inner(nil)\n  return v\nend\n\ntask('t'):command(function()\n  local r = outer()\n  \
                return r\nend)\n";
    let run =
        bench.run_code(code, &[]).fails(1, &["FAILED", "w.lua:3: attempt to index local 'y' (a nil value)"]);
    let expected = [
        "1 | local function inner(x)",
        "2 |   local y = x",
        "> 3 |   return y.field",
        "4 | end",
        "at w.lua:3 in function inner",
        "called at w.lua:7 in function outer",
        "called at w.lua:12 in the function of line 11",
    ];
    assert!(has_block(&run.stderr, &expected), "{}", run.stderr);
    // The reason stays one line; the recorded source is shown with it.
    let shown = bench.place.done(&["runs", "show", "1"]);
    assert!(has_block(&shown, &expected[..4]), "{shown}");
    let run = bench.run_code(code, &["--json"]);
    let event = run.stdout.lines().find(|line| line.contains("error_details")).unwrap();
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!((&event["task"], &event["place"]), (&"t".into(), &"w.lua:3".into()));
    assert_eq!(event["traceback"][1], "w.lua:7 in function outer");
    assert_eq!(event["source"][2]["text"], "  return y.field");
    assert_eq!(event["source"][2]["is_error"], true);
    bench.place.done(&["replay", "1"]);
}

#[test]
fn every_kind_of_error_has_its_message_and_line() {
    let bench = Bench::new();
    // The body of a command, its message, and the marked line.
    let cases = [
        ("error({code = 1, list = {1, 2}})", "w.lua:2: {code = 1, list = {1, 2}}", 2),
        ("error({message = 'said'})", "said", 2),
        ("error(setmetatable({}, {__tostring = function() return 'own text' end}))", "own text", 2),
        ("error(nil)", "w.lua:2: nil was raised as an error", 2),
        ("error()", "w.lua:2: nil was raised as an error", 2),
        ("error(42)", "w.lua:2: 42", 2),
        ("error(true)", "true", 2),
        ("error('no place', 0)", "no place", 2),
        ("error(print)", "w.lua:2: an error that is a function", 2),
        ("local x\n x()", "w.lua:3: attempt to call local 'x' (a nil value)", 3),
        ("state.with_lock('l', function()\n error('inside')\n end)", "w.lua:3: inside", 3),
        (
            "state.transaction(function()\n local x = 1 + {}\n end)",
            "w.lua:3: attempt to perform arithmetic",
            3,
        ),
        ("state.update('k', function()\n error('in update')\n end)", "w.lua:3: in update", 3),
        (
            "local co = coroutine.wrap(function()\n error('in coroutine')\n end)\n co()",
            "w.lua:3: in coroutine",
            3,
        ),
        ("local ok, e = pcall(function()\n error('first')\n end)\n error(e, 0)", "w.lua:3: first", 3),
        ("assert(loadstring('error(\"deep\")', '=piece'))()", "piece:1: deep", 2),
        ("assert(false, 'asserted')", "asserted", 2),
        ("assert(nil)", "assertion failed!", 2),
        ("local t = tostring()", "w.lua:2: bad argument #1 to 'tostring' (value expected)", 2),
        ("table.foreach({1}, nil)", "w.lua:2: ", 2),
        ("local a = coroutine.resume(5)", "w.lua:2: bad argument #1 to 'resume'", 2),
        ("local k = next({}, 'x')", "invalid key to 'next'", 2),
        ("local f = coroutine.wrap(5)", "w.lua:2: bad argument #1 to 'wrap' (Lua function expected)", 2),
        (
            "table.sort({3, 2, 1}, function(a, b)\n return a.x < b.x\n end)",
            "w.lua:3: attempt to index local 'a'",
            3,
        ),
    ];
    for (body, message, line) in cases {
        let run = bench
            .run_code(&format!("task('t'):command(function()\n {body}\nend)\n"), &[])
            .fails(1, &[message]);
        let marked = format!("> {line} |");
        assert!(lines(&run.stderr).iter().any(|found| found.starts_with(&marked)), "{body}:\n{}", run.stderr);
        for internal in ["[slothstate]", "__mlua", "0x", "stack traceback"] {
            assert!(!run.stderr.contains(internal), "{body}:\n{}", run.stderr);
        }
    }
    for run in bench.place.done(&["runs", "--json", "--limit", "100"]).lines() {
        let run: serde_json::Value = serde_json::from_str(run).unwrap();
        bench.place.done(&["replay", &run["run"].to_string()]);
    }
}

#[test]
fn errors_that_a_script_catches_name_nothing_of_the_runtime() {
    let bench = Bench::new();
    let code = r#"task("t"):command(function()
        local calls = {
          function() tostring() end, function() table.foreach({ 1 }, nil) end, function() coroutine.resume(5) end,
          function() next({}, "x") end, function() pcall() end, function() xpcall() end, function() load(5) end,
          function() loadstring({}) end, function() setmetatable(1, {}) end, function() pairs() end,
          function() table.foreach({ 1 }, function() error("x", 2) end) end, function() state.with_lock() end,
        }
        for index, call in ipairs(calls) do
          local _, problem = pcall(call)
          local _, handled = xpcall(call, function(problem) return problem end)
          for _, text in ipairs({ tostring(problem), tostring(handled) }) do
            assert(not text:find("slothstate]", 1, true) and not text:find("raw_", 1, true), index .. ": " .. text)
          end
        end
      end)"#;
    bench.run_code(code, &[]).succeeds();
}

#[test]
fn hooks_conditions_and_retries_show_where_they_failed() {
    let bench = Bench::new();
    for hook in ["on_start", "on_success"] {
        let code =
            format!("task('t'):command(function() end)\n  :{hook}(function()\n    error('broken')\n  end)");
        let run = bench.run_code(&code, &[]).succeeds().says(&[&format!("{hook}: w.lua:3: broken")]);
        let block = [&format!("2 |   :{hook}(function()")[..], "> 3 |     error('broken')", "4 |   end)"];
        assert!(has_block(&run.stderr, &block), "{}", run.stderr);
    }
    for hook in ["pre_hook", "post_hook", "run_if", "abort_if"] {
        let code =
            format!("task('t'):command(function() end)\n  :{hook}(function()\n    error('broken')\n  end)");
        let run = bench.run_code(&code, &[]).fails(1, &["w.lua:3: broken"]);
        assert!(has_block(&run.stderr, &["> 3 |     error('broken')"]), "{}", run.stderr);
    }
    let code = "task('t'):retries(1, 'fixed', 0.001):command(function()\n  error('again')\nend)\n\
                workflow.define('w', {tasks = {'t'}, on_complete = function()\n  error('at the end')\nend})";
    let run = bench.run_code(code, &[]).fails(1, &["attempt 1 of 2 failed: w.lua:2: again"]);
    let marked = lines(&run.stderr).iter().filter(|line| **line == "> 2 |   error('again')").count();
    assert_eq!(marked, 2, "{}", run.stderr);
    assert!(has_block(&run.stderr, &["> 5 |   error('at the end')"]), "{}", run.stderr);
}

#[test]
fn what_is_wrong_with_a_file_is_shown_in_it() {
    let bench = Bench::new();
    let cases = [
        ("task('a')\n  :command(function(\n  end)\n", "w.lua:3: ", 3),
        ("local x = 1\nlocal y = = 2\nlocal z = 3\n", "w.lua:2: unexpected symbol near '='", 2),
        ("x = 'open\n", "w.lua:1: unfinished string", 1),
        ("local t\nt.x = 1\n", "w.lua:2: attempt to index local 't'", 2),
        ("task('a'):command(function() end)\ntask('a')\n", "w.lua:2: task a is declared twice", 2),
        ("\ntask('a')\n", "w.lua:2: task a has no command", 2),
        ("error({code = 7})\n", "w.lua:1: {code = 7}", 1),
    ];
    for (code, message, line) in cases {
        let run = bench.run_code(code, &[]).fails(2, &[message]);
        let marked = format!("> {line} |");
        assert!(lines(&run.stderr).iter().any(|found| found.starts_with(&marked)), "{code}:\n{}", run.stderr);
    }
    std::fs::write(bench.place.file("part.lua"), "local t\nreturn t.x\n").unwrap();
    let run = bench.run_code("task('a'):command(function() end)", &["--require", "part.lua"]);
    let run = run.fails(2, &["part.lua:2: attempt to index local 't'"]);
    assert!(has_block(&run.stderr, &["1 | local t", "> 2 | return t.x"]), "{}", run.stderr);
}

#[test]
fn endless_recursion_is_an_error_with_a_line() {
    let bench = Bench::new();
    let cases = [
        "local function f() return 1 + f() end\n f()",
        "local function f() pcall(f) error('deep') end\n f()",
        "local t = setmetatable({}, {})\n getmetatable(t).__index = function(t, k) return t[k .. 'x'] end\n return t.x",
        "local function f(s) return (s:gsub('.', f)) end\n f('x')",
    ];
    for body in cases {
        let run =
            bench.run_code(&format!("task('t'):command(function()\n {body}\nend)\n"), &["--timeout", "60s"]);
        let run = run.fails(1, &["FAILED", "w.lua:"]);
        assert!(lines(&run.stderr).iter().any(|line| line.starts_with("> ")), "{body}:\n{}", run.stderr);
        assert!(run.stderr.lines().count() < 60, "{body}:\n{}", run.stderr);
    }
}

#[test]
fn names_that_do_not_exist_have_a_suggestion() {
    let bench = Bench::new();
    let cases = [
        ("state.gett('k')", "w.lua:2: state.gett is unknown: did you mean state.get?"),
        ("state.Set('k', 1)", "state.Set is unknown: did you mean state.set?"),
        ("state.remove('k')", "state.remove is unknown: did you mean state.delete?"),
        ("state.incr('k')", "did you mean state.increment?"),
        ("state.frobnicate()", "state.frobnicate is unknown: there is no such function among the "),
        ("log.warning('x')", "log.warning is unknown: did you mean log.warn?"),
        ("log.inof('x')", "did you mean log.info?"),
        ("log.shout('x')", "log.shout is unknown: there are debug, error, info, warn"),
        ("exec.rn('x')", "did you mean exec.run?"),
        ("exec.shell('x')", "did you mean exec.run?"),
        ("exec.popen('x')", "exec.popen is unknown: there are result, run"),
        ("data.tojson({})", "did you mean data.to_json?"),
        ("statee.get('k')", "attempt to index global 'statee' (a nil value); did you mean state?"),
        ("pritn('x')", "attempt to call global 'pritn' (a nil value); did you mean print?"),
        ("local t = table.unpack({})", "table.unpack came after Lua 5.1, which has unpack(list)"),
        (
            "local t = string.uper('x')",
            "attempt to call field 'uper' (a nil value); did you mean string.upper?",
        ),
        ("file.read('x')", "Sloth Runner's module file is not available here"),
        ("workflow.defin('x')", "workflow.defin is unknown: there is workflow.define"),
        ("require('stat')", "there is no module \"stat\""),
    ];
    for (body, message) in cases {
        bench.run_code(&format!("task('t'):command(function()\n {body}\nend)"), &[]).fails(1, &[message]);
    }
    for (code, message) in [
        ("task('t'):comand(function() end)", "did you mean command?"),
        ("task('t', {comand = function() end})", "did you mean command?"),
        ("task('t'):retry(3)", "did you mean retries?"),
        ("task('t'):command(function() end)\nworkflow.define('w', {tassk = {'t'}})", "did you mean tasks?"),
        ("task('t'):command(function() end):depends_on('x')", "depends on x, which is not declared"),
    ] {
        bench.run_code(code, &[]).fails(2, &[message]);
    }
}

#[test]
fn functions_of_the_language_name_themselves_and_the_line() {
    let bench = Bench::new();
    let cases = [
        ("math.floor(nil)", "bad argument #1 to 'floor' (number expected, got nil)"),
        ("math.random({})", "bad argument #1 to 'random' (number expected, got table)"),
        ("math.random(3, 1)", "bad argument #2 to 'random' (interval is empty)"),
        ("os.date(nil, 'x')", "bad argument #2 to 'date' (number expected, got string)"),
        ("os.time('x')", "bad argument #1 to 'time' (table expected, got string)"),
        ("os.time({year = 2026})", "field 'day' missing in date table"),
        ("string.format('%d', 'x')", "bad argument #2 to 'format' (number expected, got string)"),
        ("string.format('%d')", "bad argument #2 to 'format' (no value)"),
        ("os.getenv()", "bad argument #1 to 'getenv' (string expected, got no value)"),
        ("os.difftime({})", "bad argument #1 to 'difftime' (number expected, got table)"),
    ];
    for (call, message) in cases {
        let code = format!("task('t'):command(function()\n  local x = {call}\nend)");
        let run = bench.run_code(&code, &[]).fails(1, &[&format!("w.lua:2: {message}")]);
        assert!(lines(&run.stderr).contains(&&*format!("> 2 |   local x = {call}")), "{}", run.stderr);
    }
    let code =
        "task('t'):command(function() return true, string.format('%s %s %s %5s', nil, true, {}, 'x') end)";
    bench.run_code(code, &[]).succeeds().says(&["nil true table: 1     x"]);
    for run in bench.place.done(&["runs", "--json", "--limit", "100"]).lines() {
        let run: serde_json::Value = serde_json::from_str(run).unwrap();
        bench.place.done(&["replay", &run["run"].to_string()]);
    }
}
