//! The workflows that trials are compared on.

/// A workflow, the state that it begins with, and what is changed in trials of it.
pub struct TrialWorkflow {
    pub name: &'static str,
    /// Commands of the program, their words separated by spaces.
    pub setup: &'static [&'static str],
    /// `key=value` with options of `set`, or `!key` for no such entry.
    pub changes: &'static [&'static str],
    /// For every run of it.
    pub stubs: &'static [&'static str],
    /// The body of a task; with `task(` in it the whole source.
    source: &'static str,
}

/// `at` notes what it gets in the log and in the state, `say` only in the log.
const HELPERS: &str = "
local function line(...)
  local shown = {}
  for i = 1, select('#', ...) do shown[i] = tostring((select(i, ...))) end
  return table.concat(shown, ' ')
end
local function say(...) log.info(line(...)) end
local function at(...) say(...) state.append('out', line(...) .. ';') end
local function flat(t)
  if type(t) ~= 'table' then return tostring(t) end
  local parts = {}
  for key, value in pairs(t) do parts[#parts + 1] = tostring(key) .. '=' .. flat(value) end
  table.sort(parts)
  return '{' .. table.concat(parts, ',') .. '}'
end
local function past(key, n)
  local parts = {}
  for i, change in ipairs(state.history(key, n)) do
    parts[i] = change.operation .. ':' .. flat(change.old) .. '>' .. flat(change.new) .. '@' .. tostring(change.version)
      .. '/' .. tostring(change.task)
  end
  return #parts .. ' ' .. table.concat(parts, ' ')
end
";

impl TrialWorkflow {
    pub fn lua(&self) -> String {
        match self.source.contains("task(") || self.source.contains("workflow.define") {
            true => format!("{HELPERS}{}", self.source),
            false => {
                format!("{HELPERS}task('t'):command(function(params)\n{}\nreturn true\nend)", self.source)
            }
        }
    }
}

const fn of(
    name: &'static str,
    setup: &'static [&'static str],
    changes: &'static [&'static str],
    source: &'static str,
) -> TrialWorkflow {
    TrialWorkflow { name, setup, changes, stubs: &[], source }
}

const fn with_commands(
    name: &'static str,
    setup: &'static [&'static str],
    changes: &'static [&'static str],
    stubs: &'static [&'static str],
    source: &'static str,
) -> TrialWorkflow {
    TrialWorkflow { name, setup, changes, stubs, source }
}

