//! Our functions against those of C.

use std::collections::BTreeMap;

use mlua::{Function, Lua, Table};

use super::cost::worst_case;
use super::functions::{SEARCHES, replace};

/// An interpreter whose table `ours` has our functions, which answer every call; `string` has those of C.
fn interpreter(poll: impl Fn(&Lua, ()) -> mlua::Result<()> + 'static) -> Lua {
    let lua = Lua::new();
    let ours: Table =
        lua.load("local t = {} for k, v in pairs(string) do t[k] = v end return t").eval().unwrap();
    let poll = lua.create_function(poll).unwrap();
    replace(&lua, &ours, &SEARCHES, &poll, 0).unwrap();
    lua.globals().raw_set("ours", ours).unwrap();
    lua
}

/// The function that calls ours and C's with the same arguments, and returns how their answers differ.
fn comparison(lua: &Lua) -> Function {
    let code = r##"
        local function show(values)
          local shown = {}
          for i = 1, values.n do
            local value = values[i]
            shown[i] = type(value) .. " " .. (type(value) == "string" and string.format("%q", value) or tostring(value))
          end
          return table.concat(shown, ", ")
        end
        local function pack(...) return { n = select("#", ...), ... } end
        local function all(of, s, p)
          local found, rounds = {}, 0
          for a, b, c in of.gmatch(s, p) do
            rounds = rounds + 1
            found[#found + 1] = show(pack(a, b, c))
            if rounds > 50 then break end
          end
          return table.concat(found, "; ")
        end
        local by = setmetatable({ x = "X", a = false, b = 7 }, { __index = function(_, key) return key == "" and "<>" or nil end })
        local function seen(of, s, p)
          local calls = {}
          local text, count = of.gsub(s, p, function(...)
            calls[#calls + 1] = show(pack(...))
            if #calls % 3 == 0 then return "[" .. #calls .. "]" end
            return #calls % 3 == 1 and #calls
          end)
          return text, count, table.concat(calls, "; ")
        end
        local ways = {
          function(of, s, p, n) return of.find(s, p) end,
          function(of, s, p, n) return of.find(s, p, n) end,
          function(of, s, p, n) return of.find(s, p, n, true) end,
          function(of, s, p, n) return of.match(s, p, n) end,
          all,
          function(of, s, p, n, r) return of.gsub(s, p, r) end,
          function(of, s, p, n, r) return of.gsub(s, p, "<%0%1>", n) end,
          function(of, s, p, n, r) return of.gsub(s, p, by) end,
          seen,
        }
        return function(...)
          for number, way in ipairs(ways) do
            local theirs, own = show(pack(pcall(way, string, ...))), show(pack(pcall(way, ours, ...)))
            if theirs ~= own then return "way " .. number .. ": " .. theirs .. " but ours " .. own end
          end
          local subject, pattern = ...
          local ok, start = pcall(string.find, subject, pattern)
          return nil, not ok and "error" or start and "match" or "none"
        end"##;
    lua.load(code).set_name("=comparison").eval().unwrap()
}

fn piece(random: &mut fastrand::Rng, pieces: &[&[u8]]) -> Vec<u8> {
    pieces[random.usize(..pieces.len())].to_vec()
}

/// A pattern that mostly is well formed.
fn pattern(random: &mut fastrand::Rng) -> Vec<u8> {
    const SINGLES: &[&[u8]] = &[
        b"a",
        b"b",
        b"x",
        b".",
        b".",
        b"%a",
        b"%d",
        b"%S",
        b"%w",
        b"%W",
        b"%x",
        b"%p",
        b"%c",
        b"%u",
        b"%l",
        b"%z",
        b"%Z",
        b"[ab]",
        b"[^a]",
        b"[%a_]",
        b"[a-c0-9]",
        b"[]a]",
        b"[^]]",
        b"[a-]",
        b"[%]x]",
        b"[%a-z]",
        b"\xe9",
        b"%%",
        b"%.",
        b"[\xe0-\xff]",
    ];
    const SUFFIXES: &[&[u8]] = &[b"", b"", b"", b"*", b"+", b"-", b"?"];
    const OTHERS: &[&[u8]] = &[
        b"(", b")", b"()", b"%b()", b"%bxx", b"%f[%w]", b"%f[^a]", b"%f[%z]", b"%1", b"%2", b"$", b"^",
        b"%0", b"(a)",
    ];
    const BROKEN: &[&[u8]] =
        &[b"%", b"[", b"[a", b"%b", b"%bx", b"%f", b"%fa", b"\0", b"[^", b"[]", b"]", b"%9"];
    let mut pattern = if random.u8(..5) == 0 { b"^".to_vec() } else { Vec::new() };
    let mut is_open = false;
    for _ in 0..random.usize(1..7) {
        match random.u8(..20) {
            0..13 => {
                pattern.extend(piece(random, SINGLES));
                pattern.extend(piece(random, SUFFIXES));
            }
            13..16 => {
                pattern.push(if is_open { b')' } else { b'(' });
                is_open = !is_open;
            }
            16..19 => pattern.extend(piece(random, OTHERS)),
            _ => pattern.extend(piece(random, BROKEN)),
        }
    }
    if is_open && random.u8(..10) > 0 {
        pattern.push(b')');
    }
    if random.u8(..6) == 0 {
        pattern.push(b'$');
    }
    pattern
}

#[test]
fn answers_and_errors_are_those_of_c() {
    let lua = interpreter(|_, ()| Ok(()));
    let compare = comparison(&lua);
    let rounds = if std::env::var_os("SLOTHSTATE_TEST_FULL").is_some() { 2_000_000 } else { 20_000 };
    let mut random = fastrand::Rng::with_seed(14);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    while seen.values().sum::<u32>() < rounds {
        let subject: Vec<u8> = (0..random.usize(..14))
            .map(|_| *b"aaabbxx()[]%. \t_09A\0\xe9\xff-".get(random.usize(..23)).unwrap())
            .collect();
        let pattern = match random.u8(..4) {
            0 => (0..random.usize(..8))
                .map(|_| *b"ab%[]()^$.*+-?fb01\0".get(random.usize(..19)).unwrap())
                .collect(),
            _ => pattern(&mut random),
        };
        if worst_case(subject.len(), &pattern) > 3_000_000 {
            continue;
        }
        let replacement = piece(&mut random, &[b"", b"r", b"<%1>", b"%2%0", b"%", b"%x%%", b"%9", b"\0%1"]);
        let number = random.i32(-6..12);
        let text = |bytes: &[u8]| lua.create_string(bytes).unwrap();
        let (difference, outcome): (Option<String>, Option<String>) =
            compare.call((text(&subject), text(&pattern), number, text(&replacement))).unwrap();
        assert_eq!(
            difference,
            None,
            "subject \"{}\" pattern \"{}\" number {number} replacement \"{}\"",
            subject.escape_ascii(),
            pattern.escape_ascii(),
            replacement.escape_ascii()
        );
        *seen.entry(outcome.unwrap()).or_default() += 1;
    }
    assert!(seen.len() == 3 && seen.values().all(|count| *count > rounds / 20), "{seen:?}");
}

#[test]
fn arguments_are_checked_as_by_c() {
    let lua = interpreter(|_, ()| Ok(()));
    let calls = [
        "find()",
        "find('a')",
        "find({}, 'a')",
        "find('a', {})",
        "find('a', 'a', 'x')",
        "find('a', 'a', {})",
        "find(121, 2)",
        "find(1e15, '+')",
        "find('ab', 'b', '2')",
        "find('ab', 'b', 1.9)",
        "find('ab', '', 10)",
        "find('ab', '', -10)",
        "find('a.b', '.', 1, true)",
        "find('a\\0b', 'a\\0c')",
        "find('a\\0b', '\\0b')",
        "find('aXb', 'X\\0b')",
        "find('abc', 'b', 1e300)",
        "find('abc', 'b', -1e300)",
        "find('abc', 'b', 0/0)",
        "match()",
        "match('a', nil)",
        "match('key = value', '^(%w+)%s*=%s*(%w+)$')",
        "match('2026-12-01', '(%d+)-(%d+)-(%d+)')",
        "match('abc', '()b()')",
        "match('abc', ('()'):rep(12), 2)",
        "match('abc', ('()'):rep(33))",
        "match('hello', '(h)(e)(l)%3')",
        "gmatch()",
        "gmatch('a')",
        "gmatch({}, 'a')",
        "gmatch('a', {})",
        "gsub()",
        "gsub('a', 'a')",
        "gsub('a', 'a', nil)",
        "gsub('a', 'a', true)",
        "gsub('a', 'a', print)",
        "gsub('a', 'a', 'b', 'x')",
        "gsub('aaa', 'a', 'b', 2)",
        "gsub('aaa', 'a', 'b', '2')",
        "gsub('aaa', 'a', 'b', -1)",
        "gsub('aaa', 'a', 5)",
        "gsub('aaa', 'a', {a = {}})",
        "gsub('aaa', 'a', {a = print})",
        "gsub('aaa', '()', '%1')",
        "gsub('aaa', 'a', function() return {} end)",
        "gsub('aaa', 'a', function() error('mine') end)",
        "gsub('aaa', 'a', function() error('mine', 2) end)",
        "gsub('aaa', 'a', function() error({ code = 1 }) end)",
        "gsub('aaa', 'a', coroutine.yield)",
        "gsub('abc', '%w', '%0%0')",
        "gsub('abc', '%w', '%2')",
        "gsub('', '', 'x')",
        "gsub('hello world', 'o', 'O', 1)",
        "gsub('abc def', '%f[%w]%w+', string.upper)",
        "gsub(('x'):rep(20000), 'x', 'yz')",
        "gsub(('x'):rep(3000), 'x', function(c) return c:rep(20) end)",
    ];
    let code = r#"
        local call = ...
        local function outcome(module)
          local of = setmetatable({}, { __index = function(_, name) return module[name] end })
          local chunk = assert(loadstring("return of." .. call, "=call"))
          setfenv(chunk, setmetatable({ of = of }, { __index = _G }))
          -- In a coroutine, for what yields.
          local values = { pcall(coroutine.wrap(function() return { pcall(chunk) } end)) }
          if type(values[2]) == "table" then
            values = values[2]
          end
          for place, value in ipairs(values) do
            values[place] = type(value) == "table" and "table " .. tostring(value.code) or type(value) == "function" and "function" or tostring(value)
          end
          return table.concat(values, ", ")
        end
        return outcome(string), outcome(ours)"#;
    for call in calls {
        let (theirs, own): (String, String) = lua.load(code).call(call).unwrap();
        assert_eq!(own, theirs, "{call}");
    }
}

#[test]
fn a_match_is_stopped_by_the_poll_wherever_it_is() {
    let lua = interpreter(|_, ()| Err(mlua::Error::runtime("stopped here")));
    for call in [
        "find(long, '.-.-.-.-.-b$')",
        "match(long, '.*.*.*b')",
        "gmatch(long, '.-.-b')()",
        "gsub(long, '.-.-b', '')",
        "gsub(long, '%b()%b()x', '')",
        "find(long, '(.-)%1%1%1%1b')",
        "find(long, 'a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?b')",
    ] {
        let code = format!(
            "local long = ('a('):rep(30000) if false then return end return pcall(function() return ours.{call} end)"
        );
        let (ok, problem): (bool, mlua::Value) = lua.load(code).eval().unwrap();
        let problem = problem.to_string().unwrap();
        assert!(!ok && problem.contains("stopped here"), "{call}: {problem}");
    }
}

#[test]
fn long_sets_and_long_replacements_are_polled_while_they_are_read() {
    // Where nothing polls before the end, these take minutes.
    let calls = [
        r##"return ours.find(("b"):rep(90000), "[^" .. ("a"):rep(1000000) .. "]*")"##,
        r##"return ours.find(("b"):rep(90000), "[" .. ("a"):rep(1000000) .. "]?x")"##,
        r##"return ours.find(("b"):rep(90000), "%f[" .. ("a"):rep(1000000) .. "]")"##,
        r##"return ours.match(("b"):rep(90000), "[^" .. ("a"):rep(1000000) .. "]-x")"##,
        r##"return ours.gsub(("b"):rep(998), "(a-)", ("%1"):rep(500000))"##,
        r##"return ours.gsub(("b"):rep(99800), "b", ("%%"):rep(500000))"##,
    ];
    for call in calls {
        let lua = interpreter(|_, ()| Err(mlua::Error::runtime("stopped")));
        let error = lua.load(call).exec().unwrap_err();
        assert!(error.to_string().contains("stopped"), "{call}: {error}");
    }
}

#[test]
fn long_patterns_neither_overflow_the_stack_nor_the_memory() {
    let lua = interpreter(|_, ()| Ok(()));
    let code = r#"
        local subject = ("a"):rep(100000)
        local first, last = ours.find(subject, ("a?"):rep(100000))
        assert(first == 1 and last == 100000)
        assert(ours.find("", ("a*"):rep(100000)) == 1)
        local ok, problem = pcall(ours.find, subject:rep(3), ("a?"):rep(300000))
        assert(not ok and problem == "pattern too complex", problem)
        assert(select('#', ours.match('abc', ('()'):rep(32))) == 32)
        assert(#ours.match(("a"):rep(1000000), ("a-"):rep(100) .. "$") == 1000000)"#;
    lua.load(code).exec().unwrap();
}
