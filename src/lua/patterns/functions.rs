//! `string.find`, `match`, `gmatch` and `gsub` as functions of C: a call that C's own function answers costs
//! little more than before, and errors of callbacks pass through them unchanged.
//!
//! Lua raises errors by a jump past the frames of these functions. So no value that must be dropped lives in them
//! where Lua may raise: [`search`] returns before.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::raw::c_int;

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Table};

use super::cost::worst_case;
use super::error::PatternError;
use super::matcher::{Extent, Match, STEPS_PER_POLL, StepCounter, search};

/// The upvalues of each function: a [`Meter`], the function that polls, and C's own function.
const METER: c_int = ffi::lua_upvalueindex(1);
const POLL: c_int = ffi::lua_upvalueindex(2);
const ORIGINAL: c_int = ffi::lua_upvalueindex(3);
/// The upvalues of the iterator of `gmatch` that follow the first two.
const SUBJECT: c_int = ffi::lua_upvalueindex(3);
const PATTERN: c_int = ffi::lua_upvalueindex(4);
const POSITION: c_int = ffi::lua_upvalueindex(5);

/// How many times as long as a usual match the worst case takes: what C answers counts as that part.
const WORST_TO_USUAL: u64 = 40;

/// What the functions share.
struct Meter {
    /// The steps since the last poll.
    steps: u64,
    /// The most steps that C's functions may take in the worst case.
    max_steps_of_c: u64,
}

/// The functions that search.
pub(super) const SEARCHES: [(&CStr, ffi::lua_CFunction); 5] =
    [(c"find", find), (c"match", match_), (c"gmatch", gmatch), (c"gfind", gmatch), (c"gsub", gsub)];

/// Replaces these functions of C in `table`. `poll` raises an error if the script must stop.
pub(super) fn replace(
    lua: &Lua,
    table: &Table,
    functions: &[(&CStr, ffi::lua_CFunction)],
    poll: &Function,
    max_steps_of_c: u64,
) -> mlua::Result<()> {
    // SAFETY: it uses the two values that it gets and what it pushes itself, within the stack of a C function.
    unsafe {
        lua.exec_raw::<()>((table, poll), |state| {
            ffi::lua_newuserdata(state, size_of::<Meter>())
                .cast::<Meter>()
                .write(Meter { steps: 0, max_steps_of_c });
            for (name, function) in functions {
                ffi::lua_pushvalue(state, 3);
                ffi::lua_pushvalue(state, 2);
                ffi::lua_getfield_(state, 1, name.as_ptr());
                // One with upvalues would look for them among ours.
                let is_plain =
                    ffi::lua_tocfunction(state, -1).is_some() && ffi::lua_getupvalue(state, -1, 1).is_null();
                if !is_plain {
                    ffi::lua_settop(state, 3);
                    continue;
                }
                ffi::lua_pushcclosure(state, *function, 3);
                ffi::lua_setfield(state, 1, name.as_ptr());
            }
            ffi::lua_settop(state, 0);
        })
    }
}

/// Calls C's own function, which gets the arguments as they are.
pub(super) unsafe fn original(state: *mut lua_State) -> c_int {
    // SAFETY: the upvalue is a function of C, which runs in the frame of this one.
    unsafe {
        match ffi::lua_tocfunction(state, ORIGINAL) {
            Some(function) => function(state),
            None => 0,
        }
    }
}

/// The text at `index`, a number as its text; `None` for other values. It lives as long as the value stays there.
unsafe fn text<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    let mut length = 0;
    // SAFETY: the length is that of the text.
    unsafe {
        let start = ffi::lua_tolstring(state, index, &mut length);
        if start.is_null() { None } else { Some(std::slice::from_raw_parts(start.cast(), length)) }
    }
}

/// Whether the argument is a number or was left out.
unsafe fn is_optional_number(state: *mut lua_State, index: c_int) -> bool {
    // SAFETY: reads the type only.
    unsafe { ffi::lua_type(state, index) <= ffi::LUA_TNIL || ffi::lua_isnumber(state, index) != 0 }
}

/// Whether C's function answers; counts what it takes.
unsafe fn is_for_c(state: *mut lua_State, worst_case: u64) -> bool {
    // SAFETY: the upvalue is a meter.
    unsafe {
        let meter = ffi::lua_touserdata(state, METER).cast::<Meter>();
        if worst_case > (*meter).max_steps_of_c {
            return false;
        }
        count_steps(state, worst_case / WORST_TO_USUAL);
        true
    }
}