const NUMBER: &[&str] = &["set k 5"];
const FLAG: &[&str] = &["set k true --type boolean"];
const TEXT: &[&str] = &["set k old --type string"];
const LIST: &[&str] = &["set k [1,2,3]"];
const TABLE: &[&str] = &[r#"set k {"a":1,"b":{"c":[1,2]}}"#];
const MANY: &[&str] = &["set k 5", "set app:a 1", "set app:b 2", "set app:c x --type string", "set other 9"];
const NUMBERS: &[&str] = &["k=6", "k=0", "k=-3", "!k"];
const FLAGS: &[&str] = &["k=false", "!k"];

pub const WORKFLOWS: &[TrialWorkflow] = &[
    // Reads.
    of("get", NUMBER, NUMBERS, "at(state.get('k')) at(state.get('none')) at(state.get('none', 7))"),
    of("get with a default", NUMBER, NUMBERS, "at(state.get('k', 1)) at(state.get('k', 'text')) at(state.get('k', true))"),
    of("get untyped", &["set k yes", "set n 007"], &["k=no", "n=7"], "at(state.get('k')) at(state.get('n', 1)) at(state.get('n'))"),
    of("get as a condition", FLAG, FLAGS, "if state.get('k') then at('on') else at('off') end at(not state.get('k'))"),
    of("get compared", TEXT, &["k=new", "!k"], "at(state.get('k') == 'old', state.get('k') ~= 'new') at(state.get('k') or 'none')"),
    of("default table", NUMBER, NUMBERS, "local t = { 1 } local got = state.get('none', t) at(got == t) got[2] = 2 at(#t)
        local other = state.get('k', t) at(other == t)"),
    of("exists", NUMBER, &["!k"], "at(state.exists('k'), state.has('k'), state.exists('none')) state.delete('k') at(state.exists('k'))"),
    of("keys", MANY, &["app:d=4", "!app:a"], "at(table.concat(state.keys('app:*'), ',')) at(#state.keys()) state.set('app:z', 1) at(#state.keys('app:'))"),
    of("list", MANY, &["app:d=4", "!app:a", "app:b=20"], "local s = 0 for key, v in pairs(state.list('app:')) do s = s + #key + #tostring(v) end at(s)
        at(flat(state.get_all('app:*')))"),
    of("order of an answer", MANY, &["app:d=4"], "for key, v in pairs(state.list()) do at(key, v) end"),
    of("changed", NUMBER, NUMBERS, "at(state.changed('k', 5), state.changed('k', 6), state.changed('none', 1))"),
    of("table", TABLE, &[r#"k={"a":2}"#, "!k"], "local t = state.get('k', {}) at(flat(t)) t.a = (t.a or 0) + 1 state.set('copy', t) at(flat(state.get('copy')))"),
    of("exact table", &[r#"set k {"n":12345678901234567890,"a":1}"#], &[r#"k={"n":1.10}"#], "local t = state.get('k') state.set('copy', t) at(state.changed('copy', t))"),
    of("long integer", &["set k 9007199254740993"], &["k=1"], "at(pcall(state.get, 'k')) at(state.get('k', '')) at(state.increment('k'))"),
    // Writes.
    of("set", NUMBER, NUMBERS, "state.set('k', state.get('k', 0) * 2) at(state.get('k')) state.set('new', { 1, 2 }) state.set('text', 'x')"),
    of("set with ttl", NUMBER, NUMBERS, "state.set('k', 1, 60) state.set_with_ttl('l', 2, 600) state.set('m', 3, { ttl = 30 }) at(state.get_ttl('k') > 50, state.get_ttl('none'))"),
    of("set if version", NUMBER, &["k=6", "!k"], "at(state.set('k', 1, { if_version = 1 })) at(state.set('k', 2, { if_version = 1 })) at(state.set('new', 1, { if_version = 0 })) at(state.set('new', 2, { if_version = 0 }))"),
    of("set bad", NUMBER, NUMBERS, "at(pcall(state.set, 'k', print)) at(pcall(state.set, '', 1)) at(pcall(state.set, 'k', { [{}] = 1 })) at(pcall(state.set))"),
    of("delete", NUMBER, &["!k"], "at(state.delete('k')) at(state.delete('k')) at(state.delete('none')) at(state.get('k'))"),
    of("clear", MANY, &["app:d=4", "!app:a"], "at(state.clear('app:*')) at(#state.keys()) at(state.clear('app:*'))"),
    of("clear all", MANY, &["more=1"], "at(state.clear()) at(#state.keys())"),
    of("increment", NUMBER, NUMBERS, "at(state.increment('k')) at(state.increment('k', 2.5)) at(state.decrement('k', 10)) at(state.atomic_increment('n'))"),
    of("increment text", &["set k word --type string"], &["k=5"], "at(pcall(state.increment, 'k')) at(state.get('k'))"),
    of("increment at its limit", &["set k 9223372036854775807"], &["k=1"], "at(pcall(state.increment, 'k')) at(state.get('k', ''))"),
    of("append", TEXT, &["k=new", "!k"], "at(state.append('k', '!')) state.append('k', '?') at(state.get('k'))"),
    of("compare and swap", NUMBER, NUMBERS, "at(state.compare_swap('k', 5, 50)) at(state.compare_swap('k', 5, 51)) at(state.compare_and_swap('none', nil, 1)) at(state.get('k'))"),
    of("compare and swap tables", LIST, &["k=[1]"], "at(state.compare_swap('k', { 1, 2, 3 }, { 4 })) at(flat(state.get('k')))"),
    of("update", NUMBER, NUMBERS, "at(state.update('k', function(v) say('was', v) return (v or 0) + 1 end)) at(state.atomic_update('n', function(v) return { v or 'none' } end)) at(flat(state.get('n')))"),
    of("update raises", NUMBER, NUMBERS, "at(pcall(state.update, 'k', function(v) if v and v > 4 then error('too much: ' .. v, 0) end return 1 end)) at(state.get('k'))"),
    of("update to nil", NUMBER, NUMBERS, "at(pcall(state.update, 'k', function(v) if v == 5 then return nil end return v end)) at(state.exists('k'))"),
    of("update reads others", MANY, &["k=6", "app:a=10"], "at(state.update('k', function(v) return (v or 0) + state.get('app:a', 0) end))"),
    of("lists", LIST, &["k=[]", "k=[9]", "!k"], "at(state.list_length('k')) state.list_push('k', 'x') at(flat(state.list_pop('k'))) at(flat(state.list_pop('k'))) at(state.list_length('k')) at(flat(state.list_pop('none')))"),
    of("list of tables", &[r#"set k [{"id":1},{"id":2}]"#], &[r#"k=[{"id":7}]"#], "local job = state.list_pop('k') at(flat(job)) state.list_push('done', job) at(state.list_length('k'), state.list_length('done'))"),
    of("list of text", TEXT, &["k=new"], "at(pcall(state.list_push, 'k', 1)) at(pcall(state.list_pop, 'k'))"),
    of("drain", LIST, &["k=[5,6,7,8]", "k=[]"], "local n = 0 while state.list_length('k') > 0 do n = n + state.list_pop('k') state.increment('popped') end at(n)"),
    // Expiry.
    of("ttl", &["set k 5 --ttl 1h"], &["k=6 --ttl 1h", "!k"], "at(state.get_ttl('k') > 3000, state.ttl('k') <= 3600) at(state.set_ttl('k', 60)) at(state.get_ttl('k') <= 60) at(state.persist('k')) at(state.get_ttl('k')) at(state.persist('k'), state.persist('none'))"),
    of("expires in the run", NUMBER, NUMBERS, "state.set('k', 1, 0.05) sleep(0.2) at(state.get('k')) at(state.exists('k'), #state.keys('k')) state.set('k', 2) at(state.get('k'))"),
    of("increment keeps the expiry", &["set k 5 --ttl 1h"], &["k=6 --ttl 1h"], "state.increment('k') at(state.get_ttl('k') > 0) state.set('k', 1) at(state.get_ttl('k'))"),
    of("expired and counted", NUMBER, NUMBERS, "state.set('n', 5, 0.05) sleep(0.2) at(state.increment('n')) at(state.get_ttl('n'))"),
    of("bad ttl", NUMBER, NUMBERS, "at(pcall(state.set, 'k', 1, -1)) at(pcall(state.set, 'k', 1, 'x')) at(state.get('k'))"),
    // History and figures.
    of("history", NUMBER, &["other=1"], "at(past('k')) state.set('k', 6) at(past('k')) state.increment('k') state.delete('k') at(past('k')) at(past('none'))"),
    of("history of a changed key", NUMBER, &["k=6"], "state.set('k', state.get('k') + 1) at(#state.history('k') >= 2, state.history('k', 1)[1].old, state.history('k', 1)[1].new)"),
    of("history with a limit", &["set k 1", "set k 2", "set k 3"], &["other=1"], "at(past('k', 2)) for i = 1, 12 do state.set('k', i * 10) end at(past('k')) at(past('k', 14)) at(past('k', 100)) at(pcall(state.history, 'k', 0))"),
    of("history of every operation", LIST, &["other=1"], "state.list_push('k', 4) state.list_pop('k') state.set_ttl('k', 60) state.persist('k') at(past('k', 9))
        state.append('s', 'x') state.append('s', 'y') at(past('s')) state.update('u', function() return 1 end) state.compare_swap('u', 1, 2) at(past('u'))
        state.decrement('u', 3) state.clear('u') at(past('u'))"),
    of("history in a transaction", NUMBER, NUMBERS, "state.set('k', 1) state.transaction(function() state.set('k', 2) state.set('k', 3) say(past('k', 1)) end) at(past('k', 2)) pcall(state.transaction, function() state.set('k', 9) error('no') end) at(past('k', 2))"),
    of("history decides", &["set k 1", "set k 2"], &["other=1"], "if #state.history('k') >= 3 then at('often') else state.set('k', 3) end if state.history('k', 1)[1].new == 3 then at('three') end"),
    of("history of expiry", NUMBER, NUMBERS, "state.set('e', 1, 0.05) sleep(0.2) state.set('e', 2) at(past('e'))"),
    of("revisions grow", NUMBER, NUMBERS, "state.set('k', 1) local a = state.history('k', 1)[1].revision state.set('k', 2) local b = state.history('k', 1)[1].revision at(b == a + 1, state.stats().revision >= b)
        at(state.history('k', 1)[1].time <= os.time() + 1)"),
    of("stats", MANY, &["app:a=3", "!app:b", "new=1"], "local s = state.stats() at(s.entries, s.total_keys, s.expiring, s.locks, s.active_locks, s.expired_keys)
        state.set('fresh', 1, 60) state.delete('k') s = state.stats() at(s.entries, s.expiring, s.engine)"),
    of("stats of changes", NUMBER, &["other=1"], "local a = state.stats() state.set('k', 1) state.set('k', 2) state.delete('k') local b = state.stats() at(b.history - a.history, b.revision - a.revision, b.entries - a.entries)"),
    of("stats of locks", NUMBER, NUMBERS, "local a = state.stats() state.lock('m') local b = state.stats() at(b.locks - a.locks, b.active_locks, b.history - a.history) state.unlock('m') at(state.stats().locks, state.stats().history - a.history)"),
    of("order of figures", NUMBER, NUMBERS, "local names = {} for name in pairs(state.stats()) do names[#names + 1] = name end at(table.concat(names, ','))"),
    // Transactions.
    of("transaction", MANY, &["k=50", "app:a=7"], "at(state.transaction(function() local v = state.get('k', 0) if v < 10 then state.set('k', v + 100) end state.increment('app:a', v) return v, 'done' end)) at(state.get('k'), state.get('app:a'))"),
    of("transaction fails", MANY, &["k=50"], "at(pcall(state.transaction, function() state.set('k', 1) state.delete('app:a') if state.get('other') == 9 then error('no', 0) end end)) at(state.get('k'), state.get('app:a'))"),
    of("transaction fails by value", NUMBER, NUMBERS, "at(pcall(state.transaction, function() local v = state.get('k', 0) state.set('k', v - 4) if v - 4 < 0 then error('not enough', 0) end return v end)) at(state.get('k'))"),
    of("nested transaction", NUMBER, NUMBERS, "at(state.transaction(function() state.increment('k') local inner = state.transaction(function() return state.increment('k') end) return inner end))"),
    of("transaction with a scan", MANY, &["app:d=4"], "at(state.transaction(function() local n = 0 for _, key in ipairs(state.keys('app:*')) do n = n + 1 state.delete(key) end state.set('gone', n) return n end)) at(#state.keys())"),
    of("transaction raises a table", NUMBER, NUMBERS, "local ok, e = pcall(state.transaction, function() error({ code = state.get('k', 0) }) end) at(ok, type(e), e.code)"),
    of("transaction with a clear", MANY, &["app:d=4"], "state.transaction(function() state.clear('app:*') state.set('app:a', 'again') end) at(table.concat(state.keys('app:*'), ',')) at(past('app:a', 3))"),
    of("transaction with edits", MANY, &["app:a=100", "k=7"], "state.transaction(function() if state.get('app:a') > 0 then state.increment('app:a', 5) state.append('app:c', 'y') state.list_push('l', 1) state.list_push('l', 2) end end)
        at(past('app:a'), past('app:c')) at(past('l'))"),
    with_commands("command in a transaction", NUMBER, NUMBERS, &["a=b"], "at(pcall(state.transaction, function() state.set('k', 1) return exec.run('a') end)) at(pcall(exec.run, 'a', { timeout = -1 })) at(pcall(exec.run)) at(state.get('k'))"),
    // Locks.
    of("lock", NUMBER, NUMBERS, "at((state.lock('m'))) at((state.try_lock('m'))) at((state.is_locked('m'))) at(state.unlock('m')) at(state.unlock('m')) at((state.is_locked('m')))"),
    of("with_lock", NUMBER, NUMBERS, "at(state.with_lock('m', function() state.increment('k') return state.get('k'), state.is_locked('m') and 'held' end)) at((state.is_locked('m')))"),
    of("with_lock raises", NUMBER, NUMBERS, "at(pcall(state.with_lock, 'm', function() if (state.get('k') or 0) > 4 then error('bad', 0) end return 'good' end)) at((state.is_locked('m')))"),
    of("lock guards a set", NUMBER, NUMBERS, "at(pcall(state.set, 'k', 1, { lock = 'm' })) state.lock('m') at(state.set('k', 1, { lock = 'm' })) state.unlock('m')"),
    of("try_lock twice", FLAG, FLAGS, "local a, b = state.try_lock('m', 30), state.try_lock('n', 30) at(a, b) if state.get('k') then state.unlock('m') end at((state.is_locked('m')), (state.is_locked('n')))"),
    of("nested locks", NUMBER, NUMBERS, "at(state.with_lock('a', function() return state.with_lock('b', function() state.set('k', 1) return 'both' end) end))"),
    of("wait for a lock in vain", NUMBER, NUMBERS, "state.lock('m') at((state.lock('m', nil, 0.05))) at(state.get('k'))"),
    // Waits and rates.
    of("wait", NUMBER, &["k=6"], "at(state.wait('k', 5, 0.05)) at(state.wait('k', function(v) return v and v > 5 end, 0.05)) at(state.wait('none', 1, 0.05))"),
    of("wait for a table", LIST, &["k=[1]"], "local v, why = state.wait('k', { 1, 2, 3 }, 0.05) at(flat(v), why)"),
    of("wait after a set", FLAG, FLAGS, "state.set('ready', state.get('k', false)) at(state.wait('ready', true, 0.05))"),
    of("rate limit", NUMBER, NUMBERS, "for i = 1, 4 do local ok, left = state.rate_limit('r', state.get('k') or 2, 60) at(ok, left) end"),
    of("rate limit over", NUMBER, &["k=2", "k=1"], "local n = 0 while state.rate_limit('r', state.get('k'), 60) do n = n + 1 end at(n)"),
    of("worker until a flag", &["set k 0"], &["k=2", "k=-2"], "while state.get('k') < 3 do state.increment('k') state.increment('rounds') sleep(0.001) end at(state.get('rounds'))"),
    // Commands.
    with_commands("command", NUMBER, NUMBERS, &["deploy *=fine"], "local ok, out = exec.run('deploy ' .. tostring(state.get('k'))) at(ok, out) state.set('deployed', out)"),
    with_commands("command as a table", NUMBER, NUMBERS, &["get *=one"], "local r = exec.result('get it') at(r.success, r.stdout, r.stderr, r.exit_code) if state.get('k') == 6 then at(exec.run('get more').stdout) end"),
    with_commands("command by value", FLAG, FLAGS, &["big=1", "small=2"], "local _, out = exec.run(state.get('k') and 'big' or 'small') at(out) state.set('size', tonumber(out))"),
    of("command that succeeds", FLAG, FLAGS, "if state.get('k') then at(exec.run('true')) end at(exec.run(':'))"),
    with_commands("command of a task", FLAG, FLAGS, &["make *=built"], "task('a'):command('make it')
        task('b'):depends_on('a'):run_if(function() return state.get('k', false) end):command(function(params, deps) at(deps.a.stdout, deps.a.success) return true end)"),
    with_commands("commands in a loop", LIST, &["k=[4]", "k=[]"], &["echo *=x"], "for i, n in ipairs(state.get('k')) do local ok, out = exec.run('echo ' .. n) state.set('r:' .. i, out .. n) end at(#state.keys('r:'))"),
    // Tasks.
    of("dependencies", NUMBER, NUMBERS, "task('c'):depends_on({ 'a', 'b' }):command(function(p, deps) at(deps.a.x + deps.b.y) return true, 'sum', { z = 1 } end)
        task('a'):command(function() return true, 'a', { x = state.get('k', 0) } end)
        task('b'):depends_on('a'):command(function(p, deps) return true, 'b', { y = deps.a.x * 2 } end)"),
    of("retries", NUMBER, NUMBERS, "local n = 0 task('t'):retries(3, 'fixed', 0.001):command(function() n = n + 1 at('try', n) if n < (state.get('k') or 2) - 2 then error('again', 0) end return true, 'after ' .. n end)"),
    of("fails", NUMBER, NUMBERS, "task('t'):command(function() if (state.get('k') or 0) > 4 then return false, 'no' end return true, 'yes' end):on_success(function() at('good') end):on_failure(function(p, why) at('bad') end)
        task('u'):depends_on('t'):command(function() at('after') return true end)"),
    of("raises", NUMBER, NUMBERS, "task('t'):command(function() local v = state.get('k') if v == 5 then error('five', 0) end if v == 6 then error({ code = 6 }) end return v + 1 > 0 end)
        task('u'):command(function() at('still') return true end)"),
    of("conditions", FLAG, FLAGS, "task('a'):run_if(function() return state.get('k', false) end):command(function() at('a') return true end)
        task('b'):run_if(function() return not state.get('k', false) end):command(function() at('b') return true end)
        task('c'):abort_if(function() return state.get('k') == nil end):command(function() at('c') return true end)
        task('d'):command(function() at('d') return true end)"),
    of("hooks", NUMBER, NUMBERS, "task('t'):pre_hook(function() at('pre') end):post_hook(function() at('post') end):on_start(function() at('start') end)
        :on_success(function(p, out) at('ok', out.v) end):command(function() return true, 'x', { v = state.get('k', 'none') } end)"),
    of("a hook raises", NUMBER, NUMBERS, "task('t'):pre_hook(function() if state.get('k') == 5 then error('hook', 0) end end):command(function() at('ran') return true end)"),
    of("timeout", FLAG, FLAGS, "task('t'):timeout('100ms'):command(function() if state.get('k', false) then while true do sleep(0.01) end end return true end):on_timeout(function() at('late') end):on_failure(function() at('failed') end)"),
    of("workflow hooks", FLAG, FLAGS, "local t = task('t'):command(function() at('ran') return state.get('k', false) end):build()
        workflow.define('w'):tasks({ t }):on_start(function() at('start') end):on_success(function() at('success') end):on_failure(function() at('failure') end):on_complete(function(ok) at('complete', ok) end):build()"),
    of("task table", NUMBER, NUMBERS, "workflow.define('w', { tasks = { { name = 'a', command = function() at(state.get('k')) return true end }, { name = 'b', depends_on = 'a', command = function() return true end } } })"),
    of("outputs by value", NUMBER, NUMBERS, "task('a'):command(function() return true, 'm', { list = { 1, state.get('k', 0) }, name = 'x' } end)
        task('b'):depends_on('a'):command(function(p, deps) state.set('sum', deps.a.list[1] + deps.a.list[2]) at(deps.a.name) return true, deps.a.name end)"),
    of("many tasks", MANY, &["app:d=4", "!app:a"], "for i = 1, 8 do task('t' .. i):command(function() state.increment('total', i + #state.keys('app:*')) return i ~= 5, 'n' .. i end) end"),
    of("state at load", NUMBER, NUMBERS, "local v = state.get('k', 0) for i = 1, math.max(1, math.min(v, 6)) do task('t' .. i):command(function() at(i, v) return true end) end"),
    // Lua.
    of("errors", NUMBER, NUMBERS, "at(pcall(error, 'x', 0)) at(pcall(function() return state.get('k') .. {} end)) at(xpcall(function() error('y', 0) end, function(e) return e .. '!' end)) at(select('#', pcall(error)))"),
    of("coroutines", LIST, &["k=[7]"], "local co = coroutine.wrap(function() for _, v in ipairs(state.get('k')) do coroutine.yield(v, state.increment('n', v)) end return 'end' end) for i = 1, 2 do at(co()) end"),
    of("objects as keys", LIST, &["k=[3,2,1,0]"], "local s = {} for _, v in ipairs(state.get('k')) do s[{ v }] = v end for key, v in pairs(s) do at(v, key[1]) end at(next(s) ~= nil)"),
    of("empty tables", LIST, &["k=[]", "k=[4,5]"], "local t, o = state.get('k'), {} for _, v in ipairs(t) do o[{ v }] = v end
        at(next(t) == nil, nil ~= next(o), not next(o)) if next(t) then at('some') end while next(o) do o[next(o)] = nil end at(next(o) == nil)
        at(pcall(function() return next(5) == nil end))"),
    of("json", TABLE, &[r#"k={"a":[]}"#], "local text = data.to_json(state.get('k')) local back = data.parse_json(text) at(flat(back)) at(data.parse_json('{')) state.set('text', text)"),
    of("print", NUMBER, NUMBERS, "print('printed', state.get('k')) log.warn('careful') log.error('oh') log.debug('hidden') at(1)"),
    of("date", NUMBER, NUMBERS, "at(type(os.time()), os.date('!%Y', 0), os.clock() >= 0) state.set('late', os.time() > 1e9)"),
    of("sort and strings", LIST, &["k=[3,1,2]", r#"k=["b","a"]"#], "local t = state.get('k') table.sort(t, function(a, b) return tostring(a) > tostring(b) end) at(table.concat(t, ',')) at(('%5.2f|%q'):format(#t, t[1]))"),
    of("nested values", TABLE, &[r#"k={"b":{"c":[9]}}"#], "local t = state.get('k') t.b.c[#t.b.c + 1] = { deep = { er = true } } state.set('k', t) at(flat(state.get('k').b)) at(past('k', 1))"),
    of("everything at once", MANY, &["k=1", "app:a=100", "!other"], "state.with_lock('all', function()
          state.transaction(function() for _, key in ipairs(state.keys('app:*')) do if type(state.get(key)) == 'number' then state.increment(key, state.get('k', 1)) end end end)
          state.update('log', function(v) v = v or {} v[#v + 1] = state.get('other', 'gone') return v end)
          if state.get('app:a') > 50 then state.set('big', true, 60) end
        end) at(flat(state.list('app:'))) at(past('app:a', 2)) at(state.stats().entries)"),
];
