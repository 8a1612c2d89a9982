//! What becomes of the calls in a source.

use super::*;

/// The uses of the calls of `get` in a source.
fn uses(source: &str) -> Vec<Use> {
    let scan = scan(source.as_bytes(), &["get"]).unwrap_or_else(|| panic!("not read: {source}"));
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
    let scan = scan(source.as_bytes(), &["get"]).unwrap();
    let name = |(start, end): (usize, usize)| &source[start..end];
    let assigned: Vec<_> =
        scan.assignments.iter().map(|a| (name(a.name), scan.calls[a.call].line, a.is_local)).collect();
    assert_eq!(assigned, [("n", 1, true), ("m", 2, false)]);
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