/// Counts the steps of a call of C, and polls if there were enough since the last poll.
pub(super) unsafe fn count_steps(state: *mut lua_State, steps: u64) {
    // SAFETY: the upvalues are a meter and a function, and nothing lives here that must be dropped.
    unsafe {
        let meter = ffi::lua_touserdata(state, METER).cast::<Meter>();
        (*meter).steps = (*meter).steps.saturating_add(steps);
        if (*meter).steps >= STEPS_PER_POLL {
            (*meter).steps = 0;
            ffi::luaL_checkstack_(state, 1, c"too many arguments".as_ptr());
            ffi::lua_pushvalue(state, POLL);
            ffi::lua_call(state, 0, 0);
        }
    }
}

/// Searches, and raises the error of the pattern.
unsafe fn first_match(
    state: *mut lua_State,
    subject: &[u8],
    pattern: &[u8],
    from: usize,
    is_anchored: bool,
) -> Option<Match> {
    // SAFETY: the upvalues are a meter and a function; an error of that stays on the stack until nothing lives
    // here that must be dropped.
    unsafe {
        let meter = ffi::lua_touserdata(state, METER).cast::<Meter>();
        let mut poll = || {
            ffi::lua_pushvalue(state, POLL);
            ffi::lua_pcall(state, 0, 0, 0) == 0
        };
        let counter = StepCounter { steps: &mut (*meter).steps, poll: &mut poll };
        match search(subject, pattern, from, is_anchored, counter) {
            Ok(found) => found,
            Err(PatternError::Stopped) => ffi::lua_error(state),
            Err(error) => raise(state, error),
        }
    }
}

unsafe fn raise(state: *mut lua_State, error: PatternError) -> ! {
    // SAFETY: the text is the one argument of the format.
    unsafe {
        ffi::luaL_error(state, c"%s".as_ptr(), error.text().as_ptr());
    }
    unreachable!("luaL_error does not return")
}

/// The pattern without its anchor, and whether it has one.
fn anchored(pattern: &[u8]) -> (&[u8], bool) {
    pattern.strip_prefix(b"^").map_or((pattern, false), |rest| (rest, true))
}

/// Pushes a capture; the whole match for the first one of a pattern without captures.
unsafe fn push_capture(state: *mut lua_State, subject: &[u8], found: &Match, index: usize) {
    let push = |text: &[u8]| {
        // SAFETY: there is room on the stack.
        unsafe { ffi::lua_pushlstring_(state, text.as_ptr().cast(), text.len()) }
    };
    match found.captures().get(index) {
        None if index == 0 => push(&subject[found.start..found.end]),
        // SAFETY: nothing lives here that must be dropped.
        None => unsafe { raise(state, PatternError::CaptureIndex) },
        Some(capture) => match capture.extent {
            // SAFETY: as above.
            Extent::Unfinished => unsafe { raise(state, PatternError::UnfinishedCapture) },
            // SAFETY: there is room on the stack.
            Extent::Position => unsafe {
                ffi::lua_pushinteger(state, capture.start as ffi::lua_Integer + 1);
            },
            Extent::Length(length) => push(&subject[capture.start..capture.start + length]),
        },
    }
}

/// Pushes `count` captures.
unsafe fn push_captures(state: *mut lua_State, subject: &[u8], found: &Match, count: usize) -> c_int {
    // SAFETY: the stack has room for that many.
    unsafe {
        ffi::luaL_checkstack_(state, count as c_int, c"too many captures".as_ptr());
        (0..count).for_each(|index| push_capture(state, subject, found, index));
    }
    count as c_int
}

unsafe extern "C-unwind" fn find(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua, with the upvalues of `replace`.
    unsafe { find_or_match(state, true) }
}

unsafe extern "C-unwind" fn match_(state: *mut lua_State) -> c_int {
    // SAFETY: as `find`.
    unsafe { find_or_match(state, false) }
}

