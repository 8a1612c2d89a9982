//! `string.format`: that of Lua 5.1, whose `%s` also takes nil, booleans, tables and other objects, as Sloth Runner's
//! Lua does, in the text that `tostring` gives them.
//!
//! Lua raises errors by a jump past the frame of the function, so no value that must be dropped lives in it.

use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Table};

/// The upvalues: the function `tostring`, and C's own `string.format`.
const TOSTRING: c_int = ffi::lua_upvalueindex(1);
const ORIGINAL: c_int = ffi::lua_upvalueindex(2);

/// Replaces `format` in the table `string`.
pub(super) fn replace(lua: &Lua, string: &Table, tostring: &Function) -> mlua::Result<()> {
    // SAFETY: it uses the two values that it gets and what it pushes itself, within the stack of a C function.
    unsafe {
        lua.exec_raw::<()>((string, tostring), |state| {
            ffi::lua_getfield_(state, 1, c"format".as_ptr());
            if ffi::lua_tocfunction(state, -1).is_some() {
                ffi::lua_pushcclosure(state, format, 2);
                ffi::lua_setfield(state, 1, c"format".as_ptr());
            }
            ffi::lua_settop(state, 0);
        })
    }
}

unsafe extern "C-unwind" fn format(state: *mut lua_State) -> c_int {
    // SAFETY: the format is a text on the stack for the whole call; each index is below the top.
    unsafe {
        let top = ffi::lua_gettop(state);
        if ffi::lua_type(state, 1) == ffi::LUA_TSTRING {
            let mut length = 0;
            let start = ffi::lua_tolstring(state, 1, &mut length);
            let specifiers = Specifiers(std::slice::from_raw_parts(start.cast(), length));
            for (letter, index) in specifiers.zip(2..) {
                if index > top {
                    break;
                }
                if letter == b's'
                    && !matches!(ffi::lua_type(state, index), ffi::LUA_TSTRING | ffi::LUA_TNUMBER)
                {
                    ffi::luaL_checkstack(state, 2, std::ptr::null());
                    ffi::lua_pushvalue(state, TOSTRING);
                    ffi::lua_pushvalue(state, index);
                    ffi::lua_call(state, 1, 1);
                    ffi::lua_replace(state, index);
                }
            }
        }
        // C's function runs in the frame of this one, so that its errors have the line of the caller.
        match ffi::lua_tocfunction(state, ORIGINAL) {
            Some(original) => original(state),
            None => 0,
        }
    }
}

/// The letters of the specifiers in a format that take an argument.
struct Specifiers<'a>(&'a [u8]);

impl Iterator for Specifiers<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        loop {
            let start = self.0.iter().position(|byte| *byte == b'%')?;
            let rest = &self.0[start + 1..];
            let length = rest
                .iter()
                .take_while(|byte| matches!(byte, b'-' | b'+' | b' ' | b'#' | b'.' | b'0'..=b'9'))
                .count();
            let letter = *rest.get(length)?;
            self.0 = &rest[length + 1..];
            if letter != b'%' || length > 0 {
                return Some(letter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_are_those_that_take_an_argument() {
        for (format, expected) in [
            ("", ""),
            ("plain", ""),
            ("%s and %d%%, %5.2f", "sdf"),
            ("%%s", ""),
            ("%-10s|%+ #05d|%q", "sdq"),
            ("%", ""),
            ("%5", ""),
            ("%s%", "s"),
        ] {
            assert_eq!(Specifiers(format.as_bytes()).collect::<Vec<u8>>(), expected.as_bytes(), "{format}");
        }
    }
}
