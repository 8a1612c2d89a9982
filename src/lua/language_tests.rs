//! What scripts rely on of Lua 5.1, as a table: each row runs here and in the unmodified PUC Lua 5.1 that is compiled
//! in. The last tables are what is different on purpose.

use mlua::{Function, Lua, LuaOptions, StdLib};

use crate::lua::tests::Bench;

/// Calls a chunk, and answers its values, or its error, as one text.
const SHOW: &str = r##"
local code = ...
local function show(ok, ...)
  local texts = {}
  for index = 1, select("#", ...) do texts[index] = tostring((select(index, ...))) end
  return (ok and "" or "error: ") .. table.concat(texts, " ")
end
local chunk, problem = loadstring(code, "=row")
if not chunk then return "syntax: " .. problem end
return show(pcall(chunk))
"##;

const NUMBERS: &[(&str, &str)] = &[
    ("return 1, 1.5, -0.25, 1e3", "1 1.5 -0.25 1000"),
    ("return 3 / 2, 4 / 2, -7 / 2", "1.5 2 -3.5"),
    ("return 1e14, 1e15, 1e16, 123456789012345", "1e+14 1e+15 1e+16 1.2345678901234e+14"),
    ("return 100000000000000, 99999999999999", "1e+14 99999999999999"),
    ("return 2^53, 2^31, 2^63", "9.007199254741e+15 2147483648 9.2233720368548e+18"),
    ("return 0.1, 1/3, 0.1 + 0.2", "0.1 0.33333333333333 0.3"),
    ("return 0.1 + 0.2 == 0.3", "false"),
    ("return 1e300 * 1e10, -1e300 * 1e10", "inf -inf"),
    ("return 1/0, -1/0", "inf -inf"),
    ("local n = 0/0 return n == n, n ~= n", "false true"),
    ("return tostring(-0), 0 == -0", "-0 true"),
    ("local z = 0 return tostring(-z), 1 / -z", "-0 -inf"),
    ("return 5 % 3, -5 % 3, 5 % -3, -5 % -3", "2 1 -1 -2"),
    ("return 5.5 % 2, -5.5 % 2, 1e15 % 7", "1.5 0.5 6"),
    ("return math.fmod(-5, 3), math.fmod(5, -3), math.mod(7, 4)", "-2 2 3"),
    ("local n = 5 % math.huge return n ~= n, -5 % 0 ~= -5 % 0", "true true"),
    ("return 2 ^ 10, 2 ^ -1, (-2) ^ 2, -2 ^ 2, 2 ^ 3 ^ 2", "1024 0.5 4 -4 512"),
    ("return 0x10, 0xff, 0xA", "16 255 10"),
    ("return 1e2, .5, 5., 3e-2", "100 0.5 5 0.03"),
    ("return math.floor(3.7), math.floor(-3.7), math.ceil(3.2), math.ceil(-3.2)", "3 -4 4 -3"),
    ("return math.abs(-3), math.max(1, 5, 3), math.min(4, 2, 9)", "3 5 2"),
    ("return math.sqrt(16), math.pow(2, 5), math.exp(0), math.log(1), math.log10(1000)", "4 32 1 0 3"),
    ("return math.modf(3.7)", "3 0.7"),
    ("return math.modf(-3.7)", "-3 -0.7"),
    ("return math.frexp(8)", "0.5 4"),
    ("return math.ldexp(0.5, 4), math.deg(math.pi), math.rad(180) == math.pi", "8 180 true"),
    ("return math.huge, -math.huge, math.pi", "inf -inf 3.1415926535898"),
    ("return math.floor('3.9'), math.max('10', 9)", "3 10"),
    ("return math.floor(nil)", "error: row:1: bad argument #1 to 'floor' (number expected, got nil)"),
    ("return (math.floor(nil))", "error: row:1: bad argument #1 to 'floor' (number expected, got nil)"),
    (
        "local x = math.floor({}) return x",
        "error: row:1: bad argument #1 to 'floor' (number expected, got table)",
    ),
    (
        "local x = math.max() return x",
        "error: row:1: bad argument #1 to 'max' (number expected, got no value)",
    ),
    (
        "local x = math.sqrt('x') return x",
        "error: row:1: bad argument #1 to 'sqrt' (number expected, got string)",
    ),
    (
        "local x = math.floor(true) return x",
        "error: row:1: bad argument #1 to 'floor' (number expected, got boolean)",
    ),
];