unsafe fn find_or_match(state: *mut lua_State, is_find: bool) -> c_int {
    // SAFETY: the texts stay where they are on the stack.
    unsafe {
        let (Some(subject), Some(pattern)) = (text(state, 1), text(state, 2)) else { return original(state) };
        // Most calls end here: whatever the other arguments are, C's function comes to an end soon.
        let plain_steps = (subject.len() as u64).saturating_mul(pattern.len() as u64);
        if is_for_c(state, plain_steps.max(worst_case(subject.len(), pattern)))
            || !is_optional_number(state, 3)
        {
            return original(state);
        }
        let from = first_place(state, subject.len());
        let is_plain = is_find && (ffi::lua_toboolean(state, 4) != 0 || has_no_specials(pattern));
        if is_plain {
            let steps = ((subject.len() - from) as u64).saturating_mul(pattern.len() as u64);
            if is_for_c(state, steps) {
                return original(state);
            }
            // It takes as many steps as both are long, and each is a fast one.
            count_steps(state, (subject.len() as u64 + pattern.len() as u64) / 8);
            let Some(place) = memchr::memmem::find(&subject[from..], pattern) else {
                ffi::lua_pushnil(state);
                return 1;
            };
            ffi::lua_pushinteger(state, (from + place + 1) as ffi::lua_Integer);
            ffi::lua_pushinteger(state, (from + place + pattern.len()) as ffi::lua_Integer);
            return 2;
        }
        if is_for_c(state, worst_case(subject.len() - from, pattern)) {
            return original(state);
        }
        let (pattern, is_anchored) = anchored(pattern);
        let Some(found) = first_match(state, subject, pattern, from, is_anchored) else {
            ffi::lua_pushnil(state);
            return 1;
        };
        let captures = found.captures().len();
        if !is_find {
            return push_captures(state, subject, &found, captures.max(1));
        }
        ffi::lua_pushinteger(state, found.start as ffi::lua_Integer + 1);
        ffi::lua_pushinteger(state, found.end as ffi::lua_Integer);
        push_captures(state, subject, &found, captures) + 2
    }
}

/// Where the search begins by the third argument, counted from 0.
unsafe fn first_place(state: *mut lua_State, length: usize) -> usize {
    // SAFETY: the argument is a number or missing.
    let given = unsafe { ffi::luaL_optinteger(state, 3, 1) };
    let given = if given < 0 { given.saturating_add(length as ffi::lua_Integer + 1) } else { given };
    usize::try_from(given.saturating_sub(1)).unwrap_or(0).min(length)
}

/// Whether C searches for the pattern as it is. It looks at the bytes before the first zero.
fn has_no_specials(pattern: &[u8]) -> bool {
    !pattern.iter().take_while(|byte| **byte != 0).any(|byte| b"^$*+?.([%-".contains(byte))
}

unsafe extern "C-unwind" fn gmatch(state: *mut lua_State) -> c_int {
    // SAFETY: the texts become upvalues of the iterator.
    unsafe {
        let (Some(subject), Some(pattern)) = (text(state, 1), text(state, 2)) else { return original(state) };
        if is_for_c(state, worst_case(subject.len(), pattern)) {
            return original(state);
        }
        ffi::lua_pushvalue(state, METER);
        ffi::lua_pushvalue(state, POLL);
        ffi::lua_pushvalue(state, 1);
        ffi::lua_pushvalue(state, 2);
        ffi::lua_pushinteger(state, 0);
        ffi::lua_pushcclosure(state, next_match, 5);
        1
    }
}

unsafe extern "C-unwind" fn next_match(state: *mut lua_State) -> c_int {
    // SAFETY: called by Lua, with the upvalues of `gmatch`.
    unsafe {
        let (Some(subject), Some(pattern)) = (text(state, SUBJECT), text(state, PATTERN)) else { return 0 };
        let from = usize::try_from(ffi::lua_tointeger_(state, POSITION)).unwrap_or(usize::MAX);
        if from > subject.len() {
            return 0;
        }
        let Some(found) = first_match(state, subject, pattern, from, false) else { return 0 };
        let next = found.end.max(found.start + 1);
        ffi::lua_pushinteger(state, next as ffi::lua_Integer);
        ffi::lua_replace(state, POSITION);
        push_captures(state, subject, &found, found.captures().len().max(1))
    }
}

