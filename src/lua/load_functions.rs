//! `load` and `loadstring` as in Lua 5.1, for source text only: compiled code could do what no source can.
//!
//! They are functions of C, so that arguments and errors are reported as Lua does, and nothing of ours stands between
//! the script and its reader.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Table};

/// The upvalues: the function that raises the order to stop, the one that makes an error text, and the one that
/// polls.
const CHECK: c_int = ffi::lua_upvalueindex(1);
const TEXT_OF: c_int = ffi::lua_upvalueindex(2);
const POLL: c_int = ffi::lua_upvalueindex(3);

/// What compiled code begins with.
const COMPILED: u8 = 0x1b;
const ONLY_TEXT: &CStr = c"compiled code cannot be loaded here, only source text";

/// Replaces the two functions. `check` raises an error if the script must stop, and `text_of` gives the text of what
/// a function of ours raised. `poll` is called before a text is compiled, which may take long.
pub(super) fn replace(
    lua: &Lua,
    globals: &Table,
    check: &Function,
    text_of: &Function,
    poll: &Function,
) -> mlua::Result<()> {
    let functions: [(&CStr, ffi::lua_CFunction); 2] = [(c"load", load), (c"loadstring", loadstring)];
    // SAFETY: it uses the four values that it gets, within the stack of a C function.
    unsafe {
        lua.exec_raw::<()>((globals, check, text_of, poll), |state| {
            for (name, function) in functions {
                ffi::lua_pushvalue(state, 2);
                ffi::lua_pushvalue(state, 3);
                ffi::lua_pushvalue(state, 4);
                ffi::lua_pushcclosure(state, function, 3);
                ffi::lua_setfield(state, 1, name.as_ptr());
            }
            ffi::lua_settop(state, 0);
        })
    }
}

/// `load(function or text[, name])`; Lua 5.1 itself takes a function only.
unsafe extern "C-unwind" fn load(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; nothing lives here that must be dropped.
    unsafe {
        if ffi::lua_type(state, 1) == ffi::LUA_TSTRING {
            return loadstring(state);
        }
        let name = ffi::luaL_optlstring(state, 2, c"=(load)".as_ptr(), ptr::null_mut());
        ffi::luaL_checktype(state, 1, ffi::LUA_TFUNCTION);
        // The function, its name, and the piece that is being read.
        ffi::lua_settop(state, 3);
        let mut has_begun = false;
        let status = ffi::lua_load(state, read, (&raw mut has_begun).cast(), name);
        answer(state, status)
    }
}

/// The next piece, which the function answers.
unsafe extern "C-unwind" fn read(
    state: *mut lua_State,
    has_begun: *mut c_void,
    size: *mut usize,
) -> *const c_char {
    // SAFETY: called by `lua_load` in the frame of `load`, whose variable this points to.
    unsafe {
        ffi::luaL_checkstack_(state, 2, c"too many nested functions".as_ptr());
        ffi::lua_pushvalue(state, 1);
        ffi::lua_call(state, 0, 1);
        if ffi::lua_type(state, -1) == ffi::LUA_TNIL {
            *size = 0;
            return ptr::null();
        }
        if ffi::lua_isstring(state, -1) == 0 {
            ffi::luaL_error(state, c"reader function must return a string".as_ptr());
        }
        ffi::lua_replace(state, 3);
        let piece = ffi::lua_tolstring(state, 3, size);
        let has_begun = has_begun.cast::<bool>();
        if !*has_begun && *size > 0 && *piece.cast::<u8>() == COMPILED {
            ffi::lua_pushstring_(state, ONLY_TEXT.as_ptr());
            ffi::lua_error(state);
        }
        *has_begun = true;
        piece
    }
}