const TEXTS_AND_NUMBERS: &[(&str, &str)] = &[
    ("return '10' + 5, '3' * '4', 10 .. 20", "15 12 1020"),
    ("return '0x10' + 0, ' 10 ' + 1, '1e2' + 0", "16 11 100"),
    ("return -'2', '10' / 2, '7' % 4", "-2 5 3"),
    ("return 10 == '10', '10' == '10', 0 == false, nil == false", "false true false false"),
    ("return 1 .. '', 1.5 .. '', 2^40 .. '', -0 .. ''", "1 1.5 1099511627776 -0"),
    ("return 1 < 2, 'a' < 'b', 'a' < 'B', '' < 'a', '10' < '9'", "true true false true true"),
    ("return 1 < '2'", "error: row:1: attempt to compare number with string"),
    ("return {} < {}", "error: row:1: attempt to compare two table values"),
    ("return nil < 1", "error: row:1: attempt to compare nil with number"),
    ("return 'abc' + 1", "error: row:1: attempt to perform arithmetic on a string value"),
    ("return {} + 1", "error: row:1: attempt to perform arithmetic on a table value"),
    ("local t = {} return t.x + 1", "error: row:1: attempt to perform arithmetic on field 'x' (a nil value)"),
    ("return 'a' .. nil", "error: row:1: attempt to concatenate a nil value"),
    ("return 'a' .. true", "error: row:1: attempt to concatenate a boolean value"),
    ("return tonumber('10'), tonumber('0x1F'), tonumber(' 7 '), tonumber('1e3')", "10 31 7 1000"),
    (
        "return tonumber(''), tonumber('a'), tonumber('1 2'), tonumber(nil), tonumber({})",
        "nil nil nil nil nil",
    ),
    ("return tonumber('101', 2), tonumber('ff', 16), tonumber('zz', 36), tonumber('77', 8)", "5 255 1295 63"),
    ("return tonumber('9', 8), tonumber('FF', 16), tonumber('1.5', 10)", "nil 255 1.5"),
    ("return tonumber('7', 99)", "error: row:1: bad argument #2 to 'tonumber' (base out of range)"),
    ("return tonumber(5.5), tonumber('5.5'), tonumber('-3'), tonumber('+3')", "5.5 5.5 -3 3"),
    ("return tostring(nil), tostring(true), tostring(12), tostring('x')", "nil true 12 x"),
    (
        "return not nil, not 0, not '', 1 and 2, nil and 1, nil or 3, false or nil",
        "true false false 2 nil 3 nil",
    ),
    ("return #'', #'abc', #'a\\0b', #'é'", "0 3 3 2"),
    (
        "return type(nil), type(1), type('x'), type({}), type(print), type(coroutine.create(function() end))",
        "nil number string table function thread",
    ),
    ("local x = type() return x", "error: row:1: bad argument #1 to 'type' (value expected)"),
];

const STRINGS: &[(&str, &str)] = &[
    ("return ('abc'):upper(), ('ABC'):lower(), ('abc'):len(), ('abc'):reverse()", "ABC abc 3 cba"),
    (
        "return ('hello'):sub(2), ('hello'):sub(2, 3), ('hello'):sub(-3), ('hello'):sub(-3, -2)",
        "ello el llo ll",
    ),
    ("return ('hello'):sub(0), ('hello'):sub(10), ('hello'):sub(3, 2), ('hello'):sub(-100, 2)", "hello   he"),
    ("return ('hello'):sub(2, 100), ('hello'):sub(2.9)", "ello ello"),
    ("return ('abc'):byte(), ('abc'):byte(2), ('abc'):byte(-1)", "97 98 99"),
    ("return ('abc'):byte(1, -1)", "97 98 99"),
    ("return select('#', ('abc'):byte(10)), select('#', (''):byte())", "0 0"),
    ("return string.char(72, 105), #string.char(), string.char('65')", "Hi 0 A"),
    ("local x = string.char(256) return x", "error: row:1: bad argument #1 to 'char' (invalid value)"),
    ("local x = string.char(-1) return x", "error: row:1: bad argument #1 to 'char' (invalid value)"),
    ("return ('ab'):rep(3), ('ab'):rep(0), ('ab'):rep(-1), ('ab'):rep(1.9)", "ababab   ab"),
    ("return ('a,b'):rep(2, ';')", "a,ba,b"),
    ("return ('hello world'):find('wor'), ('hello'):find('x')", "7 nil"),
    ("return ('hello world'):find('o w')", "5 7"),
    ("return ('a.b'):find('.', 1, true), ('a.b'):find('%.')", "2 2 2"),
    ("return ('abc'):find('', 10), ('abc'):find('', 4), ('abc'):find('')", "4 4 1 0"),
    ("return ('abc'):find('b', -1), ('abc'):find('b', -2)", "nil 2 2"),
    ("return ('key=value'):match('(%w+)=(%w+)')", "key value"),
    ("return ('  trim  '):match('^%s*(.-)%s*$') .. '|'", "trim|"),
    ("return ('abc'):match('()b()')", "2 3"),
    ("return ('2026-12-01'):match('(%d+)-(%d+)-(%d+)')", "2026 12 01"),
    ("return ('[[x]]'):match('%[%[(.*)%]%]'), ('f(a(b)c)'):match('%b()')", "x (a(b)c)"),
    ("return ('THE (quick) fox'):find('%((%a+)%)')", "5 11 quick"),
    ("return ('hello'):gsub('l', 'L')", "heLLo 2"),
    ("return ('hello'):gsub('l', 'L', 1)", "heLlo 1"),
    ("return ('hello'):gsub('', '-')", "-h-e-l-l-o- 6"),
    ("return ('hello world'):gsub('%w+', '<%0>')", "<hello> <world> 2"),
    ("return ('a b'):gsub('(%w) (%w)', '%2 %1')", "b a 1"),
    ("return ('$name is $age'):gsub('%$(%w+)', {name = 'Ann', age = 5})", "Ann is 5 2"),
    ("return ('abc'):gsub('%w', function(c) if c == 'b' then return 'X' end end)", "aXc 3"),
    ("return ('abc'):gsub('b', '%%')", "a%c 1"),
    (
        "return ('abc'):gsub('b', false)",
        "error: row:1: bad argument #2 to 'gsub' (string/function/table expected)",
    ),
    (
        "local s = {} for w in ('one two'):gmatch('%a+') do s[#s + 1] = w end return table.concat(s, '|')",
        "one|two",
    ),
    (
        "local s = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do s[#s + 1] = k .. v end return table.concat(s)",
        "a1b2",
    ),
    ("return ('x'):find('[')", "error: row:1: malformed pattern (missing ']')"),
    ("return ('x'):find('%')", "error: row:1: malformed pattern (ends with '%')"),
    ("return ('THE END'):gsub('%f[%a]%a+', string.lower)", "the end 2"),
    ("return ('a1b2'):gsub('%a', ''), ('a\\0b'):gsub('%z', '0')", "12 a0b 1"),
    ("local s = 'x' return s.len, s.y", "function: builtin nil"),
    ("return ('x').y.z", "error: row:1: attempt to index field 'y' (a nil value)"),
    ("return #('x'):rep(1000), ('%d'):rep(2)", "1000 %d%d"),
    ("return 'a\\65\\066c', 'tab\\tq\\'', [[\nlong]], [==[a]]b]==]", "aABc tab\tq' long a]]b"),
    ("return string.len(123), (5):type()", "error: row:1: attempt to index a number value"),
    ("return string.len(123), string.upper(12)", "3 12"),
    (
        "local x = string.rep() return x",
        "error: row:1: bad argument #1 to 'rep' (string expected, got no value)",
    ),
    (
        "local x = ('x'):rep({}) return x",
        "error: row:1: bad argument #1 to 'rep' (number expected, got table)",
    ),
    ("local x = ('x'):bad() return x", "error: row:1: attempt to call method 'bad' (a nil value)"),
];

