//! What becomes of the calls in a source.

use super::*;
use crate::lua::source::Literal;

/// The uses of the calls of `get` in a source.
fn uses(source: &str) -> Vec<Use> {
    let scan = scan(source.as_bytes(), &["get"], &[]).unwrap_or_else(|| panic!("not read: {source}"));
    scan.calls.iter().map(|call| call.used).collect()
}

#[test]
fn a_call_is_used_as_it_stands() {
    use Literal::*;
    use Use::*;
    for (source, expected) in [
        ("local a = s.get('k')", Unknown),
        ("local a = s.get('k') or 0", Or(Number)),
        ("local a = s.get('k') or -1", Or(Number)),
        ("local a = s.get('k') or 'x'", Or(Text)),
        ("local a = s.get('k') or [[x]]", Or(Text)),
        ("local a = s.get('k') or false", Or(Boolean)),
        ("local a = s.get('k') or {}", Or(Table)),
        ("local a = s.get('k') or nil", Condition),
        ("local a = s.get('k') or b", Condition),
        ("local a = s.get('k') or b or 0", Or(Number)),
        ("local a = s.get('k') or 'x' .. b", Condition),
        ("local a = s.get('k') or 1 + b", Condition),
        ("local a = (s.get('k')) or 0", Or(Number)),
        ("local a = (s.get('k') or (0))", Or(Number)),
        ("local a = b and s.get('k') or 0", Or(Number)),
        ("local a = s.get('k') and 1 or 0", Condition),
        ("local a = b or s.get('k')", Condition),
        ("local a = s.get 'k' == 'true'", Equality(Text)),
        ("local a = s.get('k') ~= true", Equality(Boolean)),
        ("local a = 5 == s.get('k')", Equality(Number)),
        ("local a = s.get('k') == nil", Unknown),
        ("local a = s.get('k') == {}", Unknown),
        ("local a = s.get('k') == b", Unknown),
        ("local a = s.get('k') == 'a' .. 'b'", Unknown),
        ("local a = (s.get('k') or 0) == 'x'", Equality(Text)),
        ("local a = not s.get('k')", Condition),
        ("local a = not s.get('k') == 'x'", Condition),
        ("local a = -s.get('k') == 1", Unknown),
        ("local a = 'x' .. s.get('k') == 'xy'", Unknown),
        ("local a = s.get('k').x or 0", Unknown),
        ("local a = s.get('k'):lower() == 'x'", Unknown),
        ("local a = s.get('k')[1] == 'x'", Unknown),
        ("local a = f(s.get('k')) or 0", Unknown),
        ("local a = { s.get('k') or 0, x = 1, [2] = 3; 4 }", Or(Number)),
        ("if s.get('k') then end", Condition),
        ("if a then elseif s.get('k') then else end", Condition),
        ("while s.get('k') do end", Condition),
        ("repeat until s.get('k')", Condition),
        ("if a and s.get('k') then end", Condition),
        ("if a and not (s.get('k') == 'x') then end", Equality(Text)),
        ("f(function() return s.get('k') or 0 end)", Or(Number)),
        ("for i = 1, s.get('k') or 3 do end", Or(Number)),
        ("function a.b:c(x, ...) return s.get('k') or 0 end", Or(Number)),
        ("local function f(...) return ..., a, s.get('k') or 0, b end", Or(Number)),
        ("s.get('k')", Unknown),
        ("a.b['c'], d = s.get('k') or 0, 1", Or(Number)),
        ("x = require('state').get('k', 1) == 'x' ; f()", Equality(Text)),
    ] {
        assert!(mlua::Lua::new().load(source).into_function().is_ok(), "not Lua: {source}");
        assert_eq!(uses(source), [expected], "{source}");
    }
    assert_eq!(uses("x = s.get(s.get('a') or 'b') == 1"), [Equality(Number), Or(Text)]);
    assert_eq!(uses("x = s.get('a').get(s.get('b') or 1) == 1"), [Unknown, Equality(Number), Or(Number)]);
    assert_eq!(uses("x = s.get('a') or s.get('b') or 0"), [Or(Number), Or(Number)]);
    assert_eq!(uses("x = s.get('a') and s.get('b') or ''"), [Condition, Or(Text)]);
}

#[test]
fn assignments_and_comparisons_are_noted() {
    let source = "local n = s.get('k')\nm = s.get('l') or f()\nlocal a, b = s.get('x')\nif n\n< 5 and 'x' < 'y' then end";
    let scan = scan(source.as_bytes(), &["get"], &[]).unwrap();
    let name = |(start, end): (usize, usize)| &source[start..end];
    let assigned: Vec<_> = scan.assignments.iter().map(|a| (name(a.name), scan.calls[a.call].line)).collect();
    assert_eq!(assigned, [("n", 1), ("m", 2)]);
    let [comparison] = &scan.comparisons[..] else { panic!("{:?}", scan.comparisons) };
    assert_eq!(comparison.line, 5);
    assert!(matches!(comparison.operands[0], Operand::Name(start, end) if name((start, end)) == "n"));
}

