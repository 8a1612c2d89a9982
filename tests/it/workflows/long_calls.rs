//! Single calls that would run for minutes, of which the task times out as of anything else; and sources that are
//! nested deeply.

use super::Bench;

/// Each never ends by itself, or not within this test.
const LONG: [(&str, &str); 9] = [
    ("find", "string.find(('a'):rep(30000), '.-.-.-.-.-b$')"),
    ("match", "(('a'):rep(30000)):match('(.*)(.*)(.*)(.*)b')"),
    ("gmatch", "for _ in (('a'):rep(30000)):gmatch('.-.-.-.-b') do end"),
    ("gsub", "(('a'):rep(30000)):gsub('.-.-.-.-b', '')"),
    ("gsub with a function", "(('ab'):rep(30000)):gsub('a.-.-.-.-c', function() return 'x' end)"),
    ("optional items", "(('a'):rep(60)):find(('a?'):rep(60) .. ('a'):rep(61))"),
    ("balanced texts", "(('('):rep(100000)):find('%b()%b()')"),
    ("a coroutine", "coroutine.wrap(function() string.find(('a'):rep(30000), '.-.-.-.-.-b$') end)()"),
    ("pcall", "while true do pcall(string.find, ('a'):rep(30000), '.-.-.-.-.-b$') end"),
];

#[test]
fn a_task_in_a_long_call_times_out_is_retried_and_goes_on_the_record() {
    for (name, call) in LONG {
        let bench = Bench::new();
        let code = format!(
            "task('slow'):timeout(0.2):retries(1, 'fixed', 0.01)
              :command(function() local _ = 1; {call} return true end)
              :on_timeout(function(this, params, reason) log.info('on_timeout: ' .. tostring(reason)) end)
            task('after'):command(function() log.info('after') end)",
            call = if call.contains(" do ") { call.to_string() } else { format!("local found = {call}") }
        );
        let run = bench.run_code(&code, &[]);
        let reason = "timed out after 200ms";
        let expected = [
            "attempt 1 of 2",
            "TIMED OUT slow",
            "2 attempts",
            reason,
            "on_timeout: timed out after",
            "1 ok, 1 failed",
        ];
        let run = run.fails(1, &expected);
        assert!(!run.stderr.contains("could not be stopped"), "{name}: {}", run.stderr);
        let replayed = bench.place.done(&["replay", "1"]);
        assert!(replayed.contains("all came to pass again"), "{name}: {replayed}");
    }
}

#[test]
fn a_run_and_a_dry_run_in_a_long_call_end_by_their_limits() {
    let bench = Bench::new();
    let code = "task('slow'):command(function() return ('a'):rep(30000):find('.-.-.-.-.-b$') end)";
    bench.run_code(code, &["--timeout", "0.3"]).fails(1, &["the run timed out after 300ms"]);
    let run = bench.run_code(code, &["--dry-run", "--for", "1s", "--json"]);
    assert!(run.stdout.contains("\"ended_by\":\"time\""), "{}{}", run.stdout, run.stderr);
}

/// What C answers counts as well: a hundred thousand calls of it take long too.
#[test]
fn many_short_matches_are_stopped_too() {
    let bench = Bench::new();
    let code = "task('slow'):timeout(0.2):command(function()
        local text = ('a'):rep(95)
        while true do local found = text:find('.-.-b') end end)";
    bench.run_code(code, &[]).fails(1, &["TIMED OUT slow", "timed out after 200ms"]);
}

/// Calls that are not long by themselves, in loops that would need minutes from one poll to the next.
#[test]
fn loops_of_costly_calls_are_stopped_in_time() {
    let long = "local long = ('x'):rep(5000000)";
    let list = "local list = {} for i = 1, 300000 do list[i] = i end";
    let loops = [
        ("string.rep('', 2^31 - 1) while true do long:rep(4) end", long),
        ("while true do long:upper() end", long),
        ("while true do long:reverse() end", long),
        ("while true do long:find(long:sub(2) .. 'y', 1, true) end", long),
        ("while true do table.insert(list, 1, 0) table.remove(list, 1) end", list),
        ("while true do table.maxn(list) end", list),
        ("while true do table.sort(list) end", list),
        ("while true do table.concat(list) end", list),
        ("while true do data.to_json(list) end", list),
        ("while true do state.set('k', long) end", long),
        ("state.set('k', long) while true do state.get('k') end", long),
        ("local source = ('x=1 '):rep(500000) while true do loadstring(source) end", ""),
        (
            "local keys = {} for i = 1, 50000 do keys[{}] = i end while true do for _ in pairs(keys) do break end end",
            "",
        ),
    ];
    for (body, before) in loops {
        let bench = Bench::new();
        let code = format!("task('slow'):timeout(0.3):command(function() {before} {body} end)");
        let run = bench.run_code(&code, &[]);
        assert!(
            run.stderr.contains("TIMED OUT slow") && run.stderr.contains("timed out after 300ms"),
            "{body}: {}",
            run.stderr
        );
        let replayed = bench.place.done(&["replay", "1"]);
        assert!(replayed.contains("came to pass again"), "{body}: {replayed}");
    }
}

#[test]
fn a_deeply_nested_file_is_an_error_with_its_line_or_runs() {
    let bench = Bench::new();
    let forms = [
        ("return @", "(@)"),
        ("return @", "{@}"),
        ("return @", "function() return @ end"),
        ("return @", "not @"),
        ("return @", "state.get(@) or nil"),
        ("return @", "x .. @"),
        ("@", "if x then @ end"),
        ("@", "function f() @ end"),
        ("@", "do @ end"),
    ];
    for (outer, form) in forms {
        let (before, after) = form.split_once('@').unwrap();
        for depth in [50, 190, 250, 50_000] {
            let innermost = if outer == "@" { "" } else { "'x'" };
            let nested = format!("{}{innermost}{}", before.repeat(depth), after.repeat(depth));
            let code = format!(
                "task('t'):command(function() return true end)\nlocal function f()\n{}\nend",
                outer.replace('@', &nested)
            );
            let run = bench.run_code(&code, &[]);
            match run.code {
                Some(0) => assert!(depth < 200, "{form} {depth}"),
                _ => drop(run.fails(2, &["w.lua:3: "])),
            }
        }
    }
}