const FORMATS: &[(&str, &str)] = &[
    ("return string.format('%d %i %5d|%-5d|%05d|%+d', 3, 4, 5, 6, 7, 8)", "3 4     5|6    |00007|+8"),
    ("return string.format('%d', 3.7), string.format('%d', -3.7), string.format('%d', '10')", "3 -3 10"),
    ("return string.format('%u %c %o %x %X %#x', 3, 65, 8, 255, 255, 255)", "3 A 10 ff FF 0xff"),
    (
        "return string.format('%f %.2f %5.1f|%e %E', 1.5, 3.14159, 2.25, 12345.678, 0.5)",
        "1.500000 3.14   2.2|1.234568e+04 5.000000E-01",
    ),
    ("return string.format('%g %g %g %G', 100000, 1e20, 0.0001, 1e-10)", "100000 1e+20 0.0001 1E-10"),
    (
        "return string.format('%.3f', 2/3), string.format('%.0f', 0.5), string.format('%10.4f|', math.pi)",
        "0.667 0     3.1416|",
    ),
    ("return string.format('%s %10s|%-10s|%.2s', 'a', 'b', 'c', 'def')", "a          b|c         |de"),
    ("return string.format('%s %s', 1, 1.5), string.format('%s', 1e15)", "1 1.5 1e+15"),
    ("return string.format('%q', 'a\"b\\\\c\\nd\\0e\\r')", "\"a\\\"b\\\\c\\\nd\\000e\\r\""),
    ("return string.format('100%%'), string.format('%%s'), string.format('no')", "100% %s no"),
    ("return string.format('%d')", "error: row:1: bad argument #2 to 'format' (no value)"),
    (
        "local x = string.format('%d', 'x') return x",
        "error: row:1: bad argument #2 to 'format' (number expected, got string)",
    ),
    (
        "local x = string.format('%d', nil) return x",
        "error: row:1: bad argument #2 to 'format' (number expected, got nil)",
    ),
    ("local x = string.format('%s') return x", "error: row:1: bad argument #2 to 'format' (no value)"),
    ("local x = string.format('%y', 1) return x", "error: row:1: invalid option '%y' to 'format'"),
    ("local x = string.format('%', 1) return x", "error: row:1: invalid option '%' to 'format'"),
    ("local x = string.format('%0000005d', 1) return x", "error: row:1: invalid format (repeated flags)"),
    (
        "local x = string.format('%123d', 1) return x",
        "error: row:1: invalid format (width or precision too long)",
    ),
    (
        "local x = string.format() return x",
        "error: row:1: bad argument #1 to 'format' (string expected, got no value)",
    ),
    (
        "local x = string.format({}) return x",
        "error: row:1: bad argument #1 to 'format' (string expected, got table)",
    ),
    ("return string.format(5), ('%d!'):format(7)", "5 7!"),
    ("return string.format('%5s|%5s', 'é', 'ab')", "   é|   ab"),
    ("return #string.format('%s', ('x'):rep(1000)), string.format('%d', 2^31)", "1000 2147483648"),
    ("return string.format('%d %d', 1, 2, 3)", "1 2"),
    ("return string.format('%x', -1), string.format('% d', 5)", "ffffffffffffffff  5"),
    ("return string.format('%.14g', 0.1), string.format('%.17g', 0.1)", "0.1 0.10000000000000001"),
];

