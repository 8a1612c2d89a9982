//! Workflows that try hard to differ between a run and its replay, each replayed five times in another zone,
//! locale, folder and environment.

use crate::support::files::{self, Place};

/// What a script does, in lines; `at` is a function that keeps what it is given in the log.
const BODIES: [&str; 26] = [
    "local s = {} for i = 1, 9 do s[{}] = i end for _, v in pairs(s) do at(v) end",
    "local s, n = {}, {} for i = 1, 30 do local o = {} s[o] = true n[o] = i end for o in pairs(s) do at(n[o]) end",
    "local s, n = {}, {} for i = 1, 20 do local o = function() return i end s[o] = true n[o] = i end
     for o in pairs(s) do at(n[o], o()) end",
    "local s, n = {}, {} for i = 1, 20 do local o = coroutine.create(function() coroutine.yield(i) end) s[o] = i n[i] = o end
     for o in pairs(s) do at(coroutine.resume(o)) end",
    "local s = { [print] = 1, [pairs] = 2, [state.get] = 3, [math.floor] = 4, [at] = 5, [_G] = 6 }
     for _, v in pairs(s) do at(v) end at(next(s) ~= nil)",
    "local t = {} for i = 1, 25 do t[{ i }] = i t['k' .. i] = i end
     for k in pairs(t) do if type(k) == 'table' then t[k] = nil end end
     for i = 26, 70 do t['k' .. i] = i end for k, v in pairs(t) do at(k, v) end",
    "local t = {} for i = 1, 40 do t[{}] = i end collectgarbage() while next(t) do local k = next(t) at(t[k]) t[k] = nil end",
    "local a, b = {}, {} a[b], b[a], a[a] = 1, 2, 3 for k, v in pairs(a) do at(k == a, v) end at(tostring(a), tostring(b))",
    "local w = setmetatable({}, { __mode = 'v' }) for i = 1, 50 do w[i] = {} end collectgarbage('collect') at(#w)",
    "local w = setmetatable({}, { __mode = 'k' }) for i = 1, 50 do w[{}] = i end for i = 1, 2000 do local _ = { i } end
     collectgarbage() local n = 0 for _ in pairs(w) do n = n + 1 end at(n)",
    "at(collectgarbage('count') > 0, collectgarbage('step'), collectgarbage()) local t = {} for i = 1, 20000 do t = { t[1] } end
     collectgarbage() at(collectgarbage('count'))",
    "at(pcall(error, {})) at(pcall(error, print)) at(pcall(error, coroutine.create(function() end))) at(pcall(error))",
    "at(pcall(function() local x = nil; return x.y end)) at(pcall(function() return {} .. 'a' end)) at(pcall(function() return {} < {} end))",
    "at(pcall(function() return state[{}] end)) at(pcall(state.set, {}, 1)) at(pcall(state.set, 'k', { [{}] = 1 }))
     at(pcall(exec.run, 'true', { [print] = 1 }))",
    "at(tostring({}), tostring(print), tostring(coroutine.create(function() end)), tostring(state)) print({}, at)",
    "local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end at(f(150)) at(pcall(function() local function g() return g() + 1 end return g() end))",
    "local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(state.increment('n'), os.time()) end end)
     at(co()) at(co()) at(co())",
    "local co = coroutine.create(function() state.set('c', { 1 }) error({ code = 3 }) end)
     local ok, e = coroutine.resume(co) at(ok, type(e), coroutine.status(co), pcall(coroutine.resume, nil))",
    "at(os.time(), os.date('%c'), os.date('!%H:%M'), os.date('*t').hour, os.clock() >= 0)",
    "at(math.random(), math.random(1000), math.random(-5, 5)) math.randomseed(os.time()) at(math.random(1e6))",
    "at(os.getenv('HOME'), os.getenv('STAGE'), os.getenv('HOSTNAME'), os.getenv('TZ'), os.getenv('LANG'))",
    "local r = exec.run('echo $$; date +%N; pwd') at(r.stdout, r.success) at(select(2, exec.run('exit 3')))",
    "local o = exec.result('printf %s $PPID', { env = { A = tostring(math.random(9)) } }) at(o.stdout, o.exit_code)",
    "state.set('t', { z = 1, a = { b = { 'x', 'y' } }, [tostring({})] = true }) for k, v in pairs(state.get('t')) do at(k, type(v)) end
     at(#state.keys(), state.get('none', { d = 1 }).d)",
    "local s = {} for _, k in ipairs({ 'b', 'a', 'c' }) do s[k] = state.get('t', {}) end s[s] = 1 s[s.a] = 2
     for k, v in pairs(s) do at(type(k), type(v)) end",
    "sleep(0.001) at(state.wait('never', function(v) return v end, 0.01)) at(state.try_lock('m', 5)) at(state.unlock('m'), state.rate_limit('r', 2, 9))",
];

/// Where it does so.
const FRAMES: [&str; 8] = [
    "do BODY end",
    "at(pcall(function() BODY end))",
    "local co = coroutine.wrap(function() BODY end) co()",
    "at(state.transaction(function() local at = at if not state.get('in') then state.set('in', 1) end return 7 end)) do BODY end",
    "at(pcall(state.with_lock, 'frame', function() BODY return 1 end))",
    "at(state.update('u', function(v) at(v) return (v or 0) + math.random(9) end)) do BODY end",
    "for round = 1, 2 do BODY end",
    "local f = loadstring('local at = ... ' .. [==[ BODY ]==]) f(at)",
];

fn source(body: &str, frame: &str) -> String {
    let frame = frame.replace("BODY", body);
    format!(
        "local function at(...)
           local shown = {{}}
           for i = 1, select('#', ...) do shown[i] = tostring((select(i, ...))) end
           log.info(table.concat(shown, ' '))
         end
         local tries = 0
         task('t'):retries(1, 'fixed', 0.001):command(function()
           tries = tries + 1
           {frame}
           if tries < 2 then return false, {{}} end
           return true, 'done', {{ when = os.time(), tries = tries }}
         end):on_success(function(params, outputs) at(outputs.when, outputs.tries) end)
         task('after'):depends_on('t'):command(function(params, deps) at(deps.t.when) return true end)"
    )
}

#[test]
fn whatever_a_workflow_does_is_the_same_in_its_replay() {
    let is_full = std::env::var_os("SLOTHSTATE_TEST_FULL").is_some();
    let all = BODIES.iter().flat_map(|body| FRAMES.iter().map(move |frame| (body, frame)));
    let (every, replays) = if is_full { (1, 5) } else { (9, 1) };
    let place = Place::new();
    let mut run = 0;
    for (body, frame) in all.step_by(every) {
        let file = place.file("w.lua");
        let source = source(body, frame);
        std::fs::write(&file, &source).unwrap();
        run += 1;
        let ran = place.run(&["run", file.to_str().unwrap()]);
        assert!(matches!(ran.code, Some(0 | 1)), "{source}\n{ran:?}");
        for part in [&ran.out[..], ran.err.as_bytes()] {
            assert!(!String::from_utf8_lossy(part).contains(": 0x"), "an address: {source}\n{ran:?}");
        }
        for round in 0..replays {
            let replayed = elsewhere(&place, run, round);
            assert_eq!(replayed["replay"], "same", "{source}\n{replayed}");
            assert!(replayed["records"].as_u64().unwrap() > 5, "{replayed}");
        }
    }
    if is_full {
        assert!(run >= 200, "{run}");
    }
}

/// A replay in another zone, locale, folder and environment.
fn elsewhere(place: &Place, run: u32, round: usize) -> serde_json::Value {
    const ZONES: [&str; 5] = ["Pacific/Auckland", "UTC", "America/St_Johns", "Asia/Kolkata", "Europe/Berlin"];
    const LOCALES: [&str; 5] = ["tr_TR.UTF-8", "C", "de_DE.UTF-8", "ja_JP.UTF-8", "ar_EG.UTF-8"];
    let mut command = place.command(&["replay", &run.to_string(), "--json"]);
    command.env_clear().env("TZ", ZONES[round]).env("LANG", LOCALES[round]).env("LC_ALL", LOCALES[round]);
    command.env("HOSTNAME", format!("host-{round}")).env("STAGE", "elsewhere");
    // The length of the environment moves the addresses on the stack.
    command.env("PADDING", "x".repeat(round * 1234));
    command.current_dir(["/", "/tmp", "/usr", "/var", "/etc"][round]);
    let answer = files::answer(command);
    files::object(&String::from_utf8_lossy(&answer.out))
}