unsafe extern "C-unwind" fn gsub(state: *mut lua_State) -> c_int {
    // SAFETY: the texts stay where they are on the stack. The buffer needs no drop.
    unsafe {
        let (Some(subject), Some(pattern)) = (text(state, 1), text(state, 2)) else { return original(state) };
        let is_replacement = matches!(
            ffi::lua_type(state, 3),
            ffi::LUA_TNUMBER | ffi::LUA_TSTRING | ffi::LUA_TFUNCTION | ffi::LUA_TTABLE
        );
        // A text is added for each match.
        let replacement = match ffi::lua_type(state, 3) {
            ffi::LUA_TNUMBER | ffi::LUA_TSTRING => text(state, 3).map_or(0, <[u8]>::len),
            _ => 0,
        };
        let added = (subject.len() as u64 + 1).saturating_mul(replacement as u64);
        if !is_replacement
            || !is_optional_number(state, 4)
            || is_for_c(state, worst_case(subject.len(), pattern).max(added))
        {
            return original(state);
        }
        // C has it as an `int`, too.
        let most = ffi::luaL_optinteger(state, 4, subject.len() as ffi::lua_Integer + 1) as c_int;
        let (pattern, is_anchored) = anchored(pattern);
        ffi::luaL_checkstack_(state, ffi::LUA_MINSTACK, c"too many captures".as_ptr());
        let mut buffer = MaybeUninit::<ffi::luaL_Buffer>::uninit();
        let buffer = buffer.as_mut_ptr();
        ffi::luaL_buffinit(state, buffer);
        let (mut at, mut count) = (0, 0);
        while count < most {
            let Some(found) = first_match(state, subject, pattern, at, is_anchored) else { break };
            add(buffer, &subject[at..found.start]);
            count += 1;
            add_replacement(state, buffer, subject, &found);
            at = found.end;
            if found.end == found.start {
                let Some(byte) = subject.get(at) else { break };
                add(buffer, &[*byte]);
                at += 1;
            }
            if is_anchored {
                break;
            }
        }
        add(buffer, &subject[at..]);
        ffi::luaL_pushresult(buffer);
        ffi::lua_pushinteger(state, ffi::lua_Integer::from(count));
        2
    }
}

unsafe fn add(buffer: *mut ffi::luaL_Buffer, text: &[u8]) {
    // SAFETY: the buffer copies the text.
    unsafe { ffi::luaL_addlstring(buffer, text.as_ptr().cast(), text.len()) }
}

/// Adds what replaces a match by the third argument.
unsafe fn add_replacement(
    state: *mut lua_State,
    buffer: *mut ffi::luaL_Buffer,
    subject: &[u8],
    found: &Match,
) {
    let whole = &subject[found.start..found.end];
    // SAFETY: `luaL_addvalue` takes the one value that is pushed.
    unsafe {
        match ffi::lua_type(state, 3) {
            ffi::LUA_TFUNCTION => {
                ffi::lua_pushvalue(state, 3);
                let count = push_captures(state, subject, found, found.captures().len().max(1));
                ffi::lua_call(state, count, 1);
            }
            ffi::LUA_TTABLE => {
                push_capture(state, subject, found, 0);
                ffi::lua_gettable_(state, 3);
            }
            _ => return add_text(state, buffer, subject, found),
        }
        if ffi::lua_toboolean(state, -1) == 0 {
            ffi::lua_settop(state, -2);
            return add(buffer, whole);
        }
        if ffi::lua_isstring(state, -1) == 0 {
            let name = ffi::lua_typename(state, ffi::lua_type(state, -1));
            ffi::luaL_error(state, c"invalid replacement value (a %s)".as_ptr(), name);
        }
        ffi::luaL_addvalue(buffer);
    }
}

/// Adds the third argument, in which `%1` is a capture and `%0` the whole match.
unsafe fn add_text(state: *mut lua_State, buffer: *mut ffi::luaL_Buffer, subject: &[u8], found: &Match) {
    // SAFETY: `luaL_addvalue` takes the capture that is pushed.
    unsafe {
        let mut rest = text(state, 3).unwrap_or_default();
        while let Some(place) = memchr::memchr(b'%', rest) {
            add(buffer, &rest[..place]);
            count_steps(state, place as u64 / 8 + 1);
            // A text of C ends with a zero byte.
            let byte = rest.get(place + 1).copied().unwrap_or(0);
            match byte {
                b'0' => add(buffer, &subject[found.start..found.end]),
                b'1'..=b'9' => {
                    push_capture(state, subject, found, usize::from(byte - b'1'));
                    ffi::luaL_addvalue(buffer);
                }
                _ => add(buffer, &[byte]),
            }
            rest = rest.get(place + 2..).unwrap_or_default();
        }
        add(buffer, rest);
    }
}