const TABLES: &[(&str, &str)] = &[
    ("return #{}, #{1, 2, 3}, #{n = 1}, #{1, 2, nil}", "0 3 0 2"),
    ("local t = {1, 2, 3} t[#t + 1] = 4 return #t, t[4]", "4 4"),
    (
        "local t = {10, 20, 30} table.insert(t, 40) table.insert(t, 1, 5) return table.concat(t, ' ')",
        "5 10 20 30 40",
    ),
    ("local t = {10, 20, 30} return table.remove(t), table.remove(t, 1), #t", "30 10 1"),
    ("return table.remove({}), #{table.remove({})}", "nil 0"),
    (
        "local t = {1, 2} local x = table.insert(t) return x",
        "error: row:1: wrong number of arguments to 'insert'",
    ),
    (
        "local x = table.insert(nil, 1) return x",
        "error: row:1: bad argument #1 to 'insert' (table expected, got nil)",
    ),
    (
        "return table.concat({1, 2, 3}, ', '), table.concat({}), table.concat({1, 2, 3}, '-', 2), table.concat({1, 2, 3}, '-', 2, 2)",
        "1, 2, 3  2-3 2",
    ),
    (
        "local x = table.concat({1, {}, 3}) return x",
        "error: row:1: invalid value (table) at index 2 in table for 'concat'",
    ),
    ("local t = {3, 1, 2} table.sort(t) return table.concat(t, ' ')", "1 2 3"),
    (
        "local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return table.concat(t, ' ')",
        "3 2 1",
    ),
    ("local t = {'b', 'a', 'C'} table.sort(t) return table.concat(t, ' ')", "C a b"),
    ("local t = {1, 'a'} table.sort(t) return 1", "error: attempt to compare string with number"),
    ("return unpack({1, 2, 3})", "1 2 3"),
    ("return unpack({1, 2, 3}, 2), unpack({1, 2, 3}, 2, 3)", "2 2 3"),
    ("return select('#', unpack({}, 1, 3)), select('#', unpack({1, nil, 3}))", "3 3"),
    ("return table.maxn({1, 2, [10] = 3}), table.getn({1, 2})", "10 2"),
    (
        "local s = {} table.foreachi({5, 6}, function(i, v) s[#s + 1] = i .. v end) return table.concat(s, ' ')",
        "15 26",
    ),
    ("return table.foreach({a = 1}, function(k, v) return k .. v end)", "a1"),
    ("local t = {} t[1.0] = 'a' t['1'] = 'b' return t[1], t['1']", "a b"),
    ("local t = {} t[nil] = 1", "error: row:1: table index is nil"),
    ("local t = {} t[0/0] = 1", "error: row:1: table index is NaN"),
    ("local t = {} return t[nil], rawget(t, 'x'), rawequal(t, t)", "nil nil true"),
    ("local t = {1, 2, 3} for i in pairs(t) do t[i] = nil end return next(t)", "nil"),
    ("local t, n = {a = 1, b = 2, c = 3}, 0 for k in pairs(t) do t[k] = 5 n = n + t[k] end return n", "15"),
    ("local s = 0 for i, v in ipairs({1, 2, nil, 4}) do s = s + v end return s", "3"),
    (
        "return next({}), next({7}), type(next), #arg_or_nil",
        "error: row:1: attempt to get length of global 'arg_or_nil' (a nil value)",
    ),
    ("return next({}), next({7})", "nil 1 7"),
    ("for k in pairs(nil) do end", "error: row:1: bad argument #1 to 'pairs' (table expected, got nil)"),
    ("for k in ipairs() do end", "error: row:1: bad argument #1 to 'ipairs' (table expected, got no value)"),
    ("for k in nil do end", "error: row:1: attempt to call a nil value"),
    ("local t = {[1] = 'a', 'b'} return t[1]", "b"),
    ("local function f() return 1, 2, 3 end return #{f(), f()}, #{f(), (f())}, (f())", "4 2 1"),
    (
        "local t = setmetatable({}, {__index = function(t, k) return k .. '!' end}) return t.x, rawget(t, 'x')",
        "x! nil",
    ),
    ("local t = setmetatable({}, {__index = {y = 2}}) return t.y, t.z", "2 nil"),
    (
        "local log = {} local t = setmetatable({}, {__newindex = function(t, k, v) rawset(t, k, v * 2) end}) t.a = 4 return t.a",
        "8",
    ),
    ("local t = setmetatable({}, {__call = function(self, a) return a + 1 end}) return t(4)", "5"),
    ("local t = setmetatable({}, {__tostring = function() return 'me' end}) return tostring(t)", "me"),
    (
        "local m = {__eq = function() return true end} return setmetatable({}, m) == setmetatable({}, m)",
        "true",
    ),
    (
        "local m = {__lt = function(a, b) return a.v < b.v end} local a, b = setmetatable({v = 1}, m), setmetatable({v = 2}, m) return a < b, a > b, a <= b",
        "true false true",
    ),
    (
        "local m = {__add = function(a, b) return 'sum' end, __concat = function() return 'cat' end, __unm = function() return 'neg' end} local t = setmetatable({}, m) return t + 1, 1 + t, t .. 'x', -t",
        "sum sum cat neg",
    ),
    ("return #setmetatable({}, {__len = function() return 9 end})", "0"),
    (
        "return getmetatable('').__index == string, getmetatable({}), getmetatable(setmetatable({}, {__metatable = 'no'}))",
        "true nil no",
    ),
    (
        "local x = setmetatable(setmetatable({}, {__metatable = 1}), {}) return x",
        "error: row:1: cannot change a protected metatable",
    ),
    (
        "local x = setmetatable(1, {}) return x",
        "error: row:1: bad argument #1 to 'setmetatable' (table expected, got number)",
    ),
    ("local t = nil return t.x", "error: row:1: attempt to index local 't' (a nil value)"),
    ("return undefined.x", "error: row:1: attempt to index global 'undefined' (a nil value)"),
    ("local a = {} return a.b.c", "error: row:1: attempt to index field 'b' (a nil value)"),
    ("local a = {} a.f()", "error: row:1: attempt to call field 'f' (a nil value)"),
    ("nothing()", "error: row:1: attempt to call global 'nothing' (a nil value)"),
];

