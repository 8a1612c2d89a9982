//! The other functions of `string` and `table` whose calls may take long: those of C, whose arguments count as steps.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

use super::functions::{count_steps, original};

/// How many bytes are copied in the time of a step.
const BYTES_PER_STEP: u64 = 8;
/// How many steps sorting takes for each item.
const STEPS_PER_SORTED_ITEM: u64 = 16;

/// The functions, by their modules.
pub(super) const OF_STRING: [(&CStr, ffi::lua_CFunction); 4] =
    [(c"upper", by_text), (c"lower", by_text), (c"reverse", by_text), (c"rep", rep)];
pub(super) const OF_TABLE: [(&CStr, ffi::lua_CFunction); 5] =
    [(c"concat", by_items), (c"maxn", by_items), (c"sort", sort), (c"insert", insert), (c"remove", remove)];

/// As many steps as the texts are long.
unsafe extern "C-unwind" fn by_text(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua, with the upvalues of `replace`; numbers stay numbers.
    unsafe {
        let texts = 1..=ffi::lua_gettop(state);
        let texts = texts.filter(|index| ffi::lua_type(state, *index) == ffi::LUA_TSTRING);
        let bytes: u64 = texts.map(|index| ffi::lua_objlen(state, index) as u64).sum();
        count_steps(state, bytes / BYTES_PER_STEP);
        original(state)
    }
}

/// As many steps as the text is long that it makes. C's function goes on for long where that is empty.
unsafe extern "C-unwind" fn rep(state: *mut lua_State) -> c_int {
    // SAFETY: as `by_text`.
    unsafe {
        if ffi::lua_type(state, 1) == ffi::LUA_TSTRING && ffi::lua_isnumber(state, 2) != 0 {
            let length = ffi::lua_objlen(state, 1) as u64;
            let times = u64::try_from(ffi::lua_tointeger_(state, 2)).unwrap_or(0);
            if length == 0 {
                ffi::lua_settop(state, 1);
                return 1;
            }
            count_steps(state, length.saturating_mul(times) / BYTES_PER_STEP);
        }
        original(state)
    }
}

unsafe fn items(state: *mut lua_State) -> u64 {
    // SAFETY: reads the length of a table.
    unsafe { if ffi::lua_type(state, 1) == ffi::LUA_TTABLE { ffi::lua_objlen(state, 1) as u64 } else { 0 } }
}

/// As many steps as the table has items.
unsafe extern "C-unwind" fn by_items(state: *mut lua_State) -> c_int {
    // SAFETY: as `by_text`.
    unsafe {
        count_steps(state, items(state));
        original(state)
    }
}

unsafe extern "C-unwind" fn sort(state: *mut lua_State) -> c_int {
    // SAFETY: as `by_text`.
    unsafe {
        count_steps(state, items(state).saturating_mul(STEPS_PER_SORTED_ITEM));
        original(state)
    }
}

/// It moves the items behind a place; at the end it moves none.
unsafe extern "C-unwind" fn insert(state: *mut lua_State) -> c_int {
    // SAFETY: as `by_text`.
    unsafe {
        if ffi::lua_gettop(state) > 2 {
            count_steps(state, items(state));
        }
        original(state)
    }
}

unsafe extern "C-unwind" fn remove(state: *mut lua_State) -> c_int {
    // SAFETY: as `by_text`.
    unsafe {
        if ffi::lua_gettop(state) > 1 {
            count_steps(state, items(state));
        }
        original(state)
    }
}