#[test]
fn what_lua_can_nest_is_read() {
    for (open, inner, close) in
        [("(", "s.get('k') or 0", ")"), ("{", "s.get('k') or 0", "}"), ("not ", "s.get('k')", "")]
    {
        let depth = 150;
        let source = format!("local a = {}{inner}{}", open.repeat(depth), close.repeat(depth));
        assert!(mlua::Lua::new().load(&source).into_function().is_ok());
        assert_eq!(uses(&source).len(), 1);
    }
    let many = format!("local a = b{} or s.get('k') or 0", " or b".repeat(100_000));
    assert_eq!(uses(&many), [Use::Or(Literal::Number)]);
}

/// The lines of the calls of `run` whose fields are read.
fn lines(source: &str) -> Vec<usize> {
    const FIELDS: [&str; 4] = ["success", "stdout", "stderr", "exit_code"];
    let scan = scan(source.as_bytes(), &["run"], &FIELDS).unwrap_or_default();
    scan.calls.iter().filter(|call| call.is_read_by_fields).map(|call| call.line).collect()
}

#[test]
fn answers_that_are_read_by_fields() {
    let cases = [
        "local r = exec.run('x') print(r.stdout)",
        "local r = exec.run 'x' if not r.success then error(r.stderr) end",
        "local r = exec.run{cmd} return r['exit_code'] == 0",
        "r = exec.run('x') print(r.stdout)",
        "local r; r = exec.run('x') print(r.stdout)",
        "local r; repeat r = exec.run('x') until r.success",
        "repeat local r = exec.run('x') until r.success",
        "local r = exec.run('x') local function f() return r.stdout end",
        "local r = exec.run('x') if r and r.success then end",
        "local r = (exec.run('x')) return r.stdout:gsub('a', 'b')",
        "return exec.run('x').stdout",
        "return (exec.run('x')).stdout:match('y')",
        "return exec.run('x')['stdout']",
        "log(exec.run('x').stdout .. 'y')",
        "local e = require('exec') local r = e.run('x') t = {r.success}",
        "task('a'):command(function() local r = exec.run('x') return r.success, r.stderr end)",
        "local r = exec.run('x', {env = {A = 'b'}, timeout = 5}) return {out = r.stdout}",
        "for _, h in ipairs(l) do local r = exec.run(h) if r.exit_code ~= 0 then break end end",
    ];
    for source in cases {
        assert_eq!(lines(source), [1], "{source}");
    }
}

#[test]
fn other_answers_are_left_alone() {
    let cases = [
        "exec.run('x')",
        "if exec.run('x') then end",
        "assert(exec.run('x'))",
        "local ok = exec.run('x') if ok then end",
        "local ok, out = exec.run('x') print(ok.stdout)",
        "local ok, out, err, code = exec.run('x') print(out, r.stdout)",
        "local r = assert(exec.run('x')) print(r.stdout)",
        "local r = not exec.run('x') print(r.stdout)",
        "local r = exec.run('x') or exec.run('y') print(r.stdout)",
        "local r = exec.run('x'), 1 print(r.stdout)",
        "local r = exec.run('x') print(r.other, r:stdout(), #r)",
        // Variables of the same name elsewhere.
        "do local r = exec.run('x') end print(r.stdout)",
        "local r = exec.run('x') do local r = {} print(r.stdout) end",
        "local r = exec.run('x') local function f(r) return r.stdout end",
        "local function f() local r = exec.run('x') return r end print(r.stdout)",
        "for r = 1, 2 do print(r.stdout) end local r = exec.run('x')",
        "local r = exec.run('x') for _, r in ipairs(t) do print(r.stdout) end",
        "local r = exec.run(r.stdout)",
        "local r = exec.run('x') t.r = {} print(t.r.stdout, t['r'].stdout, {stdout = 1})",
        "t.r = exec.run('x') print(t.r.stdout)",
        "-- local r = exec.run('x') r.stdout",
        "local s = [[ r = exec.run('x') r.stdout ]]",
        // Not Lua 5.1.
        "x = 1 & 2 local r = exec.run('x') print(r.stdout)",
    ];
    for source in cases {
        assert_eq!(lines(source), [] as [usize; 0], "{source}");
    }
}

#[test]
fn each_call_is_found_by_itself() {
    let source = "local ok = exec.run('a')\nif ok then\nlocal r = exec.run('b')\nr = exec.run('c')\n\
        local s = exec.run(exec.run('d').stdout)\nprint(r.stdout, s)\nend\nprint(exec.run('e').stdout)";
    assert_eq!(lines(source), [3, 4, 5, 8]);
}