const FUNCTIONS: &[(&str, &str)] = &[
    ("return select('#'), select('#', nil), select('#', nil, nil), select(2, 'a', 'b', 'c')", "0 1 2 b c"),
    ("return select(-1, 'a', 'b'), select(5, 'a')", "b"),
    ("local x = select(0, 1) return x", "error: row:1: bad argument #1 to 'select' (index out of range)"),
    ("local function f(...) return select('#', ...), ... end return f(nil, nil)", "2 nil nil"),
    ("local function f(...) local a, b = ... return a, b end return f(1)", "1 nil"),
    ("local function f(...) return #{...} end return f(1, 2, 3)", "3"),
    ("local function f(...) return arg.n, arg[1] end return f(7, 8)", "2 7"),
    ("local function f(a, b) return b end return f(1), select('#', f(1))", "nil 1"),
    ("local goto = 5 return goto", "5"),
    ("local t = {goto = 1} return t.goto", "1"),
    ("for i = 1, 3 do local x = i end return i", "nil"),
    ("local s = {} for i = 1, 2, 0.5 do s[#s + 1] = i end return table.concat(s, ' ')", "1 1.5 2"),
    ("local s = {} for i = 3, 1, -1 do s[#s + 1] = i end return table.concat(s, ' ')", "3 2 1"),
    ("local n = 0 for i = 1, 0 do n = n + 1 end for i = 1, 1 do n = n + 1 end return n", "1"),
    ("local n = 0 for i = 0, 1, 0.1 do n = n + 1 end return n", "11"),
    ("local s = {} for i = '1', '2' do s[#s + 1] = i end return table.concat(s, ' ')", "1 2"),
    ("for i = 1, 'x' do end", "error: row:1: 'for' limit must be a number"),
    ("for i = nil, 1 do end", "error: row:1: 'for' initial value must be a number"),
    ("for i = 1, 2, {} do end", "error: row:1: 'for' step must be a number"),
    ("local t = {} for i = 1, 3 do t[i] = function() return i end end return t[1](), t[3]()", "1 3"),
    ("local i = 1 while true do i = i * 2 if i > 50 then break end end return i", "64"),
    ("local i = 0 repeat local done = i >= 3 i = i + 1 until done return i", "4"),
    ("local a, b = 1, 2 a, b = b, a return a, b", "2 1"),
    ("local t, i = {}, 1 i, t[i] = i + 1, 20 return i, t[1]", "2 20"),
    ("return (function() return 1, 2 end)()", "1 2"),
    ("return ((function() return 1, 2 end)())", "1"),
    ("do local x = 1 end return x", "nil"),
    ("local x <const> = 1", "syntax: row:1: unexpected symbol near '<'"),
    ("return 7 // 2", "syntax: row:1: unexpected symbol near '/'"),
    ("return 1 & 2", "syntax: row:1: '<eof>' expected near '&'"),
    ("x = = 1", "syntax: row:1: unexpected symbol near '='"),
    ("x = 'open", "syntax: row:1: unfinished string near '<eof>'"),
    ("if true then", "syntax: row:1: 'end' expected near '<eof>'"),
    ("break", "syntax: row:1: no loop to break near '<eof>'"),
    ("return ...", ""),
    (
        "return loadstring('return 1 + 1')(), loadstring('x =')",
        "2 nil [string \"x =\"]:1: unexpected symbol near '<eof>'",
    ),
    ("return loadstring('return ...', '=c')(3, 4)", "3 4"),
    (
        "local parts = {'return ', '6', nil} local i = 0 return load(function() i = i + 1 return parts[i] end)()",
        "6",
    ),
    ("setfenv(1, {}) return x", "nil"),
    (
        "local e = {y = 5} local f = loadstring('return y') setfenv(f, e) return f(), getfenv(f) == e",
        "5 true",
    ),
    ("return getfenv(1) == _G, getfenv(print) == _G, _G._G == _G, _VERSION", "true true true Lua 5.1"),
    ("local f = setfenv(function() z = 3 return z end, {}) return f(), rawget(_G, 'z')", "3 nil"),
    ("x1 = 5 local r = _G.x1, rawget(_G, 'x1') x1 = nil return r", "5"),
    ("return tostring(print) == tostring(print), print == print", "true true"),
    ("return type(assert), assert(1, 2, 3)", "function 1 2 3"),
];

