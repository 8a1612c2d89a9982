//! What scripts can make the program hold: each bomb under each limit, with the memory that the process really took.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

use crate::support::files::{Place, thorough};

/// How much more than its limit a run may take, in megabytes: the program itself, SQLite, and the copies that a single
/// call makes.
const BESIDES: u64 = 96;
/// The limits, in megabytes, and those of the long rounds.
const LIMITS: [u64; 1] = [32];
const FULL_LIMITS: [u64; 2] = [16, 128];

/// A table that writes out to 2^60 values.
const SHARED: &str = "local t = {'x'} for i = 1, 60 do t = {t, t} end ";

/// Bodies of a task that needs more memory than it may have, and what the run says.
fn bombs() -> Vec<(&'static str, String, &'static str)> {
    let shared = |code: &str| format!("{SHARED}{code}");
    let memory = "more memory than it may have";
    let fit = "does not fit in the memory that the run may have";
    let mut bombs = vec![
        ("lua", "local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end".into(), memory),
        (
            "transaction",
            "state.transaction(function() for i = 1, 3000 do state.set('k' .. i, ('x'):rep(1000000)) end end)".into(),
            memory,
        ),
        (
            "one key in a transaction",
            "state.transaction(function() for i = 1, 3000 do state.set('k', i .. ('x'):rep(1000000)) end end)".into(),
            memory,
        ),
        (
            "many small writes",
            "state.transaction(function() for i = 1, 3000000 do state.set('k' .. i, i) end end)".into(),
            memory,
        ),
        (
            "reads in a transaction",
            "for i = 1, 250 do state.set('k' .. i, ('x'):rep(1000000)) end \
             state.transaction(function() for i = 1, 250 do state.get('k' .. i) end end)"
                .into(),
            memory,
        ),
        ("shared tables stored", shared("state.set('k', t)"), fit),
        ("shared tables pushed", shared("state.list_push('k', t)"), fit),
        ("shared tables compared", shared("state.changed('k', t) state.compare_swap('k', t, 1)"), fit),
        ("shared tables returned to a call", shared("state.update('k', function() return t end)"), fit),
        ("shared tables as JSON", shared("assert(data.to_json(t))"), fit),
        ("a line of many texts", "local s = ('x'):rep(4000000) print(unpack((function() local t = {} for i = 1, 5000 do t[i] = s end return t end)()))".into(), memory),
        ("keys of many megabytes", "local n = 0 while true do n = n + 1 state.exists(n .. ('x'):rep(1000000)) if n > 100 then error('more memory than it may have') end end".into(), memory),
    ];
    // What the program does not hold ends well.
    for (name, code) in [
        ("shared tables as an argument", "pcall(state.get, t) pcall(state.get, 'k', t) return true"),
        ("shared tables as an error", "pcall(error, t) return true"),
        ("shared tables in a transaction", "state.transaction(function() return t end) return true"),
        ("shared tables as outputs", "return true, 'fine', {t = t}"),
        ("shared tables printed", "print(t, {t}) return true"),
    ] {
        bombs.push((name, shared(code), ""));
    }
    for (name, code) in [
        ("large lines", "for i = 1, 100 do print(('x'):rep(1000000)) end return true"),
        (
            "large values one by one",
            "for i = 1, 100 do state.set('k', i .. ('x'):rep(1000000)) end return true",
        ),
        ("output of commands", "for i = 1, 20 do exec.run('head -c 1000000 /dev/zero') end return true"),
    ] {
        bombs.push((name, code.into(), ""));
    }
    bombs
}

/// The outcome of a run, and the most memory that it took, in megabytes.
fn measured(mut command: Command) -> (Option<i32>, u64, String) {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut errors = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut errors, &mut text).unwrap();
        // Lines of the script may be large.
        let lines = text.split(|byte| *byte == b'\n').filter(|line| line.len() < 10_000);
        lines.map(|line| String::from_utf8_lossy(line).into_owned() + "\n").collect::<String>()
    });
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status)
            && let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:"))
        {
            most = most.max(line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10);
        }
        if let Some(ended) = child.try_wait().unwrap() {
            return (ended.code(), most, reader.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The program in a shell that bounds it, so that a bomb that goes off harms nothing else.
fn bounded(place: &Place, arguments: &[&str]) -> Command {
    let plain = place.command(arguments);
    let mut command = Command::new("sh");
    command.arg("-c").arg("ulimit -v 3000000; ulimit -t 120; exec \"$0\" \"$@\"");
    command.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(place.folder());
    command
}

#[test]
fn no_bomb_takes_more_than_its_limit_and_a_constant() {
    let limits = if thorough() { &FULL_LIMITS[..] } else { &LIMITS[..] };
    for (name, body, words) in bombs() {
        for limit in limits {
            let place = Place::on_file();
            let file = place.file("w.lua");
            let code = format!(
                "task('bomb'):command(function()\n{body}\nend)\ntask('after'):command(function() state.set('after', 1) end)\n"
            );
            std::fs::write(&file, code).unwrap();
            let (file, memory) = (file.to_str().unwrap(), limit.to_string());
            let (code, most, said) = measured(bounded(&place, &["run", file, "--memory", &memory]));
            println!("{name:<40} {limit:>4} MB: {most:>4} MB");
            assert!(most <= limit + BESIDES, "{name}: {most} MB of {limit}");
            let expected = if words.is_empty() { 0 } else { 1 };
            assert_eq!(code, Some(expected), "{name} {limit}: {said}");
            assert!(said.contains(words), "{name} {limit}: {said}");
            assert_eq!(place.done(&["get", "after"]).trim(), "1", "{name} {limit}");
            let run: Json = place.json(&["runs", "--json"]);
            assert_eq!(run["status"], if words.is_empty() { "done" } else { "failed" }, "{name}: {run}");
            let (code, most, said) = measured(bounded(&place, &["replay", "1"]));
            println!("{:<40} {limit:>4} MB: {most:>4} MB", format!("  its replay, {code:?}"));
            assert!(most <= limit + BESIDES, "replay of {name}: {most} MB of {limit}");
            assert!(code == Some(0) || code == Some(1), "replay of {name}: {code:?} {said}");
        }
    }
}