/// `loadstring(text[, name])`
unsafe extern "C-unwind" fn loadstring(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua; nothing lives here that must be dropped.
    unsafe {
        let mut length = 0;
        let text = ffi::luaL_checklstring(state, 1, &mut length);
        let name = ffi::luaL_optlstring(state, 2, text, ptr::null_mut());
        if length > 0 && *text.cast::<u8>() == COMPILED {
            ffi::lua_pushnil(state);
            ffi::lua_pushstring_(state, ONLY_TEXT.as_ptr());
            return 2;
        }
        ffi::lua_pushvalue(state, POLL);
        ffi::lua_call(state, 0, 0);
        let status = ffi::luaL_loadbuffer(state, text, length, name);
        answer(state, status)
    }
}

/// The function, or nil and the message that is on the stack.
unsafe fn answer(state: *mut lua_State, status: c_int) -> c_int {
    // SAFETY: the upvalues are functions.
    unsafe {
        if status == 0 {
            return 1;
        }
        // The reader may have called a function of ours, or was stopped.
        if ffi::lua_type(state, -1) != ffi::LUA_TSTRING {
            ffi::lua_pushvalue(state, CHECK);
            ffi::lua_call(state, 0, 0);
            ffi::lua_pushvalue(state, TEXT_OF);
            ffi::lua_pushvalue(state, -2);
            ffi::lua_call(state, 1, 1);
        }
        ffi::lua_pushnil(state);
        ffi::lua_pushvalue(state, -2);
        2
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use mlua::Value;

    use super::*;

    /// Bare Lua, and Lua with our functions.
    fn interpreters() -> [Lua; 2] {
        let ours = Lua::new();
        let check = ours.create_function(|_, ()| Ok(())).unwrap();
        let text_of = ours.create_function(|_, value: Value| Ok(value)).unwrap();
        replace(&ours, &ours.globals(), &check, &text_of, &check).unwrap();
        [Lua::new(), ours]
    }

    /// What `call` answers, as text.
    fn answer(lua: &Lua, call: &str) -> String {
        let code = r##"
            local call = ...
            function pieces(...)
              local list, place = { ... }, 0
              return function() place = place + 1 return list[place] end
            end
            local chunk = assert(loadstring("return " .. call, "=call"))
            local values = { n = 0 }
            local function keep(...) values = { n = select("#", ...), ... } end
            keep(pcall(chunk))
            for place = 1, values.n do
              local value = values[place]
              local ok, result = false, nil
              if type(value) == "function" then ok, result = pcall(value) end
              values[place] = type(value) == "function" and "function answering " .. tostring(result)
                or type(value) == "table" and "table" or tostring(value)
            end
            return table.concat(values, ", ")"##;
        lua.load(code).set_name("=test").call(call).unwrap()
    }

    #[test]
    fn they_answer_as_those_of_lua() {
        let [theirs, ours] = interpreters();
        for call in [
            "load(function() return {} end)",
            "load(function() return true end)",
            "load(function() return print end)",
            "load(pieces('return ', '1', ' + 1'))",
            "load(pieces('return ', 7))",
            "load(pieces(5))",
            "load(pieces())",
            "load(pieces('', 'return 1'))",
            "load(pieces('return 1', '', ' + 1'))",
            "load(pieces('x ='))",
            "load(pieces('x ='), '@file.lua')",
            "load(pieces('x ='), '=name')",
            "load(pieces('x ='), 5)",
            "load(pieces('return 1'), {})",
            "load(function() error('mine') end)",
            "load(function() error('mine', 2) end)",
            "load(function() error({ code = 1 }) end)",
            "load(function() error() end)",
            "load(function() return nil .. 'x' end)",
            "load(function() return '(' end)",
            "load(function() coroutine.yield() end)",
            "load()",
            "load(nil)",
            "load(5)",
            "load({})",
            "load(setmetatable({}, { __call = function() end }))",
            "loadstring('return 1, 2')",
            "loadstring('return ...')",
            "loadstring('')",
            "loadstring('x =')",
            "loadstring('x =', 'named')",
            "loadstring('x =', '@file.lua')",
            "loadstring('x =', '=name')",
            "loadstring('\\n\\nx = = 1')",
            "loadstring('return 1', {})",
            "loadstring(5)",
            "loadstring()",
            "loadstring(nil)",
            "loadstring({})",
            "loadstring('return \\0')",
            "loadstring(('do '):rep(300))",
        ] {
            assert_eq!(answer(&ours, call), answer(&theirs, call), "{call}");
        }
        for (call, expected) in [
            ("load(function() return {} end)", "true, nil, call:1: reader function must return a string"),
            ("load('return 7')", "true, function answering 7"),
            ("load('x =', '=name')", "true, nil, name:1: unexpected symbol near '<eof>'"),
            ("loadstring('\\27Lua')", "true, nil, compiled code cannot be loaded here, only source text"),
            (
                "load(pieces('\\27', 'Lua'))",
                "true, nil, compiled code cannot be loaded here, only source text",
            ),
            ("load('\\27Lua')", "true, nil, compiled code cannot be loaded here, only source text"),
        ] {
            assert_eq!(answer(&ours, call), expected, "{call}");
        }
    }

    #[test]
    fn the_order_to_stop_in_a_reader_is_not_swallowed() {
        let lua = Lua::new();
        let stops = Rc::new(Cell::new(false));
        let shared = Rc::clone(&stops);
        let check = move |_: &Lua, ()| if shared.get() { Err(mlua::Error::runtime("stop")) } else { Ok(()) };
        let check = lua.create_function(check).unwrap();
        let no_stop = lua.create_function(|_, ()| Ok(())).unwrap();
        let text_of = lua.create_function(|_, _: Value| Ok("the text")).unwrap();
        replace(&lua, &lua.globals(), &check, &text_of, &no_stop).unwrap();
        let ours = lua.create_function(|_, ()| -> mlua::Result<()> { Err(mlua::Error::runtime("of ours")) });
        lua.globals().raw_set("ours", ours.unwrap()).unwrap();
        let loaded = || lua.load("return load(ours)").eval::<(Value, String)>();
        assert_eq!(loaded().unwrap(), (Value::Nil, "the text".into()));
        stops.set(true);
        assert!(loaded().unwrap_err().to_string().contains("stop"));
    }

    /// Each form, a nested one of which is in the place of `@`.
    const NESTED: [(&str, &str); 20] = [
        ("return @", "(@)"),
        ("return @", "{@}"),
        ("return @", "{a = @}"),
        ("return @", "{[@] = 1}"),
        ("return @", "function() return @ end"),
        ("@", "do @ end"),
        ("@", "if x then @ end"),
        ("@", "if x then else @ end"),
        ("@", "while x do @ end"),
        ("@", "repeat @ until x"),
        ("@", "for i = 1, 2 do @ end"),
        ("@", "for i in x do @ end"),
        ("@", "function f() @ end"),
        ("@", "local function f() @ end"),
        ("return @", "x[@]"),
        ("return @", "f(@)"),
        ("return @", "f{@}"),
        ("return @", "- @"),
        ("return @", "x .. @"),
        ("return @", "x ^ @"),
    ];

    #[test]
    fn deep_nesting_is_an_error_with_a_line() {
        let [_, ours] = interpreters();
        for (outer, form) in NESTED {
            for depth in [201, 1_000, 100_000] {
                let (before, after) = form.split_once('@').unwrap();
                let innermost = if outer == "@" { "" } else { "x" };
                let nested = format!("{}{innermost}{}", before.repeat(depth), after.repeat(depth));
                let code = format!("\n{}", outer.replace('@', &nested));
                let (_, problem): (Value, String) =
                    ours.load("return loadstring(..., '=nested')").call(code).unwrap();
                let reasons = ["syntax levels", "too complex", "upvalues", "local variables"];
                let is_expected = reasons.iter().any(|words| problem.contains(words));
                assert!(problem.starts_with("nested:2:") && is_expected, "{form} {depth}: {problem}");
            }
        }
    }
}