const ERRORS: &[(&str, &str)] = &[
    ("return pcall(error, 'x')", "false x"),
    ("return pcall(function() error('x') end)", "false row:1: x"),
    ("return pcall(function() error('x', 0) end)", "false x"),
    ("return pcall(function() error('x', 1) end)", "false row:1: x"),
    ("local function f() error('x', 2) end\nreturn pcall(function()\nf()\nend)", "false row:3: x"),
    ("return pcall(error)", "false nil"),
    ("local ok, e = pcall(error, {code = 7}) return ok, e.code", "false 7"),
    ("return pcall(error, nil)", "false nil"),
    ("return pcall(error, true)", "false true"),
    ("return pcall(function() error(42) end)", "false row:1: 42"),
    ("return pcall(function() return 1, nil, 3 end)", "true 1 nil 3"),
    ("return select('#', pcall(function() end)), pcall(pcall, error, 'x')", "1 true false x"),
    ("return pcall(nil)", "false attempt to call a nil value"),
    ("return pcall(5)", "false attempt to call a number value"),
    ("return xpcall(function() error('x') end, function(e) return 'h: ' .. e end)", "false h: row:1: x"),
    ("return xpcall(function() return 1, 2 end, print)", "true 1 2"),
    ("return xpcall(error, function(e) return tostring(e) end)", "false nil"),
    ("return pcall(assert, false)", "false assertion failed!"),
    ("return pcall(assert, nil, 'why')", "false why"),
    ("local x = assert() return x", "error: row:1: bad argument #1 to 'assert' (value expected)"),
    ("return pcall(assert, false, {1})", "false bad argument #2 to '?' (string expected, got table)"),
    ("return pcall(string.rep)", "false bad argument #1 to '?' (string expected, got no value)"),
    ("return pcall(error, setmetatable({}, {__tostring = function() return 'T' end}))", "false T"),
    (
        "local function f() return f() + 1 end local ok, e = pcall(f) return ok, e:match('stack overflow')",
        "false stack overflow",
    ),
    ("error('top')", "error: row:1: top"),
    ("error({})", "error: table"),
    ("error()", "error: nil"),
    (
        "local ok, e = pcall(function() local x = nil; x.y = 1 end) return e",
        "row:1: attempt to index local 'x' (a nil value)",
    ),
];

const COROUTINES: &[(&str, &str)] = &[
    (
        "local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end) local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 10) return x, y, coroutine.status(co)",
        "2 20 dead",
    ),
    (
        "local co = coroutine.create(function() end) return coroutine.status(co), coroutine.resume(co), coroutine.resume(co)",
        "suspended true false cannot resume dead coroutine",
    ),
    (
        "local f = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) return f(), f(), f()",
        "1 2 3",
    ),
    ("local co = coroutine.create(function() error('x') end) return coroutine.resume(co)", "false row:1: x"),
    (
        "local co = coroutine.create(function() error({}) end) local ok, e = coroutine.resume(co) return ok, type(e)",
        "false table",
    ),
    ("local f = coroutine.wrap(function() error('x', 0) end) return pcall(f)", "false x"),
    ("return coroutine.running()", "nil"),
    ("return coroutine.wrap(function() return type(coroutine.running()) end)()", "thread"),
    (
        "local co co = coroutine.create(function() return coroutine.status(co) end) return coroutine.resume(co)",
        "true running",
    ),
    ("return pcall(coroutine.yield, 1)", "false attempt to yield across metamethod/C-call boundary"),
    (
        "local co = coroutine.create(function() return pcall(coroutine.yield) end) return coroutine.resume(co)",
        "true false attempt to yield across metamethod/C-call boundary",
    ),
    (
        "local co = coroutine.create(function(...) return select('#', ...) end) return coroutine.resume(co, nil, nil)",
        "true 2",
    ),
    ("local co = coroutine.wrap(function() return coroutine.yield() end) co() return co(1, 2)", "1 2"),
    (
        "local x = coroutine.create(1) return x",
        "error: row:1: bad argument #1 to 'create' (Lua function expected)",
    ),
    (
        "local s = {} for v in coroutine.wrap(function() coroutine.yield('a') coroutine.yield('b') end) do s[#s + 1] = v end return table.concat(s)",
        "ab",
    ),
];

/// At 1,700,000,000 seconds: Tuesday, 14 November 2023, 22:13:20 in UTC.
const DATES: &[(&str, &str)] = &[
    ("return os.date('!%a %A %b %B', 1700000000)", "Tue Tuesday Nov November"),
    ("return os.date('!%c', 1700000000)", "Tue Nov 14 22:13:20 2023"),
    ("return os.date('!%d %H %I %j %m %M %p %S', 1700000000)", "14 22 10 318 11 13 PM 20"),
    ("return os.date('!%U %w %W %x %X %y %Y', 1700000000)", "46 2 46 11/14/23 22:13:20 23 2023"),
    ("return os.date('!%Z %%', 1700000000)", "GMT %"),
    (
        "return os.date('!%C %D %e %F %G %g %h %k %l', 1700000000)",
        "20 11/14/23 14 2023-11-14 2023 23 Nov 22 10",
    ),
    ("return os.date('!%n%t%P %r %R %T %u %V %s', 0)", "\n\tam 12:00:00 AM 00:00 00:00:00 4 01 0"),
    ("return os.date('!%z', 0)", "+0000"),
    ("return os.date('!%Y-%m-%dT%H:%M:%SZ', 0)", "1970-01-01T00:00:00Z"),
    ("return os.date('!%H:%M', '3600')", "01:00"),
    ("return os.date('!%d', 86400.9), os.date('!%S', -0.5)", "02 00"),
    ("return os.date('!%Y', -1), os.date('!%F %T', -86400)", "1969 1969-12-31 00:00:00"),
    ("return os.date('!100%'), os.date('!'), #os.date('!')", "100%  0"),
    ("return os.date('!%Ey %Od %EY', 0)", "%Ey %Od %EY"),
    ("return os.date('!%Q %!', 0)", "%Q %!"),
    (
        "local t = os.date('!*t', 1700000000) return t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.yday, t.isdst",
        "2023 11 14 22 13 20 3 318 false",
    ),
    (
        "return type(os.date()), type(os.date('*t')), type(os.time()), type(os.clock())",
        "string table number number",
    ),
    ("return os.date('!%H', 0), os.date('!*tx', 0)", "00 *tx"),
    (
        "return os.time({year = 2023, month = 11, day = 15, hour = 0}) - os.time({year = 2023, month = 11, day = 14, hour = 0})",
        "86400",
    ),
    (
        "return os.time({year = 2023, month = 1, day = 1}) - os.time({year = 2023, month = 1, day = 1, hour = 0})",
        "43200",
    ),
    (
        "return os.time({year = '2023', month = '1', day = 1}) == os.time({year = 2023, month = 1, day = 1})",
        "true",
    ),
    (
        "return os.time({year = 2023, month = 14, day = -3, hour = 30}) == os.time({year = 2024, month = 1, day = 29, hour = 6})",
        "true",
    ),
    ("local t = os.date('*t', 1700000000) return os.time(t)", "1700000000"),
    ("local x = os.time({year = 2023}) return x", "error: row:1: field 'day' missing in date table"),
    (
        "local x = os.time({year = 'x', month = 1, day = 1}) return x",
        "error: row:1: field 'year' missing in date table",
    ),
    ("local x = os.time(5) return x", "error: row:1: bad argument #1 to 'time' (table expected, got number)"),
    (
        "local x = os.date({}) return x",
        "error: row:1: bad argument #1 to 'date' (string expected, got table)",
    ),
    (
        "local x = os.date('%Y', 'x') return x",
        "error: row:1: bad argument #2 to 'date' (number expected, got string)",
    ),
    (
        "local x = os.date('%Y', {}) return x",
        "error: row:1: bad argument #2 to 'date' (number expected, got table)",
    ),
    (
        "local x = os.getenv() return x",
        "error: row:1: bad argument #1 to 'getenv' (string expected, got no value)",
    ),
    ("return os.getenv('NO_SUCH_VARIABLE_HERE')", "nil"),
    ("return os.difftime(10, 4), os.difftime(5)", "6 5"),
    (
        "local x = os.difftime() return x",
        "error: row:1: bad argument #1 to 'difftime' (number expected, got no value)",
    ),
    ("local x = math.random(0) return x", "error: row:1: bad argument #1 to 'random' (interval is empty)"),
    ("local x = math.random(5, 4) return x", "error: row:1: bad argument #2 to 'random' (interval is empty)"),
    ("local x = math.random(1, 2, 3) return x", "error: row:1: wrong number of arguments"),
    (
        "local x = math.random('x') return x",
        "error: row:1: bad argument #1 to 'random' (number expected, got string)",
    ),
    (
        "local x = math.random(nil) return x",
        "error: row:1: bad argument #1 to 'random' (number expected, got nil)",
    ),
    (
        "local x = math.randomseed() return x",
        "error: row:1: bad argument #1 to 'randomseed' (number expected, got no value)",
    ),
    (
        "math.randomseed(42) local r = math.random() return r >= 0 and r < 1, math.random(1), math.random(3, 3), math.random('2') <= 2, math.random(1.9)",
        "true 1 3 true 1",
    ),
    (
        "local x = collectgarbage('x') return x",
        "error: row:1: bad argument #1 to 'collectgarbage' (invalid option 'x')",
    ),
    ("return collectgarbage(), collectgarbage('collect'), type(collectgarbage('count'))", "0 0 number"),
];

/// Where this Lua differs on purpose: the code, what PUC Lua 5.1 answers, what scripts get here.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    (
        "local x = string.format('%s %s', nil, true) return x",
        "error: row:1: bad argument #2 to 'format' (string expected, got nil)",
        "nil true",
    ),
    (
        "local x = string.format('%s|%5s', setmetatable({}, {__tostring = function() return 'T' end}), false) return x",
        "error: row:1: bad argument #2 to 'format' (string expected, got table)",
        "T|false",
    ),
    (
        "local x = string.format('%s', {}):match('^table: %d+$') ~= nil return x",
        "error: row:1: bad argument #2 to 'format' (string expected, got table)",
        "true",
    ),
    ("local t = setmetatable({}, {__mode = 'k'}) return getmetatable(t).__mode", "k", "nil"),
    ("return string.dump ~= nil, newproxy ~= nil, gcinfo ~= nil", "true true true", "false false false"),
    ("local x = loadstring(string.char(27) .. 'Lua') return x", "nil", "nil"),
    ("return tostring({}):match('^table: 0x') ~= nil", "true", "false"),
    (
        "local x = setmetatable({}) return x",
        "error: row:1: bad argument #2 to 'setmetatable' (nil or table expected)",
        "table",
    ),
    ("local x = pcall() return x", "error: row:1: bad argument #1 to 'pcall' (value expected)", "false"),
    ("return #os.date('!a\\0b')", "1", "3"),
];

/// The interpreter that is compiled in, with its whole library.
fn unmodified() -> Lua {
    // SAFETY: the code that it runs stands above.
    unsafe { Lua::unsafe_new_with(StdLib::ALL, LuaOptions::default()) }
}

fn answer(lua: &Lua, code: &str) -> String {
    let show: Function = lua.load(SHOW).into_function().unwrap();
    let text: mlua::LuaString = show.call(code).unwrap();
    without_addresses(&text.to_string_lossy())
}

/// Objects without their addresses and numbers.
fn without_addresses(text: &str) -> String {
    let words = text.split(' ').scan(false, |is_after_kind, word| {
        let is_address = std::mem::replace(is_after_kind, ["table:", "function:", "thread:"].contains(&word));
        Some(if is_address { "builtin" } else { word })
    });
    words.collect::<Vec<_>>().join(" ").replace("table: builtin", "table")
}

fn check(rows: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (code, expected) in rows {
        let here = answer(&Bench::new().runtime.lua, code);
        let there = answer(&unmodified(), code);
        if there != *expected {
            wrong.push(format!("{code}\n  the table: {expected:?}\n  PUC Lua:   {there:?}"));
        }
        if here != *expected {
            wrong.push(format!("{code}\n  the table: {expected:?}\n  here:      {here:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn numbers_are_those_of_lua_5_1() {
    check(NUMBERS);
    check(TEXTS_AND_NUMBERS);
}

#[test]
fn strings_are_those_of_lua_5_1() {
    check(STRINGS);
    check(FORMATS);
}

#[test]
fn tables_and_functions_are_those_of_lua_5_1() {
    check(TABLES);
    check(FUNCTIONS);
}

#[test]
fn errors_and_coroutines_are_those_of_lua_5_1() {
    check(ERRORS);
    check(COROUTINES);
}

#[test]
fn dates_are_those_of_lua_5_1() {
    check(DATES);
}

#[test]
fn what_is_different_is_different_on_purpose() {
    for (code, there, here) in DIFFERENCES {
        assert_eq!(answer(&unmodified(), code), *there, "{code}");
        assert_eq!(answer(&Bench::new().runtime.lua, code), *here, "{code}");
    }
}
